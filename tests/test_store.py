"""What goes into a Parquet row comes out of it, in every reader: NaN, infinities, -0.0, denormals and missing values."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from handmade import write_run
from nanmap.analysis import to_xarray
from nanmap.edges.table import EDGE_COLUMNS
from nanmap.errors import InputError
from nanmap.outcomes import MARKS
from nanmap.result import Result
from nanmap.results.columns import CELL, COLUMNS, VERSION, column_named, make_table, reference_table
from nanmap.results.files import take
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import make_manifest
from nanmap.results.schema import TEXT, Column, Missing, Reason, Scale, Unit
from nanmap.results.shards import default_shard_cells, shard_metadata

HOSTILE = np.array(
    [np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1, -1.0]
)
ROWS = len(HOSTILE)
AXES = {
    "learning_rate": np.array([-1e-300, 5e-324, *range(1, 8), 1e308]),
    "batch_size": np.arange(ROWS) * 2**40,
    "bias": np.arange(ROWS) % 2 == 0,
    "init": np.array(["glorot_uniform", "é ' \" ,\n", "", "NaN", "nan", "None", "inf", "0", "true", "x" * 99], object),
}


def facts() -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for each in COLUMNS:
        found[each.name] = {pa.int64(): np.arange(ROWS), pa.bool_(): np.arange(ROWS) % 3 == 0}.get(
            each.type, HOSTILE.copy()
        )
        if each.names:
            found[each.name] = np.resize(np.array(list(each.names), object), ROWS)
        if each.missing is Missing.NEGATIVE:
            found[each.name] = np.array([-1, 0, 2**31, *range(3, ROWS)])
        if each.missing is Missing.MASK:
            found[each.name] = np.ma.array(HOSTILE, mask=np.arange(ROWS) == 8)
    return found


def written(folder: Path) -> RunFolder:
    """Two shards of hostile rows behind a manifest."""
    run = RunFolder(folder)
    run.write_manifest({"sweep": {}, "complete": True})
    for number in range(2):
        cells = np.arange(ROWS) + number * ROWS
        run.cells.write(number, make_table(cells, AXES, facts(), shard_metadata("abc", number)))
    return run


NULL = {  # the contract: what is null, by column; of all others a NaN is a value
    "first_inf_step": "negative",
    "first_nan_step": "negative",
    "stopped_step": "negative",
    "val_loss_final": "mask",
    **dict.fromkeys(("skill", "r2", "accuracy", "val_accuracy", "measure", "sharpness", "sharpness_final"), "nan"),
    **dict.fromkeys(("output_spread", "gradient_ratio", "gradient_ratio_initial"), "nan"),
    **dict.fromkeys(("predicted_gd", "predicted_mean_square", "predicted_typical", "predicted_catapult"), "nan"),
    **dict.fromkeys(("overflow_step_predicted", "dead_fraction_initial", "dead_fraction"), "nan"),
}


def expected_nulls(column: Column) -> np.ndarray:
    """A value may be missing only where the column says what that means."""
    kind = NULL.get(column.name)
    assert bool(column.absent) == bool(kind), column.name
    if kind == "negative":
        return facts()[column.name] < 0
    if kind == "mask":
        return np.arange(ROWS) == 8
    return np.isnan(HOSTILE) & (kind == "nan")


def assert_same_bits(values: np.ndarray, known: np.ndarray, name: str) -> None:
    """Bits are compared, so -0.0 and every NaN count."""
    known = np.asarray(known, bool)
    wanted = np.asarray(np.ma.getdata(facts()[name]))
    got = np.asarray(values)
    if wanted.dtype.kind == "f":
        assert got[known].astype(np.float64).view(np.uint64).tolist() == wanted[known].view(np.uint64).tolist(), name
    else:
        assert got[known].tolist() == wanted[known].tolist(), name


def check(read: Callable[[str], tuple[np.ndarray, np.ndarray]]) -> None:
    """`read(column)` gives values and which of them are there, for the first shard."""
    for each in COLUMNS:
        values, known = read(each.name)
        assert (~np.asarray(known, bool)).tolist() == expected_nulls(each).tolist(), each.name
        assert_same_bits(values, known, each.name)


def filled(column: pa.ChunkedArray) -> np.ndarray:
    return np.array([0 if value is None else value for value in column.to_pylist()])


def test_pyarrow_reads_every_value(tmp_path: Path) -> None:
    table = written(tmp_path / "a run's folder, quoted").dataset().to_table().slice(0, ROWS)
    check(lambda name: (filled(table[name]), np.array(table[name].is_valid().to_pylist())))
    for name, values in AXES.items():
        assert table[name].to_pylist() == values.tolist()


def test_pandas_reads_the_folder_as_it_is(tmp_path: Path) -> None:
    written(tmp_path)
    frame = pd.read_parquet(str(tmp_path / "cells"), dtype_backend="pyarrow")
    assert frame.cell.tolist() == list(range(2 * ROWS))
    first = pa.Table.from_pandas(frame.iloc[:ROWS])
    check(lambda name: (filled(first[name]), np.array(first[name].is_valid().to_pylist())))
    plain = Result(tmp_path).to_pandas()
    assert plain.loss_final.iloc[:ROWS].to_numpy().view(np.uint64).tolist() == HOSTILE.view(np.uint64).tolist()
    assert plain.first_inf_step.iloc[1] == 0
    assert np.isnan(plain.first_inf_step.iloc[0])


def test_polars_reads_the_folder_as_it_is(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars", reason="Polars comes with the dev extra")
    written(tmp_path)
    frame = polars.read_parquet(str(tmp_path / "cells" / "*.parquet")).sort("cell")[:ROWS]
    check(
        lambda name: (
            np.array([0 if v is None else v for v in frame[name].to_list()]),
            frame[name].is_not_null().to_numpy(),
        )
    )
    assert frame["init"].to_list() == AXES["init"].tolist()


def test_duckdb_reads_the_folder_as_it_is(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB comes with the dev extra")
    written(tmp_path)
    rows = duckdb.sql(f"select * from read_parquet('{tmp_path}/cells/*.parquet') order by cell limit {ROWS}")
    columns = dict(zip(rows.columns, zip(*rows.fetchall(), strict=True), strict=True))
    check(
        lambda name: (
            np.array([0 if v is None else v for v in columns[name]]),
            np.array([v is not None for v in columns[name]]),
        )
    )
    assert columns["init"] == tuple(AXES["init"])
    nan = duckdb.sql(
        f"select count(*) from read_parquet('{tmp_path}/cells/*.parquet') where isnan(loss_final)"
    ).fetchall()
    assert nan == [(2,)]


def test_readers_treat_nan_and_null_as_the_documents_say(tmp_path: Path) -> None:
    """docs/rows.md has it as a table."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB comes with the dev extra")
    pl = pytest.importorskip("polars", reason="Polars comes with the dev extra")
    some = np.ma.array([1.0, np.nan, 0.0, 3.0], mask=[False, False, True, False])
    rates = {"key": "optimizer.learning_rate", "values": [1, 2, 3, 4]}
    folder = write_run(tmp_path, [rates], {"val_loss_final": some})
    file, name = str(folder.cells.file(0)), "val_loss_final"
    loss = pd.read_parquet(file, dtype_backend="pyarrow")[name]
    assert [loss.min(), loss.median(), loss.max()] == [1, 2, 3]
    assert np.isnan([loss.mean(), loss.sum()]).all()
    assert (np.isnan(loss).tolist(), len(loss.dropna())) == ([False, True, True, False], 3)
    loss = pl.read_parquet(file)[name]
    assert (loss.is_null().to_list(), loss.is_nan().to_list()) == (
        [False, False, True, False],
        [False, True, None, False],
    )
    assert (loss.min(), loss.max(), (loss > 9).to_list()) == (1, 3, [False, True, None, False])
    assert np.isnan([loss.nan_min(), loss.nan_max()]).all()
    (row,) = duckdb.sql(f"select max({name}), min({name}), count({name}) from '{file}'").fetchall()
    assert (np.isnan(row[0]), *row[1:]) == (True, 1, 3)
    table = folder.dataset().to_table()
    assert pc.min_max(table[name]).as_py() == {"min": 1, "max": 3}
    assert pc.is_nan(table[name]).to_pylist() == [False, True, None, False]
    for condition in (
        f"isnan({name})",
        f"{name} > 9",
    ):  # which the statistics of a file might answer, and they know no NaN
        assert len(duckdb.sql(f"select cell from '{file}' where {condition}").fetchall()) == 1


