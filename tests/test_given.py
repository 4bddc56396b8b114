"""Arrays that a program in Python gives: from whatever holds them the same rows, named, told by their content, kept in a file."""

import datetime
import decimal
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nanmap.config import build_config
from nanmap.data import Rows, load_rows
from nanmap.data.given import GivenArrays, give, held, read_given, with_arrays
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep, notices

SIZES, PRICES = [1.5, 2.0, 3.5, 4.0], [10, 20, 30, 40]
TOWNS = ["Oslo", None, "Bern", "Oslo"]
TWO = [1, 2]


def rows_of(x: Any, y: Any, loss: str = "mse", **data: Any) -> Rows:
    given = give(x, y)
    tree = {"data": data, "loss": {"kind": loss}, "training": {"epochs": 1}}
    return load_rows(build_config(with_arrays(tree, given)))


def digest(x: Any, y: Any) -> str:
    given = give(x, y)
    assert given is not None
    return given.digest


class Tensor:
    """What a tensor with a gradient on another device lets be done with it."""

    def __init__(self, values: np.ndarray, where: str = "cuda with a gradient") -> None:
        self.values, self.where = values, where

    def detach(self) -> "Tensor":
        return Tensor(self.values, "cuda")

    def cpu(self) -> "Tensor":
        return Tensor(self.values, "cpu" if self.where == "cuda" else self.where)

    def float(self) -> "Tensor":
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.where != "cpu":
            raise TypeError(f"cannot convert a tensor on {self.where}\nat length")
        return np.asarray(self.values, dtype)


class Stuck:
    """A tensor that does not come to this machine by itself."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("it is on another device\nand here is more about it")


class Frame:
    """A frame that offers nothing but the protocol for exchanging them."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        return pa.table({"size": SIZES}).__dataframe__()


NUMBERS = {
    "NumPy": np.array(SIZES),
    "a list": SIZES,
    "a list of rows": [[each] for each in SIZES],
    "JAX": jnp.array(SIZES),
    "a tensor": Tensor(np.array(SIZES)),
    "bfloat16": np.array(SIZES, ml_dtypes.bfloat16),
    "pandas": pd.Series(SIZES),
    "pandas with row names": pd.Series(SIZES, index=list("dcba")),
    "pandas of nullable numbers": pd.Series(SIZES, dtype="Float64"),
    "Polars": pl.Series(SIZES),
    "an array of Arrow": pa.array(SIZES),
    "Arrow": pa.chunked_array([SIZES[:1], SIZES[1:]]),
    "a frame": pd.DataFrame({"size": SIZES}),
    "a frame of Polars": pl.DataFrame({"size": SIZES}),
    "a table of Arrow": pa.table({"size": SIZES}),
    "a frame of anybody": Frame(),
    "a mapping": {"size": SIZES},
    "records": np.array([(each,) for each in SIZES], [("size", "f4")]),
    "long doubles": np.array(SIZES, np.longdouble),
    "decimals": pd.Series([decimal.Decimal(str(each)) for each in SIZES]),
    "Fortran's order": np.asfortranarray(np.array(SIZES)[:, None]),
    "the other byte order": np.array(SIZES, ">f8"),
    "every second": np.repeat(SIZES, 2)[::2],
}


@pytest.mark.parametrize("held_by", NUMBERS)
@pytest.mark.filterwarnings("ignore:.*[Ii]nterchange.*")
def test_numbers_are_the_same_whatever_holds_them(held_by: str) -> None:
    rows = rows_of(NUMBERS[held_by], PRICES)
    assert (rows.inputs.dtype, rows.inputs.tolist()) == (np.float64, [[each] for each in SIZES])
    assert rows.targets.tolist() == [[each] for each in PRICES]
    assert rows_of(np.array(PRICES), NUMBERS[held_by]).targets.tolist() == [[each] for each in SIZES]


