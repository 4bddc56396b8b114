"""From records to facts: made by hand, each number another one, so that none stands in the place of its neighbour."""

from typing import Any

import numpy as np
import pytest

from nanmap.engine.circumstances import circumstances
from nanmap.engine.facts import Records, facts_of
from nanmap.plan import Lanes, Plan, make_sweep
from nanmap.training.state import MARKS, Assessment, Events, Losses

STEPS = 40  # marks are made at 0, 20, 32, 36 and 40 updates
LINE: dict[str, Any] = {  # targets 2, 4, 6, 8: their variance is 5, the best constant answer's loss too
    "data": {"kind": "line", "start": 1, "n": 4, "slope": 2.0},
    "model": {"hidden": [3], "activation": "relu"},
    "training": {"steps": STEPS, "batch_size": 4},
}


def lanes_of(tree: dict[str, Any], *axes: dict[str, Any]) -> Lanes:
    plan = Plan(make_sweep(tree, list(axes)))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    return lanes


def records_of(events: dict[str, int], losses: dict[str, float] | None = None, **marks: list[float]) -> Records:
    """Of one cell; what an assessment's fields are at its five marks. Unless given they are 10 · mark + field."""
    told = 10.0 * np.arange(MARKS)[:, None] + np.arange(len(Assessment._fields)) + 1
    for name, values in marks.items():
        told[:, Assessment._fields.index(name)] = values
    step = Events(-1, -1, -1, -1, STEPS)._replace(**events)
    summed = Losses(*np.arange(100.0, 100 + len(Losses._fields)))._replace(**losses or {})
    return Records(np.array([step]), np.array([summed]), told[None])


def facts_for(records: Records, tree: dict[str, Any] = LINE) -> dict[str, Any]:
    return {name: values[0] for name, values in facts_of(lanes_of(tree), np.array([0]), records).items()}


HEALTHY = {
    "first_inf_step": -1,
    "first_nan_step": -1,
    "stopped_step": -1,
    "steps_run": STEPS,
    "loss_initial": 1,
    "loss_at_50": 11,
    "loss_at_80": 21,
    "loss_at_90": 31,
    "loss_final": 41,
    "loss_constant": 5,
    "loss_floor": 0,
    "loss_best": 1,
    "skill": 1 - 41 / 5,
    "val_loss_final": 42,
    "r2": 1 - 43 / 5,
    "dead_fraction_initial": 4,
    "dead_fraction": 44,
    "dead_at_init": False,
    "dead_layer": True,
    "ends_infinite": True,
    "accuracy": 47,
    "val_accuracy": 48,
    "output_spread": (49 / 5) ** 0.5,
    "gradient_ratio_initial": 10 / 11,
    "gradient_ratio": 50 / 51,
    "overflowed_inside": False,
    "measure": 104 + 109,  # the inverses, and what rounding left out of them
    "ratio": 0.05,
    "rising": 1.01,
    "falling": 0.99,
    "rebound": 2.0,
    "layers": 2,
}


def test_each_fact_is_the_record_of_its_name() -> None:
    losses = {"inverse": 104, "inverse_rest": 109, "tail": 100, "best": 200}
    found = facts_for(records_of({}, losses, dead_layer=[0, 0, 0, 0, 1]))
    assert {name: found[name] for name in HEALTHY} == pytest.approx(HEALTHY, rel=1e-12)


def test_a_nan_leaves_nothing_of_the_end_and_all_of_the_start() -> None:
    found = facts_for(records_of({"first_nan": 3, "first_inf": 2}, {"batch": np.nan}))
    gone = ("loss_final", "loss_at_50", "loss_at_80", "loss_at_90", "skill", "val_loss_final", "accuracy")
    gone += ("val_accuracy", "dead_fraction", "output_spread", "gradient_ratio", "r2")
    assert {name: found[name] for name in gone} == pytest.approx(dict.fromkeys(gone, np.nan), nan_ok=True)
    assert found["dead_at_init"]
    kept = ("loss_initial", "dead_fraction_initial", "gradient_ratio_initial", "loss_constant")
    assert {name: found[name] for name in kept} == {name: pytest.approx(HEALTHY[name]) for name in kept}
    assert (found["steps_run"], found["first_nan_step"], found["first_inf_step"]) == (4, 3, 2)
    assert [bool(found[name]) for name in ("overflowed_inside", "dead_layer", "ends_infinite")] == [True, False, False]


