"""How cells end: every outcome and cause by a real training, and the precedence table against a cell-by-cell reading of it."""

import json
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handmade import AT_REST
from nanmap.outcomes import MARKS, Cause, Outcome, Verdict, broken_by, classify
from nanmap.outcomes.classify import _first_that_holds
from oracles import cause_of, flat, outcome_of

LINE = {"kind": "line", "start": 1, "n": 20, "slope": 0.5}


def relu_net(npz, biases: list[float], **more: Any) -> dict[str, Any]:
    """One input, a relu unit per bias, one output; unit i is positive on every row where its bias is."""
    units = len(biases)
    layers = [
        {"kernel": np.full((1, units), 0.125), "bias": np.array(biases)},
        {"kernel": np.ones((units, 1)), "bias": np.zeros(1)},
    ]
    return {"data": LINE, "model": {"hidden": [units], "init": "file", "init_file": npz(**flat(layers))}} | more


def beside_the_edge(npz) -> dict[str, Any]:
    """A line whose error lies in the flat direction of the loss, and hardly in the steep one: it falls before that grows."""
    x = np.arange(1, 21)
    _, directions = np.linalg.eigh(np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]]))
    kernel, bias = [0.5, 0] + 100 * directions[:, 0] + 1e-3 * directions[:, 1]
    layer = {"kernel": np.array([[kernel]]), "bias": np.array([bias])}
    return {"model": {"init": "file", "init_file": npz(**flat([layer]))}}


def rate(value: float, **more: Any) -> dict[str, Any]:
    return {"optimizer": {"learning_rate": value} | more}


def steps(count: int, **more: Any) -> dict[str, Any]:
    return {"training": {"steps": count, "batch_size": 32} | more}


SCALED = {"data": LINE | {"scale_inputs": "standard"}}
TRAININGS: dict[tuple[str, str], Any] = {
    ("nan", "nan_in_data"): lambda npz: {
        "data": {"kind": "npz", "path": npz(x=[[1.0], [np.nan]], y=[1.0, 2.0]), "missing": "keep"},
        **steps(3),
    },
    ("nan", "start_not_finite"): lambda npz: {"data": LINE, "model": {"init": "ones", "init_scale": 1e38}, **steps(3)},
    ("nan", "overflow"): lambda npz: {"data": LINE, **rate(0.1), **steps(300)},
    # A perfect start: every gradient is 0, and Adam without eps divides 0 by 0.
    ("nan", "nan_without_inf"): lambda npz: {
        "data": LINE | {"slope": 0.0},
        "model": {"init": "zeros"},
        **rate(0.1, kind="adam", eps=0),
        **steps(3),
    },
    ("nan", "gradient_ascent"): lambda npz: {**SCALED, **rate(-0.5), **steps(300)},
    ("inf", "overflow"): lambda npz: {"data": LINE, **rate(0.1), **steps(18)},
    ("inf", "float16_range"): lambda npz: {"data": LINE, **rate(0.1), "training": {"steps": 3, "dtype": "float16"}},
    ("inf", "start_not_finite"): lambda npz: {"data": LINE, "model": {"init": "ones", "init_scale": 1e30}, **steps(3)},
    ("converged", ""): lambda npz: {**SCALED, **rate(0.1), **steps(100)},
    ("dead", "dead_at_init"): lambda npz: {**relu_net(npz, [-50.0, -60.0]), **steps(5)},
    ("dead", "killed"): lambda npz: {**relu_net(npz, [14.0, -50.0]), **rate(0.05), **steps(200)},
    ("dead", "blown_up_then_dead"): lambda npz: {**relu_net(npz, [40.0, 40.0]), **rate(1e3), **steps(1)},
    ("diverged", "steps_too_large"): lambda npz: {"data": LINE, **rate(0.0071), **steps(40)},
    ("diverged", "gradient_ascent"): lambda npz: {"data": LINE, **rate(-1e-4), **steps(20)},
    ("diverged", "single_rows"): lambda npz: {
        **SCALED,
        "model": {"hidden": [4], "norm": "batch"},
        **rate(0.1),
        "training": {"steps": 400, "batch_size": 1},
        "outcome": {"ratio": 1e-6},
    },
    ("diverged", "rebounded"): lambda npz: {"data": LINE, **beside_the_edge(npz), **rate(0.007), **steps(400)},
    ("progressing", "budget_too_short"): lambda npz: {**SCALED, **rate(0.01), **steps(20)},
    ("stalled", "no_movement"): lambda npz: {**SCALED, **rate(0.0), **steps(20)},
    ("stalled", "too_slow"): lambda npz: {**SCALED, **rate(1e-6), **steps(20)},
}


