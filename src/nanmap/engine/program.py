"""One compiled program: groups of lanes, one group after the other on each device, the whole training inside.

A group is `width` cells that share their rows and their order; it is what one pass of the training loop holds in cache.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nanmap.model import layer_shapes
from nanmap.order import epoch_order, replacement_rows
from nanmap.plan.program import TRACED_NUMBERS, Program
from nanmap.train import MARKS, Batch, Lane, State, Task, assess, begin, rows_mask, update

AXIS = "devices"


class Group(NamedTuple):
    """Input of one group: what its lanes share, their numbers, where they stand and how far they shall go.

    Attributes:
        fresh: whether the state is only initial parameters.
        start: updates made so far.
        marks: updates after which the model is assessed, ascending, int32 `[MARKS]`; the last one ends the advance.
        events: for each mark the step at which a non-finite loss counts as an event, or -1.
    """

    task: Task
    lanes: Lane
    state: State
    fresh: jax.Array
    start: jax.Array
    marks: jax.Array
    events: jax.Array


def build(program: Program, mesh: Mesh):
    """The jitted function `(counts, groups) -> states` over a mesh of devices.

    Args:
        counts: number of groups to run on each device, int32 `[devices]`: a loop bound, so that neither a short
            shard nor another grid size compiles again.
        groups: a `Group` whose arrays have two more axes in front: groups (split over the devices), then lanes
            (only below `lanes` and `state`).
    """
    spec = PartitionSpec(AXIS)

    @partial(jax.shard_map, mesh=mesh, in_specs=(spec, spec), out_specs=spec, check_vma=False)
    def run(counts: jax.Array, groups: Group) -> State:
        def one(index: jax.Array, states: State) -> State:
            group = jax.tree.map(lambda leaf: leaf[index], groups)
            state = train_group(program, group)
            return jax.tree.map(lambda all_, one: jax.lax.dynamic_update_index_in_dim(all_, one, index, 0), states, state)

        return jax.lax.fori_loop(0, counts[0], one, groups.state)

    return jax.jit(run)


def group_shapes(program: Program, width: int, slots: int, sharding: NamedSharding) -> Group:
    """Shapes of what `slots` groups of `width` cells take, for compiling ahead of any data."""

    def array(shape: tuple[int, ...], dtype: str | np.dtype) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((slots, *shape), dtype, sharding=sharding)

    def rows(count: int) -> tuple[jax.ShapeDtypeStruct, ...]:
        x, y = ((size, count) for size in (program.features, program.outputs))
        return array(x, program.dtype), array(y, program.dtype), array((), "int32")

    task = Task(*rows(program.rows), *rows(program.val_rows), array((), "int32"), array((), "int32"), array((2,), "uint32"))
    lane = Lane(
        {name: array((width,), program.dtype) for name in TRACED_NUMBERS}, array((width, program.layers), program.dtype)
    )
    layers = [
        {name: array((width, *shape), program.dtype) for name, shape in layer.items()} for layer in layer_shapes(program)
    ]
    one = jax.vmap(jax.vmap(partial(begin, program)))
    state = jax.tree.map(lambda leaf: array(leaf.shape[1:], leaf.dtype), jax.eval_shape(one, lane, layers))
    scalars = array((), "bool"), array((), "int32"), array((MARKS,), "int32"), array((MARKS,), "int32")
    return Group(task, lane, state, *scalars)


def train_group(program: Program, group: Group) -> State:
    """Advances one group from `start` through its marks. Stops early once every lane has met a NaN."""
    task, lanes = group.task, group.lanes
    step_all = jax.vmap(partial(update, program), in_axes=(0, None, 0, None, None))
    assess_all = jax.vmap(partial(assess, program), in_axes=(0, None, 0, None, None))
    state = jax.lax.cond(
        group.fresh,
        lambda: jax.vmap(partial(begin, program))(lanes, group.state.layers),
        lambda: group.state,
    )

    def to_mark(index: jax.Array, carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        step, state = carry
        stop = group.marks[index]
        advance = _full_batch_steps if program.full_batch else _minibatch_steps
        state = advance(program, task, lambda state, batch, step: step_all(lanes, task, state, batch, step), state, step, stop)
        return stop, assess_all(lanes, task, state, index, group.events[index])

    return jax.lax.fori_loop(0, MARKS, to_mark, (group.start, state))[1]


def _alive(state: State) -> jax.Array:
    return jnp.any(state.first_nan < 0)


def _full_batch_steps(program: Program, task: Task, step_all, state: State, start: jax.Array, stop: jax.Array) -> State:
    mask = rows_mask(program.rows, task.n) if program.masked else None
    batch = Batch(task.x, task.y, task.n, mask)

    def body(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        step, state = carry
        return step + 1, step_all(state, batch, step)

    return jax.lax.while_loop(lambda carry: (carry[0] < stop) & _alive(carry[1]), body, (start, state))[1]


def _minibatch_steps(program: Program, task: Task, step_all, state: State, start: jax.Array, stop: jax.Array) -> State:
    per_epoch = task.steps_per_epoch

    def epoch(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        first, state = carry
        number = first // per_epoch
        last = jnp.minimum(stop, (number + 1) * per_epoch)
        x, y = _epoch_rows(program, task, number)
        state = jax.lax.fori_loop(
            first, last, lambda step, state: step_all(state, _batch(program, task, x, y, step), step), state
        )
        return last, state

    return jax.lax.while_loop(lambda carry: (carry[0] < stop) & _alive(carry[1]), epoch, (start, state))[1]


def _epoch_rows(program: Program, task: Task, epoch: jax.Array) -> tuple[jax.Array, jax.Array]:
    if program.order != "shuffle":
        return task.x, task.y
    order = epoch_order(task.order_key, epoch, task.n, program.rows)
    return task.x[:, order], task.y[:, order]


def _batch(program: Program, task: Task, x: jax.Array, y: jax.Array, step: jax.Array) -> Batch:
    if program.order == "replacement":
        rows = replacement_rows(task.order_key, step, task.n, program.batch)
        return Batch(x[:, rows], y[:, rows], jnp.int32(program.batch), None)
    place = (step % task.steps_per_epoch) * program.batch
    count = jnp.minimum(program.batch, task.n - place)
    mask = jnp.arange(program.batch) < count if program.masked else None
    cut = partial(jax.lax.dynamic_slice_in_dim, start_index=place, slice_size=program.batch, axis=1)
    return Batch(cut(x), cut(y), count, mask)
