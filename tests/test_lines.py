"""Lines: the median run and the band are those of the rows, and what is no number has its mark and its count."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from handmade import BATCH, RATE, SEED, write_run
from nanmap.analysis import Kind
from nanmap.errors import InputError
from nanmap.plot import draw
from nanmap.plot.line_styles import DASHES, MARKERS, SHAPES
from nanmap.plot.theme import THEMES
from nanmap.plot.value_axis import ValueAxis
from nanmap.results.columns import column_named
from nanmap.results.folder import RunFolder
from pictures import collide, head_of, legend_of, written

NAN, INF = np.nan, np.inf
NINE = {"key": "training.seed", "range": [0, 9]}
RATES = np.geomspace(1e-3, 10, 5)


def drawn(folder: RunFolder, **options: Any) -> Figure:
    return draw(folder, "lines", y=None, **{"x": "learning_rate", **options})


def lines_of(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places and values of each line."""
    found = [line for line in axes.lines if line.get_marker() in MARKERS and line.get_linestyle() != "None"]
    return [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in found]


def marks_of(axes: Axes) -> dict[str, list[list[float]]]:
    """By kind of mark where they stand, for each line that has some."""
    names = {shape: str(getattr(kind, "name", kind)) for kind, shape in SHAPES.items()}
    found: dict[str, list[list[float]]] = {}
    for line in axes.lines:
        if line.get_marker() in names:
            found.setdefault(names[line.get_marker()], []).append(np.asarray(line.get_xdata(), float).tolist())
    return found


def losses(rows: int = 3 * 5 * 9) -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=rows)


class TestNumbers:
    def test_no_band_stands_where_the_median_run_is_no_number(self, tmp_path: Path):
        """Nine runs a rate: five of them NaN at the first two rates, four at the others."""
        values = losses(5 * 9).reshape(5, 9)
        values[:2, :5], values[2:, :4] = NAN, NAN
        folder = write_run(tmp_path, [{**BATCH, "values": [1]}, RATE, NINE], {"loss_final": values.ravel()})
        (axes,) = drawn(folder).axes
        (band,) = [each for each in axes.collections if not isinstance(each, LineCollection)]
        places = {float(x) for path in band.get_paths() for x, _ in path.vertices}
        assert {float(f"{x:.4g}") for x in places} == {float(f"{x:.4g}") for x in RATES[2:]}

    def test_a_line_goes_through_the_medians_and_the_band_from_10_to_90_percent(self, tmp_path: Path):
        values = losses()
        figure = drawn(write_run(tmp_path, [BATCH, RATE, NINE], {"loss_final": values}), lines="batch_size")
        (axes,) = figure.axes
        cells = values.reshape(3, 5, 9)
        for number, (places, middle) in enumerate(lines_of(axes)):
            np.testing.assert_allclose(places, RATES)
            np.testing.assert_allclose(middle, np.median(cells[number], axis=1))
            band = axes.collections[number].get_paths()[0].vertices
            for place, low, high in zip(RATES, *np.quantile(cells[number], [0.1, 0.9], axis=1), strict=True):
                here = band[np.isclose(band[:, 0], place), 1]
                np.testing.assert_allclose([here.min(), here.max()], [low, high])
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert "line: the median run; band: 10\u00a0% to 90\u00a0% of the runs" in head_of(figure)
        assert legend_of(figure) == ["1", "4", "32", "10\u00a0% to 90\u00a0% of the runs"]

    def test_one_line_without_a_band(self, tmp_path: Path):
        figure = drawn(write_run(tmp_path, [RATE], {"loss_final": np.arange(1.0, 6)}))
        ((_, values),) = lines_of(figure.axes[0])
        np.testing.assert_array_equal(values, np.arange(1.0, 6))
        assert not figure.axes[0].collections
        assert "1 training per point" in head_of(figure)
        assert not legend_of(figure)

    def test_an_axis_of_names_has_points_and_no_line_between_them(self, tmp_path: Path):
        starts = {"key": "model.init", "values": ["zeros", "normal", "ones"]}
        figure = drawn(write_run(tmp_path, [starts, SEED], {"loss_final": losses(12)}), x="init")
        (axes,) = figure.axes
        assert not lines_of(axes)
        assert isinstance(axes.collections[0], LineCollection)
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["zeros", "normal", "ones"]

    def test_values_that_diverge_leave_the_picture_and_are_marked(self, tmp_path: Path):
        facts = {
            "loss_final": np.array([1e-4, 1e-2, 1.0, 1e21, 1e30]),
            "outcome": np.array(["converged"] * 3 + ["diverged"] * 2, object),
        }
        (axes,) = drawn(write_run(tmp_path, [RATE], facts)).axes
        assert axes.get_ylim()[0] < 1e-4
        assert 1 < axes.get_ylim()[1] < 10
        assert marks_of(axes) == {"above": [pytest.approx(RATES[3:])]}

    def test_the_marks_of_two_lines_do_not_cover_each_other(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE], {"loss_final": np.tile([1e-9, 1.0, 1.0, 1e9, 1.0], 3)})
        (axes,) = drawn(folder, lines="batch_size", limits=(1e-3, 10)).axes
        for end in ("above", "below"):
            marks = [line for line in axes.lines if line.get_marker() == SHAPES[end]]
            heights = [line.get_transform().transform(line.get_xydata())[0, 1] for line in marks]
            assert len(marks) == 3
            assert heights == sorted(heights, reverse=True)
            assert np.diff(heights).max() < -10

    def test_limits_as_asked_for(self, tmp_path: Path):
        folder = write_run(tmp_path, [RATE], {"loss_final": np.geomspace(1e-4, 1, 5)})
        (axes,) = drawn(folder, limits=(1e-3, 1e-1)).axes
        assert axes.get_ylim() == (1e-3, 1e-1)
        assert marks_of(axes) == {"above": [pytest.approx(RATES[4:])], "below": [pytest.approx(RATES[:1])]}