@pytest.mark.parametrize(("outcome", "cause"), TRAININGS)
def test_a_training_reaches_this_end_for_this_reason(outcome: str, cause: str, npz, train) -> None:
    report = train(TRAININGS[outcome, cause](npz))
    assert (report.outcome, report.cause) == (outcome, cause), report.row


LOSSES = st.sampled_from(
    [0.0, -0.0, 1e-320, 0.9, 1.0, 0.98, 0.989, 0.99, 0.991, 0.9999, 1.0000001, 1.1, 2.5, 20.0, 1e300, np.inf, np.nan]
)
STEPS = st.sampled_from([-1, 0, 3])
ROW = st.fixed_dictionaries(
    {
        **dict.fromkeys(MARKS, LOSSES),
        "loss_floor": st.sampled_from([0.0, 1e-30, 0.5, 1.0, 2.0, np.nan]),
        "loss_constant": st.sampled_from([1.0, 15.0]),
        "loss_best": st.sampled_from([np.nan, np.nan, 0.98, 0.04]),
        "steps_run": st.sampled_from([1, 2, 3, 4, 5, 9, 10, 100]),
        "stopped_by": st.sampled_from(["", "", "", "stop_above", "stop_converged"]),
        "ratio": st.sampled_from([0.05, 0.5]),
        "rising": st.just(1.01),
        "falling": st.just(0.99),
        "rebound": st.just(2.0),
        "first_nan_step": STEPS,
        "first_inf_step": STEPS,
        "ends_infinite": st.booleans(),
        "dead_layer": st.booleans(),
        "dead_at_init": st.booleans(),
        "broken_by": st.sampled_from(["overflow", "nan_without_inf"]),
        "handicap": st.sampled_from(["", "", "", "gradient_ascent", "precision", "single_rows"]),
        "layers": st.sampled_from([1, 2, 3, 11]),
        "output_spread": st.sampled_from([0.5, 0.5, 0.01, 0.0099, 100.0, 101.0, np.nan]),
        "gradient_ratio": st.sampled_from([0.5, 0.5, 1e-3, 1.001e-3, 0.0, np.nan]),
        "gradient_ratio_initial": st.sampled_from([0.5, 0.5, 1e-3, 1.001e-3, 999.0, 1e3, np.inf, np.nan]),
    }
)


