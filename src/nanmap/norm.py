"""Normalisation of hidden pre-activations, over the units of one row."""

import jax
import jax.numpy as jnp

from nanmap.arrays import Array

LAYER_EPSILON = 1e-3  # Keras's LayerNormalization
RMS_EPSILON = 1e-6  # Keras's RMSNormalization


def normalise(kind: str, layer: dict[str, Array], z: Array, rows_minor: bool) -> Array:
    """Normalises `z` over its units, then applies the layer's trainable `scale` (and `offset`).

    Args:
        kind: `layer` or `rms`.
        z: `[units, rows]`, or `[rows, units]` if not `rows_minor`.
    """
    axis = 0 if rows_minor else 1
    scale = along_units(layer["scale"], rows_minor)
    if kind == "rms":
        return z * jax.lax.rsqrt(jnp.mean(z * z, axis=axis, keepdims=True) + RMS_EPSILON) * scale
    centred = z - jnp.mean(z, axis=axis, keepdims=True)
    size = jax.lax.rsqrt(jnp.mean(centred * centred, axis=axis, keepdims=True) + LAYER_EPSILON)
    return centred * size * scale + along_units(layer["offset"], rows_minor)


def along_units(values: Array, rows_minor: bool) -> Array:
    """One value per unit, shaped to meet `[units, rows]` or `[rows, units]`."""
    return values[:, None] if rows_minor else values
