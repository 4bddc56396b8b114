"""The network of one cell, as a pure function. Rows lie on the minor axis: `[features, rows]` in, `[outputs, rows]` out."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.arrays import Array
from nanmap.config.choices import FLAT_BELOW_ZERO
from nanmap.norm import normalise
from nanmap.plan.program import Program

Layers = list[dict[str, Array]]

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
            names += {"none": [], "rms": ["scale"], "layer": ["scale", "offset"]}[program.norm]
        shapes.append({"kernel": (units, fan_in), **dict.fromkeys(names, (units,))})
    return shapes


def forward(program: Program, layers: Layers, gain: Array, x: Array, mask: Array | None) -> tuple[Array, list[Array]]:
    """Outputs, and the pre-activations of every layer.

    Args:
        layers: per layer `kernel` `[units, inputs]` (transposed: it meets the rows from the left), `bias` and norm.
        gain: factor on hidden pre-activations, inside the activation.
        x: `[features, rows]`.
        mask: which rows count, or None for all. Rows that do not count are cut off before every non-linearity:
            an infinite weight would make NaN of their zeros, and the gradient of a NaN survives a later `where`.

    Returns:
        Outputs `[outputs, rows]` and one `[units, rows]` array per layer.
    """
    hidden = x
    pre_activations = []
    for index, layer in enumerate(layers):
        last = index == program.layers - 1
        factor = _factor(program, index)
        kernel = layer["kernel"] if factor == 1 else layer["kernel"] * jnp.asarray(factor, program.dtype)
        if not last and program.norm == "none":
            kernel = kernel * gain  # on the weights, not on every row
        z = kernel @ hidden
        if program.bias:
            bias = layer["bias"] if last or program.norm != "none" else layer["bias"] * gain
            z = z + bias[:, None]
        z = _counted(z, mask)
        if not last and program.norm != "none":
            z = _counted(normalise(program.norm, layer, z), mask) * gain
        pre_activations.append(z)
        hidden = ACTIVATIONS[program.output_activation if last else program.activation](z)
    return hidden, pre_activations


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
    fan_in = program.widths[index]
    if program.parametrization == "standard":
        return 1.0
    if program.parametrization == "mean_field" and index == program.layers - 1:
        return 1.0 / fan_in
    return float(1.0 / np.sqrt(fan_in))


def _counted(z: Array, mask: Array | None) -> Array:
    return z if mask is None else jnp.where(mask, z, 0)
