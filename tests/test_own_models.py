"""Networks of the user's own, held against plain `jax.jit` loops that know nothing of nanmap."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from own_loops import close, plain_loop

ROOT = Path(__file__).parents[1]
Command = Callable[..., Any]
N, FEATURES = 22, 3
SOURCE = """
import jax
import jax.numpy as jnp


def mlp(units=5, act="tanh"):
    def init(key, x):
        one, two = jax.random.split(key)
        return {
            "hidden": {"w": jax.random.normal(one, (x.shape[1], units)) / 2, "b": jnp.zeros(units)},
            "out": {"w": jax.random.normal(two, (units, 1)) / 2, "b": jnp.zeros(1)},
        }

    def apply(parameters, x):
        hidden, out = parameters["hidden"], parameters["out"]
        h = getattr(jnp, act)(x @ hidden["w"] + hidden["b"])
        return h @ out["w"] + out["b"]

    return init, apply
"""


FULL = """
import jax
import jax.numpy as jnp
import nanmap


def noisy(keep=0.75):
    def init(key, x):
        w = jax.random.normal(key, (x.shape[1], 1)) / 2
        return {"body": {"w": w, "columns": jnp.array([2, 0, 1])}}, {"mean": jnp.zeros(x.shape[1]), "seen": jnp.zeros((), int)}

    def apply(parameters, state, x, *, numbers, key, training):
        body = parameters["body"]
        x = x[:, body["columns"]]
        mean = x.mean(0) if training else state["mean"]
        x = x - mean
        if training:
            x = jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0)
            state = {"mean": 0.9 * state["mean"] + 0.1 * mean, "seen": state["seen"] + len(x)}
        return numbers["gain"] * (x @ body["w"]), state

    return nanmap.Model(init, apply, title="a noisy line")
"""


OTHERS = """
import jax
import jax.numpy as jnp

CLASSES, LENGTH = 5, 6


def transformer(width=8):
    def init(key, x):
        one, two, three = jax.random.split(key, 3)
        return {
            "embed": jax.random.normal(one, (CLASSES, width)),
            "attention": jax.random.normal(two, (3, width, width)) / width**0.5,
            "out": jax.random.normal(three, (width, CLASSES)) / width**0.5,
        }

    def apply(parameters, x):
        h = parameters["embed"][x]
        q, k, v = (h @ each for each in parameters["attention"])
        weights = jax.nn.softmax(jnp.einsum("rid,rjd->rij", q, k) / q.shape[-1] ** 0.5)
        return (h + weights @ v) @ parameters["out"]

    return init, apply


def cnn(channels=4):
    def init(key, x):
        one, two = jax.random.split(key)
        return {"kernel": jax.random.normal(one, (3, 3, x.shape[-1], channels)) / 3,
                "out": jax.random.normal(two, (channels, 3)) / 2}

    def apply(parameters, x):
        form = jax.lax.conv_dimension_numbers(x.shape, parameters["kernel"].shape, ("NHWC", "HWIO", "NHWC"))
        h = jax.nn.relu(jax.lax.conv_general_dilated(x, parameters["kernel"], (1, 1), "SAME", dimension_numbers=form))
        return h.mean((1, 2)) @ parameters["out"]

    return init, apply
