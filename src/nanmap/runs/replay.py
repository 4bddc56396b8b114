"""Where a NaN came from: the update that made it, once more, with a watch behind every operation."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.extend.core import Literal

from nanmap.engine.task import task_of
from nanmap.plan import Lanes
from nanmap.runs.first_tensor import lane_of
from nanmap.training.batches import batch_at
from nanmap.training.optimizers import make_optimizer
from nanmap.training.passes import pass_back, with_key
from nanmap.training.schedule import scheduled
from nanmap.training.state import Lane, State

CALLS = ("pjit", "jit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat2", "checkpoint")
SUMS = ("add", "sub", "add_any", "reduce_sum", "cumsum")
ROOTS = ("sqrt", "rsqrt", "log", "log1p", "pow")


def origin_of_nan(lanes: Lanes, state: State, step: int) -> str | None:
    """In a sentence, by which operation of which part of its update the first NaN came.

    The update is repeated without lanes; where rounding leads it elsewhere nothing is said.

    Args:
        lanes: a batch of one cell.
        state: before the update, without a NaN.
        step: the update that made it.
    """
    with jax.enable_x64(lanes.program.dtype == "float64"):
        state = jax.tree.map(jnp.asarray, state)
        return None if state.events.first_nan >= 0 else _told(lanes, lane_of(lanes), task_of(lanes, 0), state, step)


def _told(lanes: Lanes, lane: Lane, task: Any, state: State, step: int) -> str | None:
    """The update in three parts: the pass forth and back, the optimizer's step, and its way into the parameters."""
    program = lanes.program
    batch = with_key(program, task, batch_at(program, task, step), jnp.int32(step))
    where = f"step {step} made the first NaN"
    found, (loss, _, grads, _) = _watched(lambda state: pass_back(program, lane, state, batch), state)
    if found is None:
        rates = lane.learning_rates * scheduled(program, lane.numbers, jnp.int32(step), task.steps)
        optimizer = make_optimizer(program, lane.numbers, rates)
        found, steps = _watched(lambda *given: optimizer.update(*given)[0], grads, state.optimizer, state.parameters)
        part = "in the optimizer's step"
        if found is None:
            found, _ = _watched(optax.apply_updates, state.parameters, steps)
            part = "where the step was added to the parameters"
    else:
        part = "on the way forth" if bool(jnp.isnan(loss)) else "on the way back"
    if found is None:
        return None
    infinite = not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.parameters))
    before = "; parameters were infinite before it" * ("∞" in found and infinite)
    inside = "; all parameters were finite, so the infinity arose within the update" * ("∞" in found and not infinite)
    return f"{where} {part}: {found}{before}{inside}"


def _watched(function: Callable[..., Any], *arguments: Any) -> tuple[str | None, Any]:
    """What made the first NaN that reaches a result of the function, and the results."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    values = _walk(closed.jaxpr, closed.consts, jax.tree.leaves(arguments), [None] * len(jax.tree.leaves(arguments)))
    origin = next((origin for value, origin in zip(*values, strict=True) if origin and _has_nan(value)), None)
    return origin, jax.tree.unflatten(jax.tree.structure(shape), values[0])


def _walk(
    jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any], origins: Sequence[str | None]
) -> tuple[list[Any], list[str | None]]:
    """The values of a program, operation by operation, and of each what made the NaN in it."""
    known: dict[Any, tuple[Any, str | None]] = dict(
        zip(jaxpr.constvars, ((each, None) for each in consts), strict=True)
    )
    known |= dict(zip(jaxpr.invars, zip(arguments, origins, strict=True), strict=True))

    def read(atom: Any) -> tuple[Any, str | None]:
        return (atom.val, None) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        inputs, causes = zip(*map(read, equation.invars), strict=True) if equation.invars else ((), ())
        inner = equation.params.get("jaxpr") or equation.params.get("call_jaxpr")
        if equation.primitive.name in CALLS and inner is not None:
            made, told = _walk(inner.jaxpr, inner.consts, inputs, causes)
        else:
            params = equation.params
            made = equation.primitive.bind(*inputs, **params)
            made = list(made) if equation.primitive.multiple_results else [made]
            cause = next(
                (cause for value, cause in zip(inputs, causes, strict=True) if cause and _has_nan(value)), None
            )
            told = [
                (cause or _operation(equation.primitive.name, inputs, params)) if _has_nan(v) else None for v in made
            ]
        known |= dict(zip(equation.outvars, zip(made, told, strict=True), strict=True))
    values, causes = zip(*map(read, jaxpr.outvars), strict=True)
    return list(values), list(causes)


def _operation(name: str, inputs: Sequence[Any], params: dict[str, Any]) -> str | None:
    """What made a NaN of numbers that were none; None if one was."""
    if any(map(_has_nan, inputs)):
        return None
    infinite = any(bool(jnp.isinf(jnp.asarray(each)).any()) for each in inputs)
    if name == "mul":
        return "0 · ∞"
    if name == "div":
        return "∞ / ∞" if infinite else "0 / 0"
    if name == "dot_general":
        kind = "0 · ∞" if _zero_times_infinity(inputs[0], inputs[1], params) else "∞ − ∞"
        return f"{kind} in a product of matrices"
    if name in SUMS:
        return "∞ − ∞"
    return "a root or a logarithm of a negative number" if name in ROOTS else f"`{name}`"


def _zero_times_infinity(left: Any, right: Any, params: dict[str, Any]) -> bool:
    zero, infinite = ([jnp.asarray(each) == 0 for each in (left, right)], [jnp.isinf(each) for each in (left, right)])
    product = partial(jax.lax.dot_general, dimension_numbers=params["dimension_numbers"])
    pairs = ((zero[0], infinite[1]), (infinite[0], zero[1]))
    return any(bool((product(*(each.astype(jnp.float32) for each in pair)) > 0).any()) for pair in pairs)


def _has_nan(value: Any) -> bool:
    value = jnp.asarray(value)
    return bool(jnp.issubdtype(value.dtype, jnp.floating) and jnp.isnan(value).any())