@settings(max_examples=600)
@given(st.lists(ROW, min_size=1, max_size=6))
@example([AT_REST | {"loss_final": 0.05}])
@example([AT_REST | {"loss_final": 0.99}])
@example([AT_REST | {"loss_final": 2.0}])
@example([AT_REST | {"loss_at_80": 0.9, "loss_final": 1.02}])
@example([AT_REST | {"loss_at_80": 0.9, "loss_at_90": 0.9, "loss_final": 1.02, "steps_run": 5}])
@example([AT_REST | {"loss_at_50": 0.4, "loss_at_90": 0.9, "loss_final": 0.81}])
@example([AT_REST | {"first_nan_step": 0, "ends_infinite": True, "dead_layer": True}])
def test_columns_are_classified_as_the_table_reads_for_each_cell(rows: list[dict]) -> None:
    columns = {name: np.array([row[name] for row in rows]) for name in AT_REST}
    outcomes, causes = classify(columns)
    assert outcomes.tolist() == [outcome_of(row) for row in rows]
    assert causes.tolist() == [cause_of(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]


PACES = np.array(  # the loss at a mark over that at the one before
    [0.25, 0.5, 0.9, 0.95, 0.96, 0.98, 0.985, 0.99, 0.999, 1 - 3e-6, 1 - 3e-7, 1.0, 1.0, 1.01, 1.02, 1.12, 1.5, 2.0, 2.1]
)  # fmt: skip


def made_ways(count: int) -> dict[str, np.ndarray]:
    """Facts of cells whose losses go on from mark to mark, many of them exactly at a threshold."""
    rng = np.random.default_rng(11)
    budget = rng.choice([1, 2, 3, 4, 5, 6, 9, 10, 100], count)
    slower = np.cumprod(rng.choice([0.3, 0.5, 0.8, 0.899, 0.9, 0.901, 0.99], (count, 4)), axis=1)
    falling = 1 - rng.choice([1.0, 0.1, 0.02], (count, 1)) * slower
    kind = rng.integers(5, size=(count, 1))
    paces = np.select(
        [kind == 0, kind == 1], [falling, rng.choice(PACES[PACES < 1], (count, 4))], rng.choice(PACES, (count, 4))
    )
    still = np.diff(budget[:, None] * [0, 5, 8, 9, 10] // 10, axis=1) == 0  # marks at one update count have one loss
    paces = np.where(still, 1.0, paces)
    first = rng.choice([2e-6, 0.02, 0.05, 0.06, 0.3, 1.0, 1.0, 1.0, 3.0, 90.0], (count, 1))
    losses = first * np.cumprod(np.hstack([np.ones((count, 1)), paces]), axis=1)
    lowest, final = losses.min(axis=1), losses[:, 4]
    of = lambda *choices: np.choose(rng.integers(len(choices), size=count), choices)  # noqa: E731
    return {name: np.full(count, value) for name, value in AT_REST.items()} | {
        **dict(zip(MARKS, losses.T, strict=True)),
        "steps_run": budget,
        "loss_floor": of(0.0, 0.0, 0.0, 0.5 * final, 0.9 * final, 0.99 * final),
        "loss_constant": of(1.0, 1.0, 1.0, final, final / 0.97, final / 100),
        "loss_best": of(np.nan, np.nan, np.nan, lowest, 0.99 * lowest, 0.98 * lowest),
        "output_spread": of(0.5, 0.5, 0.5, 0.01, 0.0099, 100.0, 101.0, np.nan),
        "gradient_ratio": of(0.5, 0.5, 0.5, 0.5, 1e-3, 0.0, np.nan),
        "gradient_ratio_initial": of(0.5, 0.5, 0.5, 0.5, 1e-3, 1e3, np.nan),
    }


def test_ways_that_cross_the_thresholds_are_classified_as_the_table_reads() -> None:
    columns = made_ways(3000)
    rows = [
        dict(zip(columns, row, strict=True)) for row in zip(*(each.tolist() for each in columns.values()), strict=True)
    ]
    outcomes, causes = classify(columns)
    assert outcomes.tolist() == [outcome_of(row) for row in rows]
    assert causes.tolist() == [cause_of(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
    assert len(set(zip(outcomes, causes, strict=True))) >= 16


WHOLE = {
    "first_inf_step": -1, "first_nan_step": -1, "loss_initial": 1.0, "data_nan": False, "float16": False,
    "learning_rate": 0.1, "layers": 3, "gradient_ratio_initial": 0.5, "overflowed_inside": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"first_nan_step": 5, "first_inf_step": 5}, "overflow"),
        ({"first_nan_step": 5, "first_inf_step": 4}, "blown_up_at_once"),
        ({"first_nan_step": 4}, "blown_up_at_once"),
        ({"first_inf_step": 4}, "blown_up_at_once"),
        ({"first_inf_step": 5}, "overflow"),
        ({"first_nan_step": 5, "first_inf_step": 6, "overflowed_inside": False}, "nan_without_inf"),
        ({"first_nan_step": 5, "first_inf_step": 5, "overflowed_inside": False}, "overflow"),
        ({"first_nan_step": 5, "overflowed_inside": False}, "nan_without_inf"),
        ({"first_nan_step": 5}, "overflow"),
        ({"first_nan_step": 5, "gradient_ratio_initial": 1e3}, "exploding_gradient"),
        ({"first_nan_step": 5, "gradient_ratio_initial": 999.0}, "overflow"),
        ({"first_nan_step": 5, "gradient_ratio_initial": 1e3, "layers": 2}, "overflow"),
        ({"first_nan_step": 5, "first_inf_step": 4, "float16": True}, "float16_range"),
        ({"first_nan_step": 5, "float16": True, "overflowed_inside": False}, "nan_without_inf"),
        ({"first_nan_step": 1, "loss_initial": np.inf, "float16": True}, "float16_range"),
        ({"first_nan_step": 0, "loss_initial": np.inf}, "start_not_finite"),
        ({"first_nan_step": 0, "data_nan": True, "learning_rate": -1.0}, "nan_in_data"),
        ({"first_nan_step": 5, "loss_initial": np.inf, "learning_rate": -1.0}, "start_not_finite"),
        ({"first_nan_step": 5, "loss_initial": np.inf, "float16": True, "overflowed_inside": False}, "float16_range"),
        ({"loss_initial": np.inf, "float16": True, "learning_rate": -1.0}, "float16_range"),
        ({"first_inf_step": 3, "learning_rate": -1.0}, "gradient_ascent"),
        ({"first_inf_step": 5, "learning_rate": 0.0}, "overflow"),
    ],
)
def test_what_broke_the_numbers_is_named(change: dict, cause: str) -> None:
    columns = {name: np.array([value]) for name, value in (WHOLE | change).items()}
    assert broken_by(columns).tolist() == [cause]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"dead_layer": True, "dead_at_init": True, "loss_final": 2.0}, "dead_at_init"),
        ({"dead_layer": True, "loss_final": 2.0}, "blown_up_then_dead"),
        ({"dead_layer": True, "handicap": "gradient_ascent"}, "killed"),
        ({"handicap": "single_rows", "loss_final": 2.1}, "single_rows"),
        ({"handicap": "single_rows", "loss_final": 0.999, "loss_at_90": 0.999}, "single_rows"),
        ({"handicap": "single_rows"}, "no_movement"),
        ({"handicap": "precision"}, "precision"),
        ({"handicap": "precision", "loss_final": 2.1}, "steps_too_large"),
        ({"loss_final": 0.01}, ""),
        ({"loss_final": 0.01, "loss_initial": 0.05}, "good_start"),
        ({"loss_final": 0.03, "loss_initial": 0.01, "loss_at_80": 0.01, "loss_at_90": 0.02}, "rising"),
        ({"loss_final": 1.2, "loss_at_50": 0.7, "loss_at_80": 0.7, "loss_at_90": 1.21}, "rebounded"),
        ({"loss_initial": 9.0, "gradient_ratio": 1e-3, "output_spread": 0.0}, "vanishing_gradient"),
        ({"loss_initial": 9.0, "gradient_ratio": 2e-3, "output_spread": 0.0}, "constant_answer"),
        ({"loss_initial": 9.0, "gradient_ratio_initial": 1e-3, "output_spread": 0.0}, "vanishing_gradient"),
        ({"loss_initial": 9.0, "gradient_ratio_initial": 1e-3}, "plateau"),
        ({"loss_initial": 9.0, "gradient_ratio": 0.0, "output_spread": 100.0}, "vanishing_gradient"),
        ({"loss_initial": 9.0, "gradient_ratio": 0.0, "output_spread": 101.0}, "plateau"),
        ({"loss_initial": 9.0, "gradient_ratio": 0.0, "output_spread": 0.0, "layers": 2}, "constant_answer"),
        ({"loss_initial": 9.0, "loss_at_50": 0.9, "loss_at_90": 0.999, "loss_final": 0.998}, "bouncing"),
        ({"loss_final": 0.01, "loss_initial": 0.05, "handicap": "precision"}, "precision"),
        ({"loss_initial": 9.0, "loss_at_80": 0.95}, "bouncing"),
        ({"loss_initial": 9.0, "loss_final": 0.9999}, "plateau"),
        ({"loss_initial": 4.0, "loss_at_50": 1.3, "loss_at_80": 1.02, "loss_at_90": 1.01}, "too_slow"),
        (dict(zip(MARKS, (0.09, 0.07, 0.0520, 0.0515, 0.0510), strict=True)), "budget_too_short"),
        (dict(zip(MARKS, (4.0, 2.0, 1.3, 1.2, 1.1), strict=True)), "budget_too_short"),
        (dict(zip(MARKS, (1.0, 0.99, 0.98, 0.97, 0.96), strict=True)), "too_slow"),
        (dict(zip(MARKS, (1.0, 1.0, 1.0, 1.0, 0.999), strict=True)) | {"steps_run": 1}, "too_slow"),
        (dict(zip(MARKS, (1.0, 0.999, 0.998, 0.998, 0.997), strict=True)) | {"steps_run": 4}, "too_slow"),
        (dict(zip(MARKS, (1.0, 0.8, 0.62, 0.62, 0.5987), strict=True)) | {"steps_run": 5}, "too_slow"),
        ({"gradient_ratio_initial": 1e3, "loss_final": 2.1}, "exploding_gradient"),
        ({"gradient_ratio_initial": 1e3, "loss_final": 2.1, "layers": 2}, "steps_too_large"),
        ({"loss_best": 0.98}, "bouncing"),
        ({"loss_best": 0.98, "output_spread": 0.0}, "bouncing"),
        ({"loss_best": 0.995}, "no_movement"),
        ({"loss_best": 0.98, "loss_initial": 2.0}, "bouncing"),
        ({"loss_best": 0.995, "loss_initial": 2.0}, "plateau"),
        ({"output_spread": 0.0, "loss_initial": 2.0, "loss_constant": 1.04}, "plateau"),
        ({"output_spread": 0.0, "loss_initial": 2.0, "loss_constant": 1.02}, "constant_answer"),
        # From the constant answer, the noise of small batches goes up and down above it: nothing had fallen.
        (dict(zip(MARKS, (1.0, 1.6, 1.2, 1.9, 1.5), strict=True)), "bouncing"),
        (dict(zip(MARKS, (1.0, 2.6, 2.2, 2.9, 2.5), strict=True)), "bouncing"),
        (dict(zip(MARKS, (1.0, 2.6, 2.2, 2.9, 3.5), strict=True)), "steps_too_large"),
        (dict(zip(MARKS, (1.0, 9.0, 6.0, 4.0, 3.0), strict=True)), "steps_too_large"),
        (dict(zip(MARKS, (4.0, 1.0, 1.0, 2.0, 4.0), strict=True)), "rebounded"),
        (dict(zip(MARKS, (4.0, 1.0, 1.0, 2.0, 4.1), strict=True)), "steps_too_large"),
        # What shrinks leads to a limit, which lies below 0.905, what is enough, or above.
        (dict(zip(MARKS, (1.0, 0.95, 0.926, 0.914, 0.908), strict=True)) | {"loss_floor": 0.9}, "budget_too_short"),
        (dict(zip(MARKS, (1.0, 0.97, 0.944, 0.914, 0.908), strict=True)) | {"loss_floor": 0.9}, "plateau"),
        (dict(zip(MARKS, (1.0, 0.99, 0.98, 0.979, 0.97805), strict=True)), "too_slow"),  # hardly shrinks
        (dict(zip(MARKS, (1.0, 0.99, 0.98, 0.979, 0.9782), strict=True)), "plateau"),
        (dict(zip(MARKS, (1.12, 1.0, 1.11, 1.11, 1.11), strict=True)), "rebounded"),
        (dict(zip(MARKS, (1.12, 1.0, 1.08, 1.08, 1.08), strict=True)), "bouncing"),
        (dict(zip(MARKS, (1.09, 0.999, 1.09, 1.09, 1.1), strict=True)), "bouncing"),
        # Of the constant answer's loss a millionth is rounding, however it climbs.
        (dict(zip(MARKS, (1e-7, 1e-7, 1e-7, 4e-7, 9e-7), strict=True)), "good_start"),
        (dict(zip(MARKS, (1e-7, 1e-7, 1e-7, 4e-7, 2e-6), strict=True)), "rising"),
        (dict(zip(MARKS, (1.0, 900.0, 60.0, 110.0, 100.0), strict=True)), "bouncing"),
        (dict(zip(MARKS, (1.0, 900.0, 60.0, 110.0, 100.1), strict=True)), "steps_too_large"),
        (dict(zip(MARKS, (9.0, 2.6, 2.2, 2.9, 2.5), strict=True)) | {"loss_floor": 0.0}, "bouncing"),
    ],
)
def test_the_nearest_cause_is_named(change: dict, cause: str) -> None:
    columns = {name: np.array([value]) for name, value in (AT_REST | change).items()}
    assert classify(columns)[1].tolist() == [cause]


