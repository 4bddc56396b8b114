"""The training of one cell: its beginning and one update. Scalars in, scalars out; knows nothing of lanes.

The engine decides which rows an update sees and runs these functions for many cells at once. Beside it stand `state` (what is
held), `passes` (through the network), `records` (what is kept of updates) and `assessment` (the model over all rows).
"""

import jax
import jax.numpy as jnp
import optax

from nanmap.models.base import Array, Layers
from nanmap.training.optimizers import make_optimizer
from nanmap.training.passes import correct, full_loss, pass_back, with_key
from nanmap.training.pieces import all_of
from nanmap.training.program import Program
from nanmap.training.records import added, measured, no_number, recorded, stop_holds
from nanmap.training.schedule import scheduled
from nanmap.training.state import MARKS, NEVER, Assessment, Batch, Events, Gradient, Lane, Losses, State, Task, Trace

HISTORY = ("loss", "gradient_norm", "update_norm", "parameter_norm")  # of an update, what a history keeps


def begin(program: Program, lane: Lane, parameters: Layers, model_state: Layers) -> State:
    """The state before the first update."""
    return State(
        parameters=parameters,
        model_state=model_state,
        optimizer=make_optimizer(program, lane.numbers, lane.learning_rates).init(parameters),
        events=Events(*(jnp.int32(start) for start in (NEVER, NEVER, NEVER, NEVER, 0))),
        losses=Losses(
            *(jnp.asarray(start, program.wide) for start in (jnp.nan, 0, 0, jnp.nan, 0, 0, 0, jnp.inf, 0, 0, 0))
        ),
        marks=jnp.full((MARKS, len(Assessment._fields)), jnp.nan, program.wide),
    )


def update(
    program: Program,
    lane: Lane,
    task: Task,
    state: State,
    batch: Batch,
    step: Array,
    gradient: Gradient | None = None,
    at_once: int | None = None,
) -> State:
    """One update on one batch, and what it did to the records.

    Args:
        gradient: what takes the place of `pass_back`.
        at_once: rows of a piece, where the loss over all is taken in pieces.
    """
    made, trace = advance(program, lane, task, state, batch, step, gradient, at_once)
    return recorded(state, made, trace, made.losses.batch, step)


def advance(
    program: Program,
    lane: Lane,
    task: Task,
    state: State,
    batch: Batch,
    step: Array,
    gradient: Gradient | None = None,
    at_once: int | None = None,
) -> tuple[State, Trace]:
    """One update on one batch, as if nothing could happen in it; `recorded` looks whether something did."""
    loss, output, grads, model_state, steps, optimizer_state = step_made(
        program, lane, task, state, batch, step, gradient
    )
    parameters = optax.apply_updates(state.parameters, steps)
    events, losses = state.events, state.losses
    epoch, epoch_rest = added(losses.epoch, losses.epoch_rest, loss * batch.count.astype(loss.dtype))
    losses = losses._replace(batch=loss, epoch=epoch, epoch_rest=epoch_rest)
    if program.classifies:
        losses = losses._replace(correct=losses.correct + correct(program, output, batch.y, batch.mask))
    watched = loss
    if program.full_loss:
        # Under batch norm a batch's loss comes from its own statistics, even if it holds all rows.
        same = program.full_batch and not program.model.trains_otherwise
        if not same:
            rows = all_of(program, task.x, task.y, task.n)
            watched = full_loss(program, lane, state.parameters, state.model_state, rows, at_once)
        losses = measured(losses, watched, events.counted, task.steps)
        events = events._replace(counted=events.counted + 1)
    trace = Trace(
        stop=stop_holds(program, lane, state, watched) if program.stops else None,
        bad_gradient=no_number(program, grads) if program.may_divide_by_zero else None,
    )
    return State(parameters, model_state, optimizer_state, events, losses, state.marks), trace


def looked_at(program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: Array) -> Array:
    """What an update is, without making it: what a history keeps of it, in the order of `HISTORY`, at least float32 `[4]`."""
    loss, _, grads, _, steps, _ = step_made(program, lane, task, state, batch, step)
    parameters = optax.apply_updates(state.parameters, steps)
    moved = jax.tree.map(jnp.subtract, parameters, state.parameters)
    return jnp.concatenate([loss[None], lengths([grads, moved, parameters], program.wide)])


def step_made(
    program: Program,
    lane: Lane,
    task: Task,
    state: State,
    batch: Batch,
    step: Array,
    gradient: Gradient | None = None,
) -> tuple[Array, Array, Layers, Layers, Layers, optax.OptState]:
    """An update's loss, outputs, gradient, what is not trained afterwards, what it adds to the parameters, and the optimizer then."""
    batch = with_key(program, task, batch, step)
    learning_rates = lane.learning_rates * scheduled(program, lane.numbers, step, task.steps)
    optimizer = make_optimizer(program, lane.numbers, learning_rates)
    loss, output, grads, model_state = (gradient or pass_back)(program, lane, state, batch)
    steps, optimizer_state = optimizer.update(grads, state.optimizer, state.parameters)
    return loss, output, grads, model_state, steps, optimizer_state


def lengths(vectors: list[Layers], wide: str) -> Array:
    """Norms over all numbers of some pytrees of the same shapes, `[pytrees]`; infinite where a number is, unless another is NaN."""
    flat = [[leaf.astype(wide).reshape(-1) for leaf in jax.tree.leaves(each)] for each in vectors]
    numbers = jnp.stack([jnp.concatenate(each) for each in flat])
    size = jnp.max(jnp.abs(numbers), axis=1)
    scale = jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    squares = jnp.sum((numbers / scale[:, None]) ** 2, axis=1)
    return jnp.where(jnp.isfinite(size), scale * jnp.sqrt(squares), size)
