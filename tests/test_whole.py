"""What was damaged after it was written is found before anybody takes it for rows; sweeping again mends it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import RATE, SEED, write_run
from nanmap.cli.listed_maps import draw_listed
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import make_sweep
from nanmap.result import Result
from nanmap.results.files import Lock
from nanmap.results.folder import RunFolder
from nanmap.runs.observer import Observer

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
SWEEP = make_sweep(TREE, [{"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 6}])
PLACES = 300


def flip(file: Path, place: int) -> None:
    """One byte of a file becomes another; its time stays, as it does when a disk loses a bit."""
    content = bytearray(file.read_bytes())
    content[place] ^= 0x10
    file.write_bytes(content)


class Hears(Observer):
    """What was noticed, and how many rows were made."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.rows = 0

    def noticed(self, sentence: str) -> None:
        self.noted.append(sentence)

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.rows += rows


def test_a_byte_that_flips_anywhere_in_a_shard_is_found_when_it_is_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [RATE, SEED], shard_cells=20)
    file = folder.cells.file(0)
    whole = file.read_bytes()
    for place in np.linspace(0, len(whole) - 1, PLACES).astype(int):
        flip(file, int(place))
        with pytest.raises(RunFolderError, match="it is damaged") as error:
            RunFolder(tmp_path).dataset()
        assert (error.value.file, "repairs damaged shards" in str(error.value)) == (file, True)
        file.write_bytes(whole)
    assert RunFolder(tmp_path).dataset().count_rows() == 20


def test_a_flipped_page_is_found_where_no_receipt_is_left(tmp_path: Path) -> None:
    """Nor by nanmap alone: pandas and others can be asked to look at the pages' own checksums."""
    folder = write_run(tmp_path, [RATE, SEED], shard_cells=20)
    file = folder.cells.file(0)
    folder.cells.receipts.remove(file.name)
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    flip(file, column.dictionary_page_offset + column.total_compressed_size - 2)
    with pytest.raises(RunFolderError, match="not readable Parquet"):
        list(RunFolder(tmp_path).tables(["cell"]))


def test_everything_that_reads_refuses_damaged_rows(engine, tmp_path: Path) -> None:
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine)
    nanmap.edge(SWEEP, out=tmp_path, engine=engine, tolerance=0.05)
    flip(tmp_path / "cells" / "part-000000.parquet", 1000)
    flip(tmp_path / "edges" / "part-000000.parquet", 1000)
    result = Result(tmp_path)
    reads = (result.to_pandas, result.to_xarray, result.edge, lambda: nanmap.concat([result]).to_pandas())
    for read in reads:
        with pytest.raises(RunFolderError, match="it is damaged"):
            read()


@pytest.mark.parametrize("damage", ["flipped", "its receipt flipped", "its receipt half"])
def test_a_sweep_makes_damaged_rows_again_and_says_so(damage: str, engine, tmp_path: Path) -> None:
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2)
    file, receipt = tmp_path / "cells/part-000001.parquet", tmp_path / "receipts/cells/part-000001.parquet.json"
    before = {path: path.read_bytes() for path in (file, receipt)}
    if damage == "its receipt half":
        receipt.write_bytes(before[receipt][:20])
    else:
        flip(file if damage == "flipped" else receipt, before[receipt].index(b"sha256") + 12)
    heard = Hears()
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2, observer=heard)
    assert heard.noted == ["cells/part-000001.parquet is damaged, and is made again"]
    assert heard.rows == 2
    assert {path: path.read_bytes() for path in before} == before
    again = Hears()
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2, observer=again)
    assert (again.noted, again.rows) == ([], 0)


def test_folders_of_before_receipts_are_read_and_continued(engine, tmp_path: Path) -> None:
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2)
    rows = Result(tmp_path).to_pandas()
    for receipt in (tmp_path / "receipts" / "cells").iterdir():
        receipt.unlink()
    assert Result(tmp_path).to_pandas().equals(rows)
    heard = Hears()
    nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2, observer=heard)
    assert (heard.noted, heard.rows) == ([], 0)


def test_rows_that_are_written_while_somebody_reads_are_read_anew(tmp_path: Path) -> None:
    cells = write_run(tmp_path, [RATE]).cells
    for value in (1, 2):
        cells.write(0, pa.table({"cell": [value]}))
        assert cells.dataset().to_table()["cell"].to_pylist() == [value]


def test_a_shard_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, looked = write_run(tmp_path, [RATE]).cells, []
    fits = type(cells.receipts).fits
    monkeypatch.setattr(type(cells.receipts), "fits", lambda self, name: looked.append(name) or fits(self, name))
    for _ in range(3):
        cells.dataset()
    assert looked == ["part-000000.parquet"]