@pytest.mark.parametrize(
    ("losses", "constant", "outcome", "cause"),
    [
        ((6e8, 9e7, 2.8e7, 3.0e7, 1.2e8), 1e7, "diverged", "rebounded"),
        ((7.1e8, 5e8, 4.2e8, 6e8, 7.1e8), 1e7, "stalled", "rebounded"),  # fell back, to less than twice its best
        ((8.0, 1.0, 1.0, 1.0, 1.0), 1.0, "stalled", "plateau"),  # a bad start makes no success of a constant answer
        ((0.9, 0.084, 0.084, 0.084, 0.084), 0.13, "stalled", "plateau"),
        ((0.9, 0.06, 0.055, 0.052, 0.05), 0.13, "progressing", "budget_too_short"),
    ],
)
def test_losses_are_read_by_what_a_constant_leaves(losses: tuple, constant: float, outcome: str, cause: str) -> None:
    facts = AT_REST | dict(zip(MARKS, losses, strict=True)) | {"loss_constant": constant}
    found = classify({name: np.array([value]) for name, value in facts.items()})
    assert (found[0][0], found[1][0]) == (outcome, cause)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_single_layer_that_climbs_is_gradient_ascent(layer: int, npz, train) -> None:
    rates = [0.0, 0.0]
    rates[layer] = -1e-5
    report = train({**relu_net(npz, [1.0, 2.0]), "optimizer": {"layer_learning_rates": rates}, **steps(5)})
    assert (report.outcome, report.cause) == ("stalled", "gradient_ascent")


