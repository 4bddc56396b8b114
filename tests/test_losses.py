"""Every loss's value and slope against its textbook formula, and the floor that `converged` is measured from."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from nanmap.config import build_config
from nanmap.config.choices import LossKind, names
from nanmap.config.losses import LOSSES
from nanmap.config.settings import LossSettings
from nanmap.data import affine_floor, load_rows
from nanmap.data.references.classifier import classifier_loss
from nanmap.plan import Plan, make_sweep
from nanmap.training.losses import POINTWISE
from oracles import flat

rng = np.random.default_rng(17)
N = 7
X = rng.standard_normal((N, 2))
KERNEL, BIAS, RATE, DELTA = rng.standard_normal((2, 3)), np.array([0.3, -0.2, 0.1]), 0.25, 0.6
OUT = X @ KERNEL + BIAS
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
HOT = np.eye(3)[LABELS]
Y = rng.standard_normal((N, 3)) * 2


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def huber(error: np.ndarray, delta: float = DELTA) -> np.ndarray:
    small = np.abs(error) <= delta
    return np.where(small, error**2 / 2, delta * (np.abs(error) - delta / 2))


# Per loss: targets, value, and its gradient with respect to the output, division by rows (and outputs) included.
FORMULAS: dict[str, tuple[np.ndarray, float, np.ndarray]] = {
    "mse": (Y, np.mean((OUT - Y) ** 2), 2 * (OUT - Y) / Y.size),
    "half_mse": (Y, np.mean((OUT - Y) ** 2) / 2, (OUT - Y) / Y.size),
    "mae": (Y, np.mean(np.abs(OUT - Y)), np.sign(OUT - Y) / Y.size),
    "huber": (Y, np.mean(huber(OUT - Y)), np.clip(OUT - Y, -DELTA, DELTA) / Y.size),
    "softmax_cross_entropy": (HOT, -np.mean(np.log(softmax(OUT)[np.arange(N), LABELS])), (softmax(OUT) - HOT) / N),
    "sigmoid_cross_entropy": (
        HOT,
        -np.mean(HOT * np.log(sigmoid(OUT)) + (1 - HOT) * np.log(1 - sigmoid(OUT))),
        (sigmoid(OUT) - HOT) / HOT.size,
    ),
}


def tree_of(npz, loss: str, targets: np.ndarray, **data: Any) -> dict[str, Any]:
    start = npz(**flat([{"kernel": KERNEL, "bias": BIAS}]))
    return {
        "data": {"kind": "npz", "path": npz(x=X, y=targets)} | data,
        "model": {"init": "file", "init_file": start},
        "loss": {"kind": loss, "delta": DELTA},
        "optimizer": {"learning_rate": RATE},
        "training": {"steps": 1, "batch_size": N, "dtype": "float64"},
    }


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_what_fits_exactly_is_not_moved(loss: str, train) -> None:
    tree = {"data": {"kind": "line", "n": 3}, "model": {"init": "ones"}, "loss": {"kind": loss}}
    report = train(tree | {"training": {"steps": 1, "batch_size": 8}, "optimizer": {"learning_rate": 0.1}})
    assert (report.row["loss_initial"], report.row["loss_final"]) == (0, 0)


def test_a_loss_has_an_entry_a_function_and_a_floor() -> None:
    entries, functions = set(LOSSES), set(POINTWISE)
    assert not functions - entries, f"add {functions - entries} to LOSSES in nanmap/config/losses.py"
    assert not entries - functions, f"add {entries - functions} to POINTWISE in nanmap/training/losses.py"
    assert {name for entry in LOSSES.values() for name in entry.reads} == set(LossSettings.model_fields) - {"kind"}


@pytest.mark.parametrize("loss", names(LossKind))
def test_an_entry_tells_the_curvature_and_what_a_loss_reads(loss: str) -> None:
    # float32 arrays: numbers whose squares are exact
    output, target, delta = jnp.array([[0.25, -3.0]]), jnp.array([[0.75, 1.0]]), jnp.float32(0.125)
    slope = jax.grad(lambda output, delta: POINTWISE[loss](output, target, delta).sum(), argnums=(0, 1))
    bend = jax.jvp(lambda output: slope(output, delta)[0], (output,), (jnp.ones_like(output),))[1]
    entry = LOSSES[loss]
    if entry.curvature is not None:
        assert bend.tolist() == [[entry.curvature] * 2]
    assert bool(slope(output, delta)[1] != 0) == ("delta" in entry.reads)


@pytest.mark.parametrize("loss", names(LossKind))
def test_value_and_first_step_follow_the_formula(loss: str, npz, train) -> None:
    targets, value, slope = FORMULAS[loss]
    report = train(tree_of(npz, loss, targets))
    assert report.row["loss_initial"] == pytest.approx(value, rel=1e-12)
    assert report.epochs[0].mean_loss == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(report.params["layers.0.kernel"], KERNEL - RATE * X.T @ slope, rtol=1e-12)
    np.testing.assert_allclose(report.params["layers.0.bias"], BIAS - RATE * slope.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_cross_entropies_stay_finite_for_huge_logits(loss: str, npz, train) -> None:
    tree = tree_of(npz, loss, HOT)
    row = train(tree | {"model": tree["model"] | {"init_scale": 1e4}}).row
    logits = X @ KERNEL * 1e4 + BIAS
    assert np.isfinite(row["loss_initial"])
    assert row["loss_initial"] > 100
    if loss == "softmax_cross_entropy":
        expected = np.mean(logits.max(axis=1) - logits[np.arange(N), LABELS])
    else:
        expected = np.mean(np.maximum(logits, 0) - logits * HOT)
    assert row["loss_initial"] == pytest.approx(expected, rel=1e-9)


def best_affine(pointwise: Callable[[np.ndarray], np.ndarray], target: np.ndarray) -> float:
    """The least mean over the rows that a search without gradients finds."""
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 5000}
    starts = [np.zeros(3), *np.random.default_rng(0).standard_normal((4, 3))]
    objective = lambda w: np.mean(pointwise(X @ w[:2] + w[2] - target))  # noqa: E731
    return min(minimize(objective, start, method="Nelder-Mead", options=options).fun for start in starts)


SQUARED = best_affine(np.square, Y[:, 0])


@pytest.mark.parametrize("loss", names(LossKind))
def test_the_floor_is_the_best_affine_fit(loss: str, npz) -> None:
    config = build_config(tree_of(npz, loss, FORMULAS[loss][0]))
    rows = load_rows(config)
    floor = affine_floor(rows, loss, DELTA)
    if "entropy" in loss:
        assert floor == classifier_loss(rows, loss)  # which tests/test_references.py holds
        return
    pointwise = {"mse": np.square, "half_mse": lambda e: e**2 / 2, "mae": np.abs, "huber": huber}[loss]
    best = np.mean([best_affine(pointwise, target) for target in Y.T])
    # Nelder-Mead stops a little above the kink of the absolute value.
    assert best * (1 - 1e-7) <= floor <= best * (1 + 1e-6)


DELTAS = [0.1, 0.6, 3.0]
RATES = {"key": "optimizer.learning_rate", "values": [0.1, 0.2, 0.3]}
OVER_DELTA: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "alone": ([{"key": "loss.delta", "values": DELTAS}], {}),
    "before rates": ([{"key": "loss.delta", "values": DELTAS}, RATES], {}),
    "zipped": ([RATES, {"key": "loss.delta", "values": DELTAS}], {"zip": [["learning_rate", "delta"]]}),
    "some": ([{"key": "loss.delta", "values": DELTAS}, RATES], {"where": "delta > 0.5 and learning_rate < 0.3"}),
    "bundle": ([{"name": "turn", "choices": {str(each): {"loss.delta": each} for each in DELTAS}}, RATES], {}),
    "mixed": (
        [{"name": "loss", "choices": {str(each): {"loss.delta": each, "training.steps": 2} for each in DELTAS}}],
        {},
    ),
    "of several losses": (
        [{"key": "loss.kind", "values": ["huber", "mse"]}, {"key": "loss.delta", "values": DELTAS}],
        {},
    ),
}


@pytest.mark.parametrize("case", OVER_DELTA)
def test_every_cell_is_measured_from_the_floor_of_its_own_delta(case: str, npz) -> None:
    axes, options = OVER_DELTA[case]
    plan = Plan(make_sweep(tree_of(npz, "huber", Y[:, :1]), axes, **options))
    for lanes in plan.lanes(plan.grid.kept(0, plan.grid.size)):
        for cell, delta in enumerate(lanes.numbers["delta"]):
            loss = lanes.variants[lanes.variant[cell]].config.loss.kind
            best = best_affine(lambda error, delta=delta: huber(error, delta), Y[:, 0]) if loss == "huber" else SQUARED
            assert lanes.numbers["floor"][cell] == pytest.approx(best, rel=1e-6)
    assert len(plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))) == len(
        {each.program for each in plan.variants()}
    )


def test_a_floor_that_is_a_number_holds_for_every_delta(npz) -> None:
    tree = tree_of(npz, "huber", Y[:, :1]) | {"outcome": {"floor": 0.25}}
    plan = Plan(make_sweep(tree, OVER_DELTA["alone"][0]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(3)))
    assert lanes.numbers["floor"].tolist() == [0.25] * 3


def test_a_row_over_deltas_is_that_of_its_training_alone(npz, grid, train) -> None:
    tree = tree_of(npz, "huber", Y)
    tree["training"] |= {"steps": 40, "stop_converged": True}
    for row in grid(tree, OVER_DELTA["alone"][0]).to_pylist():
        alone = train(tree | {"loss": {"kind": "huber", "delta": row["delta"]}}).row
        assert {name: row[name] for name in alone} == alone


def test_the_floor_of_rows_with_nan_is_nan_and_so_nothing_converges(npz, train) -> None:
    holed = np.where(np.arange(N)[:, None] == 2, np.nan, X)
    tree = tree_of(npz, "mse", Y)
    tree["data"] = {"kind": "npz", "path": npz(x=holed, y=Y), "missing": "keep"}
    assert np.isnan(affine_floor(load_rows(build_config(tree)), "mse"))
    assert train(tree).outcome == "nan"


def test_r2_is_one_minus_the_share_of_variance_left(npz, train) -> None:
    tree = tree_of(npz, "mae", Y)
    report = train(tree)
    out = X @ report.params["layers.0.kernel"] + report.params["layers.0.bias"]
    expected = 1 - ((out - Y) ** 2).sum() / ((Y - Y.mean(axis=0)) ** 2).sum()
    assert report.row["r2"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("value", [1.0, 0.1, 0.3])
def test_r2_is_missing_for_constant_targets(value: float, npz, grid) -> None:
    (row,) = grid(tree_of(npz, "mse", np.full((N, 3), value)), []).to_pylist()
    assert row["r2"] is None


def test_predictions_are_in_the_units_of_the_data(npz, train) -> None:
    tree = tree_of(npz, "mse", Y, scale_inputs="standard", scale_targets="minmax")
    report = train(tree, predict=[[0.5, -1.0]])
    scaled = (np.array([0.5, -1.0]) - X.mean(axis=0)) / X.std(axis=0)
    out = scaled @ report.params["layers.0.kernel"] + report.params["layers.0.bias"]
    assert report.predictions[0] == pytest.approx((out * (Y.max(axis=0) - Y.min(axis=0)) + Y.min(axis=0)).tolist())
    assert jax.config.jax_enable_x64 is False, "a float64 training must not leave x64 on"