UNITS = {
    "number": ("cell",),
    "name": (
        *("outcome", "cause", "stopped_by", "handicap", "decided_by", "note"),
        *(f"predicted_{name}_absent" for name in ("gd", "mean_square", "typical")),
    ),
    "steps": ("first_inf_step", "first_nan_step", "stopped_step", "steps_run", "overflow_step_predicted", "horizon"),
    "loss": (*MARKS, "loss_floor", "loss_constant", "loss_best", "val_loss_final"),
    "share": ("accuracy", "val_accuracy", "dead_fraction_initial", "dead_fraction"),
    "1": (
        *("skill", "r2", "measure", "sharpness", "sharpness_final", "reentrant", "output_spread"),
        *("layers", "gradient_ratio_initial", "gradient_ratio", "dead_at_init", "dead_layer", "ends_infinite"),
    ),
    "learning rate": (
        *(f"predicted_{name}" for name in ("gd", "mean_square", "typical", "catapult")),
        *("edge_learning_rate", "bracket_low", "bracket_high", "last_stable_rate"),
        *(f"edge_seeds_{name}" for name in ("low", "median", "high")),
    ),
}


def test_every_column_is_counted_in_its_unit() -> None:
    expected = {name: unit for unit, names in UNITS.items() for name in names}
    assert {each.name: each.unit for each in (CELL, *COLUMNS, *EDGE_COLUMNS)} == expected


