"""Rows: built-in formulas, encodings, gaps, scaling fitted on training rows only, splits, and each refusal's words."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.data import Rows, load_rows
from nanmap.data.encoding import Source
from nanmap.data.scaling import UNSCALED, fit_scaling
from nanmap.data.words import listed
from nanmap.errors import InputError

TABLE = """size,town,flag,price
1.5,Oslo,True,10
,Bern,False,20
3.5,Oslo,True,30
4.5,,False,40
"""


def rows_of(loss: str = "mse", **data: Any) -> Rows:
    return load_rows(build_config({"data": data, "loss": {"kind": loss}, "training": {"epochs": 1}}))


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str = TABLE, **data: Any) -> dict[str, Any]:
        path = tmp_path / f"rows{len(list(tmp_path.iterdir()))}.csv"
        path.write_text(text, encoding="utf-8")
        return {"kind": "csv", "path": str(path), "target": "price"} | data

    return write


@pytest.mark.parametrize(
    ("data", "x"),
    [
        ({"n": 5}, np.arange(5.0)),
        ({"n": 4, "start": 1}, np.arange(1.0, 5.0)),
        ({"start": 1, "stop": 1000}, np.arange(1.0, 1000.0)),
        ({"start": 1, "stop": 1.3, "step": 0.1}, np.arange(1, 1.3, 0.1)[:3]),  # 1 + 3 · 0.1 is below 1.3 in float64
        ({"start": 1, "stop": -0.6, "step": -0.4}, np.arange(1, -0.6, -0.4)[:4]),
        ({"start": 3, "stop": 4.5}, np.array([3.0, 4.0])),
        ({"start": 2, "n": 3, "step": -0.5}, np.array([2.0, 1.5, 1.0])),
        ({"start": 5, "stop": 0, "step": -2}, np.array([5.0, 3.0, 1.0])),
        ({"inputs": "linspace", "start": 0, "stop": 10, "n": 100}, np.linspace(0, 10, 100)),
        ({"inputs": "normal", "n": 50, "seed": 3}, np.random.default_rng(3).standard_normal(50)),
    ],
)
def test_built_in_formulas(data: dict, x: np.ndarray) -> None:
    square, line = rows_of(kind="square", **data), rows_of(kind="line", slope=0.5, **data)
    assert square.inputs.tolist() == line.inputs.tolist() == x[:, None].tolist()
    assert square.targets.tolist() == (x[:, None] ** 2 + 2).tolist()
    assert line.targets.tolist() == (0.5 * x[:, None]).tolist()


def test_a_file_of_the_same_size_from_the_same_second_is_read_again(csv) -> None:
    data = csv("a,price\n1,2\n3,4\n")
    for nanoseconds, price in ((0, "2"), (10**6, "5"), (10**6, "55")):  # the last from the same moment, and longer
        Path(data["path"]).write_text(f"a,price\n1,{price}\n3,4\n", encoding="utf-8")
        os.utime(data["path"], ns=(0, 10**18 + nanoseconds))
        assert rows_of(**data).targets[0, 0] == float(price)


@pytest.mark.parametrize("target", ["a", "b", "c"])
def test_the_target_may_be_any_column_and_is_no_input(target: str, csv) -> None:
    rows = rows_of(**csv("a,b,c\n1,2,3\n4,5,7\n", target=target))
    others = [each for each in "abc" if each != target]
    table = {"a": [1, 4], "b": [2, 5], "c": [3, 7]}
    assert rows.features == tuple(others)
    assert rows.inputs.T.tolist() == [table[each] for each in others]
    assert rows.targets.ravel().tolist() == table[target]


def test_gaussian_rows_are_standard_normal_and_follow_their_seed() -> None:
    rows = rows_of(kind="gaussian", n=4000, features=3)
    assert rows.inputs.shape == (4000, 3)
    assert rows.targets.shape == (4000, 1)
    assert np.abs(rows.inputs.mean(axis=0)).max() < 0.06
    assert np.abs(rows.inputs.std(axis=0) - 1).max() < 0.05
    assert abs(np.corrcoef(rows.inputs[:, 0], rows.targets[:, 0])[0, 1]) < 0.06
    assert rows_of(kind="gaussian", n=4000, features=3, seed=1).inputs[0, 0] != rows.inputs[0, 0]


@pytest.mark.parametrize(
    ("n", "split", "kept"), [(999, 0.2, 799), (10, 0.25, 7), (5, 0.0, 5), (750, 0.2, 600), (3, 0.5, 1)]
)
def test_validation_rows_come_from_the_end(n: int, split: float, kept: int) -> None:
    rows = rows_of(kind="line", n=n, validation_split=split)
    assert rows.n == kept == int(np.floor(n * (1 - split)))
    assert rows.inputs.ravel().tolist() == list(range(kept))
    assert rows.val_inputs.ravel().tolist() == list(range(kept, n))


SCALINGS = {
    "none": lambda fit: (0.0, 1.0),
    "standard": lambda fit: (fit.mean(), fit.std()),
    "minmax": lambda fit: (fit.min(), fit.max() - fit.min()),
    "maxabs": lambda fit: (0.0, np.abs(fit).max()),
}


@pytest.mark.parametrize("kind", SCALINGS)
def test_scaling_is_fitted_on_training_rows_only(kind: str, npz) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((20, 2)) * [1, 50] - 3, rng.standard_normal(20) * 9
    x[15:], y[15:] = 1e6, -1e6  # the validation rows, far away: they must not be seen
    rows = rows_of(kind="npz", path=npz(x=x, y=y), validation_split=0.25, scale_inputs=kind, scale_targets=kind)
    for column in range(2):
        shift, divisor = SCALINGS[kind](x[:15, column])
        np.testing.assert_allclose(rows.inputs[:, column], (x[:15, column] - shift) / divisor, rtol=1e-12)
        np.testing.assert_allclose(rows.val_inputs[:, column], (x[15:, column] - shift) / divisor, rtol=1e-12)
    shift, divisor = SCALINGS[kind](y[:15])
    np.testing.assert_allclose(rows.targets.ravel(), (y[:15] - shift) / divisor, rtol=1e-12)


@pytest.mark.parametrize("kind", ["standard", "minmax", "maxabs"])
def test_constant_and_zero_columns_are_not_divided_by_zero(kind: str, npz) -> None:
    x = np.array([[5.0, 0.0], [5.0, 0.0]])
    rows = rows_of(kind="npz", path=npz(x=x, y=[1.0, 2.0]), scale_inputs=kind)
    assert np.isfinite(rows.inputs).all()
    assert (rows.inputs[0] == rows.inputs[1]).all()


@pytest.mark.parametrize(("value", "count"), [(0.3, 20), (0.1, 3), (-0.7, 11), (1e300, 3), (0.0, 4)])
@pytest.mark.parametrize("missing", ["keep", "mean", "drop"])
def test_a_constant_column_is_0_after_standard_scaling_and_others_keep_their_distance(
    value: float, count: int, missing: str, npz
) -> None:
    """Its mean and its deviation are rounded: 0.3 twenty times deviates by 5.6e-17. A gap is no other value."""
    x = np.full((count + 2, 1), value)
    x[1, 0], x[-1, 0] = np.nan, value + 0.1  # the last row validates
    scaled = {"scale_inputs": "standard", "validation_split": 1 / (count + 2), "missing": missing}
    rows = rows_of(kind="npz", path=npz(x=x, y=np.arange(count + 2.0)), **scaled)
    assert (rows.inputs[~np.isnan(rows.inputs)] == 0).all()
    assert rows.val_inputs.tolist() == [[value + 0.1 - value]]
    assert [each.tolist() for each in rows.input_scaling] == [[value], [1.0]]


@pytest.mark.parametrize("size", [1e160, 1e-170, 3e-308])
@pytest.mark.parametrize("kind", ["standard", "minmax", "maxabs"])
def test_columns_of_any_size_are_scaled_as_those_near_one(size: float, kind: str) -> None:
    column = np.array([[1.0], [-1.0], [0.5]])
    found = fit_scaling(column * size, kind).apply(column * size)
    np.testing.assert_allclose(found, fit_scaling(column, kind).apply(column), rtol=1e-12)
    np.testing.assert_allclose(fit_scaling(column * size, kind).undo(found), column * size, rtol=1e-12)


def test_text_columns_are_one_hot_in_sorted_order(csv) -> None:
    rows = rows_of(**csv(missing="keep"))
    expected = [[1.5, 0, 1, 1], [np.nan, 1, 0, 0], [3.5, 0, 1, 1], [4.5, np.nan, np.nan, 0]]
    np.testing.assert_array_equal(rows.inputs, expected)  # size, Bern, Oslo, flag
    assert any("town" in line and "one-hot" in line for line in rows.report)


def test_text_columns_may_be_codes(csv) -> None:
    rows = rows_of(**csv(missing="keep", categorical="codes"))
    np.testing.assert_array_equal(rows.inputs[:, 1], [1, 0, 1, np.nan])


def test_dropping_leaves_out_rows_with_a_gap(csv) -> None:
    rows = rows_of(**csv(missing="drop"))
    assert rows.inputs.tolist() == [[1.5, 0, 1, 1], [3.5, 0, 1, 1]]
    assert rows.targets.ravel().tolist() == [10, 30]
    assert any("dropped 2 rows" in line for line in rows.report)


def test_means_fill_gaps_and_come_from_training_rows(csv) -> None:
    rows = rows_of(**csv(missing="mean", columns=["size"], validation_split=0.25))
    assert rows.inputs.ravel().tolist() == [1.5, 2.5, 3.5]
    text = TABLE.replace("4.5,,", ",Bern,")
    rows = rows_of(**csv(text, missing="mean", columns=["size"], validation_split=0.25))
    assert rows.val_inputs.ravel().tolist() == [2.5]


def test_missing_values_are_an_error_unless_told_otherwise(csv) -> None:
    with pytest.raises(InputError, match="line 3") as error:
        rows_of(**csv())
    assert all(word in str(error.value) for word in ("size", "drop", "mean", "keep", "data.missing"))


def test_columns_and_their_order_can_be_chosen(csv) -> None:
    rows = rows_of(**csv(columns=["flag", "price"], target="price"))
    assert rows.inputs.tolist() == [[1, 10], [0, 20], [1, 30], [0, 40]]


def test_parquet_files_give_the_rows_of_csv_files(csv, tmp_path: Path) -> None:
    import pandas as pd

    data = csv(missing="keep")
    pd.read_csv(data["path"]).to_parquet(tmp_path / "rows.parquet")
    other = rows_of(**data | {"kind": "parquet", "path": str(tmp_path / "rows.parquet")})
    np.testing.assert_array_equal(rows_of(**data).inputs, other.inputs)


def test_two_classes_are_one_column_and_three_are_one_hot(csv) -> None:
    two = csv("a,price\n1,yes\n2,no\n3,yes\n", target_kind="class")
    assert rows_of("sigmoid_cross_entropy", **two).targets.tolist() == [[1], [0], [1]]
    assert rows_of("softmax_cross_entropy", **two).targets.tolist() == [[0, 1], [1, 0], [0, 1]]
    three = csv("a,price\n1,7\n2,5\n3,9\n", target_kind="class")
    rows = rows_of("softmax_cross_entropy", **three)
    assert rows.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert rows.classes == ("5", "7", "9")
    assert "target price: 3 classes, one output each: 5, 7, 9" in rows.report


def test_labels_in_arrays_are_encoded_too(npz) -> None:
    x = np.arange(4.0)[:, None]
    rows = rows_of("softmax_cross_entropy", kind="npz", path=npz(x=x, y=["b", "a", "b", "c"]), target_kind="class")
    assert rows.targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert rows.classes == ("a", "b", "c")
    rows = rows_of("sigmoid_cross_entropy", kind="npz", path=npz(x=x, y=[7, 5, 7, 5]), target_kind="class")
    assert rows.targets.tolist() == [[1], [0], [1], [0]]
    assert rows.classes == ("5", "7")
    shares = np.array([[0.5, 0.5], [1, 0], [0, 1], [0.25, 0.75]])
    rows = rows_of("softmax_cross_entropy", kind="npz", path=npz(x=x, y=shares), target_kind="class")
    assert rows.targets.tolist() == shares.tolist()


@pytest.mark.parametrize(
    ("loss", "y", "said"),
    [
        ("softmax_cross_entropy", np.ones(4), "single output is always 1"),
        ("softmax_cross_entropy", np.ones((4, 2)), "the share of each class"),
        ("sigmoid_cross_entropy", np.arange(4.0), "from 0 to 1"),
    ],
)
def test_targets_that_a_cross_entropy_has_no_floor_for_are_refused(loss: str, y: np.ndarray, said: str, npz) -> None:
    with pytest.raises(InputError, match=said):
        rows_of(loss, kind="npz", path=npz(x=np.ones((4, 1)), y=y))


def test_true_and_false_stay_one_column_even_with_gaps(csv, tmp_path: Path) -> None:
    import pandas as pd

    data = csv("flag,price\nTrue,1\n,2\nFalse,3\n", missing="keep")
    rows = rows_of(**data)
    np.testing.assert_array_equal(rows.inputs.ravel(), [1, np.nan, 0])
    assert "flag: true and false as 1 and 0, 1 missing" in rows.report
    pd.DataFrame({"flag": pd.array([True, None, False], "boolean"), "price": [1, 2, 3]}).to_parquet(
        tmp_path / "b.parquet"
    )
    other = rows_of(**data | {"kind": "parquet", "path": str(tmp_path / "b.parquet")})
    np.testing.assert_array_equal(other.inputs, rows.inputs)


def test_parquet_has_kinds_of_its_own(tmp_path: Path) -> None:
    import datetime
    import decimal

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "amount": pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None]),
        "zip": pa.array(["0150", "3012", "0150"]).dictionary_encode(),
        "count": pa.array([1, None, 3], pa.int64()),
        "price": pa.array([1.0, 2.0, 3.0]),
    }
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    rows = rows_of(kind="parquet", path=str(tmp_path / "own.parquet"), target="price", missing="keep")
    np.testing.assert_array_equal(rows.inputs, [[1.5, 1, 0, 1], [2.25, 0, 1, np.nan], [np.nan, 1, 0, 3]])
    assert rows.features == ("amount", "zip=0150", "zip=3012", "count")
    odd = [
        ("numbers stored as text", pd.Series(["1", "2", "3"])),
        ("holds dates", pd.to_datetime(pd.Series(["2020-01-02", "2020-02-02", "2021-01-02"]))),
        ("holds dates", pd.Series([datetime.date(2020, 1, day) for day in (2, 3, 4)])),
        ("holds times", pd.to_timedelta(pd.Series([1, 2, 3]), unit="D")),
        ("holds times", pd.Series([datetime.time(hour) for hour in (2, 3, 4)])),
        ("holds bytes", pd.Series([b"a", b"b", b"a"])),
        ("holds lists of several lengths", pd.Series([[1], [2, 3], [3]])),
        ("holds an infinity in line 2", pd.Series([1.0, np.inf, np.inf])),
        (r"missing values in `odd` \(line 2, 2 in all\)", pd.Series([1.0, None, None])),
    ]
    for said, column in odd:
        pd.DataFrame({"odd": column, "price": [1, 2, 3]}).to_parquet(tmp_path / "odd.parquet")
        with pytest.raises(InputError, match=said) as error:
            rows_of(kind="parquet", path=str(tmp_path / "odd.parquet"), target="price")
        assert "mend:" in str(error.value)


def test_the_report_tells_each_column_its_filling_its_scaling_and_the_split(csv) -> None:
    text = "size,town,same,price\n1,Oslo,5,10\n,Bern,5,20\n3,Oslo,5,30\n100,Bern,5,40\n"
    rows = rows_of(**csv(text, missing="mean", scale_inputs="standard", scale_targets="maxabs", validation_split=0.25))
    report = "\n".join(rows.report)
    for said in (
        "size: number, 1 missing",
        "town: 2 categories one-hot: Bern, Oslo",
        "same: number, constant 5",
        "target price: number",
        "filled missing values with the mean of the 3 training rows: size 1 times 2",
        "scaled (standard, fitted on the 3 training rows): size (x − 2)",
        "same (x − 5) / 1",
        "scaled (maxabs, fitted on the 3 training rows): target price (x − 0) / 30",
        "4 rows: 3 train; the last 1 validate",
    ):
        assert said in report, report
    codes = "\n".join(rows_of(**csv(text, missing="mean", categorical="codes")).report)
    assert "town: 2 categories as codes: Bern = 0, Oslo = 1" in codes
    classes = rows_of("sigmoid_cross_entropy", **csv("a,price\n1,yes\n2,no\n", target_kind="class"))
    assert "target price: 2 classes, no = 0 and yes = 1" in classes.report


def test_the_report_counts_what_is_missing_whatever_the_encoding(csv) -> None:
    text = "size,town,price\n5,Oslo,10\n,Bern,20\n5,,30\n,Oslo,40\n"
    report = rows_of(**csv(text, missing="keep")).report
    assert "size: number, constant 5: it tells no rows apart, 2 missing" in report
    assert "town: 2 categories one-hot: Bern, Oslo, 1 missing" in report
    codes = rows_of(**csv(text, missing="keep", categorical="codes")).report
    assert "town: 2 categories as codes: Bern = 0, Oslo = 1, 1 missing" in codes
    filled = rows_of(**csv(text, missing="mean", columns=["size"], validation_split=0.25)).report
    assert "filled missing values with the mean of the 3 training rows: size 2 times 5" in filled
    assert "size: number" in rows_of(**csv("size,price\n5,10\n")).report  # one row alone is no constant


def test_a_long_list_names_its_first_twelve_and_their_number() -> None:
    letters = "abcdefghijklmn"
    assert listed(letters[:12]) == ", ".join(letters[:12])
    assert listed(letters) == f"{', '.join(letters[:12])}, … (14)"


@pytest.mark.parametrize(("different", "rows", "taken"), [(20, 30, True), (21, 30, False), (21, 42, True)])
def test_few_different_texts_are_categories_and_few_different_labels_are_classes(
    different: int, rows: int, taken: bool, csv
) -> None:
    texts = [f"word {index % different:02}" for index in range(rows)]
    as_input = csv("a,price\n" + "".join(f"{text},{index}\n" for index, text in enumerate(texts)))
    as_target = csv("a,price\n" + "".join(f"{index},{text}\n" for index, text in enumerate(texts)), target_kind="class")
    for loss, data in (("mse", as_input), ("softmax_cross_entropy", as_target)):
        if taken:
            made = rows_of(loss, **data)
            assert different in (made.inputs.shape[1], made.targets.shape[1])
        else:
            with pytest.raises(InputError, match=f"{different} different"):
                rows_of(loss, **data)


def test_a_few_dates_and_numbers_among_words_are_categories(csv) -> None:
    text = "when,much,rank,price\nsoon,low,1st,1\n2020-01-02,12%,2nd,2\nlate,high,3rd,3\n10:30,low,1st,4\n"
    rows = rows_of(**csv(text))
    assert rows.features == (
        *("when=10:30", "when=2020-01-02", "when=late", "when=soon"),
        *("much=12%", "much=high", "much=low", "rank=1st", "rank=2nd", "rank=3rd"),
    )


def test_what_is_predicted_for_is_encoded_as_its_column_is() -> None:
    town, codes = Source("town", ("Bern", "Oslo"), hot=True), Source("town", ("Bern", "Oslo"))
    assert (town.numbers("Bern"), codes.numbers("Oslo"), codes.numbers(1)) == ([1, 0], [1], [1])
    flag = Source("flag", ("false", "true"))
    assert [flag.numbers(value) for value in (True, False, "True", "false")] == [[1], [0], [1], [0]]
    assert Source("size").numbers("2.5") == [2.5]
    for source, value, said in (
        (town, "Rome", r"`Rome` is no category of town \(Bern or Oslo\)"),
        (town, 1, "`1` is no category of town"),
        (codes, "Rome", "`Rome` is no category of town"),
        (Source("size"), "big", "`big` is no number of size$"),
    ):
        with pytest.raises(ValueError, match=said):
            source.numbers(value)
    assert (
        str(Source("town", tuple("abcdefghijklmn")))
        == "town (a or b or c or d or e or f or g or h or i or j or k or l)"
    )


def test_a_column_of_true_and_false_is_predicted_for_by_these_words(csv) -> None:
    (flag,) = rows_of(**csv("flag,price\nTrue,1\nFalse,2\n")).sources
    assert (flag.numbers("true"), flag.numbers("false")) == ([1.0], [0.0])


def test_labels_that_are_numbers_are_ordered_and_called_as_numbers(csv, npz) -> None:
    rows = rows_of("sigmoid_cross_entropy", **csv("a,price\n1,10\n2,5\n3,\n", target_kind="class", missing="drop"))
    assert (rows.classes, rows.targets.tolist()) == (("5", "10"), [[1], [0]])
    tenths = {"x": np.ones((2, 1)), "y": np.array([0.2, 0.1], np.float32)}
    assert rows_of("sigmoid_cross_entropy", kind="npz", path=npz(**tenths), target_kind="class").classes == (
        "0.1",
        "0.2",
    )


def test_arrays_tell_their_classes_and_keep_what_they_are_told_to_keep(npz) -> None:
    x = np.array([[1.0], [np.inf]])
    kept = rows_of(kind="npz", path=npz(x=x, y=[np.nan, np.inf]), missing="keep")
    np.testing.assert_array_equal(kept.inputs, x)
    np.testing.assert_array_equal(kept.targets.ravel(), [np.nan, np.inf])
    assert rows_of(kind="npz", path=npz(x=np.ones((2, 1)), y=[True, False])).targets.tolist() == [[1], [0]]
    labels = {"kind": "npz", "path": npz(x=np.ones((2, 1)), y=["b", "a"]), "target_kind": "class"}
    assert "target y: 2 classes, a = 0 and b = 1" in rows_of("sigmoid_cross_entropy", **labels).report
    shares = {"kind": "npz", "path": npz(x=np.ones((2, 3)), y=np.eye(2)), "target_kind": "class"}
    assert rows_of("softmax_cross_entropy", **shares).classes == ("y[0]", "y[1]")
    assert rows_of("softmax_cross_entropy", **shares).features == ("x[0]", "x[1]", "x[2]")


def test_shares_of_classes_may_be_rounded_and_may_miss(npz) -> None:
    x = np.ones((2, 1))
    for y in (np.full((2, 3), 1 / 3, np.float32), np.array([[0.0, 1.0], [np.nan, 1.0]])):
        made = rows_of("softmax_cross_entropy", kind="npz", path=npz(x=x, y=y), missing="keep")
        np.testing.assert_array_equal(made.targets, y)
    with pytest.raises(InputError, match="the share of each class"):
        rows_of("softmax_cross_entropy", kind="npz", path=npz(x=x, y=[[0.5, 0.51], [0.5, 0.5]]))
    with pytest.raises(InputError, match="from 0 to 1"):
        rows_of("sigmoid_cross_entropy", kind="npz", path=npz(x=x, y=[-0.1, 0.5]))
    with pytest.raises(InputError, match="from 0 to 1"):
        rows_of("sigmoid_cross_entropy", kind="npz", path=npz(x=x, y=[1.1, 0.5]))


def test_every_output_is_scaled_and_told_and_classes_never_are(csv, npz) -> None:
    y = np.array([[1.0, 10.0], [3.0, 50.0]])
    rows = rows_of(kind="npz", path=npz(x=np.ones((2, 1)), y=y), scale_targets="minmax")
    assert rows.targets.tolist() == [[0, 0], [1, 1]]
    told = "scaled (minmax, fitted on the 2 training rows): target y (x − 1) / 2, target y (x − 10) / 40"
    assert told in rows.report
    labels = csv("a,price\n1,yes\n2,no\n3,yes\n", target_kind="class", scale_targets="standard")
    assert rows_of("sigmoid_cross_entropy", **labels).targets.tolist() == [[1], [0], [1]]


def test_a_column_without_a_value_stays_empty_under_scaling(csv) -> None:
    rows = rows_of(**csv("a,b,price\n,1,2\n,3,4\n", missing="keep", scale_inputs="standard"))
    np.testing.assert_array_equal(rows.inputs, [[np.nan, -1], [np.nan, 1]])


def test_rows_with_a_gap_in_any_input_or_in_the_target_are_dropped(csv) -> None:
    rows = rows_of(**csv("a,b,price\n1,2,3\n,5,6\n7,,9\n10,11,\n13,14,15\n", missing="drop"))
    assert (rows.inputs.tolist(), rows.targets.tolist()) == ([[1, 2], [13, 14]], [[3], [15]])
    assert "dropped 3 rows with missing values" in rows.report


def test_spaces_after_commas_belong_to_nothing(csv) -> None:
    rows = rows_of(**csv("town, price\nOslo, 1\nBern, 2\n"))
    assert rows.features == ("town=Bern", "town=Oslo")
    unnamed = rows_of(**csv(",,price\n1,2,3\n4,5,6\n"))
    assert unnamed.features == ("Unnamed: 0", "Unnamed: 1")
    assert rows_of(**csv("a;b,price\n1,2\n")).features == ("a;b",)


def test_rows_are_equal_where_every_number_and_every_name_is(csv, npz) -> None:
    x, y = np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.0, 3.0])

    def made(x: np.ndarray = x, y: np.ndarray = y, **data: Any) -> Rows:
        return rows_of(kind="npz", path=npz(x=x, y=y), scale_inputs="minmax", scale_targets="minmax", **data)

    one = made()
    assert (one, hash(one)) == (made(), hash(made()))
    doubled = made(2 * x)  # the same as trainings see it, but not in the units of the data
    assert doubled.inputs.tolist() == one.inputs.tolist()
    assert one not in (doubled, made(y=2 * y), made(x[:2], y[:2]))
    validated = [made(x * [[1], [1], [last]], validation_split=0.3) for last in (1, 2)]
    assert validated[0] != validated[1]
    named = [rows_of(**csv(f"{name},price\n1,2\n3,4\n")) for name in ("a", "b", "a")]
    assert named[0] == named[2] != named[1]
    kinds = [replace(one, **changed) for changed in ({}, {"features": ("z",)}, {"classes": ("z",)}, {"report": ("z",)})]
    kinds += [
        replace(one, sources=(Source("z"),)),
        replace(one, inputs=one.inputs.T),
        replace(one, targets=-one.targets),
    ]
    kinds += [replace(one, target_scaling=UNSCALED), replace(one, input_scaling=UNSCALED)]
    assert len({each.digest for each in kinds}) == len(kinds)
    assert kinds[0] == one


def test_the_report_counts_infinities_that_are_kept(csv) -> None:
    report = rows_of(**csv("a,price\n1,2\ninf,3\n,4\n", missing="keep")).report
    assert "a: number, 1 missing, 1 infinite" in report


def test_equal_settings_share_one_object_whatever_the_model() -> None:
    assert rows_of(kind="line", n=5) is rows_of("mae", kind="line", n=5)


FAULTS = {
    "stray text": ("a,price\n1,2\n2,3\nx7,4\n", {}, ["`a`", "line 4", "x7"]),
    "two stray texts": ("a,price\n1,2\nx7,3\ny8,4\n", {}, ["`a`", "line 3", "'x7'"]),
    "dates with hours": ("a,price\n2020-01-02 10:30,1\n2020-01-03T11:00,2\n", {}, ["`a`", "dates"]),
    "months in capitals": ("a,price\n3 JAN 2020,1\n14. MARCH 2020,2\n", {}, ["`a`", "dates"]),
    "times of an afternoon": ("a,price\n8:15 pm,1\n9:30:05PM,2\n", {}, ["`a`", "times"]),
    "mostly dates": ("a,price\n2020-01-02,1\n2020-01-03,2\nsoon,3\n", {}, ["`a`", "dates"]),
    "mostly per cent": ("a,price\n12%,1\n13%,2\nmuch,3\n", {}, ["`a`", "'12%'", "line 2"]),
    "an empty column to drop": ("a,b,price\n,1,1\n,2,2\n", {"missing": "drop"}, ["`a`", "empty", "data.columns"]),
    "an empty target": ("a,price\n1,\n2,\n", {"missing": "drop"}, ["`price`", "empty", "choose another target"]),
    "no mean": (
        "a,b,price\n1,,2\n2,,3\n3,,4\n4,9,5\n",
        {"missing": "mean", "validation_split": 0.25},
        ["column `b` has no value in any training row", "data.missing"],
    ),
    "text target": ("a,price\n1,low\n2,high\n", {}, ["`price`", "target", "class"]),
    "dates": ("a,price\n2020-01-02,1\n2020-01-03,2\n", {}, ["`a`", "dates"]),
    "dates of another country": ("a,price\n31.12.2020,1\n01.02.2021,2\n", {}, ["`a`", "dates", "days since"]),
    "months": ("a,price\nJan 2020,1\nFeb 2020,2\n", {}, ["`a`", "dates"]),
    "times": ("a,price\n12:30,1\n08:15,2\n", {}, ["`a`", "times", "seconds"]),
    "decimal commas": ('a,price\n"1,5",1\n"2,5",2\n"1,5",3\n', {}, ["`a`", "line 2", "'1,5'", "decimal point"]),
    "some decimal commas": ('a,price\n"1,5",1\n2,2\n"1,5",3\n', {}, ["`a`", "line 2", "'1,5'", "decimal point"]),
    "thousands": ('a,price\n"1,234",1\n"2,500",2\n', {}, ["`a`", "'1,234'", "plain numbers"]),
    "currency": ("a,price\n$12,1\n$15,2\n", {}, ["`a`", "'$12'"]),
    "per cent": ("a,price\n12%,1\n15 %,2\n", {}, ["`a`", "'12%'"]),
    "target with commas": ('a,price\n1,"1,5"\n2,"2,5"\n', {}, ["`price`", "'1,5'", "decimal point"]),
    "semicolons": ("a;price\n1,5;2\n2,5;3\n", {}, ["semicolons", "commas"]),
    "tabs": ("a\tprice\n1\t2\n", {}, ["tabs", "commas"]),
    "an empty column": ("a,b,price\n,1,1\n,2,2\n", {"missing": "mean"}, ["`a`", "empty", "data.columns"]),
    "too many classes": (
        "a,price\n" + "".join(f"{i},{i / 7}\n" for i in range(50)),
        {"target_kind": "class"},
        ["`price`", "50 different values", 'data.target_kind = "number"'],
    ),
    "free text": ("a,price\n" + "".join(f"word {i},1\n" for i in range(40)), {}, ["`a`", "40 different texts"]),
    "infinity": ("a,price\n1,2\ninf,3\n-inf,4\n", {}, ["`a`", "infinity", "line 3"]),
    "no rows": ("a,price\n", {}, ["no rows"]),
    "empty file": ("", {}, ["cannot be read as csv"]),
    "no input": ("price\n1\n2\n", {}, ["no input column"]),
    "unknown target": ("a,prize\n1,2\n", {}, ["data.target", "'price'", "a, prize", "did you mean `prize`?"]),
    "unknown column": ("size,price\n1,2\n", {"columns": ["sise"]}, ["data.columns", "'sise'", "did you mean `size`?"]),
    "single class": ("a,price\n1,2\n2,2\n", {"target_kind": "class"}, ["`price`", "single class"]),
    "mean of a target": ("a,price\n1,2\n2,\n", {"missing": "mean"}, ["`price`", "target", "misses 1 values", "drop"]),
    "all dropped": ("a,price\n,2\n2,\n", {"missing": "drop"}, ["no training rows"]),
    "no training rows": ("a,price\n1,2\n", {"validation_split": 0.9}, ["no training rows", "validation_split"]),
    "ragged": ("a,price\n1,2\n1,2,3,4\n", {}, ["line 3 has 4 values, the header 2", "quotes"]),
    "ragged of three": ("a,b,price\n1,2,3\n1,2,3,4\n", {}, ["line 3 has 4 values, the header 3", "quotes"]),
    "every row too long": ("a,price\n1,2,3\n1,2,3\n", {}, ["line 2 has 3 values, the header 2", "quotes"]),
    "equal names after a space": ("size, size,price\n1,2,3\n", {}, ["two columns are called size", "rename"]),
    "equal names": ("size,size,price\n1,2,3\n", {}, ["two columns are called size", "rename"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_that_cannot_be_trained_on_is_refused_with_its_place(fault: str, csv) -> None:
    text, settings, words = FAULTS[fault]
    data = csv(text, **settings)
    loss = "sigmoid_cross_entropy" if settings.get("target_kind") else "mse"
    with pytest.raises(InputError) as error:
        rows_of(loss, **data)
    message = str(error.value)
    assert all(word in message for word in (*words, data["path"])), message


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_a_table_in_another_encoding_is_told_to_be_saved_as_utf8(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("面积,房价\n1,2\n2,3\n".encode(encoding))
    with pytest.raises(InputError, match=r"CSV UTF-8") as error:
        rows_of(kind="csv", path=str(path), target="房价")
    assert str(path) in str(error.value)
    path.write_bytes("面积,房价\n1,2\n2,3\n".encode("utf-8-sig"))
    assert rows_of(kind="csv", path=str(path), target="房价").features == ("面积",)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text(TABLE)
    with pytest.raises(InputError, match=r"data\.path: no such file[\s\S]*did you mean `houses\.csv`"):
        rows_of(kind="csv", path=str(tmp_path / "house.csv"), target="price")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones((3, 1))}, "needs the arrays `x` and `y`"),
        ({"x": np.ones((3, 1)), "y": np.ones(4)}, r"\(3, 1\).*\(4,\)"),
        ({"x": np.ones(3), "y": np.ones(3)}, "do not fit"),
        ({"x": np.ones((1, 1)), "y": np.ones((1, 1, 1))}, "do not fit"),
        ({"x": np.ones((1, 1)), "y": np.float64(1)}, "do not fit"),
        ({"x": np.ones((2, 1)), "y": np.array(["a", "b"])}, r'`y` holds no numbers[\s\S]*target_kind = "class"'),
        ({"x": np.ones((2, 1)), "y": np.array([1.0, np.nan])}, "missing values in `y`"),
        ({"x": np.ones((2, 1)), "y": np.array([1.0, -np.inf])}, "`y` holds an infinity"),
        ({"x": np.array([[1.0], [np.nan]]), "y": np.ones(2)}, "missing values"),
        ({"x": np.array([[1.0], ["a"]], object), "y": np.ones(2)}, "npz"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict, said: str, npz) -> None:
    with pytest.raises(InputError, match=said):
        rows_of(kind="npz", path=npz(**arrays))


def test_a_blank_line_counts_as_a_line_of_the_file(csv) -> None:
    with pytest.raises(InputError, match="line 4"):
        rows_of(**csv("a,price\n\n1,2\nx,3\n"))


def test_a_class_label_has_no_mean(csv) -> None:
    with pytest.raises(InputError, match="price"):
        rows_of("sigmoid_cross_entropy", **csv("a,price\n1,yes\n2,no\n3,\n", target_kind="class", missing="mean"))


def test_an_array_target_has_no_mean_either(npz) -> None:
    with pytest.raises(InputError, match="y"):
        rows_of(kind="npz", path=npz(x=np.ones((2, 1)), y=[1.0, np.nan]), missing="mean")


def test_an_infinity_in_an_array_is_refused_as_in_a_table(npz) -> None:
    with pytest.raises(InputError, match="infinity"):
        rows_of(kind="npz", path=npz(x=[[1.0], [np.inf]], y=[1.0, 2.0]))
