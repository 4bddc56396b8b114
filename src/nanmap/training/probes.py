"""The tensors of one cell's update, or of a pass over all rows, in the order of their computation, and what is seen of each.

Whoever looks for the first that is not finite asks here; training itself does not.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nanmap.models.base import Array, Layers
from nanmap.training.cell import step_made
from nanmap.training.losses import loss_and_gradient
from nanmap.training.passes import forward, mean_loss, with_key
from nanmap.training.pieces import assessed_of
from nanmap.training.program import Program
from nanmap.training.state import Batch, Lane, State, Task

DATA, LOSS, OPTIMIZER = "data", "loss", "optimizer"
ACTIVATION, GRADIENT, PARAMETER, STATISTICS = "activation:", "gradient:", "parameter:", "statistics:"

Tensors = list[tuple[str, Array]]


class Seen(NamedTuple):
    """What is seen of tensors, `[tensors]`: whether one holds an infinity, a NaN, and its largest number by size (−1: none)."""

    infinite: Array
    nan: Array
    largest: Array


def tensors_of_update(
    program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: Array
) -> tuple[Tensors, State]:
    """What an update is given and computes, and the state that it makes, without its records.

    The gradient of the outputs is that before it is clipped, and so are those of parameters.
    """
    given = lane, task, state, batch, step
    loss, _, grads, model_state, steps, optimizer = step_made(program, *given)
    batch = with_key(program, task, batch, step)
    forth = partial(forward, program, lane, training=True, key=batch.key)
    through = state.parameters, state.model_state, batch.x, batch.mask
    passed = forth(*through)
    mean = partial(mean_loss, program, lane, target=batch.y, count=batch.count, mask=batch.mask)
    _, output_gradient = loss_and_gradient(mean, passed.output, None)
    backwards = _in_order(program, grads, computed_at(lambda *given: step_made(program, *given)[2], *given))
    parameters = optax.apply_updates(state.parameters, steps)
    tensors = [
        *_given(program, state, batch.x, batch.y),
        *_state(program, model_state),
        *_activations(program, passed, forth, *through),
        (LOSS, loss),
        (f"{GRADIENT}output", output_gradient),
        *backwards,
        *_all_as(OPTIMIZER, steps),
        *_all_as(OPTIMIZER, jax.tree.map(_newly, state.optimizer, optimizer)),
        *_parameters(program, parameters),
    ]
    return tensors, state._replace(parameters=parameters, model_state=model_state, optimizer=optimizer)


def tensors_of_rows(program: Program, lane: Lane, task: Task, state: State) -> Tensors:
    """What an assessment over all rows is given and computes."""
    rows = assessed_of(program, task)
    forth, through = partial(forward, program, lane), (state.parameters, state.model_state, rows.x, rows.mask)
    passed = forth(*through)
    loss = mean_loss(program, lane, passed.output, rows.y, rows.n, rows.mask)
    return [*_given(program, state, rows.x, rows.y), *_activations(program, passed, forth, *through), (LOSS, loss)]


def tensors_kept(program: Program, before: State, after: State) -> Tensors:
    """What is left of an update once it is made."""
    return [
        *_state(program, after.model_state),
        (LOSS, after.losses.batch),
        *_all_as(OPTIMIZER, jax.tree.map(_newly, before.optimizer, after.optimizer)),
        *_parameters(program, after.parameters),
    ]


def seen(tensors: Tensors) -> tuple[list[str], Seen]:
    """The names of the tensors that hold floats, and what is seen of them."""
    floats = [
        (name, jnp.asarray(leaf)) for name, leaf in tensors if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
    ]
    names, found = [name for name, _ in floats], [_look(leaf) for _, leaf in floats]
    return names, jax.tree.map(lambda *each: jnp.stack(each), *found)


class First(NamedTuple):
    """The first tensor that is not finite, scalars.

    Attributes:
        place: its place among the tensors; -1 if all are finite.
        nan: whether it holds a NaN, else it holds an infinity.
        largest: the largest number by size in the tensors before it; negative if there is none.
        largest_at: the place of the tensor that holds that.
    """

    place: Array
    nan: Array
    largest: Array
    largest_at: Array


def first_of(names: Sequence[str], found: Seen) -> First:
    """The first of the tensors that is not finite. Neighbours of one name, as inputs and targets are, count as one tensor."""
    starts = np.array([_start_of_name(names, place) for place in range(len(names))])
    bad = found.infinite | found.nan
    place = jnp.argmax(bad)
    before = jnp.where(np.arange(len(names)) < jnp.asarray(starts)[place], found.largest, -1)
    return First(jnp.where(jnp.any(bad), place, -1), found.nan[place], jnp.max(before), jnp.argmax(before))


def _start_of_name(names: Sequence[str], place: int) -> int:
    while place and names[place - 1] == names[place]:
        place -= 1
    return place


def _look(leaf: Array) -> Seen:
    size = jnp.abs(leaf).astype(jnp.promote_types(leaf.dtype, jnp.float32))
    largest = jnp.max(size, initial=-1, where=jnp.isfinite(size))
    return Seen(jnp.any(jnp.isinf(leaf)), jnp.any(jnp.isnan(leaf)), largest.astype(jnp.result_type(float)))


def computed_at(function: Callable[..., Any], *arguments: Any) -> Any:
    """The place in the function's trace at which each of its results is computed, in the tree of the results."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    places = {made: place for place, equation in enumerate(closed.eqns) for made in equation.outvars}
    return jax.tree.unflatten(
        jax.tree.structure(shape), [np.int64(places.get(each, -1)) for each in closed.jaxpr.outvars]
    )


def _in_order(program: Program, grads: Layers, places: Layers) -> Tensors:
    """Gradients as the way back comes by them."""
    at = dict(_named(program, GRADIENT, places))
    return sorted(_named(program, GRADIENT, grads), key=lambda each: at[each[0]])


def _given(program: Program, state: State, x: Array, y: Array) -> Tensors:
    rows: Tensors = [(DATA, x), (DATA, y)]
    return [*rows, *_parameters(program, state.parameters), *_state(program, state.model_state)]


def _activations(program: Program, passed: Any, forth: Callable[..., Any], *through: Any) -> Tensors:
    """What a pass computed; where the network does not know in which order, as its trace has it."""
    named = program.model.activations_of(passed)
    if not program.model.ordered and len(named) > 1:
        at = computed_at(lambda *given: program.model.activations_of(forth(*given)), *through)
        named = dict(sorted(named.items(), key=lambda each: at[each[0]]))
    return [(ACTIVATION + name, values) for name, values in named.items()]


def _parameters(program: Program, parameters: Layers) -> Tensors:
    return _named(program, PARAMETER, parameters)


def _named(program: Program, kind: str, layers: Layers) -> Tensors:
    named = program.model.named(layers, [{} for _ in layers])
    return [(kind + name, values) for name, values in named.items()]


def _state(program: Program, model_state: Layers) -> Tensors:
    named = program.model.named([{} for _ in model_state], model_state)
    return [(STATISTICS + name.removeprefix("state/").removeprefix("state."), values) for name, values in named.items()]


def _all_as(name: str, tree: Any) -> Tensors:
    return [(name, leaf) for leaf in jax.tree.leaves(tree)]


def _newly(before: Array, after: Array) -> Array:
    """The numbers that may be asked to be finite: some rules keep an infinity from the start on."""
    return jnp.where(jnp.isfinite(before), after, 0) if jnp.issubdtype(after.dtype, jnp.floating) else after
