"""Programs in optax, PyTorch and Keras train as nanmap does: the same losses where nothing is drawn, to what rounding leaves."""

import os
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.data.rows import load_rows
from nanmap.listings import FRAMEWORKS, OwnNetwork, config_text, listing, marked, patch, set_words, unsaid

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's variables

TABLE = """town,size,rooms,kind,level,price
Bern,120,3,flat,1.5,3.2
Oslo,80,,flat,0.5,2.1
Rome,,2,house,2.5,1.0
Bern,60,1,house,1.0,1.9
Oslo,200,5,flat,0.1,5.5
Rome,95,2,loft,0.2,2.0
Bern,150,4,house,2.2,4.1
Oslo,70,2,loft,1.7,1.2
Rome,55,1,flat,0.9,0.8
Bern,99,3,loft,1.3,2.7
"""
Tree = dict[str, dict[str, Any]]
CSV = {"kind": "csv", "path": "table.csv", "target": "price"}
PLAIN: Tree = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "model": {"init": "ones", "init_scale": -1.3},
    "optimizer": {"learning_rate": 0.002, "momentum": 0.5, "nesterov": True},
    "training": {"epochs": 30},
}
# Keras adds Adam's epsilon before the correction of the second moment, the others after it: in a first step it is 32 times
# as large. Clipped gradients of saturated units are of the size of the usual 10⁻⁷; with that Keras ends 1.4e-3 away, in float64, too.
NOT_FELT = 1e-12
CASES: dict[str, Tree] = {
    "a line, full batch": PLAIN,
    "one-hot, filled, scaled, clipped": {
        "data": CSV | {"missing": "mean", "columns": ["size", "town", "rooms"], "scale_inputs": "minmax", "scale_targets": "standard"},
        "model": {"hidden": [4, 3], "activation": "tanh", "init": "file"},
        "optimizer": {"kind": "adam", "learning_rate": 0.02, "clip_norm": 0.5, "eps": NOT_FELT},
        "training": {"epochs": 12, "batch_size": 4, "order": "sequential"},
    },
    "codes, dropped, held back": {
        "data": CSV | {"missing": "drop", "categorical": "codes", "columns": ["rooms", "kind", "size"], "scale_inputs": "maxabs", "validation_split": 0.25},
        "model": {"hidden": [5], "activation": "leaky_relu", "output_activation": "softplus", "init": "file", "bias": False},
        "loss": {"kind": "huber", "delta": 0.5},
        "optimizer": {"kind": "rmsprop", "learning_rate": 0.01},
        "training": {"epochs": 9, "batch_size": 4, "order": "sequential"},
    },
    "classes, normed, by a schedule": {
        "data": CSV | {"target": "kind", "target_kind": "class", "columns": ["level", "price"], "scale_inputs": "standard"},
        "model": {"hidden": [6], "activation": "gelu", "init": "file", "norm": "layer"},
        "loss": {"kind": "softmax_cross_entropy"},
        "optimizer": {"learning_rate": 0.3, "schedule": "cosine", "warmup_steps": 4},
        "training": {"steps": 20, "batch_size": 3, "order": "sequential"},
    },
    "two classes, bounded at the output": {
        "data": {"kind": "npz", "path": "arrays.npz", "target_kind": "class"},
        "model": {"hidden": [3], "activation": "silu", "init": "file", "norm": "rms"},
        "loss": {"kind": "sigmoid_cross_entropy"},
        "optimizer": {"kind": "adagrad", "learning_rate": 0.2, "clip_output_gradient": 0.05},
        "training": {"epochs": 10, "batch_size": 8, "order": "sequential"},
    },
    "absolute errors, bounded gradients": {
        "data": {"kind": "square", "inputs": "linspace", "start": -1, "stop": 2, "n": 15},
        "model": {"hidden": [4], "activation": "relu", "init": "file"},
        "loss": {"kind": "mae"},
        "optimizer": {"kind": "adamw", "learning_rate": 0.05, "clip_value": 0.02, "weight_decay": 0.1, "eps": NOT_FELT},
        "training": {"epochs": 25},
    },
}  # fmt: skip
RULES = ("sgd", "adam", "adamw", "amsgrad", "adamax", "nadam", "radam", "adabelief", "rmsprop", "adagrad", "lion")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((21, 3))
    np.savez(tmp_path / "arrays.npz", x=x, y=(x.sum(1) > 0).astype(int))
    return tmp_path


