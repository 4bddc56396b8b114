"""One cell's model looked at over all rows, at the marks of its training."""

from functools import partial

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layers
from nanmap.training.losses import loss_and_gradient
from nanmap.training.passes import correct, forward, mean_loss, real_rows
from nanmap.training.program import Program
from nanmap.training.records import any_is, latched, running
from nanmap.training.state import MARKS, Assessment, Lane, State, Task

ROUNDING = 8  # units in the last place that outputs of one value may differ by


def assess(program: Program, lane: Lane, task: Task, state: State, mark: Array, event: Array) -> State:
    """Records the model's loss, its accuracy and its dead units over all rows in slot `mark`.

    Args:
        event: the step at which a NaN counts as an event, at the start and at the end an infinite loss too, or NEVER if
            they do not.
    """
    mask = real_rows(program, program.rows, task.n)
    output = forward(program, lane, state.parameters, state.model_state, task.x, mask).output
    loss = mean_loss(program, lane, output, task.y, task.n, mask)
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
        first_inf=latched(events.first_inf, alive & counts & outermost & jnp.isinf(loss), event),
        first_nan=latched(events.first_nan, alive & counts & jnp.isnan(loss), event),
    )
    return state._replace(events=events, marks=state.marks.at[mark].set(jnp.concatenate([loss[None], others])))


def _all_but_the_loss(program: Program, lane: Lane, task: Task, state: State, mask: Array | None, loss: Array) -> Array:
    """The other fields of an `Assessment`, in their order: one pass over the training rows forth and back, one over those of validation."""

    def run(parameters: Layers) -> tuple[Array, list[Array]]:
        passed = forward(program, lane, parameters, state.model_state, task.x, mask)
        return passed.output, passed.seen

    first_gradient = last_gradient = jnp.nan
    if program.model.layers < 2 or not program.model.ordered:
        output, seen = run(state.parameters)
    else:
        output, pull_back, seen = jax.vjp(run, state.parameters, has_aux=True)
        mean = partial(mean_loss, program, lane, target=task.y, count=task.n, mask=mask)
        _, output_gradient = loss_and_gradient(mean, output, None)
        gradient = pull_back(output_gradient)[0]
        first_gradient, last_gradient = (_norm(gradient[layer], program.wide) for layer in (0, -1))
    error = _error(output, task.y, mask).astype(loss.dtype)
    val_loss = val_accuracy = jnp.nan
    if program.val_rows:
        val_mask = real_rows(program, program.val_rows, task.val_n)
        val_output = forward(program, lane, state.parameters, state.model_state, task.val_x, val_mask).output
        val_loss = mean_loss(program, lane, val_output, task.val_y, task.val_n, val_mask)
        val_accuracy = _accuracy(program, val_output, task.val_y, task.val_n, val_mask)
    share, dead = program.model.dead_units(seen, mask)
    made = Assessment(
        loss=loss,
        val_loss=val_loss,
        squared_error=jnp.sum(error * error) / task.n.astype(loss.dtype),
        dead_fraction=share,
        dead_layer=dead,
        infinite=any_is(jnp.isinf, loss, state.parameters, state.model_state),
        accuracy=_accuracy(program, output, task.y, task.n, mask),
        val_accuracy=val_accuracy,
        output_variance=output_variance(program, output.astype(loss.dtype), task.n, mask),
        first_gradient=first_gradient,
        last_gradient=last_gradient,
    )
    return jnp.stack([jnp.asarray(each, loss.dtype) for each in made[1:]])


def _accuracy(program: Program, output: Array, target: Array, n: Array, mask: Array | None) -> Array:
    return correct(program, output, target, mask) / n if program.classifies else jnp.nan


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
