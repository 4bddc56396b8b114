"""Normalisation of hidden pre-activations, over the units of one row."""

import jax
import jax.numpy as jnp

from nanmap.arrays import Array

LAYER_EPSILON = 1e-3  # Keras's LayerNormalization
RMS_EPSILON = 1e-6  # Keras's RMSNormalization


def normalise(kind: str, layer: dict[str, Array], z: Array) -> Array:
    """Normalises `z` `[units, rows]` over its units, then applies the layer's trainable `scale` (and `offset`)."""
    if kind == "none":
        return z
    if kind == "rms":
        size = jax.lax.rsqrt(jnp.mean(z * z, axis=0, keepdims=True) + RMS_EPSILON)
        return z * size * layer["scale"][:, None]
    centred = z - jnp.mean(z, axis=0, keepdims=True)
    size = jax.lax.rsqrt(jnp.mean(centred * centred, axis=0, keepdims=True) + LAYER_EPSILON)
    return centred * size * layer["scale"][:, None] + layer["offset"][:, None]