SCALES = {  # how colours follow a number; of all others in the logarithm
    Scale.SHARE: (
        *("skill", "r2", "accuracy", "val_accuracy", "dead_fraction_initial", "dead_fraction"),
        *("dead_at_init", "dead_layer", "ends_infinite"),
    ),
    Scale.STEPS: ("first_inf_step", "first_nan_step", "stopped_step", "overflow_step_predicted"),
    Scale.RANK: ("measure",),
}


def test_colours_follow_a_column_s_own_scale() -> None:
    known = {name: scale for scale, names in SCALES.items() for name in names}
    assert {each.name: each.scale for each in COLUMNS} == {
        each.name: known.get(each.name, Scale.LOG) for each in COLUMNS
    }


def test_labels_and_curves_tell_columns_apart() -> None:
    labels = [each.label for each in COLUMNS if each.label]
    assert len(set(labels)) == len(labels)
    assert column_named("loss_at_80").label == "loss at 80 % of the budget"
    curves = {each.name: each.curve for each in COLUMNS if each.curve}
    assert list(curves) == [f"predicted_{name}" for name in ("gd", "mean_square", "typical", "catapult")]
    assert len({each.dashes for each in curves.values()}) == len({each.label for each in curves.values()}) == 4
    assert [name for name, each in curves.items() if each.median] == ["predicted_catapult"]


def test_a_reason_that_is_ruled_out_is_not_told() -> None:
    column = column_named("r2")
    assert column.why_missing(Reason.ENDED_BY_NAN) == "the target is constant, or the targets are classes"
    assert column.why_missing() == column.absent == f"a NaN appeared, {Reason.CONSTANT_TARGET}, or {Reason.CLASSES}"
    assert column_named("first_nan_step").why_missing(Reason.NEVER) == ""


