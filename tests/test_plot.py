"""Maps: what is drawn is what the rows say, what is written beside it is true, and nothing covers anything else."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

import nanmap
from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.config import build_config
from nanmap.data import load_rows
from nanmap.errors import InputError
from nanmap.outcomes import Cause, Outcome
from nanmap.plan import make_sweep
from nanmap.plot import draw_map
from nanmap.plot.paint_numbers import _norm
from nanmap.plot.theme import SEQUENTIAL, THEMES
from nanmap.results.columns import COLUMNS, column_named
from nanmap.results.folder import RunFolder
from nanmap.results.identity import identity_hash
from nanmap.results.schema import Reason
from pictures import EYES, collide, contrast, head_of, lab, legend_of, linear, panels_of, pixels, small_ticks, written

NAN, INF = np.nan, np.inf
MISSING = THEMES["light"].missing
ONE_BATCH = {"key": "training.batch_size", "values": [32]}
POINTS = 12  # per side of a pixel that has a core


def draw(folder: RunFolder, x: str = "learning_rate", y: str = "batch_size", **options: Any) -> Figure:
    return draw_map(folder, x, y, **options)


def sequential(share: float) -> str:
    return to_hex(np.array(SEQUENTIAL(float(share), bytes=True)[:3]) / 255)


class TestOutcomes:
    def test_each_pixel_has_the_colour_of_its_outcome(self, tmp_path: Path):
        outcomes = np.resize(np.array(list(Outcome), object), 15)
        figure = draw(write_run(tmp_path, [BATCH, RATE], {"outcome": outcomes}))
        wanted = [[each.colour for each in row] for row in outcomes.reshape(3, 5)]
        assert pixels(figure, 3, 5) == wanted

    def test_the_core_is_the_runner_up_and_its_area_is_its_share(self, tmp_path: Path):
        outcomes = np.full((1, 5, 4), "converged", object)
        outcomes[0, 2] = ["nan", "converged", "converged", "converged"]
        outcomes[0, 4] = ["nan", "nan", "dead", "converged"]
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE, SEED], {"outcome": outcomes.ravel()}))
        image = np.asarray(panels_of(figure)[0].images[0].get_array())
        shares = []
        for column in range(5):
            points = image[:, column * POINTS : (column + 1) * POINTS, :3].reshape(-1, 3)
            colours, counts = np.unique(points, axis=0, return_counts=True)
            shares.append({to_hex(c / 255): n / POINTS**2 for c, n in zip(colours, counts, strict=True)})
        converged, nan, dead = (each.colour for each in (Outcome.CONVERGED, Outcome.NAN, Outcome.DEAD))
        assert shares[0] == {converged: 1}
        assert shares[2] == {converged: 0.75, nan: 0.25}
        assert shares[4] == {nan: 0.75, dead: 0.25}  # of two equal runners-up the worse
        assert "core: the runner-up,\narea = its share" in legend_of(figure)

    def test_of_equally_common_outcomes_the_worse_is_shown(self, tmp_path: Path):
        outcomes = np.tile(["converged", "dead"], 10)
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE, SEED], {"outcome": outcomes}))
        assert pixels(figure, 1, 5) == [[Outcome.DEAD.colour] * 5]

    def test_pixels_too_small_for_a_core_mix_both_colours(self, tmp_path: Path):
        rates = {"key": "optimizer.learning_rate", "log": [1e-3, 10.0], "num": 300}
        seeds = {"key": "training.seed", "range": [0, 2]}
        outcomes = np.tile(["converged", "nan"], 300)
        figure = draw(write_run(tmp_path, [ONE_BATCH, rates, seeds], {"outcome": outcomes}, shard_cells=1000))
        two = [to_rgb(each.colour) for each in (Outcome.CONVERGED, Outcome.NAN)]
        np.testing.assert_allclose(to_rgb(pixels(figure, 1, 300)[0][7]), np.mean(two, axis=0), atol=0.01)

    def test_the_legend_counts_rows_and_lists_what_occurs_from_good_to_bad(self, tmp_path: Path):
        outcomes = np.array(["nan"] * 41 + ["stalled"] * 1 + ["converged"] * 18, object)
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes}, where="batch_size != 4 or seed == 0")
        rows = folder.dataset().to_table().to_pandas().outcome.value_counts().to_dict()
        assert rows == {"nan": 26, "stalled": 1, "converged": 18}
        assert legend_of(draw(folder))[:3] == ["converged  18 · 40 %", "stalled  1 · 2 %", "nan  26 · 58 %"]

    def test_the_share_that_converged_is_exact(self, tmp_path: Path):
        converged = np.arange(5)[:, None] > np.arange(4)  # 0, 1, 2, 3, 4 of 4 seeds
        outcomes = np.where(converged, "converged", "nan").ravel()
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE, SEED], {"outcome": outcomes}), value="converged")
        assert pixels(figure, 1, 5) == [[sequential(share) for share in (0, 0.25, 0.5, 0.75, 1)]]
        bar = figure.axes[-1]
        assert [tick.get_text() for tick in bar.get_yticklabels()] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
        assert bar.get_ylabel().replace("\n", " ") == "share of runs: converged"

    def test_causes_have_colours_of_their_own(self, tmp_path: Path):
        causes = np.resize(np.array(list(Cause), object), 15)
        figure = draw(write_run(tmp_path, [BATCH, RATE], {"cause": causes}), value="cause")
        wanted = [[each.colour for each in row] for row in causes.reshape(3, 5)]
        assert pixels(figure, 3, 5) == wanted
        assert len({each.colour for each in Cause}) == len(Cause)
        assert legend_of(figure)[0] == "none  1 · 7 %"

    @pytest.mark.parametrize("name", [each.name for each in COLUMNS if Reason.NO_CLASSES not in each.reasons])
    def test_every_column_can_be_drawn(self, tmp_path: Path, name: str):
        numeric = name not in ("outcome", "cause", "stopped_by", "handicap")
        assert panels_of(draw(write_run(tmp_path, [BATCH, RATE], {name: 1} if numeric else {}), value=name))


class TestHoles:
    def test_excluded_cells_are_told_from_those_not_trained_yet(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE], where="batch_size != 4", shard_cells=5, lost=(2,))
        figure = draw(folder)
        assert pixels(figure, 3, 5) == [
            [Outcome.CONVERGED.colour] * 5,
            [THEMES["light"].excluded] * 5,
            [""] * 5,
        ]
        assert panels_of(figure)[0].patch.get_hatch() == "////"
        assert legend_of(figure) == ["converged  5 · 100 %", "not trained", "excluded by `where`"]
        assert "5 trainings · 50 % of cells trained" in head_of(figure)

    def test_a_complete_run_says_nothing_of_it(self, tmp_path: Path):
        figure = draw(write_run(tmp_path, [BATCH, RATE]))
        assert "done" not in head_of(figure)
        assert legend_of(figure) == ["converged  15 · 100 %"]

    def test_a_run_without_rows_is_an_error(self, tmp_path: Path):
        with pytest.raises(InputError, match="holds no rows yet"):
            draw(write_run(tmp_path, [BATCH, RATE], shard_cells=15, lost=(0,)))


class TestNumbers:
    def test_nan_and_infinity_have_their_own_colours(self, tmp_path: Path):
        losses = np.array([1.0, 100.0, INF, NAN, 10.0])
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], {"loss_final": losses}), value="loss_final")
        (row,) = pixels(figure, 1, 5)
        assert row[2:4] == [Outcome.INF.colour, Outcome.NAN.colour]
        assert row[0] == sequential(1.0)  # the least loss is the darkest
        assert row[1] == sequential(0.0)
        assert legend_of(figure)[:2] == ["infinite: 1 training · 20 %", "NaN: 1 training · 20 %"]

    def test_a_nan_that_is_in_no_median_is_still_in_the_legend(self, tmp_path: Path):
        losses = np.tile([1.0, 2.0, 3.0, NAN], 5)
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE, SEED], {"loss_final": losses}), value="loss_final")
        assert Outcome.NAN.colour not in pixels(figure, 1, 5)[0]
        assert "NaN: 5 trainings · 25 %" in legend_of(figure)
        assert "colour: the median run, with “NaN” ranked last" in head_of(figure)

    def test_never_is_no_step(self, tmp_path: Path):
        steps = np.array([-1, -1, 100, 10, 0])
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], {"first_nan_step": steps}), value="first_nan_step")
        (row,) = pixels(figure, 1, 5)
        assert row[:2] == [MISSING] * 2
        assert [row[2], row[4]] == [sequential(1.0), sequential(0.0)]
        assert "never: 2 trainings · 40 %" in legend_of(figure)

    @pytest.mark.parametrize(("value", "colour"), [("loss_final", Outcome.NAN.colour), ("stopped_step", MISSING)])
    def test_a_column_without_any_number(self, tmp_path: Path, value: str, colour: str):
        figure = draw(write_run(tmp_path, [BATCH, RATE]), value=value)
        assert pixels(figure, 3, 5) == [[colour] * 5] * 3
        assert len(figure.axes) == 1  # no colour bar: it would have nothing to show
        assert "15 trainings · 100 %" in legend_of(figure)[0]

    @pytest.mark.parametrize(
        ("value", "reason", "mend"),
        [
            ("r2", "the target is constant, or the targets are classes", "another column"),
            ("val_loss_final", "no validation rows", "data.validation_split"),
            ("measure", "full-batch losses were not recorded", "[record] full_loss = true"),
            ("sharpness_final", "without `[record] sharpness`", "[record] sharpness = true"),
            ("predicted_gd", "no descent on a linear model with a squared loss", "another column"),
        ],
    )
    def test_a_column_that_no_row_has_is_refused_with_the_reason(
        self, tmp_path: Path, value: str, reason: str, mend: str
    ):
        outcomes = np.resize(np.array(["converged", "nan"], object), 15)
        with pytest.raises(InputError) as caught:
            draw(write_run(tmp_path, [BATCH, RATE], {"outcome": outcomes}), value=value)
        assert reason in str(caught.value)
        assert mend in str(caught.value)
        assert "a NaN appeared" not in str(caught.value)

    @pytest.mark.parametrize("value", ["r2", "sharpness_final", "dead_fraction"])
    def test_a_value_missing_because_the_run_ended_as_nan_is_drawn_as_nan(self, tmp_path: Path, value: str):
        outcomes = np.array(["converged", "converged", "converged", "nan", "nan"], object)
        facts = {"outcome": outcomes, value: np.array([0.5, 0.7, NAN, NAN, NAN])}
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], facts), value=value)
        assert pixels(figure, 1, 5)[0][2:] == [MISSING, *[Outcome.NAN.colour] * 2]
        assert "NaN: 2 trainings · 40 %" in legend_of(figure)
        assert not any("a NaN appeared" in each for each in legend_of(figure))

    def test_losses_are_coloured_between_their_2nd_and_98th_percentile(self):
        losses = np.geomspace(1e-60, 1e60, 51)
        norm = _norm(column_named("loss_final"), losses)
        assert (norm.vmin, norm.vmax) == (pytest.approx(losses[1]), pytest.approx(losses[-2]))
        norm = _norm(column_named("sharpness"), losses)
        assert (norm.vmin, norm.vmax) == (losses[0], losses[-1])
        norm = _norm(column_named("loss_final"), np.append(np.ones(99), [0.5, 4.0]))
        assert (norm.vmin, norm.vmax) == (0.5, 4.0), "nothing is cut off for less than a factor of ten"

    def test_a_loss_of_zero_is_drawn_as_the_least(self, tmp_path: Path):
        losses = np.array([0.0, 1e-3, 1e-2, 1e-1, 1.0])
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], {"loss_final": losses}), value="loss_final")
        assert pixels(figure, 1, 5)[0][0] == sequential(1.0)

    def test_equal_losses_are_a_picture_too(self, tmp_path: Path):
        for number, loss in enumerate((3.0, 0.0, 5e-324, 1.7e308)):
            folder = write_run(tmp_path / str(number), [ONE_BATCH, RATE], {"loss_final": loss})
            (row,) = pixels(draw(folder, value="loss_final"), 1, 5)
            assert len(set(row)) == 1

    def test_the_measure_is_stretched_by_rank_on_each_side(self, tmp_path: Path):
        measure = np.array([-400.0, -2.0, -1.0, 1.0, 300.0])
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], {"measure": measure}), value="measure")
        colours = np.array([to_rgb(each) for each in pixels(figure, 1, 5)[0]])
        blue = colours[:, 2] > colours[:, 0]
        assert blue.tolist() == [True, True, True, False, False]
        light = colours.sum(axis=1)
        assert light[0] < light[1] < light[2]  # deepest at the edge of trainability
        assert light[4] < light[3]
        labels = [tick.get_text() for tick in figure.axes[-1].get_yticklabels()]
        assert labels == ["−400", "−2", "−1", "1", "300"]


class TestAxes:
    def test_a_log_axis_has_its_edges_halfway_between_the_rates(self, tmp_path: Path):
        axes = panels_of(draw(write_run(tmp_path, [BATCH, RATE])))[0]
        assert axes.get_xscale() == "log"
        np.testing.assert_allclose(axes.get_xlim(), [10**-3.5, 10**1.5])
        np.testing.assert_allclose(axes.get_xticks(), [1e-3, 1e-2, 1e-1, 1, 10])
        minors = small_ticks(axes)
        assert np.isclose(minors, 0.02).any()
        assert len(minors) == 5 * 8  # 2 … 9 in each of five decades
        left, right = axes.transData.inverted().transform(axes.images[0].get_window_extent())[:, 0]
        np.testing.assert_allclose([left, right], axes.get_xlim())

    def test_negative_rates_ascend(self, tmp_path: Path):
        rates = {"key": "optimizer.learning_rate", "log": [-0.01, -10.0], "num": 4}
        losses = np.array([1.0, 2.0, 4.0, 8.0])  # of −0.01, …, −10
        figure = draw(write_run(tmp_path, [rates, ONE_BATCH], {"loss_final": losses}), value="loss_final")
        axes = panels_of(figure)[0]
        np.testing.assert_allclose(axes.get_xlim(), [-(10**1.5), -(10**-2.5)])
        np.testing.assert_allclose(np.sort(axes.get_xticks()), [-10, -1, -0.1, -0.01])
        assert pixels(figure, 1, 4)[0][0] == sequential(0.0)  # the largest loss, of −10, is on the left

    def test_less_than_two_powers_of_ten_are_ticked_at_1_2_5(self, tmp_path: Path):
        rates = {"key": "optimizer.learning_rate", "log": [0.02, 0.5], "num": 8}
        axes = panels_of(draw(write_run(tmp_path, [rates, BATCH])))[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.02", "0.05", "0.1", "0.2", "0.5"]

    def test_values_are_categories_under_their_own_labels(self, tmp_path: Path):
        bias = {"key": "model.bias", "values": [True, False]}
        axes = panels_of(draw(write_run(tmp_path, [BATCH, bias]), x="bias"))[0]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1", "4", "32"]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["true", "false"]
        assert axes.get_ylim() == (-0.5, 2.5)

    def test_a_label_that_does_not_fit_is_left_out_if_it_is_a_number(self, tmp_path: Path):
        batches = {"key": "training.batch_size", "values": [10_000 + k * k for k in range(40)]}
        axes = panels_of(draw(write_run(tmp_path, [batches, SEED]), x="batch_size", y="seed"))[0]
        labels = [tick.get_text() for tick in axes.get_xticklabels()]
        assert 5 < len(labels) < 20
        assert labels[1] == str(10_000 + round(axes.get_xticks()[1]) ** 2)

    def test_names_with_units_and_layers(self, tmp_path: Path):
        layers = [{"key": f"optimizer.layer_learning_rates.{k}", "log": [1.0, 10.0], "num": 3} for k in (0, 1)]
        head = head_of(draw(write_run(tmp_path / "a", layers), x="learning_rate_0", y="learning_rate_1"))
        assert "learning rate of layer 0" in head
        assert "learning rate of layer 1 (learning_rate_1)" in head
        assert "batch size: rows per update (batch_size)" in head_of(draw(write_run(tmp_path / "b", [BATCH, RATE])))


STARTS = {"key": "model.init", "values": ["zeros", "normal"]}


class TestFacets:
    def test_one_facet_names_its_panels(self, tmp_path: Path):
        outcomes = np.repeat(["converged", "nan"], 15)
        figure = draw(write_run(tmp_path, [STARTS, BATCH, RATE], {"outcome": outcomes}), facet="init")
        assert [axes.get_title() for axes in panels_of(figure)] == ["init = zeros", "init = normal"]
        assert pixels(figure, 3, 5, panel=0)[0][0] == Outcome.CONVERGED.colour
        assert pixels(figure, 3, 5, panel=1)[0][0] == Outcome.NAN.colour

    def test_two_facets_are_rows_and_columns(self, tmp_path: Path):
        outcomes = np.resize(["converged", "dead", "nan", "inf"], 4 * 2 * 15)  # seed is the fastest axis
        folder = write_run(tmp_path, [BATCH, RATE, STARTS, SEED], {"outcome": outcomes})
        panels = panels_of(draw(folder, facet=["init", "seed"]))
        assert len(panels) == 8
        assert [axes.get_title() for axes in panels[:4]] == ["seed = 0", "seed = 1", "seed = 2", "seed = 3"]
        beside = [text.get_text() for axes in panels for text in axes.texts]
        assert beside == ["init = zeros", "init = normal"]
        assert [number for number, axes in enumerate(panels) if axes.texts] == [3, 7]  # the last of each row
        assert pixels(draw(folder, facet=["init", "seed"]), 3, 5, panel=6)[0][0] == Outcome.NAN.colour

    def test_too_many_say_how_to_choose(self, tmp_path: Path):
        seeds = {"key": "training.seed", "range": [0, 40]}
        folder = write_run(tmp_path, [BATCH, RATE, seeds, STARTS], shard_cells=1000)
        with pytest.raises(InputError, match="40 panels are too many") as caught:
            draw(folder, facet=["seed"])
        assert "--select" in str(caught.value)
        with pytest.raises(InputError, match="2 × 40 panels are too many"):
            draw(folder, facet=["init", "seed"])
        assert len(panels_of(draw(folder, facet=["init", "seed"], select={"seed": [1, 2, 39]}))) == 6

    def test_more_than_two_facets(self, tmp_path: Path):
        scale = {"key": "data.scale_inputs", "values": ["none", "standard"]}
        folder = write_run(tmp_path, [BATCH, RATE, STARTS, SEED, scale], shard_cells=1000)
        with pytest.raises(InputError, match="more than two axes"):
            draw(folder, facet=["init", "seed", "scale_inputs"])


class TestWords:
    def test_what_was_trained_for_how_long_and_what_a_pixel_is(self, tmp_path: Path):
        head = head_of(draw(write_run(tmp_path, [ONE_BATCH, RATE, SEED])))
        assert head.startswith(
            "handmade: linear model on y = x (20 rows), SGD 10 epochs · float32 · each pixel: 4 seeds · 20 trainings"
        )

    @pytest.mark.parametrize(
        ("start", "stop", "step", "rows"), [(0, 10, 3, 4), (0, 9, 3, 3), (0, -1, -0.5, 2), (10, 31, 2, 11)]
    )
    def test_the_rows_of_a_range_are_counted(self, tmp_path: Path, start: float, stop: float, step: float, rows: int):
        data = {"kind": "line", "start": start, "stop": stop, "step": step}
        folder = write_run(tmp_path, [ONE_BATCH, RATE], config=LINE | {"data": data})
        assert load_rows(build_config(LINE | {"data": data})).n == rows
        assert f"({rows} rows)" in head_of(draw(folder))

    def test_epochs_and_batches_together_are_explained(self, tmp_path: Path):
        assert "10 epochs, so smaller batches make more updates" in head_of(draw(write_run(tmp_path, [BATCH, RATE])))

    def test_updates(self, tmp_path: Path):
        config = {"data": {"kind": "square", "stop": 100}, "training": {"steps": 1000, "dtype": "float64"}}
        head = head_of(draw(write_run(tmp_path, [BATCH, RATE], config=config)))
        assert "linear model on x² + 2 (100 rows), SGD 1,000 updates · float64 · 1 training per pixel" in head

    def test_a_budget_that_varies_is_said_for_each_choice(self, tmp_path: Path):
        advice = {
            "name": "advice",
            "choices": {"none": {}, "patience": {"training.epochs": 500}, "zeros": {"model.init": "zeros"}},
        }
        folder = write_run(tmp_path, [advice, BATCH, RATE])
        assert "budget by advice: 10 epochs (none, zeros) or 500 epochs (patience)" in head_of(draw(folder))
        titles = [axes.get_title() for axes in panels_of(draw(folder, facet="advice"))]
        assert titles == ["advice = none · 10 epochs", "advice = patience · 500 epochs", "advice = zeros · 10 epochs"]

    def test_pixels_that_hold_fewer_runs_are_admitted(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE, SEED], where="batch_size != 4 or seed == 0")
        assert "each pixel: up to 4 seeds" in head_of(draw(folder))

    def test_what_was_selected_is_said(self, tmp_path: Path):
        head = head_of(draw(write_run(tmp_path, [BATCH, RATE, SEED]), select={"seed": 2}))
        assert "15 trainings seed = 2" in head

    def test_networks_that_call_themselves_by_a_name_and_those_that_leave_it_to_their_settings(self, tmp_path: Path):
        kinds = {"key": "model.kind", "values": ["mlp", "gated"]}
        folder = write_run(tmp_path, [BATCH, RATE, kinds], models={"gated": ["Gated 1–1"]})
        assert "handmade: linear model or Gated 1–1 on y = x" in head_of(draw(folder))
        assert "handmade: Gated 1–1 on y = x" in head_of(draw(folder, select={"model": "gated"}))
        assert "handmade: linear model on y = x" in head_of(draw(folder, select={"model": "mlp"}))

    def test_titles(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE])
        assert head_of(draw(folder, title="Mine")).startswith("Mine handmade: linear model")


CURVES = {
    "predicted_gd": "2/λ",
    "predicted_mean_square": "safe",
    "predicted_typical": "typical",
    "predicted_catapult": "catapult",
}


class TestCurves:
    def drawn(self, folder: RunFolder, **options: Any) -> list[np.ndarray]:
        """Where each curve of the first panel is drawn, for each row of pixels."""
        figure = draw(folder, **options)
        axes = panels_of(figure)[0]
        assert len([text for text in legend_of(figure) if "\n" in text or "λ" in text or "edge" in text]) >= len(
            axes.lines
        )
        return [np.asarray(line.get_xdata(), float)[::2] for line in axes.lines]

    def test_each_row_of_pixels_has_its_own_rate(self, tmp_path: Path):
        gd = np.repeat([NAN, NAN, 0.5], 5)
        safe, typical = np.repeat([0.02, 0.1, NAN], 5), np.repeat([0.05, 0.2, NAN], 5)
        facts = {"predicted_gd": gd, "predicted_mean_square": safe, "predicted_typical": typical}
        lines = self.drawn(write_run(tmp_path, [BATCH, RATE], facts))
        np.testing.assert_allclose(lines, [gd[::5], safe[::5], typical[::5]])

    def test_between_single_values_a_rate_stands_by_its_logarithm(self, tmp_path: Path):
        values = {"key": "optimizer.learning_rate", "values": [1e-3, 1e-1, 10.0]}
        folder = write_run(tmp_path, [BATCH, values], {"predicted_gd": np.repeat([1e-2, 10**0.5, 1e-1], 3)})
        np.testing.assert_allclose(self.drawn(folder), [[0.5, 1.75, 1.0]])

    @pytest.mark.parametrize("name", CURVES)
    def test_the_legend_says_what_a_curve_assumes(self, tmp_path: Path, name: str):
        figure = draw(write_run(tmp_path, [BATCH, RATE], {name: 0.5}))
        (said,) = [text for text in legend_of(figure) if CURVES[name] in text]
        assert {
            "predicted_gd": "full batch",
            "predicted_mean_square": "without replacement",
            "predicted_typical": "shuffled",
            "predicted_catapult": "at the start",
        }[name] in said
        assert "will" not in said

    @pytest.mark.parametrize(
        ("config", "name", "said"),
        [
            ({"optimizer": {"momentum": 0.9}}, "predicted_gd", "heavy ball"),
            ({"optimizer": {"momentum": 0.9, "nesterov": True}}, "predicted_gd", "Nesterov"),
            ({"optimizer": {"momentum": -0.9, "nesterov": True}}, "predicted_gd", "(1 − 1/β)/"),
            ({"training": {"epochs": 1, "order": "sequential"}}, "predicted_typical", "in order"),
            ({"training": {"epochs": 1, "order": "replacement"}}, "predicted_typical", "independent draws"),
            ({"training": {"epochs": 1, "order": "replacement"}}, "predicted_mean_square", "with replacement"),
        ],
    )
    def test_and_of_the_rule_and_the_order_at_hand(self, tmp_path: Path, config: dict[str, Any], name: str, said: str):
        assert any(
            said in text
            for text in legend_of(draw(write_run(tmp_path, [BATCH, RATE], {name: 0.5}, config=LINE | config)))
        )

    def test_curves_differ_in_more_than_colour(self, tmp_path: Path):
        figure = draw(write_run(tmp_path, [BATCH, RATE], dict.fromkeys(CURVES, 0.5)))
        dashes = [str(line.get_linestyle()) + str(line._dash_pattern) for line in panels_of(figure)[0].lines]
        assert len(set(dashes)) == len(CURVES)

    def test_on_the_vertical_axis(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE], {"predicted_gd": np.repeat([NAN, NAN, 0.5], 5)})
        line = panels_of(draw(folder, x="batch_size", y="learning_rate"))[0].lines[0]
        np.testing.assert_allclose(np.asarray(line.get_ydata())[::2], [NAN, NAN, 0.5])

    def test_in_facets_each_panel_has_its_own(self, tmp_path: Path):
        rates = np.repeat([0.1, 1.0], 15)
        figure = draw(write_run(tmp_path, [STARTS, BATCH, RATE], {"predicted_gd": rates}), facet="init")
        assert [axes.lines[0].get_xdata()[0] for axes in panels_of(figure)] == pytest.approx([0.1, 1.0])

    def test_not_where_the_runs_of_a_line_disagree(self, tmp_path: Path):
        rates = np.resize([0.5, 0.5, 0.5, 0.4], 60)
        assert not self.drawn(write_run(tmp_path, [BATCH, RATE, SEED], {"predicted_gd": rates}))

    def test_not_where_some_of_them_have_none(self, tmp_path: Path):
        rates = np.repeat([NAN, NAN, 0.5], 20)
        assert not self.drawn(write_run(tmp_path, [BATCH, RATE, SEED], {"predicted_gd": rates}), y="seed")

    def test_of_the_starts_the_median_and_the_dead_have_no_say(self, tmp_path: Path):
        rates = np.resize([0.1, 0.3, 0.4, NAN], 60)
        facts = {"predicted_catapult": rates, "sharpness": np.where(np.isnan(rates), 0.0, 2 / rates)}
        np.testing.assert_allclose(self.drawn(write_run(tmp_path, [BATCH, RATE, SEED], facts)), [[0.3] * 3])

    def test_not_outside_of_the_axis(self, tmp_path: Path):
        assert not self.drawn(write_run(tmp_path, [BATCH, RATE], {"predicted_gd": 1e6}))

    def test_not_over_a_map_without_learning_rates(self, tmp_path: Path):
        assert not self.drawn(write_run(tmp_path, [BATCH, RATE, SEED], {"predicted_gd": 0.5}), x="seed")

    def test_a_run_without_such_columns_is_drawn_without_curves(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE], shard_cells=15)
        folder.cells.write(0, pq.read_table(folder.cells.file(0)).drop_columns(list(CURVES)))
        assert not self.drawn(folder)

    def test_the_measured_edge_is_drawn_where_it_was_searched(self, engine, tmp_path: Path):
        sweep = make_sweep(LINE | {"model": {"init": "zeros"}}, [SEED, BATCH, RATE])
        nanmap.sweep(sweep, out=tmp_path, engine=engine)
        nanmap.edge(sweep, out=tmp_path, engine=engine, tolerance=0.01)
        folder = RunFolder(tmp_path)
        figure = draw(folder)
        assert legend_of(figure)[-1] == "measured edge\n(bisection, median)"
        line = np.asarray(panels_of(figure)[0].lines[-1].get_xdata(), float)
        edges = folder.edge_rows().to_pandas()
        edges["log"] = np.log(edges.edge_learning_rate)  # of two in the middle the geometric mean
        np.testing.assert_allclose(line, np.exp(edges.groupby("batch_size").log.median()), rtol=1e-6)
        told = folder.read_edges_manifest()
        told["sweep"]["config"]["data"]["n"] = 40
        folder.edges.write_manifest(told | {"hash": identity_hash(told)})
        assert not any("measured edge" in each for each in legend_of(draw(folder))), "of other settings"

    def test_and_not_between_the_edges_of_settings_that_disagree(self, engine, tmp_path: Path):
        rows = {"key": "data.n", "values": [20, 22, 40]}
        scaled = {"key": "data.scale_inputs", "values": ["none", "standard"]}
        sweep = make_sweep(LINE | {"model": {"init": "zeros"}}, [scaled, SEED, rows, RATE])
        nanmap.sweep(sweep, out=tmp_path, engine=engine)
        nanmap.edge(sweep, out=tmp_path, engine=engine, tolerance=0.01)
        folder = RunFolder(tmp_path)
        assert not any("measured edge" in each for each in legend_of(draw(folder, y="n")))
        figure = draw(folder, y="n", select={"scale_inputs": "none"})
        assert legend_of(figure)[-1] == "measured edge\n(bisection, median)"
        across = draw(folder, y="scale_inputs", select={"n": [20, 22]})
        assert legend_of(across)[-1] == "measured edge\n(bisection, median)\nwhere settings agree to 10 %"
        points = np.asarray(panels_of(across)[0].lines[-1].get_xdata(), float)
        assert np.isfinite(points).tolist() == [False, True]  # a longer line of numbers is steeper, until it is scaled


LONG = {
    "name": "advice",
    "choices": {"clip the gradients": {}, "scale inputs and target": {"training.epochs": 200}, "none": {}},
}
INIT = {"key": "model.init", "values": ["zeros", "glorot_uniform", "normal"]}
ROWS = {"key": "data.n", "values": list(range(8, 41))}
WIDE = {"key": "optimizer.learning_rate", "log": [1e-8, 10.0], "num": 19}

CASES = (
    ([ONE_BATCH, {"key": "optimizer.learning_rate", "values": [0.1]}], "learning_rate", "batch_size", {}),
    ([ONE_BATCH, RATE], "learning_rate", "batch_size", {"value": "loss_final"}),
    ([ONE_BATCH, RATE], "batch_size", "learning_rate", {}),
    ([ROWS, WIDE, SEED], "learning_rate", "n", {"facet": ["seed"]}),
    ([ROWS, WIDE, SEED], "n", "learning_rate", {"facet": ["seed"], "value": "loss_final"}),
    ([INIT, LONG, WIDE, BATCH], "learning_rate", "batch_size", {"facet": ["advice", "init"]}),
    ([INIT, LONG, WIDE, BATCH], "init", "advice", {"facet": ["batch_size"], "value": "converged", "theme": "dark"}),
    ([INIT, LONG, WIDE, BATCH], "advice", "init", {"facet": ["batch_size"], "value": "r2"}),
    ([{"key": "training.batch_size", "values": [2**k for k in range(11)]}, INIT], "batch_size", "init", {}),
)


class TestLayout:
    """Nothing written lies over anything else that is written, or outside of the picture."""

    @pytest.mark.parametrize(("axes", "x", "y", "options"), CASES)
    def test_no_text_covers_another(
        self, tmp_path: Path, axes: list[dict[str, Any]], x: str, y: str, options: dict[str, Any]
    ):
        rng = np.random.default_rng(0)
        size = int(
            np.prod(
                [len(a.get("values") or a.get("choices") or range(*a.get("range", (0, a.get("num", 0))))) for a in axes]
            )
        )
        facts = {
            "outcome": rng.choice(list(Outcome), size).astype(object),
            "loss_final": rng.choice([1.0, 1e-9, 1e12, NAN, INF], size),
            "r2": rng.choice([0.5, -3.0, NAN, -INF], size),
            **dict.fromkeys(CURVES, 0.01),
        }
        figure = draw_map(write_run(tmp_path, axes, facts, shard_cells=size), x, y, **options)
        boxes = written(figure)
        assert len(boxes) > 7
        width, height = figure.bbox.size
        outside = [text.get_text() for text, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0]
        assert not outside
        assert not [(one[0].get_text(), two[0].get_text()) for one, two in combinations(boxes, 2) if collide(one, two)]

    def test_a_small_map_stays_small(self, tmp_path: Path):
        width, height = draw(write_run(tmp_path, [ONE_BATCH, RATE])).get_size_inches()
        assert height < 3
        assert width < 9


class TestFiles:
    @pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
    def test_written_into_a_new_folder_and_the_same_each_time(self, tmp_path: Path, suffix: str, start: bytes):
        folder = write_run(tmp_path / "run", [BATCH, RATE, SEED])
        first, second = tmp_path / "new" / f"a{suffix}", tmp_path / f"b{suffix}"
        draw(folder, out=first)
        draw(folder, out=str(second))
        assert first.read_bytes().startswith(start)
        assert first.read_bytes() == second.read_bytes()

    def test_leaves_matplotlib_as_it_was(self, tmp_path: Path):
        before = dict(matplotlib.rcParams)
        draw(write_run(tmp_path, [BATCH, RATE]), theme="dark")
        assert dict(matplotlib.rcParams) == before

    def test_needs_neither_jax_nor_pyplot(self):
        code = "import nanmap.plot, sys; print({'jax', 'matplotlib.pyplot'} & set(sys.modules))"
        assert (
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
        )


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "problem", "mend"),
        [
            ({"x": "learning_rat"}, "x: no such axis (got 'learning_rat')", "did you mean `learning_rate`?"),
            ({"y": "learning_rate"}, "y: is x already (got 'learning_rate')", "allowed: batch_size, seed"),
            ({"facet": "sead"}, "facet: no such axis (got 'sead')", "did you mean `seed`?"),
            ({"value": "loss_finl"}, "value: cannot be drawn (got 'loss_finl')", "did you mean `loss_final`?"),
            ({"theme": "drak"}, "theme: no such theme (got 'drak')", "did you mean `dark`?"),
            ({"select": {"sed": 1}}, "select: no such axis (got 'sed')", "did you mean `seed`?"),
            ({"select": {"seed": 9}}, "select.seed: is not on the axis (got 9)", "allowed: 0, 1, 2, 3"),
            ({"out": "map.jpg"}, "out: cannot write this kind of picture (got 'map.jpg')", "allowed: .png, .svg, .pdf"),
        ],
    )
    def test_are_told_with_their_mend(self, tmp_path: Path, options: dict[str, Any], problem: str, mend: str):
        with pytest.raises(InputError) as caught:
            draw(write_run(tmp_path, [BATCH, RATE, SEED]), **options)
        assert problem in str(caught.value)
        assert mend in str(caught.value)


class TestColours:
    """Machado, Oliveira and Fernandes (2009), full strength; distances in CIE Lab, where about 2 can just be seen."""

    @pytest.mark.parametrize("eye", EYES)
    @pytest.mark.parametrize(("theme", "apart"), [("light", 24), ("dark", 22)])
    def test_outcomes_are_told_apart(self, theme: str, apart: float, eye: str):
        colours = [THEMES[theme].own(each.colour) for each in Outcome]
        seen = [lab(np.clip(np.array(EYES[eye]) @ linear(colour), 0, 1)) for colour in colours]
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > apart

    @pytest.mark.parametrize(("theme", "apart"), [("light", 9), ("dark", 6)])
    def test_and_in_grey(self, theme: str, apart: float):
        lightness = sorted(lab(linear(THEMES[theme].own(each.colour)))[0] for each in Outcome)
        assert min(np.diff(lightness)) > apart

    def test_nan_is_seen_on_black_and_beside_what_it_comes_from(self):
        dark = THEMES["dark"]
        beside = [dark.background, dark.excluded, dark.missing, Outcome.CONVERGED.colour, Outcome.INF.colour]
        assert min(contrast(dark.nan, each) for each in beside) >= 3
        assert min(contrast(each, theme.background) for theme in THEMES.values() for each in theme.series) >= 3

    @pytest.mark.parametrize("theme", THEMES)
    def test_the_pixels_have_the_colours_of_the_theme(self, tmp_path: Path, theme: str):
        outcomes = np.resize(["converged", "progressing", "nan"], 15).astype(object)
        figure = draw(write_run(tmp_path, [BATCH, RATE], {"outcome": outcomes}), theme=theme)
        own = [THEMES[theme].own(Outcome(each).colour) for each in outcomes]
        assert pixels(figure, 3, 5) == np.reshape(own, (3, 5)).tolist()
        patches = figure.legends[0].get_patches()
        assert [to_hex(patch.get_facecolor()) for patch in patches[:3]] == own[:3]

    @pytest.mark.parametrize("theme", THEMES)
    def test_no_number_looks_like_nan_or_infinity(self, theme: str):
        marks = [lab(linear(each)) for each in (THEMES[theme].nan, THEMES[theme].inf)]
        numbers = [lab(linear(sequential(share))) for share in np.linspace(0, 1, 50)]
        assert min(np.linalg.norm(mark - number) for mark in marks for number in numbers) > 24


def test_shares_of_numbers_are_of_the_trainings_there_are(tmp_path: Path) -> None:
    losses = np.array([1.0, 2.0, np.nan, np.nan, 5.0])
    folder = write_run(tmp_path, [ONE_BATCH, RATE], {"loss_final": losses}, shard_cells=1, lost=(0,))
    assert "NaN: 2 trainings · 50 %" in legend_of(draw(folder, value="loss_final"))
