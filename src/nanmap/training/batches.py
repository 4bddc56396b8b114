"""Which rows an update sees: all of them, a slice of an epoch put in order once, or a draw."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.models.base import Array, Model
from nanmap.training.order import epoch_order, replacement_rows
from nanmap.training.pieces import rows_mask
from nanmap.training.program import Program
from nanmap.training.state import Batch, Task


def padded(values: np.ndarray, capacity: int, dtype: str) -> np.ndarray:
    """Rows `[rows, columns]` as a program takes them: on the minor axis, zeros behind them, `[columns, capacity]`."""
    filled = np.zeros((values.shape[1], capacity), dtype)
    with np.errstate(over="ignore"):
        filled[:, : len(values)] = values.T
    return filled


def laid_out(model: Model, values: np.ndarray, capacity: int, dtype: str, *, targets: bool = False) -> np.ndarray:
    """Inputs, or targets, `[rows, columns]` as a model takes them: `padded`, or where it is `exact` as they lie, `[rows, …]`."""
    if not model.exact:
        return padded(values, capacity, dtype)
    form = model.row_forms()[targets]
    with np.errstate(over="ignore"):
        return values.reshape(capacity, *form.shape).astype(form.dtype or np.dtype(dtype))


def all_rows(program: Program, task: Task) -> Batch:
    """Every row at once."""
    mask = rows_mask(program.rows, task.n) if program.masked else None
    return Batch(task.x, task.y, task.n, mask)


def epoch_rows(program: Program, task: Task, epoch: Array) -> tuple[Array, Array]:
    """Inputs and targets in the order of an epoch, counted from 0."""
    if program.order != "shuffle":
        return task.x, task.y
    order = epoch_order(task.order_key, epoch, task.n, program.rows)
    return _taken(program, task.x, order), _taken(program, task.y, order)


def order_of(program: Program, task: Task, epoch: Array) -> Array:
    """Which row stands at each place of an epoch, int32 `[rows]`: what `rows_at` cuts into batches."""
    if program.order == "replacement":
        first = epoch * task.steps_per_epoch
        return replacement_rows(task.order_key, first, task.n, program.batch, program.rows)
    return epoch_order(task.order_key, epoch, task.n, program.rows)


def rows_at(program: Program, task: Task, order: Array, step: Array) -> Batch:
    """`batch_of`, but rows are taken one by one from where they lie: of each cell its own, if cells differ in their order."""
    place = (step % task.steps_per_epoch) * program.batch
    rows = jax.lax.dynamic_slice_in_dim(order, place, program.batch)
    x, y = (values.at[:, rows].get(mode="promise_in_bounds") for values in (task.x, task.y))
    return Batch(x, y, *_counted(program, task, place))


def batch_of(program: Program, task: Task, x: Array, y: Array, step: Array) -> Batch:
    """The rows of the update at `step`, taken from those of its epoch."""
    if program.order == "replacement":
        rows = replacement_rows(task.order_key, step, task.n, program.batch)
        return Batch(_taken(program, x, rows), _taken(program, y, rows), jnp.int32(program.batch), None)
    place = (step % task.steps_per_epoch) * program.batch
    cut = partial(jax.lax.dynamic_slice_in_dim, start_index=place, slice_size=program.batch, axis=_axis(program))
    return Batch(cut(x), cut(y), *_counted(program, task, place))


def _counted(program: Program, task: Task, place: Array) -> tuple[Array, Array | None]:
    """How many rows of the batch from `place` on count, and which (None = all)."""
    if not program.masked or program.order == "replacement":
        return jnp.int32(program.batch), None
    count = jnp.minimum(program.batch, task.n - place)
    return count, jnp.arange(program.batch) < count


def short_batch(program: Program, x: Array, y: Array) -> Batch:
    """The last rows of an epoch, where they are fewer than a batch and none is made up."""
    return Batch(x[-program.short :], y[-program.short :], jnp.int32(program.short), None)


def batch_at(program: Program, task: Task, step: int) -> Batch:
    """The rows of one update, for whoever makes one after the other."""
    if program.full_batch:
        return all_rows(program, task)
    epoch, place = divmod(step, int(task.steps_per_epoch))
    x, y = epoch_rows(program, task, np.int32(epoch))
    if program.short and place == int(task.steps_per_epoch) - 1:
        return short_batch(program, x, y)
    return batch_of(program, task, x, y, np.int32(step))


def _axis(program: Program) -> int:
    """The axis that rows lie on."""
    return 0 if program.model.exact else 1


def _taken(program: Program, values: Array, rows: Array) -> Array:
    return values[rows] if program.model.exact else values[:, rows]
