"""How far outputs spread over rows, so that what is known of pieces can be joined."""

from typing import NamedTuple

import jax.numpy as jnp

from nanmap.models.base import Array
from nanmap.training.pieces import Piece
from nanmap.training.program import Program

ROUNDING = 8  # units in the last place that outputs of one value may differ by


class Moments(NamedTuple):
    """Of outputs over rows.

    Attributes:
        count: rows.
        mean: per output.
        squares: per output, summed over the rows: of what they are off the mean.
        size: per output, the largest, whatever its sign.
    """

    count: Array
    mean: Array
    squares: Array
    size: Array


def moments(program: Program, output: Array, rows: Piece, origin: Array | None = None) -> Moments:
    """Of outputs `[outputs, rows]`; or where the model is `exact` `[rows, …]`.

    Args:
        origin: outputs of any row `[outputs, 1]`; means are taken from there on, for that of equal numbers to be exact. Of
            outputs of one value that are summed up over millions of rows, rounding would be a number of its own.
    """
    mask = rows.mask
    if mask is None:
        return _exact_moments(_centred(program, output, -1), rows.n)
    output = _centred(program, output, 0)
    size = jnp.max(jnp.abs(jnp.where(mask, output, 0)), axis=1)
    count = rows.n
    if origin is not None:
        output = output - _centred(program, origin.astype(output.dtype), 0)
        count = jnp.maximum(1, jnp.sum(mask))
    counted = jnp.where(mask, output, 0)
    mean = jnp.sum(counted, axis=1, keepdims=True) / count
    squares = jnp.sum(jnp.where(mask, output - mean, 0) ** 2, axis=1)
    return Moments(count if origin is None else jnp.sum(mask), mean[:, 0], squares, size)


def joined(one: Moments, other: Moments) -> Moments:
    """Of the rows of both (Chan, Golub & LeVeque 1979)."""
    count = one.count + other.count
    share = (other.count / jnp.maximum(1, count)).astype(one.mean.dtype)
    apart = other.mean - one.mean
    return Moments(
        count,
        one.mean + apart * share,
        one.squares + other.squares + apart * (apart * (one.count * share)),
        jnp.maximum(one.size, other.size),
    )


def variance(program: Program, outputs: Moments) -> Array:
    """Over the rows, summed over outputs: what of them is no constant answer.

    Outputs that differ by rounding alone count as equal: of huge ones that would be a number of its own.
    """
    each = outputs.squares / outputs.count
    noise = ROUNDING * jnp.finfo(program.dtype).eps * outputs.size
    return jnp.sum(jnp.where(jnp.sqrt(each) <= noise, 0, each))


def _exact_moments(output: Array, n: Array) -> Moments:
    mean = jnp.mean(output, 0)
    return Moments(jnp.asarray(len(output)), mean, jnp.sum((output - mean) ** 2, 0), jnp.max(jnp.abs(output), 0))


def _centred(program: Program, output: Array, axis: int) -> Array:
    """Under a softmax without what all classes have in common, which means nothing there."""
    if program.loss != "softmax_cross_entropy" or output.ndim < 2 or output.shape[axis] < 2:
        return output
    return output - jnp.mean(output, axis, keepdims=axis < 0)
