"""Networks of the user's own in every corner of the engine: orders, formats, widths, edges, sharpness, an interrupted sweep."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import nanmap
from nanmap.engine import LocalEngine
from nanmap.plan import Plan
from nanmap.runs.single import plan_one
from own_loops import close, plain_loop

SOURCE = """
import jax
import jax.numpy as jnp
import optax
import nanmap


def net(drop=0.0):
    def init(key, x):
        one, two = jax.random.split(key)
        w, v = jax.random.normal(one, (x.shape[1], 4)) / 2, jax.random.normal(two, (4, 1)) / 2
        return {"w": w, "v": v}, {"mean": jnp.zeros(4)}

    def apply(parameters, state, x, *, key, training):
        h = jnp.tanh(x @ parameters["w"])
        if training and drop:
            h = jnp.where(jax.random.bernoulli(key, 1 - drop, h.shape), h / (1 - drop), 0)
        if training:
            state = {"mean": 0.9 * state["mean"] + 0.1 * h.mean(0)}
        return h @ parameters["v"], state

    return nanmap.Model(init, apply)


def squares(outputs, targets):
    return ((outputs - targets) ** 2).mean(1)


def descent(learning_rate):
    return optax.sgd(learning_rate)


def line():
    return (lambda key, x: {"w": jnp.ones((x.shape[1], 1))}), (lambda parameters, x: x @ parameters["w"])