def config_of(tree: Tree, folder: Path) -> Any:
    """The config; a start from a file gets one that fits."""
    tree = {table: dict(settings) for table, settings in tree.items()}
    if "path" in tree["data"]:
        tree["data"]["path"] = str(folder / tree["data"]["path"])
    if tree["model"]["init"] != "file":
        return build_config(tree)
    rows = load_rows(build_config(tree | {"model": tree["model"] | {"init": "zeros"}}))
    sizes = [rows.inputs.shape[1], *tree["model"].get("hidden", []), rows.targets.shape[1]]
    rng, arrays = np.random.default_rng(7), {}
    for index, shape in enumerate(pairwise(sizes)):
        arrays[f"layers.{index}.kernel"] = rng.standard_normal(shape).astype(np.float32)
        if tree["model"].get("bias", True):
            arrays[f"layers.{index}.bias"] = rng.standard_normal(shape[1]).astype(np.float32)
    np.savez(folder / "start.npz", **arrays)
    tree["model"]["init_file"] = str(folder / "start.npz")
    return build_config(tree)


def run(framework: str, config: Any, own: OwnNetwork | None = None) -> dict[str, Any]:
    """The names that a program leaves behind."""
    left: dict[str, Any] = {}
    exec(listing(framework, config, load_rows(config), own), left)
    return left


@pytest.mark.parametrize("name", CASES)
def test_optax_trains_the_same(name: str, folder: Path, plainly: Any) -> None:
    config = config_of(CASES[name], folder)
    left = run("optax", config)
    expected = plainly(config.model_dump(exclude_unset=True)).row["loss_final"]
    assert float(left["loss_of"](left["params"], left["x"], left["y"])) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("kind", RULES)
def test_optax_has_every_rule(kind: str, folder: Path, plainly: Any) -> None:
    tree = {**PLAIN, "optimizer": {"kind": kind, "learning_rate": 0.01}, "training": {"epochs": 8}}
    left = run("optax", config_of(tree, folder))
    expected = plainly(tree).row["loss_final"]
    assert float(left["loss_of"](left["params"], left["x"], left["y"])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("framework", "schedule"),
    [("optax", "cosine"), *(("torch", each) for each in ("inverse_time", "exponential", "cosine", "linear"))],
)
def test_every_schedule_is_said_and_rates_of_layers_with_it(
    framework: str, schedule: str, folder: Path, plainly: Any
) -> None:
    if framework == "torch":
        pytest.importorskip("torch")
    optimizer = {"layer_learning_rates": [0.004, 0.001], "schedule": schedule, "decay": 0.05, "warmup_steps": 3}
    tree = {**PLAIN, "model": {"hidden": [2], "init": "ones"}, "optimizer": optimizer, "training": {"epochs": 9}}
    left = run(framework, config_of(tree, folder))
    x, y = left["x"], left["y"]
    loss = left["loss_of"](left["params"], x, y) if framework == "optax" else left["loss_of"](left["model"](x), y)
    assert loss.item() == pytest.approx(plainly(tree).row["loss_final"], rel=2e-5)


