"""The training of one cell: its state, one update, one assessment. Scalars in, scalars out; knows nothing of lanes.

The engine decides which rows an update sees and runs these functions for many cells at once.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from nanmap.models.base import Array, Layers, Numbers, Pass
from nanmap.training.losses import batch_loss, correct_rows, exact_correct_rows, exact_loss, loss_and_gradient
from nanmap.training.optimizers import make_optimizer
from nanmap.training.program import Program
from nanmap.training.schedule import scheduled

NEVER = -1  # a step that did not come
MEASURE_CEILING = 1e6  # Sohl-Dickstein 2402.06184: relative losses are clipped here, non-finite losses set to it
MEASURE_TAIL = 20  # the last losses whose mean decides the sign of `measure`
EPOCH_SUMS = ("epoch", "epoch_rest", "correct")  # of `Losses`: a followed training starts them anew with each epoch
UPDATES = 0xFFFFFFFF  # folded into a seed's key before a step is: its small numbers may be what `init` splits off
ROUNDING = 8  # units in the last place that outputs of one value may differ by
HISTORY = ("loss", "gradient_norm", "update_norm", "parameter_norm")  # of an update, what a history keeps
MARKS = 5  # assessments of a training: at the start, after half of the budget, 80 %, 90 %, and at the end


class Batch(NamedTuple):
    """Rows of one update: `x` `[features, rows]`, `y` `[outputs, rows]`, how many count, and which (None = all).

    Inputs are of the training's dtype, targets of the losses': at least float32. Where the model is `exact`, rows lie on the
    first axis, whole numbers stay whole, and all count. `key` is for what a `keyed` model draws in this update.
    """

    x: Array
    y: Array
    count: Array
    mask: Array | None
    key: Array | None = None


class Task(NamedTuple):
    """What cells that are trained together share: their rows and their budget.

    Attributes:
        x, y: training rows, padded, `[features, rows]` and `[outputs, rows]`; `[rows, …]` where the model is `exact`.
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
    """Numbers of one cell: hyperparameters as scalars, and a learning rate per layer; at least float32."""

    numbers: Numbers
    learning_rates: Array


class Assessment(NamedTuple):
    """The state of a model over all rows, scalars.

    Attributes:
        loss, val_loss: over all training and validation rows; val_loss is NaN without any.
        squared_error: mean over rows of the squared error, summed over outputs.
        dead_fraction: share of units that give zero on every training row.
        dead_layer: whether a whole layer does.
        infinite: whether the loss or a parameter is infinite.
        accuracy, val_accuracy: share of the rows that are classified right; NaN unless classes are predicted.
        output_variance: of the outputs over the training rows, summed over outputs; under a softmax without their mean
            over the classes, which means nothing there.
        first_gradient, last_gradient: norms of the loss's gradient in the first and in the last layer, over all training
            rows; NaN of a single layer.

    Between the outermost marks all but the loss is NaN.
    """

    loss: Array
    val_loss: Array
    squared_error: Array
    dead_fraction: Array
    dead_layer: Array
    infinite: Array
    accuracy: Array
    val_accuracy: Array
    output_variance: Array
    first_gradient: Array
    last_gradient: Array


class Events(NamedTuple):
    """First steps of events (NEVER until then).

    Attributes:
        stopped: the step before whose update one of the stops that were asked for ended the training.
        bad_gradient: the update whose gradient was no number, where the program watches it.
        counted: how many full-batch losses `Losses` sums.
    """

    first_inf: Array
    first_nan: Array
    stopped: Array
    bad_gradient: Array
    counted: Array


class Losses(NamedTuple):
    """Running figures of the losses.

    Attributes:
        batch: loss of the last batch.
        epoch: sum of the batches' losses times their rows, since the epoch began.
        correct: sum of the batches' rows that were classified right, since the epoch began; 0 for numbers.
        first, total, inverse, tail: of section 2 of Sohl-Dickstein 2402.06184 over the full-batch losses v before each
            update: v₀, Σ v/v₀, Σ v₀/v, and Σ v/v₀ over the last 20.
        best: least full-batch loss.
        epoch_rest, total_rest, inverse_rest: what rounding left out of the long sums; they are to be added to them.
    """

    batch: Array
    epoch: Array
    correct: Array
    first: Array
    total: Array
    inverse: Array
    tail: Array
    best: Array
    epoch_rest: Array
    total_rest: Array
    inverse_rest: Array