@pytest.mark.parametrize(("nan", "known"), [(0, 1), (19, 1), (20, 2), (31, 2), (32, 3), (35, 3), (36, 4), (39, 4)])
def test_a_mark_is_known_if_the_nan_came_after_it(nan: int, known: int) -> None:
    found = facts_for(records_of({"first_nan": nan}))
    marks = [found[name] for name in ("loss_initial", "loss_at_50", "loss_at_80", "loss_at_90", "loss_final")]
    assert marks == pytest.approx([1, 11, 21, 31, 41][:known] + [np.nan] * (5 - known), nan_ok=True)


def test_a_stopped_cell_stays_as_it_is_at_the_marks_that_it_did_not_reach() -> None:
    tree = LINE | {"training": LINE["training"] | {"stop_above": 10.0}}
    found = facts_for(records_of({"stopped": 25}, {"best": 0.5}, loss=[1, 2, np.nan, np.nan, 7]), tree)
    marks = [found[name] for name in ("loss_at_50", "loss_at_80", "loss_at_90", "loss_final", "loss_best")]
    assert marks == [2, 7, 7, 7, 0.5]
    assert (found["steps_run"], found["stopped_step"], found["stopped_by"]) == (25, 25, "stop_above")
    assert np.isnan(found["measure"])
    assert found["accuracy"] == HEALTHY["accuracy"]


@pytest.mark.parametrize(
    ("above", "converged", "final", "said"),
    [
        (True, False, 0.2, "stop_above"),
        (False, True, 0.2, "stop_converged"),
        (False, True, 9.0, "stop_converged"),  # the end was rounded otherwise
        (True, True, 0.25, "stop_converged"),
        (True, True, 0.25 * 1.0009, "stop_converged"),
        (True, True, 0.25 * 1.002, "stop_above"),
        (True, True, np.inf, "stop_above"),
    ],
)
def test_the_stop_is_told_by_what_was_asked_for_and_how_it_ended(
    above: bool, converged: bool, final: float, said: str
) -> None:
    stops = {"stop_above": 10.0 if above else None, "stop_converged": converged}
    tree = LINE | {"training": LINE["training"] | {name: value for name, value in stops.items() if value}}
    assert facts_for(records_of({"stopped": 9}, loss=[1, 2, 3, 4, final]), tree)["stopped_by"] == said  # enough is 0.25
    assert facts_for(records_of({}, loss=[1, 2, 3, 4, final]), tree)["stopped_by"] == ""


@pytest.mark.parametrize(
    ("events", "loss", "inside"),
    [
        ({"first_nan": 3}, np.nan, True),
        ({"first_nan": 3}, 2.0, False),
        ({"first_nan": 3, "bad_gradient": 0}, 2.0, True),
        ({"first_nan": 3, "bad_gradient": 3}, 2.0, True),
        ({"first_nan": 3, "bad_gradient": 4}, 2.0, False),
        ({"bad_gradient": 2}, np.nan, False),
    ],
)
def test_where_0_may_be_divided_by_0_only_a_loss_or_a_gradient_tells_an_overflow(
    events: dict[str, int], loss: float, inside: bool
) -> None:
    records = records_of(events, {"batch": loss})
    assert facts_for(records, LINE | {"optimizer": {"kind": "adam", "eps": 0.0}})["overflowed_inside"] == inside
    assert facts_for(records)["overflowed_inside"] == ("first_nan" in events)


@pytest.mark.parametrize(
    ("losses", "best", "least"),
    [
        ([3, 2, 4, 5, 6], np.inf, 2),
        ([3, 2, 4, 5, 6], 1, 1),
        ([np.inf, np.nan, np.nan, np.nan, np.nan], np.inf, np.inf),
        ([np.nan] * 5, np.inf, np.nan),
        ([np.nan] * 5, 8, 8),
        ([9, np.nan, np.nan, np.nan, np.nan], np.inf, 9),
    ],
)
def test_the_least_loss_is_that_of_those_that_are_numbers(losses: list[float], best: float, least: float) -> None:
    assert facts_for(records_of({}, {"best": best}, loss=losses))["loss_best"] == pytest.approx(least, nan_ok=True)


@pytest.mark.parametrize("final", [np.inf, np.nan])
def test_a_skill_is_told_of_finite_losses_only(final: float) -> None:
    assert np.isnan(facts_for(records_of({}, loss=[1, 2, 3, 4, final]))["skill"])


