"""What is drawn over a map: curves of theory, measured edges, the styles of lines."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import Kind, load_grid, make_view
from nanmap.plot.curves import Curve, find_curves
from nanmap.plot.line_styles import marks_of, style_of
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import THEMES
from nanmap.results.folder import RunFolder

NAN, INF = np.nan, np.inf
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
