"""Which edges a sweep has, what is trained to find them, and what is said of them: by an engine that trains nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nanmap
from handmade import AT_REST
from nanmap.edges.bisection import Span, plan_search, search
from nanmap.edges.facts import _measured, _predicted
from nanmap.edges.probe import Prober, _stable, _tail_grows
from nanmap.edges.quantiles import over_seeds
from nanmap.edges.rows import EdgeRows
from nanmap.edges.tolerance import check_tolerance
from nanmap.engine.base import Trained
from nanmap.errors import InputError
from nanmap.plan import Lanes, Plan, make_sweep
from nanmap.runs.observer import Observer
from nanmap.theory.predict import FLAT, FULL_BATCH, GROWING_MOMENTUM, IN_ORDER, MINIBATCH, MOMENTUM
from nanmap.training.program import Program

LINE: dict[str, Any] = {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"steps": 30, "batch_size": 64}}
NETWORK: dict[str, Any] = {
    "data": {"kind": "gaussian", "n": 6, "features": 2},
    "model": {"hidden": [2]},
    "training": {"steps": 30, "batch_size": 3},
}
RATES = {"key": "optimizer.learning_rate", "log": [1e-3, 30.0], "num": 3}
SEEDS = {"key": "training.seed", "range": [0, 3]}
EDGE = 0.3


@pytest.fixture(autouse=True)
def no_sharpness(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of networks is not looked at here."""
    monkeypatch.setattr("nanmap.theory.facts.sharpness", lambda *_: np.ones(len(_[-1]["delta"])))


class Answers:
    """Trains nothing: above a rate the loss has grown."""

    backend, device, compilations = "cpu", "none", 0

    def __init__(self) -> None:
        self.narrowed: dict[Program, tuple[int, int]] = {}
        self.rates: list[np.ndarray] = []
        self.steps: list[int] = []

    def width(self, program: Program) -> int:
        return 1

    def groups(self, lanes: Lanes) -> list[np.ndarray]:
        return [np.array([cell]) for cell in range(len(lanes))]

    def begin(self, widths: Any, notify: Any = None) -> None:
        pass

    def train(self, batches: Iterable[Lanes]) -> Iterator[Trained]:
        for number, lanes in enumerate(batches):
            self.rates.extend(lanes.learning_rates)
            self.steps.extend(lanes.variants[each].steps for each in lanes.variant)
            grown = np.where(lanes.learning_rates[:, -1] < EDGE, 1.0, 5.0)
            facts = {name: np.full(len(lanes), value) for name, value in AT_REST.items()}
            yield Trained(number, np.arange(len(lanes)), facts | {"loss_final": grown})


def test_a_search_trains_every_row_at_rates_of_the_axis_for_the_budget_of_the_sweep(tmp_path: Path) -> None:
    engine, trained = Answers(), []
    counts = type("Counts", (Observer,), {"trained": lambda self, count: trained.append(count)})
    axes = [{"key": "training.steps", "values": [30, 90]}, RATES]
    result = nanmap.edge(make_sweep(NETWORK, axes), out=tmp_path, engine=engine, observer=counts())
    table = result.edge()
    assert (np.abs(table.edge_learning_rate / EDGE - 1) < 1e-4).all()  # the tolerance where none is given
    assert table.horizon.tolist() == [30, 90]
    assert table.sharpness.tolist() == [1, 1]
    assert engine.steps.count(30) == engine.steps.count(90) == sum(trained) / 2
    assert (np.min(engine.rates), np.max(engine.rates)) == pytest.approx((1e-3, 30.0))
    # Every row was tried as often as the other: so many columns of a map, each of all rows, cost as much.
    assert result.folder.read_edges_manifest()["columns_of_a_map"] == sum(trained) / 2
    blocks = nanmap.edge(make_sweep(NETWORK, axes), out=tmp_path / "blocks", engine=engine, block=1)
    assert blocks.folder.read_edges_manifest()["columns_of_a_map"] == sum(trained) / 2
    assert blocks.edge().equals(table)


def test_only_the_rate_that_is_searched_moves(tmp_path: Path) -> None:
    engine = Answers()
    layers = [{"key": f"optimizer.layer_learning_rates.{k}", "values": [0.125, 2.0]} for k in (0, 1)]
    table = nanmap.edge(make_sweep(NETWORK, layers), out=tmp_path, engine=engine, along="learning_rate_1").edge()
    assert table.learning_rate_0.tolist() == [0.125, 2.0]
    first, second = np.array(engine.rates).T
    assert set(first) == {0.125, 2.0}
    assert (second.min(), second.max()) == (0.125, 2.0)
    assert len(set(second)) > 10


