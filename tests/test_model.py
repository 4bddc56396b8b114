"""The network against its formulas: activations, normalisations, parametrisations and the gain, in float64."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from nanmap.config.choices import ActivationKind, NormKind, Parametrization, names
from nanmap.models.base import Layout
from nanmap.models.mlp import MLP
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
    "batch": lambda z: (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-3),
    "batch at the start": lambda z: z / np.sqrt(1 + 1e-3),  # running statistics: mean 0, variance 1
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
    assert set(NORMS) - {"batch at the start"} == set(names(NormKind))
    assert set(FACTORS) == set(names(Parametrization))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_and_its_slope_follow_the_formula(activation: str, npz, plainly) -> None:
    assert_learns(plainly(tree_of(npz, activation=activation)), lambda layers: mse(output(layers, activation)))


@pytest.mark.parametrize(
    ("norm", "parametrization"), [("layer", "standard"), ("rms", "mean_field"), ("none", "ntk"), ("none", "mean_field")]
)
def test_norm_parametrisation_and_gain_act_where_they_should(norm: str, parametrization: str, npz, plainly) -> None:
    report = plainly(tree_of(npz, activation="tanh", norm=norm, parametrization=parametrization))
    assert_learns(report, lambda layers: mse(output(layers, "tanh", norm, parametrization)))
    if norm == "none":  # the gain multiplies hidden pre-activations, their biases included, and not the output
        report = plainly(tree_of(npz, activation="tanh", norm=norm, parametrization=parametrization, gain=1.7))
        assert_learns(report, lambda layers: mse(output(layers, "tanh", norm, parametrization, gain=1.7)))


def test_an_output_activation_acts_on_the_output_only(npz, plainly) -> None:
    report = plainly(tree_of(npz, activation="tanh", output_activation="softplus"), predict=[X[3].tolist()])
    assert_learns(report, lambda layers: mse(output(layers, "tanh", last="softplus")))
    trained = [{name: report.params[f"layers.{index}.{name}"] for name in ("kernel", "bias")} for index in range(3)]
    assert report.predictions[0] == pytest.approx(output(trained, "tanh", last="softplus")[3].tolist(), rel=1e-10)


def test_without_biases_there_are_none(npz, plainly) -> None:
    kernels = {name: values for name, values in flat(LAYERS).items() if name.endswith("kernel")}
    report = plainly(tree_of(npz, activation="tanh", bias=False, init_file=npz(**kernels)))
    assert set(report.params) == set(kernels)
    bare = [{**layer, "bias": 0 * layer["bias"]} for layer in LAYERS]
    assert report.row["loss_initial"] == pytest.approx(mse(output(bare, "tanh")), rel=1e-11)


def batch_norm_tree(npz, **model: Any) -> dict[str, Any]:
    return tree_of(npz, activation="tanh", norm="batch", **model)


def test_batch_norm_learns_from_the_batch_and_is_assessed_by_its_running_statistics(npz, plainly) -> None:
    report = plainly(batch_norm_tree(npz))
    assert report.row["loss_initial"] == pytest.approx(mse(output(LAYERS, "tanh", "batch at the start")), rel=1e-11)
    assert report.epochs[0].mean_loss == pytest.approx(mse(output(LAYERS, "tanh", "batch")), rel=1e-11)
    step = report.params["layers.0.kernel"] - LAYERS[0]["kernel"]
    slope = finite_difference(lambda layers: mse(output(layers, "tanh", "batch")))
    np.testing.assert_allclose(step, -1e-3 * slope, rtol=1e-5, atol=1e-11)


def test_running_statistics_follow_the_moments_of_the_rows_that_count(npz, plainly) -> None:
    tree = batch_norm_tree(npz)  # 11 rows, compiled for 16
    tree["training"] |= {"steps": 3, "batch_size": 4, "order": "sequential"}
    tree["optimizer"]["learning_rate"] = 0.0
    params = plainly(tree).params
    mean, variance = np.zeros(4), np.ones(4)
    for rows in (slice(0, 4), slice(4, 8), slice(8, 11)):  # the last batch has three rows
        z = X[rows] @ LAYERS[0]["kernel"] + LAYERS[0]["bias"]
        mean, variance = 0.99 * mean + 0.01 * z.mean(axis=0), 0.99 * variance + 0.01 * z.var(axis=0)
    np.testing.assert_allclose(params["layers.0.running_mean"], mean, rtol=1e-11)
    np.testing.assert_allclose(params["layers.0.running_variance"], variance, rtol=1e-11)
    assert params["layers.0.scale"].tolist() == [1.0] * 4


def test_a_model_with_running_statistics_goes_on_from_a_file_of_its_parameters(npz, plainly) -> None:
    tree = batch_norm_tree(npz)
    first = plainly(tree | {"training": tree["training"] | {"steps": 20}}, predict=[X[2].tolist()])
    assert {"layers.1.running_mean", "layers.1.running_variance"} <= set(first.params)
    again = plainly(batch_norm_tree(npz, init_file=npz(**first.params)))
    assert again.row["loss_initial"] == first.row["loss_final"]
    trained = [
        {name: first.params[f"layers.{index}.{name}"] for name in ("kernel", "bias")} for index in range(len(LAYERS))
    ]
    x = X[2]
    for index, layer in enumerate(trained):
        x = x @ layer["kernel"] + layer["bias"]
        if index < 2:
            mean, variance, scale, offset = (
                first.params[f"layers.{index}.{name}"]
                for name in ("running_mean", "running_variance", "scale", "offset")
            )
            x = np.tanh((x - mean) / np.sqrt(variance + 1e-3) * scale + offset)
    assert first.predictions[0] == pytest.approx(x.tolist(), rel=1e-10)


def test_a_running_variance_that_overflows_is_an_event_though_loss_and_parameters_stay_finite(npz, train) -> None:
    first = LAYERS[0] | {"kernel": 1e20 * LAYERS[0]["kernel"]}  # 10²⁰ squared is beyond float32
    tree = batch_norm_tree(npz, init_file=npz(**flat([first, *LAYERS[1:]])))
    tree["training"] |= {"dtype": "float32", "steps": 2}
    tree["optimizer"]["learning_rate"] = 0.0
    report = train(tree)
    assert np.isfinite([report.row["loss_initial"], report.epochs[-1].mean_loss, report.row["loss_final"]]).all()
    assert (report.outcome, report.row["first_inf_step"]) == ("inf", 0)
    assert np.isinf(report.params["layers.0.running_variance"]).any()


def test_measure_under_batch_norm_follows_the_loss_over_all_rows(npz, plainly) -> None:
    tree = batch_norm_tree(npz)
    tree["optimizer"]["learning_rate"] = 0.05
    rows = [plainly(tree | {"training": tree["training"] | {"steps": steps}}).row for steps in (1, 2, 3)]
    losses = np.array([rows[0]["loss_initial"], rows[0]["loss_final"], rows[1]["loss_final"]])  # before each update
    assert rows[2]["measure"] == pytest.approx(-np.sum(losses / losses[0]), rel=1e-12)
    assert rows[2]["loss_best"] == min(*losses, rows[2]["loss_final"])


def passed(layout: Layout, norm: str, hidden: int, rows: int, features: int, training: bool) -> Any:
    """Output, state and the gradient of a sum over the rows that count: two rows beside them hold NaN."""
    model = MLP(features, 2, (hidden,), "tanh", norm=norm, parametrization="ntk")
    draw = np.random.default_rng(7)
    parameters, state = (
        [{name: 1 + draw.random(shape) for name, shape in layer.items()} for layer in part] for part in model.shapes()
    )
    x = np.pad(draw.standard_normal((features, rows)), ((0, 0), (0, 2)), constant_values=np.nan)
    factors, mask = draw.standard_normal((2, rows)), np.arange(rows + 2) < rows

    def loss(parameters: Any) -> Any:
        made = model.forward(parameters, state, x, mask, numbers={"gain": 1.3}, layout=layout, training=training)
        return jnp.sum(factors * made.output[:, :rows]), (made.output[:, :rows], made.state, made.seen[0][:, :rows])

    (_, told), slopes = jax.value_and_grad(loss, has_aux=True)(parameters)
    return parameters, state, x[:, :rows], factors, told, slopes


@pytest.mark.parametrize(
    ("norm", "training", "rows", "features"),
    [
        ("none", True, 3, 1),
        ("none", True, 40, 1),
        *((norm, True, 40, 2) for norm in ("layer", "rms", "batch")),
        ("batch", False, 40, 2),
    ],
)
def test_a_pass_is_the_same_however_its_arrays_lie(norm: str, training: bool, rows: int, features: int) -> None:
    with jax.enable_x64(True):
        one, other = (
            jax.jit(passed, static_argnums=range(6))(each, norm, 5, rows, features, training) for each in Layout
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), one, other)
    (first, last), (state, _), x, factors, (output, after, seen), slopes = jax.tree.map(np.asarray, one)
    z = x.T @ first["kernel"].T / features**0.5 + first["bias"]
    if norm != "none":
        mean, variance = (z.mean(axis=0), z.var(axis=0)) if training and norm == "batch" else (0, 0)
        z = NORMS[norm](z) if training else (z - state["running_mean"]) / np.sqrt(state["running_variance"] + 1e-3)
        z = z * first["scale"] + first.get("offset", 0)
    np.testing.assert_allclose(seen.T, 1.3 * z, rtol=1e-10)
    hidden = np.tanh(1.3 * z)
    np.testing.assert_allclose(output.T, hidden @ last["kernel"].T / 5**0.5 + last["bias"], rtol=1e-10)
    np.testing.assert_allclose(slopes[1]["bias"], factors.sum(axis=1), rtol=1e-10)
    back = factors.T @ last["kernel"] / 5**0.5 * (1 - hidden**2) * 1.3
    added = {"none": "bias", "rms": None}.get(norm, "offset")  # what is added to a unit last
    if added:
        np.testing.assert_allclose(slopes[0][added], back.sum(axis=0), rtol=1e-9)
    if norm == "batch":
        for name, moment in (("running_mean", mean), ("running_variance", variance)):
            expected = 0.99 * state[name] + 0.01 * moment if training else state[name]
            np.testing.assert_allclose(after[0][name], expected, rtol=1e-10)


@pytest.mark.parametrize("norm", ["none", "layer", "rms", "batch"])
def test_a_norm_adds_its_arrays_to_hidden_layers_alone(norm: str) -> None:
    model = MLP(2, 3, (4, 5), "tanh", norm=norm)
    trained = {"none": [], "rms": ["scale"]}.get(norm, ["scale", "offset"])
    running = ["running_mean", "running_variance"] if norm == "batch" else []
    parameters, state = model.shapes()
    sides = [(4, 2), (5, 4)]
    assert parameters == [
        *({"kernel": (n, m), "bias": (n,)} | dict.fromkeys(trained, (n,)) for n, m in sides),
        {"kernel": (3, 5), "bias": (3,)},
    ]
    assert state == [*(dict.fromkeys(running, (n,)) for n, _ in sides), {}]
    assert model.parameters == sum(int(np.prod(shape)) for layer in parameters for shape in layer.values())