class State(NamedTuple):
    """Everything that changes while a cell trains.

    Attributes:
        parameters: what the optimizer moves, per layer.
        model_state: what is not trained, per layer: batch norm's running statistics.
        marks: an `Assessment` per mark, of the losses' dtype `[MARKS, 11]`.
    """

    parameters: Layers
    model_state: Layers
    optimizer: optax.OptState
    events: Events
    losses: Losses
    marks: Array


# A batch's loss, the outputs, the gradient with respect to the parameters, and what is not trained afterwards.
Gradient = Callable[[Program, Lane, State, Batch], tuple[Array, Array, Layers, Layers]]


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


class Trace(NamedTuple):
    """What updates left behind, beside their state, that shows whether anything happened in one of them.

    Attributes:
        stop: whether a stop that was asked for holds; None if none was.
        bad_gradient: whether a gradient was no number; None unless the program watches it.
    """

    stop: Array | None
    bad_gradient: Array | None


def update(
    program: Program,
    lane: Lane,
    task: Task,
    state: State,
    batch: Batch,
    step: Array,
    gradient: Gradient | None = None,
) -> State:
    """One update on one batch, and what it did to the records.

    Args:
        gradient: what takes the place of `pass_back`.
    """
    made, trace = advance(program, lane, task, state, batch, step, gradient)
    return recorded(state, made, trace, made.losses.batch, step)


def no_trace(program: Program) -> Trace:
    """The trace of no update."""
    no = jnp.zeros((), bool)
    return Trace(no if program.stops else None, no if program.may_divide_by_zero else None)


def advance(
    program: Program,
    lane: Lane,
    task: Task,
    state: State,
    batch: Batch,
    step: Array,
    gradient: Gradient | None = None,
) -> tuple[State, Trace]:
    """One update on one batch, as if nothing could happen in it; `recorded` looks whether something did."""
    loss, output, grads, model_state, steps, optimizer_state = _step(program, lane, task, state, batch, step, gradient)
    parameters = optax.apply_updates(state.parameters, steps)
    events, losses = state.events, state.losses
    epoch, epoch_rest = _added(losses.epoch, losses.epoch_rest, loss * batch.count.astype(loss.dtype))
    losses = losses._replace(batch=loss, epoch=epoch, epoch_rest=epoch_rest)
    if program.classifies:
        losses = losses._replace(correct=losses.correct + _correct(program, output, batch.y, batch.mask))
    watched = loss
    if program.full_loss:
        # Under batch norm a batch's loss comes from its own statistics, even if it holds all rows.
        same = program.full_batch and not program.model.trains_otherwise
        watched = (
            loss if same else full_loss(program, lane, state.parameters, state.model_state, task.x, task.y, task.n)
        )
        losses = _measured(losses, watched, events.counted, task.steps)
        events = events._replace(counted=events.counted + 1)
    trace = Trace(
        stop=_stops(program, lane, state, watched) if program.stops else None,
        bad_gradient=_no_number(program, grads) if program.may_divide_by_zero else None,
    )
    return State(parameters, model_state, optimizer_state, events, losses, state.marks), trace


def looked_at(program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: Array) -> Array:
    """What an update is, without making it: what a history keeps of it, in the order of `HISTORY`, at least float32 `[4]`."""
    loss, _, grads, _, steps, _ = _step(program, lane, task, state, batch, step, None)
    parameters = optax.apply_updates(state.parameters, steps)
    moved = jax.tree.map(jnp.subtract, parameters, state.parameters)
    return jnp.concatenate([loss[None], lengths([grads, moved, parameters], program.wide)])


def _step(
    program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: Array, gradient: Gradient | None
) -> tuple[Array, Array, Layers, Layers, Layers, optax.OptState]:
    """An update's loss, outputs, gradient, what is not trained afterwards, what it adds to the parameters, and the optimizer then."""
    batch = with_key(program, task, batch, step)
    learning_rates = lane.learning_rates * scheduled(program, lane.numbers, step, task.steps)
    optimizer = make_optimizer(program, lane.numbers, learning_rates)
    loss, output, grads, model_state = (gradient or pass_back)(program, lane, state, batch)
    steps, optimizer_state = optimizer.update(grads, state.optimizer, state.parameters)
    return loss, output, grads, model_state, steps, optimizer_state


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
    infinite, nan = (_any(test, loss, made.parameters, made.model_state) for test in (jnp.isinf, jnp.isnan))
    after = made.events._replace(
        first_inf=_latched(events.first_inf, alive & infinite, step),
        first_nan=_latched(events.first_nan, nan, step),
        counted=jnp.where(alive, made.events.counted, events.counted),
    )
    if trace.bad_gradient is not None:
        after = after._replace(bad_gradient=_latched(events.bad_gradient, trace.bad_gradient, step))
    made = made._replace(events=after, losses=jax.tree.map(partial(jnp.where, alive), made.losses, state.losses))
    return made if trace.stop is None else _unless_stopped(state, made, loss, trace.stop, step)