def test_dead_fractions_count_units_that_are_flat_on_every_row(npz, grid) -> None:
    (row,) = grid({**relu_net(npz, [1.0, -50.0, -0.2, -2.4]), **rate(0.0), **steps(1)}, []).to_pylist()
    assert row["dead_fraction_initial"] == 0.25  # x/8 − 0.2 and x/8 − 2.4 are positive on some of x = 1..20
    (row,) = grid({**relu_net(npz, [-50.0, -2.5]), **rate(0.0), **steps(1)}, []).to_pylist()
    assert row["dead_fraction_initial"] == 1.0
    assert row["outcome"] == "dead"


def test_a_tanh_net_has_no_dead_fraction(grid) -> None:
    (row,) = grid({**SCALED, "model": {"hidden": [3], "activation": "tanh"}, **steps(2)}, []).to_pylist()
    assert row["dead_fraction_initial"] is None
    assert row["dead_fraction"] is None


def test_no_gradient_passes_a_dead_layer(npz, train) -> None:
    report = train({**relu_net(npz, [-50.0, -60.0]), **rate(10.0), **steps(5)})
    assert report.params["layers.0.bias"].tolist() == [-50.0, -60.0]
    assert report.params["layers.0.kernel"].ravel().tolist() == [0.125, 0.125]
    assert report.params["layers.1.kernel"].ravel().tolist() == [1.0, 1.0]