"""


def loaded(source: str) -> dict[str, Any]:
    """The names of a source, imported by nobody."""
    found: dict[str, Any] = {}
    exec(source, found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, FEATURES))
    np.savez(made / "rows.npz", x=x, y=np.sin(x[:, :1]) + x[:, 1:2] ** 2)
    tokens, images = rng.integers(0, 5, (21, 6)), rng.random((20, 5, 4, 2))
    np.savez(made / "tokens.npz", x=tokens, y=tokens[:, ::-1])
    np.savez(made / "images.npz", x=images, y=np.arange(20) % 3)
    for name, source in (("net.py", SOURCE), ("full.py", FULL), ("others.py", OTHERS)):
        (made / name).write_text(source)
    return made


def tree(folder: Path, **tables: Any) -> dict[str, Any]:
    """A config of the network in `net.py` on the rows beside it."""
    made: dict[str, Any] = {
        "data": {"kind": "npz", "path": str(folder / "rows.npz")},
        "model": {"kind": f"python:{folder / 'net.py'}:mlp"},
        "optimizer": {"learning_rate": 0.1},
        "training": {"batch_size": 8, "epochs": 3},
    }
    for name, table in tables.items():
        made[name] = made.get(name, {}) | table
    return made


def arrays_of(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / f"{name}.npz") as file:
        return file["x"], file["y"]


def rows_of(folder: Path, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    x, y = arrays_of(folder, "rows")
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_pair_trains_as_a_plain_loop_does(folder: Path, engine: LocalEngine, seed: int) -> None:
    init, apply = loaded(SOURCE)["mlp"]()
    x, y = rows_of(folder)
    start = init(jax.random.key(seed), x[:8])
    mean = lambda parameters, x, y: jnp.mean((apply(parameters, x) - y) ** 2)  # noqa: E731
    ends, _, losses = plain_loop(start, lambda p, s, x, y, key: (mean(p, x, y), s), optax.sgd(0.1), x, y, seed=seed)
    report = nanmap.run(tree(folder, training={"seed": seed}), engine=engine, allow_python=True)
    assert report.params is not None
    assert sorted(report.params) == ["hidden.b", "hidden.w", "out.b", "out.w"]
    for name, values in report.params.items():
        layer, array = name.split(".")
        close(values, ends[layer][array])
    close(report.row["loss_initial"], mean(start, x, y))
    close(report.row["loss_final"], mean(ends, x, y))
    weights = [8, 8, 6]  # the last batch counts as many rows as it has
    for number, told in enumerate(report.epochs):
        close(told.mean_loss, np.average(losses[3 * number : 3 * number + 3], weights=weights))
        close(told.last_loss, losses[3 * number + 2])


SWEEP = """
config = "net.toml"

[[axes]]
key = "optimizer.learning_rate"
values = [0.01, 0.1, 100.0]

[[axes]]
key = "model.arguments.act"
values = ["tanh", "sin"]

