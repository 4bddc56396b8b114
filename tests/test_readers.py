"""While a sweep writes, others read: what stands in `cells/` is whole Parquet at every instant, for pandas, Polars and DuckDB."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import duckdb
import pandas as pd
import polars as pl
import pytest

import nanmap
from nanmap.result import Result
from nanmap.results.files import Lock
from nanmap.runs.observer import Observer
from watch import WATCH, sweep_of

CELLS = 12
READERS: dict[str, Callable[[Path], int]] = {
    "pandas": lambda cells: len(pd.read_parquet(cells)),
    "polars": lambda cells: len(pl.read_parquet(cells)),
    "duckdb": lambda cells: duckdb.sql(f"select count(*) from read_parquet('{cells}/*')").fetchall()[0][0],
}


def sees(cells: Path) -> int:
    """Rows that all readers see; none before there is a file."""
    if not any(cells.glob("*")):
        return 0
    (count,) = {read(cells) for read in READERS.values()}
    return count


def test_readers_see_whole_shards_at_each_change_of_the_folder(engine, tmp_path: Path, tries) -> None:
    """Read within the sweep, before each change: so at each state that the folder is ever in."""
    seen: list[int] = []

    def look(count: int) -> None:
        assert all(path.suffix == ".parquet" for path in cells.glob("*"))
        seen.append(sees(cells))

    for number in range(tries(1, 10)):
        seen.clear()
        cells = tmp_path / str(number) / "cells"
        with WATCH.over(cells.parent, look):
            nanmap.sweep(sweep_of(CELLS), out=cells.parent, engine=engine, shard_cells=2)
        assert seen == sorted(seen)
        assert {*seen, sees(cells)} == {0, 2, 4, 6, 8, 10, 12}


class Waits(Observer):
    """Holds a sweep in its midst, after `rows` rows, until it may go on."""

    def __init__(self, rows: int) -> None:
        self.rows, self.there, self.on = rows, Event(), Event()

    def advanced(self, rows: int, outcomes: object = None) -> None:
        self.rows -= rows
        if self.rows <= 0 and not self.on.is_set():
            self.there.set()
            assert self.on.wait(300)


def test_maps_edges_and_checks_go_on_while_a_sweep_runs(engine, tmp_path: Path) -> None:
    """The lock of the cells is held; no part needs another's."""
    waits, failed = Waits(6), []

    def sweep() -> None:
        try:
            nanmap.sweep(sweep_of(CELLS), out=tmp_path, engine=nanmap.LocalEngine(), shard_cells=2, observer=waits)
        except BaseException as error:
            failed.append(error)
            waits.there.set()

    running = Thread(target=sweep)
    running.start()
    try:
        assert waits.there.wait(300)
        assert not failed
        with pytest.raises(nanmap.RunFolderError, match="another run is writing its cells"):
            Lock(tmp_path, "cells")
        edges = nanmap.edge(sweep_of(CELLS), out=tmp_path, engine=engine, tolerance=0.05).edge()
        assert len(edges) == 1
        result = Result(tmp_path)
        assert not result.manifest["complete"]
        if any((tmp_path / "cells").glob("*")):
            result.map(kind="lines", x="learning_rate", out=tmp_path / "maps" / "half.png")
            assert len(result.to_pandas()) < CELLS
        found = nanmap.verify(tmp_path, sample=2, engine=engine)
        assert found.ok, str(found)
        assert any("not finished, or is being written" in each for each in found.notes)
    finally:
        waits.on.set()
        running.join()
    assert not failed
    assert len(Result(tmp_path).to_pandas()) == CELLS
    Lock(tmp_path, "cells").release()
