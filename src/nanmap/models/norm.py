"""Normalisation of hidden pre-activations: over the units of one row, or under batch norm over the rows of a batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layout

EPSILON = {"layer": 1e-3, "rms": 1e-6, "batch": 1e-3}  # Keras's
MOMENTUM = 0.99  # of batch norm's running statistics, Keras's


class Moments(NamedTuple):
    """Mean and biased variance of every unit over the rows of a batch, `[units]`."""

    mean: Array
    variance: Array


def normalise(kind: str, layer: dict[str, Array], z: Array, moments: Moments | None, layout: Layout) -> Array:
    """Normalises `z`, then applies the layer's trainable `scale` (and `offset`); computed in at least float32.

    Args:
        kind: `layer`, `rms` or `batch`.
        layer: the layer's parameters.
        z: `[units, rows]`, or `[rows, units]` with units on the minor axis.
        moments: for `batch` what to normalise with.
    """
    axis = 0 if layout is Layout.ROWS_MINOR else 1
    narrow, z = z.dtype, wide(z)
    scale = along_units(wide(layer["scale"]), layout)
    if kind == "rms":
        size = jax.lax.rsqrt(jnp.mean(z * z, axis=axis, keepdims=True) + EPSILON[kind])
        return (z * size * scale).astype(narrow)
    if moments is not None:
        mean, variance = (along_units(wide(each), layout) for each in moments)
        centred = z - mean
    else:
        centred = z - jnp.mean(z, axis=axis, keepdims=True)
        variance = jnp.mean(centred * centred, axis=axis, keepdims=True)
    size = jax.lax.rsqrt(variance + EPSILON[kind])
    return (centred * size * scale + along_units(wide(layer["offset"]), layout)).astype(narrow)


def batch_moments(z: Array, mask: Array | None, layout: Layout) -> Moments:
    """The moments over the rows that count, in at least float32."""
    axis = 1 if layout is Layout.ROWS_MINOR else 0
    z = wide(z)
    count: Array = z.shape[axis] if mask is None else jnp.sum(mask).astype(z.dtype)
    mean = jnp.sum(counted(z, mask, layout), axis=axis) / count
    centred = counted(z - along_units(mean, layout), mask, layout)
    return Moments(mean, jnp.sum(centred * centred, axis=axis) / count)


def running(before: Moments, moments: Moments) -> Moments:
    """Running statistics after a batch with these moments, in their own dtype. Keras's, biased variance included."""
    return Moments(
        *(
            (wide(old) * MOMENTUM + new * (1 - MOMENTUM)).astype(old.dtype)
            for old, new in zip(before, moments, strict=True)
        )
    )


def along_units(values: Array, layout: Layout) -> Array:
    """One value per unit, shaped to meet `[units, rows]` or `[rows, units]`."""
    return values[:, None] if layout is Layout.ROWS_MINOR else values


def counted(z: Array, mask: Array | None, layout: Layout) -> Array:
    """`z` with zeros in the rows that do not count."""
    return z if mask is None else jnp.where(mask if layout is Layout.ROWS_MINOR else mask[:, None], z, 0)


def wide(values: Array) -> Array:
    """Numbers in at least float32."""
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