@pytest.mark.parametrize("name", CASES)
def test_torch_trains_the_same(name: str, folder: Path, plainly: Any) -> None:
    pytest.importorskip("torch")
    config = config_of(CASES[name], folder)
    left = run("torch", config)
    loss = left["loss_of"](left["model"](left["x"]), left["y"]).item()
    # Of RMSprop and Adagrad PyTorch adds epsilon outside the root.
    tolerance = 1e-3 if config.optimizer.kind in ("rmsprop", "adagrad") else 5e-5
    assert loss == pytest.approx(plainly(config.model_dump(exclude_unset=True)).row["loss_final"], rel=tolerance)


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keras on JAX, which reads no settings of whoever runs the tests."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "jax"
        os.environ["KERAS_HOME"] = str(tmp_path_factory.mktemp("keras"))
    return pytest.importorskip("keras", reason="Keras is not installed: pip install 'nanmap[keras]'")


@pytest.mark.parametrize("name", CASES)
def test_keras_trains_the_same(name: str, folder: Path, plainly: Any, keras: Any) -> None:
    config = config_of(CASES[name], folder)
    left = run("keras", config)
    loss = left["model"].evaluate(left["x"], left["y"], verbose=0)
    assert loss == pytest.approx(plainly(config.model_dump(exclude_unset=True)).row["loss_final"], rel=2e-5)


@pytest.mark.parametrize(
    ("framework", "table", "settings", "told"),
    [
        ("keras", "optimizer", {"kind": "radam"}, 'optimizer.kind = "radam"'),
        ("keras", "optimizer", {"clip_norm": 1.0, "clip_value": 1.0}, "optimizer.clip_value beside clip_norm"),
        ("keras", "training", {"epochs": 3, "order": "replacement"}, 'training.order = "replacement"'),
        ("torch", "optimizer", {"kind": "lion"}, 'optimizer.kind = "lion"'),
        ("optax", "model", {"gain": 2.0}, "model.gain"),
        ("optax", "model", {"kind": "python:net.py:build"}, "a network of your own"),
        ("torch", "loss", {"kind": "python:net.py:loss"}, "loss.kind, which is code of your own"),
    ],
)
def test_what_a_framework_has_no_words_for_is_said(framework: str, table: str, settings: Any, told: str) -> None:
    assert unsaid(framework, build_config({**PLAIN, table: settings})) == told
    assert unsaid(framework, build_config(PLAIN)) is None


OWN = """
import keras


def build(units=4):
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)])
"""
PAIR = """
import jax.numpy as jnp


def build(units=4):
    def init(key, x):
        return {"w": jnp.linspace(-1, 1, units)[None], "v": jnp.linspace(1, 2, units)[:, None]}

    return init, lambda parameters, x: jnp.tanh(x @ parameters["w"]) @ parameters["v"]
"""


