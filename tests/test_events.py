"""First-event steps: the very step at which a float32 loop meets its first infinity and NaN, in losses and in parameters."""

import numpy as np
import pytest

from oracles import flat, float32_line

X = np.arange(1.0, 21.0)
Y = 0.5 * X


def line(rate: float, **training: object) -> dict:
    return {
        "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
        "model": {"init": "ones", "init_scale": -1.25},
        "optimizer": {"learning_rate": rate},
        "training": {"steps": 400} | training,
    }


RATES = [0.0125, 0.02, 0.1, 1.0, -0.01, 1e3, 1e10, 1e20, 1e30, 1e37, -1e38]


def test_first_steps_are_those_of_a_float32_loop(grid) -> None:
    rows = grid(line(0.1), [{"key": "optimizer.learning_rate", "values": RATES}]).to_pylist()
    for row in rows:
        expected = float32_line(X, Y, -1.25, 0.0, row["learning_rate"], 400)
        assert {"inf": row["first_inf_step"], "nan": row["first_nan_step"]} == expected, row["learning_rate"]
        assert row["outcome"] == ("inf" if expected["nan"] is None else "nan")
    assert len({row["first_inf_step"] for row in rows}) >= 5, "the rates should spread the events"


def test_a_nan_ends_the_cell(grid) -> None:
    (row,) = grid(line(0.1), []).to_pylist()
    assert row["first_inf_step"] < row["first_nan_step"]
    assert row["steps_run"] == row["first_nan_step"] + 1 < 400
    assert np.isnan(row["loss_final"])
    assert row["r2"] is None
    assert row["loss_best"] == row["loss_initial"] > 0


def test_an_infinite_loss_alone_is_inf_and_keeps_its_budget(grid) -> None:
    first = float32_line(X, Y, -1.25, 0.0, 0.1, 400)
    steps = first["inf"] + 2
    (row,) = grid(line(0.1, steps=steps), []).to_pylist()
    assert row["first_inf_step"] == first["inf"]
    assert row["first_nan_step"] is None
    assert (row["outcome"], row["loss_final"], row["steps_run"]) == ("inf", np.inf, steps)
    assert row["r2"] == -np.inf


def test_the_loss_after_the_last_update_is_an_event_of_the_last_step(grid) -> None:
    steps = float32_line(X, Y, -1.25, 0.0, 0.1, 400)["inf"]  # the batch loss before each of these updates is finite
    (row,) = grid(line(0.1, steps=steps), []).to_pylist()
    assert row["loss_final"] == np.inf
    assert row["first_inf_step"] == steps - 1


def test_a_start_that_is_not_finite_is_an_event_of_step_zero(grid) -> None:
    axes = [
        {"key": "model.init_scale", "values": [1e30, 1e38]},
        {"key": "optimizer.learning_rate", "values": [0.0, 0.01]},
    ]
    for row in grid(line(0.1, steps=3), axes).to_pylist():
        assert row["first_inf_step"] == 0
        assert row["loss_initial"] == np.inf
        assert row["cause"] == "start_not_finite"
        assert row["outcome"] == ("nan" if row["init_scale"] == 1e38 else "inf")  # 1e38 · 20 overflows: 0 · inf


def test_a_nan_among_the_rows_is_met_at_step_zero(npz, grid) -> None:
    x = np.where(X == 7, np.nan, X)[:, None]
    for batch in (32, 5):
        tree = line(0.01, steps=9, batch_size=batch, order="sequential") | {
            "data": {"kind": "npz", "path": npz(x=x, y=Y), "missing": "keep"}
        }
        (row,) = grid(tree, []).to_pylist()
        assert (row["outcome"], row["cause"], row["first_nan_step"], row["first_inf_step"]) == (
            "nan",
            "nan_in_data",
            0,
            None,
        )
        assert row["steps_run"] == 1
        assert np.isnan(row["loss_initial"])


def hidden_infinity(npz, weight: float) -> dict:
    """One relu unit that is off on every row, behind a first kernel of the given size."""
    layers = [
        {"kernel": np.array([[-weight, 1.0]]), "bias": np.array([0.0, 0.0])},
        {"kernel": np.array([[1.0], [0.5]]), "bias": np.array([0.0])},
    ]
    return {
        "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
        "model": {"hidden": [2], "init": "file", "init_file": npz(**flat(layers))},
        "optimizer": {"learning_rate": 1e-4},
        "training": {"steps": 5},
    }


def test_a_relu_hides_an_infinite_weight_behind_a_finite_loss(npz, grid) -> None:
    (row,) = grid(hidden_infinity(npz, np.inf), []).to_pylist()
    assert np.isfinite([row["loss_initial"], row["loss_final"]]).all()
    assert (row["outcome"], row["first_inf_step"], row["first_nan_step"]) == ("inf", 0, None)


def test_the_same_net_with_a_finite_weight_is_unharmed(npz, grid) -> None:
    (row,) = grid(hidden_infinity(npz, 1e30), []).to_pylist()
    assert row["first_inf_step"] is None
    assert row["outcome"] == "converged"


@pytest.mark.parametrize("batch", [1, 7])
def test_minibatch_events_count_updates_not_epochs(batch: int, grid) -> None:
    tree = line(0.02, steps=200, batch_size=batch, order="sequential", dtype="float64")
    (row,) = grid(tree, []).to_pylist()
    a, b, step, first = -1.25, 0.0, 0, None
    with np.errstate(all="ignore"):
        while first is None:
            start = step % -(-20 // batch) * batch
            x, y = X[start : start + batch], Y[start : start + batch]
            error = a * x + b - y
            a, b = a - 0.02 * np.mean(2 * error * x), b - 0.02 * np.mean(2 * error)
            first = step if step >= 200 or not np.isfinite([np.mean(error**2), a, b]).all() else None
            step += 1
    assert row["first_inf_step"] == (first if first < 200 else None)


def test_a_stop_at_an_infinite_loss_of_all_rows_is_an_event_though_no_batch_had_one(train) -> None:
    tree = {
        "data": {"kind": "line", "n": 28, "slope": 2.0},
        "model": {"hidden": [4], "norm": "batch"},
        "optimizer": {"learning_rate": 1000.0},
        "training": {"steps": 37, "batch_size": 28, "dtype": "float16", "seed": 2, "stop_above": 1e30},
        "record": {"full_loss": True},
    }
    report = train(tree)
    assert np.isfinite(report.epochs[0].last_loss)
    assert (report.row["stopped_step"], report.row["loss_final"], report.outcome) == (1, np.inf, "inf")
    assert (report.row["first_inf_step"], report.cause) == (1, "float16_range")
