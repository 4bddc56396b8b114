"""Networks of two layers in plain JAX."""

import jax
import jax.numpy as jnp


def plain(units=8):
    """Two inputs in, one logit out."""

    def init(key, x):
        one, two = jax.random.split(key)
        first = jax.random.normal(one, (x.shape[1], units)) / x.shape[1] ** 0.5
        return {
            "first": {"kernel": first, "bias": jnp.zeros(units)},
            "last": {"kernel": jax.random.normal(two, (units, 1)) / units**0.5, "bias": jnp.zeros(1)},
        }

    def apply(parameters, x):
        hidden = jnp.tanh(x @ parameters["first"]["kernel"] + parameters["first"]["bias"])
        return hidden @ parameters["last"]["kernel"] + parameters["last"]["bias"]

    return init, apply


def with_sigmoid(units=8):
    """The same, but what it gives is a probability already."""
    init, logits = plain(units)
    return init, lambda parameters, x: jax.nn.sigmoid(logits(parameters, x))
