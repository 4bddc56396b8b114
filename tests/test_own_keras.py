"""Keras models as networks of one's own, held against `model.fit(shuffle=False)` in the same process."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.models.own import keras_model, live, spec
from own_loops import SMALLER, assert_example_trains, assert_maps, notebook_cell

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's variables

ROWS, BATCH, EPOCHS = 21, 8, 5  # batches of 8, 8 and 5
rng = np.random.default_rng(5)
X = rng.standard_normal((ROWS, 3)).astype(np.float32)
Y = (X[:, :2] ** 2 - X[:, 1:]).astype(np.float32)
IMAGES, LABELS = rng.random((ROWS, 4, 4, 2)).astype(np.float32), np.arange(ROWS) % 3

FACTORY = """
import keras


def build(units=4):
    return keras.Sequential([
        keras.layers.Conv2D(units, 3, padding="same"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.25, seed=7),
        keras.layers.Dense(3),
    ])
"""


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keras on JAX, which reads no settings of whoever runs the tests."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    return pytest.importorskip("keras", reason="Keras is not installed: pip install 'nanmap[keras]'")


@pytest.fixture
def dense(keras: Any) -> Callable[..., Any]:
    """`dense(optimizer)`: a compiled network whose weights are the same every time."""

    def build(optimizer: Any = None, loss: Any = "mse", *, dropout: float = 0, seed: int = 1, **layer: Any) -> Any:
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Dense(4, "tanh", **layer), keras.layers.BatchNormalization()]
        layers += [keras.layers.Dropout(dropout)] if dropout else []
        model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])
        if optimizer != "none":
            model.compile(optimizer or keras.optimizers.SGD(0.05), loss)
        return model

    return build


def run(config: Any, engine: LocalEngine, **settings: Any) -> Any:
    return nanmap.run(config, x=X, y=Y, batch_size=BATCH, epochs=EPOCHS, engine=engine, **settings)


def fitted(model: Any, x: np.ndarray = X, y: np.ndarray = Y) -> list[float]:
    return model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0).history["loss"]


def losses(report: Any) -> list[float]:
    return [each.mean_loss for each in report.epochs]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda o: o.SGD(0.05),
    "nesterov": lambda o: o.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": lambda o: o.Adam(0.01, beta_1=0.8),
    "adam with decay": lambda o: o.Adam(0.01, weight_decay=0.1),
    "rmsprop": lambda o: o.RMSprop(0.01, rho=0.8, momentum=0.5),
    "adagrad clipped": lambda o: o.Adagrad(0.1, clipvalue=0.2),
    "lion": lambda o: o.Lion(0.001, weight_decay=0.1),
    "schedule": lambda o: o.Adamax(o.schedules.ExponentialDecay(0.05, 3, 0.5)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_compiled_model_has_the_losses_of_fit(name: str, keras: Any, dense: Any, engine: LocalEngine) -> None:
    model = dense(OPTIMIZERS[name](keras.optimizers))
    report = run(nanmap.from_keras(model), engine)
    np.testing.assert_allclose(losses(report), fitted(model), rtol=1e-5)
    scale = model.layers[1]
    np.testing.assert_allclose(report.params["dense.kernel"], model.layers[0].kernel, rtol=1e-4, atol=1e-6)
    mean = report.params["state/batch_normalization.moving_mean"]
    np.testing.assert_allclose(mean, scale.moving_mean, rtol=1e-4, atol=1e-6)
    assert report.row["loss_final"] == pytest.approx(model.evaluate(X, Y, ROWS, verbose=0), rel=1e-5)


def test_a_fitted_model_goes_on_from_its_weights_and_stays_as_it_is(dense: Any, engine: LocalEngine) -> None:
    model = dense()
    fitted(model)
    before = [np.array(each) for each in model.get_weights()]
    report = run(nanmap.from_keras(model), engine)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))
    np.testing.assert_allclose(losses(report), fitted(model), rtol=1e-5)


def test_a_model_that_gives_nan_gives_it_in_the_same_epoch(keras: Any, engine: LocalEngine) -> None:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = np.arange(1, 21, dtype=np.float32)
    report = nanmap.run(nanmap.from_keras(model), x=x, y=x / 2, epochs=150, engine=engine)
    told = np.array(model.fit(x, x / 2, epochs=150, shuffle=False, verbose=0).history["loss"])
    ours = np.array(losses(report))  # up to the epoch whose update makes the NaN, which the next one's loss shows
    assert len(ours) == np.isnan(told).argmax() == report.row["first_nan_step"] + 1
    assert 40 < np.isinf(told).argmax() == np.isinf(ours).argmax() < len(ours)


SHARES = rng.dirichlet(np.ones(3), ROWS).astype(np.float32)
SHARES[::2] = np.eye(3)[LABELS[::2]]
# Of a loss that takes probabilities: its name, what stands before it, and the targets.
PROBABILITIES: dict[str, tuple[str, str, np.ndarray | None]] = {
    "labels that it knows": ("sparse_categorical_crossentropy", "softmax", None),  # the bound is all that is left
    "labels": ("sparse_categorical_crossentropy", "softmax", LABELS),
    "shares": ("categorical_crossentropy", "softmax", SHARES),
    "yes and no": ("binary_crossentropy", "sigmoid", np.eye(3, dtype=np.float32)[LABELS]),
    "no activation at all": ("binary_crossentropy", "linear", np.eye(3, dtype=np.float32)[LABELS]),
    "sigmoids that are no shares": ("sparse_categorical_crossentropy", "sigmoid", LABELS),
    "sums of nothing": ("sparse_categorical_crossentropy", "relu", LABELS),  # 0 / 0 is NaN, in Keras too
}


@pytest.mark.parametrize("scale", [1, 60])  # so large that probabilities are at Keras's bounds
@pytest.mark.parametrize("name", PROBABILITIES)
def test_losses_of_probabilities_are_those_of_fit(name: str, scale: float, keras: Any, engine: LocalEngine) -> None:
    loss, activation, y = PROBABILITIES[name]
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, activation)])
    model.layers[1].kernel.assign(np.asarray(model.layers[1].kernel) * (scale if y is not None else scale**3))
    model.compile(keras.optimizers.SGD(0.1), loss)
    y = np.asarray(model(X)).argmax(-1) if y is None else y
    report = nanmap.run(nanmap.from_keras(model), x=X, y=y, batch_size=BATCH, epochs=EPOCHS, engine=engine)
    assert report.row["loss_initial"] == pytest.approx(model.evaluate(X, y, ROWS, verbose=0), rel=1e-5, nan_ok=True)
    told = fitted(model, y=y)
    np.testing.assert_allclose(losses(report), told[: len(losses(report))], rtol=1e-5)
    if np.isnan(told).any():  # in a batch of that epoch, or in the update before it, which the next batch shows
        first = int(np.isnan(told).argmax()) * 3
        assert first - 1 <= report.row["first_nan_step"] < first + 3
    else:
        assert report.row["first_nan_step"] is None


def test_another_epsilon_of_keras_is_refused(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    monkeypatch.setattr(keras.config, "epsilon", lambda: 1e-3)
    with pytest.raises(nanmap.InputError, match=r"epsilon.*\(got 0\.001\)[\s\S]*set_epsilon\(1e-07\)"):
        nanmap.from_keras(model)


def test_a_class_that_is_written_again_is_another_network(keras: Any, engine: LocalEngine) -> None:
    """Of one name and with the same weights, as when a cell of a notebook is changed and run once more."""

    def written_again(factor: float) -> Any:
        class Scaled(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.out = keras.layers.Dense(2, kernel_initializer="ones")

            def call(self, x: Any) -> Any:
                return self.out(x) * factor

        model = Scaled()
        model(X)
        model.compile("sgd", "mse")
        return model

    models = [written_again(factor) for factor in (1.0, 2.0)]
    configs = [nanmap.from_keras(model) for model in models]
    for model, config in zip(models, configs, strict=True):
        expected = model.evaluate(X, Y, ROWS, verbose=0)
        assert run(config, engine).row["loss_initial"] == pytest.approx(expected, rel=1e-5)


def test_dropout_drops_what_keras_drops_and_other_seeds_drop_otherwise(dense: Any, engine: LocalEngine) -> None:
    model = dense(dropout=0.25)
    given = nanmap.from_keras(model)
    ours, other = losses(run(given, engine)), losses(run(given, engine, training_seed=3))
    np.testing.assert_allclose(ours, fitted(model), rtol=1e-5)
    assert not np.isclose(ours, other, rtol=0.01).any()


def test_losses_under_dropout_are_distributed_as_those_of_keras(keras: Any, dense: Any, engine: LocalEngine) -> None:
    """After one epoch, 60 seeds of ours and 60 others of Keras's: means within four standard errors, spreads within a half."""
    model, seeds = dense(dropout=0.5), 60
    given, axes = nanmap.from_keras(model), {"training.seed": range(1, seeds + 1)}
    ours = nanmap.sweep(given, axes, x=X, y=Y, batch_size=BATCH, epochs=1, engine=engine).to_pandas().loss_final
    theirs = []
    for seed in range(1000, 1000 + seeds):
        keras.utils.set_random_seed(seed)
        drawn = keras.models.clone_model(model)
        for mine, other in zip(model.variables, drawn.variables, strict=True):
            mine.assign(other.value)
        model.fit(X, Y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
        theirs.append(model.evaluate(X, Y, ROWS, verbose=0))
    assert ours.nunique() == seeds
    assert abs(ours.mean() - np.mean(theirs)) < 4 * np.hypot(ours.std(), np.std(theirs)) / np.sqrt(seeds)
    assert 2 / 3 < ours.std() / np.std(theirs) < 3 / 2


def test_seed_0_is_the_model_as_it_is_and_others_are_drawn_anew(keras: Any, dense: Any, engine: LocalEngine) -> None:
    model, axes = dense(), {"training.seed": [0, 2, 3]}
    random.seed(11)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    result = nanmap.sweep(nanmap.from_keras(model), axes, x=X, y=Y, batch_size=BATCH, epochs=EPOCHS, engine=engine)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    rows = result.to_pandas()
    assert rows.loss_initial[0] == pytest.approx(model.evaluate(X, Y, ROWS, verbose=0), rel=1e-6)
    assert rows.loss_initial.nunique() == 3
    keras.utils.set_random_seed(2)
    drawn = keras.models.clone_model(model)
    drawn.compile("sgd", "mse")
    assert rows.loss_initial[1] == pytest.approx(drawn.evaluate(X, Y, ROWS, verbose=0), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_factory_starts_where_its_seed_says(seed: int, keras: Any, tmp_path: Path, engine: LocalEngine) -> None:
    """Built without an input; under `set_random_seed` Keras draws the same weights, and at seed 0 the same dropout."""
    file = tmp_path / "net.py"
    file.write_text(FACTORY)
    report = nanmap.run(
        x=IMAGES,
        y=LABELS,
        model=f"python:{file}:build",
        loss="softmax_cross_entropy",
        learning_rate=0.1,
        batch_size=BATCH,
        epochs=EPOCHS,
        order="sequential",
        training_seed=seed,
        allow_python=True,
        engine=engine,
    )
    made: dict[str, Any] = {}
    exec(FACTORY, made)
    keras.utils.set_random_seed(seed)
    model = made["build"]()
    model(IMAGES[:1])
    (dropout,) = [each for each in model.layers if isinstance(each, keras.layers.Dropout)]
    state = dropout.seed_generator.state
    state.assign(np.asarray(state.value) + np.array([seed, 0], np.uint32))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert report.row["loss_initial"] == pytest.approx(model.evaluate(IMAGES, LABELS, ROWS, verbose=0), rel=1e-6)
    np.testing.assert_allclose(losses(report), fitted(model, IMAGES, LABELS), rtol=1e-5)
    assert "conv2d.kernel" in report.params


def test_what_a_model_is_does_not_hang_on_what_was_made_before_it(keras: Any, dense: Any) -> None:
    one, other = dense(dropout=0.1), dense(dropout=0.1)
    assert one.name != other.name
    assert nanmap.from_keras(one) == nanmap.from_keras(other)
    assert keras_model.names_of(one) == keras_model.names_of(other)
    assert nanmap.from_keras(one) != nanmap.from_keras(dense(dropout=0.1, seed=2))
    assert nanmap.from_keras(one)["model"] != nanmap.from_keras(dense(dropout=0.2))["model"]
    assert nanmap.from_keras(one)["model"]["kind"].endswith(":sequential")


def test_how_a_factory_draws_is_part_of_the_run(
    keras: Any, tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its trace does not say, where what the factory imports has changed."""
    file = tmp_path / "net.py"
    layer = 'keras.layers.Dense(2, kernel_initializer=os.environ["KERNEL"])'
    file.write_text(f"import os\nimport keras\n\n\ndef build():\n    return keras.Sequential([{layer}])\n")
    settings = {"model": f"python:{file}:build", "x": X, "y": Y, "epochs": 1, "out": tmp_path / "swept"}
    sweep = lambda: nanmap.sweep(None, {"learning_rate": [0.1]}, **settings, allow_python=True, engine=engine)  # noqa: E731
    monkeypatch.setenv("KERNEL", "zeros")
    sweep()
    monkeypatch.setenv("KERNEL", "ones")
    live.live.cache_clear()
    spec._own_model.cache_clear()
    with pytest.raises(nanmap.InputError, match="code that the network is made of changed"):
        sweep()


def test_settings_are_read_as_they_were_written(keras: Any, dense: Any) -> None:
    o, k = keras.optimizers, keras.losses
    decaying = o.schedules.InverseTimeDecay(0.01, 4, 2.0)
    assert nanmap.from_keras(dense(o.SGD(0.01)))["optimizer"] == {"kind": "sgd", "learning_rate": 0.01}
    told = nanmap.from_keras(dense(o.AdamW(decaying, weight_decay=0.3, epsilon=1e-3, global_clipnorm=2.0)))
    assert told["optimizer"] == {
        "kind": "adamw",
        "learning_rate": 0.01,
        "schedule": "inverse_time",
        "decay": 0.5,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-3,
        "weight_decay": 0.3,
        "clip_norm": 2.0,
    }
    read = lambda loss: nanmap.from_keras(dense(loss=loss))["loss"]  # noqa: E731
    assert read("mae") == {"kind": "mae"}
    assert read(k.mean_squared_error) == {"kind": "mse"}
    assert read(k.Huber(delta=0.5)) == {"kind": "huber", "delta": 0.5}
    assert read("huber") == {"kind": "huber", "delta": 1.0}
    assert read(k.BinaryCrossentropy(from_logits=True)) == {"kind": "sigmoid_cross_entropy"}
    assert read(k.CategoricalCrossentropy(from_logits=True)) == {"kind": "softmax_cross_entropy"}


def mean_squared_error(y: Any, output: Any) -> Any:
    """The user's own, whatever it is called."""
    return (y - output) ** 4


def without_bias(optimizer: Any) -> Any:
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


REFUSED: dict[str, tuple[Callable[[Any], dict[str, Any]], str]] = {
    "rule": (lambda k: {"optimizer": k.optimizers.Nadam()}, "Nadam"),
    "form of a rule": (lambda k: {"optimizer": k.optimizers.Adam(amsgrad=True)}, "amsgrad"),
    "clip": (lambda k: {"optimizer": k.optimizers.SGD(clipnorm=1.0)}, "clipnorm"),
    "decay": (lambda k: {"optimizer": k.optimizers.SGD(weight_decay=0.1)}, "weight_decay"),
    "decay of some": (lambda k: {"optimizer": without_bias(k.optimizers.AdamW())}, "leaves variables out"),
    "average": (lambda k: {"optimizer": k.optimizers.SGD(use_ema=True)}, "use_ema"),
    "schedule": (
        lambda k: {"optimizer": k.optimizers.SGD(k.optimizers.schedules.CosineDecay(0.1, 5))},
        "CosineDecay",
    ),
    "stairs": (
        lambda k: {"optimizer": k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5, True))},
        "staircase",
    ),
    "momentum under a schedule": (
        lambda k: {"optimizer": k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5), momentum=0.9)},
        "momentum",
    ),
    "loss": (lambda k: {"loss": "poisson"}, "poisson"),
    "a loss of the same name": (lambda k: {"loss": mean_squared_error}, "mean_squared_error"),
    "smoothing": (
        lambda k: {"loss": k.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)},
        "label_smoothing",
    ),
    "sum": (lambda k: {"loss": k.losses.MeanSquaredError(reduction="sum")}, "reduction"),
    "constraint": (lambda k: {"kernel_constraint": k.constraints.NonNeg()}, "constraint"),
    "no optimizer": (lambda k: {"optimizer": "none"}, "model.compile"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nanmap_has_no_setting_for_is_refused_by_name(name: str, keras: Any, dense: Any) -> None:
    given, word = REFUSED[name]
    with pytest.raises(nanmap.InputError, match=word):
        nanmap.from_keras(dense(**given(keras)))


def test_what_fit_does_beside_the_loss_is_refused(keras: Any, dense: Any) -> None:
    class Stepping(keras.Sequential):
        def train_step(self, *given: Any) -> Any:
            return super().train_step(*given)

    model = Stepping([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(nanmap.InputError, match="`train_step` of its own"):
        nanmap.from_keras(model)
    model = dense("none")
    model.compile("sgd", "mse", loss_weights=0.5)
    with pytest.raises(nanmap.InputError, match="loss_weights"):
        nanmap.from_keras(model)


def test_losses_of_a_models_own_and_other_formats_are_refused(keras: Any, dense: Any, engine: LocalEngine) -> None:
    with pytest.raises(nanmap.InputError, match=r"adds losses of its own \(dense"):
        run(nanmap.from_keras(dense(kernel_regularizer="l2")), engine)
    model = dense()
    with pytest.raises(nanmap.InputError, match=r"training\.dtype"):
        run(nanmap.from_keras(model), engine, dtype="float64")
    with pytest.raises(nanmap.InputError, match=r"half.* is float16"):
        nanmap.from_keras(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="float16", name="half")]))
    with pytest.raises(nanmap.InputError, match="has no weights yet"):
        nanmap.from_keras(keras.Sequential([keras.layers.Dense(2)]))
    tokens = keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Embedding(5, 3, mask_zero=True)])
    with pytest.raises(nanmap.InputError, match="masked"):
        nanmap.run(x=np.ones((6, 4), int), y=np.ones((6, 4, 3)), model=tokens, epochs=1, engine=engine)


