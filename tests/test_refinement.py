"""Points near a change are asked for, the others filled in: held against planes that are known."""

import numpy as np
import pytest

from nanmap.analysis.boxes import box_counts, dimensions
from nanmap.analysis.refinement import UNKNOWN, Filled, first_stride, lines, refine

SIZE = 257


def look(plane: np.ndarray, stride: int = 16, numbers: np.ndarray | None = None, tolerance: float = np.inf) -> Filled:
    """What is found of planes `[planes, rows, columns]`; each point is asked for at most once."""
    seen = np.zeros(plane.size, int)
    known = np.zeros(plane.shape) if numbers is None else numbers

    def ask(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen[places] += 1
        return plane.reshape(-1)[places], known.reshape(-1)[places]

    found = refine(plane.shape, stride, np.ones(len(plane), bool), ask, tolerance)
    assert seen.max() == 1
    assert (seen == found.asked.reshape(-1)).all()
    assert (found.labels[found.asked] == plane[found.asked]).all()
    return found


def points(size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.meshgrid(*[np.linspace(-1, 1, size)] * 2, indexing="ij"))


@pytest.mark.parametrize("case", ["a line", "a disc", "a thin ring", "a wave"])
def test_a_smooth_border_is_found_exactly(case: str) -> None:
    y, x = points()
    plane = {
        "a line": y > 0.37 * x + 0.1,
        "a disc": np.hypot(x, y) < 0.7,
        "a thin ring": np.abs(np.hypot(x, y) - 0.7) < 0.02,
        "a wave": y > 0.3 * np.sin(6 * x),
    }[case][None].astype(int)
    found = look(plane)
    assert (found.labels == plane).all()
    assert found.asked.mean() < 0.25


def test_one_label_asks_for_the_first_mesh_alone() -> None:
    found = look(np.zeros((2, SIZE, SIZE), int))
    assert found.asked.sum() == 2 * 17 * 17
    assert (found.labels == 0).all()


def test_what_lies_within_a_block_is_missed_and_nothing_else() -> None:
    plane = np.zeros((1, SIZE, SIZE), int)
    plane[0, 20:24, 20:24] = 1
    assert (look(plane).labels == 0).all()
    plane[0, 32, 32] = 1  # on the first mesh: all of it is found
    plane[0, 20:33, 20:33] = 1
    assert (look(plane).labels == plane).all()


def test_a_tongue_that_enters_along_what_was_filled_in_is_followed() -> None:
    plane = np.zeros((1, SIZE, SIZE), int)
    plane[0, :, 200:] = 1
    plane[0, 103:107, 40:] = 1  # four pixels wide, between the lines of the first meshes
    assert (look(plane).labels == plane).all()


def test_every_plane_is_looked_at_by_itself_and_some_not_at_all() -> None:
    y, x = points(65)
    planes = np.stack([(y > 0).astype(int), (x > 0.2).astype(int), np.zeros_like(x, int)])
    asked = []

    def ask(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(places)
        return planes.reshape(-1)[places], np.zeros(len(places))

    found = refine(planes.shape, 8, np.array([True, False, True]), ask)
    assert (found.labels[[0, 2]] == planes[[0, 2]]).all()
    assert (found.labels[1] == UNKNOWN).all()
    assert not found.asked[1].any()


def test_a_number_beyond_the_tolerance_is_a_change() -> None:
    y, _ = points()
    height = np.where(y > 0, 1.0, 0.0)[None]
    same = np.zeros(height.shape, int)
    assert look(same).asked.sum() == 17 * 17
    found = look(same, numbers=height, tolerance=0.5)
    assert found.asked[0, 127:130].all()
    assert look(same, numbers=height, tolerance=1.5).asked.sum() == 17 * 17


@pytest.mark.parametrize(("rows", "columns", "stride"), [(2, 2, 1), (3, 257, 2), (100, 37, 8), (17, 16, 4)])
def test_sides_of_any_length(rows: int, columns: int, stride: int) -> None:
    plane = (np.add.outer(np.arange(rows) / rows, np.arange(columns) / columns) > 1)[None].astype(int)
    found = look(plane, stride)
    assert (found.labels == plane).all()


def test_a_mesh_has_the_lines_that_are_wanted() -> None:
    assert first_stride((257, 257), (17, 17)) == 16
    assert first_stride((257, 257), (257, 17)) == 1
    assert first_stride((5, 5), (2, 2)) == 4
    assert lines(5, 4).tolist() == [0, 4]


def test_boxes_tell_the_dimension_of_borders_that_are_known() -> None:
    i, j = np.indices((128, 128))
    cases = {
        "a line": (j > i, 1.0),
        "a chessboard": ((i + j) % 2 == 0, 2.0),
        "Sierpiński's triangle": (i & j == 0, np.log2(3)),
    }
    for plane, dimension in cases.values():
        _, counts = box_counts(plane)
        np.testing.assert_allclose(dimensions(counts), dimension)
    assert box_counts(np.zeros((9, 5), int))[1].tolist() == [0]
    assert box_counts(np.where(i < 64, 3, 7))[1].tolist() == [0] * 6  # along the sides of boxes