@pytest.mark.parametrize(
    ("missing", "values", "stored"),
    [
        (Missing.NONE, [1.0, np.nan, -1.0], [1.0, "nan", -1.0]),
        (Missing.NAN, [1.0, np.nan, -1.0], [1.0, None, -1.0]),
        (Missing.NAN, np.ma.array([1.0, 2.0], mask=[True, False]), [None, 2.0]),
        (Missing.NEGATIVE, [0.0, -1.0], [0.0, None]),
        (Missing.NEGATIVE, np.ma.array([1.0, 2.0], mask=[True, False]), [None, 2.0]),
        (Missing.MASK, np.ma.array([np.nan, 2.0], mask=[False, True]), ["nan", None]),
    ],
)
def test_a_value_is_missing_as_its_column_says_and_where_it_is_masked(
    missing: Missing, values: Any, stored: list
) -> None:
    column = Column("x", pa.float64(), Unit.BARE, "", missing)
    values = values if isinstance(values, np.ma.MaskedArray) else np.array(values)
    assert ["nan" if each != each else each for each in column.array(values).to_pylist()] == stored


def test_every_column_says_its_unit_and_meaning(tmp_path: Path) -> None:
    schema = pq.read_schema(written(tmp_path).cells.file(0))
    assert schema.names == ["cell", *AXES, *(each.name for each in COLUMNS)]
    unit = {name: unit for unit, names in UNITS.items() for name in names}
    for field in schema:
        assert len(field.metadata[b"meaning"]) > 10, field.name
        assert field.metadata[b"unit"].decode() == ("axis" if field.name in AXES else unit[field.name]), field.name
    for each in COLUMNS:
        assert schema.field(each.name).metadata.get(b"missing_means", b"").decode() == each.absent
        assert f"| `{each.name}` |" in reference_table()
        assert each.meaning in reference_table()


def test_whoever_changes_the_columns_changes_the_version() -> None:
    """Else folders of before would be continued, their rows without the column beside rows with it."""
    told = "\n".join(f"{each.name} {each.type}" for each in COLUMNS)
    assert {VERSION: hashlib.sha256(told.encode()).hexdigest()[:16]} == {3: "20928221c428baf4"}


def test_rows_from_before_a_column_are_read_without_it(tmp_path: Path) -> None:
    axes = [{"key": "optimizer.learning_rate", "values": [1.0, 2.0]}]
    run = write_run(tmp_path, axes, {"outcome": np.array(["nan", "inf"], object), "sharpness": np.ones(2)})
    run.cells.write(0, pq.read_table(run.cells.file(0)).drop_columns(["sharpness", "cause"]))
    table = next(run.tables(["cell", "sharpness", "cause", "outcome"]))
    assert table["sharpness"].null_count == len(table) == 2
    assert table["cause"].to_pylist() == ["", ""]
    read = to_xarray(run)
    assert np.isnan(read.sharpness.values).all()
    assert read.outcome.values.tolist() == ["nan", "inf"]


def test_types_of_the_columns_are_the_contract_s(tmp_path: Path) -> None:
    schema = pq.read_schema(written(tmp_path).cells.file(0))
    types = {name: str(schema.field(name).type) for name in ("cell", *AXES)}
    assert types == {
        "cell": "int64",
        "learning_rate": "double",
        "batch_size": "int64",
        "bias": "bool",
        "init": str(TEXT),
    }


def test_an_unfinished_write_leaves_no_row_and_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = written(tmp_path)
    before = run.cells.file(0).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space"):
        run.cells.write(0, pa.table({"cell": [1]}))
    assert run.cells.file(0).read_bytes() == before
    assert sorted(path.name for path in run.cells.path.iterdir()) == ["part-000000.parquet", "part-000001.parquet"]
    assert not list((tmp_path / ".tmp").iterdir())


