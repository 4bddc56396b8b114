"""Convolutions as products of patches: the same numbers and the same gradients as XLA's, and only where they are plain ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.models.own.patches import MOST_PATCHES, with_patches

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


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_convolution_is_a_product_of_patches(kind: str) -> None:
    *shapes, options = PLAIN[kind]
    x, kernel = arrays(*shapes)
    plain = lambda x, kernel: jnp.sin(convolution(x, kernel, options))  # noqa: E731
    rewritten = with_patches(plain)
    assert "conv_general_dilated" in operations(plain, x, kernel)
    assert "conv_general_dilated" not in operations(rewritten, x, kernel)
    np.testing.assert_allclose(rewritten(x, kernel), plain(x, kernel), rtol=1e-5, atol=1e-5)
    ours, theirs = (jax.grad(lambda *given, f=f: (f(*given) ** 2).sum(), (0, 1))(x, kernel) for f in (rewritten, plain))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4), ours, theirs)


@pytest.mark.parametrize("kind", OTHERS)
def test_others_are_left_alone(kind: str) -> None:
    *shapes, options = OTHERS[kind]
    x, kernel = arrays(*shapes)
    plain = lambda x, kernel: convolution(x, kernel, options)  # noqa: E731
    assert "conv_general_dilated" in operations(with_patches(plain), x, kernel)
    assert (with_patches(plain)(x, kernel) == plain(x, kernel)).all()


def test_patches_that_do_not_stay_at_hand_are_not_made() -> None:
    options = PLAIN["same"][2]
    side = int((MOST_PATCHES / 9) ** 0.5)
    for size, stays in ((side - 1, False), (side + 2, True)):
        x, kernel = jax.ShapeDtypeStruct((1, size, size, 1), "float32"), jax.ShapeDtypeStruct((3, 3, 1, 1), "float32")
        made = operations(with_patches(lambda x, kernel: convolution(x, kernel, options)), x, kernel)
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
    rewritten = with_patches(whole)
    assert "conv_general_dilated" not in operations(rewritten, tree, x)
    np.testing.assert_allclose(rewritten(tree, x)["out"], whole(tree, x)["out"], rtol=1e-6)
    ours, theirs = (jax.grad(lambda tree, f=f: f(tree, x)["out"])(tree) for f in (rewritten, whole))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5), ours, theirs)
    assert ours["shift"] == 1
