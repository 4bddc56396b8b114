"""What any engine needs of a batch: the rows and the budget of a cell, and when it is assessed. Nothing is compiled here."""

from functools import lru_cache
from typing import Any

import numpy as np

from nanmap.data import Rows
from nanmap.outcomes import TENTHS
from nanmap.plan import Lanes
from nanmap.training.batches import laid_out
from nanmap.training.order import order_key
from nanmap.training.program import Program
from nanmap.training.state import Sample, Task


def mark_steps(steps: Any) -> tuple[Any, ...]:
    """Updates made at each mark, in whole numbers: 0.9 · 10 is not 9 in every float.

    >>> mark_steps(25)
    (0, 12, 20, 22, 25)
    """
    return tuple(steps * tenth // 10 for tenth in TENTHS)


def history_steps(steps: int, count: int) -> np.ndarray:
    """The updates that a history tells of, int64, ascending: the first, the last, and between them evenly in the logarithm.

    Args:
        steps: of the budget.
        count: how many are asked for. The first ones lie closer than updates do, and fall together.

    >>> history_steps(500, 10).tolist()
    [0, 1, 3, 7, 15, 31, 62, 125, 250, 499]
    """
    return np.unique(np.round(np.geomspace(1, steps, count)).astype(np.int64)) - 1


def task_of(lanes: Lanes, cell: int) -> Task:
    """What a cell of a batch shares with the group that it stands in, NumPy arrays."""
    variant, seed = lanes.variants[lanes.variant[cell]], int(lanes.seed[cell])
    x, y = _kept_rows(lanes.program, variant.rows)
    sample = variant.assessed
    some_x, some_y, val_x, val_y = _assessed_rows(lanes.program, sample)
    return Task(
        x=x,
        y=y,
        n=np.int32(variant.rows.n),
        val_x=val_x,
        val_y=val_y,
        val_n=np.int32(len(sample.val_inputs)),
        steps_per_epoch=np.int32(variant.steps_per_epoch),
        steps=np.int32(variant.steps),
        order_key=order_key(seed),
        assessed=Sample(some_x, some_y, np.int32(sample.n)) if lanes.program.assessed else None,
    )


@lru_cache(maxsize=512)
def _kept_rows(program: Program, rows: Rows) -> tuple[np.ndarray, ...]:
    """Inputs in the program's dtype, targets in the losses', as its model takes them."""
    return (
        laid_out(program.model, rows.inputs, program.rows, program.dtype),
        laid_out(program.model, rows.targets, program.rows, program.wide, targets=True),
    )


@lru_cache(maxsize=512)
def _assessed_rows(program: Program, rows: Rows) -> tuple[np.ndarray | None, ...]:
    """The same of the training rows that are assessed, where they are not all, and of those of validation."""
    some: tuple[np.ndarray | None, ...] = (None, None)
    if program.assessed:
        some = (
            laid_out(program.model, rows.inputs, program.assessed_rows, program.dtype),
            laid_out(program.model, rows.targets, program.assessed_rows, program.wide, targets=True),
        )
    return (
        *some,
        laid_out(program.model, rows.val_inputs, program.val_rows, program.dtype),
        laid_out(program.model, rows.val_targets, program.val_rows, program.wide, targets=True),
    )
