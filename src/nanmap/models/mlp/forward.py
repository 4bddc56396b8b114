"""The pass through a network of Dense layers, for one cell. Rows lie on the minor axis outside: `[features, rows]` in."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nanmap.config.choices import FLAT_BELOW_ZERO
from nanmap.models.base import Array, Layers, Layout, Pass
from nanmap.models.mlp.spec import MLP
from nanmap.models.mlp.start import RUNNING
from nanmap.models.norm import Moments, along_units, batch_moments, counted, normalise, running, wide

SCALED_BELOW = 32  # rows up to which a product with one input is a multiplication: 10 rows 1.7 times faster, 100 slower

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "leaky_relu": lambda z: jax.nn.leaky_relu(z, 0.2),  # Keras's slope
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
}


def forward(
    model: MLP,
    parameters: Layers,
    state: Layers,
    x: Array,
    mask: Array | None,
    *,
    gain: Array,
    layout: Layout,
    training: bool = False,
) -> Pass:
    """One pass through the network.

    Inside, rows or units lie on the minor axis, as `layout` says.

    Args:
        model: the network.
        parameters: per layer `kernel` `[units, inputs]`, `bias` `[units]` and the norm's arrays.
        state: per layer batch norm's running statistics.
        x: `[features, rows]`.
        mask: which rows count, or None for all. Rows that do not count are cut off before every non-linearity:
            an infinite weight would make NaN of their zeros, and the gradient of a NaN survives a later `where`.
        gain: factor on hidden pre-activations, inside the activation.
        layout: what lies on the minor axis.
        training: whether batch norm uses the moments of these rows, or the running statistics.

    Returns:
        The output, the running statistics, and as `seen` one `[units, rows]` array of pre-activations per layer.
    """
    rows_minor = layout is Layout.ROWS_MINOR
    hidden = x if rows_minor else x.T
    seen: list[Array] = []
    after: Layers = []
    for index, layer in enumerate(parameters):
        last = index == len(model.hidden)
        norm = "none" if last else model.norm
        kernel, bias = layer["kernel"] * model.factor(index), layer.get("bias")
        if not last and norm == "none":  # the gain on the weights, not on every row
            kernel, bias = kernel * gain, None if bias is None else bias * gain
        z = _product(kernel, hidden, layout)
        if bias is not None:
            z = z + _spread(bias, hidden.shape[1 if rows_minor else 0], layout)
        z = counted(z, mask, layout)
        moments = None
        if norm == "batch":
            before = Moments(*(state[index][name] for name in RUNNING))
            moments = batch_moments(z, mask, layout) if training else before
            after.append(dict(zip(RUNNING, running(before, moments) if training else before, strict=True)))
        else:
            after.append({})
        if norm != "none":
            z = counted(normalise(norm, layer, z, moments, layout), mask, layout) * gain
        seen.append(z if rows_minor else z.T)
        hidden = ACTIVATIONS[model.output_activation if last else model.activation](z)
    return Pass(hidden if rows_minor else hidden.T, after, seen)


def living_units(model: MLP, pre_activations: list[Array], mask: Array | None) -> list[Array]:
    """Of each layer that can die, which units are not flat on every row. A NaN pre-activation is not flat."""
    kinds = [model.activation] * len(model.hidden) + [model.output_activation]
    return [
        _count(~(z <= 0), mask) != 0 for kind, z in zip(kinds, pre_activations, strict=True) if kind in FLAT_BELOW_ZERO
    ]


def _count(marked: Array, mask: Array | None) -> Array:
    """How many of the rows that count are marked, `[units]`. A product: XLA is slower at `any` of bools."""
    counted = marked if mask is None else marked & mask
    return counted.astype(jnp.float32) @ jnp.ones(marked.shape[1], jnp.float32)


@jax.custom_jvp
def _repeated(values: Array, ones: Array) -> Array:
    """`[units, 1]` repeated along `ones` `[1, rows]`. Its gradient is a matrix product: XLA adds up one by one."""
    return jnp.broadcast_to(values, (values.shape[0], ones.shape[1]))


@_repeated.defjvp
def _repeated_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _repeated(*primals), tangents[0] @ primals[1]


def _spread(bias: Array, rows: int, layout: Layout) -> Array:
    """A bias for every row; its gradient is a sum over rows, in at least float32."""
    if layout is Layout.ROWS_MINOR and rows > SCALED_BELOW:
        return _repeated(bias[:, None], jnp.ones((1, rows), bias.dtype))
    if bias.dtype.itemsize > 2:
        return along_units(bias, layout)
    shape = (len(bias), rows) if layout is Layout.ROWS_MINOR else (rows, len(bias))
    return jnp.broadcast_to(along_units(wide(bias), layout), shape).astype(bias.dtype)


def _product(kernel: Array, hidden: Array, layout: Layout) -> Array:
    """Kernel `[units, inputs]` times `hidden`; a single input is multiplied unless there are many rows side by side."""
    rows_minor = layout is Layout.ROWS_MINOR
    rows = hidden.shape[1 if rows_minor else 0]
    if kernel.shape[1] > 1 or (rows_minor and rows > SCALED_BELOW):
        return kernel @ hidden if rows_minor else hidden @ kernel.T
    # The product of two numbers of 16 bits is rounded once; the gradient's sum over rows as that of a product of matrices is.
    scaled = wide(kernel) * wide(hidden) if rows_minor else wide(hidden) * wide(kernel)[:, 0]
    return scaled.astype(kernel.dtype)
