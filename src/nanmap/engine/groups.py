"""Host side of a call: cells sorted into groups that share their rows, and the arrays that the program takes."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from nanmap.config import Model
from nanmap.data import Rows
from nanmap.engine.program import Group
from nanmap.init import initial_layers
from nanmap.plan import Lanes, Program, Variant
from nanmap.plan.program import TRACED_NUMBERS
from nanmap.train import MARKS, NEVER, Lane, Task


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


def assemble(
    lanes: Lanes, groups: list[np.ndarray], width: int, devices: int, capacity: int
) -> tuple[np.ndarray, Group, np.ndarray]:
    """The arrays of one call.

    Groups are dealt to the devices in turn; short groups repeat their last cell.

    Returns:
        Groups per device int32 `[devices]`; the `Group` arrays, `[devices · capacity, …]`, whose `state` holds only
        the initial layers; and for each slot the cell it holds or -1, `[devices · capacity, width]`.
    """
    cells = np.full((devices, capacity, width), -1)
    for number, group in enumerate(groups):
        cells[number % devices, number // devices, : len(group)] = group
    counts = np.array([len(groups[device::devices]) for device in range(devices)], np.int32)
    cells = cells.reshape(devices * capacity, width)
    filled = np.maximum.accumulate(np.maximum(cells, 0), axis=1)
    filled = np.where(cells >= 0, cells, np.take_along_axis(filled, np.maximum((cells >= 0).sum(1, keepdims=True) - 1, 0), 1))
    shared = [_shared(lanes.program, lanes.variants[lanes.variant[first]], int(lanes.seed[first])) for first in filled[:, 0]]
    task, marks, events = (_stack([entry[index] for entry in shared]) for index in range(3))
    dtype = np.dtype(lanes.program.dtype)
    numbers = {name: lanes.numbers[name][filled].astype(dtype) for name in TRACED_NUMBERS}
    lane = Lane(numbers, lanes.rates[filled].astype(dtype))
    layers = _layers(lanes, filled, dtype)
    slots = len(filled)
    return counts, Group(task, lane, layers, np.ones(slots, bool), np.zeros(slots, np.int32), marks, events), cells


def _shared(program: Program, variant: Variant, seed: int) -> tuple[Task, np.ndarray, np.ndarray]:
    marks, events = marks_of(variant)
    key = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    scalars = (np.int32(variant.steps_per_epoch), np.int32(variant.steps), key)
    return Task(*_padded(program, variant.rows), *scalars), np.array(marks, np.int32), np.array(events, np.int32)


def _stack(entries: list) -> np.ndarray | Task:
    if isinstance(entries[0], Task):
        return Task(*(np.stack(leaves) for leaves in zip(*entries, strict=True)))
    return np.stack(entries)


@lru_cache(maxsize=512)
def _padded(program: Program, rows: Rows) -> tuple[np.ndarray, ...]:
    """Rows on the minor axis, zeros behind them, in the program's dtype."""

    def pad(values: np.ndarray, capacity: int) -> np.ndarray:
        filled = np.zeros((values.shape[1], capacity), program.dtype)
        with np.errstate(over="ignore"):
            filled[:, : len(values)] = values.T
        return filled

    train = pad(rows.inputs, program.rows), pad(rows.targets, program.rows), np.int32(rows.n)
    val_n = len(rows.val_inputs)
    return *train, pad(rows.val_inputs, program.val_rows), pad(rows.val_targets, program.val_rows), np.int32(val_n)


def _layers(lanes: Lanes, cells: np.ndarray, dtype: np.dtype) -> list[dict[str, np.ndarray]]:
    """Initial layers `[slots, width, …]`: one draw per initialiser and seed, scaled per cell. Kernels transposed."""
    models = [variant.config.model for variant in lanes.variants]
    which = np.array([models.index(model) for model in models])[lanes.variant[cells]]
    pairs = np.stack([which.ravel(), lanes.seed[cells].ravel()])
    present, inverse = np.unique(pairs, axis=1, return_inverse=True)
    drawn = [draw_layers(models[model], lanes.program, int(seed)) for model, seed in present.T]
    scale = lanes.numbers["init_scale"][cells][..., None, None]
    offset = lanes.numbers["init_offset"][cells][..., None, None]
    layers = []
    for index in range(lanes.program.layers):
        layer = {}
        for name in drawn[0][index]:
            table = np.stack([each[index][name] for each in drawn]).astype(np.float64)
            values = table[inverse.reshape(cells.shape)]
            if name == "kernel":
                values = np.swapaxes(values, -1, -2) * scale + (offset if index == 0 else 0)
            layer[name] = values.astype(dtype)
        layers.append(layer)
    return layers


@lru_cache(maxsize=1 << 16)
def draw_layers(model: Model, program: Program, seed: int) -> list[dict[str, np.ndarray]]:
    """`initial_layers`, kept: shards and calls ask for the same draws again."""
    return initial_layers(model, program, seed)


def chunks(groups: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Groups in calls of at most `size`."""
    return (groups[start : start + size] for start in range(0, len(groups), size))