def test_ratio_and_floor_are_settings(train) -> None:
    tree = {**SCALED, **rate(0.05), **steps(10)}
    row = train(tree).row
    share = (row["loss_final"] - row["loss_floor"]) / (row["loss_constant"] - row["loss_floor"])
    assert row["loss_floor"] < 1e-20  # a line fits a line
    for ratio, outcome in ((share * 1.001, "converged"), (share * 0.999, "progressing")):
        assert train(tree | {"outcome": {"ratio": ratio}}).outcome == outcome
    assert train(tree | {"outcome": {"floor": row["loss_final"]}}).outcome == "converged"
    assert train(tree | {"outcome": {"floor": row["loss_initial"] + 1}}).outcome == "converged"


@pytest.mark.parametrize("budget", [10, 19, 21])
@pytest.mark.parametrize("tenths", [5, 8, 9])
def test_a_mark_is_the_loss_after_tenths_of_the_updates_rounded_down(budget: int, tenths: int, columns) -> None:
    made = int(Fraction(tenths, 10) * budget)
    losses = [columns({"data": LINE, **rate(0.005), **steps(count)}, []) for count in (budget, made, made + 1)]
    assert losses[0][f"loss_at_{tenths}0"] == losses[1]["loss_final"] != losses[2]["loss_final"]


@pytest.mark.parametrize("member", [*Outcome, *Cause])
def test_a_member_is_its_text_and_survives_a_pickle(member: Verdict) -> None:
    assert pickle.loads(pickle.dumps(member)) is member
    assert member == str(member) == f"{member}" == member.value
    assert type(member)(member.value) is member
    assert json.loads(json.dumps({"was": member})) == {"was": member.value}


@pytest.mark.parametrize("kind", [Outcome, Cause])
def test_severities_are_an_order_and_colours_tell_members_apart(kind: type[Verdict]) -> None:
    assert len({each.severity for each in kind}) == len({each.colour for each in kind}) == len(kind)


def test_precedence_is_the_order_of_the_members_and_not_of_the_conditions() -> None:
    holds = np.array([True])
    cases = {Outcome.DIVERGED: holds, Outcome.NAN: holds}
    assert _first_that_holds(Outcome, cases, Outcome.STALLED).tolist() == ["nan"]
