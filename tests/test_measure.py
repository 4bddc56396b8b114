"""The trainability measure of arXiv 2402.06184 against its NumPy formula, from losses that a plain loop tracked."""

import numpy as np
import pytest

from oracles import flat, mse_and_gradient, random_layers, sohl_dickstein

N, RATES = 16, np.geomspace(1e-3, 1e4, 29)
rng = np.random.default_rng(21)
X, Y = rng.standard_normal((N, 2)), rng.standard_normal((N, 1))
LAYERS = random_layers([2, 4, 1], seed=22)


def tree_of(npz, steps: int, **training: object) -> dict:
    return {
        "data": {"kind": "npz", "path": npz(x=X, y=Y)},
        "model": {"hidden": [4], "activation": "tanh", "init": "file", "init_file": npz(**flat(LAYERS))},
        "training": {"steps": steps, "batch_size": N, "order": "sequential", "dtype": "float64"} | training,
    }


def tracked(rate: float, steps: int, batches: list[np.ndarray], factor: float = 1.0) -> np.ndarray:
    """Full-batch losses before each update; NaN from the first NaN on."""
    layers, losses = [{**layer} for layer in LAYERS], []
    layers[0]["kernel"] = layers[0]["kernel"] * factor
    layers[1]["kernel"] = layers[1]["kernel"] * factor
    with np.errstate(all="ignore"):
        for step in range(steps):
            losses.append(mse_and_gradient(layers, X, Y)[0])
            rows = batches[step % len(batches)]
            _, grads = mse_and_gradient(layers, X[rows], Y[rows])
            layers = [{k: layer[k] - rate * grad[k] for k in layer} for layer, grad in zip(layers, grads, strict=True)]
    return np.array(losses)


@pytest.mark.parametrize("steps", [1, 5, 19, 20, 21, 60])
def test_full_batch_measure_follows_the_formula(steps: int, npz, grid) -> None:
    rows = grid(tree_of(npz, steps), [{"key": "optimizer.learning_rate", "values": RATES.tolist()}]).to_pylist()
    for row in rows:
        expected = sohl_dickstein(tracked(row["learning_rate"], steps, [np.arange(N)]))
        assert row["measure"] == pytest.approx(expected, rel=1e-6), row["learning_rate"]
    if steps == 60:
        assert {row["outcome"] for row in rows} >= {"nan", "progressing"}
        assert min(row["measure"] for row in rows) < 0 < max(row["measure"] for row in rows)


def test_the_tail_after_a_nan_is_filled_in(npz, grid) -> None:
    for steps in (30, 200):
        (row,) = grid(tree_of(npz, steps), [{"key": "optimizer.learning_rate", "values": [1e30]}]).to_pylist()
        losses = tracked(1e30, steps, [np.arange(N)])
        assert row["steps_run"] <= 10
        assert not np.isfinite(losses[-1])
        assert row["measure"] == pytest.approx(sohl_dickstein(losses), rel=1e-9)


def test_minibatches_track_the_loss_over_all_rows_when_asked(npz, grid) -> None:
    axes = [{"key": "optimizer.learning_rate", "values": [0.01, 0.3, 100.0]}]
    batches = [np.arange(start, start + 4) for start in range(0, N, 4)]
    tree = tree_of(npz, 25, batch_size=4)
    assert grid(tree, axes)["measure"].null_count == 3
    for row in grid(tree | {"record": {"full_loss": True}}, axes).to_pylist():
        losses = tracked(row["learning_rate"], 25, batches)
        assert row["measure"] == pytest.approx(sohl_dickstein(losses), rel=1e-6)
        if row["outcome"] != "nan":
            assert row["loss_best"] == pytest.approx(min(np.min(losses), row["loss_final"]), rel=1e-9)


def test_a_start_that_overflows_counts_as_the_ceiling(npz, grid) -> None:
    axes = [
        {"key": "model.init_scale", "values": [1e160, 1e308]},
        {"key": "optimizer.learning_rate", "values": [0.0, 1.0]},
    ]
    for row in grid(tree_of(npz, 25), axes).to_pylist():
        losses = tracked(row["learning_rate"], 25, [np.arange(N)], row["init_scale"])
        assert not np.isfinite(losses[0])
        assert row["measure"] == pytest.approx(sohl_dickstein(losses), rel=1e-9)
