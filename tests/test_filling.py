"""Shards while they fill: columns at the places of their cells, in whatever order, and nothing kept that is done."""

import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from nanmap.runs.filling import Shard, trained


def test_columns_stand_at_their_cells_in_whatever_order_they_come() -> None:
    shard = Shard(3, range(4), [])
    held = {"loss": np.array([2.0, np.nan]), "outcome": np.array(["nan", "inf"]), "step": np.array([7, -1])}
    shard.put(np.array([3, 0]), held | {"val": np.ma.array([0.5, 0.25], mask=[False, True])})
    assert shard.missing == 2
    held = {"loss": np.array([1.0, 3.0]), "outcome": np.array(["converged", ""]), "step": np.array([2**40, 5])}
    shard.put(np.array([2, 1]), held | {"val": np.ma.array([0.75, 1.0], mask=[False, False])})
    assert shard.missing == 0
    np.testing.assert_array_equal(shard.columns["loss"], [np.nan, 3.0, 1.0, 2.0])
    assert shard.columns["outcome"].tolist() == [
        "inf",
        "",
        "converged",
        "nan",
    ]  # no text is cut to the first one's length
    assert (shard.columns["step"].tolist(), shard.columns["step"].dtype) == ([-1, 5, 2**40, 7], np.int64)
    assert shard.columns["val"].tolist() == [None, 1.0, 0.75, 0.5]


class Batch(str):
    """A batch by its name."""

    program = None


def answers(order: list[tuple[int, int]], ahead: int) -> Any:
    """An engine that takes so many batches ahead and answers by their places, a few cells at once."""

    def train(batches: Iterator[Any]) -> Iterator[tuple[int, np.ndarray, dict[str, Any]]]:
        taken = 0
        for place, cells in order:
            while taken < place + ahead and next(batches, None) is not None:
                taken += 1
            yield place, np.arange(cells), {"of": place}

    return SimpleNamespace(train=train)


def test_each_answer_comes_beside_its_shard_and_its_batch() -> None:
    shards = [
        Shard(0, range(3), [Batch("a"), Batch("b")]),
        Shard(1, range(2), [Batch("c")]),
        Shard(2, range(1), [Batch("d")]),
    ]
    order = [(2, 1), (0, 2), (3, 1), (2, 1), (1, 1)]
    told = []
    for shard, lanes, cells, facts in trained(answers(order, ahead=4), iter(shards)):
        told.append((shard.number, lanes, len(cells), facts["of"]))
        shard.put(cells, {})
    assert told == [(1, "c", 1, 2), (0, "a", 2, 0), (2, "d", 1, 3), (1, "c", 1, 2), (0, "b", 1, 1)]
    assert [shard.missing for shard in shards] == [0, 0, 0]


def test_a_shard_that_is_full_is_let_go_and_the_next_are_made_as_they_are_asked_for() -> None:
    """Else all rows of a sweep, and all of its data, would be in memory at once."""
    made: list[weakref.ref] = []

    def shards() -> Iterator[Shard]:
        for number in range(4):
            shard = Shard(number, range(1), [Batch(f"batch {number}")])
            made.append(weakref.ref(shard))
            yield shard
            del shard

    alive = []
    for shard, _, cells, _ in trained(answers([(place, 1) for place in range(4)], ahead=1), shards()):
        alive.append([each() is not None for each in made])
        shard.put(cells, {})
    assert alive == [[True], [False, True], [False, False, True], [False, False, False, True]]
