"""The grammar of `where`: comparisons are understood, nothing is ever evaluated."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanmap.errors import InputError
from nanmap.grid.where import parse_where
from nanmap.plan import make_sweep

COLUMNS: dict[str, np.ndarray] = {
    "n": np.array([1, 5, 10, 20]),
    "rate": np.array([-0.1, 0.0, 1e-3, 1.0]),
    "init": np.array(["zeros", "ones", "he_normal", "it's"], object),
    "bias": np.array([True, False, True, False]),
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("n < 10", [True, True, False, False]),
        ("10 <= n", [False, False, True, True]),
        ("rate == 0.001 or n != 1", [False, True, True, True]),
        ("1 < n <= 10", [False, True, True, False]),
        ("n > 1 > rate", [False, True, True, False]),
        ("rate > -0.05", [False, True, True, True]),
        ("not n > 5 and bias == true", [True, False, False, False]),
        ("init in ['zeros', \"it's\"]", [True, False, False, True]),
        ("init not in ('zeros', 'ones')", [False, False, True, True]),
        ("n in [1, 20] or (init == 'ones' and not bias == true)", [True, True, False, True]),
        ("n == 5 or n == 10 or n == 20", [False, True, True, True]),
        ("rate < n", [True, True, True, True]),
        ("  bias == false ", [False, True, False, True]),
        ("rate in [-0.1, 1]", [True, False, False, True]),
    ],
)
def test_comparisons_keep_what_they_say(text: str, kept: list[bool]) -> None:
    assert parse_where(text, COLUMNS)(COLUMNS).tolist() == kept


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "n > __import__('os').getpid()",
        "(lambda: 1)() == n",
        "n.__class__ == 1",
        "[x for x in (1, 2)] == n",
        "n == init[0]",
        "n == {1: 2}",
        "f'{n}' == init",
        "n ** 99999999 > 1",
        "n + 1 > 2",
        "(n := 3) > 2",
        "n if bias else rate",
        "n is 3",
        "print",
        "n",
        "True",
        "n > ...",
        "n > b'x'",
        "n > 1j",
        "n > None",
        "-init == 'x'",
        "n in init",
        "n in [1] in [2]",
        "n in [1, -'x']",
        "exec('1') == n",
        "n >",
        "",
        "n > 1; n < 2",
        "(" * 500 + "n" + ")" * 500,
        "n > 1\x00",
    ],
)
def test_what_is_no_comparison_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(InputError, match="where"):
        parse_where(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "problem", "mend"),
    [
        ("n > > 1", "not understood at column 5", None),
        ("  n > > 1", "not understood at column 7", None),
        ("n > 1)", "not understood at column 6", None),
        ("n >   ", "breaks off", None),
        ("n == 1 and", "breaks off", None),
        ("n = 1", "not understood at column ", "`==` compares"),
        ("n == 1 and rate = 1", "not understood at column ", "`==` compares"),
        ("(n > 1) & (n < 9)", "`(n > 1) & (n < 9)` is no comparison", "`and` and `or` join comparisons"),
        ("(n > 1) | (n < 9)", "`(n > 1) | (n < 9)` is no comparison", "`and` and `or` join comparisons"),
    ],
)
def test_what_is_not_understood_is_told_by_its_column_and_with_its_mend(
    text: str, problem: str, mend: str | None
) -> None:
    with pytest.raises(InputError) as caught:
        parse_where(text, COLUMNS)
    assert caught.value.problem.startswith(problem)
    assert caught.value.mend == mend


@pytest.mark.parametrize("text", ["n in [1, 'a']", "init in ['a', 1]", "n not in ['a']", "1 < n < 'a'"])
def test_one_constant_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="compares a number with a text"):
        parse_where(text, COLUMNS)(COLUMNS)


def test_a_column_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"rats[\s\S]*n, rate, init, bias[\s\S]*did you mean `rate`"):
        parse_where("rats > 1", COLUMNS)


def test_a_number_against_a_text_is_refused_before_anything_runs() -> None:
    tree: dict[str, Any] = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    with pytest.raises(InputError, match="compares a number with a text"):
        make_sweep(tree, [{"key": "model.init", "values": ["zeros"]}], where="init > 3")


NUMBERS = st.sampled_from([-1, 0, 1, 5, 10, 0.001])
TEXTS = st.recursive(
    st.builds(
        "{} {} {}".format, st.sampled_from(["n", "rate"]), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS
    ),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | st.builds("not {}".format, inner)
    ),
    max_leaves=6,
)


@given(TEXTS)
def test_any_condition_agrees_with_python_row_by_row(text: str) -> None:
    expected = [
        bool(eval(text, {}, {"n": n, "rate": r}))
        for n, r in zip(COLUMNS["n"].tolist(), COLUMNS["rate"].tolist(), strict=True)
    ]
    assert parse_where(text, COLUMNS)(COLUMNS).tolist() == expected


def test_a_condition_without_a_column_keeps_all_cells_or_none() -> None:
    tree: dict[str, Any] = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    grid = make_sweep(tree, [{"key": "training.seed", "values": [1, 2, 3]}], where="1 < 2").grid
    assert grid.kept(0, 3).numbers.tolist() == [0, 1, 2]


def test_cells_that_stay_keep_their_numbers() -> None:
    tree: dict[str, Any] = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    grid = make_sweep(tree, [{"key": "data.n", "values": [9, 5, 8, 4]}], where="n > 5").grid
    cells = grid.kept(1, 4)
    assert (cells.numbers.tolist(), cells.columns()["n"].tolist()) == ([2], [8])
    assert [kept.numbers.tolist() for kept in grid.chunks()] == [[0, 2]]