def test_a_tensor_of_torch_may_have_a_gradient() -> None:
    torch = pytest.importorskip("torch")
    rows = rows_of(torch.tensor([SIZES, SIZES], requires_grad=True).T, torch.arange(4))
    assert rows.inputs.T.tolist() == [SIZES, SIZES]
    with pytest.raises(InputError, match=r"x: cannot be read as an array[\s\S]*mend: x=x\.float\(\)"):
        rows_of(torch.tensor(SIZES, dtype=torch.bfloat16), PRICES)


FRAMES = {
    "pandas": pd.DataFrame({"size": SIZES, "town": TOWNS, "new": [True, False, True, True]}),
    "Polars": pl.DataFrame({"size": SIZES, "town": TOWNS, "new": [True, False, True, True]}),
    "Arrow": pa.table({"size": SIZES, "town": TOWNS, "new": [True, False, True, True]}),
    "objects": pd.DataFrame({"size": SIZES, "town": TOWNS, "new": [True, False, True, True]}, dtype=object),
}


@pytest.mark.parametrize("held_by", FRAMES)
def test_columns_of_a_frame_keep_their_names_and_are_encoded_as_those_of_a_file(held_by: str, tmp_path: Path) -> None:
    y = pl.Series("price", PRICES)
    rows = rows_of(FRAMES[held_by], y, missing="keep")
    file = tmp_path / "rows.csv"
    FRAMES["pandas"].assign(price=PRICES).to_csv(file, index=False)
    data = {"kind": "csv", "path": str(file), "target": "price", "missing": "keep"}
    assert rows == load_rows(build_config({"data": data, "training": {"epochs": 1}}))
    assert rows.features == ("size", "town=Bern", "town=Oslo", "new")
    assert digest(FRAMES[held_by], y) == digest(FRAMES["Polars"], y)


def test_a_query_of_duckdb_is_a_frame() -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        rows = rows_of(connection.from_arrow(FRAMES["Arrow"]), PRICES, missing="keep")
    assert rows == rows_of(FRAMES["Arrow"], PRICES, missing="keep")


SETTINGS: list[tuple[str, dict[str, Any], Any]] = [
    ("mse", {}, [1.0, 2.0, 4.0, 8.0]),
    ("mse", {"scale_inputs": "standard", "scale_targets": "minmax", "validation_split": 0.25}, [1.0, 2.0, 4.0, 8.0]),
    ("mse", {"scale_targets": "maxabs"}, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]),
    ("softmax_cross_entropy", {"target_kind": "class"}, ["a", "b", "c", "a"]),
    ("softmax_cross_entropy", {"target_kind": "class"}, ["a", "b", "b", "a"]),
    ("softmax_cross_entropy", {"target_kind": "class"}, [[0.5, 0.5], [1, 0], [0, 1], [0.25, 0.75]]),
    ("sigmoid_cross_entropy", {"target_kind": "class"}, [7, 5, 7, 5]),
    ("sigmoid_cross_entropy", {}, [0.0, 1.0, 1.0, 0.5]),
]
GAPS = [
    ("mse", {"missing": "drop"}, 1),
    ("mse", {"missing": "mean", "validation_split": 0.25}, 1),
    ("mse", {"missing": "keep"}, 1),
]


@pytest.mark.parametrize(("loss", "data", "y"), SETTINGS)
def test_all_that_is_done_to_the_arrays_of_a_file_is_done_to_these(loss: str, data: dict, y: Any, npz) -> None:
    x = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0], [9.0, 90.0]])
    filed = {"data": {"kind": "npz", "path": npz(x=x, y=np.array(y))} | data, "loss": {"kind": loss}}
    expected = load_rows(build_config(filed | {"training": {"epochs": 1}}))
    rows = rows_of(x, y, loss, **data)
    for name in ("inputs", "targets", "val_inputs", "val_targets", "features", "classes", "input_scaling"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(expected, name))