class TestNoNumbers:
    def test_a_median_that_is_nan_or_infinite_is_a_mark_in_its_lines_row(self, tmp_path: Path):
        values = np.ones((3, 5, 4))
        values[0, 3], values[0, 4] = INF, NAN
        values[2, 4] = NAN
        figure = drawn(write_run(tmp_path, [BATCH, RATE, SEED], {"loss_final": values.ravel()}), lines="batch_size")
        (axes,) = figure.axes
        assert marks_of(axes) == {"INF": [[pytest.approx(1)]], "NAN": [[pytest.approx(10)], [pytest.approx(10)]]}
        assert legend_of(figure)[-2:] == ["infinite: 4 trainings · 7 %", "NaN: 8 trainings · 13 %"]
        top = axes.get_window_extent().y1
        rows = [line.get_window_extent().y0 for line in axes.lines if line.get_marker() in SHAPES.values()]
        assert min(rows) > top - 1
        assert len(set(rows)) > 1  # one above the other
        np.testing.assert_array_equal(np.isnan(lines_of(axes)[0][1]), [False, False, False, True, True])

    def test_a_nan_in_no_median_is_counted_and_opens_the_band(self, tmp_path: Path):
        values = np.ones((5, 9))
        values[2, 0] = NAN
        values[3, :3] = NAN
        figure = drawn(write_run(tmp_path, [RATE, NINE], {"loss_final": values.ravel()}))
        (axes,) = figure.axes
        assert not marks_of(axes)
        assert "NaN: 4 trainings · 9 %" in legend_of(figure)
        assert "with “NaN” ranked last" in head_of(figure)
        band = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
        reach = [band[np.isclose(band[:, 0], place), 1].max() for place in RATES]
        assert [each > axes.get_ylim()[1] for each in reach] == [False, False, True, True, False]

    def test_a_number_between_two_holes_is_seen(self, tmp_path: Path):
        rates = {"key": "optimizer.learning_rate", "log": [1e-3, 10.0], "num": 50}
        values = np.full(50, NAN)
        values[31] = 2.0
        (axes,) = drawn(write_run(tmp_path, [rates], {"loss_final": values}, shard_cells=50)).axes
        alone = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() in MARKERS]
        assert [line.get_ydata().tolist() for line in alone] == [[2.0]]

    def test_a_skill_that_is_missing_is_told_with_its_outcome(self, tmp_path: Path):
        facts = {
            "skill": np.array([0.9, 0.5, -70.0, NAN, NAN]),
            "outcome": np.array(["converged", "stalled", "diverged", "inf", "nan"], object),
        }
        (axes,) = drawn(write_run(tmp_path, [RATE], facts), value="skill").axes
        assert marks_of(axes) == {
            "below": [[pytest.approx(0.1)]],
            "INF": [[pytest.approx(1)]],
            "NAN": [[pytest.approx(10)]],
        }

    @pytest.mark.parametrize(("first", "scale", "low"), [(3, "log", 1), (0, "symlog", 0)])
    def test_an_event_that_never_came_is_marked_and_ranked_first(
        self, tmp_path: Path, first: int, scale: str, low: float
    ):
        steps = np.array([[-1] * 4, [-1, -1, -1, 40], [-1, 90, 90, 90], [20] * 4, [first] * 4])
        figure = drawn(write_run(tmp_path, [RATE, SEED], {"first_nan_step": steps.ravel()}), value="first_nan_step")
        (axes,) = figure.axes
        assert marks_of(axes) == {"MISSING": [pytest.approx(RATES[:2])]}
        assert "with “never” ranked first" in head_of(figure)
        assert "never: 8 trainings · 40 %" in legend_of(figure)
        assert axes.get_yscale() == scale
        assert low <= axes.get_ylim()[0] <= first