[[axes]]
key = "training.seed"
values = [0, 1]
"""


@pytest.fixture
def project(folder: Path, tmp_path: Path) -> Path:
    """A folder with a sweep over the network of a file."""
    for name in ("net.py", "rows.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "net.toml").write_text(
        '[data]\nkind = "npz"\npath = "rows.npz"\n[model]\nkind = "python:net.py:mlp"\narguments = { units = 4 }\n'
        "[training]\nepochs = 4\nbatch_size = 8\n"
    )
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path


def test_a_sweep_by_the_command_is_continued_mapped_and_trained_again(project: Path, command: Command) -> None:
    asked = ("sweep", "sweep.toml", "--out", "run", "--device", "cpu")
    refused = command(*asked, cwd=project)
    assert refused.returncode == 2
    assert "model.kind: names Python code" in refused.stderr
    assert "--allow-python" in refused.stderr
    done = command(*asked, "--allow-python", cwd=project)
    assert done.returncode == 0, done.stderr
    (best,) = [line for line in done.stdout.splitlines() if line.startswith(("best:", "why:"))]
    assert best.endswith(" --of run --allow-python")
    rows = nanmap.Result(project / "run").to_pandas()
    assert rows[["learning_rate", "act", "seed"]].drop_duplicates().shape == (12, 3)
    assert rows.outcome[rows.learning_rate == 100].isin(["nan", "inf", "diverged"]).all()
    assert rows.loss_final[rows.learning_rate < 1].nunique() == 8
    manifest = json.loads((project / "run/manifest.json").read_text())
    assert manifest["models"] == {f"python:{project / 'net.py'}:mlp": ["mlp (a pair (init, apply), 21 parameters)"]}
    assert any(entry.startswith("net.py ") for entry in manifest["data"])
    assert command(*asked, cwd=project).returncode == 2  # a folder never grants it
    written = [shard.stat().st_mtime_ns for shard in (project / "run/cells").iterdir()]
    assert command(*asked, "--allow-python", cwd=project).returncode == 0
    assert [shard.stat().st_mtime_ns for shard in (project / "run/cells").iterdir()] == written
    assert json.loads((project / "run/manifest.json").read_text())["compilations"] == manifest["compilations"]
    mapped = command("map", "run", "--x", "learning_rate", "--y", "act", "--out", "map.svg", cwd=project)
    assert mapped.returncode == 0, mapped.stderr
    assert "mlp (a pair (init, apply), 21 parameters)" in " ".join((project / "map.svg").read_text().split())
    assert command("run", "--cell", "5", "--of", "run", cwd=project).returncode == 2
    cell = command("run", "--cell", "5", "--of", "run", "--allow-python", cwd=project)
    assert "the stored row came out again, bit for bit" in cell.stdout, cell.stderr


@pytest.fixture(scope="module")
def noisy(folder: Path) -> dict[str, Any]:
    model = {"kind": f"python:{folder / 'full.py'}:noisy", "numbers": {"gain": 1.5}}
    return tree(folder, model=model, data={"validation_split": 0.3})


@pytest.mark.parametrize(("rule", "dtype"), [("sgd", "float32"), ("adam", "float64")])
def test_state_dropout_and_whole_numbers_are_those_of_a_plain_loop(
    folder: Path, noisy: dict[str, Any], engine: LocalEngine, rule: str, dtype: str
) -> None:
    model = loaded(FULL)["noisy"]()
    x, y = rows_of(folder, dtype)
    x, y, val_x, val_y = x[:15], y[:15], x[15:], y[15:]

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any, training: bool = True) -> Any:
        numbers = {"gain": jnp.asarray(1.5, dtype)}
        output, state = model.apply(parameters, state, x, numbers=numbers, key=key, training=training)
        return jnp.mean((output - y) ** 2), state

    rules = {"sgd": optax.sgd(0.1, momentum=0.9), "adam": optax.adam(0.1, eps=1e-7)}
    start = jax.tree.map(np.asarray, model.init(jax.random.key(5), x))
    with jax.enable_x64(dtype == "float64"):
        start, state = jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype == np.float32 else leaf, start)
        ends, after, losses = plain_loop(start, loss, rules[rule], x, y, state=state, seed=5)
        final, val_final = (loss(ends, after, *rows, None, training=False)[0] for rows in ((x, y), (val_x, val_y)))
    given = noisy | {
        "optimizer": {"kind": rule, "learning_rate": 0.1} | ({"momentum": 0.9} if rule == "sgd" else {}),
        "training": noisy["training"] | {"seed": 5, "dtype": dtype},
    }
    report = nanmap.run(given, engine=engine, allow_python=True)
    assert report.params is not None
    close(report.params["body.w"], ends["body"]["w"])
    assert report.params["body.columns"].tolist() == [2, 0, 1]
    close(report.params["state/mean"], after["mean"])
    assert report.params["state/seen"] == after["seen"] == 45
    close([each.last_loss for each in report.epochs], losses[1::2])
    close(report.row["loss_final"], final)
    close(report.row["val_loss_final"], val_final)


def test_numbers_are_swept_without_another_program(folder: Path, noisy: dict[str, Any], tmp_path: Path) -> None:
    engine = LocalEngine(devices=jax.devices()[:1])
    axes = {"model.numbers.gain": [0.5, 1.0, 1.5], "optimizer.learning_rate": [0.01, 0.1], "training.seed": [0, 5]}
    result = nanmap.sweep(noisy, axes, out=tmp_path / "run", engine=engine, allow_python=True)
    assert engine.compilations == 1
    rows = result.to_pandas().set_index(["gain", "learning_rate", "seed"])
    assert rows.loss_final.nunique() == 12
    alone = noisy | {"training": noisy["training"] | {"seed": 5}}
    report = nanmap.run(alone, engine=engine, allow_python=True)
    assert report.row["loss_final"] == rows.loss_final[1.5, 0.1, 5]
    assert engine.compilations == 1


def test_tokens_and_labels_of_any_rank(folder: Path, engine: LocalEngine) -> None:
    x = arrays_of(folder, "tokens")[0]
    init, apply = loaded(OTHERS)["transformer"]()
    start = init(jax.random.key(0), jnp.asarray(x[:8]))

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(apply(parameters, x), y).mean(), state

    ends, _, losses = plain_loop(start, loss, optax.sgd(0.1), x, x[:, ::-1])
    report = nanmap.run(
        tree(
            folder,
            data={"path": str(folder / "tokens.npz")},
            model={"kind": f"python:{folder / 'others.py'}:transformer"},
        )
        | {"loss": {"kind": "softmax_cross_entropy"}},
        engine=engine,
        allow_python=True,
    )
    assert report.params is not None
    for name, values in report.params.items():
        close(values, ends[name])
    close([each.last_loss for each in report.epochs], losses[2::3])
    logits = np.asarray(apply(ends, x))
    assert report.row["accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == x[:, ::-1]))
    shares = np.stack([np.bincount(place, minlength=5) for place in x[:, ::-1].T]) / 21
    assert report.row["loss_constant"] == pytest.approx(-np.mean(np.sum(shares * np.log(shares + 1e-300), axis=1)))
    assert report.row["loss_floor"] == 0
    assert report.row["r2"] is None


@pytest.mark.parametrize("dtype", [int, float])
def test_shares_at_several_places_are_what_labels_are(folder: Path, dtype: type) -> None:
    x = arrays_of(folder, "tokens")[0]
    build = loaded(OTHERS)["transformer"]
    given = {"x": x, "loss": "softmax_cross_entropy", "epochs": 1, "order": "sequential"}
    labels = nanmap.run(model=build, y=x[:, ::-1], **given)
    shares = nanmap.run(model=build, y=np.eye(5, dtype=dtype)[x[:, ::-1]], **given)
    for name in ("loss_initial", "loss_final", "loss_constant", "loss_floor", "accuracy", "skill"):
        assert shares.row[name] == pytest.approx(labels.row[name], rel=1e-5), name
    with pytest.raises(InputError, match="needs targets from 0 to 1, the share of each class"):
        nanmap.run(model=build, y=np.ones((len(x), x.shape[1], 5), dtype), **given)


@pytest.mark.parametrize("shares", [False, True])
def test_classes_on_axis_1_are_those_on_the_last(folder: Path, shares: bool) -> None:
    """As many places as classes: shapes alone do not tell which is which."""
    x = arrays_of(folder, "tokens")[0][:, :5]
    init, apply = loaded(OTHERS)["transformer"]()
    y = np.eye(5)[x[:, ::-1]] if shares else x[:, ::-1]
    given = {"x": x, "loss": "softmax_cross_entropy", "epochs": 1, "order": "sequential"}
    last = nanmap.run(model=(init, apply), y=y, **given)
    first = init, lambda parameters, x: jnp.moveaxis(apply(parameters, x), -1, 1)
    on_1 = nanmap.run(model=first, y=np.moveaxis(y, -1, 1) if shares else y, class_axis=1, **given)
    assert on_1.row == last.row
    with pytest.raises(InputError, match="for a network of your own"):
        nanmap.run(x=x, y=y, class_axis=1, epochs=1)


@pytest.mark.parametrize("labels", [False, True])
def test_images_with_shares_or_labels(folder: Path, engine: LocalEngine, labels: bool) -> None:
    x, y = arrays_of(folder, "images")
    init, apply = loaded(OTHERS)["cnn"]()
    start = init(jax.random.key(0), x[:8])

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        return optax.softmax_cross_entropy(apply(parameters, x), jax.nn.one_hot(y, 3)).mean(), state

    ends, _, losses = plain_loop(start, loss, optax.sgd(0.1), x.astype(np.float32), y)
    data = {"path": str(folder / "images.npz")} | ({} if labels else {"target_kind": "class"})
    report = nanmap.run(
        tree(folder, data=data, model={"kind": f"python:{folder / 'others.py'}:cnn"})
        | {"loss": {"kind": "softmax_cross_entropy"}},
        engine=engine,
        allow_python=True,
    )
    assert report.params is not None
    for name, values in report.params.items():
        close(values, ends[name])
    close([each.last_loss for each in report.epochs], losses[2::3])
    counts = np.bincount(y) / 20
    assert report.row["loss_constant"] == pytest.approx(-np.sum(counts * np.log(counts)))
    assert report.row["accuracy"] == pytest.approx(np.mean(apply(ends, x.astype(np.float32)).argmax(-1) == y))


def test_arrays_are_given_in_python(folder: Path, engine: LocalEngine) -> None:
    for name, factory in (("tokens", "transformer"), ("images", "cnn"), ("rows", "mlp")):
        x, y = arrays_of(folder, name)
        kind = f"python:{folder / ('net.py' if factory == 'mlp' else 'others.py')}:{factory}"
        loss = "mse" if factory == "mlp" else "softmax_cross_entropy"
        asked = {"model": {"kind": kind}, "loss": {"kind": loss}, "training": {"batch_size": 8, "epochs": 2}}
        filed = asked | {"data": {"kind": "npz", "path": str(folder / f"{name}.npz")}}
        from_file = nanmap.run(filed, engine=engine, allow_python=True)
        given = nanmap.run(asked, x=x, y=y, engine=engine, allow_python=True)
        assert given.row == from_file.row


@pytest.mark.parametrize(
    ("name", "package", "changes"),
    [
        ("transformer_copy", None, ["axes.focus.num=2", "axes.learning_rate.num=2", "training.steps=6"]),
        ("cnn_digits", "flax", ["axes.batch_size.values=[64]", "axes.learning_rate.num=2", "training.steps=6"]),
    ],
)
def test_shipped_networks_are_copied_out_and_train(
    name: str, package: str | None, changes: list[str], command: Command, tmp_path: Path
) -> None:
    if package:
        pytest.importorskip(package, reason=f"pip install 'nanmap[{package}]'")
    copied = command("examples", f"own/{name}", "--out", ".", cwd=tmp_path)
    assert (tmp_path / f"configs/own/{name}.py").is_file()
    assert copied.stdout.splitlines()[-1] == f"next: nanmap sweep sweeps/own/{name}.toml --allow-python"
    settings = [word for text in changes for word in ("--set", text)]
    done = command("sweep", f"sweeps/own/{name}.toml", "--allow-python", "--no-maps", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = nanmap.Result(tmp_path / "results" / name).to_pandas()
    assert len(rows) == 4
    assert np.isfinite(rows.loss_initial).all()
    assert (rows.loss_constant > 1).all()
    assert set(rows.steps_run) <= set(range(7))


def test_the_digits_are_those_of_scikit_learn_and_the_copies_come_three_places_later() -> None:
    with np.load(ROOT / "configs/data/copy_task.npz") as file:
        assert (np.roll(file["x"], 3, axis=1) == file["y"]).all()
        assert file["x"].max() == 7
    with np.load(ROOT / "configs/data/digits.npz") as file:
        x, y = file["x"], file["y"]
    assert x.shape == (1797, 8, 8, 1)
    assert x.max() == 16
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_a_network_a_loss_and_an_optimizer_may_be_given_as_they_are(
    folder: Path, engine: LocalEngine, tmp_path: Path
) -> None:
    x, y = arrays_of(folder, "rows")
    mine = loaded(SOURCE)["mlp"]
    asked = {"x": x, "y": y, "batch_size": 8, "epochs": 3, "engine": engine}
    named = nanmap.run(tree(folder), allow_python=True, engine=engine)
    for model in (mine, mine(), nanmap.Model(*full(*mine()))):
        assert nanmap.run(model=model, learning_rate=0.1, **asked).row == named.row

    def squares(outputs: Any, targets: Any) -> Any:
        return ((outputs - targets) ** 2).mean(1)

    def descent(learning_rate: Any) -> optax.GradientTransformation:
        return optax.sgd(learning_rate)

    report = nanmap.run(model=mine, loss=squares, optimizer=descent, learning_rate=0.1, **asked)
    close(report.row["loss_final"], named.row["loss_final"])
    out = tmp_path / "run"
    axes = {"learning_rate": [0.01, 0.1], "model.arguments.act": ["tanh", "sin"]}
    rows = nanmap.sweep(model=mine, axes=axes, out=out, **asked).to_pandas()
    assert rows.loss_final[(rows.act == "tanh") & (rows.learning_rate == 0.1)].item() == named.row["loss_final"]
    assert len(nanmap.sweep(model=loaded(SOURCE)["mlp"], axes=axes, out=out, **asked).to_pandas()) == 4
    other = loaded(SOURCE.replace("/ 2,", "/ 3,"))["mlp"]  # another network of this name
    with pytest.raises(InputError, match="code that the network is made of changed"):
        nanmap.sweep(model=other, axes=axes, out=out, **asked)
    with pytest.raises(InputError, match="was given by a program in Python that has ended") as error:
        nanmap.run(tree(folder, model={"kind": "python:<given>:elsewhere"}), engine=engine)
    assert "model=…" in str(error.value)


def full(init: Any, apply: Any) -> tuple[Any, Any]:
    """A pair in the full form."""
    return (lambda key, x: (init(key, x), {})), (lambda parameters, state, x: (apply(parameters, x), state))