def happened(before: Events, after: Events) -> Array:
    """Whether an event is new."""
    return jnp.any(jnp.stack([old != new for old, new in zip(before[:4], after[:4], strict=True)]))


def running(events: Events) -> Array:
    """Whether a cell still trains: no NaN yet, and not stopped."""
    return (events.first_nan < 0) & (events.stopped < 0)


def assess(program: Program, lane: Lane, task: Task, state: State, mark: Array, event: Array) -> State:
    """Records the model's loss, its accuracy and its dead units over all rows in slot `mark`.

    Args:
        event: the step at which a NaN counts as an event, at the start and at the end an infinite loss too, or NEVER if
            they do not.
    """
    mask = real_rows(program, program.rows, task.n)
    output = _forward(program, lane, state.parameters, state.model_state, task.x, mask).output
    loss = _loss(program, lane, output, task.y, task.n, mask)
    outermost = (mark == 0) | (mark == MARKS - 1)
    # Under way nobody looks at more than the loss, and short trainings feel what the rest costs.
    others = jax.lax.cond(
        outermost,
        partial(_all_but_the_loss, program, lane, task, state, mask),
        lambda loss: jnp.full(len(Assessment._fields) - 1, jnp.nan, loss.dtype),
        loss,
    )
    events = state.events
    counts, alive = event >= 0, running(events)
    events = events._replace(
        first_inf=_latched(events.first_inf, alive & counts & outermost & jnp.isinf(loss), event),
        first_nan=_latched(events.first_nan, alive & counts & jnp.isnan(loss), event),
    )
    return state._replace(events=events, marks=state.marks.at[mark].set(jnp.concatenate([loss[None], others])))


def _all_but_the_loss(program: Program, lane: Lane, task: Task, state: State, mask: Array | None, loss: Array) -> Array:
    """The other fields of an `Assessment`, in their order: one pass over the training rows forth and back, one over those of validation."""

    def run(parameters: Layers) -> tuple[Array, list[Array]]:
        passed = _forward(program, lane, parameters, state.model_state, task.x, mask)
        return passed.output, passed.seen

    first_gradient = last_gradient = jnp.nan
    if program.model.layers < 2 or not program.model.ordered:
        output, seen = run(state.parameters)
    else:
        output, pull_back, seen = jax.vjp(run, state.parameters, has_aux=True)
        mean = partial(_loss, program, lane, target=task.y, count=task.n, mask=mask)
        _, output_gradient = loss_and_gradient(mean, output, None)
        gradient = pull_back(output_gradient)[0]
        first_gradient, last_gradient = (_norm(gradient[layer], program.wide) for layer in (0, -1))
    error = _error(output, task.y, mask).astype(loss.dtype)
    val_loss = val_accuracy = jnp.nan
    if program.val_rows:
        val_mask = real_rows(program, program.val_rows, task.val_n)
        val_output = _forward(program, lane, state.parameters, state.model_state, task.val_x, val_mask).output
        val_loss = _loss(program, lane, val_output, task.val_y, task.val_n, val_mask)
        val_accuracy = _accuracy(program, val_output, task.val_y, task.val_n, val_mask)
    share, dead = program.model.dead_units(seen, mask)
    made = Assessment(
        loss=loss,
        val_loss=val_loss,
        squared_error=jnp.sum(error * error) / task.n.astype(loss.dtype),
        dead_fraction=share,
        dead_layer=dead,
        infinite=_any(jnp.isinf, loss, state.parameters, state.model_state),
        accuracy=_accuracy(program, output, task.y, task.n, mask),
        val_accuracy=val_accuracy,
        output_variance=output_variance(program, output.astype(loss.dtype), task.n, mask),
        first_gradient=first_gradient,
        last_gradient=last_gradient,
    )
    return jnp.stack([jnp.asarray(each, loss.dtype) for each in made[1:]])


