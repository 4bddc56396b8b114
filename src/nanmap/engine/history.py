"""Histories: single updates of many cells, looked at on their way. The executable that trains is run in parts, up to each of them.

What looks is a program of its own, which takes the states between two parts. So recording touches no bit of a row, and costs
the gradients of the updates that are looked at.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.engine.blocks import rows_of_blocks
from nanmap.engine.groups import Advance
from nanmap.engine.task import history_steps
from nanmap.engine.vmapped import Group, Packed, over_lanes, unpacked
from nanmap.models.base import Array
from nanmap.training.batches import all_rows, batch_of, epoch_rows, short_batch
from nanmap.training.cell import HISTORY, begin, looked_at
from nanmap.training.program import Program
from nanmap.training.records import running
from nanmap.training.state import State


def build_look(program: Program) -> Any:
    """The jitted function `(count, groups, states) -> [groups, lanes, 4]` that looks at the updates which groups make next.

    Its arguments are those of what `engine.vmapped.build` makes.
    """

    def run(count: Array, groups: Group, states: Packed) -> Array:
        def one(index: Array, found: Array) -> Array:
            group, state = jax.tree.map(lambda leaf: leaf[index], (groups, states))
            looked = _look(program, group, unpacked(state))
            return jax.lax.dynamic_update_index_in_dim(found, looked, index, 0)

        lanes = groups.lanes.learning_rates.shape[:2]
        return jax.lax.fori_loop(0, count, one, jnp.full((*lanes, len(HISTORY)), jnp.nan, program.wide))

    return jax.jit(run)


def _look(program: Program, group: Group, state: State) -> Array:
    """The next update of each lane `[lanes, 4]`; of none where all have ended."""
    begin_all = jax.vmap(partial(begin, program))
    state = jax.lax.cond(group.fresh, lambda: begin_all(group.lanes, *state[:2]), lambda: state)
    look_all = over_lanes(partial(looked_at, program), group, products=bool(program.model.hidden_units))
    blank = jnp.full((*state.events.first_nan.shape, len(HISTORY)), jnp.nan, program.wide)
    look = partial(_looked, program, group, state, look_all)
    return jax.lax.cond(jnp.any(running(state.events)), look, lambda: blank)


def _looked(program: Program, group: Group, state: State, look_all: Callable[..., Array]) -> Array:
    task, step = group.task, group.start
    look = lambda batch: look_all(group.lanes, task, state, batch, step)  # noqa: E731
    if program.full_batch:
        return look(all_rows(program, task))
    epoch, place = step // task.steps_per_epoch, step % task.steps_per_epoch
    if group.orders:
        return look(rows_of_blocks(program, task, group.orders, epoch)(step))
    x, y = epoch_rows(program, task, epoch)
    if not program.short:
        return look(batch_of(program, task, x, y, step))
    last = place == task.steps_per_epoch - 1
    return jax.lax.cond(
        last, lambda: look(short_batch(program, x, y)), lambda: look(batch_of(program, task, x, y, step))
    )


def parts_of(count: int, most: int) -> list[Callable[[int], Advance]]:
    """The parts of a training between the updates that are looked at, each from one of them to the next.

    Args:
        count: updates to be looked at.
        most: the largest budget of the cells; smaller ones have fewer such updates, and parts of no length at their end.
    """

    def part(number: int, steps: int) -> Advance:
        borders = [*history_steps(steps, count).tolist(), steps]
        start, stop = (borders[min(each, len(borders) - 1)] for each in (number, number + 1))
        return Advance(start, stop)

    return [partial(part, number) for number in range(len(history_steps(most, count)))]


def history_facts(steps: np.ndarray, looked: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """What a history holds, by name `[cells, updates]`: `history_step`, -1 where nothing was looked at, and `HISTORY`.

    Args:
        steps: of the budget, `[cells]`.
        looked: `[cells, updates, 4]`.
        count: updates to be looked at.
    """
    at = np.full(looked.shape[:2], -1, np.int64)
    for budget in np.unique(steps).tolist():
        made = history_steps(budget, count)
        at[np.ix_(steps == budget, np.arange(len(made)))] = made
    return {"history_step": at, **{name: looked[..., place] for place, name in enumerate(HISTORY)}}