def test_without_an_axis_of_rates_the_search_goes_from_a_millionth_to_a_hundred(tmp_path: Path) -> None:
    engine = Answers()
    nanmap.edge(make_sweep(NETWORK, [SEEDS]), out=tmp_path, engine=engine)
    assert (np.min(engine.rates), np.max(engine.rates)) == pytest.approx((1e-6, 100.0))


def prober(tree: dict[str, Any], axes: list[dict[str, Any]]) -> Prober:
    plan = Plan(make_sweep(tree, axes))
    rows = EdgeRows(plan.sweep)
    return Prober(plan, rows, Answers(), np.arange(rows.size), lambda count: None)


@pytest.mark.parametrize(("dtype", "bits"), [("float32", 23), ("float64", 52)])
def test_the_horizon_is_long_enough_for_what_momentum_lets_swing(dtype: str, bits: int) -> None:
    """At nine tenths of it, |β|ᵗ has sunk below the square of 64 units in the last place; or the row says that it has not."""
    momenta = [0.0, 0.5, 0.97, -0.97, 0.999, 0.99999, 1.0]
    training = LINE["training"] | {"dtype": dtype}
    probe = prober(LINE | {"training": training}, [{"key": "optimizer.momentum", "values": momenta}, RATES])
    assert probe.by_tail.tolist() == [True] * 5 + [True, True]
    needed = np.log(2.0 ** (2 * (6 - bits))) / np.log(np.abs(momenta[2:5])) / 0.9
    assert (probe.horizon[2:5] > np.maximum(needed, 600)).all()
    assert (probe.horizon[2:5] < 1.25 * needed + 1).all()
    assert probe.horizon[[0, 1, 5, 6]].tolist() == [600, 600, 100_000, 600]
    assert probe.swings.tolist() == [False] * 5 + [True, False]


def test_rows_decided_by_their_outcome_wait_for_no_swing() -> None:
    axes = [{"key": "training.batch_size", "values": [64, 5]}, {"key": "optimizer.momentum", "values": [0.0, 0.99999]}]
    probe = prober(LINE, [*axes, RATES])
    assert probe.by_tail.tolist() == [True, True, False, False]
    assert probe.horizon.tolist() == [600, 100_000, 30, 30]
    assert probe.swings.tolist() == [False, True, False, False]


def lanes_of(**data: Any) -> Lanes:
    plan = Plan(make_sweep(LINE | {"data": LINE["data"] | data}, []))
    return plan.lanes(plan.grid.cells(np.arange(1)))[0]


UNIT = 64 * 2.0**-23


@pytest.mark.parametrize(
    ("initial", "at_90", "final", "slope", "grows"),
    [
        (1.0, 1.0, 0.9, 0.0, False),
        (1.0, 1.0, 1.0, 0.0, False),
        (1.0, 1.0, (1 + 1.4 * UNIT) ** 2, 0.0, False),
        (1.0, 1.0, (1 + 1.6 * UNIT) ** 2, 0.0, True),
        (0.0, 1.0, (1 + 0.4 * UNIT) ** 2, 0.0, False),
        (0.0, 1.0, (1 + 0.6 * UNIT) ** 2, 0.0, True),
        (100.0, 1e-24, (9.9 * UNIT) ** 2, 0.0, False),  # rounding of outputs as large as the first errors
        (100.0, 1e-24, (10.1 * UNIT) ** 2, 0.0, True),
        (0.0, 1e-24, (11.9 * UNIT) ** 2, 1.0, False),  # and of outputs as large as the targets, 1 … 20: √143.5 = 11.98
        (0.0, 1e-24, (12.1 * UNIT) ** 2, 1.0, True),
        (1.0, 1.0, np.nan, 0.0, True),
        (1.0, np.nan, 1.0, 0.0, True),
    ],
)
def test_the_tail_grows_where_it_rises_by_more_than_rounding(
    initial: float, at_90: float, final: float, slope: float, grows: bool
) -> None:
    facts = {"loss_initial": np.array([initial]), "loss_at_90": np.array([at_90]), "loss_final": np.array([final])}
    found = _tail_grows(lanes_of(slope=slope), np.zeros(1, int), facts)
    assert found.tolist() == [grows]


@pytest.mark.parametrize(
    ("change", "by_tail", "by_outcome"),
    [
        ({}, True, True),
        ({"loss_final": 1.5}, False, True),  # grows at its end, but not out of bounds
        ({"loss_at_90": 9.0, "loss_final": 5.0}, True, False),  # out of bounds, but on its way down
        ({"first_inf_step": 0}, False, True),
        ({"first_nan_step": 0}, False, False),
    ],
)
def test_the_tail_and_the_outcome_decide_each_their_own_rows(change: dict, by_tail: bool, by_outcome: bool) -> None:
    facts = {name: np.array([value] * 2) for name, value in (AT_REST | change).items()}
    found = _stable(lanes_of(), np.zeros(2, int), facts, np.array([True, False]))
    assert found.tolist() == [by_tail, by_outcome]


