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
from nanmap.engine.stretches import Walk, in_stretches
from nanmap.models.base import Array, Layers, is_shape
from nanmap.training.assessment import assess
from nanmap.training.batches import all_rows, batch_of, epoch_rows, laid_out, short_batch
from nanmap.training.cell import advance, begin, update
from nanmap.training.program import Program
from nanmap.training.records import happened, no_trace, recorded, running
from nanmap.training.state import MARKS, Batch, Events, Gradient, Lane, Losses, Sample, State, Task, Trace

RunLoop = Callable[[Callable[[Any], Any], Any], Any]  # from a loop and what it starts with to what it ends with
# The updates made; and a state as the loop carries it, or the next stretch's length and a state.
Carry = tuple[Array, Any]


class Updates(NamedTuple):
    """How a loop carries a state, and makes updates.

    Attributes:
        carried: a state as the loop carries it, given the carry before, if there is one.
        opened: the state.
        some: the updates from one step to before another, `(batch_at, first, last, carry) -> carry`.
        next: the next one with all rows, or as many of those before `stop` as it likes, `(batch, step, stop, carry) -> (step, carry)`.
    """

    carried: Callable[[State, Any], Any]
    opened: Callable[[Any], State]
    some: Callable[[BatchAt, Array, Array, Any], Any]
    next: Callable[[Batch, Array, Array, Any], Carry]


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
    program: Program,
    stop_early: bool = True,
    run_loop: RunLoop = in_kernels,
    gradient: Gradient | None = None,
    at_once: int | None = None,
) -> Any:
    """The jitted function `(count, groups, states) -> states` of one device.

    Args:
        stop_early: end a group once all its cells are finished.
        run_loop: runs the loop over updates, see `engine/one_kernel.py`.
        gradient: takes the gradient, see `engine/on_chip.py`; `training.passes.pass_back` if None.
        at_once: rows that a pass over all takes together, None for all, see `training/pieces.py`.

    The function's arguments:
        count: number of groups to run: a loop bound, so that neither a short shard nor another grid size compiles again.
        groups: a `Group` whose arrays have two more axes in front: groups, then lanes (only below `lanes`).
        states: where each lane stands, `Packed`, `[groups, lanes, …]`; of a fresh group only the parameters and the model's state matter.
    """

    def run(count: Array, groups: Group, states: Packed) -> Packed:
        def one(index: Array, states: Packed) -> Packed:
            group, state = jax.tree.map(lambda leaf: leaf[index], (groups, states))
            state = packed(train_group(program, group, unpacked(state), stop_early, run_loop, gradient, at_once))
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

    def rows(count: int, targets: bool) -> jax.ShapeDtypeStruct:
        columns, dtype = (model.outputs, program.wide) if targets else (model.features, program.dtype)
        made = laid_out(model, np.zeros((count, columns)), count, dtype, targets=targets)
        return array(made.shape, made.dtype)

    task = Task(
        x=rows(program.rows, targets=False),
        y=rows(program.rows, targets=True),
        n=scalar,
        val_x=rows(program.val_rows, targets=False),
        val_y=rows(program.val_rows, targets=True),
        val_n=scalar,
        steps_per_epoch=scalar,
        steps=scalar,
        order_key=array((2,), "uint32"),
        assessed=Sample(rows(program.assessed_rows, targets=False), rows(program.assessed_rows, targets=True), scalar)
        if program.assessed
        else None,
    )
    # Weak: beside 16-bit arrays a hyperparameter acts as a Python number does. 1 − 0.999 is 0.001 then, not 0.
    numbers = {name: array((width,), program.wide, weak=program.narrow) for name in program.numbers}
    lane = Lane(numbers, array((width, model.layers), program.wide))
    start = jax.tree.map(
        lambda shape: array((width, *shape), getattr(shape, "dtype", program.dtype)), model.shapes(), is_leaf=is_shape
    )

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
    at_once: int | None = None,
) -> State:
    """Advances one group from `start` through its marks.

    With `stop_early` it ends once every lane is finished: nothing is recorded after that, so no row can tell.
    """
    task, lanes = group.task, group.lanes
    begin_all = jax.vmap(partial(begin, program))
    assess_all = jax.vmap(partial(assess, program), in_axes=(0, None, 0, None, None))
    if at_once:
        assess_all = partial(_one_after_the_other, partial(assess, program, at_once=at_once))
    state = jax.lax.cond(group.fresh, lambda: begin_all(lanes, state.parameters, state.model_state), lambda: state)

    def going(state: State) -> Array:
        return jnp.any(running(state.events)) if stop_early else jnp.ones((), bool)

    alone = run_loop is in_kernels
    updates = (
        _one_by_one(program, group, partial(update, program, gradient=gradient, at_once=at_once))
        if alone
        else _in_stretches(program, group, partial(advance, program, gradient=gradient, at_once=at_once), going)
    )
    carried, opened = updates.carried, updates.opened

    def to_mark(index: Array, carry: Carry) -> Carry:
        stop = group.marks[index]

        def unfinished(carry: Carry) -> Array:
            step, state = carry
            return (step < stop) & going(opened(state))

        def train(carry: Carry) -> Carry:
            rest_of_epoch = partial(_rest_of_epoch, program, run_loop, group.orders)
            several = partial(_all_rows, program) if program.full_batch else rest_of_epoch
            return jax.lax.while_loop(unfinished, partial(several, task, updates, stop), carry)

        _, state = run_loop(train, carry) if program.full_batch else train(carry)
        assessed = jax.lax.cond(
            group.record[index],
            lambda: carried(assess_all(lanes, task, opened(state), index, group.events[index]), state),
            lambda: state,
        )
        return stop, assessed

    return opened(jax.lax.fori_loop(0, MARKS, to_mark, (group.start, carried(state, None)))[1])


