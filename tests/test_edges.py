"""Edges: the search finds them, trainings decide them as they must, and what is written is whole and resumes."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import nanmap
from handmade import AT_REST, SMALL_FRACTAL
from nanmap.edges.bisection import BUDGET, Edges, Span, plan_search, search
from nanmap.edges.facts import STABLE, SWINGING, UNSETTLED, UNSTABLE, _measured
from nanmap.edges.probe import _stable
from nanmap.edges.quantiles import over_seeds
from nanmap.edges.rows import EdgeRows
from nanmap.errors import InputError
from nanmap.plan import load_sweep, make_sweep
from oracles import critical_rates

ROOT = Path(__file__).parents[1]
SPAN = plan_search(1e-6, 1e2, 1e-4, verified=True)


def edges_of(edges: np.ndarray, **options: Any) -> Edges:
    """A search among rows that are stable below a rate and unstable above."""
    probe = lambda rows, rates, stretch: rates < edges[rows]  # noqa: E731
    return search(probe, len(edges), SPAN, np.zeros(len(edges), bool), **options)


class TestSearch:
    truth = np.geomspace(3e-6, 30, 57)

    def test_every_edge_is_bracketed_and_as_near_as_asked(self):
        found = edges_of(self.truth)
        assert (found.low < self.truth).all()
        assert (self.truth <= found.high).all()
        assert (np.abs(np.sqrt(found.low * found.high) / self.truth - 1) < 1e-4).all()
        assert not found.reentrant.any()
        assert (found.last_stable == found.low).all()

    @pytest.mark.parametrize("ahead", [2, 3])
    def test_looking_ahead_changes_no_bit(self, ahead: int):
        one, other = edges_of(self.truth), edges_of(self.truth, ahead=ahead)
        for name in ("low", "high", "last_stable", "reentrant", "stretch", "settled"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_a_row_does_not_depend_on_its_neighbours(self):
        assert edges_of(self.truth[7:8]).low[0] == edges_of(self.truth).low[7]

    @pytest.mark.parametrize(("tolerance", "span"), [(1e-4, (1e-6, 1e2)), (1e-4, (1e-5, 10.0)), (1e-3, (0.1, 1.0))])
    def test_the_probes_of_a_row_stay_within_the_budget(self, tolerance: float, span: tuple[float, float]):
        planned = plan_search(*span, tolerance, verified=True)
        found = search(lambda rows, rates, _: rates < 0.3, 3, planned, np.ones(3, bool))
        assert (found.probes <= BUDGET).all()
        assert (np.abs(np.sqrt(found.low * found.high) / 0.3 - 1) < tolerance).all()

    @pytest.mark.parametrize("tolerance", [1e-9, 1e-4, 0.1])
    def test_at_least_six_rates_are_looked_at_and_the_rest_narrowed_down(self, tolerance: float):
        span = plan_search(1e-6, 1e2, tolerance, verified=False)
        assert span.scan >= 6
        assert (span.rates[0], span.rates[-1]) == pytest.approx((1e-6, 1e2))
        width = np.log(span.rates[1] / span.rates[0]) / 2**span.rounds
        assert tolerance / 2 < width / 2 <= tolerance  # the middle of the last bracket, and no finer than asked

    def test_islands_are_flagged_with_the_first_loss_and_the_last_stable_rate(self):
        probe = lambda rows, rates, _: (rates < 1e-3) | ((rates > 0.1) & (rates < 5))  # noqa: E731
        found = search(probe, 1, plan_search(1e-6, 1e2, 1e-4, verified=False), np.zeros(1, bool))
        assert found.reentrant[0]
        assert np.sqrt(found.low * found.high)[0] == pytest.approx(1e-3, rel=1e-4)
        assert 0.1 < found.last_stable[0] < 5

    def test_no_edge_above_or_below_the_scan(self):
        found = edges_of(np.array([1e-9, 1e9]))
        assert np.isnan(found.low).all()
        assert np.isnan(found.last_stable[0])
        assert found.last_stable[1] == 1e2

    def test_a_short_horizon_that_hides_the_growth_is_found_out(self):
        """Growth shows only after 1 / (rate − 1) steps, as where a slow mode covers it."""
        probe = lambda rows, rates, stretch: (rates < 1) | (stretch * (rates - 1) < 0.02)  # noqa: E731
        found = search(probe, 1, SPAN, np.ones(1, bool))
        assert found.stretch[0] == 16
        assert np.sqrt(found.low * found.high)[0] == pytest.approx(1 + 0.02 / 16, rel=1e-4)
        assert found.last_stable[0] == found.low[0], "a rate that only seemed stable is none"
        assert not found.settled[0]

    @pytest.mark.parametrize("gaps", [1, 2])
    def test_a_rate_of_the_scan_that_only_seemed_stable_is_left_below(self, gaps: int):
        """The same, where rates of the coarse scan stand between the edge and what seems to be one."""
        probe = lambda rows, rates, stretch: (rates < 1) | (stretch * (rates - 1) < 0.02)  # noqa: E731
        highest = {1: 1.005, 2: 1.013}[gaps]  # of the scan, below 1.02; the one before is 0.996, or 1.004
        found = search(probe, 1, Span(highest / 1.009**10, highest * 1.009**20, 31, 6), np.ones(1, bool))
        assert found.low[0] < 1 + 0.02 / 16 <= found.high[0]
        assert found.last_stable[0] == found.low[0]

    def test_where_even_the_lowest_rate_only_seemed_stable_there_is_no_edge(self):
        probe = lambda rows, rates, stretch: stretch * (rates - 1) < 0.02  # noqa: E731
        found = search(probe, 1, Span(1.018, 10.0, 7, 10), np.ones(1, bool))
        assert np.isnan([found.low[0], found.high[0], found.last_stable[0]]).all()

    @pytest.mark.parametrize("highest", [1.006, 1.019])
    def test_an_edge_just_below_the_highest_rate_is_found_though_all_seem_stable(self, highest: float):
        probe = lambda rows, rates, stretch: (rates < 1) | (stretch * (rates - 1) < 0.02)  # noqa: E731
        found = search(probe, 2, Span(0.01, highest, 7, 12), np.array([True, False]))
        assert found.low[0] < 1 + 0.02 / 16 <= found.high[0] <= highest
        assert found.last_stable[0] == found.low[0]
        assert np.isnan(found.low[1]), "this one is decided at the end of its budget"
        assert found.last_stable[1] == highest

    def test_a_highest_rate_that_is_stable_for_longer_too_is_no_edge(self):
        found = search(lambda rows, rates, stretch: rates < 1, 1, Span(0.01, 0.999, 7, 12), np.ones(1, bool))
        assert np.isnan([found.low[0], found.high[0]]).all()
        assert (found.last_stable[0], found.stretch[0], found.settled[0]) == (0.999, 1, True)


def test_the_note_says_on_which_side_of_the_rates_an_edge_is_missing() -> None:
    found = edges_of(np.array([1.0, 1e9, 1e-9, 1.0]))  # between the rates, above all, below all, between them
    found = replace(found, settled=np.array([True, True, True, False]))
    probe = SimpleNamespace(by_tail=np.zeros(4, bool), swings=np.zeros(4, bool), horizon=np.full(4, 100))
    assert _measured(found, probe, SPAN)["note"].tolist() == ["", STABLE, UNSTABLE, UNSETTLED]
    probe.swings[:] = True
    assert _measured(found, probe, SPAN)["note"].tolist() == [SWINGING, STABLE, UNSTABLE, UNSETTLED]
    # Unstable at the lowest rate, stable again at the highest: no edge between them, and not stable at every rate.
    islands = replace(found, low=np.full(4, np.nan), last_stable=np.full(4, SPAN.rates[-1]), reentrant=np.ones(4, bool))
    assert set(_measured(replace(islands, settled=np.ones(4, bool)), probe, SPAN)["note"]) == {UNSTABLE}


ENDS: dict[str, tuple[dict[str, Any], bool]] = {
    "progressing": ({"loss_final": 0.5}, True),
    "stalled": ({}, True),
    "nan": ({"first_nan_step": 3}, False),
    "inf": ({"ends_infinite": True, "first_inf_step": 3, "loss_final": np.inf}, False),
    "diverged": ({"loss_final": 2.1}, False),
    "dead from the start": ({"dead_layer": True, "dead_at_init": True}, True),
    "killed": ({"dead_layer": True}, False),
    "blown up, then dead": ({"dead_layer": True, "loss_final": 2.0}, False),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_that_the_steps_led_to_is_past_the_edge(end: str) -> None:
    change, stable = ENDS[end]
    facts = {name: np.array([value]) for name, value in (AT_REST | change).items()}
    assert _stable(None, np.zeros(1, int), facts, np.zeros(1, bool)).tolist() == [stable]


def test_quantiles_over_seeds_are_those_at_10_50_and_90_percent_in_the_logarithm() -> None:
    edges = SimpleNamespace(seeds=11)
    found = over_seeds(edges, np.arange(22), np.concatenate([np.geomspace(1, 1024, 11), [3.0], np.full(10, np.nan)]))
    for name, expected in {"low": 2, "median": 32, "high": 512}.items():
        np.testing.assert_allclose(found[f"edge_seeds_{name}"], [expected] * 11 + [3] * 11)
    two = over_seeds(SimpleNamespace(seeds=2), np.arange(2), np.array([0.01, 1.0]))
    np.testing.assert_allclose(two["edge_seeds_median"], [0.1, 0.1])  # between two of them, too


rng = np.random.default_rng(3)
X = rng.standard_normal((12, 3)) * [1.0, 0.6, 0.3]
Y = X @ [[1.0], [-2.0], [0.5]] + 0.7
CURVATURE = float(np.linalg.eigvalsh(np.hstack([X, np.ones((12, 1))]).T @ np.hstack([X, np.ones((12, 1))]) / 12)[-1])
RATES = {"key": "optimizer.learning_rate", "log": [1e-3, 30.0], "num": 9}


def measured(engine, tmp_path: Path, tree: dict[str, Any], axes: list[dict[str, Any]], **options: Any) -> pd.DataFrame:
    sweep = make_sweep(tree, axes, **{key: options.pop(key) for key in ("zip", "where") if key in options})
    return nanmap.edge(sweep, out=tmp_path / "edges", engine=engine, **options).edge()


def regression(path: str, **tables: Any) -> dict[str, Any]:
    return {
        "data": {"kind": "npz", "path": path},
        "loss": {"kind": "half_mse"},
        "training": {"steps": 30, "batch_size": 12, "dtype": "float64"},
    } | tables


class TestFullBatch:
    @pytest.mark.parametrize("name", ["square_sgd", "keras_line"])
    def test_the_threads_turn_at_two_over_lambda(self, name: str, engine, tmp_path: Path):
        """The two linear threads, to 1e-4, in their own number formats and budgets."""
        batch, more = {"square_sgd": (100, []), "keras_line": (64, ["axes.n.values=[8, 17, 20, 40]"])}[name]
        overrides = [f"axes.batch_size.values=[{batch}]", "axes.seed.range=[0, 2]", *more]
        sweep = load_sweep(ROOT / "sweeps" / f"{name}.toml", overrides)
        table = nanmap.edge(sweep, out=tmp_path, engine=engine).edge()
        assert len(table) > 20
        assert set(table.decided_by) == {"tail"}
        np.testing.assert_allclose(table.edge_learning_rate / table.predicted_gd, 1, rtol=0, atol=1e-4)
        assert (table.bracket_high / table.bracket_low <= 1 + 2.1e-4).all()
        assert not table.reentrant.any()

    def test_momentum_and_nesterov_turn_where_their_companion_matrices_do(self, npz, engine, tmp_path: Path):
        axes = [
            {"key": "optimizer.momentum", "values": [0.5, 0.9]},
            {"key": "optimizer.nesterov", "values": [False, True]},
        ]
        table = measured(engine, tmp_path, regression(npz(x=X, y=Y)), [*axes, RATES])
        for row in table.itertuples():
            closed = critical_rates(CURVATURE, row.momentum)["nesterov" if row.nesterov else "heavy_ball"]
            assert row.edge_learning_rate == pytest.approx(closed, rel=1e-3)
            assert row.predicted_gd == pytest.approx(closed, rel=1e-9)

    @pytest.mark.parametrize(("dtype", "momenta"), [("float32", [0.97, 0.98, 0.99]), ("float64", [0.97])])
    def test_what_momentum_lets_swing_does_not_count_as_growth(
        self, dtype: str, momenta: list[float], npz, engine, tmp_path: Path
    ):
        """Below the edge the loss swings as βᵗcos², and comes to rest only after 1/(1 − β) updates, many times over."""
        axes = [{"key": "optimizer.momentum", "values": momenta}]
        tree = regression(npz(x=X, y=Y), training={"steps": 30, "batch_size": 12, "dtype": dtype})
        table = measured(engine, tmp_path, tree, [*axes, RATES])
        for row in table.itertuples():
            assert row.edge_learning_rate == pytest.approx(2 * (1 + row.momentum) / CURVATURE, rel=2e-3), row.momentum
        assert not table.reentrant.any()

    def test_rounding_of_large_outputs_does_not_count_as_growth(self, engine, tmp_path: Path):
        tree = {
            "data": {"kind": "line", "start": 40, "n": 20, "slope": 300.0},
            "training": {"steps": 30, "batch_size": 20},
        }
        x = np.arange(40.0, 60.0)
        steepest = np.linalg.eigvalsh(2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]]))[-1]
        table = measured(engine, tmp_path, tree, [{"key": "optimizer.learning_rate", "log": [1e-6, 1e-2], "num": 9}])
        assert table.edge_learning_rate[0] == pytest.approx(2 / steepest, rel=1e-3)

    @pytest.mark.parametrize("stop", [{"stop_above": 10.0}, {"stop_converged": True}])
    def test_what_a_stop_ends_early_is_decided_by_its_outcome(self, stop: dict, npz, engine, tmp_path: Path):
        training = {"steps": 400, "batch_size": 12, "dtype": "float64", **stop}
        table = measured(engine, tmp_path, regression(npz(x=X, y=Y), training=training), [RATES])
        assert table.decided_by[0] == "outcome"
        assert table.edge_learning_rate[0] == pytest.approx(2 / CURVATURE, rel=0.02)

    def test_a_short_budget_does_not_move_the_edge_of_the_tail(self, npz, engine, tmp_path: Path):
        axes = [{"key": "training.steps", "values": [3, 10, 2000]}]
        table = measured(
            engine, tmp_path, regression(npz(x=X, y=Y), training={"batch_size": 12, "dtype": "float64"}), [*axes, RATES]
        )
        np.testing.assert_allclose(table.edge_learning_rate, 2 / CURVATURE, rtol=1e-4)
        assert table.horizon.tolist() == [600, 600, 2000]

    def test_to_a_millionth_where_asked(self, npz, engine, tmp_path: Path):
        table = measured(engine, tmp_path, regression(npz(x=X, y=Y)), [RATES], tolerance=1e-6)
        assert table.edge_learning_rate[0] == pytest.approx(2 / CURVATURE, rel=2e-6)

    def test_two_directions_of_nearly_the_same_curvature_take_a_longer_horizon(self, npz, engine, tmp_path: Path):
        """The second direction dies slowly and covers the growth of the first, which began small."""
        x = np.sqrt(12) * np.linalg.qr(rng.standard_normal((12, 2)))[0] * [1.0, 0.998]
        tree = regression(npz(x=x, y=x @ [[1e-4], [1.0]]), model={"bias": False, "init": "zeros"})
        table = measured(engine, tmp_path, tree, [RATES])
        assert table.horizon[0] > 600
        assert table.edge_learning_rate[0] == pytest.approx(2.0, rel=2e-4)

    def test_without_an_axis_of_rates_a_wide_range_is_searched(self, npz, engine, tmp_path: Path):
        table = measured(engine, tmp_path, regression(npz(x=X, y=Y)), [{"key": "training.seed", "range": [0, 2]}])
        np.testing.assert_allclose(table.edge_learning_rate, 2 / CURVATURE, rtol=1e-4)


class TestByOutcome:
    TREE: ClassVar = {
        "data": {"kind": "gaussian", "n": 24, "features": 4},
        "model": {"hidden": [6], "activation": "tanh", "init": "normal"},
        "training": {"steps": 60, "batch_size": 8},
    }

    def test_the_bracket_is_what_single_trainings_say(self, engine, train, tmp_path: Path):
        table = measured(
            engine, tmp_path, self.TREE, [{"key": "training.seed", "range": [0, 3]}, RATES], tolerance=1e-3
        )
        row = table.iloc[1]
        outcomes = [
            train(
                self.TREE | {"optimizer": {"learning_rate": rate}, "training": self.TREE["training"] | {"seed": 1}}
            ).outcome
            for rate in (row.bracket_low, row.bracket_high)
        ]
        broken = [outcome in ("nan", "inf", "diverged", "dead") for outcome in outcomes]
        assert broken == [False, True]
        assert row.decided_by == "outcome"
        assert row.horizon == 60

    def test_nothing_is_predicted_for_a_network_and_the_row_says_why(self, engine, tmp_path: Path):
        full = self.TREE | {"training": {"steps": 60, "batch_size": 24}}
        (row,) = measured(engine, tmp_path, full, [RATES], tolerance=1e-2).itertuples()
        assert np.isnan(row.predicted_gd)
        assert row.predicted_gd_absent == "the model is not linear"
        assert row.predicted_catapult == pytest.approx(2 / row.sharpness)

    def test_the_seeds_of_a_row_have_their_quantiles(self, engine, tmp_path: Path):
        axes = [{"key": "training.seed", "range": [0, 5]}, {"key": "training.batch_size", "values": [4, 8]}, RATES]
        table = measured(engine, tmp_path, self.TREE, axes, tolerance=1e-2, block=5)
        assert len(list((tmp_path / "edges" / "edges").glob("*.parquet"))) == 2
        for _, rows in table.groupby("batch_size"):
            edges = rows.edge_learning_rate
            assert len(rows) == 5
            np.testing.assert_allclose(rows.edge_seeds_median, edges.median())
            assert (rows.edge_seeds_low.iloc[0] <= edges.median()) & (edges.median() <= rows.edge_seeds_high.iloc[0])
            assert rows.edge_seeds_low.nunique() == 1

    def test_a_rate_of_one_layer_can_be_searched_and_its_islands_are_flagged(self, engine, tmp_path: Path):
        layers = [{"key": f"optimizer.layer_learning_rates.{k}", "log": [1e-3, 1e6], "num": 12} for k in (0, 1)]
        table = measured(engine, tmp_path, SMALL_FRACTAL, layers, along="learning_rate_1", tolerance=1e-2)
        assert table.columns[0] == "learning_rate_0"
        assert table.edge_learning_rate.notna().sum() > 4
        assert (table.reentrant == (table.last_stable_rate > 1.1 * table.bracket_high)).all()


@pytest.mark.parametrize("model", [{"init": "zeros"}, {"hidden": [3]}])
def test_edges_are_found_in_bfloat16_which_numpy_does_not_know(
    model: dict[str, Any], npz, engine, tmp_path: Path
) -> None:
    training = {"steps": 30, "batch_size": 12, "dtype": "bfloat16"}
    tree = regression(npz(x=X, y=Y), model=model, training=training)
    (row,) = measured(engine, tmp_path, tree, [RATES], tolerance=0.05).itertuples()
    assert row.decided_by == "outcome"
    assert 1e-3 < row.edge_learning_rate < 30


class TestRows:
    def test_excluded_combinations_have_no_row(self, engine, tmp_path: Path):
        axes = [{"key": "training.batch_size", "values": [4, 8, 24]}, {"key": "training.seed", "range": [0, 2]}, RATES]
        table = measured(
            engine, tmp_path, TestByOutcome.TREE, axes, where="batch_size == 8 or seed == 0", tolerance=0.05
        )
        assert sorted(zip(table.batch_size, table.seed, strict=True)) == [(4, 0), (8, 0), (8, 1), (24, 0)]

    @pytest.mark.parametrize(
        ("axes", "options", "problem"),
        [
            ([{"key": "optimizer.learning_rate", "log": [-1.0, -1e-3], "num": 3}], {}, "among positive rates"),
            ([{"key": "optimizer.learning_rate", "values": [0.1]}], {}, "a single rate"),
            ([RATES], {"tolerance": 0.5}, "is no tolerance"),
            ([RATES], {"along": "seed"}, "is no axis of learning rates"),
            (
                [{"name": "both", "choices": {"a": {"optimizer.learning_rate": 0.1, "model.bias": False}}}],
                {},
                "sets the rate together with other settings",
            ),
            (
                [RATES, {"key": "training.seed", "range": [0, 9]}],
                {"zip": [["learning_rate", "seed"]]},
                "is zipped with another axis",
            ),
        ],
    )
    def test_mistakes_are_told(self, axes, options: dict[str, Any], problem: str, engine, tmp_path: Path):
        with pytest.raises(InputError, match=problem):
            measured(engine, tmp_path, TestByOutcome.TREE, axes, **options)
        assert not list(tmp_path.rglob("*.parquet"))

    def test_layers_with_rates_of_their_own_need_an_axis(self, engine, tmp_path: Path):
        tree = TestByOutcome.TREE | {"optimizer": {"layer_learning_rates": [0.1, 0.1]}}
        with pytest.raises(InputError, match="a rate of its own"):
            measured(engine, tmp_path, tree, [{"key": "training.seed", "range": [0, 2]}])

    def test_cells_and_rows_know_each_other(self):
        axes = [{"key": "training.seed", "range": [0, 3]}, RATES, {"key": "training.batch_size", "values": [1, 2]}]
        rows = EdgeRows(make_sweep(TestByOutcome.TREE, axes))
        assert (rows.size, rows.seeds) == (6, 3)
        columns = rows.columns(np.arange(6))
        assert columns["batch_size"].tolist() == [1, 1, 1, 2, 2, 2]
        assert columns["seed"].tolist() == [0, 1, 2, 0, 1, 2]
        assert list(rows.shards(1)) == [(0, 3), (3, 6)]


class TestFolder:
    AXES: ClassVar = [
        {"key": "training.seed", "range": [0, 2]},
        {"key": "training.batch_size", "values": [4, 8, 24]},
        RATES,
    ]

    def edge(self, engine, folder: Path, **options: Any) -> nanmap.Result:
        sweep = make_sweep(TestByOutcome.TREE, self.AXES)
        return nanmap.edge(sweep, out=folder, engine=engine, tolerance=0.02, block=2, **options)

    def test_an_interrupted_search_continues_with_the_same_rows(self, engine, tmp_path: Path):
        whole = self.edge(engine, tmp_path).edge()
        files = sorted((tmp_path / "edges").glob("*.parquet"))
        kept = files[0].stat().st_mtime_ns
        files[1].unlink()
        (tmp_path / "edges" / ".part-000001.parquet.7").write_bytes(b"half")
        files[2].write_bytes(files[2].read_bytes()[:50])
        pd.testing.assert_frame_equal(self.edge(engine, tmp_path).edge(), whole)
        assert files[0].stat().st_mtime_ns == kept
        assert not list((tmp_path / "edges").glob(".part*"))

    def test_pandas_reads_the_folder_as_it_is(self, engine, tmp_path: Path):
        result = self.edge(engine, tmp_path)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "edges"), result.edge())
        told = json.loads((tmp_path / "edges.json").read_text())
        assert told["complete"]
        assert told["search"]["tolerance"] == 0.02

    def test_other_settings_are_refused_and_fresh_replaces(self, engine, tmp_path: Path):
        self.edge(engine, tmp_path)
        sweep = make_sweep(TestByOutcome.TREE, self.AXES[1:])
        with pytest.raises(InputError, match="holds edges of other settings"):
            nanmap.edge(sweep, out=tmp_path, engine=engine, tolerance=0.02)
        fresh = nanmap.edge(sweep, out=tmp_path, engine=engine, tolerance=0.02, fresh=True)
        assert len(fresh.edge()) == 3

    def test_a_folder_without_edges_says_how_to_get_them(self, tmp_path: Path):
        with pytest.raises(InputError, match="holds no edges yet") as caught:
            nanmap.Result(tmp_path).edge()
        assert "nanmap edge SWEEP --out" in str(caught.value)


def test_the_command_measures_and_compares(tmp_path: Path, command) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nstart = 1\nn = 20\n[training]\nepochs = 9\n')
    (tmp_path / "grid.toml").write_text(
        'config = "line.toml"\n[[axes]]\nkey = "data.n"\nvalues = [10, 20]\n'
        '[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-4, 1]\nnum = 5\n'
    )
    done = command("edge", "grid.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "edges: 2 of 2 rows" in done.stdout
    assert "measured / the full-batch bound: 1" in done.stdout
    assert len(nanmap.Result(tmp_path / "results" / "grid").edge()) == 2
    again = command("edge", "grid.toml", cwd=tmp_path)
    assert "all 2 edges were done already" in again.stdout
    assert ["columns of a map" in each.stdout for each in (done, again)] == [True, False]
    wrong = command("edge", "grid.toml", "--along", "n", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "is no axis of learning rates" in wrong.stderr