@pytest.mark.parametrize(("loss", "data", "gaps"), GAPS)
def test_gaps_are_dropped_filled_or_kept_as_those_of_a_file(loss: str, data: dict, gaps: int, npz) -> None:
    x = np.array([[1.0, 10.0], [np.nan, 30.0], [3.0, 20.0], [9.0, np.nan]])
    filed = {"kind": "npz", "path": npz(x=x, y=np.arange(4.0))} | data
    expected = load_rows(build_config({"data": filed, "training": {"epochs": 1}}))
    rows = rows_of(x, np.arange(4), loss, **data)
    np.testing.assert_array_equal(rows.inputs, expected.inputs)
    np.testing.assert_array_equal(rows.val_inputs, expected.val_inputs)
    masked = np.ma.array(np.nan_to_num(x), mask=np.isnan(x))
    np.testing.assert_array_equal(rows_of(masked, np.arange(4), **data).inputs, expected.inputs)


def test_columns_are_chosen_by_name_and_texts_may_be_codes() -> None:
    rows = rows_of(FRAMES["pandas"], PRICES, columns=["new", "town"], categorical="codes", missing="keep")
    np.testing.assert_array_equal(rows.inputs, [[1, 1], [0, np.nan], [1, 0], [1, 1]])
    assert rows_of(np.arange(6).reshape(2, 3), [1, 2], columns=["x[2]", "x[0]"]).inputs.tolist() == [[2, 0], [5, 3]]


def test_categories_that_a_frame_declares_are_taken_as_such() -> None:
    for codes in (
        pd.Series(["0150", "3012", "0150"], dtype="category"),
        pl.Series(["0150", "3012", "0150"], dtype=pl.Categorical),
        pa.array(["0150", "3012", "0150"]).dictionary_encode(),
        pa.array(["0150", "3012", "0150"]).dictionary_encode(),
    ):
        assert rows_of({"zip": codes}, [1, 2, 3]).features == ("zip=0150", "zip=3012")
    with pytest.raises(InputError, match="numbers stored as text"):
        rows_of({"zip": ["0150", "3012", "0150"]}, [1, 2, 3])
    assert rows_of({"flat": pd.Series([3, 1, 3], dtype="category")}, [1, 2, 3]).features == ("flat=1", "flat=3")


def test_true_and_false_stay_so_with_gaps_and_records_keep_their_names() -> None:
    rows = rows_of({"new": [True, None, False]}, [1, 2, 3], missing="keep")
    assert "new: true and false as 1 and 0, 1 missing" in rows.report
    assert rows.sources[0].numbers("true") == [1.0]
    records = np.array([(1, 2.5), (3, 4.5)], [("rooms", "i4"), ("size", "f4")])
    rows = rows_of(records, TWO)
    assert (rows.features, rows.inputs.tolist()) == (("rooms", "size"), [[1, 2.5], [3, 4.5]])


def test_a_column_of_the_frame_may_be_the_target() -> None:
    houses = {"size": [1.0, 2.0], "price": [10, 20], "rooms": [3, 4]}
    rows = rows_of(houses, "price")
    assert (rows.features, rows.targets.tolist()) == (("size", "rooms"), [[10], [20]])
    assert rows == rows_of({"size": [1.0, 2.0], "rooms": [3, 4]}, {"price": [10, 20]})


def test_the_report_names_the_target_as_its_column() -> None:
    rows = rows_of({"size": SIZES}, pd.Series(PRICES, name="price"), scale_targets="maxabs")
    assert "target price: number" in rows.report
    assert any("target price (x − 0) / 40" in line for line in rows.report)


