"""Convolutions and pooling in another form, in whatever a user's network is traced to.

XLA on a CPU gives a convolution inside of a loop an odd layout, and is slow with it: on 8×8 digits with 8 and 16 channels
the same training step takes a tenth of the time this way (docs/own_models.md). The sums are the same, in another order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend.core import Literal

from nanmap.models.own.patches import convolution, is_plain
from nanmap.models.own.pooling import is_pool, pool
from nanmap.models.own.turned import as_it_lies, plain

INLINED = ("pjit", "jit", "closed_call", "core_call", "remat2", "checkpoint")  # calls whose inside is looked at


def rewritten(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of arrays, its convolutions and its pooling in the form that is faster."""

    def run(*arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        if not _is_touched(closed.jaxpr):
            return function(*arguments)
        results = _run(closed.jaxpr, closed.consts, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), map(plain, results))

    return run


def _form(eqn: Any) -> Callable[..., Any] | None:
    """The other form of an operation, if it has a faster one: a function of the operation and its inputs."""
    return convolution if is_plain(eqn) else pool if is_pool(eqn) else None


def _is_touched(jaxpr: Any) -> bool:
    return any(_form(eqn) or (eqn.primitive.name in INLINED and _is_touched(_inside(eqn)[0])) for eqn in jaxpr.eqns)


def _inside(eqn: Any) -> tuple[Any, Sequence[Any]]:
    """The operations of a call, and their constants."""
    inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())


def _run(jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """The operations one after the other, those that have another form in it."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *arguments), strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for eqn in jaxpr.eqns:
        inputs = [read(variable) for variable in eqn.invars]
        if form := _form(eqn):
            outputs = [form(eqn, *inputs)]
        elif eqn.primitive.name in INLINED and _is_touched(_inside(eqn)[0]):
            outputs = _run(*_inside(eqn), inputs)
        elif (made := as_it_lies(eqn, inputs)) is not None:
            outputs = [made]
        else:
            outputs = _alone(jaxpr, eqn, [plain(each) for each in inputs])
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
