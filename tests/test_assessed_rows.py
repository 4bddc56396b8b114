"""`outcome.rows`: losses, references and dead units of a fixed sample of the rows, held against NumPy."""

from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.data import load_rows, loss_constant, network_floor
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep, make_variant, notices

rng = np.random.default_rng(5)
X, Y = rng.standard_normal((90, 3)), rng.standard_normal((90, 1))
SOME, VAL = 20, 30
NET: dict[str, Any] = {
    "model": {"hidden": [4], "activation": "relu"},
    "training": {"batch_size": 8, "steps": 15, "dtype": "float64"},
    "outcome": {"rows": SOME},
}


@pytest.fixture
def tree(npz) -> dict[str, Any]:
    return NET | {"data": {"kind": "npz", "path": npz(x=X, y=Y), "validation_split": VAL / 90}}


def drawn(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(n, SOME, replace=False))


def answer(params: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inner = x @ params["layers.0.kernel"] + params["layers.0.bias"]
    return inner, np.maximum(inner, 0) @ params["layers.1.kernel"] + params["layers.1.bias"]


def test_a_row_is_what_numpy_makes_of_the_sample(tree: dict[str, Any], plainly) -> None:
    report = plainly(tree)
    row, n = report.row, 90 - VAL
    x, y, val_x, val_y = X[:n][drawn(n)], Y[:n][drawn(n)], X[n:][drawn(VAL)], Y[n:][drawn(VAL)]
    inner, output = answer(report.params, x)
    expected = {
        "loss_final": np.mean((output - y) ** 2),
        "val_loss_final": np.mean((answer(report.params, val_x)[1] - val_y) ** 2),
        "loss_constant": np.mean((y - y.mean()) ** 2),
        "r2": 1 - np.sum((output - y) ** 2) / np.sum((y - y.mean()) ** 2),
        "output_spread": output.std() / y.std(),
        "dead_fraction": (inner <= 0).all(axis=0).mean(),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-10)
    assert row["loss_best"] == min(
        row[name] for name in row if name.startswith("loss_") and name[5:7] in ("in", "at", "fi")
    )
    assert report.epochs[-1].val_loss == pytest.approx(expected["val_loss_final"], rel=1e-10)


def test_the_floor_is_that_of_the_sample(tree: dict[str, Any]) -> None:
    variant, whole = (
        make_variant(build_config(each)) for each in (tree | {"outcome": {"rows": 40}}, tree | {"outcome": {}})
    )
    place = np.sort(np.random.default_rng(0).choice(60, 40, replace=False))
    data = tree["data"] | {"validation_split": 0.0}
    np.savez(data["path"].replace(".npz", "some.npz"), x=X[:60][place], y=Y[:60][place])
    alone = load_rows(build_config(tree | {"data": data | {"path": data["path"].replace(".npz", "some.npz")}}))
    assert variant.references(1.0) == (network_floor(alone, "mse"), loss_constant(alone, "mse"))
    assert variant.references(1.0) != whole.references(1.0)


@pytest.mark.parametrize("rows", [60, 90, 10**9])
def test_a_limit_that_limits_nothing_changes_no_program_and_no_bit(rows: int, tree: dict[str, Any]) -> None:
    """Of 60 training rows and 30 of validation."""
    limited, whole = (make_variant(build_config(tree | {"outcome": each})) for each in ({"rows": rows}, {}))
    assert limited.program == whole.program
    assert limited.program.key == whole.program.key
    assert limited.assessed is limited.rows


def test_updates_still_see_all_rows_and_engines_agree(tree: dict[str, Any], plainly, lone_engine: LocalEngine) -> None:
    whole, some = (nanmap.run(tree | {"outcome": each}, engine=lone_engine) for each in ({}, {"rows": SOME}))
    for name, values in whole.params.items():
        np.testing.assert_array_equal(some.params[name], values)
    assert some.row["loss_final"] != whole.row["loss_final"]
    assert some.row["loss_final"] == pytest.approx(plainly(tree).row["loss_final"], rel=1e-12)


@pytest.mark.parametrize("hurt", ["sampled", "other"])
def test_a_nan_in_a_row_beside_the_sample_is_an_event_of_its_update(hurt: str, npz, plainly) -> None:
    x = X.copy()
    place = drawn(60)[0] if hurt == "sampled" else np.setdiff1d(np.arange(60), drawn(60))[-1]
    x[place, 0] = np.nan
    data = {"kind": "npz", "path": npz(x=x, y=Y), "validation_split": VAL / 90, "missing": "keep"}
    row = plainly(NET | {"data": data, "model": {}, "training": NET["training"] | {"order": "sequential"}}).row
    assert row["outcome"] == "nan"
    assert row["first_nan_step"] == (0 if hurt == "sampled" else place // 8)
    assert np.isnan(row["loss_initial"]) == (hurt == "sampled")


def test_samples_of_several_sizes_stand_in_one_sweep(tree: dict[str, Any], lone_engine: LocalEngine, tmp_path) -> None:
    axis = {"key": "outcome.rows", "values": [17, 20, 25, 60]}
    table = nanmap.sweep(make_sweep(tree, [axis]), out=tmp_path / "run", engine=lone_engine).to_pandas()
    for rows, loss in zip(table["rows"], table["loss_final"], strict=True):
        assert loss == nanmap.run(tree | {"outcome": {"rows": int(rows)}}, engine=lone_engine).row["loss_final"]
    assert table["loss_final"].nunique() == 4


def test_it_is_told_and_part_of_what_a_run_is(tree: dict[str, Any], tmp_path, lone_engine: LocalEngine) -> None:
    assert notices(Plan(make_sweep(tree, []))) == [
        "outcome.rows = 20: the five losses, what they are held against and dead units are of 20 of 60 training rows and "
        "20 of 30 validation rows, drawn once; `measure` and sharpness are of all"
    ]
    axes = [{"key": "optimizer.learning_rate", "values": [0.01, 0.1]}]
    nanmap.sweep(make_sweep(tree, axes), out=tmp_path / "run", engine=lone_engine)
    with pytest.raises(InputError, match=r"outcome.rows was 20, now 21"):
        nanmap.sweep(make_sweep(tree | {"outcome": {"rows": 21}}, axes), out=tmp_path / "run", engine=lone_engine)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"outcome": {"rows": 0}}, "outcome.rows: must be greater than or equal to 1"),
        ({"outcome": {"rows": 2.5}}, "outcome.rows"),
        ({"outcome": {"rows": "all"}}, "outcome.rows"),
        ({"outcome": {"rows": True}}, "outcome.rows"),
        ({"outcome": {"rows": float("nan")}}, "outcome.rows"),
        (
            {"training": {"batch_size": 100, "steps": 5, "stop_above": 10.0}},
            "outcome.rows: stops of a training are held against the loss over all rows",
        ),
    ],
)
def test_what_cannot_be_is_refused(tables: dict[str, Any], told: str, tree: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=told):
        make_variant(build_config(tree | tables))