def test_a_killed_write_is_read_by_nobody_and_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, places = written(tmp_path), []

    def killed(source: Path, target: Path) -> None:
        places.append(source)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run.cells.write(2, pa.table({"cell": [1]}))
    left = places[0]
    left.write_bytes(b"PAR1 half a file")  # as a process leaves it that is killed while it writes there
    mine = left.with_name("mine.txt")
    mine.write_bytes(b"mine")
    assert run.dataset().count_rows() == 2 * ROWS
    assert len(pd.read_parquet(run.cells.path)) == 2 * ROWS
    assert run.cells.finished("abc") == {0, 1}
    with left.open("rb") as held:  # another run is writing it
        assert take(held)
        run.cells.remove(run.cells.removable({0, 1}))
    assert {left, mine} <= set(left.parent.iterdir())
    run.cells.remove(run.cells.removable({0, 1}))
    assert list(left.parent.iterdir()) == [mine]
    assert sorted(run.cells.path.iterdir()) == [run.cells.file(0), run.cells.file(1)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all, but long enough to look at", None])
def test_a_shard_that_cannot_be_read_is_not_finished(content: bytes | None, tmp_path: Path) -> None:
    run = written(tmp_path)
    whole = run.cells.file(1).read_bytes()
    run.cells.file(1).write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert run.cells.finished("abc") == {0}
    assert run.cells.finished("another hash") == set()


def test_a_shard_that_says_nothing_of_itself_or_stands_at_another_s_place_is_not_finished(tmp_path: Path) -> None:
    run = written(tmp_path)
    run.cells.write(0, pa.table({"cell": [0]}))
    assert run.cells.finished("abc") == {1}
    run.cells.file(1).rename(run.cells.file(0))
    assert run.cells.finished("abc") == run.cells.finished("") == set()


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "no manifest.json"), (tmp_path / "none", "no such folder")):
        with pytest.raises(InputError, match=said) as error:
            RunFolder(path).dataset()
        assert str(path) in str(error.value)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        RunFolder(tmp_path).read_manifest()
    RunFolder(tmp_path).write_manifest({})
    with pytest.raises(InputError, match="not one of nanmap's"):
        RunFolder(tmp_path).read_manifest()
    RunFolder(tmp_path).write_manifest({"sweep": {}})
    with pytest.raises(InputError, match="no rows"):
        RunFolder(tmp_path).dataset()


def test_a_file_in_the_place_of_a_run_folder_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("")
    with pytest.raises(InputError, match="is no run folder, but a file") as told:
        RunFolder(tmp_path / "rows.csv").read_manifest()
    assert told.value.file == tmp_path / "rows.csv"


def test_a_manifest_that_no_other_program_could_read_is_not_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_manifest({"sweep": {}, "seconds": np.inf})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("column", [*COLUMNS, *EDGE_COLUMNS], ids=lambda column: column.name)
def test_a_column_gives_reasons_exactly_where_a_value_may_be_missing(column: Column) -> None:
    assert bool(column.reasons) == (column.missing is not Missing.NONE)
    assert len(set(column.reasons)) == len(column.reasons)


def test_what_a_setting_records_is_named_by_the_reason() -> None:
    needs = {each.name: each.needs for each in COLUMNS if each.needs}
    assert needs == {
        **dict.fromkeys(("sharpness", "sharpness_final", "predicted_catapult"), "[record] sharpness = true"),
        **dict.fromkeys(("val_loss_final", "val_accuracy"), "data.validation_split"),
        "measure": "[record] full_loss = true",
    }


def test_every_number_has_a_label_for_the_colour_bar() -> None:
    assert [each.name for each in COLUMNS if bool(each.label) != (each.names is None)] == []


