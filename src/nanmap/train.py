"""The training of one cell: its state, one update, one assessment. Scalars in, scalars out; knows nothing of lanes.

The engine decides which rows an update sees and runs these functions for many cells at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from nanmap.arrays import Array
from nanmap.loss import batch_loss
from nanmap.model import Layers, dead_units, forward
from nanmap.optimizer import Numbers, make_optimizer, scheduled
from nanmap.plan.program import Program

NEVER = -1  # a step that did not come
MEASURE_CEILING = 1e6  # Sohl-Dickstein 2402.06184: relative losses are clipped here, non-finite losses set to it
MEASURE_TAIL = 20  # the last losses whose mean decides the sign of `measure`
MARKS = 3  # assessments per advance: initial, at 90 % of the budget, final


class Batch(NamedTuple):
    """Rows of one update: `x` `[features, rows]`, `y` `[outputs, rows]`, how many count, and which (None = all)."""

    x: Array
    y: Array
    count: Array
    mask: Array | None


class Task(NamedTuple):
    """What cells that are trained together share: their rows and their budget.

    Attributes:
        x, y: training rows, padded, `[features, rows]` and `[outputs, rows]`.
        n: number of training rows.
        val_x, val_y, val_n: the same for validation.
        steps_per_epoch, steps: updates per pass, and in all.
        order_key: key of the order of the rows.
    """

    x: Array
    y: Array
    n: Array
    val_x: Array
    val_y: Array
    val_n: Array
    steps_per_epoch: Array
    steps: Array
    order_key: Array


class Lane(NamedTuple):
    """Numbers of one cell: hyperparameters as scalars, and a learning rate per layer."""

    numbers: Numbers
    rates: Array


class Assessment(NamedTuple):
    """The state of a model over all rows, scalars.

    Attributes:
        loss, val_loss: over all training and validation rows; val_loss is NaN without any.
        squared_error: mean over rows of the squared error, summed over outputs.
        dead_fraction: share of units that give zero on every training row.
        dead_layer: whether a whole layer does.
        infinite: whether the loss or a parameter is infinite.
    """

    loss: Array
    val_loss: Array
    squared_error: Array
    dead_fraction: Array
    dead_layer: Array
    infinite: Array


class Measure(NamedTuple):
    """Running sums of section 2 of Sohl-Dickstein 2402.06184 over the full-batch losses v before each update."""

    first: Array
    count: Array
    total: Array
    inverse: Array
    tail: Array
    best: Array


class State(NamedTuple):
    """Everything that changes while a cell trains."""

    layers: Layers
    optimizer: optax.OptState
    first_inf: Array
    first_nan: Array
    batch_loss: Array
    epoch_loss: Array
    measure: Measure
    marks: Assessment


def begin(program: Program, lane: Lane, layers: Layers) -> State:
    """The state before the first update."""
    wide = jnp.promote_types(program.dtype, jnp.float32)
    zero, nan = jnp.zeros((), wide), jnp.full((), jnp.nan, wide)
    never, marks = jnp.full((), NEVER, jnp.int32), jnp.full(MARKS, jnp.nan, wide)
    return State(
        layers=layers,
        optimizer=make_optimizer(program, lane.numbers, lane.rates).init(layers),
        first_inf=never,
        first_nan=never,
        batch_loss=nan,
        epoch_loss=zero,
        measure=Measure(nan, jnp.zeros((), jnp.int32), zero, zero, zero, jnp.full((), jnp.inf, wide)),
        marks=Assessment(
            marks, marks, marks, marks.astype(jnp.float32), jnp.zeros(MARKS, bool), jnp.zeros(MARKS, bool)
        ),
    )


def update(program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: Array) -> State:
    """One update on one batch, and what it did to the records."""
    rates = lane.rates * scheduled(program, lane.numbers, step, task.steps)
    optimizer = make_optimizer(program, lane.numbers, rates)
    loss, grads = _loss_and_gradient(program, lane, state.layers, batch)
    steps, optimizer_state = optimizer.update(grads, state.optimizer, state.layers)
    layers = optax.apply_updates(state.layers, steps)
    measure = state.measure
    if program.full_loss:
        everything = loss if program.full_batch else full_loss(program, lane, state.layers, task.x, task.y, task.n)
        measure = _measured(measure, everything, task.steps)
    alive = state.first_nan < 0
    return State(
        layers=layers,
        optimizer=optimizer_state,
        first_inf=_latched(state.first_inf, alive & _any(jnp.isinf, loss, layers), step),
        first_nan=_latched(state.first_nan, _any(jnp.isnan, loss, layers), step),
        batch_loss=jnp.where(alive, loss, state.batch_loss),
        epoch_loss=jnp.where(alive, state.epoch_loss + loss * batch.count.astype(loss.dtype), state.epoch_loss),
        measure=jax.tree.map(lambda new, old: jnp.where(alive, new, old), measure, state.measure),
        marks=state.marks,
    )


def assess(program: Program, lane: Lane, task: Task, state: State, mark: Array, event: Array) -> State:
    """Records the model's loss and its dead units over all rows in slot `mark`.

    Args:
        event: the step at which a non-finite loss counts as an event, or NEVER if it does not.
    """
    mask = rows_mask(program.rows, task.n)
    output, pre_activations = forward(program, state.layers, lane.numbers["gain"], task.x, mask)
    loss = batch_loss(program.loss, output, task.y, lane.numbers["delta"], task.n, mask)
    error = jnp.where(mask, output - task.y, 0).astype(loss.dtype)
    val_loss = jnp.full((), jnp.nan, loss.dtype)
    if program.val_rows:
        val_loss = full_loss(program, lane, state.layers, task.val_x, task.val_y, task.val_n)
    share, dead = dead_units(program, pre_activations, mask)
    infinite = _any(jnp.isinf, loss, state.layers)
    found = Assessment(loss, val_loss, jnp.sum(error * error) / task.n.astype(loss.dtype), share, dead, infinite)
    counts, alive = event >= 0, state.first_nan < 0
    return state._replace(
        first_inf=_latched(state.first_inf, alive & counts & jnp.isinf(loss), event),
        first_nan=_latched(state.first_nan, counts & jnp.isnan(loss), event),
        marks=jax.tree.map(lambda slots, value: slots.at[mark].set(value), state.marks, found),
    )


def full_loss(program: Program, lane: Lane, layers: Layers, x: Array, y: Array, n: Array) -> Array:
    """Loss over the first `n` of the given rows."""
    mask = rows_mask(x.shape[1], n)
    output, _ = forward(program, layers, lane.numbers["gain"], x, mask)
    return batch_loss(program.loss, output, y, lane.numbers["delta"], n, mask)


def rows_mask(rows: int, n: Array) -> Array:
    """Which of `rows` padded rows are real."""
    return jnp.arange(rows) < n


def _loss_and_gradient(program: Program, lane: Lane, layers: Layers, batch: Batch) -> tuple[Array, Layers]:
    output, pull_back = jax.vjp(
        lambda layers: forward(program, layers, lane.numbers["gain"], batch.x, batch.mask)[0], layers
    )
    loss, output_gradient = jax.value_and_grad(
        lambda output: batch_loss(program.loss, output, batch.y, lane.numbers["delta"], batch.count, batch.mask)
    )(output)
    if program.clip_output_gradient:
        bound = lane.numbers["clip_output_gradient"]
        output_gradient = jnp.clip(output_gradient, -bound, bound)
    return loss, pull_back(output_gradient)[0]


def _measured(measure: Measure, loss: Array, steps: Array) -> Measure:
    finite = jnp.isfinite(loss)
    first = jnp.where(measure.count == 0, loss, measure.first)
    scale = jnp.where(jnp.isfinite(first), first, MEASURE_CEILING)
    relative = jnp.minimum(jnp.where(finite, loss, MEASURE_CEILING) / scale, MEASURE_CEILING)
    in_tail = measure.count >= steps - MEASURE_TAIL
    return Measure(
        first=first,
        count=measure.count + 1,
        total=measure.total + relative,
        inverse=measure.inverse + 1 / relative,
        tail=jnp.where(in_tail, measure.tail + relative, measure.tail),
        best=jnp.where(loss < measure.best, loss, measure.best),
    )


def _latched(first: Array, happens: Array, step: Array) -> Array:
    return jnp.where((first < 0) & happens, step, first)


def _any(test: Callable[[Array], Array], loss: Array, layers: Layers) -> Array:
    """Whether the loss or any parameter passes `test`."""
    return jnp.any(jnp.stack([test(loss), *(jnp.any(test(leaf)) for leaf in jax.tree.leaves(layers))]))
