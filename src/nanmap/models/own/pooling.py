"""Pooling over windows that do not overlap, as a sum over axes of their own.

XLA walks through such windows number by number, there and back. The largest number of a window is the sum of all, those
that are not the first of the largest left out: so the gradient goes to that one, as XLA's does.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp

from nanmap.models.own.turned import ROWS_MINOR_FROM, Turned, turned

MOST_PLACES = 16  # of a window whose largest number is looked for: each is an operation
POOLS = ("reduce_window_max", "reduce_window_sum")


def is_pool(eqn: Any) -> bool:
    """Whether an operation pools over windows that lie side by side."""
    if eqn.primitive.name not in POOLS:
        return False
    params, x = eqn.params, eqn.invars[0].aval
    window = params["window_dimensions"]
    dense = all(each == 1 for each in (*params["base_dilation"], *params["window_dilation"]))
    beside = tuple(params["window_strides"]) == tuple(window) and not any(map(any, params["padding"]))
    few = eqn.primitive.name == "reduce_window_sum" or math.prod(window) <= MOST_PLACES
    images = x.ndim > 1 and window[0] == 1 and x.shape[0] >= ROWS_MINOR_FROM and jnp.issubdtype(x.dtype, jnp.floating)
    return bool(dense and beside and few and images)


def pool(eqn: Any, x: Any) -> Turned:
    """Each axis in two, windows and the places in one, and the places summed."""
    window, axes = eqn.params["window_dimensions"], range(eqn.invars[0].aval.ndim)
    pooled = [axis for axis in axes if window[axis] > 1]
    if not (isinstance(x, Turned) and [axis for axis in x.order if axis in pooled] == pooled):  # which of two is first
        order = (*(axis for axis in axes if axis and axis not in pooled), *pooled, 0)
        x = Turned(turned(x, order), order)
    values, sides = x.values, [window[axis] for axis in x.order]
    whole = [count // side * side for count, side in zip(values.shape, sides, strict=True)]
    values = values[tuple(slice(count) for count in whole)]
    values = values.reshape([each for count, side in zip(whole, sides, strict=True) for each in (count // side, side)])
    if eqn.primitive.name == "reduce_window_max":
        values = jnp.where(_largest(jax.lax.stop_gradient(values), sides), values, 0)
    return Turned(values.sum(tuple(range(1, values.ndim, 2))), x.order)


def _largest(x: Any, window: Sequence[int]) -> Any:
    """Whether a number is the first of the largest in its window; a NaN is larger than all."""
    places = [*product(*map(range, window))]
    largest = x[_at(places[0])]
    which = jnp.zeros(largest.shape, jnp.int32)
    for number, place in enumerate(places[1:], 1):
        keeps = (largest >= x[_at(place)]) | (largest != largest)
        largest, which = jnp.where(keeps, largest, x[_at(place)]), jnp.where(keeps, which, number)
    numbers = jnp.arange(len(places)).reshape([each for side in window for each in (1, side)])
    return numbers == jnp.expand_dims(which, tuple(range(1, x.ndim, 2)))


def _at(place: Sequence[int]) -> tuple[Any, ...]:
    """One place of every window."""
    return tuple(each for at in place for each in (slice(None), at))
