"""Gradient descent on a quadratic turns from stable to unstable where the closed forms say, with and without momentum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.data import load_rows
from nanmap.theory import linear_problem
from oracles import critical_rates, random_layers

STEPS = 3000  # at 1e-4 beside the edge the loss still changes by a third over the last tenth
rng = np.random.default_rng(3)
X = rng.standard_normal((12, 3)) * [1.0, 0.6, 0.3]
Y = X @ [[1.0], [-2.0], [0.5]] + 0.7  # a line fits exactly: the loss of a stable run falls without end
COLUMNS = np.hstack([X, np.ones((12, 1))])
CURVATURE = float(np.linalg.eigvalsh(COLUMNS.T @ COLUMNS / 12)[-1])


def tree_of(path: str, **optimizer: object) -> dict:
    return {
        "data": {"kind": "npz", "path": path},
        "model": {"init": "normal"},
        "loss": {"kind": "half_mse"},
        "optimizer": optimizer,
        "training": {"steps": STEPS, "batch_size": 12, "dtype": "float64"},
    }


def measured_edge(columns, tree: dict, around: float) -> float:
    """Where the tail of the loss turns from falling to growing, on a grid of 1e-4 steps around a rate."""
    rates = around * np.linspace(0.996, 1.004, 81)
    found = columns(tree, [{"key": "optimizer.learning_rate", "values": rates.tolist()}])
    rounding = 1e-20 * found["loss_initial"]  # a run that has converged wanders at the level of rounding
    grows = found["loss_final"] > np.maximum(found["loss_at_90"], rounding)
    assert (grows[0], grows[-1]) == (False, True), "the turn lies outside the grid"
    assert (np.diff(grows.astype(int)) >= 0).all(), "stable and unstable rates alternate"
    first = int(np.argmax(grows))
    return float((rates[first - 1] + rates[first]) / 2)


@pytest.mark.parametrize(
    ("rule", "momentum", "settings"),
    [
        ("plain", 0.0, {}),
        ("heavy_ball", -0.6, {"momentum": -0.6}),
        ("heavy_ball", 0.5, {"momentum": 0.5}),
        ("heavy_ball", 0.9, {"momentum": 0.9}),
        ("nesterov", -0.2, {"momentum": -0.2, "nesterov": True}),
        ("nesterov", 0.5, {"momentum": 0.5, "nesterov": True}),
        ("nesterov", 0.9, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_descent_turns_unstable_at_the_closed_form(rule: str, momentum: float, settings: dict, npz, columns) -> None:
    critical = critical_rates(CURVATURE, momentum)[rule]
    edge = measured_edge(columns, tree_of(npz(x=X, y=Y), **settings), critical)
    assert edge == pytest.approx(critical, rel=1e-3)


@pytest.mark.parametrize("momentum", [-0.5, -0.9])
def test_a_pair_of_eigenvalues_swings_to_rest_below_the_closed_form_and_up_above(momentum: float, npz, columns) -> None:
    edge = critical_rates(CURVATURE, momentum)["nesterov"]
    tree = tree_of(npz(x=X, y=Y), momentum=momentum, nesterov=True)
    found = columns(tree, [{"key": "optimizer.learning_rate", "values": [0.98 * edge, 1.02 * edge]}])
    below, above = found["loss_final"] / found["loss_initial"]
    assert below < 1e-3
    assert above > 1e3


def test_momentum_that_grows_by_itself_has_no_stable_rate(npz, columns) -> None:
    tree = tree_of(npz(x=X, y=Y), momentum=1.1)
    found = columns(tree, [{"key": "optimizer.learning_rate", "log": [1e-9, 1e3], "num": 7}])
    assert (~(found["loss_final"] < 1e3 * found["loss_initial"])).all()


def test_the_three_rules_turn_at_three_different_rates() -> None:
    edges = critical_rates(CURVATURE, 0.9)
    assert edges["nesterov"] < 0.75 * edges["plain"] < 0.75 * edges["heavy_ball"]


def test_scaling_the_inputs_moves_the_edge_by_its_square(npz, columns) -> None:
    tree = tree_of(npz(x=10 * X, y=Y - 0.7))
    tree["model"] |= {"bias": False}
    curvature = float(np.linalg.eigvalsh(X.T @ X / 12)[-1]) * 100
    assert measured_edge(columns, tree, 2 / curvature) == pytest.approx(2 / curvature, rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "bias", "parametrization"),
    [("mse", True, "standard"), ("half_mse", False, "mean_field"), ("mse", False, "ntk")],
)
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(loss: str, bias: bool, parametrization: str, npz) -> None:
    targets = np.hstack([Y, Y**2])
    tree = {
        "data": {"kind": "npz", "path": npz(x=X, y=targets)},
        "model": {"bias": bias, "parametrization": parametrization},
        "loss": {"kind": loss},
        "training": {"steps": 1},
    }
    config = build_config(tree)
    factor = {"standard": 1.0, "mean_field": 1 / 3, "ntk": 3**-0.5}[parametrization]
    with jax.enable_x64(True):
        start = random_layers([3, 2], seed=1)[0] if bias else {"kernel": random_layers([3, 2], seed=1)[0]["kernel"]}
        vector, rebuild = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, start))

        def objective(vector: jax.Array) -> jax.Array:
            layer = rebuild(vector)
            error = X @ layer["kernel"] * factor + layer.get("bias", 0.0) - targets
            return jnp.mean(error**2) * (1.0 if loss == "mse" else 0.5)

        expected = float(jnp.linalg.eigvalsh(jax.hessian(objective)(vector))[-1])
    assert linear_problem(config, load_rows(config)).sharpness == pytest.approx(expected, rel=1e-12)


def test_the_sharpness_column_is_in_scaled_units_and_null_without_a_formula(npz, grid) -> None:
    tree = {"data": {"kind": "npz", "path": npz(x=7 * X + 3, y=Y)}, "training": {"steps": 1}}
    axes = [
        {"key": "data.scale_inputs", "values": ["none", "standard"]},
        {"key": "loss.kind", "values": ["mse", "mae"]},
    ]
    table = grid(tree, axes).to_pylist()
    assert [row["sharpness"] is None for row in table] == [False, True, False, True]
    wide = np.hstack([7 * X + 3, np.ones((12, 1))])
    assert table[0]["sharpness"] == pytest.approx(2 * np.linalg.eigvalsh(wide.T @ wide / 12)[-1])
    standard = (X - X.mean(0)) / X.std(0)
    wide = np.hstack([standard, np.ones((12, 1))])
    assert table[2]["sharpness"] == pytest.approx(2 * np.linalg.eigvalsh(wide.T @ wide / 12)[-1])
