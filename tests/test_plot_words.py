"""What is said above and below a picture: budgets, excluded cells, what all trainings share, thresholds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import load_grid, make_view
from nanmap.plot.shown_settings import ShownSettings
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
from nanmap.results.columns import JUDGED_BY_DATA
from pictures import settings_of

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
