"""Host side of a call: cells sorted into groups that share their rows, and the arrays that the program takes."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np

from nanmap.engine.blocks import Orders
from nanmap.engine.task import mark_steps, task_of
from nanmap.engine.vmapped import Group
from nanmap.plan import Lanes
from nanmap.training.order import order_key
from nanmap.training.state import NEVER, Lane


def form_groups(
    lanes: Lanes,
    width: int,
    cells: np.ndarray | None = None,
    last: np.ndarray | None = None,
    together: int | None = None,
) -> list[np.ndarray]:
    """Cells that share rows, budget and mostly their order, cut into pieces of at most `width`; indices into `lanes`.

    Pieces follow the numbering of the cells, so that neighbours on the map, which tend to share their fate,
    share a group. Cells of one order stand side by side.

    Args:
        cells: which cells, indices into `lanes`; all if None.
        last: cells that are true here stand behind the others.
        together: lanes of a block, which share their order; a group is as many blocks as fill it. One if None.
    """
    together = together or width
    cells = np.arange(len(lanes)) if cells is None else cells
    rows = {variant.rows: index for index, variant in enumerate(lanes.variants)}
    row_id = np.array([rows[variant.rows] for variant in lanes.variants])[lanes.variant[cells]]
    steps = np.array([variant.steps for variant in lanes.variants])[lanes.variant[cells]]
    seed = _seeds_of_orders(lanes, cells)
    behind = np.zeros(len(cells), bool) if last is None else last
    # Behind all others only where that takes no more room: a block of several cells would fall into two.
    inner = (seed, behind) if together == 1 else (behind, seed)
    order = np.lexsort((lanes.position[cells], *inner, row_id, steps))
    task = _changes(steps[order], row_id[order])
    block = _since(task | _changes(seed[order])) % together == 0
    number = np.cumsum(block)
    first = np.maximum.accumulate(np.where(task, number, 0))
    group = block & ((number - first) % (width // together) == 0)
    borders = [*np.flatnonzero(group), len(cells)]
    return [cells[order[start:stop]] for start, stop in pairwise(borders)]


def _seeds_of_orders(lanes: Lanes, cells: np.ndarray) -> np.ndarray:
    """What tells apart the orders of cells, and what their updates draw, `[…]`."""
    drawn = lanes.program.order != "sequential" or lanes.program.model.keyed
    return lanes.seed[cells] if drawn else np.zeros_like(cells)


def _changes(*columns: np.ndarray) -> np.ndarray:
    """Where a column has another value than before, bool `[cells]`; at the first cell, too."""
    changed = [np.concatenate([[True], each[1:] != each[:-1]]) for each in columns]
    return np.logical_or.reduce(changed)[: len(columns[0])]


def _since(starts: np.ndarray) -> np.ndarray:
    """How far back the last start is, `[cells]`."""
    index = np.arange(len(starts))
    return index - np.maximum.accumulate(np.where(starts, index, 0))


class Advance(NamedTuple):
    """A part of a training, in updates: where it starts and stops, and whether its end is assessed in any case.

    All parts together assess what a whole training does: at its start, after 50 %, 80 % and 90 %, and at its end.
    """

    start: int
    stop: int
    always: bool = False

    def marks(self, steps: int) -> tuple[list[int], list[bool], list[int]]:
        """For a budget of `steps`: where to pause, whether to assess there, the step at which that is an event."""
        *marks, last = mark_steps(steps)
        pauses = [*(min(max(mark, self.start), self.stop) for mark in marks), self.stop]
        here = [self.start < mark <= self.stop or self.start == mark == 0 for mark in marks]
        events = [max(mark - 1, 0) for mark in marks]
        ends = self.stop == last
        return pauses, [*here, ends or self.always], [*events, max(steps - 1, 0) if ends else NEVER]


class Call(NamedTuple):
    """What one call of a program takes, as NumPy arrays `[capacity, …]`, and whose cells it holds.

    Attributes:
        number: how many groups to run.
        groups: the groups' inputs.
        cells: indices into the batch, `[capacity, width]`.
        real: whether a slot holds a cell, or only fills its group.
    """

    number: np.int32
    groups: Group
    cells: np.ndarray
    real: np.ndarray


def assemble(
    lanes: Lanes,
    groups: list[np.ndarray],
    width: int,
    capacity: int,
    advance: Callable[[int], Advance],
    fresh: bool,
    together: int | None = None,
) -> Call:
    """The arrays of one call. Short groups and blocks repeat their last cell with a rate that ends it at its first update.

    Args:
        advance: from a budget to the part of it that the call trains.
        fresh: whether the cells start from their initial parameters.
        together: as for `form_groups`.
    """
    together = together or width
    cells = np.zeros((capacity, width), np.int64)
    real = np.zeros((capacity, width), bool)
    for slot, members in enumerate(groups):
        places = _places(_seeds_of_orders(lanes, members), together)
        cells[slot, places] = members
        real[slot, places] = True
    latest = np.maximum.accumulate(np.where(real, np.arange(width), 0), axis=1)
    cells = np.take_along_axis(cells, latest, axis=1)
    cells[len(groups) :] = cells[0]
    firsts = cells[:, 0]
    _, some, which = np.unique(
        np.stack([lanes.variant[firsts], lanes.seed[firsts]]), axis=1, return_index=True, return_inverse=True
    )
    tasks = [task_of(lanes, cell) for cell in firsts[some]]
    with np.errstate(over="ignore"):  # a rate beyond float32 becomes an infinity, which is a result
        numbers = {name: lanes.numbers[name][cells].astype(lanes.program.wide) for name in lanes.program.numbers}
        learning_rates = lanes.learning_rates[cells].astype(lanes.program.wide)
    learning_rates[~real] = np.nan
    group = Group(
        task=jax.tree.map(lambda *leaves: np.stack(leaves)[which], *tasks),
        lanes=Lane(numbers, learning_rates),
        fresh=np.full(capacity, fresh),
        **_pauses(np.array([int(task.steps) for task in tasks])[which], advance),
        orders=_orders(lanes.seed[cells[:, ::together]]) if together < width else None,
    )
    return Call(np.int32(len(groups)), group, cells, real)


def moved_on(call: Call, advance: Callable[[int], Advance]) -> Call:
    """The same groups, which go on from where a part of their training ended with the next one."""
    steps = np.asarray(call.groups.task.steps)
    return call._replace(groups=call.groups._replace(fresh=np.zeros(len(steps), bool), **_pauses(steps, advance)))


def _pauses(steps: np.ndarray, advance: Callable[[int], Advance]) -> dict[str, Any]:
    """Where groups of these budgets start, where they pause, and what happens there."""
    budgets, which = np.unique(steps, return_inverse=True)
    parts = [advance(budget) for budget in budgets.tolist()]
    marks, record, events = zip(*map(Advance.marks, parts, budgets.tolist()), strict=True)
    return {
        "start": np.array([part.start for part in parts], np.int32)[which],
        "marks": np.array(marks, np.int32)[which],
        "record": np.array(record)[which],
        "events": np.array(events, np.int32)[which],
    }


def _places(seeds: np.ndarray, together: int) -> np.ndarray:
    """Lanes of a group's cells, which stand in their order: a block begins at another seed, and once one is full."""
    inside = _since(_changes(seeds)) % together
    return (np.cumsum(inside == 0) - 1) * together + inside


def _orders(seeds: np.ndarray) -> Orders:
    """Of blocks with these seeds, `[capacity, blocks]`: one for each run of equal seeds."""
    which = np.zeros(seeds.shape, np.int32)
    np.cumsum(seeds[:, 1:] != seeds[:, :-1], axis=1, out=which[:, 1:])
    keys = np.zeros((*seeds.shape, 2), np.uint32)
    keys[np.arange(len(seeds))[:, None], which] = order_key(seeds)
    return Orders(keys, which[:, -1] + 1, which)


def chunks(groups: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Groups in calls of at most `size`."""
    return (groups[start : start + size] for start in range(0, len(groups), size))
