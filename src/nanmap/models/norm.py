"""Normalisation of hidden pre-activations: over the units of one row, or under batch norm over the rows of a batch."""

import jax
import jax.numpy as jnp

from nanmap.models.base import Array

EPSILON = {"layer": 1e-3, "rms": 1e-6, "batch": 1e-3}  # Keras's
MOMENTUM = 0.99  # of batch norm's running statistics, Keras's
RUNNING = ("running_mean", "running_variance")  # move with the batches; never trained
NAMES: dict[str, tuple[str, ...]] = {
    "none": (),
    "rms": ("scale",),
    "layer": ("scale", "offset"),
    "batch": ("scale", "offset", *RUNNING),
}
START = {"scale": 1.0, "offset": 0.0, "running_mean": 0.0, "running_variance": 1.0}

Moments = dict[str, Array]


def normalise(kind: str, layer: dict[str, Array], z: Array, moments: Moments, rows_minor: bool) -> Array:
    """Normalises `z`, then applies the layer's trainable `scale` (and `offset`); computed in at least float32.

    Args:
        kind: `layer`, `rms` or `batch`.
        layer: the layer's parameters.
        z: `[units, rows]`, or `[rows, units]` if not `rows_minor`.
        moments: for `batch` the mean and the variance `[units]` to normalise with, named as in `RUNNING`.
    """
    axis = 0 if rows_minor else 1
    narrow, z = z.dtype, _wide(z)
    scale = along_units(_wide(layer["scale"]), rows_minor)
    if kind == "rms":
        size = jax.lax.rsqrt(jnp.mean(z * z, axis=axis, keepdims=True) + EPSILON[kind])
        return (z * size * scale).astype(narrow)
    if kind == "batch":
        mean, variance = (along_units(_wide(moments[name]), rows_minor) for name in RUNNING)
        centred = z - mean
    else:
        centred = z - jnp.mean(z, axis=axis, keepdims=True)
        variance = jnp.mean(centred * centred, axis=axis, keepdims=True)
    size = jax.lax.rsqrt(variance + EPSILON[kind])
    return (centred * size * scale + along_units(_wide(layer["offset"]), rows_minor)).astype(narrow)


def batch_moments(z: Array, mask: Array | None, rows_minor: bool) -> Moments:
    """Mean and biased variance of every unit over the rows that count, `[units]`, in at least float32."""
    axis = 1 if rows_minor else 0
    z = _wide(z)
    count: Array = z.shape[axis] if mask is None else jnp.sum(mask).astype(z.dtype)
    mean = jnp.sum(counted(z, mask, rows_minor), axis=axis) / count
    centred = counted(z - along_units(mean, rows_minor), mask, rows_minor)
    return dict(zip(RUNNING, (mean, jnp.sum(centred * centred, axis=axis) / count), strict=True))


def running(layer: dict[str, Array], moments: Moments) -> dict[str, Array]:
    """The running statistics after a batch with these moments, in their own dtype. Keras's, biased variance included."""
    return {
        name: (_wide(layer[name]) * MOMENTUM + moment * (1 - MOMENTUM)).astype(layer[name].dtype)
        for name, moment in moments.items()
    }


def along_units(values: Array, rows_minor: bool) -> Array:
    """One value per unit, shaped to meet `[units, rows]` or `[rows, units]`."""
    return values[:, None] if rows_minor else values


def counted(z: Array, mask: Array | None, rows_minor: bool) -> Array:
    """`z` with zeros in the rows that do not count."""
    return z if mask is None else jnp.where(mask if rows_minor else mask[:, None], z, 0)


def _wide(values: Array) -> Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
