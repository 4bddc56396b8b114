"""Columns as arrays of NumPy and back, held against Arrow's own conversion."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from handmade import BATCH, RATE, write_run
from nanmap.analysis import JoinedFolder, JudgedFolder
from nanmap.errors import InputError
from nanmap.results.arrays import _bits, _stored, array_of, floats_of, names_of, numbers_of, texts_as_array
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT

NAN = np.nan
KINDS = {
    "whole": (pa.int64(), [1, -5, None, 2**60, 7]),
    "small": (pa.int16(), [3, None, -4, 2, 2]),
    "real": (pa.float64(), [1.5, NAN, None, np.inf, -0.0]),
    "single": (pa.float32(), [0.5, None, NAN, -2.0, 1.0]),
    "truths": (pa.bool_(), [True, False, None, True, True]),
    "all there": (pa.int64(), [1, 2, 3, 4, 5]),
    "all truths": (pa.bool_(), [True, False, False, True, False]),
    "none there": (pa.float64(), [None] * 5),
}
CUTS = {  # from whole bytes of bits, and from the middle of one
    "whole": slice(None),
    "middle": slice(3, 17),
    "short": slice(9, 11),
    "none": slice(4, 4),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_has_the_values_that_arrow_says(kind: str, parts: int, cut: slice) -> None:
    type_, values = KINDS[kind]
    given = (values * 4)[cut]
    whole = pa.array(values * 4, type_, from_pandas=False)[cut]
    at = len(whole) // 3
    column = pa.chunked_array([whole] if parts == 1 else [whole[:at], whole[at:at], whole[at:]])
    numbers, missing = numbers_of(column)
    there = [value for value in given if value is not None]
    assert missing.tolist() == [value is None for value in given]
    np.testing.assert_array_equal(numbers[~missing], np.array(there, column.type.to_pandas_dtype()))
    wanted = np.array([NAN if value is None else value for value in given], float)
    np.testing.assert_array_equal(floats_of(column), wanted)
    assert (
        np.signbit(floats_of(column)[np.flatnonzero(wanted == 0)]).tolist() == np.signbit(wanted[wanted == 0]).tolist()
    )


def test_a_part_of_an_array_is_read_from_where_it_begins() -> None:
    whole = pa.array([*range(20), None])
    assert _stored(whole[3:17]).tolist() == [*range(3, 17)]
    assert _bits(whole[9:], 0).tolist() == [1] * 11 + [0]
    truths = [bool(n % 3) for n in range(40)]
    assert _stored(pa.array(truths)[5:30]).tolist() == truths[5:30]


@pytest.mark.parametrize("type_", [TEXT, pa.string()])
def test_texts_are_places_among_the_different_ones(type_: pa.DataType) -> None:
    first, second = pa.array(["nan", "inf", "nan"]).cast(type_), pa.array(["dead", "nan"]).cast(type_)
    for column in (pa.chunked_array([first, second]), pa.chunked_array([first[1:], second])):
        places, names = names_of(column)
        assert [names[place] for place in places] == column.cast(pa.string()).to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_arrow_makes_of_it(kind: str) -> None:
    type_, values = KINDS[kind]
    missing = np.array([value is None for value in values * 3])
    plain = np.array([0 if value is None else value for value in values * 3], type_.to_pandas_dtype())
    made = array_of(plain, type_, missing)
    made.validate(full=True)
    wanted = pa.array(plain, type_, mask=missing, from_pandas=False)
    assert (made.type, made.null_count, str(made)) == (wanted.type, wanted.null_count, str(wanted))
    assert made.slice(4, 3).to_pylist() == wanted.slice(4, 3).to_pylist() or kind in ("real", "single")


def test_numbers_widen_and_are_never_cut() -> None:
    assert array_of(np.arange(6, dtype=np.int16)[::2], pa.float64(), np.zeros(3, bool)).to_pylist() == [0, 2, 4]
    assert array_of(np.array([2.0, NAN]), pa.int64(), np.array([False, True])).to_pylist() == [2, None]
    with pytest.raises(pa.ArrowInvalid, match="truncated"):
        array_of(np.array([0.5]), pa.int64(), np.zeros(1, bool))


def test_texts_in_any_script_are_written() -> None:
    for texts in (["λ", "", "學習率", "nan"], []):
        made = texts_as_array(texts)
        made.validate(full=True)
        assert made.equals(pa.array(texts, pa.string()))


def test_rows_are_written_and_a_map_s_columns_read_without_pandas(tmp_path: Path) -> None:
    write_run(tmp_path, [BATCH, RATE])
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from nanmap.analysis import count_outcomes, load_grid, make_view, take_medians, what_works, best_cell\n"
        "from nanmap.results.columns import CELL, column_named\n"
        "from nanmap.results.folder import RunFolder\n"
        "from nanmap.results.schema import arrow_table\n"
        "folder = RunFolder(sys.argv[1])\n"
        "view = make_view(load_grid(folder.read_manifest()), 'learning_rate', 'batch_size')\n"
        "assert count_outcomes(folder, view).sum() == 15\n"
        "take_medians(folder, view, 'first_nan_step'), what_works(folder), best_cell(folder), folder.columns()\n"
        "columns = [CELL, column_named('outcome'), column_named('ends_infinite')]\n"
        "values = {'cell': np.arange(2), 'outcome': np.array(['nan', 'inf']), 'ends_infinite': np.ones(2, bool)}\n"
        "RunFolder(sys.argv[1] + '/other').cells.write(0, arrow_table(columns, values, {}))\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert {"pyarrow", "numpy"} <= loaded
    assert "pandas" not in loaded


class TestShards:
    def test_columns_come_as_they_are_asked_for(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE])
        for wanted in (["outcome", "cell"], ["loss_final", "learning_rate", "cell"], None):
            tables = list(folder.tables(wanted))
            assert [len(table) for table in tables] == [7, 7, 1]
            whole = folder.dataset().to_table(columns=wanted)
            assert {tuple(table.column_names) for table in tables} == {tuple(whole.column_names)}
            pd.testing.assert_frame_equal(pa.concat_tables(tables).to_pandas(), whole.to_pandas())

    def test_a_column_that_a_shard_lacks_stands_where_it_is_asked_for(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE])
        folder.cells.write(1, list(folder.tables())[1].drop_columns(["outcome", "skill"]))
        _, older, _ = folder.tables(["skill", "outcome", "cell"])
        assert older.column_names == ["skill", "outcome", "cell"]
        assert (older["skill"].null_count, set(older["outcome"].to_pylist())) == (7, {""})

    def test_names_of_the_columns_are_those_of_the_rows(self, tmp_path: Path):
        run = write_run(tmp_path / "a", [BATCH, RATE], schema=3)
        other = write_run(tmp_path / "b", [BATCH, {**RATE, "log": [20.0, 30.0]}], schema=3)
        for folder in (run, JudgedFolder(run, {"ratio": 0.1}), JoinedFolder([run, other])):
            assert folder.columns() == folder.dataset().schema.names

    def test_names_of_the_columns_of_nothing_are_told(self, tmp_path: Path):
        with pytest.raises(InputError, match="no such folder"):
            RunFolder(tmp_path / "none").columns()
        folder = write_run(tmp_path, [BATCH, RATE])
        folder.cells.file(0).write_bytes(b"PAR1")
        with pytest.raises(InputError, match="not as it was written"):
            folder.columns()
        folder.cells.remove(folder.cells.removable(set()))
        with pytest.raises(InputError, match="holds no rows yet"):
            folder.columns()