@pytest.mark.parametrize(
    ("framework", "source", "what"), [("keras", OWN, "a Keras model"), ("optax", PAIR, "a pair (init, apply)")]
)
def test_a_network_of_ones_own_is_made_by_its_factory(
    framework: str,
    source: str,
    what: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    import nanmap

    if framework == "keras":
        request.getfixturevalue("keras")
    file = f"own_{framework}_of_a_test.py"
    (folder / file).write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.path_importer_cache.pop(".", None)  # of the folder of another test
    tree = {
        **PLAIN,
        "data": {"kind": "line", "n": 9, "step": 0.1},
        "model": {"kind": f"python:{folder / file}:build", "arguments": {"units": 3}},
        "training": {"epochs": 7, "batch_size": 4, "order": "sequential"},
    }
    config = build_config(tree)
    own = OwnNetwork(what, {"keras": "keras"}.get(framework))
    assert unsaid(framework, config, own) is None
    assert unsaid("torch", config, own) == f"a network of your own that is {what}"
    left = run(framework, config, own)
    loss = (
        left["model"].evaluate(left["x"], left["y"], verbose=0)
        if framework == "keras"
        else left["loss_of"](left["params"], left["x"], left["y"])
    )
    expected = nanmap.run(config, allow_python=True).row["loss_final"]
    assert float(loss) == pytest.approx(expected, rel=1e-4)


JAX_NETWORKS = {
    "pair, trained otherwise": """
import jax, jax.numpy as jnp
def build(units=4):
    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[1], 1))}
    def apply(parameters, x, training=True):
        return (x @ parameters["w"])[:, 0] * (1.0 if training else 2.0)
    return init, apply
""",
    "pair with a key that it does not use": """
import jax, jax.numpy as jnp
def build(units=4):
    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[1], 1))}
    def apply(parameters, x, key):
        return x @ parameters["w"]
    return init, apply
""",
    "pair with something to watch": """
import jax
def build(units=4):
    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[1], 1))}
    def apply(parameters, x):
        return x @ parameters["w"], {"logits": x}
    return init, apply
""",
    "model with something to watch": """
import jax, nanmap
def build(units=4):
    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[1], 1))}, {"mean": x[0] * 0}
    def apply(parameters, state, x, training):
        mean = 0.9 * state["mean"] + 0.1 * x.mean(0) if training else state["mean"]
        return (x - mean) @ parameters["w"], {"mean": mean}, {"logits": x}
    return nanmap.Model(init, apply, title="centred")
""",
    "model": """
import jax, nanmap
def build(units=4):
    def init(key, x):
        return {"w": jax.random.normal(key, (x.shape[1], 1))}, {"mean": x[0] * 0}
    def apply(parameters, state, x, training):
        mean = 0.9 * state["mean"] + 0.1 * x.mean(0) if training else state["mean"]
        return (x - mean) @ parameters["w"], {"mean": mean}
    return nanmap.Model(init, apply, title="centred")
""",
    "plain linen": """
import flax.linen as nn
class Net(nn.Module):
    units: int
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(self.units)(x)))
def build(units=4):
    return Net(units)
""",
    "linen": """
import flax.linen as nn
class Net(nn.Module):
    units: int
    @nn.compact
    def __call__(self, x, train, deterministic):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(self.units)(x))
        return nn.Dense(1)(nn.Dropout(0.0, deterministic=deterministic)(nn.tanh(x)))
def build(units=4):
    return Net(units)
""",
    "plain nnx": """
from flax import nnx
class Net(nnx.Module):
    def __init__(self, units, rngs):
        self.one, self.two = nnx.Linear(1, units, rngs=rngs), nnx.Linear(units, 1, rngs=rngs)
    def __call__(self, x):
        return self.two(nnx.tanh(self.one(x)))
def build(key, units=4):
    return Net(units, nnx.Rngs(key))
""",
    "nnx": """
from flax import nnx
class Net(nnx.Module):
    def __init__(self, units, rngs):
        self.one, self.two = nnx.Linear(1, units, rngs=rngs), nnx.Linear(units, 1, rngs=rngs)
        self.norm = nnx.BatchNorm(units, rngs=rngs)
    def __call__(self, x):
        return self.two(nnx.tanh(self.norm(self.one(x))))
def build(key, units=4):
    return Net(units, nnx.Rngs(key))
""",
    "plain equinox": """
import equinox as eqx, jax
def build(key, units=4):
    return eqx.nn.MLP(1, 1, units, 1, jax.nn.tanh, key=key)
""",
    "equinox": """
import equinox as eqx, jax
class Net(eqx.Module):
    one: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    two: eqx.nn.Linear
    drop: eqx.nn.Dropout
    def __init__(self, units, key):
        one, two = jax.random.split(key)
        self.one, self.two = eqx.nn.Linear(1, units, key=one), eqx.nn.Linear(units, 1, key=two)
        self.norm, self.drop = eqx.nn.BatchNorm(units, "batch", mode="batch"), eqx.nn.Dropout(0.0)
    def __call__(self, x, state, key):
        x, state = self.norm(self.one(x), state)
        return self.two(self.drop(jax.nn.tanh(x), key=key)), state
def build(key, units=4):
    return eqx.nn.make_with_state(Net)(units, key=key)
""",
}


@pytest.mark.parametrize("name", JAX_NETWORKS)
def test_a_network_in_any_dress_of_jax_trains_as_ours(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same key, so that their losses are the same although they are drawn."""
    import nanmap
    from nanmap.diagnosis.lines import own_network

    for package in ("flax", "equinox"):
        if package in JAX_NETWORKS[name]:
            pytest.importorskip(package)
    file = f"jax_{name.replace(' ', '_').replace(',', '')}_of_a_test.py"
    (folder / file).write_text(JAX_NETWORKS[name])
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.path_importer_cache.pop(".", None)  # of the folder of another test
    tree = {
        **PLAIN,
        "data": {"kind": "line", "n": 9, "step": 0.1},
        "model": {"kind": f"python:{folder / file}:build", "arguments": {"units": 3}},
        "optimizer": {"learning_rate": 0.05, "momentum": 0.5},  # Adam makes steps of what rounding leaves before a norm
        "training": {"epochs": 7, "batch_size": 4, "order": "sequential"},
    }
    config = build_config(tree)
    own = own_network(config)
    assert unsaid("optax", config, own) is None
    left = run("optax", config, own)
    where = (left["kept"],) if "kept" in left and not own.plain else ()
    made = left["loss_of"](left["params"], *where, left["x"], left["y"])
    expected = nanmap.run(config, allow_python=True).row["loss_final"]
    assert float(made if own.plain else made[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("missing", ["mean", "drop", "keep"])
def test_a_frame_with_texts_is_encoded_as_ours(missing: str, folder: Path) -> None:
    import pandas as pd

    from nanmap.data.given import give, with_arrays
    from nanmap.listings.rows import imports, row_lines

    table = pd.read_csv("table.csv")
    x, y = table[["town", "rooms", "size"]], table["price"]
    given = give(x, y)
    tree = {"data": {"missing": missing, "scale_inputs": "standard"}, "training": {"epochs": 1}}
    config = build_config(with_arrays(tree, given))
    rows = load_rows(config)
    left: dict[str, Any] = {"x": x, "y": y}
    exec("\n".join([*imports(config, rows), *row_lines(config, rows)]), left)
    np.testing.assert_allclose(left["x"], rows.inputs, rtol=1e-12)
    np.testing.assert_allclose(left["y"], rows.targets, rtol=1e-12)


ENDED = {
    "keras": """
import keras
def build():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense({units}, "{end}")])
""",
    "optax": """
