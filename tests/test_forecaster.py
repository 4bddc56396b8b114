"""Theory's columns belong to their cells: whatever cells are asked for together, in any order, of any data and settings."""

from typing import Any

import numpy as np
import pytest

from nanmap.data import Rows
from nanmap.plan import Lanes, Plan, make_sweep
from nanmap.theory import facts
from nanmap.theory.facts import Forecaster, critical_rates
from nanmap.training.program import Program

NETWORK: dict[str, Any] = {
    "data": {"kind": "gaussian", "n": 6, "features": 2},
    "model": {"hidden": [2], "activation": "tanh", "init": "normal"},
    "loss": {"kind": "huber"},
    "training": {"steps": 3, "batch_size": 6},
}
LINE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20},
    "training": {"steps": 900, "batch_size": 64},
}


def all_lanes(tree: dict[str, Any], axes: list[dict[str, Any]]) -> list[Lanes]:
    plan = Plan(make_sweep(tree, axes))
    return plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of the sharpness a number that tells apart all that it hangs on; and how many were asked for."""
    asked: list[int] = []

    def fingerprint(program: Program, rows: Rows, parameters: Any, state: Any, numbers: Any) -> np.ndarray:
        asked.append(len(numbers["delta"]))
        of_all = np.abs(rows.inputs).sum() + 1e3 * len(program.dtype + program.loss + program.model.identity)
        of_each = sum(
            np.abs(leaf).reshape(len(leaf), -1).sum(axis=1) for layer in parameters for leaf in layer.values()
        )
        return of_all + 1e4 * of_each + 1e7 * numbers["gain"] + 1e8 * numbers["delta"]

    monkeypatch.setattr(facts, "sharpness", fingerprint)
    return asked


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("data.seed", [0, 1]),
        ("training.dtype", ["float32", "bfloat16"]),
        ("loss.kind", ["huber", "mae"]),
        ("loss.delta", [0.5, 1.0]),
        ("model.gain", [1.0, 2.0]),
        ("model.init", ["normal", "glorot_uniform"]),
        ("model.init_scale", [1.0, 2.0]),
        ("model.hidden", [[2], [13]]),
        ("training.seed", [0, 1]),
    ],
)
def test_cells_that_differ_in_what_their_sharpness_hangs_on_have_each_their_own(key: str, values: list, told) -> None:
    forecaster = Forecaster(always=True)
    found = [
        forecaster.columns(lanes, np.array([cell]))["sharpness"][0]
        for lanes in all_lanes(NETWORK, [{"key": key, "values": values}])
        for cell in range(len(lanes))
    ]
    assert len(found) == len(set(found)) == len(told) == 2


def test_cells_that_differ_in_their_rate_alone_share_a_sharpness(told) -> None:
    (lanes,) = all_lanes(NETWORK, [{"key": "optimizer.learning_rate", "values": [0.1, 0.2, 0.3]}])
    forecaster = Forecaster(always=True)
    found = [forecaster.columns(lanes, np.array(cells))["sharpness"] for cells in ([1], [0, 2])]
    assert told == [1]
    assert len(set(np.concatenate(found))) == 1


def test_a_sweep_computes_the_sharpness_of_a_network_only_where_it_is_asked_for(told) -> None:
    trees = [NETWORK | {"record": {"sharpness": asked}} for asked in (False, True)]
    found = [Forecaster().columns(all_lanes(tree, [])[0], np.array([0]))["sharpness"][0] for tree in trees]
    assert np.isnan(found).tolist() == [True, False]


@pytest.mark.parametrize(("asked", "at_the_end"), [(False, False), ("start", False), (True, True)])
def test_parameters_at_the_end_are_kept_only_if_their_sharpness_is_asked_for(
    asked: bool | str, at_the_end: bool
) -> None:
    (lanes,) = all_lanes(NETWORK | {"record": {"sharpness": asked}}, [])
    assert lanes.program.final_layers == at_the_end


SEEDS = {"key": "training.seed", "range": [0, 3]}
RATES = {"key": "optimizer.learning_rate", "values": [0.001, 0.02, 0.5]}
CROWDS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "momentum": (LINE, [{"key": "optimizer.momentum", "values": [0.0, 0.5, 0.9]}, SEEDS]),
    "rows": (LINE, [{"key": "data.n", "values": [17, 19, 20]}, RATES, SEEDS]),
    "network": (NETWORK, [{"key": "data.seed", "range": [0, 2]}, {"key": "model.gain", "values": [1.0, 2.0]}, SEEDS]),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_some_cells_in_another_order_have_what_they_have_among_all(crowd: str, told) -> None:
    (lanes,) = all_lanes(*CROWDS[crowd])
    some = np.arange(len(lanes))[::-2]
    rng = np.random.default_rng(0)
    shapes = lanes.program.model.shapes()[0]
    ends = [{name: rng.standard_normal((len(lanes), *shape)) for name, shape in layer.items()} for layer in shapes], []
    taken = [{name: values[some] for name, values in layer.items()} for layer in ends[0]], []
    whole = Forecaster(always=True).columns(lanes, np.arange(len(lanes)), ends)
    part = Forecaster(always=True).columns(lanes, some, taken)
    for name, values in whole.items():
        np.testing.assert_array_equal(part[name], values[some], err_msg=name)
    told_of = {"momentum": "predicted_gd", "rows": "overflow_step_predicted", "network": "sharpness_final"}[crowd]
    assert len(set(part[told_of][np.isfinite(part[told_of])])) >= 3


def test_each_momentum_of_an_axis_has_the_critical_rate_of_its_own() -> None:
    (lanes,) = all_lanes(LINE, CROWDS["momentum"][1])
    columns = np.stack([np.arange(1.0, 21.0), np.ones(20)], axis=1)
    steepest = 2 * np.linalg.eigvalsh(columns.T @ columns / 20)[-1]
    found = critical_rates(lanes, np.arange(9))["gd"]
    np.testing.assert_allclose(found, np.repeat([2.0, 3.0, 3.8], 3) / steepest)


def test_a_network_may_catapult_only_in_full_batches(told) -> None:
    axes = [{"key": "training.batch_size", "values": [6, 3]}]
    found = [Forecaster(always=True).columns(lanes, np.array([0])) for lanes in all_lanes(NETWORK, axes)]
    assert [each["predicted_catapult"][0] for each in found] == pytest.approx(
        [2 / found[0]["sharpness"][0], np.nan], nan_ok=True
    )
    linear = Forecaster().columns(all_lanes(LINE, [])[0], np.array([0]))
    assert np.isnan(linear["predicted_catapult"][0])  # its edge is exact


@pytest.mark.parametrize(
    "tables",
    [
        {"optimizer": {"learning_rate": 0.02, "momentum": 0.5}},
        {"optimizer": {"learning_rate": 0.02, "schedule": "cosine"}},
        {"optimizer": {"learning_rate": 0.02, "kind": "adam"}},
        {"optimizer": {"learning_rate": 0.02, "clip_norm": 1.0}},
        {"training": {"steps": 900, "batch_size": 64, "dtype": "bfloat16"}},
        {"training": {"steps": 900, "batch_size": 19}},
    ],
)
def test_no_overflow_is_forecast_where_the_error_does_not_grow_by_one_factor(tables: dict[str, Any]) -> None:
    plain = LINE | {"optimizer": {"learning_rate": 0.02}}
    found = [Forecaster().columns(all_lanes(tree, [])[0], np.array([0])) for tree in (plain, plain | tables)]
    assert np.isfinite([each["overflow_step_predicted"][0] for each in found]).tolist() == [True, False]


def test_a_momentum_of_0_forecasts_what_none_does() -> None:
    trees = {
        "overflow_step_predicted": {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"steps": 100}},
        "predicted_catapult": {
            "data": {"kind": "line", "start": 1, "n": 20},
            "model": {"hidden": [3], "activation": "tanh"},
            "training": {"steps": 9},
        },
    }
    for column, tree in trees.items():
        told = []
        for rule in ({}, {"momentum": 0.0}, {"momentum": 0.9}):
            plan = Plan(make_sweep(tree | {"optimizer": {"learning_rate": 0.02} | rule}, []))
            (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
            told.append(float(Forecaster(always=True).columns(lanes, np.arange(1))[column][0]))
        assert told[0] == told[1] > 0
        assert np.isnan(told[2])