def test_the_edge_is_the_middle_of_its_bracket_in_the_logarithm() -> None:
    span = plan_search(1e-3, 10.0, 0.1, verified=False)
    found = search(lambda rows, rates, _: rates < EDGE, 2, span, np.zeros(2, bool))
    found = SimpleNamespace(**vars(found) | {"low": np.array([1.0, 1e-200]), "high": np.array([4.0, 4e-200])})
    found.stretch = np.array([1, 4])
    probe = SimpleNamespace(by_tail=np.array([True, False]), swings=np.zeros(2, bool), horizon=np.array([600, 30]))
    facts = _measured(found, probe, span)
    assert facts["edge_learning_rate"].tolist() == pytest.approx([2.0, 2e-200], rel=1e-12, abs=0)
    assert facts["horizon"].tolist() == [600, 120]
    assert facts["decided_by"].tolist() == ["tail", "outcome"]


def test_an_island_that_the_scan_saw_is_not_forgotten_with_a_longer_horizon() -> None:
    """Near the edge rates only seem stable over a short horizon; far above it there is an island that is."""

    def probe(rows: np.ndarray, rates: np.ndarray, stretch: np.ndarray) -> np.ndarray:
        island = (rates > 5) & (rates < 20) & (rows == 0)
        return (rates < 1.5) | (rates < 2) & (stretch < 4) | island

    span = Span(1e-2, 1e2, scan=9, rounds=14)  # half a decade apart: 1, 3.2, 10, 32, …
    found = search(probe, 2, span, np.ones(2, bool))
    assert np.sqrt(found.low * found.high) == pytest.approx([1.5, 1.5], rel=1e-4)
    assert found.stretch.tolist() == [4, 4]
    assert found.settled.all()
    assert found.reentrant.tolist() == [True, False]
    assert found.last_stable.tolist() == pytest.approx([10, found.low[1]])


def test_a_row_without_a_prediction_says_why_each_for_itself() -> None:
    axes = [
        {"key": "training.batch_size", "values": [64, 5]},
        {"key": "optimizer.momentum", "values": [0.0, 0.5, 1.1]},
    ]
    tree = LINE | {"training": {"steps": 3, "order": "sequential", "dtype": "float64"}}
    tree["data"] = LINE["data"] | {"scale_inputs": "standard"}
    plan = Plan(make_sweep(tree, axes))
    cells = plan.grid.cells(np.array([5, 3, 1, 4, 0, 2]))
    found = _predicted(plan, cells)
    full, growing = ["", FULL_BATCH, FULL_BATCH], [GROWING_MOMENTUM] * 3
    absent = np.array([found[f"predicted_{name}_absent"] for name in ("gd", "mean_square", "typical")]).T.tolist()
    assert absent == [growing, [MINIBATCH, IN_ORDER, ""], full, [MINIBATCH, IN_ORDER, ""], full, growing]
    assert MOMENTUM not in np.ravel(absent)
    assert found["predicted_gd"].tolist() == pytest.approx([np.nan, np.nan, 1.5, np.nan, 1.0, np.nan], nan_ok=True)
    for name in ("gd", "mean_square", "typical"):
        assert np.isnan(found[f"predicted_{name}"]).tolist() == (found[f"predicted_{name}_absent"] != "").tolist()
    assert found["sharpness"].tolist() == pytest.approx([2.0] * 6)


def test_rows_of_one_program_have_each_the_reason_of_their_own_data() -> None:
    """A single row scaled to 0 without a bias: its loss is flat."""
    tree = {"data": {"kind": "square", "scale_inputs": "standard"}, "model": {"bias": False}, "training": {"steps": 3}}
    plan = Plan(make_sweep(tree, [{"key": "data.n", "values": [1, 2, 3]}]))
    found = _predicted(plan, plan.grid.cells(np.arange(3)))
    assert found["predicted_gd_absent"].tolist() == [FLAT, "", ""]
    assert np.isnan(found["predicted_gd"]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("axes", "zip", "seeds", "order"),
    [
        (["training.seed", "data.n"], [], 2, ["n", "seed"]),
        (["data.seed", "data.n"], [], 2, ["n", "seed"]),
        (["data.seed", "data.n", "training.seed"], [], 4, ["n", "data_seed", "training_seed"]),
        (["data.seed", "data.n", "training.seed"], [["data_seed", "training_seed"]], 2, ["n", "data_seed"]),
        (["data.n", "training.seed"], [["n", "seed"]], 1, ["n"]),
        (["data.n", "training.batch_size"], [], 1, ["n", "batch_size"]),
    ],
)
def test_rows_that_differ_in_seeds_alone_stand_together(axes: list, zip: list, seeds: int, order: list) -> None:
    sweep = make_sweep(NETWORK, [{"key": key, "values": [4, 5]} for key in axes], zip=zip)
    rows = EdgeRows(sweep)
    columns = rows.columns(np.arange(rows.size))
    assert rows.seeds == seeds
    assert rows.size == 2 ** len(order)
    counted = np.array(np.unravel_index(np.arange(rows.size), (2,) * len(order))) + 4
    assert [columns[name].tolist() for name in order] == counted.tolist()