@pytest.mark.parametrize(("part", "command"), [("cells", "sweep"), ("edges", "edge")])
def test_what_is_missing_or_damaged_is_told_with_the_command_that_mends_it(
    part: str, command: str, tmp_path: Path
) -> None:
    folder = tmp_path / "a run"
    shards = getattr(RunFolder(folder), part)
    again = f"nanmap {command} SWEEP --out '{folder}'"
    with pytest.raises(InputError, match="holds no") as none:
        shards.dataset()
    assert (none.value.file, none.value.mend) == (folder, again)
    shards.write(0, pa.table({"x": [1]}))
    shards.file(0).write_bytes(b"not Parquet")
    with pytest.raises(InputError, match="not as it was written") as damaged:
        list(shards.tables())
    assert (damaged.value.file, damaged.value.mend) == (shards.file(0), f"{again} repairs damaged shards")
    shards.receipts.remove(shards.file(0).name)  # as folders of earlier versions have none
    with pytest.raises(InputError, match="not readable Parquet") as damaged:
        list(shards.tables())
    assert (damaged.value.file, damaged.value.mend) == (shards.path, f"{again} repairs damaged shards")
    shards.manifest_file.write_bytes(b"{")
    with pytest.raises(InputError, match=f"{shards.manifest_file.name} cannot be read") as unread:
        shards.read_manifest()
    assert (unread.value.file, unread.value.mend) == (
        folder,
        f"{again}, as it was run before, writes it anew; --fresh starts over",
    )


@pytest.mark.parametrize(
    ("size", "cells"), [(1, 1024), (16_383, 1024), (16_384, 2048), (57_344, 4096), (10**6, 65536), (10**8, 65536)]
)
def test_a_shard_is_about_a_sixteenth_of_the_grid_within_limits(size: int, cells: int) -> None:
    assert default_shard_cells(size) == cells


def test_shards_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    shards = RunFolder(tmp_path).cells
    for number in (11, 2, 0):
        shards.write(number, pa.table({"cell": [number]}))
    assert shards.names() == [f"part-{number:06d}.parquet" for number in (0, 2, 11)]
    assert [table["cell"].to_pylist() for table in shards.tables()] == [[0], [2], [11]]


@pytest.mark.parametrize(
    ("part", "left"),
    [("cells", {"edges", "edges.json", "mine.txt"}), ("edges", {"cells", "manifest.json", "mine.txt"})],
)
def test_clearing_a_part_leaves_the_other_and_all_that_is_not_nanmap_s(
    part: str, left: set[str], tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    run.maps.mkdir()
    for name in ("mine.txt", "maps/a.png"):
        (tmp_path / name).write_text("")
    for each in (run.cells, run.edges):
        each.write(0, pa.table({"x": [1]}))
        each.write_manifest(make_manifest({"sweep": {}}))
    getattr(run, part).clear()
    assert (run.maps / "a.png").exists()  # nothing says that nanmap drew it
    names = {path.name for path in tmp_path.iterdir() if path.is_file() or any(path.iterdir())}
    assert names - {"receipts", "maps"} == left
    (receipts,) = (each.receipts.names() for each in (run.cells, run.edges) if each.path.name != part)
    assert receipts == ["part-000000.parquet"]
    assert not getattr(run, part).receipts.names()


def test_a_run_folder_is_asked_for_before_its_rows(tmp_path: Path) -> None:
    """Rows that nothing speaks for are not read."""
    run = written(tmp_path)
    run.cells.manifest_file.unlink()
    for read in (run.dataset, run.tables, Result(tmp_path).to_pandas):
        with pytest.raises(InputError, match=r"its manifest\.json is lost\n  mend: nanmap sweep"):
            read()
    assert run.read_edges_manifest() is None


def test_a_column_that_a_run_does_not_have_is_told_with_the_one_that_is_meant(tmp_path: Path) -> None:
    run = written(tmp_path)
    with pytest.raises(
        InputError, match=r"columns: no such column \(got 'loss_finl'\)(.|\n)*did you mean `loss_final`\?"
    ):
        Result(run.path).to_pandas(["cell", "loss_finl"])
