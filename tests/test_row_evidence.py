"""What an answer says of the rows themselves, on columns of which it is known what is wrong with them."""

from typing import Any

import numpy as np
import pytest

from nanmap.data import Rows
from nanmap.diagnosis.row_evidence import far_off

NONE = np.zeros((0, 1))
SMOOTH = np.linspace(3, 30, 200)


def rows_of(column: np.ndarray, target: np.ndarray = SMOOTH, **more: Any) -> Rows:
    return Rows(column[:, None], target[:, None], NONE, NONE, features=("heat",), **more)


def with_values(places: Any, value: Any) -> np.ndarray:
    column = SMOOTH.copy()
    column[places] = value
    return column


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (with_values([4], 1e6), "heat is 1e+06 in row 5, and from 3 to 30 elsewhere: if that is a slip"),
        (with_values([4, 9], [1e6, -2e6]), "heat is -2e+06 in row 10, and as far off in 1 more"),
        (with_values(slice(0, 40), -999), "heat is -999 in 40 rows, and from 8.427 to 30 in all others"),
        (with_values([7, 8], [np.nan, np.inf]), None),
        (with_values(slice(0, 100), -999), None),  # half of the rows: no exception
        (with_values([3, 4], 60), None),  # farther than any other, but not by far
        (np.where(SMOOTH > 29, 1.0, 0.0), None),  # yes or no
        (np.exp(4 * np.random.default_rng(0).normal(size=200)), None),  # heavy tails are no slips
        (np.full(200, np.nan), None),
    ],
)
def test_numbers_that_are_far_from_all_others_are_told(column: np.ndarray, told: str | None) -> None:
    sentences = [each.sentence for each in far_off(rows_of(column))]
    assert len(sentences) == (told is not None)
    assert all(sentence.startswith(str(told)) for sentence in sentences)


def test_a_slip_in_the_target_is_told_but_not_in_classes() -> None:
    slipped = with_values([0], 1e9)
    assert [each.figures["row"] for each in far_off(rows_of(SMOOTH, slipped))] == [1]
    assert list(far_off(rows_of(SMOOTH, slipped, classes=("a", "b")))) == []