def test_a_row_stays_while_any_of_its_rates_does() -> None:
    axes = [RATES, {"key": "training.batch_size", "values": [1, 2, 3]}]
    where = "learning_rate > 1 and batch_size == 2 or learning_rate < 0.01 and batch_size == 3"
    rows = EdgeRows(make_sweep(NETWORK, axes, where=where))
    assert rows.kept(0, 3).tolist() == [1, 2]
    assert rows.kept(1, 2).tolist() == [1]


def test_a_seed_that_is_left_alone_has_no_quantiles() -> None:
    found = over_seeds(SimpleNamespace(seeds=3), np.array([0, 1, 2, 4]), np.array([1.0, 2.0, 4.0, 8.0]))
    assert found["edge_seeds_median"].tolist() == pytest.approx([2, 2, 2, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("dtype", "fine", "too_fine", "allowed"),
    [
        ("float32", 1e-6, 0.9e-6, "1e-06 to 0.1, relative, in float32"),
        ("bfloat16", 1e-6, 0.9e-6, "1e-06 to 0.1, relative, in bfloat16"),
        ("float64", 1e-9, 0.9e-9, "1e-09 to 0.1, relative, in float64"),
    ],
)
def test_a_tolerance_lies_within_what_the_number_format_resolves(
    dtype: str, fine: float, too_fine: float, allowed: str
) -> None:
    plan = Plan(make_sweep(NETWORK | {"training": {"steps": 3, "dtype": dtype}}, []))
    for tolerance in (fine, 0.1):
        check_tolerance(tolerance, plan)
    for tolerance in (too_fine, 0.11, np.nan, -fine):
        with pytest.raises(InputError, match="is no tolerance") as error:
            check_tolerance(tolerance, plan)
        assert (error.value.key, error.value.allowed) == ("--tolerance", allowed)
        assert repr(error.value.value) == repr(tolerance)


LAYERS = [{"key": f"optimizer.layer_learning_rates.{k}", "values": [0.1, 0.2]} for k in (0, 1)]


@pytest.mark.parametrize(
    ("axes", "along", "told"),
    [
        ([RATES], "seed", ["--along", "'seed'", "allowed: learning_rate"]),
        ([SEEDS], "seed", ["--along", "'seed'", "allowed: nothing"]),
        (LAYERS, None, ["s.toml: --along", "several axes", "allowed: learning_rate_0, learning_rate_1", "choose one"]),
        (
            [{"key": "optimizer.learning_rate", "values": [0.1, 0.0, 0.2]}],
            None,
            ["s.toml: axes.learning_rate", "positive", "(got 0.0)", "--set axes.learning_rate.log='[1e-6, 1]'"],
        ),
        (
            [{"name": "both", "choices": {"a": {"optimizer.learning_rate": 0.1, "model.bias": False}}}],
            None,
            ["s.toml: axes.both", "together with other settings", "an axis of its own"],
        ),
    ],
)
def test_a_sweep_whose_rates_cannot_be_searched_says_where(axes: list, along: str | None, told: list[str]) -> None:
    with pytest.raises(InputError) as error:
        EdgeRows(make_sweep(NETWORK, axes, file=Path("s.toml")), along)
    assert all(part in str(error.value) for part in told), str(error.value)


def test_an_axis_of_a_single_rate_is_named(tmp_path: Path) -> None:
    sweep = make_sweep(NETWORK, [{"key": "optimizer.learning_rate", "values": [0.1]}], file=Path("s.toml"))
    with pytest.raises(InputError, match="single rate") as error:
        nanmap.edge(sweep, out=tmp_path / "run", engine=Answers())
    assert (error.value.key, error.value.file) == ("axes.learning_rate", Path("s.toml"))
    assert not list(tmp_path.iterdir())


def test_the_rates_of_an_axis_may_stand_in_any_order() -> None:
    rates = {"key": "optimizer.learning_rate", "values": [0.2, 0.5, 0.1, 0.3]}
    assert EdgeRows(make_sweep(NETWORK, [rates])).span == (0.1, 0.5)
