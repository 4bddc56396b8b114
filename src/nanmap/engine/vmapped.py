"""One compiled program: groups of lanes, one group after the other, the whole training inside.

A group is `width` cells that share their rows; it is what one pass of the training loop holds in cache. All of them see the rows in
one order, or it consists of blocks of lanes, each with an order of its own (`engine/blocks.py`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Sharding

from nanmap.engine.blocks import BatchAt, Orders, by_blocks, rows_of_blocks
from nanmap.engine.one_kernel import in_kernels
from nanmap.models.base import Array, Layers, is_shape
from nanmap.training.batches import all_rows, batch_of, epoch_rows
from nanmap.training.cell import (
    MARKS,
    Batch,
    Events,
    Gradient,
    Lane,
    Losses,
    State,
    Task,
    assess,
    begin,
    running,
    update,
)
from nanmap.training.program import Program

UpdateAll = Callable[[Any, Batch, Array], Any]
RunLoop = Callable[[Callable[[Any], Any], Any], Any]  # from a loop and what it starts with to what it ends with
Carry = tuple[Array, Any]  # the updates made, and a state as the loop carries it


class Group(NamedTuple):
    """Input of one group: what its lanes share, their numbers, where they stand and how far they shall go.

    Attributes:
        fresh: whether the state is only initial parameters.
        start: updates made so far.
        marks: where to pause, in updates, ascending, int32 `[MARKS]`; the last one ends the advance.
        record: whether the model is assessed there, bool `[MARKS]`.
        events: for each mark the step at which a non-finite loss counts as an event, or -1.
        orders: of its blocks; None where all lanes have the task's.
    """

    task: Task
    lanes: Lane
    fresh: Array
    start: Array
    marks: Array
    record: Array
    events: Array
    orders: Orders | None = None


class Packed(NamedTuple):
    """A `State` whose records are one array each: `events` `[…, 5]`, `losses` `[…, 11]`, `marks` `[…, MARKS, 11]`."""

    parameters: Layers
    model_state: Layers
    optimizer: optax.OptState
    events: Array
    losses: Array
    marks: Array


def build(
    program: Program, stop_early: bool = True, run_loop: RunLoop = in_kernels, gradient: Gradient | None = None
) -> Any:
    """The jitted function `(count, groups, states) -> states` of one device.

    Args:
        stop_early: end a group once all its cells are finished.
        run_loop: runs the loop over updates, see `engine/one_kernel.py`.
        gradient: takes the gradient, see `engine/on_chip.py`; `training.cell.pass_back` if None.

    The function's arguments:
        count: number of groups to run: a loop bound, so that neither a short shard nor another grid size compiles again.
        groups: a `Group` whose arrays have two more axes in front: groups, then lanes (only below `lanes`).
        states: where each lane stands, `Packed`, `[groups, lanes, …]`; of a fresh group only the parameters and the model's state matter.
    """

    def run(count: Array, groups: Group, states: Packed) -> Packed:
        def one(index: Array, states: Packed) -> Packed:
            group, state = jax.tree.map(lambda leaf: leaf[index], (groups, states))
            state = packed(train_group(program, group, unpacked(state), stop_early, run_loop, gradient))
            return jax.tree.map(
                lambda all_, one: jax.lax.dynamic_update_index_in_dim(all_, one, index, 0), states, state
            )

        return jax.lax.fori_loop(0, count, one, states)

    return jax.jit(run)


def group_shapes(
    program: Program, width: int, slots: int, sharding: Sharding, together: int | None = None
) -> tuple[Group, Packed]:
    """Shapes of what `slots` groups of `width` cells take, for compiling ahead of any data; `together` as for `form_groups`."""
    blocks = width // (together or width)

    def array(shape: tuple[int, ...], dtype: str | np.dtype, weak: bool = False) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((slots, *shape), dtype, sharding=sharding, weak_type=weak)

    scalar = array((), "int32")
    model = program.model
    task = Task(
        x=array((model.features, program.rows), program.dtype),
        y=array((model.outputs, program.rows), program.wide),
        n=scalar,
        val_x=array((model.features, program.val_rows), program.dtype),
        val_y=array((model.outputs, program.val_rows), program.wide),
        val_n=scalar,
        steps_per_epoch=scalar,
        steps=scalar,
        order_key=array((2,), "uint32"),
    )
    # Weak: beside 16-bit arrays a hyperparameter acts as a Python number does. 1 − 0.999 is 0.001 then, not 0.
    numbers = {name: array((width,), program.wide, weak=program.narrow) for name in program.numbers}
    lane = Lane(numbers, array((width, model.layers), program.wide))
    start = jax.tree.map(lambda shape: array((width, *shape), program.dtype), model.shapes(), is_leaf=is_shape)

    def one(lane: Lane, parameters: Layers, model_state: Layers) -> Packed:
        return packed(jax.vmap(jax.vmap(partial(begin, program)))(lane, parameters, model_state))

    state = jax.tree.map(lambda leaf: array(leaf.shape[1:], leaf.dtype), jax.eval_shape(one, lane, *start))
    marks = array((MARKS,), "int32")
    record = array((MARKS,), "bool")
    orders = Orders(array((blocks, 2), "uint32"), scalar, array((blocks,), "int32")) if blocks > 1 else None
    fresh = array((), "bool")
    return Group(task, lane, fresh, start=scalar, marks=marks, record=record, events=marks, orders=orders), state


def train_group(
    program: Program,
    group: Group,
    state: State,
    stop_early: bool = True,
    run_loop: RunLoop = in_kernels,
    gradient: Gradient | None = None,
) -> State:
    """Advances one group from `start` through its marks.

    With `stop_early` it ends once every lane is finished: nothing is recorded after that, so no row can tell.
    """
    task, lanes = group.task, group.lanes
    begin_all = jax.vmap(partial(begin, program))
    update_one = partial(update, program, gradient=gradient)
    products = bool(program.model.hidden_units) and run_loop is in_kernels
    if group.orders:
        update_all = by_blocks(update_one, products, len(group.orders.which))
    else:
        update_all = jax.vmap(update_one, in_axes=(0, None, 0, None, None))
    assess_all = jax.vmap(partial(assess, program), in_axes=(0, None, 0, None, None))
    state = jax.lax.cond(group.fresh, lambda: begin_all(lanes, state.parameters, state.model_state), lambda: state)

    # Packing spares a network kernels; in a model of a few numbers it doubles the time of an update.
    carried: Callable[[State], Any]
    opened: Callable[[Any], State]
    carried, opened = (packed, unpacked) if products else (_as_is, _as_is)

    def one(state: Any, batch: Batch, step: Array) -> Any:
        return carried(update_all(lanes, task, opened(state), batch, step))

    def to_mark(index: Array, carry: Carry) -> Carry:
        stop = group.marks[index]
        rest_of_epoch = partial(_rest_of_epoch, program, run_loop, group.orders)
        several = partial(_one_update, program) if program.full_batch else rest_of_epoch

        def unfinished(carry: Carry) -> Array:
            step, state = carry
            going = jnp.any(running(opened(state).events)) if stop_early else True
            return (step < stop) & going

        def train(carry: Carry) -> Carry:
            return jax.lax.while_loop(unfinished, partial(several, task, one, stop), carry)

        _, state = run_loop(train, carry) if program.full_batch else train(carry)
        assessed = jax.lax.cond(
            group.record[index],
            lambda: carried(assess_all(lanes, task, opened(state), index, group.events[index])),
            lambda: state,
        )
        return stop, assessed

    return opened(jax.lax.fori_loop(0, MARKS, to_mark, (group.start, carried(state)))[1])


def packed(state: State) -> Packed:
    """A state with fewer arrays: each one in a loop costs a kernel."""
    records = {"events": jnp.stack(state.events, -1), "losses": jnp.stack(state.losses, -1)}
    return Packed(**(state._asdict() | records))


def unpacked(state: Packed) -> State:
    """The inverse of `packed`."""
    events, losses = (jnp.moveaxis(records, -1, 0) for records in (state.events, state.losses))
    return State(**(state._asdict() | {"events": Events(*events), "losses": Losses(*losses)}))


def _as_is(state: State) -> State:
    return state


def _one_update(program: Program, task: Task, one: UpdateAll, stop: Array, carry: Carry) -> Carry:
    """All rows at once."""
    step, state = carry
    batch = all_rows(program, task)
    return step + 1, one(state, batch, step)


def _rest_of_epoch(
    program: Program,
    run_loop: RunLoop,
    orders: Orders | None,
    task: Task,
    one: UpdateAll,
    stop: Array,
    carry: Carry,
) -> Carry:
    """The updates up to the end of the epoch, or to `stop`; rows are put in order once, not once per update."""
    first, state = carry
    epoch, place = first // task.steps_per_epoch, first % task.steps_per_epoch
    last = first + jnp.minimum(task.steps_per_epoch - place, stop - first)  # a next epoch may begin beyond int32
    batch_at = rows_of_blocks(program, task, orders, epoch) if orders else _shared_rows(program, task, epoch)

    def update_with(step: Array, state: Any) -> Any:
        return one(state, batch_at(step), step)

    return last, run_loop(lambda state: jax.lax.fori_loop(first, last, update_with, state), state)


def _shared_rows(program: Program, task: Task, epoch: Array) -> BatchAt:
    """Rows of an update for all lanes."""
    x, y = epoch_rows(program, task, epoch)
    return lambda step: batch_of(program, task, x, y, step)