def test_two_runs_do_not_write_one_part_together(engine, tmp_path: Path) -> None:
    lock = Lock(tmp_path, "cells")
    with pytest.raises(RunFolderError, match="another run is writing its cells") as error:
        nanmap.sweep(SWEEP, out=tmp_path, engine=engine)
    assert "--out" in str(error.value)
    nanmap.edge(SWEEP, out=tmp_path, engine=engine, tolerance=0.05)  # the other part
    lock.release()
    result = nanmap.sweep(SWEEP, out=tmp_path, engine=engine)
    Lock(tmp_path, "cells").release()  # let go in the end
    assert result.manifest["complete"]


def test_a_run_that_fails_lets_go_of_its_part(engine, tmp_path: Path) -> None:
    class Fails(Observer):
        def started(self, total: int, finished: int) -> None:
            raise ValueError("by chance")

    with pytest.raises(ValueError, match="by chance"):
        nanmap.sweep(SWEEP, out=tmp_path, engine=engine, observer=Fails())
    with pytest.raises(RunFolderError, match="other settings"):
        nanmap.sweep(SWEEP, out=tmp_path, engine=engine, shard_cells=2)
    Lock(tmp_path, "cells").release()


DAMAGE: dict[str, Any] = {"nothing": None, "number": 7, "text": "x", "list": [3], "table": {"a": 3}, "true": True}


@pytest.fixture(scope="module")
def finished(engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    nanmap.sweep(SWEEP, out=out, engine=engine, shard_cells=2)
    return out


KEYS = [
    *("sweep", "data", "shard_cells", "backend", "widths", "schema", "versions", "hash", "maps", "programs", "models"),
    *("device", "timings", "shards", "narrowed", "rows", "complete", "compilations", "made"),
    *("sweep.config", "sweep.axes", "sweep.where", "sweep.zip", "sweep.config.data.n", "sweep.axes.0.num"),
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("key", KEYS)
def test_a_damaged_manifest_is_told_or_harmless(key: str, damage: str, finished: Path, tmp_path: Path) -> None:
    """Never a traceback, and never other rows."""
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    manifest = json.loads((out / "manifest.json").read_text())
    *parents, last = key.split(".")
    table = manifest
    for parent in parents:
        table = table[int(parent) if isinstance(table, list) else parent]
    table[last] = DAMAGE[damage]
    (out / "manifest.json").write_text(json.dumps(manifest))
    try:
        rows = Result(out).to_pandas()
        draw_listed(Result(out))
    except InputError as error:
        told = str(error)
        assert str(out) in told
    else:
        assert len(rows) == 6


@pytest.mark.parametrize("damage", ["edited", "half", "lost", "no text"])
def test_a_lost_manifest_is_written_anew_where_all_rows_say_whose_they_are(
    damage: str, engine, finished: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    file = out / "manifest.json"
    before = file.read_text()
    file.unlink()
    edited = before.replace('"n": 5', '"n": 6')
    if damage != "lost":
        file.write_bytes(
            {"edited": edited, "half": before[:99], "no text": "\udcff"}[damage].encode("utf-8", "surrogateescape")
        )
        with pytest.raises(RunFolderError, match="writes it anew"):
            Result(out).to_pandas()
    heard = Hears()
    nanmap.sweep(SWEEP, out=out, engine=engine, shard_cells=2, observer=heard)
    assert heard.rows == 0
    assert heard.noted == ["manifest.json is lost or damaged, and is written anew: the rows say whose they are"]
    told, was = json.loads(file.read_text()), json.loads(before)
    assert [told[key] for key in ("hash", "sweep", "shards", "complete")] == [
        was[key] for key in ("hash", "sweep", "shards", "complete")
    ]


def test_a_shard_that_a_complete_run_has_lost_is_told_by_who_reads_rows(tmp_path: Path) -> None:
    """As after a copy that was cut short: fewer rows would be taken for all."""
    folder = write_run(tmp_path, [RATE, {"key": "training.seed", "range": [0, 4]}], shard_cells=5)
    folder.write_manifest(folder.read_manifest() | {"shards": folder.cells.names()})
    folder.cells.file(2).unlink()
    for read in (folder.dataset, lambda: list(folder.tables())):
        with pytest.raises(RunFolderError, match="is lost: without it the rows are not all") as error:
            read()
        assert error.value.file == folder.cells.file(2)
        assert "nanmap sweep" in (error.value.mend or "")
    folder.write_manifest(folder.read_manifest() | {"complete": False})  # an interrupted run is read as it is
    assert sum(map(len, folder.tables())) == 15
