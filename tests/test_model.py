"""The network against its formulas: activations, normalisations, parametrisations and the gain, in float64."""

from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from nanmap.config.choices import ActivationKind, NormKind, Parametrization, names
from oracles import flat, random_layers

rng = np.random.default_rng(31)
X, Y = 2 * rng.standard_normal((11, 2)), rng.standard_normal((11, 2))
LAYERS = random_layers([2, 4, 3, 2], seed=32, scale=1.0)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "relu6": lambda z: np.clip(z, 0, 6),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(z)),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
}
NORMS = {
    "none": lambda z: z,
    "layer": lambda z: (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-3),
    "rms": lambda z: z / np.sqrt((z**2).mean(axis=1, keepdims=True) + 1e-6),
}
FACTORS = {
    "standard": lambda fan_in, last: 1.0,
    "mean_field": lambda fan_in, last: 1 / fan_in if last else fan_in**-0.5,
    "ntk": lambda fan_in, last: fan_in**-0.5,
}


def output(
    layers: list,
    activation: str,
    norm: str = "none",
    parametrization: str = "standard",
    gain: float = 1.0,
    last: str = "linear",
) -> np.ndarray:
    x = X
    for index, layer in enumerate(layers):
        final = index == len(layers) - 1
        z = x @ layer["kernel"] * FACTORS[parametrization](x.shape[1], final) + layer["bias"]
        x = ACTIVATIONS[last](z) if final else ACTIVATIONS[activation](gain * NORMS[norm](z))
    return x


def mse(out: np.ndarray) -> float:
    return float(np.mean((out - Y) ** 2))


def tree_of(npz, **model: Any) -> dict[str, Any]:
    return {
        "data": {"kind": "npz", "path": npz(x=X, y=Y)},
        "model": {"hidden": [4, 3], "init": "file", "init_file": npz(**flat(LAYERS))} | model,
        "optimizer": {"learning_rate": 1e-3},
        "training": {"steps": 1, "batch_size": 11, "dtype": "float64"},
    }


def finite_difference(loss: Any, epsilon: float = 1e-6) -> np.ndarray:
    """Gradient of a loss with respect to the first kernel."""
    slope = np.zeros_like(LAYERS[0]["kernel"])
    for place in np.ndindex(slope.shape):
        ends = []
        for sign in (1, -1):
            kernel = LAYERS[0]["kernel"].copy()
            kernel[place] += sign * epsilon
            ends.append(loss([{**LAYERS[0], "kernel": kernel}, *LAYERS[1:]]))
        slope[place] = (ends[0] - ends[1]) / (2 * epsilon)
    return slope


def assert_learns(report, loss: Any) -> None:
    """The loss at the start, and the first kernel after one step down the numerical slope."""
    assert report.row["loss_initial"] == pytest.approx(loss(LAYERS), rel=1e-11)
    step = report.params["layers.0.kernel"] - LAYERS[0]["kernel"]
    np.testing.assert_allclose(step, -1e-3 * finite_difference(loss), rtol=1e-5, atol=1e-11)


def test_every_choice_of_the_config_stands_in_these_tables() -> None:
    assert set(ACTIVATIONS) == set(names(ActivationKind))
    assert set(NORMS) == set(names(NormKind))
    assert set(FACTORS) == set(names(Parametrization))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_and_its_slope_follow_the_formula(activation: str, npz, train) -> None:
    assert_learns(train(tree_of(npz, activation=activation)), lambda layers: mse(output(layers, activation)))


@pytest.mark.parametrize(
    ("norm", "parametrization"), [("layer", "standard"), ("rms", "mean_field"), ("none", "ntk"), ("none", "mean_field")]
)
def test_norm_parametrisation_and_gain_act_where_they_should(norm: str, parametrization: str, npz, train) -> None:
    report = train(tree_of(npz, activation="tanh", norm=norm, parametrization=parametrization))
    assert_learns(report, lambda layers: mse(output(layers, "tanh", norm, parametrization)))
    if norm == "none":  # the gain multiplies hidden pre-activations, their biases included, and not the output
        report = train(tree_of(npz, activation="tanh", norm=norm, parametrization=parametrization, gain=1.7))
        assert_learns(report, lambda layers: mse(output(layers, "tanh", norm, parametrization, gain=1.7)))


def test_an_output_activation_acts_on_the_output_only(npz, train) -> None:
    report = train(tree_of(npz, activation="tanh", output_activation="softplus"), predict=[X[3].tolist()])
    assert_learns(report, lambda layers: mse(output(layers, "tanh", last="softplus")))
    trained = [{name: report.params[f"layers.{index}.{name}"] for name in ("kernel", "bias")} for index in range(3)]
    assert report.predictions[0] == pytest.approx(output(trained, "tanh", last="softplus")[3].tolist(), rel=1e-10)


def test_without_biases_there_are_none(npz, train) -> None:
    kernels = {name: values for name, values in flat(LAYERS).items() if name.endswith("kernel")}
    report = train(tree_of(npz, activation="tanh", bias=False, init_file=npz(**kernels)))
    assert set(report.params) == set(kernels)
    bare = [{**layer, "bias": 0 * layer["bias"]} for layer in LAYERS]
    assert report.row["loss_initial"] == pytest.approx(mse(output(bare, "tanh")), rel=1e-11)