def _error(output: Array, target: Array, mask: Array | None) -> Array:
    """What the rows that count are off by; NaN where targets are no outputs, but labels."""
    if output.shape != target.shape:
        return jnp.full((), jnp.nan)
    return output - target if mask is None else jnp.where(mask, output - target, 0)


def output_variance(program: Program, output: Array, n: Array, mask: Array | None) -> Array:
    """Variance over the rows that count, summed over outputs: what of `[outputs, rows]` is no constant answer.

    Outputs that differ by rounding alone count as equal: of huge ones that would be a number of its own.
    """
    if mask is None:
        return _exact_variance(program, output)
    if program.loss == "softmax_cross_entropy" and output.shape[0] > 1:
        output = output - jnp.mean(output, axis=0)
    counted = jnp.where(mask, output, 0)
    mean = jnp.sum(counted, axis=1, keepdims=True) / n
    variance = jnp.sum(jnp.where(mask, output - mean, 0) ** 2, axis=1) / n
    noise = ROUNDING * jnp.finfo(program.dtype).eps * jnp.max(jnp.abs(counted), axis=1)
    return jnp.sum(jnp.where(jnp.sqrt(variance) <= noise, 0, variance))


def _exact_variance(program: Program, output: Array) -> Array:
    """The same of outputs `[rows, …]`."""
    if program.loss == "softmax_cross_entropy" and output.ndim > 1 and output.shape[-1] > 1:
        output = output - jnp.mean(output, -1, keepdims=True)
    variance = jnp.var(output, 0)
    noise = ROUNDING * jnp.finfo(program.dtype).eps * jnp.max(jnp.abs(output), 0)
    return jnp.sum(jnp.where(jnp.sqrt(variance) <= noise, 0, variance))


def _norm(layer: dict[str, Array], wide: str) -> Array:
    """Of all numbers of a layer; squares of large ones do not overflow."""
    numbers = jnp.concatenate([leaf.astype(wide).reshape(-1) for leaf in jax.tree.leaves(layer)])
    size = jnp.max(jnp.abs(numbers))
    return jnp.where(size > 0, size * jnp.linalg.norm(numbers / jnp.where(size > 0, size, 1)), size)


def lengths(vectors: list[Layers], wide: str) -> Array:
    """Norms over all numbers of some pytrees of the same shapes, `[pytrees]`; infinite where a number is, unless another is NaN."""
    flat = [[leaf.astype(wide).reshape(-1) for leaf in jax.tree.leaves(each)] for each in vectors]
    numbers = jnp.stack([jnp.concatenate(each) for each in flat])
    size = jnp.max(jnp.abs(numbers), axis=1)
    scale = jnp.where((size > 0) & jnp.isfinite(size), size, 1)
    squares = jnp.sum((numbers / scale[:, None]) ** 2, axis=1)
    return jnp.where(jnp.isfinite(size), scale * jnp.sqrt(squares), size)


def full_loss(
    program: Program,
    lane: Lane,
    parameters: Layers,
    model_state: Layers,
    x: Array,
    y: Array,
    n: Array,
    *,
    training: bool = False,
) -> Array:
    """Loss over the first `n` of the given rows; while `training`, batch norm takes their statistics, not the running ones."""
    mask = None if program.model.exact else rows_mask(x.shape[1], n)  # exact rows may have no columns
    output = _forward(program, lane, parameters, model_state, x, mask, training=training).output
    return _loss(program, lane, output, y, n, mask)


def _loss(program: Program, lane: Lane, output: Array, target: Array, count: Array, mask: Array | None) -> Array:
    """Mean over the rows that count and over the outputs."""
    delta = lane.numbers["delta"]
    if program.model.exact:
        return exact_loss(program.loss, output, target, delta)
    return batch_loss(program.loss, output, target, delta, count, mask)


def _forward(
    program: Program,
    lane: Lane,
    parameters: Layers,
    model_state: Layers,
    x: Array,
    mask: Array | None,
    *,
    training: bool = False,
    key: Array | None = None,
) -> Pass:
    keyed = {"key": key} if program.model.keyed else {}
    return program.model.forward(
        parameters, model_state, x, mask, numbers=lane.numbers, layout=program.layout, training=training, **keyed
    )