"""
N = 19


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "net.py").write_text(SOURCE)
    rng = np.random.default_rng(7)
    x = rng.standard_normal((N, 3))
    np.savez(folder / "rows.npz", x=x, y=np.sin(2 * x[:, :1]))
    return {
        "data": {"kind": "npz", "path": str(folder / "rows.npz")},
        "model": {"kind": f"python:{folder / 'net.py'}:net"},
        "optimizer": {"learning_rate": 0.1},
        "training": {"batch_size": 8, "epochs": 3},
    }


def rows(given: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    with np.load(given["data"]["path"]) as file:
        return file["x"].astype(np.float32), file["y"].astype(np.float32)


def model(drop: float = 0.0) -> Any:
    found: dict[str, Any] = {}
    exec(SOURCE, found)
    return found["net"](drop)


def loss(p: Any, s: Any, x: Any, y: Any, key: Any, training: bool = True) -> Any:
    output, s = model().apply(p, s, x, key=key, training=training)
    return jnp.mean((output - y) ** 2), s


def asked(given: dict[str, Any], **tables: Any) -> dict[str, Any]:
    return given | {name: given.get(name, {}) | table for name, table in tables.items()}


def test_all_rows_at_once_are_no_more_than_there_are(given: dict[str, Any], engine: LocalEngine) -> None:
    x, y = rows(given)
    start, state = model().init(jax.random.key(0), x)
    ends, _, losses = plain_loop(start, loss, optax.sgd(0.1), x, y, state=state, batch=N, epochs=5)
    report = nanmap.run(asked(given, training={"batch_size": 64, "epochs": 5}), engine=engine, allow_python=True)
    close(report.params["w"], ends["w"])
    close([each.mean_loss for each in report.epochs], losses)
    assert report.row["loss_best"] == pytest.approx(min(*losses, report.row["loss_final"]))


def test_rows_in_order_and_rows_drawn_again(given: dict[str, Any], engine: LocalEngine) -> None:
    x, y = rows(given)
    params, state = model().init(jax.random.key(0), x)
    for step in range(6):
        first = 8 * (step % 3)
        (_, state), grads = jax.value_and_grad(loss, has_aux=True)(
            params, state, x[first : first + 8], y[first : first + 8], None
        )
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    ordered = asked(given, training={"order": "sequential", "epochs": 2})
    close(nanmap.run(ordered, engine=engine, allow_python=True).params["w"], params["w"])
    drawn = nanmap.run(asked(given, training={"order": "replacement"}), engine=engine, allow_python=True)
    (variant,) = plan_one(drawn.config, allow_python=True).variants()
    assert variant.program.short == 0
    assert drawn.row["loss_final"] < drawn.row["loss_initial"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_formats(given: dict[str, Any], engine: LocalEngine, dtype: str) -> None:
    wide = nanmap.run(given, engine=engine, allow_python=True)
    other = nanmap.run(asked(given, training={"dtype": dtype}), engine=engine, allow_python=True)
    tolerance = {"bfloat16": 0.05, "float16": 0.01, "float64": 1e-5}[dtype]
    assert other.row["loss_final"] == pytest.approx(wide.row["loss_final"], rel=tolerance)
    assert other.row["loss_final"] != wide.row["loss_final"]


def test_cells_side_by_side_draw_each_from_its_own_seed(given: dict[str, Any], tmp_path: Path) -> None:
    dropping = asked(given, model={"arguments": {"drop": 0.5}}, training={"order": "sequential"})
    axes = {"optimizer.learning_rate": [0.05, 0.1], "training.seed": [0, 1, 2]}
    (program,) = {variant.program for variant in plan_one(nanmap_config(dropping), allow_python=True).variants()}
    found = []
    for width in (1, 2):
        engine = LocalEngine(devices=jax.devices()[:1], widths={program: width})
        out = tmp_path / str(width)
        found.append(nanmap.sweep(dropping, axes, out=out, engine=engine, allow_python=True).to_pandas())
    close(found[0].loss_final, found[1].loss_final)
    assert found[0].loss_final.nunique() == 6


def nanmap_config(tree: dict[str, Any]) -> Any:
    from nanmap.config import build_config

    return build_config(tree)


def test_an_edge_of_a_line_is_that_of_theory(given: dict[str, Any], engine: LocalEngine, tmp_path: Path) -> None:
    x, _ = rows(given)
    kind = given["model"]["kind"].replace(":net", ":line")
    full = asked(given, model={"kind": kind}, training={"batch_size": 64, "dtype": "float64", "epochs": 20})
    axes = {"optimizer.learning_rate": nanmap.log(0.1, 10, 3)}
    result = nanmap.edge(full, axes, out=tmp_path / "run", engine=engine, tolerance=1e-4, allow_python=True)
    (edge,) = result.edge().itertuples()
    sharpness = np.linalg.eigvalsh(2 * x.T.astype(float) @ x.astype(float) / N).max()
    assert edge.edge_learning_rate == pytest.approx(2 / sharpness, rel=2e-3)  # judged by its losses alone


def test_sharpness_is_the_largest_curvature(given: dict[str, Any], engine: LocalEngine) -> None:
    x, y = rows(given)
    start, state = model().init(jax.random.key(0), x)
    flat, back = ravel_pytree(start)
    curvature = jax.hessian(lambda flat: loss(back(flat), state, x, y, None)[0])(flat)
    report = nanmap.run(given | {"record": {"sharpness": True}}, engine=engine, allow_python=True)
    assert report.row["sharpness"] == pytest.approx(float(jnp.linalg.eigvalsh(curvature).max()), rel=1e-3)
    assert report.row["sharpness_final"] > 0


def test_an_interrupted_sweep_goes_on_with_the_same_rows(
    given: dict[str, Any], engine: LocalEngine, tmp_path: Path
) -> None:
    axes = {"training.seed": [0, 1], "optimizer.learning_rate": [0.05, 0.1]}
    whole = nanmap.sweep(given, axes, out=tmp_path / "a", engine=engine, shard_cells=2, allow_python=True).to_pandas()
    again = tmp_path / "b"
    nanmap.sweep(given, axes, out=again, engine=engine, shard_cells=2, allow_python=True)
    lost = sorted((again / "cells").glob("*.parquet"))[1]
    lost.unlink()
    rest = nanmap.sweep(given, axes, out=again, engine=engine, shard_cells=2, allow_python=True).to_pandas()
    assert lost.exists()
    assert rest.equals(whole)


def test_a_plan_that_was_allowed_can_be_pickled(given: dict[str, Any]) -> None:
    import pickle

    plan = plan_one(nanmap_config(given), allow_python=True)
    assert isinstance(plan, Plan)
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
    again = pickle.loads(pickle.dumps(lanes))
    assert again.program == lanes.program
    assert again.program.key == lanes.program.key


def test_with_dropout_the_losses_of_full_batch_are_those_of_all_units(
    given: dict[str, Any], engine: LocalEngine
) -> None:
    still = asked(
        given,
        model={"arguments": {"drop": 0.5}},
        optimizer={"learning_rate": 1e-9},
        training={"batch_size": 64, "epochs": 20},
    )
    report = nanmap.run(still, engine=engine, allow_python=True)
    assert report.row["loss_best"] == pytest.approx(report.row["loss_initial"], rel=1e-5)
    assert abs(report.row["measure"]) == pytest.approx(20, rel=1e-4)  # each loss is as large as the first
    assert len({each.mean_loss for each in report.epochs}) == 20


def test_a_project_that_moved_is_continued_and_compared(
    given: dict[str, Any], engine: LocalEngine, tmp_path: Path
) -> None:
    axes = {"training.seed": [0, 1]}
    place = Path(given["data"]["path"]).parent
    results = []
    for folder, out in (("one", "run"), ("two", "run"), ("three", "other")):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("net.py", "rows.npz"):
            (tmp_path / folder / name).write_bytes((place / name).read_bytes())
        moved = asked(
            given,
            data={"path": str(tmp_path / folder / "rows.npz")},
            **{
                table: {"kind": f"python:{tmp_path / folder / 'net.py'}:{name}"}
                for table, name in (("model", "net"), ("loss", "squares"), ("optimizer", "descent"))
            },
        )
        results.append(nanmap.sweep(moved, axes, out=tmp_path / out, engine=engine, allow_python=True))
    faster = asked(moved, optimizer={"learning_rate": 1e30})
    changed = nanmap.sweep(faster, axes, out=tmp_path / "faster", engine=engine, allow_python=True)
    told = str(nanmap.compare(results[0], changed))
    assert f"--of {tmp_path / 'faster'} --allow-python" in told
    compared = nanmap.compare(results[0], results[2])
    assert (compared.both, compared.shifts) == (2, [])
    assert not any(key.startswith(("model", "data")) for key in compared.differs)


def test_settings_of_dense_layers_are_told_to_do_nothing_and_no_remedy_names_them(
    given: dict[str, Any], engine: LocalEngine
) -> None:
    from nanmap.plan import make_sweep, notices

    wide = asked(given, model={"hidden": [3], "gain": 2.0})
    told = notices(Plan(make_sweep(wide, []), allow_python=True))
    assert [line for line in told if line.startswith("model.")] == [
        f"model.{name} has no effect: `net` is a network of your own" for name in ("hidden = [3]", "gain = 2")
    ]
    (folder := Path(given["data"]["path"]).parent / "huge.py").write_text(
        "import jax.numpy as jnp\n\ndef huge():\n"
        "    return (lambda key, x: {'w': jnp.full((3, 1), 1e30)}), (lambda p, x: (x @ p['w']) ** 2)\n"
    )
    huge = asked(given, model={"kind": f"python:{folder}:huge"})
    report = nanmap.run(huge, engine=engine, allow_python=True)
    assert report.cause == "start_not_finite"
    assert report.remedy == {}


def test_tokens_and_labels_are_no_numbers(engine: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "bag.py").write_text(
        "import jax, jax.numpy as jnp\n\ndef bag(classes=3):\n"
        "    return (lambda key, x: {'e': jax.random.normal(key, (90, classes))}), (lambda p, x: p['e'][x].mean(1))\n"
    )
    rng = np.random.default_rng(0)
    x, y = rng.integers(50, 90, (40, 5)), rng.integers(0, 3, 40)
    asked = {"model": f"python:{tmp_path / 'bag.py'}:bag", "loss": "softmax_cross_entropy", "epochs": 2}
    report = nanmap.run(x=x, y=y, engine=engine, allow_python=True, **asked)
    assert not report.case.raw_inputs
    assert report.row["output_spread"] is None
    assert report.row["loss_floor"] == 0
    with pytest.raises(nanmap.InputError, match="holds the label 3, and the network has 3 outputs"):
        nanmap.run(x=x, y=y + 1, engine=engine, allow_python=True, **asked)
