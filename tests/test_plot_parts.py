"""The parts of a picture, each by itself: where pixels end, what ticks are called, which colours numbers have."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import LogNorm, SymLogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import IdentityTransform

from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import Kind, Numbers, Shown, View, load_grid, make_view
from nanmap.errors import InputError
from nanmap.plan import make_sweep
from nanmap.plot import kinds
from nanmap.plot.canvas import MeasuringCanvas
from nanmap.plot.colormaps import checked_limits, find_colormap, make_colouring
from nanmap.plot.coordinates import borders, centres, coordinate, from_scale, to_scale
from nanmap.plot.curves import Curve, find_curves
from nanmap.plot.figure import _draw_curve, _panels, _room, draw_map
from nanmap.plot.files import checked, write
from nanmap.plot.labels import label_of, text_width, wrapped
from nanmap.plot.layout import Panels, Sheet, panel_height
from nanmap.plot.legend import (
    CORE,
    HANDLE,
    TINT,
    CoreHandler,
    CorePatch,
    _columns,
    line_of,
    make_legend,
    place_handles,
    points_of,
    tell_tint,
)
from nanmap.plot.legend import GAP as COLUMN_GAP
from nanmap.plot.line_styles import marks_of, style_of
from nanmap.plot.names import name_axis
from nanmap.plot.paint import alive_pixels, checked_column, paint
from nanmap.plot.paint_numbers import describe_kinds, describe_rank, paint_numbers
from nanmap.plot.painted import Painting, extension
from nanmap.plot.paper import make_paper
from nanmap.plot.runner_up import expand
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import SEQUENTIAL, THEMES, to_bytes
from nanmap.plot.ticks import GAP, SIZE, fit_labels, set_up
from nanmap.plot.ticks import LINE as LINE_HEIGHT
from nanmap.plot.value_axis import ValueAxis, make_value_axis
from nanmap.plot.words import (
    describe_budget,
    describe_excluded,
    describe_fixed,
    describe_judgement,
    describe_map,
    describe_shared,
    describe_training,
    panel_title,
    percent,
)
from nanmap.results.columns import COLUMNS, JUDGED_BY_DATA, column_named
from nanmap.results.folder import RunFolder
from pictures import small_ticks

NAN, INF = np.nan, np.inf


def shown(scale: str, *labels: Any) -> Shown:
    """An axis that shows these labels."""
    kind = object if isinstance(labels[0], str) else None
    axis: Any = SimpleNamespace(labels=np.array(labels, kind), column="x")
    return Shown(axis, np.arange(len(labels)), scale)


class TestCoordinates:
    @pytest.mark.parametrize(
        ("axis", "ends"),
        [
            (shown("values", "a", "b", "c"), [-0.5, 0.5, 1.5, 2.5]),
            (shown("values", 7, 1), [-0.5, 0.5, 1.5]),
            (shown("linear", 1, 2, 3), [0.5, 1.5, 2.5, 3.5]),
            (shown("linear", 0.0, 1.0, 3.0), [-0.5, 0.5, 2.0, 4.0]),
            (shown("log", 1.0, 100.0), [0.1, 10.0, 1000.0]),
            (shown("log", -100.0, -1.0), [-1000.0, -10.0, -0.1]),
        ],
    )
    def test_pixels_end_halfway_and_as_far_outside(self, axis: Shown, ends: list[float]):
        np.testing.assert_allclose(borders(axis), ends)
        assert len(centres(axis)) == len(axis)
        assert ((borders(axis)[:-1] < centres(axis)) & (centres(axis) < borders(axis)[1:])).all()
        np.testing.assert_allclose(from_scale(axis, to_scale(axis, borders(axis))), ends)

    @pytest.mark.parametrize(
        ("axis", "values", "places"),
        [
            (shown("log", 1.0, 100.0), [0.11, 999.0, 0.09, 1001.0], [0.11, 999.0, NAN, NAN]),
            (shown("linear", 1, 2), [0.6, 2.4, 0.4, 2.6], [0.6, 2.4, NAN, NAN]),
            (shown("values", 1, 100), [1, 10, 100, 0.9, 101], [0, 0.5, 1, NAN, NAN]),
            (shown("values", 100.0, 1.0), [1, 10, 100, 0.9, 101], [1, 0.5, 0, NAN, NAN]),
            (shown("values", 1.0, 100.0, 10.0), [1, 10], [NAN, NAN]),  # between which two would it be
            (shown("values", 0.0, 1.0), [0.5, 1], [NAN, NAN]),
            (shown("values", "a", "b"), [0, 1], [NAN, NAN]),
        ],
    )
    def test_a_value_stands_where_the_axis_has_it_or_nowhere(
        self, axis: Shown, values: list[float], places: list[float]
    ):
        np.testing.assert_allclose(coordinate(axis, np.array(values)), places)


def axis_of(shown_axis: Shown, inches: float, which: str = "x", scale: float = 1.0) -> Axes:
    """A panel with this axis, so long."""
    axes = Figure().subplots()
    set_up(axes, which, shown_axis, fit_labels(shown_axis, which, inches, scale))
    return axes


def told(axis: Shown, inches: float, which: str = "x") -> tuple[list[float], list[str], list[float]]:
    """Places and labels of its ticks, and the places of those that have none."""
    axes = axis_of(axis, inches, which)
    drawn = getattr(axes, f"{which}axis")
    major = drawn.get_majorticklocs()
    labels = [drawn.get_major_formatter()(place, number) for number, place in enumerate(major)]
    return list(major), labels, small_ticks(axes, which)


class TestTicks:
    def test_labels_of_numbers_that_do_not_fit_are_left_out_and_keep_their_ticks(self):
        axis = shown("values", *range(100, 112))
        each = text_width("100", SIZE) + GAP
        assert told(axis, 12.1 * each)[:2] == ([*range(12)], [str(100 + n) for n in range(12)])
        major, labels, minor = told(axis, 11.9 * each)
        assert (major, labels) == ([*range(0, 12, 2)], [str(100 + n) for n in range(0, 12, 2)])
        assert sorted([*major, *minor]) == [*range(12)]
        assert told(axis, 12.1 * LINE_HEIGHT, "y")[0] == [*range(12)]
        assert told(axis, 11.9 * LINE_HEIGHT, "y")[0] == [*range(0, 12, 2)]

    @pytest.mark.parametrize(("inches", "angle"), [(3.1, 0), (1.2, 35), (0.6, 90)])
    def test_names_that_do_not_fit_are_turned(self, inches: float, angle: int):
        axis = shown("values", "glorot_uniform", "he_normal", "zeros")
        labels = fit_labels(axis, "x", inches)
        wide = text_width("glorot_uniform", SIZE)
        up = {0: LINE_HEIGHT, 35: wide * 0.5736 + LINE_HEIGHT * 0.8192, 90: wide}[angle]
        assert (labels.step, labels.angle) == (1, angle)
        assert labels.room == pytest.approx(up + GAP, abs=1e-3)
        assert axis_of(axis, inches).get_xticklabels()[0].get_rotation() == angle
        assert fit_labels(axis, "x", 2 * inches, 2.0).angle == angle

    @pytest.mark.parametrize(
        ("ends", "inches", "powers"), [((-4, 4), 4.0, range(-4, 5)), ((-4, 4), 2.0, range(-4, 5, 2))]
    )
    def test_powers_of_ten_every_so_many_that_their_labels_fit(self, ends: tuple[int, int], inches: float, powers):
        axis = shown("log", *np.logspace(*ends, 9))
        major, labels, minor = told(axis, inches)
        np.testing.assert_allclose(major, [10.0**power for power in powers])
        assert labels == [f"$\\mathdefault{{10^{{{power}}}}}$" for power in powers]
        assert not set(major) & set(minor)
        fine = 1 + 8 * (inches == 4.0)  # between powers that are far enough apart
        assert sum(1 < place < 10 for place in minor) == fine - 1

    @pytest.mark.parametrize(
        "axis",
        [
            shown("log", *np.logspace(-4, 1, 30)),
            shown("log", *np.logspace(-14, 2, 30)),  # so close that they touch
            shown("values", *range(40)),
        ],
    )
    @pytest.mark.parametrize("which", ["x", "y"])
    def test_small_ticks_are_drawn_as_matplotlib_draws_its_own(self, which: str, axis: Shown):
        pictures = []
        for own in (True, False):
            axes = axis_of(axis, 6.0 if axis.scale == "log" else 3.0, which)
            places = small_ticks(axes, which)
            if own:
                axes.artists[0].remove()
                getattr(axes, f"{which}axis").set_minor_locator(FixedLocator(places))
            assert len(places) >= 20
            assert not axes.lines
            canvas = FigureCanvasAgg(axes.figure)
            canvas.draw()
            pictures.append(np.array(canvas.buffer_rgba()))
        assert (pictures[0] == pictures[1]).all()
        axes.artists[0].remove()
        canvas.draw()
        assert (np.array(canvas.buffer_rgba()) != pictures[0]).any()

    @pytest.mark.parametrize("which", ["x", "y"])
    def test_small_ticks_alone_have_their_room(self, which: str):
        axes = axis_of(shown("log", 0.0025, 0.003, 0.0037), 4.0, which)
        axis = getattr(axes, f"{which}axis")
        assert (len(axes.artists), len(axis.get_majorticklocs())) == (0, 0)
        np.testing.assert_allclose(axis.get_minorticklocs(), [0.003, 0.004])
        assert not any(axis.get_minor_formatter()(place, 0) for place in axis.get_minorticklocs())

    def test_negative_rates_have_their_sign(self):
        major, labels, _ = told(shown("log", *-np.logspace(2, 0, 5)), 4.0)
        np.testing.assert_allclose(sorted(major), [-100, -10, -1])
        assert labels[0] == "$\\mathdefault{−10^{0}}$"

    @pytest.mark.parametrize(
        ("labels", "inches", "which", "expected"),
        [
            ((2.0, 3.0, 4.5), 4.0, "x", ["2", "5"]),
            ((0.03, 0.06), 4.0, "x", ["0.05"]),
            ((20.0, 40.0, 80.0), 4.0, "y", ["20", "50", "100"]),
        ],
    )
    def test_an_axis_with_one_power_of_ten_or_none_has_numbers_between(
        self, labels: tuple[float, ...], inches: float, which: str, expected: list[str]
    ):
        assert told(shown("log", *labels), inches, which)[1] == expected

    @pytest.mark.parametrize(("which", "inches"), [("x", 0.5), ("x", 0.8), ("y", 0.3), ("y", 0.5)])
    def test_numbers_between_powers_do_not_touch(self, which: str, inches: float):
        axis = shown("log", 3.0, 9.0, 27.0)
        places, labels, _ = told(axis, inches, which)
        assert labels[0] == "2"
        assert set(labels) < {"2", "5", "10", "20"}
        decade = inches / np.log10(borders(axis)[-1] / borders(axis)[0])
        sizes = np.array([text_width(label, SIZE) if which == "x" else LINE_HEIGHT for label in labels])
        assert (np.diff(decade * np.log10(places)) >= (sizes[1:] + sizes[:-1]) / 2 + GAP - 1e-9).all()

    def test_whole_numbers_have_whole_ticks(self):
        assert all(place == round(place) for place in told(shown("linear", 1, 2, 3), 4.0)[0])
        assert any(place != round(place) for place in told(shown("linear", 1.0, 2.0, 3.0), 4.0)[0])


class TestLabels:
    def test_lines_are_as_full_as_they_fit_and_a_long_word_has_one_of_its_own(self):
        text = "one two three a_word_that_is_far_too_long_for_any_line four"
        lines = wrapped(text, 0.9).split("\n")
        assert " ".join(lines) == text
        assert lines == ["one two three", "a_word_that_is_far_too_long_for_any_line", "four"]
        assert max(text_width(line, 9) for line in (lines[0], lines[2])) <= 0.9
        assert wrapped("far_too_long for", 0.1) == "far_too_long\nfor"
        just = text_width("one two three", 9) + 1e-6
        assert wrapped("one two three", just) == "one two three"
        assert wrapped("one two three", just, 9, "bold") == "one two\nthree"

    def test_lines_are_as_full_as_word_by_word(self):
        text = "a he_normal, budget: 1,000 updates · =\u00a0x 8 of 12 starts glorot_uniform ± i illustrated"
        words = text.split(" ")
        for first in range(len(words)):
            some = words[first:] + words[:first]
            for inches in (0.05, 0.7, 1.3, 2.9, 9.0):
                lines = [""]
                for word in some:
                    longer = f"{lines[-1]} {word}".strip()
                    if lines[-1] and text_width(longer, 9) > inches:
                        lines.append(word)
                    else:
                        lines[-1] = longer
                assert wrapped("  ".join(some), inches) == "\n".join(lines)
        assert wrapped("", 1.0) == wrapped(" ", 1.0) == ""

    @pytest.mark.parametrize(
        ("column", "name"),
        [
            ("learning_rate", "learning rate (learning_rate)"),
            ("learning_rate_1", "learning rate of layer 1 (learning_rate_1)"),
            ("learning_rate_decay", "learning_rate_decay"),
            ("advice", "advice"),
        ],
    )
    def test_axes_are_named_in_words_with_their_column(self, column: str, name: str):
        assert name_axis(column) == name

    def test_whole_numbers_have_all_their_digits_and_others_six(self):
        values = (1234567, -12, 0.123456789, 1234567.0, -1e-7, True, np.float64(0.5))
        assert [label_of(each) for each in values] == [
            "1234567",
            "−12",
            "0.123457",
            "1.23457e6",
            "−1e−7",
            "true",
            "0.5",
        ]


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "date"), [("a.SVG", b"<dc:date>"), ("a.svg", b"<dc:date>"), ("a.PDF", b"/CreationDate")]
    )
    def test_a_picture_holds_no_date_whatever_its_suffix_is_spelled_like(self, tmp_path: Path, name: str, date: bytes):
        path = tmp_path / "some" / "new" / "folder" / name
        write(Figure(figsize=(1, 1)), checked(path), tmp_path / "run")
        assert path.stat().st_size > 100
        assert date not in path.read_bytes()


class TestKinds:
    def test_an_option_is_passed_on_where_it_was_given_and_a_title_may_be_empty(self, monkeypatch: pytest.MonkeyPatch):
        passed: list[Any] = []
        for name in ("draw_map", "draw_lines"):
            monkeypatch.setattr(kinds, name, lambda *given, **options: passed.append((given[1:], options)))
        folder: Any = None
        kinds.draw(folder, "map", x="a", y="b", facet=(), title="", value=None, select=[], limits=(0, 1))
        kinds.draw(folder, "lines", x="a", y=None, facet=(), cmap=None, lines="c", title=None)
        assert passed == [(("a", "b"), {"title": "", "select": [], "limits": (0, 1)}), (("a",), {"lines": "c"})]
        with pytest.raises(InputError, match=r"facet: is for the other kind of picture \(got 'c, d'\)"):
            kinds.draw(folder, "lines", x="a", y=None, facet=("c", "d"))

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("lines", {"limits": (0, 1)}, None),  # of loss_final, which is a number
            ("map", {"limits": (0, 1)}, "limits: is for numbers; `outcome`"),
            ("map", {"limits": (0, 1), "value": "cause"}, "limits: is for numbers; `cause`"),
            ("map", {"limits": (0, 1), "value": "converged"}, None),
            ("map", {"limits": (1, 0), "value": "r2"}, "limits: the first must be below"),
            ("map", {"cmap": "viridis"}, r"cmap: is for numbers; `outcome` .* \(got 'viridis'\)"),
            ("map", {"cmap": "viridis", "value": "r2", "facet": "x"}, None),
            ("map", {"width": "1mm"}, "width: "),
            ("lines", {"height": "1mm"}, "height: "),
            ("lines", {"font_size": 1}, "font_size: "),
        ],
    )
    def test_looks_that_cannot_be_had_are_told_before_there_is_anything(
        self, kind: str, options: dict[str, Any], said: str | None
    ):
        if said is None:
            kinds.check_look(kind, options)
        else:
            with pytest.raises(InputError, match=said):
                kinds.check_look(kind, options)


class TestColours:
    @pytest.mark.parametrize("limits", [(1, 1), (2, 1), (False, True), (1, INF), (1,), (1, 2, 3), 3, "12", ("1", "2")])
    def test_limits_that_are_no_two_ascending_numbers_are_refused(self, limits: Any):
        with pytest.raises(InputError, match="limits: "):
            checked_limits(limits)

    @pytest.mark.parametrize("limits", [(0, 1), [0, 1], np.array([0, 1])])
    def test_limits_are_two_numbers_in_whatever_holds_them(self, limits: Any):
        assert checked_limits(limits) == (0, 1)

    def test_a_colormap_is_known_by_any_name_that_matplotlib_has(self):
        with pytest.raises(InputError, match=r"viridis, cividis[\s\S]*did you mean `twilight`"):
            find_colormap("twiligt", THEMES["light"])

    def test_arrows_point_to_the_ends_beyond_which_there_are_numbers(self):
        cases = [(True, True), (True, False), (False, True), (False, False)]
        assert [extension(*case) for case in cases] == ["both", "min", "max", "neither"]

    def test_colours_are_rounded_to_bytes(self):
        assert to_bytes("#0b5fa5").tolist() == [0x0B, 0x5F, 0xA5, 255]
        assert to_bytes("0.5").tolist() == [128, 128, 128, 255]


SCALING = {"key": "data.scale_inputs", "values": ["none", "standard"]}


def curves_of(folder: RunFolder, y: str = "batch_size", **chosen: Any) -> list[Curve]:
    manifest = folder.read_manifest()
    view = make_view(load_grid(manifest), "learning_rate", y, (), chosen.get("select"), chosen.get("zoom"))
    return find_curves(folder, ShownSettings(manifest, view))


def measured(path: Path, axes: list[dict[str, Any]], edges: dict[str, list], **options: Any) -> RunFolder:
    """A run with edges beside it."""
    folder = write_run(path, axes, **options)
    folder.edges.write(0, pa.table(edges))
    folder.edges.write_manifest({"sweep": {"config": LINE}})
    return folder


class TestPredictions:
    @pytest.mark.parametrize(
        ("rates", "rate"),
        [
            ([0.5, 0.5 * (1 + 1e-7)], 0.5),
            ([0.5, 0.5 * (1 + 1e-5)], None),
            ([1e-8, 2e-8], None),
            ([0.0, 0.0], None),
            ([INF, INF], None),
        ],
    )
    def test_a_line_has_one_where_its_runs_agree_on_a_rate(
        self, tmp_path: Path, rates: list[float], rate: float | None
    ):
        two = {"key": "training.seed", "range": [0, 2]}
        folder = write_run(tmp_path, [BATCH, RATE, two], {"predicted_gd": np.tile(rates, 15)})
        np.testing.assert_allclose([curve.rates for curve in curves_of(folder)], [] if rate is None else [[rate] * 3])

    def test_of_an_even_number_of_starts_it_is_the_geometric_middle(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"predicted_catapult": np.tile([0.8, 0.1, 0.4, 0.2], 15)})
        (curve,) = curves_of(folder)
        np.testing.assert_allclose(curve.rates, [(0.2 * 0.4) ** 0.5] * 3)

    @pytest.mark.parametrize(
        ("name", "axis", "words"),
        [
            ("predicted_gd", {"key": "optimizer.momentum", "values": [0.0, 0.9]}, "bound of descent"),
            ("predicted_gd", {"key": "optimizer.momentum", "values": [0.9]}, "heavy ball"),
            ("predicted_gd", {"key": "optimizer.momentum", "values": [0.0]}, "2/λ"),
            ("predicted_typical", {"key": "training.order", "values": ["shuffle", "replacement"]}, "as drawn"),
            ("predicted_typical", {"key": "training.order", "values": ["shuffle"]}, "shuffled passes"),
            (
                "predicted_mean_square",
                {"key": "training.order", "values": ["shuffle", "replacement"]},
                "drawn independently",
            ),
        ],
    )
    def test_it_is_called_as_what_is_on_the_map_has_it(
        self, tmp_path: Path, name: str, axis: dict[str, Any], words: str
    ):
        (curve,) = curves_of(write_run(tmp_path, [axis, BATCH, RATE], {name: 0.5}))
        assert words in curve.label


class TestMeasuredEdges:
    def test_stand_after_the_predictions_each_in_its_line(self, tmp_path: Path):
        edges = {"batch_size": [32, 1, 99, 4], "edge_learning_rate": [0.3, 0.1, 7.0, NAN]}  # 99 is not on the map
        folder = measured(tmp_path, [BATCH, RATE], edges, facts={"predicted_gd": 0.5})
        predicted, found = curves_of(folder)
        assert (predicted.measured, found.measured) == (False, True)
        np.testing.assert_allclose(found.rates, [0.1, NAN, 0.3])
        assert found.label == "measured edge\n(bisection)"
        np.testing.assert_allclose(curves_of(folder, zoom={"learning_rate": (1, 10)})[-1].rates, [0.1, NAN, 0.3])

    def test_of_draws_it_is_the_geometric_middle_and_none_where_one_has_none(self, tmp_path: Path):
        edges = {
            "batch_size": np.repeat([1, 4, 32], 4),
            "seed": [0, 1, 2, 3] * 3,
            "edge_learning_rate": [0.8, 0.1, 0.4, 0.2, 0.1, 0.1, INF, 0.1, 0.1, NAN, 0.1, 0.1],
        }
        (found,) = curves_of(measured(tmp_path, [SEED, BATCH, RATE], edges))
        np.testing.assert_allclose(found.rates, [(0.2 * 0.4) ** 0.5, NAN, NAN])
        assert found.label == "measured edge\n(bisection, median)"

    @pytest.mark.parametrize(("second", "shown"), [(1.09, True), (1.11, False), (0.92, True), (0.9, False)])
    def test_of_settings_that_differ_there_is_one_where_they_agree(self, tmp_path: Path, second: float, shown: bool):
        edges = {
            "scale_inputs": ["none", "standard"] * 3,
            "batch_size": np.repeat([1, 4, 32], 2),
            "edge_learning_rate": [1.0, second, 1.0, 1.0, 1.0, 1.0],
        }
        (found,) = curves_of(measured(tmp_path, [SCALING, BATCH, RATE], edges))
        assert np.isfinite(found.rates).tolist() == [shown, True, True]
        assert ("where settings agree to 10 %" in found.label) is not shown

    def test_seeds_that_go_with_other_settings_are_no_mere_draws(self, tmp_path: Path):
        edges = {
            "scale_inputs": ["none", "standard"] * 3,
            "seed": [0, 1] * 3,
            "batch_size": np.repeat([1, 4, 32], 2),
            "edge_learning_rate": [1.0, 2.0, 1.0, 1.0, 1.0, 1.0],
        }
        two = {"key": "training.seed", "values": [0, 1]}
        folder = measured(tmp_path, [SCALING, two, BATCH, RATE], edges, zip=[["scale_inputs", "seed"]])
        np.testing.assert_allclose(curves_of(folder)[0].rates, [NAN, 1.0, 1.0])

    @pytest.mark.parametrize(
        ("told", "there"),
        [
            ({"sweep": {"config": LINE}}, 1),
            ({"sweep": {"config": LINE | {"training": {"epochs": 11, "batch_size": 32}}}}, 0),
            ({"sweep": {"config": LINE}, "schema": 2}, 0),
        ],
    )
    def test_are_drawn_over_the_run_that_they_belong_to(self, tmp_path: Path, told: dict[str, Any], there: int):
        folder = measured(tmp_path, [BATCH, RATE], {"batch_size": [1], "edge_learning_rate": [0.3]})
        folder.edges.write_manifest(told)
        assert len(curves_of(folder)) == there
        folder.edges.file(0).unlink()
        assert curves_of(folder) == []

    def test_are_left_out_where_they_do_not_know_an_axis(self, tmp_path: Path):
        assert curves_of(measured(tmp_path, [SEED, RATE], {"edge_learning_rate": [0.3]}), y="seed") == []


class TestRunnerUp:
    def painted(self, *shares: float) -> Painting:
        """Two rows of white pixels with black runners-up."""
        share = np.reshape(shares, (2, -1))
        white = np.full((*share.shape, 4), 255, np.uint8)
        black = np.zeros_like(white) + np.array([0, 0, 0, 255], np.uint8)
        return Painting(white, np.ones(share.shape), core=black, core_share=share)

    def test_a_core_is_square_in_the_middle_and_as_large_as_its_share(self):
        shares = (0, 0.25, 4 / 9, 0, 0, 1 / 36)
        image = expand(self.painted(*shares), (), 12)
        assert image.shape == (2 * 12, 3 * 12, 4)
        for (row, column), share in zip(np.ndindex(2, 3), shares, strict=True):
            black = image[row * 12 :, column * 12 :][:12, :12, 0] == 0
            assert black.mean() == pytest.approx(share)
            np.testing.assert_array_equal(black, black[::-1, ::-1])
            np.testing.assert_array_equal(black, black.T)
            assert black.sum() == black.any(axis=0).sum() ** 2

    def test_without_room_colours_are_mixed_by_the_share(self):
        image = expand(self.painted(0, 0.25, 0.4, 0, 0, 0.5), (), 1)
        assert image[..., 0].tolist() == [[255, 191, 153], [255, 255, 127]]


class TestPaper:
    @pytest.mark.parametrize(
        ("length", "inches"), [(1, 1.0), ("60in", 60.0), ("3.4 IN", 3.4), ("72.5pt", 72.5 / 72), (".1e2", None)]
    )
    def test_a_sheet_is_from_1_to_60_inches(self, length: str | float, inches: float | None):
        if inches is None:
            with pytest.raises(InputError, match="height: no length"):
                make_paper(height=length)
        else:
            assert make_paper(height=length).height == pytest.approx(inches, rel=1e-12)

    @pytest.mark.parametrize(
        ("length", "mend"),
        [("0.9in", "1in"), ("61in", "60in"), ("500", "500mm"), ("30", "30in"), ("20mm", "1in"), (True, "1 to 60")],
    )
    def test_a_length_that_no_sheet_has_is_told_with_the_nearest(self, length: Any, mend: str):
        with pytest.raises(InputError, match="height: ") as caught:
            make_paper(height=length)
        assert mend in str(caught.value)

    @pytest.mark.parametrize("length", ["wide", "-3in", "1e2mm", NAN])
    def test_what_is_no_number_has_no_nearest(self, length: Any):
        with pytest.raises(InputError, match="height: no length of a sheet") as caught:
            make_paper(height=length)
        assert caught.value.mend is None

    @pytest.mark.parametrize("size", [3.9, 40.1, True, "9", NAN])
    def test_text_is_from_4_to_40_points(self, size: Any):
        assert [make_paper(font_size=each).scale for each in (4, 40)] == pytest.approx([4 / 9, 40 / 9])
        with pytest.raises(InputError, match="font_size: no size of a text"):
            make_paper(font_size=size)


def settings_of(folder: RunFolder, facet: tuple[str, ...] = (), y: str = "batch_size", **chosen: Any) -> ShownSettings:
    manifest = folder.read_manifest()
    view = make_view(load_grid(manifest), "learning_rate", y, facet, chosen.get("select"), chosen.get("zoom"))
    return ShownSettings(manifest, view)


def numbers(values: list[float], kinds: list[Kind] | None = None, every: list[float] | None = None) -> Numbers:
    """Pixels of one run each."""
    given = np.array(values, float)
    kind = np.array(kinds or [Kind.NUMBER] * len(values))
    tally = {each: int((kind == each).sum()) for each in Kind}
    return Numbers(given, kind, np.ones(len(given), int), tally, np.array(values if every is None else every, float))


def colours(painting: Painting) -> list[str]:
    return [to_hex(each[:3] / 255) if each[3] else "" for each in painting.image.reshape(-1, 4)]


class TestPaint:
    def test_pixels_are_alive_in_which_half_of_the_runs_are(self, tmp_path: Path):
        ends = [["converged", "nan"], ["stalled", "dead"], ["dead", "dead"], ["inf", "nan"], ["progressing"] * 2]
        two = {"key": "training.seed", "range": [0, 2]}
        folder = write_run(
            tmp_path, [BATCH, RATE, two], {"outcome": np.tile(np.ravel(ends), 3)}, shard_cells=10, lost=(2,)
        )
        alive = alive_pixels(folder, settings_of(folder).view)
        assert alive.tolist() == [[True, True, False, False, True]] * 2 + [[False] * 5]

    def test_limits_of_losses_alone_come_from_what_is_alive(self, tmp_path: Path):
        facts = {"outcome": np.tile(["converged", "converged", "diverged", "nan", "inf"], 3).astype(object)}
        for name, ends in (("loss_final", (1.0, 10.0)), ("sharpness", (1.0, 1e9))):
            folder = write_run(tmp_path / name, [BATCH, RATE], facts | {name: np.tile([1.0, 10.0, 1e9, NAN, NAN], 3)})
            bar = paint(folder, settings_of(folder), name, make_colouring(THEMES["light"])).bar
            assert (bar.norm.vmin, bar.norm.vmax) == pytest.approx(ends)

    @pytest.mark.parametrize(
        ("limits", "extend"),
        [(None, "neither"), ((0.25, 0.9), "both"), ((0.0, 0.75), "max"), ((0.25, 1.0), "min"), ((0.0, 1.0), "neither")],
    )
    def test_a_share_past_the_limits_has_the_colour_of_the_end_and_an_arrow(
        self, tmp_path: Path, limits: tuple[float, float] | None, extend: str
    ):
        outcomes = np.where(np.arange(5)[:, None] > np.arange(4), "converged", "nan").ravel().astype(object)
        folder = write_run(tmp_path, [RATE, SEED, BATCH], {"outcome": np.repeat(outcomes, 3)}, where="batch_size != 4")
        found = paint(folder, settings_of(folder), "converged", make_colouring(THEMES["light"], None, limits))
        low, high = limits or (0, 1)
        shares = np.clip((np.arange(5) / 4 - low) / (high - low), 0, 1)
        wanted = [to_hex(np.array(SEQUENTIAL(share, bytes=True)[:3]) / 255) for share in shares]
        assert colours(found) == [*wanted, *[""] * 5, *wanted]
        assert found.bar.extend == extend
        assert (found.bar.ticks is None) == (limits is not None)

    def test_names_are_counted_among_the_trainings_there_are(self, tmp_path: Path):
        outcomes = np.tile(["converged", "converged", "dead", "nan", "nan"], 3).astype(object)
        folder = write_run(tmp_path, [BATCH, RATE], {"outcome": outcomes}, where="batch_size != 4")
        found = paint(folder, settings_of(folder), "outcome", make_colouring(THEMES["light"]))
        assert [text for _, text in found.legend] == ["converged  4 · 40 %", "dead  2 · 20 %", "nan  4 · 40 %"]
        assert (found.note, found.core) == ("", None)

    def test_the_share_of_the_runner_up_is_its_own(self, tmp_path: Path):
        outcomes = np.tile(["nan", "nan", "dead", "inf"], 15).astype(object)
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes}, where="batch_size != 4 or seed == 0")
        found = paint(folder, settings_of(folder), "outcome", make_colouring(THEMES["light"]))
        assert found.core_share.tolist() == [[0.25] * 5, [0.0] * 5, [0.25] * 5]
        assert found.note == "colour: the most common outcome (of equal ones the worse)"

    def test_the_accuracy_of_some_networks_is_drawn_among_others_without(self, tmp_path: Path):
        losses = {"key": "loss.kind", "values": ["mse", "sigmoid_cross_entropy"]}
        folder = write_run(tmp_path, [losses, BATCH, RATE], {"accuracy": 0.5})
        assert checked_column("accuracy", settings_of(folder)).name == "accuracy"
        with pytest.raises(InputError, match="exact equalities"):
            checked_column("accuracy", settings_of(folder, select={"loss": "mse"}))


LOSS, SKILL, STEP = column_named("loss_final"), column_named("skill"), column_named("first_nan_step")
PLAIN = make_colouring(THEMES["light"])


class TestPaintNumbers:
    def ends(self, *values: float, column: Any = LOSS, **options: Any) -> tuple[float, float]:
        norm = paint_numbers(numbers([*values]), column, make_colouring(THEMES["light"], **options)).bar.norm
        return norm.vmin, norm.vmax

    def test_dark_is_good(self):
        dark, light = (to_hex(np.array(SEQUENTIAL(end, bytes=True)[:3]) / 255) for end in (1.0, 0.0))
        assert colours(paint_numbers(numbers([1, 100]), LOSS, PLAIN)) == [dark, light]
        assert colours(paint_numbers(numbers([0, 1]), SKILL, PLAIN)) == [light, dark]
        assert colours(paint_numbers(numbers([3, 100]), STEP, PLAIN)) == [light, dark]

    def test_what_is_past_the_bad_end_is_counted_over_all_runs_and_past_the_good_one_as_good_as_the_end(self):
        at = make_colouring(THEMES["light"], None, (1.0, 100.0))
        found = paint_numbers(numbers([0.5, 1, 100, 101], every=[0.5, 1, 100, 101, 1234, 5000]), LOSS, at)
        least, end, most, beyond = colours(found)
        assert least == end != most != beyond
        assert found.bar.extend == "both"
        assert found.legend == [(beyond, "above 100: 3 trainings · 75 %")]
        at = make_colouring(THEMES["light"], None, (0.25, 0.75))
        found = paint_numbers(numbers([0.2, 0.25, 0.75, 0.8]), SKILL, at)
        beyond, end, most, over = colours(found)
        assert beyond != end != most == over
        assert found.legend == [(beyond, "below 0.25: 1 training · 25 %")]
        assert found.bar.ticks is None

    @pytest.mark.parametrize(
        ("values", "extend", "told"),
        [
            ([0, 1], "neither", []),
            ([-0.1, 1], "min", ["below 0, worse than a constant answer: 1 training · 50 %"]),
            ([-INF, 0.5], "neither", ["infinite: 1 training · 50 %"]),
        ],
    )
    def test_a_skill_is_coloured_from_0_to_1(self, values: list[float], extend: str, told: list[str]):
        kinds = [Kind.NUMBER if np.isfinite(value) else Kind.INF for value in values]
        found = paint_numbers(numbers(values, kinds), SKILL, PLAIN)
        assert found.bar.extend == extend
        assert [text for _, text in found.legend] == told

    def test_ends_of_losses(self):
        assert self.ends(1, 5, 20) == (1, 20)
        assert self.ends(3, 3) == (1.5, 6)
        assert self.ends(0, -2, 3, 30) == (3, 30)
        assert self.ends(0, 0) == (0, 1)
        many = [*np.geomspace(1, 9, 200)]
        assert self.ends(0.2, *many, 50) == (0.2, 50)  # within ten times of most: nothing is cut off for little
        low, high = self.ends(*[1e-9] * 2, *many, *[1e9] * 2)
        assert (low, high) == pytest.approx((many[2], many[-3]), rel=0.05)
        assert self.ends(1e-9, *many, 1e9, column=column_named("sharpness")) == (1e-9, 1e9)

    @pytest.mark.parametrize(
        ("values", "kind", "ends"),
        [
            ([1, 50], LogNorm, (1, 50)),
            ([0, 50], SymLogNorm, (0, 50)),
            ([1], LogNorm, (1, 2)),
            ([0], SymLogNorm, (0, 2)),
        ],
    )
    def test_ends_of_steps(self, values: list[float], kind: type, ends: tuple[float, float]):
        norm = paint_numbers(numbers(values), STEP, PLAIN).bar.norm
        assert type(norm) is kind
        assert (norm.vmin, norm.vmax) == ends
        assert self.ends(*values, column=STEP, limits=(5, 20)) == (5, 20)

    @pytest.mark.parametrize(("limits", "mend"), [((0, 1), "1e-6:1"), ((-2, 0), None), ((-2, -1), None)])
    def test_limits_of_a_logarithm_are_positive(self, limits: tuple[float, float], mend: str | None):
        with pytest.raises(InputError, match="so both must be positive") as caught:
            self.ends(1, 2, limits=limits)
        assert caught.value.mend == mend

    def test_what_is_alive_sets_the_ends_where_anything_is(self):
        given = numbers([1, 10, 1e6])
        for alive, most in (([True, True, False], 10), ([False] * 3, 1e6)):
            assert paint_numbers(given, LOSS, PLAIN, np.array(alive)).bar.norm.vmax == most

    def test_ranks_part_good_from_bad_and_are_deepest_at_the_edge(self):
        given = numbers([-100, -50, -4, -3, -2, 0, 1, 2, 7, 50])
        bar = paint_numbers(given, column_named("measure"), PLAIN).bar
        spots = ["−100", "−50", "−4", "−3", "−2", "0", "1", "2", "7", "50"]
        assert bar.tick_labels == spots
        assert bar.ticks == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1])
        one = paint_numbers(numbers([-5]), column_named("measure"), PLAIN).bar
        assert (one.ticks, one.tick_labels) == (pytest.approx([0.4]), ["−5"])

    def test_shares_are_told_in_percent_unless_limits_are_asked_for(self):
        accuracy = column_named("accuracy")
        assert paint_numbers(numbers([0.2, 0.5]), accuracy, PLAIN).bar.tick_labels[1] == "25 %"
        asked = make_colouring(THEMES["light"], None, (0.2, 0.6))
        assert paint_numbers(numbers([0.2, 0.5]), accuracy, asked).bar.ticks is None

    def test_kinds_are_told_with_their_rank_where_runs_share_a_pixel(self):
        kinds = [Kind.NUMBER, Kind.NAN, Kind.MISSING, Kind.EMPTY]
        given = numbers([1, NAN, NAN, NAN], kinds)
        assert describe_rank(given, STEP) == ", with “never” ranked first and “NaN” ranked last"
        assert describe_rank(given, SKILL).startswith(", with “NaN”, “")
        assert describe_rank(numbers([1]), STEP) == ""
        assert describe_kinds(given, STEP)[Kind.MISSING] == "never: 1 training · 33 %"
        assert paint_numbers(given, STEP, PLAIN).note == ""  # one run each
        assert paint_numbers(replace(given, rows=np.array([1, 2, 1, 0])), STEP, PLAIN).note.startswith(
            "colour: the med"
        )


class TestValueAxis:
    def axis(self, *values: float, column: Any = LOSS, alive: Any = True, best: Any = None) -> ValueAxis:
        middle = numbers([*values])
        far = numbers([1e30] * len(values))  # the worst runs may leave the picture
        first = middle if best is None else numbers(best)
        return make_value_axis([first, middle, far], column, np.broadcast_to(alive, len(values)), None)

    def test_a_logarithm_has_a_margin_of_6_percent_and_a_tenth_of_a_decade_at_least(self):
        axis = self.axis(1, 1e4, 1e5)
        assert (axis.scale, axis.low, axis.high) == ("log", pytest.approx(10**-0.3), pytest.approx(10**5.3))
        axis = self.axis(2, 2)
        assert (axis.low, axis.high) == pytest.approx((2 * 10**-0.1, 2 * 10**0.1))
        assert self.axis(10, 10, best=[1e-3, 10]).low < 1e-3
        assert (self.axis(0, 0).low, self.axis(0, 0).high) == (0.1, 10)

    def test_what_diverged_sets_no_end_unless_all_did(self):
        for column, value in ((LOSS, 1e9), (SKILL, -50.0)):
            near = self.axis(0.5, value, column=column, alive=[True, False])
            far = self.axis(0.5, value, column=column, alive=[False, False])
            assert -1.2 < near.low < near.high < 1.2
            assert far.low < near.low or far.high > 1e9
        assert self.axis(0.5, 1e9, column=column_named("sharpness"), alive=[True, False]).high > 1e9

    def test_most_losses_set_the_upper_end_and_the_best_the_lower(self):
        axis = self.axis(1e-9, *np.geomspace(1, 9, 200), *[1e9] * 2)
        assert axis.low < 1e-9
        assert axis.high < 100

    def test_a_share_shows_0_and_1_and_no_less_than_minus_1(self):
        assert (self.axis(0.5, column=SKILL).low, self.axis(0.5, column=SKILL).high) == pytest.approx((-0.06, 1.06))
        axis = self.axis(-70, 0.5, column=SKILL)
        assert (axis.scale, axis.low, axis.high) == ("linear", pytest.approx(-1.12), pytest.approx(1.12))

    @pytest.mark.parametrize(
        ("values", "scale", "low"), [([0, 5], "symlog", 0), ([1, 5], "log", 10**-0.1), ([1, 1], "log", 10**-0.1)]
    )
    def test_steps_start_at_0_where_it_occurs(self, values: list[float], scale: str, low: float):
        axis = self.axis(*values, column=STEP, best=values)
        assert axis.scale == scale
        assert axis.low == pytest.approx(low, rel=0.01)

    def test_what_is_at_an_end_is_inside_and_what_is_past_it_is_drawn_past_it(self):
        axis = ValueAxis("log", 1.0, 100.0)
        given = numbers([0.5, 1, 100, 101, NAN, 1e9], [*[Kind.NUMBER] * 4, Kind.NAN, Kind.NUMBER])
        assert axis.past(given, 1).tolist() == [False, False, False, True, False, True]
        assert axis.past(given, -1).tolist() == [True, False, False, False, False, False]
        np.testing.assert_allclose(axis.inside(given), [0.5, 1, 100, 101, NAN, 1000])
        assert [str(getattr(kind, "name", kind)) for kind in axis.marks(given)] == ["NAN", "above"]
        assert [axis.label(end) for end in (0, 1)] == ["1", "100"]
        np.testing.assert_allclose(ValueAxis("linear", 0, 2).inside(numbers([-9, 9])), [-2, 4])

    @pytest.mark.parametrize(
        ("high", "inches", "labels", "small"),
        [(100, 3.0, ["1", "2", "5", "10", "20", "50", "100"], True), (5000, 3.0, None, True), (1e5, 3.0, None, False)],
    )
    def test_ticks_are_numbers_in_few_decades_and_small_ones_in_some(
        self, high: float, inches: float, labels: list[str] | None, small: bool
    ):
        axes = Figure(figsize=(6, 6)).subplots()
        ValueAxis("log", 1.0, high).set_up(axes, inches)
        ticks = [each for each in axes.yaxis.get_majorticklocs() if 1 <= each <= high]
        said = [axes.yaxis.get_major_formatter()(each, 0) for each in ticks]
        assert labels is None or said == labels
        assert any(1 < each < high for each in axes.yaxis.get_minorticklocs()) is small
        assert not any(axes.yaxis.get_minor_formatter()(each, 0) for each in axes.yaxis.get_minorticklocs())

    def test_there_are_as_many_powers_of_ten_as_have_room(self):
        counts = []
        for inches in (0.9, 6.0):
            axes = Figure(figsize=(6, 6)).subplots()
            ValueAxis("log", 1e-8, 1e8).set_up(axes, inches)
            counts.append(sum(1e-8 <= each <= 1e8 for each in axes.yaxis.get_majorticklocs()))
        assert counts[0] <= 4 < 8 < counts[1]

    @pytest.mark.parametrize(("limits", "fits"), [((1, 2), True), ((0, 2), False), ((-1, 2), False)])
    def test_limits_of_a_logarithm_are_positive(self, limits: tuple[float, float], fits: bool):
        given = [numbers([1, 2])] * 3
        if fits:
            assert make_value_axis(given, LOSS, np.ones(2, bool), limits) == ValueAxis("log", *limits)
        else:
            with pytest.raises(InputError, match="both must be positive"):
                make_value_axis(given, LOSS, np.ones(2, bool), limits)
        assert make_value_axis(given, SKILL, np.ones(2, bool), limits).scale == "linear"


BUDGETS = {"none": {}, "patience": {"training.epochs": 5000}, "5000 epochs": {"training.epochs": 5000}}
FIXES = {"key": "training.epochs", "values": [1, 10, 100, 1000]}


class TestWords:
    @pytest.mark.parametrize(
        ("axes", "chosen", "said"),
        [
            ([BATCH, RATE], {}, "10 epochs, so smaller batches make more updates"),
            ([BATCH, RATE], {"select": {"batch_size": 4}, "y": "seed"}, "10 epochs"),
            ([BATCH, RATE, FIXES], {}, "budget by epochs: 1 epoch … 1,000 epochs"),
            (
                [BATCH, RATE, FIXES],
                {"select": {"epochs": [1, 10, 100]}},
                "budget by epochs: 1 epoch or 10 epochs or 100 epochs",
            ),
            ([BATCH, RATE, FIXES], {"select": {"epochs": 100}}, "100 epochs, so smaller batches make more updates"),
            (
                [BATCH, RATE, {"name": "advice", "choices": BUDGETS}],
                {},
                "budget by advice: 10 epochs (none) or 5,000 epochs (patience, 5000 epochs)",
            ),
            (
                [BATCH, RATE, {"name": "advice", "choices": BUDGETS}],
                {"select": {"advice": ["none", "5000 epochs"]}},
                "budget by advice: 10 epochs (none) or 5,000 epochs",  # which says it itself
            ),
            (
                [BATCH, RATE, {"name": "budget", "choices": BUDGETS}],
                {"facet": ("budget",)},
                "budget: 10 epochs or 5,000 epochs",
            ),
            ([BATCH, RATE, {"key": "training.steps", "values": [7]}], {}, "7 updates"),
        ],
    )
    def test_the_budget(self, tmp_path: Path, axes: list[dict[str, Any]], chosen: dict[str, Any], said: str):
        assert describe_budget(settings_of(write_run(tmp_path, [*axes, SEED], shard_cells=999), **chosen)) == said

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([[4, 4], [4, 4]], "each pixel: 4 seeds"),
            ([[4, 0], [4, 4]], "each pixel: 4 seeds"),  # excluded ones are no runs
            ([[4, 1], [4, 4]], "each pixel: up to 4 seeds"),
            ([[1, 1], [0, 1]], "each pixel: up to 4 seeds"),
        ],
    )
    def test_what_shares_a_pixel(self, tmp_path: Path, rows: list[list[int]], said: str):
        settings = settings_of(write_run(tmp_path, [BATCH, RATE, SEED]))
        assert describe_shared(settings, np.array(rows), "pixel") == said

    @pytest.mark.parametrize(
        ("chosen", "said"),
        [
            ({"select": {"seed": 2}}, ["seed = 2"]),
            ({"select": {"seed": [1, 2]}}, ["seed = 1 or 2"]),
            ({"zoom": {"seed": (1, 2)}}, ["seed from 1 to 2"]),
            ({"select": "seed > 1"}, ["only seed > 1"]),
            ({"select": [{"seed": 2}, "batch_size > 1"]}, ["seed = 2", "only batch_size > 1"]),
            ({"select": "seed == 2"}, ["only seed == 2"]),  # not told twice
            ({}, []),
        ],
    )
    def test_what_was_selected(self, tmp_path: Path, chosen: dict[str, Any], said: list[str]):
        alone = {"key": "model.init", "values": ["zeros"]}  # was never a choice
        assert describe_fixed(settings_of(write_run(tmp_path, [alone, BATCH, RATE, SEED]), **chosen)) == said

    @pytest.mark.parametrize(
        ("where", "select", "said"),
        [
            ("batch_size != 4", None, "excluded by `where`"),
            (None, "seed > 0 or batch_size > 1", "excluded by the selection"),
            ("batch_size != 4", "seed > 0 or batch_size > 1", "excluded by `where` or the selection"),
        ],
    )
    def test_what_left_cells_out(self, tmp_path: Path, where: str | None, select: str | None, said: str):
        folder = write_run(tmp_path, [BATCH, RATE, SEED], where=where)
        assert describe_excluded(settings_of(folder, select=select).view) == said

    @pytest.mark.parametrize(
        ("config", "axes", "said"),
        [
            ({}, [], "linear model on y = x (20 rows), SGD"),
            ({"data": {"kind": "line", "n": 20, "slope": 1.0}}, [], "linear model on y = x (20 rows), SGD"),
            ({"data": {"kind": "line", "n": 2000, "slope": 0.5}}, [], "linear model on y = 0.5x (2,000 rows), SGD"),
            ({"model": {"hidden": [8]}}, [], "network of 8 relu units on y = x (20 rows), SGD"),
            ({"model": {"hidden": [8, 4]}}, [], "network of 8–4 relu units on y = x (20 rows), SGD"),
            ({"model": {"output_activation": "tanh"}}, [], "linear model, tanh output on y = x (20 rows), SGD"),
            ({}, [{"key": "model.hidden", "values": [[], [3]]}], "networks of several sizes on y = x (20 rows), SGD"),
            ({}, [{"key": "data.n", "values": [5, 9]}], "linear model on y = x, SGD"),
            ({}, [{"key": "data.n", "values": [9]}], "linear model on y = x (9 rows), SGD"),
            (
                {"data": {"kind": "line", "stop": 9}},
                [{"key": "data.start", "values": [0, 5]}],
                "linear model on y = x, SGD",
            ),
            (
                {"data": {"kind": "line", "stop": 9}},
                [{"key": "data.start", "values": [5]}],
                "linear model on y = x (4 rows), SGD",
            ),
            (
                {},
                [{"name": "fix", "choices": {"none": {}, "b": {"optimizer.kind": "adam"}}}],
                "linear model on y = x (20 rows), SGD or Adam",
            ),
            ({"optimizer": {"momentum": 0.9}}, [], "linear model on y = x (20 rows), SGD, momentum 0.9"),
            ({"optimizer": {"momentum": 0.0}}, [], "linear model on y = x (20 rows), SGD"),
            ({}, [{"key": "data.kind", "values": ["line", "square"]}], "linear model on several data sets, SGD"),
            (
                {},
                [{"key": "optimizer.kind", "values": ["sgd", "adam", "lion"]}],
                "linear model on y = x (20 rows), SGD or Adam or Lion",
            ),
            (
                {},
                [{"key": "optimizer.kind", "values": ["sgd", "adam", "lion", "rmsprop"]}],
                "linear model on y = x (20 rows), several optimizers",
            ),
        ],
    )
    def test_what_was_trained(self, tmp_path: Path, config: dict[str, Any], axes: list[dict[str, Any]], said: str):
        folder = write_run(tmp_path, [*axes, BATCH, RATE], config=LINE | config, shard_cells=999)
        assert describe_training(settings_of(folder)) == said

    def test_a_rate_that_no_axis_changes_is_told(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, SEED], config=LINE | {"optimizer": {"learning_rate": 0.25}})
        manifest = folder.read_manifest()
        settings = ShownSettings(manifest, make_view(load_grid(manifest), "seed", "batch_size"))
        assert describe_training(settings) == "linear model on y = x (20 rows), SGD at rate 0.25"

    def test_a_title_goes_before_the_sweeps_and_an_empty_one_leaves_all_out(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE])
        settings = settings_of(folder)
        rows = np.ones((3, 5), int)
        trained = "handmade: linear model on y = x (20 rows), SGD"
        last = "10 epochs, so smaller batches make more updates · float32 · 1 training per pixel · 15 trainings"
        words = "outcomes in the words of before: measured from each training's own start"
        assert describe_map(settings, rows, rows, None, "") == [trained, last, words]
        assert describe_map(settings, rows, rows, "", "") == []
        settings.manifest["sweep"]["title"] = "Its own"
        assert describe_map(settings, rows, rows, None, "a note") == ["Its own", trained, last, f"{words}; a note"]
        assert describe_map(settings, rows, rows, "Mine", "")[:2] == ["Mine", trained]
        told = describe_map(settings, np.eye(3, 5, dtype=int), rows, None, "")[2]
        assert told.endswith(" · 3 trainings · 20 % of cells trained")

    def test_shares_have_a_decimal_near_nothing_and_near_all(self):
        shares = [percent(part, 1000) for part in (1, 5, 9, 10, 14, 990, 991, 995, 999)]
        assert shares == ["0.1 %", "0.5 %", "0.9 %", "1 %", "1 %", "99 %", "99.1 %", "99.5 %", "99.9 %"]

    @pytest.mark.parametrize(("schema", "told"), [(None, 1), (JUDGED_BY_DATA - 1, 1), (JUDGED_BY_DATA, 0)])
    def test_outcomes_in_the_words_of_before(self, tmp_path: Path, schema: int | None, told: int):
        given = {} if schema is None else {"schema": schema}
        assert len(describe_judgement(settings_of(write_run(tmp_path, [BATCH, RATE], **given)))) == told

    def test_thresholds_that_were_judged_by_anew(self, tmp_path: Path):
        judged = {"ratio": 0.1, "floor": "affine"}
        folder = write_run(tmp_path, [BATCH, RATE], schema=JUDGED_BY_DATA, judged=judged)
        said = ["judged by outcome.ratio = 0.1", "judged by outcome.floor = affine"]
        assert describe_judgement(settings_of(folder)) == said

    def test_panels_are_told_with_their_budget_where_it_comes_with_them(self, tmp_path: Path):
        choices = {"name": "advice", "choices": BUDGETS}
        folder = write_run(tmp_path, [choices, BATCH, RATE], shard_cells=999)
        settings = settings_of(folder, ("advice",), select={"advice": ["patience", "5000 epochs"]})
        titles = [panel_title(settings.view.facets[0], number, settings, 9.0) for number in (0, 1)]
        assert titles == ["advice = patience · 5,000 epochs", "advice = 5000 epochs"]
        alike = {
            "name": "fix",
            "choices": {"a": {"training.epochs": 7}, "b": {"training.epochs": 7, "model.init": "ones"}},
        }
        settings = settings_of(write_run(tmp_path / "a", [alike, BATCH, RATE], shard_cells=999), ("fix",))
        assert panel_title(settings.view.facets[0], 1, settings, 9.0) == "fix = b"
        folder = write_run(tmp_path / "b", [FIXES, BATCH, RATE], shard_cells=999)
        settings = settings_of(folder, ("epochs",))
        assert panel_title(settings.view.facets[0], 1, settings, 9.0) == "epochs = 10"


def view_of(
    *axes: dict[str, Any], facet: tuple[str, ...] = (), x: str = "learning_rate", y: str = "batch_size"
) -> View:
    return make_view(make_sweep(LINE, [*axes]).grid, x, y, facet)


def seeds(count: int) -> dict[str, Any]:
    return {"key": "training.seed", "range": [0, count]}


class TestPanels:
    @pytest.mark.parametrize(
        ("count", "shape"),
        [
            (1, (1, 1)),
            (2, (1, 2)),
            (3, (1, 3)),
            (4, (2, 2)),
            (5, (2, 3)),
            (6, (2, 3)),
            (7, (2, 4)),
            (8, (2, 4)),
            (9, (3, 3)),
            (30, (8, 4)),
        ],
    )
    def test_panels_of_one_facet_stand_near_a_square(self, count: int, shape: tuple[int, int]):
        panels = _panels(view_of(seeds(count), BATCH, RATE, facet=("seed",)))
        assert (panels.count, panels.shape, panels.free) == (count, shape, True)
        assert panels.names == ("learning rate (learning_rate)", "batch size: rows per update (batch_size)")
        assert panels.with_columns(2).shape == (-(-count // 2), 2)

    def test_two_facets_are_rows_and_columns_to_a_limit(self):
        rows = {"key": "data.n", "range": [8, 13]}
        panels = _panels(view_of(seeds(6), rows, BATCH, RATE, facet=("n", "seed")))
        assert (panels.count, panels.shape, panels.free) == (30, (5, 6), False)
        for axes, facet in (([seeds(7), rows], ("n", "seed")), ([seeds(31)], ("seed",))):
            with pytest.raises(InputError, match="panels are too many to read"):
                _panels(view_of(*axes, BATCH, RATE, facet=facet))

    def test_a_panel_is_square_where_both_axes_are_alike_and_low_where_it_has_few_rows(self):
        rates = {"key": "optimizer.learning_rate", "log": [1e-3, 1], "num": 64}
        scales = {"key": "model.init_scale", "log": [1e-3, 1], "num": 64}
        assert panel_height(view_of(rates, scales, y="init_scale"), (1, 1), 4.9) == 4.9
        few = {**scales, "num": 63}
        assert panel_height(view_of(rates, few, y="init_scale"), (1, 1), 4.9) == pytest.approx(3.9)
        assert panel_height(view_of(rates, few, y="init_scale"), (1, 1), 9.8) == pytest.approx(
            6.6
        )  # no higher than a screen
        assert panel_height(view_of(rates, few, y="init_scale"), (3, 1), 9.8) == pytest.approx(2.2)
        assert panel_height(view_of(rates, few, y="init_scale"), (9, 1), 9.8) == pytest.approx(1.4)
        assert panel_height(view_of(rates, BATCH), (1, 1), 4.9) == pytest.approx(3 * 0.42 + 0.3)
        one = {**BATCH, "values": [8]}
        assert panel_height(view_of(rates, one), (1, 1), 4.9) == pytest.approx(0.9)
        fixes = {"name": "fix", "choices": {f"fix {number}": {"training.seed": number} for number in range(40)}}
        assert panel_height(view_of(rates, fixes, y="fix"), (1, 1), 4.9) == pytest.approx(8.0)  # each has its label

    @pytest.mark.parametrize(
        ("free", "inches", "columns", "width"),
        [
            (True, 5.0, 3, 1.38),
            (True, 3.0, 2, 1.13),
            (True, 1.7, 1, 1.08),
            (False, 3.0, 3, 2.5 / 3 - 0.12),
            (False, 2.3, 3, None),
        ],
    )
    def test_fewer_panels_stand_beside_each_other_where_they_would_be_too_narrow(
        self, free: bool, inches: float, columns: int, width: float | None
    ):
        sheet = Sheet(Figure(), make_paper(inches), bar=False)
        sheet.take()
        panels = Panels(6, (2, 3), free, ("", ""))
        if width is None:
            with pytest.raises(InputError, match=r"width: too narrow[\s\S]*mend: 2.4in, or a smaller font"):
                sheet._across(panels, 0.5)
        else:
            found, each = sheet._across(panels, 0.5)
            assert found.shape == (6 // columns, columns)
            assert each == pytest.approx(width)

    @pytest.mark.parametrize(
        ("inches", "bar", "font", "beside"),
        [
            (None, False, 9, True),
            (None, True, 9, False),
            (5.5, False, 9, True),
            (5.4, False, 9, False),
            (5.4, False, 8, True),
        ],
    )
    def test_a_legend_stands_beside_the_panels_where_there_is_room(
        self, inches: float | None, bar: bool, font: float, beside: bool
    ):
        sheet = Sheet(Figure(), make_paper(inches, None, font), bar)
        assert sheet.beside is beside
        assert sheet.room == (None if beside else pytest.approx((inches or 7.0) - 0.2))

    def test_room_is_that_of_a_pixels_shorter_side(self):
        axes = Figure(figsize=(10, 2), dpi=200).subplots()
        box = axes.get_window_extent()
        batches = {**BATCH, "values": [*range(1, 41)]}
        assert _room(axes, view_of(BATCH, RATE)) == pytest.approx(min(box.width / 5, box.height / 3))
        assert _room(axes, view_of(batches, RATE)) == pytest.approx(box.height / 40)
        rates = {**RATE, "num": 400}
        assert _room(axes, view_of(BATCH, rates)) == pytest.approx(box.width / 400)

    @pytest.mark.parametrize("across", [True, False])
    def test_measured_edges_are_points_in_the_middle_of_their_lines(self, across: bool):
        axes = Figure(figsize=(10, 2), dpi=200).subplots()
        box = axes.get_window_extent()
        batches = {**BATCH, "values": [*range(1, 16)]}
        x, y = ("learning_rate", "batch_size") if across else ("batch_size", "learning_rate")
        view = view_of(batches, RATE, x=x, y=y)
        rates = np.array([1e-9, *np.geomspace(0.01, 1, 14)])  # the first is not on the axis
        _draw_curve(axes, view, Curve("", rates, measured=True), ())
        (points,) = axes.lines
        rate, batch = (points.get_xdata(), points.get_ydata()) if across else (points.get_ydata(), points.get_xdata())
        np.testing.assert_allclose(rate, [NAN, *rates[1:]])
        np.testing.assert_allclose(batch, centres(view.y if across else view.x))
        pitch = (box.height if across else box.width) / 15 * 72 / 200  # points
        assert points.get_markersize() == pytest.approx(np.clip(pitch / 2, 1.6, 4.2))

    def test_a_prediction_is_a_staircase(self):
        axes = Figure().subplots()
        _draw_curve(axes, view_of(BATCH, RATE), Curve("", np.array([0.1, NAN, 1.0])), ())
        (line,) = axes.lines
        np.testing.assert_allclose(line.get_xdata(), [0.1, 0.1, NAN, NAN, 1.0, 1.0])
        np.testing.assert_allclose(line.get_ydata(), [-0.5, 0.5, 0.5, 1.5, 1.5, 2.5])

    def test_places_that_no_panel_needs_are_empty(self, tmp_path: Path):
        folder = write_run(tmp_path, [seeds(5), ONE_BATCH, RATE])
        figure = draw_map(folder, "learning_rate", "batch_size", facet="seed", theme="dark")
        assert [axes.get_title() for axes in figure.axes] == [f"seed = {seed}" for seed in range(5)]
        assert to_hex(figure.get_facecolor()) == THEMES["dark"].background
        turned = {text.get_text(): text.get_rotation() for text in figure.texts}
        assert turned["learning rate (learning_rate)"] == 0
        assert [angle for name, angle in turned.items() if name.endswith("(batch_size)")] == [90]  # reads upwards
        labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
        assert labelled == [False, False, True, True, True]  # nothing stands under the third


ONE_BATCH = {**BATCH, "values": [32]}


class TestLegend:
    @pytest.fixture(autouse=True)
    def _in_a_theme(self) -> Iterator[None]:
        with matplotlib.rc_context(THEMES["light"].rc(9.0)):
            yield

    def made(self, rows: list[int], expected: list[int], **options: Any) -> list[str]:
        painting = Painting(np.zeros((*np.shape(rows), 4), np.uint8), np.array(rows), "a heading", **options)
        figure = Figure()
        curves = [Curve("a prediction", np.ones(1)), Curve("an edge", np.ones(1), measured=True)]
        legend = make_legend(figure, painting, np.array(expected), curves, THEMES["light"], "excluded by `where`", None)
        assert legend.get_title().get_text() == "a heading"
        assert legend.get_title().get_fontweight() == "bold"
        lines = legend.get_lines()
        assert [line.get_marker() for line in lines] == ["None", "o"]
        return [text.get_text() for text in legend.get_texts()][:-2]

    def test_holes_are_told_apart(self):
        assert self.made([4, 2, 0, 0], [4, 4, 4, 4]) == ["not trained"]
        assert self.made([4, 2], [4, 4]) == []  # some runs are there
        assert self.made([4, 0], [4, 0]) == ["excluded by `where`"]
        assert self.made([4, 0, 0], [4, 0, 4]) == ["not trained", "excluded by `where`"]

    def test_colours_come_first_and_a_core_is_explained_until_there_is_no_room(self):
        core = np.zeros((1, 4), np.uint8)
        assert self.made([4], [4], legend=[("#ff0000", "one"), ("#00ff00", "two")], core=core) == ["one", "two", CORE]
        figure = Figure()
        legend = place_handles(figure, [Patch(label="one"), CorePatch(label=CORE)], None)
        tell_tint(legend)
        assert [text.get_text() for text in legend.get_texts()] == ["one", TINT]
        assert place_handles(figure, [], None) is None

    def test_beneath_the_panels_it_has_as_many_columns_as_fit(self):
        one = text_width("wide enough", 9.0) + HANDLE + COLUMN_GAP
        for columns in (1, 2, 3, 4):
            room = columns * one - COLUMN_GAP + 0.01
            assert _columns(["wide enough"] * 9, room, 9.0) == columns
            assert _columns(["wide enough", "x"] * 9, room, 9.0) == columns
        assert _columns(["wide enough"] * 9, 99, 9.0) == 4
        assert _columns(["a"] * 2, 99, 9.0) == 2
        assert _columns(["wide enough"], 0.1, 9.0) == 1

    def test_points_are_as_large_as_the_distance_of_two_lines_allows(self):
        assert [points_of(pitch)["markersize"] for pitch in (1, 6, 20)] == [1.6, 3.0, 4.2]
        assert line_of(Curve("", np.ones(1), (4, 1.6)))["linestyle"] == (0, (4, 1.6))
        assert line_of(Curve("", np.ones(1)))["linestyle"] == "solid"

    def test_the_core_of_the_legend_is_a_quarter_of_its_pixel(self):
        legend: Any = None
        artists = CoreHandler().create_artists(legend, legend, 0.0, 0.0, 8.0, 4.0, 9.0, IdentityTransform())
        outer, inner = (each.get_bbox().bounds for each in artists)
        assert (outer, inner) == ((0, 0, 8, 4), (2, 1, 4, 2))


class TestLineStyles:
    def test_a_number_between_two_holes_is_alone(self):
        axes = Figure().subplots()
        values = np.array([1.0, NAN, 2.0, NAN, 3.0, 4.0, NAN])
        for joined, every in ((True, 2), (True, 1), (False, 2)):
            axes.clear()
            style_of(1, THEMES["light"]).draw_line(axes, np.arange(7.0), values, joined, (0, every))
            found = [(line.get_linestyle(), np.asarray(line.get_ydata()).tolist()) for line in axes.lines]
            assert len(found) == (2 if joined and every > 1 else 1)
            assert found[0][0] == ("--" if joined else "None")
            if len(found) == 2:
                assert found[1] == ("None", [1.0, 2.0])

    def test_marks_stand_in_the_lines_colour_above_the_panel_or_inside_of_its_foot(self):
        figure = Figure(dpi=72)
        axes = figure.subplots()
        box = axes.get_window_extent()
        for inside, row, height in ((False, 2, box.y1 + 14), (True, 1, box.y0 + 7)):
            marks_of(Kind.NAN, THEMES["light"]).draw(axes, np.array([0.5]), row, "#ff0000", inside=inside)
            line = axes.lines[-1]
            assert line.get_transform().transform(line.get_xydata())[0, 1] == pytest.approx(height)
            assert (line.get_color(), line.get_marker(), line.get_clip_on()) == ("#ff0000", "x", False)
        marks_of(Kind.NAN, THEMES["light"]).draw(axes, np.array([0.5]), 1, "#ff0000", scale=2)
        line = axes.lines[-1]
        assert line.get_transform().transform(line.get_xydata())[0, 1] == pytest.approx(box.y1 + 14)
        assert marks_of("above", THEMES["light"]).shape == r"$\uparrow$"
        assert marks_of("below", THEMES["light"]).shape == r"$\downarrow$"
        count = len(axes.lines)
        marks_of(Kind.NAN, THEMES["light"]).draw(axes, np.array([]), 1, "#ff0000")
        assert len(axes.lines) == count


def counted(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> list[object]:
    """Every call of a method from here on."""
    calls, real = [], getattr(of, name)

    def call(*given: Any, **options: Any) -> Any:
        calls.append(given[0])
        return real(*given, **options)

    monkeypatch.setattr(of, name, call)
    return calls


class TestOnce:
    @pytest.mark.parametrize("options", [{}, {"value": "loss_final"}, {"facet": "seed"}, {"kind": "lines"}], ids=str)
    def test_a_picture_is_laid_out_and_drawn_once_on_one_surface(
        self, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        folder = write_run(tmp_path / "run", [BATCH, RATE, SEED], {"loss_final": np.arange(1.0, 61)})
        drawn, laid_out = counted(monkeypatch, Figure, "draw"), counted(monkeypatch, ConstrainedLayoutEngine, "execute")
        surfaces = counted(monkeypatch, RendererAgg, "__init__")
        y = {} if "kind" in options else {"y": "batch_size"}
        figure = kinds.draw(
            folder, **{"kind": "map", "x": "learning_rate", "y": None, **y, **options, "out": tmp_path / "a.png"}
        )
        assert (len(drawn), len(laid_out)) == (1, 1)
        assert len(surfaces) <= 2  # the empty sheet, on which legends are measured, and the picture
        assert type(figure.canvas) is FigureCanvasBase  # without pixels

    def test_formulas_are_read_once_for_all_pictures(self):
        one, other = (MeasuringCanvas(Figure()).get_renderer() for _ in range(2))
        assert one is not other
        assert one.mathtext_parser is other.mathtext_parser

    def test_curves_read_each_shard_once_and_of_it_what_they_are_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        folder = write_run(
            tmp_path, [BATCH, RATE], {"predicted_gd": 0.1, "predicted_mean_square": 0.2, "sharpness": 1.0}
        )
        asked, real = [], RunFolder.tables

        def tables(self: RunFolder, columns: list[str] | None = None) -> Iterator[pa.Table]:
            asked.append(columns)
            return real(self, columns)

        monkeypatch.setattr(RunFolder, "tables", tables)
        view = make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size")
        assert len(find_curves(folder, ShownSettings(folder.read_manifest(), view))) == 2
        (columns,) = asked
        assert set(columns) == {"cell", "sharpness", *(each.name for each in COLUMNS if each.curve)}