def with_key(program: Program, task: Task, batch: Batch, step: Array) -> Batch:
    """The batch with the key of its update, where the model draws: a function of the seed and the step."""
    if not program.model.keyed:
        return batch
    seed = jax.random.wrap_key_data(jnp.asarray(task.order_key))
    return batch._replace(key=jax.random.fold_in(jax.random.fold_in(seed, UPDATES), step))


def _accuracy(program: Program, output: Array, target: Array, n: Array, mask: Array | None) -> Array:
    return _correct(program, output, target, mask) / n if program.classifies else jnp.nan


def _correct(program: Program, output: Array, target: Array, mask: Array | None) -> Array:
    return exact_correct_rows(output, target) if program.model.exact else correct_rows(output, target, mask)


def real_rows(program: Program, rows: int, n: Array) -> Array | None:
    """Which of `rows` rows are real; None where all are."""
    return None if program.model.exact else rows_mask(rows, n)


def rows_mask(rows: int, n: Array) -> Array:
    """Which of `rows` padded rows are real."""
    return jnp.arange(rows) < n


def pass_back(program: Program, lane: Lane, state: State, batch: Batch) -> tuple[Array, Array, Layers, Layers]:
    """The batch's loss, the outputs, the gradient with respect to the parameters, and what is not trained afterwards."""

    def run(parameters: Layers) -> tuple[Array, Layers]:
        passed = _forward(
            program, lane, parameters, state.model_state, batch.x, batch.mask, training=True, key=batch.key
        )
        return passed.output, passed.state

    output, pull_back, model_state = jax.vjp(run, state.parameters, has_aux=True)
    clip = lane.numbers["clip_output_gradient"] if program.clip_output_gradient else None
    mean = partial(_loss, program, lane, target=batch.y, count=batch.count, mask=batch.mask)
    loss, output_gradient = loss_and_gradient(mean, output, clip)
    return loss, output, pull_back(output_gradient)[0], model_state


def _stops(program: Program, lane: Lane, state: State, watched: Array) -> Array:
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
    latched = kept.events._replace(
        first_inf=_latched(kept.events.first_inf, going & jnp.isinf(loss), step),
        stopped=_latched(events.stopped, going & stop, step),
    )
    return kept._replace(events=latched)


def _measured(losses: Losses, loss: Array, counted: Array, steps: Array) -> Losses:
    first = jnp.where(counted == 0, loss, losses.first)
    seen, scale = (jnp.where(jnp.isfinite(each), each, MEASURE_CEILING) for each in (loss, first))
    relative = jnp.where(seen == scale, 1, jnp.minimum(seen / scale, MEASURE_CEILING))  # 0/0 is a loss that stays
    total, total_rest = _added(losses.total, losses.total_rest, relative)
    inverse, inverse_rest = _added(losses.inverse, losses.inverse_rest, 1 / relative)
    return losses._replace(
        first=first,
        total=total,
        total_rest=total_rest,
        inverse=inverse,
        inverse_rest=inverse_rest,
        tail=jnp.where(counted >= steps - MEASURE_TAIL, losses.tail + relative, losses.tail),
        best=jnp.where(loss < losses.best, loss, losses.best),
    )


def _added(total: Array, rest: Array, term: Array) -> tuple[Array, Array]:
    """A running sum with one more term, and what rounding left out of it (Kahan 1965); nothing once it is infinite.

    A plain float32 sum is off by 1 % after a million terms, and stands still at 16,777,216; a float64 sum by 10⁻¹⁰.
    """
    if total.dtype == jnp.float64:
        return total + term, rest
    term = term + rest
    made = total + term
    return made, jnp.where(jnp.isfinite(made), term - (made - total), 0)


def _latched(first: Array, happens: Array, step: Array) -> Array:
    return jnp.where((first < 0) & happens, step, first)


def _no_number(program: Program, grads: Layers) -> Array:
    """Whether a gradient reaches the optimizer as a NaN or an infinity; one that is clipped does not stay infinite."""
    test = jnp.isnan if program.clip_value else lambda leaf: ~jnp.isfinite(leaf)
    return jnp.any(jnp.stack([jnp.any(test(leaf)) for leaf in jax.tree.leaves(grads)]))


def _any(test: Callable[[Array], Array], loss: Array, *layers: Layers) -> Array:
    """Whether the loss, any parameter or any running statistic passes `test`."""
    return jnp.any(jnp.stack([test(loss), *(jnp.any(test(leaf)) for leaf in jax.tree.leaves(layers))]))