class TestLook:
    def test_lines_differ_in_more_than_colour(self, tmp_path: Path):
        assert len(set(MARKERS)) == len(set(DASHES)) == len(THEMES["light"].series) == len(THEMES["dark"].series)
        batches = {"key": "training.batch_size", "values": list(range(1, 9))}
        (axes,) = drawn(write_run(tmp_path, [batches, RATE], {"loss_final": 1.0}), lines="batch_size").axes
        assert len({line.get_marker() for line in axes.lines}) == 8
        assert len({str(line._dash_pattern) for line in axes.lines}) == 8

    @pytest.mark.parametrize("options", [{}, {"width": "3.4in", "font_size": 8, "theme": "dark"}])
    def test_no_text_covers_another(self, tmp_path: Path, options: dict[str, Any]):
        values = np.random.default_rng(1).choice([1e-3, 1.0, 1e9, NAN, INF], 60)
        figure = drawn(write_run(tmp_path, [BATCH, RATE, SEED], {"loss_final": values}), lines="batch_size", **options)
        boxes = written(figure)
        width, height = figure.bbox.size
        assert not [text for text, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0]
        assert not [(a[0].get_text(), b[0].get_text()) for a, b in combinations(boxes, 2) if collide(a, b)]
        if options:
            assert figure.get_size_inches()[0] == 3.4


@pytest.mark.parametrize(
    ("options", "problem", "mend"),
    [
        ({"lines": "batchsize"}, "lines: no such axis (got 'batchsize')", "did you mean `batch_size`?"),
        ({"lines": "learning_rate"}, "lines: is x already", "allowed: batch_size, seed"),
        ({"lines": "seed"}, "lines: 12 lines cannot be told apart (got 'seed')", "--select seed=[…]"),
        ({"value": "outcome"}, "value: is no number that a line could follow (got 'outcome')", "value=loss_final"),
        ({"value": "loss"}, "value: cannot be drawn (got 'loss')", "loss_final"),
        ({"y": "batch_size"}, "y: the value goes up the side of lines (got 'batch_size')", "lines=batch_size"),
        ({"facet": "seed"}, "facet: is for the other kind of picture (got 'seed')", "choose rows with select"),
        ({"facet": 3}, "facet: is for the other kind of picture (got 3)", "choose rows with select"),
        ({"cmap": "viridis"}, "cmap: is for the other kind of picture", "colours of their own"),
        ({"limits": (0, 1)}, "limits: `loss_final` goes by its logarithm", ""),
        ({"kind": "line"}, "kind: no such kind of picture (got 'line')", "did you mean `lines`?"),
        ({"kind": "map", "y": "seed", "lines": "batch_size"}, "lines: is for the other kind of picture", "facets"),
        ({"kind": "map"}, "y: a map needs a vertical axis", 'kind "lines"'),
    ],
)
def test_mistakes_are_told_with_their_mend(tmp_path: Path, options: dict[str, Any], problem: str, mend: str) -> None:
    twelve = {"key": "training.seed", "range": [0, 12]}
    folder = write_run(tmp_path, [BATCH, RATE, twelve], {"loss_final": 1.0}, shard_cells=180)
    given = {"kind": "lines", "x": "learning_rate", "y": None, **options}
    with pytest.raises(InputError) as caught:
        draw(folder, given.pop("kind"), **given)
    assert problem in str(caught.value)
    assert mend in str(caught.value)


def test_a_band_reaches_to_the_good_end_where_an_event_never_came_and_to_the_bad_one_where_a_number_is_missing() -> (
    None
):
    axis = ValueAxis("linear", 0.0, 10.0)  # a panel's height beyond either end
    some = SimpleNamespace(kinds=np.array([Kind.NUMBER, Kind.NUMBER]), values=np.array([4.0, 6.0]))
    none = SimpleNamespace(kinds=np.array([Kind.MISSING, Kind.NUMBER]), values=np.array([np.nan, 8.0]))
    low, high = axis.band(none, some, column_named("first_nan_step"))
    assert (low.tolist(), high.tolist()) == ([4.0, 6.0], [20.0, 8.0]), "late is good, never is best"
    low, high = axis.band(some, none, column_named("skill"))
    assert (low.tolist(), high.tolist()) == ([-10.0, 6.0], [4.0, 8.0])


@pytest.mark.parametrize(
    "values",
    [[1e-6, 1.0, 1e10, 1e100, 1e280], [1e100, 1e150, 1e200, 1e250, 1e300], [1e-300, 1e-290, 1.0, 1e290, 1.7e308]],
)
@pytest.mark.parametrize("column", ["loss_final", "sharpness"])
@pytest.mark.parametrize("kind", ["map", "lines"])
def test_numbers_at_the_ends_of_what_floats_hold_are_drawn(kind: str, column: str, values: list[float], tmp_path: Path):
    axes = [{**BATCH, "values": [1]}, {**RATE, "num": 5}]
    folder = write_run(tmp_path, axes, {column: np.array(values), "outcome": np.full(5, "diverged")})
    figure = draw(folder, kind, x="learning_rate", y="batch_size" if kind == "map" else None, value=column)
    figure.savefig(tmp_path / "picture.png")


@pytest.mark.parametrize("limits", [(1e-6, 1e300), (1e-290, 1.0)])
def test_limits_that_cannot_be_drawn_are_refused(limits: tuple[float, float], tmp_path: Path):
    folder = write_run(tmp_path, [BATCH, RATE], {"loss_final": losses()[: 3 * 5]})
    with pytest.raises(InputError, match="from 1e-100 to 1e"):
        draw(folder, "map", x="learning_rate", y="batch_size", value="loss_final", limits=limits)
