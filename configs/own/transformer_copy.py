"""A small transformer in plain JAX: two layers, two heads, learned places, norm before each block."""

import jax
import jax.numpy as jnp

TOKENS, WIDTH, HEADS, LAYERS = 8, 32, 2, 2


def init(key, x):
    """Parameters for tokens `[rows, length]`."""
    keys = iter(jax.random.split(key, 3 + 4 * LAYERS))

    def matrix(*shape):
        return jax.random.normal(next(keys), shape) / shape[-2] ** 0.5

    def layer():
        return {
            "attention": {"in": matrix(WIDTH, 3 * WIDTH), "out": matrix(WIDTH, WIDTH)},
            "dense": {"in": matrix(WIDTH, 4 * WIDTH), "out": matrix(4 * WIDTH, WIDTH)},
        }

    return {
        "tokens": matrix(TOKENS, WIDTH),
        "places": matrix(x.shape[1], WIDTH),
        "layers": [layer() for _ in range(LAYERS)],
        "head": matrix(WIDTH, TOKENS),
    }


def norm(h):
    """Each place by itself to mean 0 and variance 1."""
    h = h - h.mean(-1, keepdims=True)
    return h * jax.lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-6)


def attend(parameters, h, focus):
    """Every place looks at every other one."""
    rows, length, _ = h.shape
    q, k, v = jnp.split(h @ parameters["in"], 3, axis=-1)
    q, k, v = (each.reshape(rows, length, HEADS, -1) for each in (q, k, v))
    logits = focus * jnp.einsum("rihd,rjhd->rhij", q, k) / q.shape[-1] ** 0.5
    seen = jnp.einsum("rhij,rjhd->rihd", jax.nn.softmax(logits), v)
    return seen.reshape(rows, length, -1) @ parameters["out"]


def apply(parameters, x, numbers):
    """Logits `[rows, length, 8]`. `numbers` are those of `[model.numbers]`: an axis over them compiles nothing."""
    h = parameters["tokens"][x] + parameters["places"]
    for layer in parameters["layers"]:
        h = h + attend(layer["attention"], norm(h), numbers["focus"])
        h = h + jax.nn.gelu(norm(h) @ layer["dense"]["in"]) @ layer["dense"]["out"]
    return norm(h) @ parameters["head"]


def build():
    """The pair that is trained."""
    return init, apply
