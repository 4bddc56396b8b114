"""The network of one cell, as a pure function. Rows lie on the minor axis: `[features, rows]` in, `[outputs, rows]` out."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.config.choices import FLAT_BELOW_ZERO
from nanmap.models.base import Array
from nanmap.models.norm import NAMES, RUNNING, Moments, along_units, batch_moments, counted, normalise, running
from nanmap.training.program import Program

Layers = list[dict[str, Array]]

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


def layer_shapes(program: Program) -> list[dict[str, tuple[int, ...]]]:
    """Shapes of each layer's parameters as the network holds them: kernels `[units, inputs]`."""
    shapes: list[dict[str, tuple[int, ...]]] = []
    for index, (fan_in, units) in enumerate(zip(program.widths, program.widths[1:], strict=False)):
        names = ["bias"] if program.bias else []
        if index < program.layers - 1:
            names += NAMES[program.norm]
        shapes.append({"kernel": (units, fan_in), **dict.fromkeys(names, (units,))})
    return shapes


class Pass(NamedTuple):
    """What came of one pass through the network.

    Attributes:
        output: `[outputs, rows]`.
        pre_activations: one `[units, rows]` array per layer.
        moments: per layer the batch's mean and variance that batch norm used in training; else nothing.
    """

    output: Array
    pre_activations: list[Array]
    moments: list[Moments]


def trained(layers: Layers) -> Layers:
    """The parameters that an optimizer moves: all but batch norm's running statistics."""
    return [{name: values for name, values in layer.items() if name not in RUNNING} for layer in layers]


def with_running(layers: Layers, before: Layers, moments: list[Moments]) -> Layers:
    """Trained parameters together with the running statistics that follow from those `before` and the batch's moments."""
    return [new | running(old, moment) for new, old, moment in zip(layers, before, moments, strict=True)]


def forward(
    program: Program, layers: Layers, gain: Array, x: Array, mask: Array | None, *, training: bool = False
) -> Pass:
    """One pass through the network.

    Inside, rows or units lie on the minor axis, whichever vectorises better for this batch (`program.rows_minor`).

    Args:
        layers: per layer `kernel` `[units, inputs]`, `bias` `[units]` and the norm's arrays.
        gain: factor on hidden pre-activations, inside the activation.
        x: `[features, rows]`.
        mask: which rows count, or None for all. Rows that do not count are cut off before every non-linearity:
            an infinite weight would make NaN of their zeros, and the gradient of a NaN survives a later `where`.
        training: whether batch norm uses the moments of these rows, or the running statistics.
    """
    rows_minor = program.rows_minor
    hidden = x if rows_minor else x.T
    pre_activations: list[Array] = []
    moments: list[Moments] = []
    for index, layer in enumerate(layers):
        last = index == program.layers - 1
        norm = "none" if last else program.norm
        kernel, bias = layer["kernel"] * _factor(program, index), layer.get("bias")
        if not last and norm == "none":  # the gain on the weights, not on every row
            kernel, bias = kernel * gain, None if bias is None else bias * gain
        z = _product(kernel, hidden, rows_minor)
        if bias is not None:
            z = z + _spread(bias, hidden.shape[1 if rows_minor else 0], rows_minor)
        z = counted(z, mask, rows_minor)
        seen: Moments = {}
        if norm == "batch":
            seen = batch_moments(z, mask, rows_minor) if training else {name: layer[name] for name in RUNNING}
        if norm != "none":
            z = counted(normalise(norm, layer, z, seen, rows_minor), mask, rows_minor) * gain
        moments.append(seen)
        pre_activations.append(z if rows_minor else z.T)
        hidden = ACTIVATIONS[program.output_activation if last else program.activation](z)
    return Pass(hidden if rows_minor else hidden.T, pre_activations, moments)


def dead_units(program: Program, pre_activations: list[Array], mask: Array | None) -> tuple[Array, Array]:
    """Share of units that are flat on every row, over the layers that can die, and whether a whole layer is.

    NaN without such a layer. A NaN pre-activation is not flat.
    """
    kinds = [program.activation] * len(program.hidden) + [program.output_activation]
    flat = [
        jnp.all((z <= 0) if mask is None else (z <= 0) | ~mask, axis=1)
        for kind, z in zip(kinds, pre_activations, strict=True)
        if kind in FLAT_BELOW_ZERO
    ]
    if not flat:
        return jnp.asarray(jnp.nan, jnp.float32), jnp.asarray(False)
    share = jnp.mean(jnp.concatenate(flat).astype(jnp.float32))
    return share, jnp.any(jnp.stack([jnp.all(layer) for layer in flat]))


def _factor(program: Program, index: int) -> float:
    """What a parametrization multiplies a layer's kernel with; a Python float keeps the kernel's dtype."""
    fan_in = program.widths[index]
    if program.parametrization == "standard":
        return 1.0
    if program.parametrization == "mean_field" and index == program.layers - 1:
        return 1.0 / fan_in
    return float(1.0 / np.sqrt(fan_in))


@jax.custom_jvp
def _repeated(values: Array, ones: Array) -> Array:
    """`[units, 1]` repeated along `ones` `[1, rows]`. Its gradient is a matrix product: XLA adds up one by one."""
    return jnp.broadcast_to(values, (values.shape[0], ones.shape[1]))


@_repeated.defjvp
def _repeated_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _repeated(*primals), tangents[0] @ primals[1]


def _spread(bias: Array, rows: int, rows_minor: bool) -> Array:
    """A bias for every row."""
    if not rows_minor or rows <= SCALED_BELOW:
        return along_units(bias, rows_minor)
    return _repeated(bias[:, None], jnp.ones((1, rows), bias.dtype))


def _product(kernel: Array, hidden: Array, rows_minor: bool) -> Array:
    """Kernel `[units, inputs]` times `hidden`; a single input is multiplied unless there are many rows side by side."""
    rows = hidden.shape[1 if rows_minor else 0]
    if kernel.shape[1] > 1 or (rows_minor and rows > SCALED_BELOW):
        return kernel @ hidden if rows_minor else hidden @ kernel.T
    return kernel * hidden if rows_minor else hidden * kernel[:, 0]