OWN = """
import jax.numpy as jnp


def line():
    return lambda key, x: {"w": jnp.ones((x.shape[1], 1))}, lambda parameters, x: x @ parameters["w"]
"""


def test_a_network_of_the_users_own_is_assessed_on_as_many(tree: dict[str, Any], tmp_path, lone_engine) -> None:
    (tmp_path / "own.py").write_text(OWN)
    own = tree | {"model": {"kind": f"python:{tmp_path / 'own.py'}:line"}}
    report = nanmap.run(own, allow_python=True, engine=lone_engine)
    (weights,) = report.params.values()
    x, y, val = X[:60][drawn(60)], Y[:60][drawn(60)], drawn(VAL)
    assert report.row["loss_final"] == pytest.approx(np.mean((x @ weights - y) ** 2), rel=1e-12)
    assert report.row["val_loss_final"] == pytest.approx(np.mean((X[60:][val] @ weights - Y[60:][val]) ** 2), rel=1e-12)


def test_a_run_is_judged_by_thresholds_and_this_is_none(tree: dict[str, Any], tmp_path, lone_engine) -> None:
    axes = [{"key": "optimizer.learning_rate", "values": [0.01, 0.1]}]
    result = nanmap.sweep(make_sweep(tree, axes), out=tmp_path / "run", engine=lone_engine)
    assert result.judged(ratio=0.05).to_pandas()["outcome"].tolist() == result.to_pandas()["outcome"].tolist()
    with pytest.raises(InputError, match=r"outcome.rows: no such threshold \(got 10\)"):
        result.judged(rows=10)
