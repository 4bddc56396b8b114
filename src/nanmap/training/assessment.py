"""One cell's model looked at over all rows, at the marks of its training."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layers
from nanmap.training.losses import loss_and_gradient
from nanmap.training.moments import Moments, joined, moments, variance
from nanmap.training.passes import correct, forward, full_loss, mean_loss
from nanmap.training.pieces import Piece, all_of, assessed_of, rows_mask, summed
from nanmap.training.program import ROW_BLOCK, Program
from nanmap.training.records import any_is, latched, running
from nanmap.training.state import MARKS, Assessment, Lane, State, Task


class Sums(NamedTuple):
    """What a model makes of some rows, so that those of pieces add up to that of all.

    Attributes:
        squared_error: their share in the mean over all rows.
        correct: how many are classified right; NaN of numbers.
        outer_gradients: of their share of the loss, in the first and in the last layer; none of a single layer.
        alive: of each layer that can die, the units that are not flat on every row.
        outputs: of the outputs.
    """

    squared_error: Array
    correct: Array
    outer_gradients: list[Any]
    alive: list[Array]
    outputs: Moments


def assess(
    program: Program, lane: Lane, task: Task, state: State, mark: Array, event: Array, at_once: int | None = None
) -> State:
    """Records the model's loss, its accuracy and its dead units over all rows in slot `mark`.

    Args:
        event: the step at which a NaN counts as an event, at the start and at the end an infinite loss too, or NEVER if
            they do not.
        at_once: rows that are passed together, None for all.
    """
    rows = assessed_of(program, task)
    loss = full_loss(program, lane, state.parameters, state.model_state, rows, at_once)
    outermost = (mark == 0) | (mark == MARKS - 1)
    # Under way nobody looks at more than the loss, and short trainings feel what the rest costs.
    others = jax.lax.cond(
        outermost,
        partial(_all_but_the_loss, program, lane, task, state, rows, at_once),
        lambda loss: jnp.full(len(Assessment._fields) - 1, jnp.nan, loss.dtype),
        loss,
    )
    events = state.events
    counts, alive = event >= 0, running(events)
    events = events._replace(
        first_inf=latched(events.first_inf, alive & counts & outermost & jnp.isinf(loss), event),
        first_nan=latched(events.first_nan, alive & counts & jnp.isnan(loss), event),
    )
    return state._replace(events=events, marks=state.marks.at[mark].set(jnp.concatenate([loss[None], others])))


def _all_but_the_loss(
    program: Program, lane: Lane, task: Task, state: State, rows: Piece, at_once: int | None, loss: Array
) -> Array:
    """The other fields of an `Assessment`, in their order: one pass over the training rows forth and back, one over those of validation."""
    origin = _first_output(program, lane, state, rows) if at_once else None
    seen = summed(rows, at_once, partial(_seen, program, lane, state, loss.dtype, origin), _added)
    first_gradient, last_gradient = [_norm(each, program.wide) for each in seen.outer_gradients] or [jnp.nan, jnp.nan]
    val_loss = val_accuracy = jnp.nan
    if program.val_rows:
        val_rows = all_of(program, task.val_x, task.val_y, task.val_n)
        val_loss, val_correct = summed(
            val_rows, at_once, partial(_validated, program, lane, state), partial(jax.tree.map, jnp.add)
        )
        val_accuracy = val_correct / task.val_n
    share, dead = _dead(seen.alive)
    made = Assessment(
        loss=loss,
        val_loss=val_loss,
        squared_error=seen.squared_error,
        dead_fraction=share,
        dead_layer=dead,
        infinite=any_is(jnp.isinf, loss, state.parameters, state.model_state),
        accuracy=seen.correct / rows.n,
        val_accuracy=val_accuracy,
        output_variance=variance(program, seen.outputs),
        first_gradient=first_gradient,
        last_gradient=last_gradient,
    )
    return jnp.stack([jnp.asarray(each, loss.dtype) for each in made[1:]])


def _seen(program: Program, lane: Lane, state: State, dtype: Any, origin: Array | None, rows: Piece) -> Sums:
    """What the model makes of some rows, forth and back.

    Args:
        dtype: of the sums.
        origin: outputs of a row, as for `moments`.
    """

    def run(parameters: Layers) -> tuple[Array, Any]:
        passed = forward(program, lane, parameters, state.model_state, rows.x, rows.mask)
        return passed.output, passed.seen

    gradients: list[Any] = []
    if program.model.layers < 2 or not program.model.ordered:
        output, seen = run(state.parameters)
    else:
        output, pull_back, seen = jax.vjp(run, state.parameters, has_aux=True)
        mean = partial(mean_loss, program, lane, target=rows.y, count=rows.n, mask=rows.mask)
        _, output_gradient = loss_and_gradient(mean, output, None)
        gradient = pull_back(output_gradient)[0]
        gradients = [gradient[layer] for layer in (0, -1)]
    error = _error(output, rows.y, rows.mask).astype(dtype)
    return Sums(
        squared_error=jnp.sum(error * error) / rows.n.astype(dtype),
        correct=_correct(program, output, rows),
        outer_gradients=gradients,
        alive=program.model.living_units(seen, rows.mask),
        outputs=moments(program, output.astype(dtype), rows, origin),
    )


def _added(one: Sums, other: Sums) -> Sums:
    squared_error, right, outer_gradients = jax.tree.map(jnp.add, one[:3], other[:3])
    return Sums(
        squared_error,
        right,
        outer_gradients,
        alive=[before | now for before, now in zip(one.alive, other.alive, strict=True)],
        outputs=joined(one.outputs, other.outputs),
    )


def _validated(program: Program, lane: Lane, state: State, rows: Piece) -> tuple[Array, Array]:
    """Loss over some rows, as their share in the mean over all, and how many of them are classified right."""
    output = forward(program, lane, state.parameters, state.model_state, rows.x, rows.mask).output
    return mean_loss(program, lane, output, rows.y, rows.n, rows.mask), _correct(program, output, rows)


def _first_output(program: Program, lane: Lane, state: State, rows: Piece) -> Array:
    """Of the first row, `[outputs, 1]`."""
    some = rows.x[:, :ROW_BLOCK]
    return forward(program, lane, state.parameters, state.model_state, some, rows_mask(ROW_BLOCK, rows.n)).output[:, :1]


def _correct(program: Program, output: Array, rows: Piece) -> Array:
    return correct(program, output, rows.y, rows.mask) if program.classifies else jnp.asarray(jnp.nan)


def _error(output: Array, target: Array, mask: Array | None) -> Array:
    """What the rows that count are off by; NaN where targets are no outputs, but labels."""
    if output.shape != target.shape:
        return jnp.full((), jnp.nan)
    return output - target if mask is None else jnp.where(mask, output - target, 0)


def _dead(alive: list[Array]) -> tuple[Array, Array]:
    """Share of the units that are flat on every row (NaN where none can be), and whether a whole layer is."""
    if not alive:
        return jnp.asarray(jnp.nan, jnp.float32), jnp.asarray(False)
    share = jnp.mean(jnp.concatenate([~layer for layer in alive]).astype(jnp.float32))
    return share, jnp.any(jnp.stack([jnp.all(~layer) for layer in alive]))


def _norm(layer: dict[str, Array], wide: str) -> Array:
    """Of all numbers of a layer; squares of large ones do not overflow."""
    numbers = jnp.concatenate([leaf.astype(wide).reshape(-1) for leaf in jax.tree.leaves(layer)])
    size = jnp.max(jnp.abs(numbers))
    return jnp.where(size > 0, size * jnp.linalg.norm(numbers / jnp.where(size > 0, size, 1)), size)
