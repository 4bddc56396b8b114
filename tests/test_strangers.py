"""Run folders that somebody else hands over: rows and manifests that nanmap cannot have written are told, never drawn or counted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import write_run
from nanmap.errors import InputError, RunFolderError
from nanmap.results.folder import RunFolder
from nanmap.results.identity import identity_hash

AXES: list[dict[str, Any]] = [
    {"key": "training.seed", "range": [0, 3]},
    {"key": "optimizer.learning_rate", "values": [0.1, 1.0]},
]
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return write_run(tmp_path / "run", AXES)


def with_column(name: str, values: list[Any]) -> Change:
    return lambda table: table.set_column(table.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns("cell"), "has no column `cell`"),
        (lambda table: table.append_column("skill", table["skill"]), "has two columns `skill`"),
        (with_column("cell", ["a"] * 6), "has other values in `cell`"),
        (with_column("cell", [0, 1, 2, 3, 4, None]), "has rows without `cell`"),
        (with_column("cell", [-1, 1, 2, 3, 4, 5]), "has cells that do not ascend from 0"),
        (with_column("cell", [0, 1, 1, 3, 4, 5]), "has cells that do not ascend from 0"),
        (with_column("outcome", [1, 2, 3, 4, 5, 6]), "has other values in `outcome`"),
        (with_column("outcome", ["nan", None, "nan", "nan", "nan", "nan"]), "has rows without `outcome`"),
        (with_column("loss_final", [[1]] * 6), "has other values in `loss_final`"),
        (with_column("dead_layer", [0.0] * 6), "has other values in `dead_layer`"),
    ],
)
def test_rows_that_nanmap_does_not_write_are_told(change: Change, said: str, folder: RunFolder) -> None:
    path = folder.cells.file(0)
    pq.write_table(change(pq.read_table(path)), path)
    folder.cells.receipts.remove(path.name)  # who writes such rows writes no receipt, or another one
    read: list[Callable[[], object]] = [
        lambda: nanmap.Result(folder.path).map(x="learning_rate", y="seed"),
        lambda: nanmap.compare(folder.path, folder.path),
    ]
    if "column" in said or "values" in said:  # which the schema tells, before any row is read
        read.append(nanmap.Result(folder.path).to_pandas)
    for each in read:
        with pytest.raises(RunFolderError, match=f"is no shard of nanmap's: it {said}"):
            each()


def test_a_cell_of_another_grid_is_told(folder: RunFolder) -> None:
    path = folder.cells.file(0)
    pq.write_table(with_column("cell", [0, 1, 2, 3, 4, 10**12])(pq.read_table(path)), path)
    folder.cells.receipts.remove(path.name)
    with pytest.raises(InputError, match=r"no such cell \(got 1000000000000\)\n  allowed: 0 to 5"):
        nanmap.Result(folder.path).to_xarray()
    with pytest.raises(InputError, match="no such cell"):
        nanmap.Result(folder.path).map(x="learning_rate", y="seed")


def test_an_outcome_that_there_is_not_is_told(folder: RunFolder) -> None:
    path = folder.cells.file(0)
    pq.write_table(with_column("outcome", ["melted"] * 6)(pq.read_table(path)), path)
    folder.cells.receipts.remove(path.name)
    with pytest.raises(RunFolderError, match=r"holds rows of another version \(got 'melted'\)"):
        nanmap.Result(folder.path).map(x="learning_rate", y="seed")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("widths", {"a": "x"}),
        ("widths", []),
        ("timings", {}),
        ("timings", {"wall_seconds": float("1e400")}),
        ("made", [{"began": 5, "arguments": None}]),
        ("made", [{"began": "2026-01-01T00:00:00+00:00", "arguments": "sweep; rm"}]),
        ("shards", "part-000000.parquet"),
        ("schema", 10**6),
        ("compilations", None),
        ("maps", [1]),
        ("versions", {"nanmap": 1}),
        ("sweep", {"name": 5, "config": {}, "axes": []}),
        ("sweep", {"name": "a", "config": {"data": 5}, "axes": []}),
        ("sweep", {"name": "a", "config": {}, "axes": [1]}),
        ("sweep", {"name": "a", "config": {}, "axes": [], "zip": [[1]]}),
        ("sweep", {"name": "a", "config": {}, "axes": [], "where": 1}),
    ],
)
def test_a_manifest_is_held_against_what_it_is_made_of(key: str, value: Any, folder: RunFolder) -> None:
    file = folder.cells.manifest_file
    told = json.loads(file.read_text()) | {key: value}
    told.pop("seal", None)
    file.write_text(json.dumps(told))
    with pytest.raises(RunFolderError, match=rf"was damaged or edited: `{key}"):
        folder.read_manifest()


def test_a_manifest_that_claims_to_be_older_than_its_seal_is_told(folder: RunFolder) -> None:
    """Of older schemas the hash had other parts; the seal came later and is of all that a manifest says."""
    file = folder.cells.manifest_file
    told = json.loads(file.read_text())
    assert "seal" in told
    assert folder.read_manifest()
    file.write_text(json.dumps(told | {"schema": 2, "backend": "tpu"} | {"seal": told["seal"]}, indent=2) + "\n")
    with pytest.raises(RunFolderError, match=r"was damaged or edited"):
        folder.read_manifest()
    file.write_text(json.dumps({**told, "schema": 2, "rows": float("-inf")}))
    with pytest.raises(RunFolderError, match=r"was damaged or edited"):
        folder.read_manifest()
    file.write_text("[" * 100_000)
    with pytest.raises(RunFolderError, match=r"cannot be read"):
        folder.read_manifest()


def enlarged(folder: RunFolder, stop: int, **sweep: Any) -> Path:
    """The folder with an axis as long as its manifest likes, and a hash that fits."""
    told = folder.read_manifest()
    told["sweep"] = told["sweep"] | {"axes": [AXES[0] | {"range": [0, stop]}, AXES[1]]} | sweep
    folder.write_manifest(told | {"hash": identity_hash(told)} if "hash" in told else told)
    return folder.path


@pytest.mark.parametrize("power", [9, 12, 14])
def test_a_grid_that_a_manifest_only_claims_takes_nothing(
    power: int, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANMAP_MEMORY", "1GiB")
    small, path = write_run(tmp_path / "small", AXES).path, enlarged(folder, 10**power)
    with pytest.raises(InputError, match=r"axes.seed: its values take about"):
        nanmap.Result(path).map(x="learning_rate", y="seed")
    with pytest.raises(InputError, match=r"training.seed: has [\d,]+ values in .*, too many to be matched one by one"):
        nanmap.compare(path, small)
    with pytest.raises(InputError, match="cells side by side take about"):
        nanmap.Result(path).to_xarray()
    assert nanmap.Result(path).config(10**power).training.seed == 10**power // 2


def test_a_condition_on_more_cells_than_can_be_looked_at_is_told(folder: RunFolder) -> None:
    path = enlarged(folder, 10**12, where="seed < 3")
    with pytest.raises(InputError, match=r"too many to be looked at one by one|its values take about"):
        nanmap.Result(path).map(x="learning_rate", y="seed")
