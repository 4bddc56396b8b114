"""Columns of lists: in Parquet files and in what a program in Python holds, against the arrays that they were made from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.data.given import give
from nanmap.data.rows import Rows, load_rows
from nanmap.errors import InputError

ROWS = 6
rng = np.random.default_rng(2)
IMAGES = rng.random((ROWS, 4, 3, 2))
TOKENS = rng.integers(-5, 5, (ROWS, 4))
Y = rng.random(ROWS)

# A column of lists as others write it, from an array `[n, …]`.
WRITTEN: dict[str, Callable[[np.ndarray], Any]] = {
    "lists": lambda array: pa.array(array.tolist()),
    "large lists": lambda array: pa.array(array.tolist(), _nested(array, pa.large_list)),
    "lists of one length": lambda array: pa.array(array.tolist(), _nested(array, None)),
    "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray,
    "tensors whose first axis lies last": lambda array: _first_last(array),
    "several pieces": lambda array: pa.chunked_array([pa.array(array[:2].tolist()), pa.array(array[2:].tolist())]),
    "a part of a longer one": lambda array: pa.array([array[0].tolist(), *array.tolist()])[1:],
}


def _nested(array: np.ndarray, of: Any) -> pa.DataType:
    kind = pa.from_numpy_dtype(array.dtype)
    for size in reversed(array.shape[1:]):
        kind = of(kind) if of else pa.list_(kind, size)
    return kind


def _first_last(array: np.ndarray) -> pa.ExtensionArray:
    """As Arrow's format has it: shape [3, 2, 4] in the order [2, 0, 1] is a tensor [4, 3, 2]."""
    last, axes = np.moveaxis(array, 1, -1), array.ndim - 1
    order = [axes - 1, *range(axes - 1)]
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(array.dtype), last.shape[1:], permutation=order)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(last.reshape(-1)), array[0].size)
    return pa.ExtensionArray.from_storage(kind, flat)


def rows_of(own: bool = True, **data: Any) -> Rows:
    model = {"model": {"kind": "python:nowhere.py:build"}} if own else {}
    return load_rows(build_config({"data": data, "training": {"epochs": 1}} | model))


def filed(folder: Path, own: bool = True, columns: Any = None, **table: Any) -> Rows:
    pq.write_table(pa.table(table), folder / "rows.parquet", row_group_size=4)
    chosen = {} if columns is None else {"columns": columns}
    return rows_of(own, kind="parquet", path=str(folder / "rows.parquet"), target="y", **chosen)


def saved(folder: Path, x: np.ndarray, y: np.ndarray) -> Rows:
    np.savez(folder / "rows.npz", x=x, y=y)
    return rows_of(kind="npz", path=str(folder / "rows.npz"))


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("array", [IMAGES, TOKENS], ids=["images", "tokens"])
def test_lists_of_a_file_are_the_arrays_that_they_were_made_from(way: str, array: np.ndarray, tmp_path: Path) -> None:
    rows, other = filed(tmp_path, x=WRITTEN[way](array), y=Y), saved(tmp_path, array, Y)
    np.testing.assert_array_equal(rows.inputs.reshape(array.shape), array)
    np.testing.assert_array_equal(rows.targets, other.targets)
    assert rows.input_form == other.input_form


def test_targets_may_be_lists_and_so_may_columns_that_are_not_chosen(tmp_path: Path) -> None:
    table = {"x": pa.array(IMAGES.tolist()), "y": pa.array(TOKENS.tolist()), "other": [[1]] * ROWS}
    rows, other = filed(tmp_path, columns=["x"], **table), saved(tmp_path, IMAGES, TOKENS)
    np.testing.assert_array_equal(rows.targets, TOKENS)
    assert (rows.input_form, rows.target_form) == (other.input_form, other.target_form)
    plain = filed(tmp_path, columns=["a"], a=Y, y=Y, other=[[1], [2, 3], *[[]] * 4])
    np.testing.assert_array_equal(plain.inputs[:, 0], Y)


def test_lists_of_numbers_are_columns_for_any_network(tmp_path: Path) -> None:
    rows = filed(tmp_path, own=False, x=pa.array(TOKENS.tolist()), y=Y)
    np.testing.assert_array_equal(rows.inputs, TOKENS)
    with pytest.raises(InputError, match=r"rows\.parquet: holds lists in lists, of the shape \[4, 3, 2\]"):
        filed(tmp_path, own=False, x=pa.array(IMAGES.tolist()), y=Y)


def test_a_network_trains_on_a_file_of_lists_as_on_arrays(tmp_path: Path) -> None:
    def build() -> Any:
        def init(key: Any, x: Any) -> Any:
            return {"w": np.ones((4, 3, 2), np.float32)}

        return init, lambda parameters, x: (x * parameters["w"]).sum((1, 2, 3))

    pq.write_table(pa.table({"x": WRITTEN["tensors"](IMAGES), "y": Y}), tmp_path / "rows.parquet")
    data = {"kind": "parquet", "path": str(tmp_path / "rows.parquet"), "target": "y"}
    from_file = nanmap.run({"data": data}, model=build, epochs=2)
    assert from_file.row == nanmap.run(model=build, x=IMAGES, y=Y, epochs=2).row


