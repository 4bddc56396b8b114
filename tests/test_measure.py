"""The trainability measure of arXiv 2402.06184 against its NumPy formula, from losses that a plain loop tracked."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.engine.facts import _measure
from nanmap.plan import make_variant
from nanmap.training.batches import all_rows
from nanmap.training.cell import begin, update
from nanmap.training.records import measured
from nanmap.training.state import Lane, Losses, Task
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


def blank(dtype: type = np.float32) -> Losses:
    return Losses(**dict.fromkeys(Losses._fields, dtype(0)) | {"first": dtype(np.nan), "best": dtype(np.inf)})


ZEROS = {
    "at 0": [0.0] * 25,
    "from 0": [0.0, 0.5, 2.0] + [1.0] * 22,
    "from 0 and back": [0.0, 0.5] + [0.0] * 23,
    "down to 0": [2.0, 1.0, 0.5] + [0.0] * 22,
    "through 0": [2.0, 0.0] + [3.0] * 23,
    "through 0 and to infinity": [2.0, 0.0] + [np.inf] * 23,
    "through 0 to a NaN": [2.0, 0.0, 1.0, np.nan],
    "from 0 to a NaN": [0.0, 1.0, np.nan],
}


def check_formula(taken: list[float], steps: int) -> None:
    losses = blank()
    for counted, loss in enumerate(taken):
        losses = measured(losses, np.float32(loss), np.int32(counted), np.int32(steps))
    told = _measure(Losses(*(np.float64([each]) for each in losses)), np.array([len(taken)]), np.array([steps]))
    expected = sohl_dickstein(np.array(taken + [np.nan] * (steps - len(taken))))
    assert told.tolist() == [pytest.approx(expected, rel=1e-6)]


@pytest.mark.parametrize("case", ZEROS)
def test_losses_of_exactly_0_follow_the_formula(case: str) -> None:
    check_formula(ZEROS[case], 25)


@pytest.mark.parametrize("high", [4, 5])
def test_the_last_twenty_losses_decide_the_sign(high: int) -> None:
    check_formula([10.0 if counted == high else 1.0 if counted == 0 else 0.9 for counted in range(25)], 25)


def test_a_training_that_starts_at_a_loss_of_0_has_a_measure(npz, grid) -> None:
    tree = tree_of(npz, 25)
    tree["data"] = {"kind": "npz", "path": npz(x=X, y=0 * Y)}
    tree["model"] |= {"init_file": npz(**{name: 0 * values for name, values in flat(LAYERS).items()})}
    (row,) = grid(tree, []).to_pylist()
    assert (row["loss_initial"], row["measure"]) == (0, 25)


def test_long_sums_in_float32_are_those_in_float64() -> None:
    steps = 100_000
    taken = np.float32(3) / (1 + np.linspace(0, 0.3, steps, dtype=np.float32))

    @jax.jit
    def sums(taken: jax.Array) -> Losses:
        one = lambda losses, each: (measured(losses, *each, jnp.int32(steps)), None)  # noqa: E731
        return jax.lax.scan(one, jax.tree.map(jnp.asarray, blank()), (taken, jnp.arange(steps)))[0]

    losses = jax.tree.map(np.float64, sums(taken))
    relative = (taken / taken[0]).astype(np.float64)
    for name, terms in (("total", relative), ("inverse", 1 / relative)):
        plain = np.cumsum(terms, dtype=np.float32)[-1]
        kept = getattr(losses, name) + getattr(losses, f"{name}_rest")
        assert abs(plain / terms.sum() - 1) > 1e-5, "a plain sum would do"
        assert kept == pytest.approx(terms.sum(), rel=1e-8)


@pytest.mark.parametrize(("tail", "expected"), [(0.0, -(7 + 0.25)), (20.0, 9 + 0.125)])
def test_what_rounding_left_out_of_the_sums_is_added_to_them(tail: float, expected: float) -> None:
    losses = blank(np.float64)._replace(first=1.0, total=7, total_rest=0.25, inverse=9, inverse_rest=0.125, tail=tail)
    assert _measure(jax.tree.map(np.atleast_1d, losses), np.array([20]), np.array([20])) == expected


@pytest.mark.parametrize("loss", [1.0, np.inf])
def test_an_epoch_of_many_batches_keeps_what_rounding_leaves_out(loss: float) -> None:
    tree = {"data": {"kind": "line", "n": 1}, "optimizer": {"learning_rate": 0.0}, "training": {"steps": 9}}
    program = make_variant(build_config(tree)).program
    lane = Lane({name: np.float32(0) for name in program.numbers}, np.zeros(1, np.float32))
    one, none = np.ones((1, 16), np.float32), np.zeros((1, 0), np.float32)
    n, val_n, per_epoch, steps = map(np.int32, (1, 0, 1, 9))
    task = Task(one, np.float32(loss) * one, n, none, none, val_n, per_epoch, steps, np.zeros(2, np.uint32))
    state = begin(program, lane, [{"kernel": np.zeros((1, 1), np.float32), "bias": np.zeros(1, np.float32)}], [{}])
    state = state._replace(losses=state.losses._replace(epoch=jnp.float32(2**24)))
    losses = jax.jit(partial(update, program))(lane, task, state, all_rows(program, task), np.int32(0)).losses
    assert float(losses.epoch) + float(losses.epoch_rest) == 2**24 + loss


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