MISTAKES: dict[str, tuple[Any, Any, dict[str, Any], list[str]]] = {
    "no y": (TWO, None, {}, ["y: is missing beside x"]),
    "no x": (None, TWO, {}, ["x: is missing beside y"]),
    "other lengths": (TWO, [1, 2, 3], {}, ["`x` has 2 rows and `y` 3", "rows come first"]),
    "no rows": ([], [], {}, ["x: holds no rows"]),
    "no columns": (np.ones((2, 0)), TWO, {}, ["x: has no columns"]),
    "an empty frame": (pd.DataFrame(), TWO, {}, ["x: has no columns"]),
    "three dimensions": (
        np.ones((2, 3, 4)),
        TWO,
        {},
        ["x: has too many dimensions (got (2, 3, 4))", "x.reshape(len(x), -1)"],
    ),
    "targets of three": (TWO, np.ones((2, 3, 4)), {}, ["y: has too many dimensions", "y.reshape(len(y), -1)"]),
    "ragged": ([[1, 2], [3]], TWO, {}, ["x: cannot be read as an array", "got 'list'"]),
    "a file's name": ("rows.csv", TWO, {}, ["x: expects an array, not a name", "data.path"]),
    "no such target": ({"a": TWO, "price": TWO}, "pirce", {}, ["y: is no column of x (got 'pirce')", "`price`"]),
    "nothing but the target": ({"a": TWO}, "a", {}, ["x: has no column beside the target"]),
    "a name for an array's column": (TWO, "a", {}, ["y: names a column, but x has no names"]),
    "a path": (Path("rows.csv"), TWO, {}, ["x: expects an array, not a name"]),
    "a number": (3, TWO, {}, ["x: expects an array with a row per example (got 'int')"]),
    "a generator": ((each for each in TWO), TWO, {}, ["row per example (got 'generator')"]),
    "complex": (np.array([1j, 2]), TWO, {}, ["x: expects numbers (got 'complex128 (2,)')"]),
    "a query": (pl.DataFrame({"a": TWO}).lazy(), TWO, {}, ["x: is not computed yet", "x=x.collect()"]),
    "an object": (TWO, object(), {}, ["y: expects an array with a row per example (got 'object')"]),
    "another device": (Stuck(), TWO, {}, ["x: cannot be read as an array: it is on another device (got 'Stuck')"]),
    "dates": (np.array(TWO, "M8[D]"), TWO, {}, ["x: holds dates", "days since the first"]),
    "times": (np.array(TWO, "m8[D]"), TWO, {}, ["x: holds times", "seconds"]),
    "a column of dates": ({"when": [datetime.date(2020, 1, 2)] * 2}, TWO, {}, ["x: column `when` holds dates"]),
    "a column of moments": (
        pl.DataFrame({"when": [datetime.datetime(2020, 1, 2)] * 2}),
        TWO,
        {},
        ["`when` holds dates"],
    ),
    "a column of lists": (
        pl.DataFrame({"a": [[1], [2, 3]]}),
        TWO,
        {},
        ["x: column `a` holds lists of several lengths"],
    ),
    "a column of arrays": ({"a": np.ones((2, 2)), "b": TWO}, TWO, {}, ["x: column `a` holds lists, beside others"]),
    "bytes": ({"a": [b"x", b"y"]}, TWO, {}, ["x: column `a` holds bytes"]),
    "one name twice": (pd.DataFrame([[1, 2]] * 2, columns=["a", "a"]), TWO, {}, ["x: two columns are called a"]),
    "columns of other lengths": (
        {"a": TWO, "b": [1]},
        TWO,
        {},
        ["x: has columns of other lengths", "{'a': 2, 'b': 1}"],
    ),
    "a gap": ([[1, 2], [3, np.nan]], TWO, {}, ["missing values in `x[1]` (row 1 (the first is 0), 1 in all)", "drop"]),
    "a gap in a frame": ({"a": [1, None]}, TWO, {}, ["missing values in `a` (row 1 (the first is 0), 1 in all)"]),
    "a gap in the targets": (TWO, [[1, 2], [np.nan, 3]], {}, ["missing values in `y[0]` (row 1"]),
    "a mean of targets": (TWO, [[1, 2], [np.nan, 3]], {"missing": "mean"}, ["the target `y[0]` misses 1"]),
    "an empty column": ([[1, np.nan], [2, np.nan]], TWO, {"missing": "mean"}, ["column `x[1]` is empty"]),
    "an infinity": ([[1, 2], [3, np.inf]], TWO, {}, ["column `x[1]` holds an infinity in row 1 (the first is 0)"]),
    "an infinity of a target": (TWO, [1, -np.inf], {}, ["column `y` holds an infinity in row 1"]),
    "a word among numbers": (
        {"a": [1, "much"]},
        TWO,
        {},
        ["`a` is numeric but row 1 (the first is 0) holds text", "'much'"],
    ),
    "a word in an array": (np.array([[1, 2], [3, "much"]], object), TWO, {}, ["`x[1]` is numeric but row 1", "'much'"]),
    "numbers as text": (np.array([["1"], ["2"]]), TWO, {}, ["column `x[0]` holds numbers stored as text"]),
    "labels that are not said to be some": (
        TWO,
        TWO,
        {"loss": "softmax_cross_entropy"},
        ["always 1", "encodes labels"],
    ),
    "texts to predict": (TWO, ["a", "b"], {}, ["column `y` is the target and holds text", "target_kind"]),
    "one class": (TWO, ["a", "a"], {"target_kind": "class"}, ["column `y` has a single class"]),
    "no such column": (
        {"size": TWO},
        TWO,
        {"columns": ["siez"]},
        ["data.columns: no such column (got 'siez')", "`size`"],
    ),
    "no column chosen": ({"size": TWO}, TWO, {"columns": []}, ["data.columns: names no input column"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_trained_on_is_told(mistake: str) -> None:
    x, y, data, said = MISTAKES[mistake]
    with pytest.raises(InputError) as error:
        rows_of(x, y, **({"loss": "sigmoid_cross_entropy"} if "target_kind" in data else {}) | data)
    for words in said:
        assert words in str(error.value)


def test_arrays_of_a_config_need_a_program() -> None:
    with pytest.raises(
        InputError, match=r"data.kind: `arrays` are given by a program[\s\S]*nanmap\.run\(config, x=x, y=y\)"
    ):
        build_config({"data": {"kind": "arrays"}, "training": {"epochs": 1}})


def test_arrays_take_the_place_of_other_rows_and_leave_what_is_done_to_them() -> None:
    given = give(TWO, TWO)
    assert given is not None
    filed = {"kind": "csv", "path": "a.csv", "target": "b", "missing": "drop", "validation_split": 0.5}
    made = with_arrays({"data": filed, "training": {"epochs": 1}}, given)
    assert made["data"] == {"kind": "arrays", "sha256": given.digest, "missing": "drop", "validation_split": 0.5}
    assert made["training"] == {"epochs": 1}
    assert filed["kind"] == "csv"
    assert with_arrays({"data": filed}, None) == {"data": filed}
    assert with_arrays({}, given) == {"data": {"kind": "arrays", "sha256": given.digest}}


def test_the_digest_is_that_of_the_content() -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    whole = digest(x, y)
    assert whole == digest(x.copy(order="F"), y) == digest(x.astype(">f8"), y) == digest(x.tolist(), y.tolist())
    assert digest(x.astype(np.longdouble), y) == whole
    others = [
        digest(np.add(x, [[0, 0], [0, 0], [0, 1e-12]]), y),
        digest(x.astype(np.float32), y),
        digest(x.reshape(3, 2)[:, ::-1], y),
        digest(x.reshape(3, 1, 2), y),
        digest(x, y[::-1]),
        digest(x, y[:, None]),
        digest({"a": x[:, 0], "b": x[:, 1]}, y),
        digest({"a": x[:, 0], "c": x[:, 1]}, y),
        digest({"b": x[:, 1], "a": x[:, 0]}, y),
        digest(x, pd.Series(y, name="price")),
    ]
    assert len({whole, *others}) == len(others) + 1


KEPT = {
    "numbers": np.arange(6, dtype=np.int16).reshape(3, 2),
    "a frame": pd.DataFrame(
        {
            "size": np.array([1.5, 2.5, np.nan], np.float32),
            "town": ["Bern", None, "Åre\n\0"],
            "zip": pd.Series(["0150", "3012", None], dtype="category"),
            "new": pd.array([True, None, False], "boolean"),
            "old": [True, True, False],
        }
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_a_file_keeps_is_what_was_given(name: str, tmp_path: Path) -> None:
    y = pd.Series(["yes", "no", "yes"], name="sold")
    given = give(KEPT[name], y)
    assert given is not None
    path = tmp_path / "kept.npz"
    np.savez(path, **given.arrays)
    settings = {"missing": "keep", "target_kind": "class"}
    rows = rows_of(KEPT[name], y, "softmax_cross_entropy", **settings)
    tree = with_arrays({"data": settings, "loss": {"kind": "softmax_cross_entropy"}, "training": {"epochs": 1}}, given)
    assert read_given(str(path), given.digest).digest == given.digest
    del given
    gc.collect()
    assert held(tree["data"]["sha256"]) is None
    assert load_rows(build_config(tree, {"data.path": str(path)})) == rows


def test_a_file_that_is_gone_damaged_or_another_one_is_told(tmp_path: Path) -> None:
    given, other = give(TWO, TWO), give(TWO, [3, 4])
    assert given is not None
    assert other is not None
    path = tmp_path / "kept.npz"
    with pytest.raises(InputError, match=r"not kept here[\s\S]*give them again"):
        read_given(str(path), given.digest)
    with pytest.raises(InputError, match=r"^the arrays that were trained on are not kept here"):
        read_given(None, given.digest)
    np.savez(path, **other.arrays)
    damaged = path.read_bytes()[:-30]
    for content in (path.read_bytes(), damaged, b"", b"no zip file"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is not the file that was written|is no readable npz file"):
            read_given(str(path), given.digest)


def test_arrays_are_found_as_long_as_somebody_holds_them_and_the_newest_first() -> None:
    x = np.arange(3.0)
    given = give(x, x)
    assert given is not None
    name = given.digest
    assert held(name) is given
    x[0] = 7  # what is held has other values now than its digest says
    newer = give(np.arange(3.0), np.arange(3.0))
    assert isinstance(newer, GivenArrays)
    assert held(name) is newer
    del given, newer
    gc.collect()
    assert held(name) is None
    assert held(None) is None


def test_rows_of_arrays_are_made_once_and_go_with_them() -> None:
    given = give(SIZES, PRICES)
    config = build_config(with_arrays({"training": {"epochs": 1}}, given))
    assert load_rows(config) is load_rows(build_config(config.model_dump()))
    assert load_rows(build_config(config.model_dump(), {"data.scale_inputs": "standard"})).inputs.mean() == 0


def test_no_framework_is_imported_that_the_program_does_not_use() -> None:
    code = (
        "import sys, numpy; from nanmap.data.given import give; give(numpy.ones((3, 2)), [1, 2, 3]).digest;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"jax", "torch", "polars", "pandas", "pyarrow", "tensorflow"}


def test_what_acts_on_arrays_is_not_said_to_be_idle() -> None:
    given = give(FRAMES["pandas"], PRICES)
    data = {"missing": "keep", "columns": ["size", "town"], "categorical": "codes", "scale_inputs": "standard"}
    tree = with_arrays({"data": data, "training": {"epochs": 1}}, given)
    told = notices(Plan(make_sweep(tree, [])))
    assert not any("no effect" in sentence for sentence in told)
    idle = make_sweep(tree, [{"key": "data.n", "values": [3, 4]}])
    assert any("`arrays` data has no such setting" in sentence for sentence in notices(Plan(idle)))
