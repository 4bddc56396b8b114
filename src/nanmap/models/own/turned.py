"""Arrays whose axes lie in another order than the program says, and what can be done to them as they lie."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

ROWS_MINOR_FROM = (
    8  # rows of a batch: with 8 on the minor axis 1.2 times as fast as with channels there, with 4 half as fast
)

# Number by number: whatever the order of the axes.
EACH = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "add",
        "add_any",
        "and",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "cbrt",
        "ceil",
        "clamp",
        "convert_element_type",
        "copy",
        "cos",
        "cosh",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "integer_pow",
        "is_finite",
        "le",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "pow",
        "reduce_precision",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "sub",
        "tan",
        "tanh",
        "xor",
    ]
)
SUMS = frozenset(["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"])


class Turned(NamedTuple):
    """An array as it lies: its axis `i` is the axis `order[i]` of the program's."""

    values: Any
    order: tuple[int, ...]


def plain(value: Any) -> Any:
    """As the program has it."""
    if not isinstance(value, Turned):
        return value
    return jnp.transpose(value.values, [value.order.index(axis) for axis in range(len(value.order))])


def turned(value: Any, order: Sequence[int]) -> Any:
    """With its axes in this order."""
    if isinstance(value, Turned) and value.order == tuple(order):
        return value.values
    return jnp.transpose(plain(value), order)


def lying(rows: int, channels: int, places: Sequence[int], count: int) -> tuple[int, ...]:
    """How images of so many rows lie: large batches with rows on the minor axis, small ones with channels there."""
    return (channels, *places, rows) if count >= ROWS_MINOR_FROM else (rows, *places, channels)


def as_it_lies(eqn: Any, inputs: Sequence[Any]) -> Turned | Any | None:
    """What an operation makes of inputs that are Turned, if it can be made without turning them back."""
    order = next((each.order for each in inputs if isinstance(each, Turned)), None)
    if order is None:
        return None
    name, out = eqn.primitive.name, eqn.outvars[0].aval
    if name in SUMS:
        (x,) = inputs
        return _sum(eqn, x)
    if name in EACH and all(each.aval.ndim in (0, out.ndim) for each in eqn.invars):
        lie = [turned(x, order) if each.aval.shape else plain(x) for each, x in zip(eqn.invars, inputs, strict=True)]
        return Turned(eqn.primitive.bind(*lie, **eqn.params), order)
    if _is_relu(eqn):
        return Turned(jax.nn.relu(inputs[0].values), order)
    return None


def _sum(eqn: Any, x: Turned) -> Any:
    """A reduction; what is left of the axes is turned back."""
    axes = tuple(sorted(x.order.index(axis) for axis in eqn.params["axes"]))
    made = eqn.primitive.bind(x.values, **(eqn.params | {"axes": axes}))
    left = [axis for axis in x.order if axis not in eqn.params["axes"]]
    return jnp.transpose(made, [left.index(axis) for axis in sorted(left)])


def _is_relu(eqn: Any) -> bool:
    """Whether it is JAX's own, whose gradient is known: that of another function stands in its own shape alone."""
    return eqn.primitive.name == "custom_jvp_call" and _source(eqn) == _source_of_relu()


def _source(eqn: Any) -> Any:
    return eqn.params["call_jaxpr"].jaxpr.debug_info.func_src_info


@cache
def _source_of_relu() -> Any:
    return _source(jax.make_jaxpr(jax.nn.relu)(jnp.zeros(())).jaxpr.eqns[0])