import jax, jax.numpy as jnp
def build():
    def init(key, x):
        return {{"w": jnp.linspace(-1, 1, 3 * {units}).reshape(3, {units})}}
    return init, lambda parameters, x: jax.nn.{end}(x @ parameters["w"])
""",
}


@pytest.mark.parametrize("framework", ENDED)
@pytest.mark.parametrize(("end", "units"), [("softmax", 2), ("sigmoid", 1)])
def test_an_end_that_is_undone_is_said_as_it_is_trained(
    framework: str, end: str, units: int, folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import nanmap
    from nanmap.diagnosis.lines import own_network

    if framework == "keras":
        request.getfixturevalue("keras")
    file = f"ended_{framework}_{end}_of_a_test.py"
    (folder / file).write_text(ENDED[framework].format(units=units, end=end))
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.path_importer_cache.pop(".", None)  # of the folder of another test
    tree = {
        **CASES["two classes, bounded at the output"],
        "model": {"kind": f"python:{folder / file}:build", "undo": end},
        "loss": {"kind": f"{end}_cross_entropy"},
        "optimizer": {"learning_rate": 0.5},
    }
    config = build_config({**tree, "data": {**tree["data"], "path": str(folder / "arrays.npz")}})
    own = own_network(config)
    left = run(framework, config, own)
    if framework == "keras":
        loss = left["model"].evaluate(left["x"], left["y"], verbose=0)
    else:
        loss = left["loss_of"](left["params"], left["x"], left["y"])
    expected = nanmap.run(config, allow_python=True).row["loss_final"]
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert ("undone" in listing(framework, config, load_rows(config), own)) == (framework == "optax")


def test_pytorch_undoes_an_end_too(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    tree: Tree = {
        "data": {"kind": "npz", "path": str(folder / "arrays.npz"), "target_kind": "class"},
        "model": {"kind": "python:net.py:build", "undo": "softmax"},
        "loss": {"kind": "softmax_cross_entropy"},
        "training": {"epochs": 1},
    }
    config = build_config(tree)
    text = listing("torch", config, load_rows(config))
    (line,) = [line for line in text.splitlines() if line.startswith("loss_of = ")]
    left: dict[str, Any] = {"nn": torch.nn}
    exec(line, left)
    logits, y = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[0.0, 0.0, 1.0]])
    found = left["loss_of"](logits.softmax(1), y)
    assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, y)), rel=1e-5)
    keras = build_config({**PLAIN, "model": {"kind": "python:net.py:build", "undo": "softmax"}})
    assert (
        unsaid("keras", keras, OwnNetwork("a Keras model", "keras")) == 'model.undo = "softmax" under loss.kind = "mse"'
    )


def test_every_random_start_is_drawn_as_ours(folder: Path) -> None:
    """By its standard deviation, over many draws; those of the frameworks differ in nothing else."""
    from nanmap.models.draw import draw

    pytest.importorskip("torch")
    for init in (
        "normal",
        "uniform",
        "glorot_uniform",
        "glorot_normal",
        "he_normal",
        "lecun_uniform",
        "torch_linear",
        "orthogonal",
    ):
        tree = PLAIN | {
            "data": {"kind": "gaussian", "features": 40, "n": 4}, "training": {"epochs": 1},
            "model": {"hidden": [60], "init": init, "init_scale": 2.0}, "optimizer": {"learning_rate": 0.0},
        }  # fmt: skip
        ours = 2 * draw(init, (40, 60), np.array([0]), 0)[0]
        config = config_of(tree, folder)
        by_optax = run("optax", config)["params"][0]["kernel"]
        by_torch = run("torch", config)["dense"][0].weight.detach().numpy()
        for theirs in (by_optax, by_torch):
            assert np.std(theirs) == pytest.approx(np.std(ours), rel=0.06), init


def test_a_shifted_start_is_shifted(folder: Path) -> None:
    tree = {**PLAIN, "model": {"init": "ones", "init_offset": -3.0}, "optimizer": {"learning_rate": 0.0}}
    config = config_of(tree, folder)
    assert float(run("optax", config)["params"][0]["kernel"][0, 0]) == -2


def test_marks_tell_what_is_new_what_was_there_and_what_is_gone() -> None:
    before = "import a\nx = read()\nmodel = [\n    Dense(1, 'relu'),\n]\ntrain(x)"
    after = "import a\nx = read()\nx = scaled(x)\nmodel = [\n    Dense(1),\n]\n"
    assert marked(before, after) == (
        "import a\nx = read()\nx = scaled(x)  # new\nmodel = [\n    Dense(1),  # was: Dense(1, 'relu'),\n]\n# without: train(x)"
    )
    assert marked(before, before) == before


def test_a_patch_is_toml_and_lies_over_the_config(folder: Path) -> None:
    changes = {"model.hidden": [8, 8], "optimizer.kind": "adam", "model.norm": "layer", "training.steps": 50}
    read = tomllib.loads(patch(changes))
    assert read == {
        "model": {"hidden": [8, 8], "norm": "layer"},
        "optimizer": {"kind": "adam"},
        "training": {"steps": 50},
    }
    tree = {"data": {"kind": "csv", "path": 'the "first" table.csv', "target": "größe"}, "training": {"epochs": 3}}
    assert tomllib.loads(config_text(tree)) == tree
    assert set_words({"optimizer.clip_norm": None, "model.bias": False}) == ["--set", "model.bias=false"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_program_names_its_file_from_where_the_command_runs(framework: str, folder: Path) -> None:
    config = config_of(CASES["one-hot, filled, scaled, clipped"], folder)
    assert '"table.csv"' in listing(framework, config, load_rows(config))
