"""Host side of a call: cells sorted into groups that share their rows, and the arrays that the program takes."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

from nanmap.config import Model
from nanmap.data import Rows
from nanmap.engine.program import Group
from nanmap.init import initial_layers
from nanmap.model import Layers
from nanmap.plan import Lanes, Program, Variant
from nanmap.plan.program import TRACED_NUMBERS
from nanmap.train import NEVER, Lane, Task


def form_groups(lanes: Lanes, width: int) -> list[np.ndarray]:
    """Cells that share rows, order and budget, cut into pieces of at most `width`; indices into `lanes`.

    Pieces follow the numbering of the cells, so that neighbours on the map, which tend to share their fate,
    share a group.
    """
    rows = {id(variant.rows): index for index, variant in enumerate(lanes.variants)}
    row_id = np.array([rows[id(variant.rows)] for variant in lanes.variants])[lanes.variant]
    steps = np.array([variant.steps for variant in lanes.variants])[lanes.variant]
    seed = lanes.seed if lanes.program.order != "sequential" else np.zeros_like(lanes.seed)
    order = np.lexsort((lanes.position, seed, row_id, steps))
    keys = np.stack([steps, row_id, seed])[:, order]
    borders = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
    return [piece[start : start + width] for piece in np.split(order, borders) for start in range(0, len(piece), width)]


def marks_of(variant: Variant) -> tuple[list[int], list[int]]:
    """After which updates a whole training is assessed, and the steps at which that counts as an event."""
    return [0, late_step(variant.steps), variant.steps], [0, NEVER, variant.steps - 1]


def late_step(steps: int) -> int:
    """⌊0.9 · steps⌋, in whole numbers: 0.9 · 10 is not 9 in every float."""
    return steps * 9 // 10


def advance_marks(steps: int, start: int, stop: int) -> tuple[list[int], list[int]]:
    """Marks and events of a part of a training, so that all parts together assess what `marks_of` does."""
    late = late_step(steps)
    marks = [late if start < late <= stop else stop, stop, stop]
    return marks, [NEVER, 0 if stop == 0 else NEVER, steps - 1 if stop == steps else NEVER]


class Call(NamedTuple):
    """What one call of a program takes, as NumPy arrays `[capacity, …]`, and whose cells it holds.

    Attributes:
        number: how many groups to run.
        groups: the groups' inputs.
        layers: initial parameters `[capacity, width, …]`.
        cells: indices into the batch, `[capacity, width]`.
        real: whether a slot holds a cell, or only repeats one to fill its group.
    """

    number: np.int32
    groups: Group
    layers: Layers
    cells: np.ndarray
    real: np.ndarray


def assemble(lanes: Lanes, groups: list[np.ndarray], width: int, capacity: int) -> Call:
    """The arrays of one call. Short groups repeat their last cell."""
    cells = np.zeros((capacity, width), np.int64)
    real = np.zeros((capacity, width), bool)
    for slot, members in enumerate(groups):
        cells[slot] = members[-1]
        cells[slot, : len(members)] = members
        real[slot, : len(members)] = True
    shared = [_shared(lanes, first) for first in cells[:, 0]]
    tasks, marks, events = zip(*shared, strict=True)
    dtype = np.dtype(lanes.program.dtype)
    with np.errstate(over="ignore"):  # a rate beyond float32 becomes an infinity, which is a result
        numbers = {name: lanes.numbers[name][cells].astype(dtype) for name in TRACED_NUMBERS}
        rates = lanes.rates[cells].astype(dtype)
    group = Group(
        task=jax.tree.map(lambda *leaves: np.stack(leaves), *tasks),
        lanes=Lane(numbers, rates),
        fresh=np.ones(len(cells), bool),
        start=np.zeros(len(cells), np.int32),
        marks=np.array(marks, np.int32),
        events=np.array(events, np.int32),
    )
    return Call(np.int32(len(groups)), group, start_layers(lanes, cells), cells, real)


def _shared(lanes: Lanes, cell: int) -> tuple[Task, list[int], list[int]]:
    """The task, the marks and the events of the group that this cell stands in."""
    variant, seed = lanes.variants[lanes.variant[cell]], int(lanes.seed[cell])
    x, y, val_x, val_y = _padded(lanes.program, variant.rows)
    task = Task(
        x=x,
        y=y,
        n=np.int32(variant.rows.n),
        val_x=val_x,
        val_y=val_y,
        val_n=np.int32(len(variant.rows.val_inputs)),
        steps_per_epoch=np.int32(variant.steps_per_epoch),
        steps=np.int32(variant.steps),
        order_key=np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32),
    )
    return task, *marks_of(variant)


@lru_cache(maxsize=512)
def _padded(program: Program, rows: Rows) -> tuple[np.ndarray, ...]:
    """Rows on the minor axis, zeros behind them, in the program's dtype."""

    def pad(values: np.ndarray, capacity: int) -> np.ndarray:
        filled = np.zeros((values.shape[1], capacity), program.dtype)
        with np.errstate(over="ignore"):
            filled[:, : len(values)] = values.T
        return filled

    return (
        pad(rows.inputs, program.rows),
        pad(rows.targets, program.rows),
        pad(rows.val_inputs, program.val_rows),
        pad(rows.val_targets, program.val_rows),
    )


def start_layers(lanes: Lanes, cells: np.ndarray) -> Layers:
    """Initial layers of cells `[…]`: one draw per initialiser and seed, scaled per cell. Kernels transposed."""
    dtype = np.dtype(lanes.program.dtype)
    models = list(dict.fromkeys(variant.config.model for variant in lanes.variants))
    number = {model: index for index, model in enumerate(models)}
    which = np.array([number[variant.config.model] for variant in lanes.variants])[lanes.variant[cells]]
    pairs = np.stack([which.ravel(), lanes.seed[cells].ravel()])
    present, inverse = np.unique(pairs, axis=1, return_inverse=True)
    drawn = [_drawn(models[model], lanes.program, int(seed)) for model, seed in present.T]
    scale = lanes.numbers["init_scale"][cells][..., None, None]
    offset = lanes.numbers["init_offset"][cells][..., None, None]
    layers: Layers = []
    for index in range(lanes.program.layers):
        layer = {}
        for name in drawn[0][index]:
            table = np.stack([each[index][name] for each in drawn]).astype(np.float64)
            values = table[inverse.reshape(cells.shape)]
            if name == "kernel":
                values = np.swapaxes(values, -1, -2) * scale + (offset if index == 0 else 0)
            with np.errstate(over="ignore"):
                layer[name] = values.astype(dtype)
        layers.append(layer)
    return layers


def _drawn(model: Model, program: Program, seed: int) -> Layers:
    return initial_layers(model, program, seed) if model.init == "file" else _kept_draw(model, program, seed)


@lru_cache(maxsize=1 << 16)
def _kept_draw(model: Model, program: Program, seed: int) -> Layers:
    """`initial_layers`, kept: shards and calls ask for the same draws again. A file may change, a draw does not."""
    return initial_layers(model, program, seed)


def chunks(groups: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Groups in calls of at most `size`."""
    return (groups[start : start + size] for start in range(0, len(groups), size))
