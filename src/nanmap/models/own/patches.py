"""Convolutions as patches and a product, in whatever a user's network is traced to.

XLA on a CPU gives a convolution inside of a loop an odd layout, and is slow with it: on 8×8 digits with 8 and 16 channels
the same training step takes a tenth of the time this way (docs/own_models.md). The sums are the same, in another order.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

INLINED = ("pjit", "jit", "closed_call", "core_call", "remat2", "checkpoint")  # calls whose inside is looked at
MOST_PATCHES = 1 << 24  # numbers of an update's patches: 64 MiB of float32, which a core no longer has at hand


def with_patches(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays, its convolutions as products where that is faster."""

    def rewritten(*arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        if not _has_convolution(closed.jaxpr):
            return function(*arguments)
        results = _run(closed.jaxpr, closed.consts, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return rewritten


def _has_convolution(jaxpr: Any) -> bool:
    return any(
        _is_product(eqn) or (eqn.primitive.name in INLINED and _has_convolution(_inside(eqn)[0])) for eqn in jaxpr.eqns
    )


def _inside(eqn: Any) -> tuple[Any, Sequence[Any]]:
    """The operations of a call, and their constants."""
    inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())


def _run(jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """The operations one after the other, convolutions in their other form."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *arguments), strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for eqn in jaxpr.eqns:
        inputs = [read(variable) for variable in eqn.invars]
        if _is_product(eqn):
            outputs = [_convolution(inputs[0], inputs[1], eqn.params, eqn.outvars[0].aval)]
        elif eqn.primitive.name in INLINED and _has_convolution(_inside(eqn)[0]):
            outputs = _run(*_inside(eqn), inputs)
        else:
            outputs = _alone(jaxpr, eqn, inputs)
        values |= dict(zip(eqn.outvars, outputs, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _alone(jaxpr: Any, eqn: Any, inputs: Sequence[Any]) -> list[Any]:
    """An operation as it is, by JAX's own interpreter: how one is bound, with its rule of differentiation, changes between versions."""
    given = {
        variable: value for variable, value in zip(eqn.invars, inputs, strict=True) if not isinstance(variable, Literal)
    }
    named = jaxpr.debug_info._replace(arg_names=("",) * len(given), result_paths=("",) * len(eqn.outvars))
    one = jaxpr.replace(constvars=[], invars=[*given], outvars=[*eqn.outvars], eqns=[eqn], debug_info=named)
    made: list[Any] = jax.core.eval_jaxpr(one, (), *given.values())
    return made


def _is_product(eqn: Any) -> bool:
    """Whether an operation is a convolution that is faster as a product: a plain one, of no more patches than stay at hand."""
    if eqn.primitive.name != "conv_general_dilated":
        return False
    params, out = eqn.params, eqn.outvars[0].aval
    kernel, numbers = eqn.invars[1].aval.shape, params["dimension_numbers"]
    patches = out.size // out.shape[numbers.out_spec[1]] * eqn.invars[1].aval.size // kernel[numbers.rhs_spec[0]]
    plain = params["feature_group_count"] == params["batch_group_count"] == 1 and all(
        each == 1 for each in params["lhs_dilation"]
    )
    padded = all(low >= 0 and high >= 0 for low, high in params["padding"])
    return bool(plain and padded and patches <= MOST_PATCHES and jnp.issubdtype(out.dtype, jnp.floating))


def _convolution(x: Any, kernel: Any, params: dict[str, Any], out: Any) -> Any:
    """`[rows, …, channels]` cut into patches `[rows · …, offsets · channels]`, times `[offsets · channels, outputs]`."""
    numbers = params["dimension_numbers"]
    rows, channels, *places = numbers.lhs_spec
    x = jnp.transpose(x, (rows, *places, channels))
    outputs, inputs, *sides = numbers.rhs_spec
    kernel = jnp.transpose(kernel, (*sides, inputs, outputs))
    x = jnp.pad(x, ((0, 0), *params["padding"], (0, 0)))
    size = [out.shape[axis] for axis in numbers.out_spec[2:]]
    cut = []
    for offset in product(*map(range, kernel.shape[:-2])):
        starts = [at * dilation for at, dilation in zip(offset, params["rhs_dilation"], strict=True)]
        along = zip(starts, size, params["window_strides"], strict=True)
        cut.append(x[:, *(slice(start, start + (count - 1) * step + 1, step) for start, count, step in along)])
    patches = cut[0] if len(cut) == 1 else jnp.concatenate(cut, -1)
    flat = patches.reshape(-1, patches.shape[-1]), kernel.reshape(-1, kernel.shape[-1])
    kind = params["preferred_element_type"]
    made = jax.lax.dot(*flat, precision=params["precision"], preferred_element_type=kind)
    made = made.reshape(x.shape[0], *size, kernel.shape[-1]).astype(out.dtype)
    return jnp.transpose(made, _back(numbers.out_spec))


def _back(spec: Sequence[int]) -> tuple[int, ...]:
    """The axes of `[rows, …, channels]` in the order that a convolution gives them."""
    rows, channels, *places = spec
    order = (rows, *places, channels)
    return tuple(order.index(axis) for axis in range(len(order)))