@pytest.mark.parametrize("value", [0.7, 1.3])  # whose mean over three rows is rounded
def test_equal_targets_have_no_spread_to_be_compared_with(value: float, npz) -> None:
    rows = {"kind": "npz", "path": npz(x=np.arange(3.0)[:, None], y=np.full(3, value))}
    found = facts_for(records_of({}), LINE | {"data": rows})
    assert np.isnan([found["r2"], found["output_spread"]]).all()


@pytest.mark.parametrize(("first", "last", "ratio"), [(3.0, 0.0, np.nan), (0.0, 3.0, 0.0), (np.inf, 2.0, np.inf)])
def test_a_ratio_of_gradients_needs_one_in_the_last_layer(first: float, last: float, ratio: float) -> None:
    found = facts_for(records_of({}, first_gradient=[1, 1, 1, 1, first], last_gradient=[2, 1, 1, 1, last]))
    assert (found["gradient_ratio_initial"], found["gradient_ratio"]) == (0.5, pytest.approx(ratio, nan_ok=True))


def test_facts_follow_the_cells_that_are_asked_for() -> None:
    axes = [
        {"key": "outcome.rebound", "values": [2.0, 3.0]},
        {"key": "optimizer.learning_rate", "values": [-0.5, 0.0, 0.5]},
        {"key": "outcome.ratio", "values": [0.1, 0.2]},
    ]
    lanes, cells = lanes_of(LINE, *axes), np.array([11, 4, 1])
    one = records_of({})
    found = facts_of(lanes, cells, Records(*(np.repeat(part, 3, axis=0) for part in one)))
    assert found["rebound"].tolist() == [3, 2, 2]
    assert found["learning_rate"].tolist() == [0.5, 0.5, -0.5]
    assert found["handicap"].tolist() == ["", "", "gradient_ascent"]
    assert found["ratio"].tolist() == [0.2, 0.1, 0.2]


def told(tree: dict[str, Any], *axes: dict[str, Any]) -> dict[str, list]:
    lanes = lanes_of(tree, *axes)
    return {name: values.tolist() for name, values in circumstances(lanes, np.arange(len(lanes))[::-1]).items()}


@pytest.mark.parametrize(
    ("norm", "batch", "rate", "handicap"),
    [
        ("batch", 1, 0.1, "single_rows"),
        ("batch", 2, 0.1, ""),
        ("layer", 1, 0.1, ""),
        ("batch", 1, -0.1, "gradient_ascent"),
        ("batch", 1, 0.0, "single_rows"),
    ],
)
def test_single_rows_are_a_handicap_under_batch_norm_alone(norm: str, batch: int, rate: float, handicap: str) -> None:
    tree = LINE | {"model": LINE["model"] | {"norm": norm}, "optimizer": {"learning_rate": rate}}
    assert told(tree | {"training": {"steps": 3, "batch_size": batch}})["handicap"] == [handicap]


@pytest.mark.parametrize(("dtype", "handicap"), [("bfloat16", "precision"), ("float32", "single_rows")])
def test_targets_that_a_format_cannot_tell_apart_are_named_before_single_rows(dtype: str, handicap: str, npz) -> None:
    rows = {"kind": "npz", "path": npz(x=np.arange(3.0)[:, None], y=1000 + 0.01 * np.arange(3))}
    tree = {"data": rows, "model": LINE["model"] | {"norm": "batch"}, "training": {"steps": 3, "batch_size": 1}}
    found = told(tree | {"training": tree["training"] | {"dtype": dtype}})
    assert (found["handicap"], found["float16"]) == ([handicap], [False])


def test_the_smallest_rate_of_any_layer_is_told() -> None:
    axis = {"key": "optimizer.layer_learning_rates.1", "values": [-0.2, 0.3]}
    found = told(LINE, {"key": "optimizer.layer_learning_rates.0", "values": [0.1, -0.4]}, axis)
    assert found["learning_rate"] == [-0.4, -0.4, 0.1, -0.2]
    assert found["handicap"] == ["gradient_ascent", "gradient_ascent", "", "gradient_ascent"]


@pytest.mark.parametrize("gap", ["x", "y"])
def test_a_gap_in_inputs_or_targets_is_told(gap: str, npz) -> None:
    arrays = {"x": np.arange(4.0)[:, None], "y": np.arange(4.0)}
    arrays[gap][2] = np.nan
    whole = npz(x=np.arange(4.0)[:, None], y=np.arange(4.0))
    tree = LINE | {"data": {"kind": "npz", "path": whole, "missing": "keep"}}
    assert told(tree, {"key": "data.path", "values": [npz(**arrays), whole]})["data_nan"] == [False, True]
