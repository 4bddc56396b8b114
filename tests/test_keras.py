"""The engine against Keras itself, on the JAX backend: the same start, the same losses, epoch by epoch.

Where the two are known to differ: Keras adds Adam's epsilon before the correction of the second moment, Optax (and the
paper) after it. At 10⁻⁷ that is a few millionths of a step; the float64 case takes an epsilon that nothing can feel.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracles import flat, random_layers

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="Keras is not installed: pip install 'nanmap[keras]'"
)

N, SPLIT, BATCH, EPOCHS = 30, 0.3, 8, 5  # 21 rows train, in batches of 8, 8 and 5; 9 rows validate
rng = np.random.default_rng(41)
X = rng.standard_normal((N, 3)) * [1.0, 2.0, 0.5] + [0.0, 1.0, -1.0]
Y = np.stack([np.sin(X[:, 0]) + X[:, 1] ** 2, X[:, 2] - X[:, 0]], axis=1)
LABELS = (X @ rng.standard_normal((3, 3))).argmax(axis=1)
TARGETS: dict[str, np.ndarray] = {
    "mse": Y,
    "mse with accuracy": Y[:, :1],
    "softmax_cross_entropy": np.eye(3)[LABELS],
    "sigmoid_cross_entropy": (LABELS == 1)[:, None] * 1.0,
}
# Keras's arguments are called as the settings are, but for these.
NAMES = {"rho": "rho", "b1": "beta_1", "b2": "beta_2", "eps": "epsilon", "clip_norm": "global_clipnorm"}


def case(
    kind: str = "sgd",
    rate: float = 0.01,
    *,
    norm: str = "none",
    loss: str = "mse",
    dtype: str = "float32",
    hidden: tuple[int, ...] = (5,),
    bias: bool = True,
    **optimizer: Any,
) -> dict[str, Any]:
    targets = TARGETS[loss]
    layers = random_layers((3, *hidden, targets.shape[1]), seed=3)
    if not bias:
        layers = [{"kernel": layer["kernel"]} for layer in layers]
    return {
        "optimizer": {"kind": kind, "learning_rate": rate} | optimizer,
        "norm": norm,
        "loss": loss,
        "dtype": dtype,
        "hidden": hidden,
        "layers": layers,
        "targets": targets,
    }


CASES = {
    "linear": case(hidden=()),
    "sgd": case(),
    "momentum": case(momentum=0.9),
    "nesterov": case(momentum=0.9, nesterov=True),
    "adam": case("adam"),
    # Neither decay nor the norm that is clipped may see the running statistics.
    "adamw batch norm": case("adamw", weight_decay=0.1, norm="batch", bias=False),
    "rmsprop": case("rmsprop", momentum=0.5, rho=0.8),
    "adagrad": case("adagrad", rate=0.1),
    "layer norm": case(norm="layer"),
    "batch norm": case(norm="batch", clip_norm=3.0),
    # A bias under batch norm has no gradient but rounding errors, and Adam makes whole steps of them.
    "batch norm adam": case("adam", norm="batch", hidden=(5, 4), bias=False),
    "float64 adam": case("adam", dtype="float64", eps=1e-30),
    "float64 batch norm": case(momentum=0.5, norm="batch", dtype="float64", hidden=(5, 4)),
    "float64 rmsprop layer norm": case("rmsprop", norm="layer", dtype="float64"),
}
CLASSES = {
    "softmax": case(rate=0.5, momentum=0.5, loss="softmax_cross_entropy"),
    "sigmoid": case(rate=0.5, loss="sigmoid_cross_entropy", norm="batch"),
}
REGRESSION = {"regression": case(loss="mse with accuracy")}
RTOL = {"float32": 1e-5, "float64": 1e-7}  # under JAX Keras takes some steps of a float64 model in float32


def for_keras(case: dict[str, Any]) -> dict[str, Any]:
    start = [[values.tolist() for values in layer.values()] for layer in case["layers"]]
    optimizer = {NAMES.get(name, name): value for name, value in case["optimizer"].items()}
    kept = {name: case[name] for name in ("norm", "loss", "dtype")}
    return kept | {
        "start": start,
        "optimizer": optimizer,
        "activation": "tanh",
        "x": X.tolist(),
        "y": case["targets"].tolist(),
        "batch_size": BATCH,
        "split": SPLIT,
        "epochs": EPOCHS,
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What Keras says to every case; one process for all of them."""
    folder = tmp_path_factory.mktemp("keras")
    (folder / "cases.json").write_text(
        json.dumps({name: for_keras(each) for name, each in (CASES | CLASSES | REGRESSION).items()})
    )
    script = Path(__file__).with_name("keras_reference.py")
    files = [str(folder / name) for name in ("cases.json", "answers.json")]
    setting = {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "KERAS_HOME": str(folder)}
    setting |= {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    done = subprocess.run(
        [sys.executable, str(script), *files], env=os.environ | setting, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(Path(files[1]).read_text())


def tree_of(case: dict[str, Any], npz) -> dict[str, Any]:
    return {
        "data": {"kind": "npz", "path": npz(x=X, y=case["targets"]), "validation_split": SPLIT},
        "model": {
            "hidden": list(case["hidden"]),
            "activation": "tanh",
            "norm": case["norm"],
            "bias": "bias" in case["layers"][0],
            "init": "file",
            "init_file": npz(**flat(case["layers"])),
        },
        "loss": {"kind": case["loss"].removesuffix(" with accuracy")},
        "optimizer": case["optimizer"],
        "training": {"epochs": EPOCHS, "batch_size": BATCH, "order": "sequential", "dtype": case["dtype"]},
    }


@pytest.mark.parametrize("name", CASES)
def test_the_losses_are_those_of_keras(name: str, answers, npz, train) -> None:
    case, said = CASES[name], answers[name]
    report = train(tree_of(case, npz))
    rtol = RTOL[case["dtype"]]
    np.testing.assert_allclose([each.mean_loss for each in report.epochs], said["history"]["loss"], rtol=rtol)
    np.testing.assert_allclose([each.val_loss for each in report.epochs], said["history"]["val_loss"], rtol=rtol)
    assert report.row["loss_final"] == pytest.approx(said["evaluated"]["loss"], rel=rtol)
    # Both lists are in the order of the network: Dense, then its norm.
    assert len(report.params) == len(said["weights"])
    for ours, (key, values) in zip(said["weights"], report.params.items(), strict=True):
        size = np.abs(ours).max()
        np.testing.assert_allclose(values, ours, rtol=10 * rtol, atol=10 * rtol * size, err_msg=key)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_learnt_and_counted_as_keras_does(name: str, answers, npz, train) -> None:
    case, said = CLASSES[name], answers[name]
    report = train(tree_of(case, npz))
    ours = {
        "loss": [each.mean_loss for each in report.epochs],
        "val_loss": [each.val_loss for each in report.epochs],
        "accuracy": [each.mean_accuracy for each in report.epochs],
        "val_accuracy": [each.val_accuracy for each in report.epochs],
    }
    for key, values in ours.items():
        np.testing.assert_allclose(values, said["history"][key], rtol=1e-5, err_msg=key)
    assert report.row["accuracy"] == pytest.approx(said["evaluated"]["accuracy"], rel=1e-6)
    assert report.row["val_accuracy"] == ours["val_accuracy"][-1]
    assert len(set(ours["accuracy"])) > 1, "the accuracy must move for this to mean anything"


def test_what_keras_calls_accuracy_on_a_regression_is_equality_with_zero_or_one(answers, npz, train) -> None:
    case, said = REGRESSION["regression"], answers["regression"]
    assert said["history"]["accuracy"] == [0.0] * EPOCHS
    assert said["history"]["loss"][-1] < said["history"]["loss"][0], "and yet it learns"
    kept, predicted = int(N * (1 - SPLIT)), np.array(said["predicted"])
    equal = (predicted[:kept] > 0.5) == case["targets"][:kept]
    assert said["evaluated"]["accuracy"] == np.mean(equal) == 0
    report = train(tree_of(case, npz))
    assert report.epochs[-1].mean_accuracy is None
    assert report.row["accuracy"] is None
