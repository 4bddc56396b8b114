"""Updates in stretches: the rows are those of updates that are looked at one by one."""

import numpy as np
import pytest

from nanmap.engine import LocalEngine, stretches
from nanmap.plan import Plan, make_sweep

LINE = {"kind": "line", "start": 1, "n": 20, "slope": 0.5}
RATES = {"key": "optimizer.learning_rate", "log": [1e-4, 1e6], "num": 40}
SEEDS = {"key": "training.seed", "values": [0, 3]}
FULL = {"record": {"full_loss": True}}
CASES: dict[str, dict] = {
    "rows one by one": {"training": {"batch_size": 1}},
    "a short last batch": {"training": {"batch_size": 8, "dtype": "float64"}},
    "all rows": {"training": {"batch_size": 20}} | FULL,
    "drawn rows": {"training": {"batch_size": 4, "order": "replacement"}} | FULL,
    "stops": {"training": {"batch_size": 20, "stop_above": 100.0, "stop_converged": True}} | FULL,
    "stops in batches": {"training": {"batch_size": 6, "stop_above": 1000.0}} | FULL,
    "stops in noise": {
        "data": {"kind": "square", "n": 20, "scale_inputs": "standard"},
        "training": {"batch_size": 1, "stop_above": 1.05},
    }
    | FULL,
    "a division by 0": {"training": {"batch_size": 4}, "optimizer": {"kind": "adam", "eps": 0.0}},
    "absolute errors": {"training": {"batch_size": 4}, "loss": {"kind": "mae"}, "optimizer": {"clip_norm": 10.0}},
    "a norm of its own": {"training": {"batch_size": 4}, "loss": {"kind": "huber"}, "optimizer": {"kind": "rmsprop"}},
}


def trained(tree: dict, *axes: dict) -> dict[str, np.ndarray]:
    plan = Plan(make_sweep(tree, list(axes)))
    found: dict[str, np.ndarray] = {}
    batches = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    for batch, index, facts in LocalEngine().train(batches):
        for name, values in facts.items():
            columns = found.setdefault(name, np.zeros(plan.grid.size, values.dtype))
            columns[batches[batch].position[index]] = values
    return found


@pytest.mark.parametrize("case", CASES)
def test_rows_do_not_tell_how_long_stretches_are(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {"data": LINE} | CASES[case]
    tree["training"] = {"steps": 150, "dtype": "float32"} | tree["training"]
    long = trained(tree, RATES, SEEDS)
    monkeypatch.setattr(stretches, "LONGEST", 1)
    single = trained(tree, RATES, SEEDS)
    for name, values in single.items():
        np.testing.assert_array_equal(long[name], values, err_msg=name, strict=True)
    if case == "rows one by one":
        steps = np.unique(single["first_inf_step"])
        assert len(steps) > 5, "events should come at all times"
        assert steps[-1] > 40, "and in long stretches"


def test_a_sum_of_losses_that_overflows_is_no_infinity() -> None:
    tree = {"data": {"kind": "line", "start": 1, "n": 1, "slope": 1.4e19}, "training": {"steps": 30, "batch_size": 1}}
    rates = {"key": "optimizer.learning_rate", "values": [0.0, 1e-30]}
    found = trained(tree, rates)
    assert (found["loss_final"] > 1e38).all()
    np.testing.assert_array_equal(found["first_inf_step"], [-1, -1])


@pytest.mark.parametrize("events", [(), (0,), (37,), (9, 10, 11, 60), (99,)])
def test_every_event_gets_its_step_and_every_update_is_made_once(events: tuple[int, ...]) -> None:
    def advance(state: np.ndarray, trace: np.ndarray, step: np.ndarray) -> tuple:
        made, seen = state
        return (made + step + 1, seen), trace | (step == np.array([-1, *events])).any()

    def look(before: tuple, after: tuple, trace: np.ndarray, step: np.ndarray, count: np.ndarray) -> tuple:
        made, seen = after
        return (made, seen + trace * (step + 1)), trace

    walk = stretches.Walk(advance, look, np.zeros((), bool), lambda state: np.ones((), bool))
    zero = np.int32(0)
    length, (made, seen) = stretches.in_stretches(walk, zero, np.int32(100), np.int32(1), (zero, zero))
    assert made == sum(range(1, 101))
    assert seen == sum(step + 1 for step in events)
    assert 1 <= length <= stretches.LONGEST
