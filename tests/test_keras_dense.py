"""Compiled Keras models of Dense layers alone, read as nanmap's own network: they train as `fit` does, and are diagnosed by their layers."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.models.own.keras_dense import dense_settings

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's variables
OPTIMISED = True
keras: Any = None  # imported when the tests begin, on JAX
ENGINE = LocalEngine()
RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(30, 3)), np.arange(30) % 3
NUMBERS = X[:, :1] - X[:, 1:2]


@pytest.fixture(scope="module", autouse=True)
def _keras(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keras on JAX, which reads no settings of whoever runs the tests."""
    global keras
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    keras = pytest.importorskip("keras", reason="Keras is not installed: pip install 'nanmap[keras]'")


def model(*layers: Any, loss: Any = "mse", rate: float = 0.05, inputs: int = 3) -> Any:
    made = keras.Sequential([keras.Input((inputs,)), *layers])
    made.compile(keras.optimizers.SGD(rate), loss)
    return made


def dense(units: int, activation: str | None = None, **settings: Any) -> Any:
    return keras.layers.Dense(units, activation, **settings)


ALIKE: dict[str, tuple[Callable[[], Any], np.ndarray]] = {
    "numbers": (lambda: model(dense(4, "tanh", kernel_initializer="ones"), dense(1, kernel_initializer="ones")), NUMBERS),
    "no biases": (lambda: model(dense(1, use_bias=False, kernel_initializer="ones")), NUMBERS),
    "probabilities of classes": (
        lambda: model(dense(3, "softmax", kernel_initializer="zeros"), loss="sparse_categorical_crossentropy"), LABELS,
    ),
    "a probability": (lambda: model(dense(1, "sigmoid", kernel_initializer="ones"), loss="binary_crossentropy"), LABELS[:, None] > 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_the_settings_train_as_fit_does(name: str) -> None:
    build, targets = ALIKE[name]
    settings = dense_settings(build(), targets)
    assert settings is not None
    report = nanmap.run(settings, x=X, y=targets, batch_size=10, epochs=4, engine=ENGINE)
    fitted = build().fit(
        X, targets.astype(int if targets.ndim == 1 else float), batch_size=10, epochs=4, shuffle=False, verbose=0
    )
    np.testing.assert_allclose([each.mean_loss for each in report.epochs], fitted.history["loss"], rtol=2e-5)


OTHERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "another layer": (lambda: model(dense(4), keras.layers.Dropout(0.5), dense(1)), NUMBERS),
    "two activations": (lambda: model(dense(4, "relu"), dense(4, "tanh"), dense(1)), NUMBERS),
    "a regularizer": (lambda: model(dense(4, kernel_regularizer="l2"), dense(1)), NUMBERS),
    "an initialiser with a number": (lambda: model(dense(1, kernel_initializer=keras.initializers.RandomNormal(stddev=3))), NUMBERS),
    "softmax of numbers": (lambda: model(dense(3, "softmax")), np.eye(3)[LABELS]),
    "more outputs than classes": (
        lambda: model(dense(5), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)), LABELS,
    ),
    "outputs that would be broadcast": (lambda: model(dense(3)), NUMBERS),
    "no targets": (lambda: model(dense(1)), None),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_more_than_dense_layers_stays_a_network_of_its_own(name: str) -> None:
    build, targets = OTHERS[name]
    assert dense_settings(build(), targets) is None


@pytest.mark.long
@pytest.mark.parametrize("loss", ["binary_crossentropy", "crossentropy of probabilities"])
def test_a_softmax_of_one_unit_is_told_with_what_to_write_instead(loss: str) -> None:
    made = model(dense(1, "softmax"), loss=loss if loss in dir(keras.losses) else keras.losses.BinaryCrossentropy())
    with pytest.raises(nanmap.InputError, match=r"answers 1 to every row[\s\S]*Dense\(1, activation=.sigmoid"):
        nanmap.diagnose(made, X, (LABELS > 0).astype(float), epochs=2, batch_size=8, engine=ENGINE)


def test_a_dead_network_is_told_by_its_layers() -> None:
    x = np.arange(1.0, 201.0)
    answer = nanmap.diagnose(
        model(dense(16, "relu"), dense(1, "relu"), inputs=1),
        x,
        2 * x,
        epochs=5,
        batch_size=50,
        engine=ENGINE,
        budget=1e9,
    )
    assert answer.cause == "dead_at_init"
    assert answer.fix.trial.changes["model.output_activation"] == "linear"
    assert 'was: keras.layers.Dense(1, "relu")' in nanmap.diagnosis.lines_of(answer)[0].text


def test_a_network_of_its_own_that_overflows_is_diagnosed_in_its_own_format() -> None:
    x = np.arange(1.0, 41.0)
    made = model(dense(1), keras.layers.Activation("linear"), inputs=1, rate=1.0)
    answer = nanmap.diagnose(made, x, x / 2, epochs=60, batch_size=64, engine=ENGINE, budget=1e9)
    assert answer.outcome in ("nan", "inf")
    assert answer.fix.reaches


def test_a_relu_that_is_dead_is_no_sigmoid() -> None:
    x = np.arange(1.0, 41.0)
    start = keras.initializers.Constant(-1.0)
    made = model(
        dense(4, "relu", kernel_initializer=start), keras.layers.Activation("linear"), dense(1, "relu"), inputs=1
    )
    answer = nanmap.diagnose(made, x, 2 * x, epochs=5, batch_size=64, engine=ENGINE, budget=1e9)
    assert answer.cause != "target_out_of_reach"
