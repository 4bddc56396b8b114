"""What is kept of one cell's updates: first events, stops that were asked for, sums of losses."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layers
from nanmap.training.program import Program
from nanmap.training.state import Assessment, Events, Lane, Losses, State, Trace

MEASURE_CEILING = 1e6  # Sohl-Dickstein 2402.06184: relative losses are clipped here, non-finite losses set to it
MEASURE_TAIL = 20  # the last losses whose mean decides the sign of `measure`


def no_trace(program: Program) -> Trace:
    """The trace of no update."""
    no = jnp.zeros((), bool)
    return Trace(no if program.stops else None, no if program.may_divide_by_zero else None)


def recorded(state: State, made: State, trace: Trace, loss: Array, step: Array) -> State:
    """What is left of updates: the state before where the cell had ended or stops here, else the one made, with its events.

    Args:
        state: before the updates.
        made: after them.
        trace: of all of them.
        loss: of the update's batch; or a sum that holds those of all of them. None is negative, so that an infinity or
            a NaN stays in it.
        step: the update, if it was one. Of several the result is right only if nothing happened in them: if no event is new.
    """
    events = state.events
    alive = events.first_nan < 0
    infinite, nan = (any_is(test, loss, made.parameters, made.model_state) for test in (jnp.isinf, jnp.isnan))
    after = made.events._replace(
        first_inf=latched(events.first_inf, alive & infinite, step),
        first_nan=latched(events.first_nan, nan, step),
        counted=jnp.where(alive, made.events.counted, events.counted),
    )
    if trace.bad_gradient is not None:
        after = after._replace(bad_gradient=latched(events.bad_gradient, trace.bad_gradient, step))
    made = made._replace(events=after, losses=jax.tree.map(partial(jnp.where, alive), made.losses, state.losses))
    return made if trace.stop is None else _unless_stopped(state, made, loss, trace.stop, step)


def happened(before: Events, after: Events) -> Array:
    """Whether an event is new."""
    return jnp.any(jnp.stack([old != new for old, new in zip(before[:4], after[:4], strict=True)]))


def running(events: Events) -> Array:
    """Whether a cell still trains: no NaN yet, and not stopped."""
    return (events.first_nan < 0) & (events.stopped < 0)


def stop_holds(program: Program, lane: Lane, state: State, watched: Array) -> Array:
    """Whether one of the stops that were asked for holds for a loss of all rows."""
    initial, stop = Assessment(*state.marks[0]).loss, jnp.zeros((), bool)
    if program.stop_above:
        stop = stop | (watched > lane.numbers["stop_above"] * initial)
    if program.stop_converged:
        stop = stop | (watched <= lane.numbers["enough"])
    return stop


def _unless_stopped(state: State, made: State, loss: Array, stop: Array, step: Array) -> State:
    """The updated state, or the state before if the training is stopped here.

    Args:
        loss: of the batch. An infinite one is an event even if the update is not made.
        stop: whether it is.
    """
    events = state.events
    going = running(events)
    kept = jax.tree.map(partial(jnp.where, going & ~stop), made, state)
    events_then = kept.events._replace(
        first_inf=latched(kept.events.first_inf, going & jnp.isinf(loss), step),
        stopped=latched(events.stopped, going & stop, step),
    )
    return kept._replace(events=events_then)


def measured(losses: Losses, loss: Array, counted: Array, steps: Array) -> Losses:
    """The running figures with one more full-batch loss, of which `counted` of `steps` were there before."""
    first = jnp.where(counted == 0, loss, losses.first)
    seen, scale = (jnp.where(jnp.isfinite(each), each, MEASURE_CEILING) for each in (loss, first))
    relative = jnp.where(seen == scale, 1, jnp.minimum(seen / scale, MEASURE_CEILING))  # 0/0 is a loss that stays
    total, total_rest = added(losses.total, losses.total_rest, relative)
    inverse, inverse_rest = added(losses.inverse, losses.inverse_rest, 1 / relative)
    return losses._replace(
        first=first,
        total=total,
        total_rest=total_rest,
        inverse=inverse,
        inverse_rest=inverse_rest,
        tail=jnp.where(counted >= steps - MEASURE_TAIL, losses.tail + relative, losses.tail),
        best=jnp.where(loss < losses.best, loss, losses.best),
    )


def added(total: Array, rest: Array, term: Array) -> tuple[Array, Array]:
    """A running sum with one more term, and what rounding left out of it (Kahan 1965); nothing once it is infinite.

    A plain float32 sum is off by 1 % after a million terms, and stands still at 16,777,216; a float64 sum by 10⁻¹⁰.
    """
    if total.dtype == jnp.float64:
        return total + term, rest
    term = term + rest
    made = total + term
    return made, jnp.where(jnp.isfinite(made), term - (made - total), 0)


def latched(first: Array, happens: Array, step: Array) -> Array:
    """The first step of an event: the one that it has, else this one if it happens now."""
    return jnp.where((first < 0) & happens, step, first)


def no_number(program: Program, grads: Layers) -> Array:
    """Whether a gradient reaches the optimizer as a NaN or an infinity; one that is clipped does not stay infinite."""
    test = jnp.isnan if program.clip_value else lambda leaf: ~jnp.isfinite(leaf)
    return jnp.any(jnp.stack([jnp.any(test(leaf)) for leaf in jax.tree.leaves(grads)]))


def any_is(test: Callable[[Array], Array], loss: Array, *layers: Layers) -> Array:
    """Whether the loss, any parameter or any running statistic passes `test`."""
    return jnp.any(jnp.stack([test(loss), *(jnp.any(test(leaf)) for leaf in jax.tree.leaves(layers))]))
