"""Convolutions and pooling in another form: the same numbers and the same gradients as XLA's, and only where they are plain ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.models.own.patches import MOST_PATCHES
from nanmap.models.own.rewriting import rewritten

NHWC, NCHW = ("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW")
# Of each convolution: the shapes of its inputs and its kernel, and how it is asked for.
PLAIN: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "same": ((2, 5, 6, 3), (3, 3, 3, 4), {"dimension_numbers": NHWC, "padding": "SAME"}),
    "valid": ((2, 5, 6, 3), (3, 2, 3, 4), {"dimension_numbers": NHWC, "padding": "VALID"}),
    "strides": ((2, 7, 6, 3), (3, 3, 3, 4), {"dimension_numbers": NHWC, "padding": "SAME", "window_strides": (2, 3)}),
    "dilated": ((2, 9, 8, 3), (3, 3, 3, 4), {"dimension_numbers": NHWC, "padding": "SAME", "rhs_dilation": (2, 1)}),
    "uneven padding": ((2, 5, 6, 3), (3, 3, 3, 4), {"dimension_numbers": NHWC, "padding": ((2, 0), (0, 1))}),
    "channels first": ((2, 3, 5, 6), (4, 3, 3, 3), {"dimension_numbers": NCHW, "padding": "SAME"}),
    "one place": ((2, 5, 6, 3), (1, 1, 3, 4), {"dimension_numbers": NHWC, "padding": "VALID"}),
    "a line": ((2, 9, 3), (4, 3, 5), {"dimension_numbers": ("NWC", "WIO", "NWC"), "padding": "SAME"}),
    "a block": (
        (2, 4, 5, 3, 2),
        (2, 3, 2, 2, 3),
        {"dimension_numbers": ("NDHWC", "DHWIO", "NDHWC"), "padding": "SAME"},
    ),
}
OTHERS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "groups": ((2, 5, 6, 4), (3, 3, 2, 4), {"dimension_numbers": NHWC, "padding": "SAME", "feature_group_count": 2}),
    "transposed": (
        (2, 5, 6, 3),
        (3, 3, 3, 4),
        {"dimension_numbers": NHWC, "padding": ((2, 2), (2, 2)), "lhs_dilation": (2, 2)},
    ),
    "cropped": ((2, 9, 9, 3), (3, 3, 3, 4), {"dimension_numbers": NHWC, "padding": ((-1, 0), (0, 0))}),
}


def convolution(x: Any, kernel: Any, options: dict[str, Any]) -> Any:
    strides = options.get("window_strides", (1,) * (x.ndim - 2))
    return jax.lax.conv_general_dilated(x, kernel, **(options | {"window_strides": strides}))


def arrays(shape: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Any, Any]:
    one, two = jax.random.split(jax.random.key(0))
    return jax.random.normal(one, shape), jax.random.normal(two, kernel)


def operations(function: Any, *arguments: Any) -> str:
    return str(jax.make_jaxpr(function)(*arguments))


@pytest.mark.parametrize(
    ("kind", "rows"), [*((kind, 9) for kind in PLAIN), ("uneven padding", 2), ("channels first", 2)]
)
def test_a_plain_convolution_is_a_product_of_patches(kind: str, rows: int) -> None:
    shape, sides, options = PLAIN[kind]
    x, kernel = arrays((rows, *shape[1:]), sides)
    plain = lambda x, kernel: jnp.sin(convolution(x, kernel, options))  # noqa: E731
    other = rewritten(plain)
    assert "conv_general_dilated" in operations(plain, x, kernel)
    assert "conv_general_dilated" not in operations(other, x, kernel)
    np.testing.assert_allclose(jax.jit(other)(x, kernel), jax.jit(plain)(x, kernel), rtol=1e-5, atol=1e-5)
    ours, theirs = (
        jax.jit(jax.grad(lambda *given, f=f: (f(*given) ** 2).sum(), (0, 1)))(x, kernel) for f in (other, plain)
    )
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4), ours, theirs)


@pytest.mark.parametrize("kind", OTHERS)
def test_others_are_left_alone(kind: str) -> None:
    *shapes, options = OTHERS[kind]
    x, kernel = arrays(*shapes)
    plain = lambda x, kernel: convolution(x, kernel, options)  # noqa: E731
    assert "conv_general_dilated" in operations(rewritten(plain), x, kernel)
    assert (rewritten(plain)(x, kernel) == plain(x, kernel)).all()


def test_patches_that_do_not_stay_at_hand_are_not_made() -> None:
    options = PLAIN["same"][2]
    side = int((MOST_PATCHES / 9) ** 0.5)
    for size, stays in ((side - 1, False), (side + 2, True)):
        x, kernel = jax.ShapeDtypeStruct((1, size, size, 1), "float32"), jax.ShapeDtypeStruct((3, 3, 1, 1), "float32")
        made = operations(rewritten(lambda x, kernel: convolution(x, kernel, options)), x, kernel)
        assert ("conv_general_dilated" in made) == stays


def test_what_stands_beside_a_convolution_keeps_its_meaning_and_its_gradient() -> None:
    x, kernel = arrays((2, 4, 4, 1), (3, 3, 1, 2))
    options = PLAIN["same"][2]

    @jax.custom_jvp
    def odd(z: Any) -> Any:
        return jnp.tanh(z)

    odd.defjvp(lambda primals, tangents: (odd(*primals), 7 * tangents[0]))  # no gradient of tanh
    inner = jax.jit(lambda x, kernel: jax.nn.relu(convolution(x, kernel, options)))

    def whole(tree: dict[str, Any], x: Any) -> dict[str, Any]:
        h = jax.checkpoint(lambda x: inner(x, tree["kernel"]))(x)
        total, _ = jax.lax.scan(lambda carry, row: (carry + row.sum(), None), jnp.zeros(()), h)
        return {"out": odd(total) + tree["shift"], "same": tree["shift"]}

    tree = {"kernel": kernel, "shift": jnp.float32(2.0)}
    other = rewritten(whole)
    assert "conv_general_dilated" not in operations(other, tree, x)
    np.testing.assert_allclose(other(tree, x)["out"], whole(tree, x)["out"], rtol=1e-6)
    ours, theirs = (jax.grad(lambda tree, f=f: f(tree, x)["out"])(tree) for f in (other, whole))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), ours, theirs)
    assert ours["shift"] == 1


def pooled(kind: str, window: tuple[int, ...], x: Any, padding: str = "VALID", strides: tuple[int, ...] = ()) -> Any:
    start, combine = (-jnp.inf, jax.lax.max) if kind == "max" else (0.0, jax.lax.add)
    return jax.lax.reduce_window(x, start, combine, window, strides or window, padding)


def gradient(function: Any, x: Any) -> Any:
    """Of a sum in which every number has a weight of its own."""
    out = jax.eval_shape(function, x)
    weights = np.arange(1.0, 1 + out.size, dtype="float32").reshape(out.shape)
    return jax.jit(jax.grad(lambda x: (function(x) * weights).sum()))(x)


POOLED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {  # shapes of inputs and windows
    "squares": ((9, 4, 6, 3), (1, 2, 2, 1)),
    "a rest": ((9, 5, 7, 2), (1, 2, 3, 1)),
    "channels first": ((9, 2, 4, 4), (1, 1, 2, 2)),
    "a line": ((9, 8, 2), (1, 4, 1)),
    "channels too": ((9, 4, 4, 6), (1, 2, 2, 3)),
}


@pytest.mark.parametrize("kind", ["max", "sum"])
@pytest.mark.parametrize("case", POOLED)
def test_windows_side_by_side_are_axes_of_their_own(kind: str, case: str) -> None:
    shape, window = POOLED[case]
    plain = lambda x: pooled(kind, window, x)  # noqa: E731
    assert "reduce_window" not in operations(rewritten(plain), jnp.zeros(shape))
    # Whole numbers, so that many windows have their largest twice: the gradient goes to the first of them.
    x = jax.random.randint(jax.random.key(1), shape, 0, 3).astype("float32")
    np.testing.assert_array_equal(jax.jit(rewritten(plain))(x), plain(x))
    np.testing.assert_array_equal(gradient(rewritten(plain), x), gradient(plain, x))


def test_other_windows_are_left_alone() -> None:
    x, squares = jnp.zeros((9, 5, 5, 2)), (1, 2, 2, 1)
    ways = [
        lambda x: pooled("max", squares, x, "SAME"),
        lambda x: pooled("max", squares, x, strides=(1, 1, 1, 1)),
        lambda x: pooled("max", (1, 5, 5, 1), x),  # of more places than are looked at one by one
        lambda x: pooled("max", (3, 2, 2, 1), x),
        lambda x: pooled("max", squares, x[:4]),  # few rows, which lie with channels on the minor axis
    ]
    for way in ways:
        assert "reduce_window" in operations(rewritten(way), x)


@pytest.mark.parametrize("place", [0, 3])
def test_a_nan_or_an_infinity_in_a_window_comes_out_of_it(place: int) -> None:
    way = lambda x: pooled("max", (1, 4), x)  # noqa: E731
    for odd in (np.nan, np.inf, -np.inf):
        x = jnp.ones((9, 4)).at[2, place].set(odd)
        np.testing.assert_array_equal(jax.jit(rewritten(way))(x), way(x))
        assert np.isfinite(gradient(rewritten(way), x)).all()
    np.testing.assert_array_equal(rewritten(way)(jnp.full((9, 4), -jnp.inf)), np.full((9, 1), -np.inf))


def test_what_lies_in_another_order_is_that_of_the_program() -> None:
    x, kernel = arrays((9, 4, 6, 2), (3, 3, 2, 4))
    options = PLAIN["same"][2]

    @jax.custom_jvp
    def relu(z: Any) -> Any:
        return jnp.maximum(z, 0)

    relu.defjvp(lambda primals, tangents: (relu(*primals), 7 * tangents[0]))  # not JAX's, though it is called so

    def network(x: Any, kernel: Any, own: Any = jax.nn.relu) -> Any:
        z = convolution(x, kernel, options) + jnp.arange(4.0)
        z = (z - z.mean((0, 1, 2))) * jax.lax.rsqrt(z.var((0, 2), keepdims=True) + 1)
        z = own(jnp.where(z > 2, z, jnp.tanh(z))) * jnp.linspace(0, 1, 6)[:, None]
        return pooled("max", (1, 2, 2, 1), z).max((1, 3)), z.sum(1)

    for own in (jax.nn.relu, relu):
        whole = lambda x, kernel, own=own: sum((each**2).sum() for each in network(x, kernel, own))  # noqa: E731
        for one, other in zip(*(jax.jit(each)(x, kernel) for each in (rewritten(network), network)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
        ours, theirs = (jax.jit(jax.grad(f, (0, 1)))(x, kernel) for f in (rewritten(whole), whole))
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3), ours, theirs)


def test_a_bias_is_summed_as_it_lies() -> None:
    # Turned back first, 256 rows of 8 × 8 × 8 numbers took thirty times as long: XLA sums so many in two steps, and copies them for it.
    x, kernel = arrays((64, 4, 4, 2), (3, 3, 2, 4))

    def loss(bias: Any) -> Any:
        return (jax.nn.relu(convolution(x, kernel, PLAIN["same"][2]) + bias) ** 2).sum()

    sums = (
        eqn for eqn in jax.make_jaxpr(jax.grad(rewritten(loss)))(jnp.ones(4)).eqns if eqn.primitive.name == "reduce_sum"
    )
    assert next(eqn.invars[0].aval.shape for eqn in sums if eqn.outvars[0].aval.size == 4) == (4, 4, 4, 64)