def _one_by_one(program: Program, group: Group, update: Callable[..., State]) -> Updates:
    """Updates that are looked at one by one."""
    update_all = over_lanes(update, group, products=bool(program.model.hidden_units))
    # Packing spares a network kernels; in a model of a few numbers it doubles the time of an update.
    pack, unpack = (packed, unpacked) if program.model.hidden_units else (_as_is, _as_is)

    def one(state: Any, batch: Batch, step: Array) -> Any:
        return pack(update_all(group.lanes, group.task, unpack(state), batch, step))

    def some(batch_at: BatchAt, first: Array, last: Array, state: Any) -> Any:
        return jax.lax.fori_loop(first, last, lambda step, state: one(state, batch_at(step), step), state)

    return Updates(
        lambda state, before: pack(state),
        unpack,
        some,
        lambda batch, step, stop, state: (step + 1, one(state, batch, step)),
    )


def _in_stretches(
    program: Program, group: Group, advance: Callable[..., tuple[State, Trace]], going: Callable[[State], Array]
) -> Updates:
    """Updates in stretches, see `engine/stretches.py`; the carry is the length of the next one, and the state."""
    advance_all = over_lanes(advance, group, products=False)
    look_all = jax.vmap(recorded, in_axes=(0, 0, 0, 0, None))
    lanes = group.lanes.learning_rates.shape[:1]
    blank = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, lanes), no_trace(program))

    def look(before: State, made: State, trace: Trace, step: Array, count: Array) -> tuple[State, Array]:
        # The epoch's sum holds all losses; it may overflow where no loss did, and then nothing is found in single updates.
        loss = jnp.where(count == 1, made.losses.batch, made.losses.epoch)
        after = look_all(before, made, trace, loss, step)
        return after, jnp.any(jax.vmap(happened)(before.events, after.events))

    def some(batch_at: BatchAt, first: Array, last: Array, carry: tuple[Array, State]) -> tuple[Array, State]:
        def one(state: State, traces: Trace, step: Array) -> tuple[State, Trace]:
            made, trace = advance_all(group.lanes, group.task, state, batch_at(step), step)
            return made, jax.tree.map(jnp.logical_or, traces, trace)

        return in_stretches(Walk(one, look, blank, going), first, last, *carry)

    return Updates(
        lambda state, before: (before[0] if before else jnp.int32(1), state),
        lambda carry: carry[1],
        some,
        lambda batch, step, stop, carry: (stop, some(lambda step: batch, step, stop, carry)),
    )


def _one_after_the_other(
    each: Callable[..., State], lanes: Lane, task: Task, states: State, mark: Array, event: Array
) -> State:
    """An assessment of one cell as one of all lanes, but for those that ended with a NaN and those that only fill their group.

    Many rows keep a device busy by themselves.
    """

    def one(cell: tuple[Lane, State]) -> State:
        lane, state = cell
        going = (state.events.first_nan < 0) & ~jnp.all(jnp.isnan(lane.learning_rates))
        return jax.lax.cond(going, lambda: each(lane, task, state, mark, event), lambda: state)

    return jax.lax.map(one, (lanes, states))


def over_lanes(each: Callable[..., Any], group: Group, products: bool) -> Callable[..., Any]:
    """An update of one cell as one of all lanes, which share its rows, or of blocks that do."""
    if group.orders:
        return by_blocks(each, products, len(group.orders.which))
    return jax.vmap(each, in_axes=(0, None, 0, None, None))


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


def _all_rows(program: Program, task: Task, updates: Updates, stop: Array, carry: Carry) -> Carry:
    """All rows at once."""
    step, state = carry
    return updates.next(all_rows(program, task), step, stop, state)


def _rest_of_epoch(
    program: Program,
    run_loop: RunLoop,
    orders: Orders | None,
    task: Task,
    updates: Updates,
    stop: Array,
    carry: Carry,
) -> Carry:
    """The updates up to the end of the epoch, or to `stop`; rows are put in order once, not once per update."""
    first, state = carry
    epoch, place = first // task.steps_per_epoch, first % task.steps_per_epoch
    last = first + jnp.minimum(task.steps_per_epoch - place, stop - first)  # a next epoch may begin beyond int32
    x, y = epoch_rows(program, task, epoch)
    batch_at = rows_of_blocks(program, task, orders, epoch) if orders else partial(batch_of, program, task, x, y)
    if not program.short:
        return last, run_loop(partial(updates.some, batch_at, first, last), state)

    def with_the_short_one(state: Any) -> Any:
        end = first - place + task.steps_per_epoch - 1  # the short batch's step
        state = updates.some(batch_at, first, jnp.minimum(last, end), state)
        ends = lambda state: updates.next(short_batch(program, x, y), end, end + 1, state)[1]  # noqa: E731
        return jax.lax.cond(last > end, ends, lambda state: state, state)

    return last, run_loop(with_the_short_one, state)
