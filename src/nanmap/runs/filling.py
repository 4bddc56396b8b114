"""Shards while they fill: batches go to the engine, columns come back in any order. Whole ones go to the `writer`."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from nanmap.engine import Engine
from nanmap.grid import Cells
from nanmap.outcomes import Facts
from nanmap.plan import Lanes


class Shard:
    """A shard while it fills: its cells, the batches that train them, and room for their columns and histories."""

    def __init__(self, number: int, cells: Cells, batches: list[Lanes]) -> None:
        self.number, self.cells, self.batches = number, cells, batches
        self.programs = {lanes.program: None for lanes in batches}  # in their order
        self.missing = len(cells)
        self.columns: dict[str, np.ndarray] = {}
        self.histories: list[pa.Table] = []
        self.others: list[Mapping[str, str]] = []  # machines whose rows were taken over

    def put(self, position: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Stores the columns of some cells at their places."""
        for name, values in columns.items():
            if name not in self.columns:
                kind = object if values.dtype.kind in "UO" else values.dtype
                masked = isinstance(values, np.ma.MaskedArray)
                self.columns[name] = (np.ma if masked else np).zeros(len(self.cells), kind)
            self.columns[name][position] = values
        self.missing -= len(position)


def trained(engine: Engine, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Lanes, np.ndarray, Facts]]:
    """What the engine hands back of some shards' batches, each beside its shard; whoever takes it puts it there."""
    filling: dict[int, tuple[Shard, Lanes]] = {}  # by the place of a batch among those handed over

    def batches() -> Iterator[Lanes]:
        pairs = ((shard, lanes) for shard in shards for lanes in shard.batches)
        for place, (shard, lanes) in enumerate(pairs):
            filling[place] = shard, lanes
            yield lanes

    for place, cells, facts in engine.train(batches()):
        shard, lanes = filling[place]
        yield shard, lanes, cells, facts
        if not shard.missing:  # all of its batches are back
            for each in [each for each, (owner, _) in filling.items() if owner is shard]:
                del filling[each]