def test_a_subclass_that_cannot_be_copied_trains_but_from_its_own_weights(keras: Any, engine: LocalEngine) -> None:
    class Net(keras.Model):
        def __init__(self, units: Any):
            super().__init__()
            self.out = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.out(x)

    model = Net(object())
    model(X)
    model.compile("sgd", "mse")
    given = nanmap.from_keras(model)
    np.testing.assert_allclose(losses(run(given, engine)), fitted(model), rtol=1e-5)
    with pytest.raises(nanmap.InputError, match=r"training.seed: Keras cannot copy it[^$]*factory"):
        run(given, engine, training_seed=1)


def test_a_keras_on_another_backend_is_refused(dense: Any, keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(nanmap.InputError, match=r"got 'torch'[^$]*KERAS_BACKEND=jax"):
        nanmap.from_keras(model)


def test_a_factory_whose_keras_wants_tensorflow_is_told_of_the_backend(keras: Any, tmp_path: Path) -> None:
    pytest.importorskip("keras")
    (tmp_path / "net.py").write_text(FACTORY)
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('no tensorflow', name='tensorflow')\n")
    (tmp_path / "line.toml").write_text(
        '[data]\nkind = "line"\nn = 5\n[model]\nkind = "python:net.py:build"\n[training]\nepochs = 1\n'
    )
    command = [sys.executable, "-m", "nanmap", "run", "line.toml", "--allow-python"]
    setting = {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    setting["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | setting, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "does not compute with JAX" in done.stderr
    assert "KERAS_BACKEND=jax" in done.stderr


def test_what_is_no_model_is_told() -> None:
    with pytest.raises(nanmap.InputError, match="is no Keras model"):
        nanmap.from_keras(3)


def test_a_folder_asks_for_the_model_that_it_cannot_keep(
    dense: Any, tmp_path: Path, engine: LocalEngine, command: Callable[..., Any]
) -> None:
    model, axes = dense(), {"learning_rate": [0.01, 0.1]}
    settings = {"x": X, "y": Y, "batch_size": BATCH, "epochs": EPOCHS, "engine": engine, "out": tmp_path / "swept"}
    result = nanmap.sweep(nanmap.from_keras(model), axes, **settings)
    stored = result.to_pandas().loss_final[1]
    again = nanmap.run(result.config(1), model=model, engine=engine)
    assert again.row["loss_final"] == stored
    nanmap.sweep(nanmap.from_keras(dense()), axes, **settings)  # made again with the same weights: continued
    kept = result.config(1)
    fitted(model)
    with pytest.raises(nanmap.InputError, match="is another model than these settings are about"):
        nanmap.run(kept, model=model, engine=engine)
    with pytest.raises(nanmap.InputError, match="the model is another one, or has other weights"):
        nanmap.sweep(nanmap.from_keras(model), axes, **settings)
    script = f"from nanmap.cli import main; main(['run', '--cell', '1', '--of', {str(tmp_path / 'swept')!r}])"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "was held by a program in Python alone" in done.stderr
    assert "model=sequential" in done.stderr


def test_the_example_runs(keras: Any, tmp_path: Path, command: Callable[..., Any]) -> None:
    assert_example_trains("keras_model", tmp_path, command)


def test_the_program_of_the_document_shows_its_map(keras: Any) -> None:
    x = np.random.default_rng(0).standard_normal((40, 3))
    cell = notebook_cell("keras.md", "from_keras", SMALLER | {"epochs=40": "epochs=2"}, x=x, y=x[:, :1])
    assert_maps(cell, 2, 2)