GIVEN: dict[str, Callable[[np.ndarray], Any]] = {
    "pandas": lambda array: pd.DataFrame({"x": list(array), "y": Y}),
    "pandas, lists in lists": lambda array: pd.DataFrame({"x": array.tolist(), "y": Y}),
    "pandas of Arrow": lambda array: pd.DataFrame({"x": pd.arrays.ArrowExtensionArray(pa.array(array.tolist())), "y": Y}),
    "pandas from a file": lambda array: pa.table({"x": pa.array(array.tolist()), "y": Y}).to_pandas(),
    "polars lists": lambda array: pl.DataFrame({"x": array.tolist(), "y": Y}),
    "polars arrays": lambda array: pl.DataFrame({"x": array, "y": Y}),
    "arrow": lambda array: pa.table({"x": WRITTEN["tensors"](array), "y": Y}),
    "a mapping": lambda array: {"x": array, "y": Y},
}  # fmt: skip


@pytest.mark.parametrize("way", GIVEN)
def test_lists_of_a_frame_are_the_array_that_they_were_made_from(way: str) -> None:
    for array in (IMAGES, TOKENS):
        given = give(GIVEN[way](array), "y")
        assert given is not None
        np.testing.assert_array_equal(given.inputs, array)
        assert given.inputs.dtype == array.dtype


LOOP: list[Any] = [[1], [2]]
LOOP[0].append(LOOP[0])
FAULTS: dict[str, tuple[Any, str]] = {
    "ragged": ([[1, 2], [3, 4], [5]], r"`x` holds lists of several lengths: .*1\]? in row 2 \(the first is 0\)"),
    "ragged within": ([[[1], [2]], [[3], [4, 5]]], "several lengths.* in row 1"),
    "null inside": ([[1, 2], [3, None]], "`x` has a gap in row 1 .*\n.*NaN"),
    "null deep inside": ([[[1], [2]], [[3], [None]]], "`x` has a gap in row 1"),
    "a list that is null": ([[1, 2], None], "`x` has a gap in row 1"),
    "a list within that is null": ([[[1], [2]], [[3], None]], "(`x` has a gap|several lengths) in row 1"),
    "texts": ([["a"], ["b"]], "`x` holds lists of"),
    "nothing": ([[], []], "`x` holds empty lists"),
    "a list in itself": (LOOP, "several lengths in row 0"),
    "NaN": ([[1.0, 2.0], [np.nan, 4.0]], r"missing values in `x\[0\]`"),
}


@pytest.mark.parametrize("way", ["parquet", "arrow", "pandas", "polars"])
@pytest.mark.parametrize("fault", FAULTS)
def test_lists_that_make_no_array_are_told_with_their_row(fault: str, way: str, tmp_path: Path) -> None:
    lists, said = FAULTS[fault]
    if lists is LOOP and way != "pandas":  # the others hold none
        return
    y = list(range(len(lists)))
    if way == "parquet":
        with pytest.raises(InputError, match=r"rows\.parquet: [\s\S]*" + said):
            filed(tmp_path, own=False, x=pa.array(lists), y=y)
        return
    frames = {
        "arrow": lambda: pa.table({"x": pa.array(lists), "y": y}),
        "pandas": lambda: pd.DataFrame({"x": lists, "y": y}),
    }
    frame = frames.get(way, lambda: pl.DataFrame({"x": lists, "y": y}))()
    with pytest.raises(InputError, match=said):
        nanmap.run(x=frame, y="y", epochs=1)


def test_lists_stand_alone(tmp_path: Path) -> None:
    table = {"x": pa.array(TOKENS.tolist()), "size": Y, "y": Y}
    with pytest.raises(InputError, match=r"rows\.parquet: column `x` holds lists, beside others.*\n.*data\.columns"):
        filed(tmp_path, **table)
    with pytest.raises(InputError, match=r"data\.columns: no such column \(got 'X'\)"):
        filed(tmp_path, columns=["X"], **table)
    assert filed(tmp_path, columns=["x"], **table).inputs.shape == (ROWS, 4)


def test_row_names_of_pandas_are_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": TOKENS.tolist(), "y": Y}, index=[f"row {n}" for n in range(ROWS)])
    frame.to_parquet(tmp_path / "rows.parquet")
    rows = rows_of(kind="parquet", path=str(tmp_path / "rows.parquet"), target="y")
    np.testing.assert_array_equal(rows.inputs, TOKENS)


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rows\.parquet: holds no rows"):
        filed(tmp_path, x=pa.array([], pa.list_(pa.int64())), y=pa.array([], pa.float64()))
