"""A training alone has the row that a sweep writes of it: every column, in its type, null and NaN told apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.engine import Epoch
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep
from nanmap.results.columns import COLUMNS
from nanmap.runs import single
from nanmap.runs.single import _epoch_loss, plan_one, train_one
from nanmap.training.state import MARKS, NEVER, Assessment, Events, Losses, State

RATES = [0.05, 3.0, 1e4]
NETWORK = {
    "data": {"kind": "gaussian", "n": 21, "features": 3, "validation_split": 0.2},
    "model": {"hidden": [5], "activation": "relu", "norm": "batch"},
    "training": {"steps": 17, "batch_size": 4},
}
KINDS: dict[str, dict[str, Any]] = {
    "linear, minibatches": {"data": {"kind": "line", "n": 20}, "training": {"epochs": 9, "batch_size": 6}},
    "linear, full batch": {"data": {"kind": "square", "n": 9}, "training": {"steps": 40, "batch_size": 9}},
    "linear, float64": {"data": {"kind": "line", "n": 20}, "training": {"epochs": 900, "dtype": "float64"}},
    "network": NETWORK,
    "bfloat16": NETWORK | {"training": {"steps": 17, "batch_size": 4, "dtype": "bfloat16"}},
    "classes": {
        "model": {"hidden": [4], "activation": "tanh"},
        "loss": {"kind": "softmax_cross_entropy"},
        "training": {"steps": 12, "batch_size": 5},
    },
    "NaN in the data": {"training": {"steps": 5}},
    "stop above": {
        "data": {"kind": "line", "n": 20},
        "training": {"steps": 60, "batch_size": 20, "stop_above": 1e6},
        "record": {"full_loss": True},
    },
    "sharpness": {
        "data": {"kind": "gaussian", "n": 12, "features": 3},
        "model": {"hidden": [4], "activation": "tanh"},
        "training": {"steps": 20, "batch_size": 12},
        "record": {"sharpness": True},
    },
}


def tree_of(kind: str, folder: Path) -> dict[str, Any]:
    """The config of a kind, its file written where it needs one."""
    tree = KINDS[kind]
    table = folder / "rows.csv"
    if kind == "classes":
        table.write_text("a,b,y\n" + "".join(f"{i % 5},{i * i % 7},{'xyz'[i % 3]}\n" for i in range(30)))
        return tree | {
            "data": {"kind": "csv", "path": str(table), "target": "y", "target_kind": "class", "validation_split": 0.2}
        }
    if kind == "NaN in the data":
        table.write_text("a,y\n1,2\n,3\n3,5\n")
        return tree | {"data": {"kind": "csv", "path": str(table), "target": "y", "missing": "keep"}}
    return tree


def exact(row: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    """Types and values; a float by its bits, so that a NaN equals a NaN and -0.0 no 0.0."""
    return {
        name: (type(value), np.float64(value).view(np.uint64) if isinstance(value, float) else value)
        for name, value in row.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_alone_has_the_row_of_a_sweep(kind: str, grid, train, tmp_path: Path) -> None:
    tree = tree_of(kind, tmp_path)
    rows = grid(tree, [{"key": "optimizer.learning_rate", "values": RATES}]).to_pylist()
    for rate, row in zip(RATES, rows, strict=True):
        report = train(tree | {"optimizer": {"learning_rate": rate}})
        del row["cell"], row["learning_rate"]
        assert list(report.row) == [each.name for each in COLUMNS]
        assert exact(report.row) == exact(row)
        assert (row["val_loss_final"] is None) == ("validation_split" not in tree["data"])
        assert (report.outcome, report.cause) == (row["outcome"], row["cause"])


def test_the_kinds_tell_null_from_nan_and_reach_every_column(grid, tmp_path: Path) -> None:
    """Else the comparison above would compare nothing with nothing."""
    rows = [
        row
        for kind in KINDS
        for row in grid(tree_of(kind, tmp_path), [{"key": "optimizer.learning_rate", "values": RATES}]).to_pylist()
    ]
    assert {name for row in rows for name, value in row.items() if value is not None} >= {c.name for c in COLUMNS}
    ended = next(row for row in rows if row["outcome"] == "nan")
    assert np.isnan(ended["loss_final"])
    assert ended["r2"] is None
    assert len({row["outcome"] for row in rows}) >= 4


def test_a_plan_that_is_there_is_taken_as_it_is(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    config = build_config(KINDS["linear, minibatches"])
    plan = plan_one(config)
    whole = train_one(config, engine=engine)
    made = next(plan.variants())
    monkeypatch.setattr("nanmap.plan.plan.make_variant", lambda config: pytest.fail("built a second time"))
    report = train_one(plan, engine=engine)
    assert exact(report.row) == exact(whole.row)
    assert report.config is made.config
    assert report.config == config


def test_an_epoch_inherits_nothing_of_the_sums_of_the_one_before(npz, train) -> None:
    start = npz(**{"layers.0.kernel": np.zeros((1, 1)), "layers.0.bias": np.full(1, 1.3)})
    still = {"optimizer": {"learning_rate": 0.0}, "model": {"init": "file", "init_file": start}}
    tree = KINDS["linear, minibatches"] | still | {"data": {"kind": "line", "n": 20, "slope": 0.0}}
    (loss,) = {each.mean_loss for each in train(tree).epochs}
    assert loss == pytest.approx(1.3**2, rel=1e-6)


@pytest.mark.parametrize(("order", "rows"), [("sequential", 20), ("shuffle", 20), ("replacement", 24)])
def test_the_mean_loss_of_an_epoch_is_over_its_rows_and_has_what_rounding_left_out(order: str, rows: int) -> None:
    tree = KINDS["linear, minibatches"]  # 20 rows by 6: the last batch has 2, but is filled where rows are drawn
    (variant,) = plan_one(build_config(tree | {"training": tree["training"] | {"order": order}})).variants()
    losses = Losses(*np.zeros(len(Losses._fields)))._replace(epoch=np.float32(2**24), epoch_rest=np.float32(0.5))
    events = Events(*np.full(len(Events._fields), NEVER))
    state = State([], [], (), events, losses, np.zeros((MARKS, len(Assessment._fields))))
    assert _epoch_loss(variant, Epoch(1, 0, 4, state)).mean_loss == (2**24 + 0.5) / rows


@pytest.mark.parametrize(("nan_step", "mean", "last"), [(NEVER, 3, 7), (3, 3, 7), (2, np.nan, np.nan)])
def test_an_epoch_has_its_losses_unless_a_nan_kept_batches_of_it_from_running(
    nan_step: int, mean: float, last: float
) -> None:
    (variant,) = plan_one(build_config(KINDS["linear, minibatches"])).variants()
    losses = Losses(*np.zeros(len(Losses._fields)))._replace(epoch=np.float32(60), batch=np.float32(7))
    events = Events(*np.full(len(Events._fields), NEVER))._replace(first_nan=np.int32(nan_step))
    state = State([], [], (), events, losses, np.zeros((MARKS, len(Assessment._fields))))
    told = _epoch_loss(variant, Epoch(1, 0, 4, state))  # 20 rows in 4 updates, of which the last is number 3
    assert [told.mean_loss, told.last_loss] == pytest.approx([mean, last], nan_ok=True)


@pytest.mark.parametrize(("stopped", "rows"), [(NEVER, 20), (6, 12), (8, 20)])
def test_the_mean_loss_of_a_stopped_epoch_is_over_the_rows_before_the_stop(stopped: int, rows: int) -> None:
    (variant,) = plan_one(build_config(KINDS["linear, minibatches"])).variants()
    losses = Losses(*np.zeros(len(Losses._fields)))._replace(epoch=np.float32(60))
    events = Events(*np.full(len(Events._fields), NEVER))._replace(stopped=np.int32(stopped))
    state = State([], [], (), events, losses, np.zeros((MARKS, len(Assessment._fields))))
    assert _epoch_loss(variant, Epoch(2, 4, 8, state)).mean_loss == 60 / rows  # by 6: 6, 6, 6 and 2 rows


@pytest.mark.parametrize("split", [0.0, 0.2])
@pytest.mark.parametrize("classes", [False, True])
def test_an_epoch_tells_of_validation_rows_and_of_classes_only_where_there_are_some(
    split: float, classes: bool, npz
) -> None:
    data = {"kind": "npz", "path": npz(x=np.eye(20), y=np.arange(20) % 2), "validation_split": split}
    kind = {"target_kind": "class"} if classes else {}
    loss = {"kind": "sigmoid_cross_entropy" if classes else "mse"}
    tree = {"data": data | kind, "loss": loss, "training": {"epochs": 2, "batch_size": 20}}
    (variant,) = plan_one(build_config(tree)).variants()
    losses = Losses(*np.zeros(len(Losses._fields)))._replace(correct=np.float32(8))
    marks = np.arange(MARKS)[:, None] * np.ones(len(Assessment._fields))
    marks[-1] = Assessment(**dict.fromkeys(Assessment._fields, 0.0) | {"val_loss": 7.0, "val_accuracy": 0.75})
    state = State([], [], (), Events(*np.full(len(Events._fields), NEVER)), losses, marks)
    told = _epoch_loss(variant, Epoch(1, 0, 1, state))
    assert told.val_loss == (7.0 if split else None)
    assert told.mean_accuracy == (8 / variant.rows.n if classes else None)
    assert told.val_accuracy == (0.75 if split and classes else None)


@pytest.mark.parametrize(("few", "told"), [(2, False), (3, True)])
def test_parameters_are_reported_below_a_thousand(few: int, told: bool, train, monkeypatch: pytest.MonkeyPatch) -> None:
    assert single.FEW_PARAMETERS == 1000
    monkeypatch.setattr(single, "FEW_PARAMETERS", few)
    assert (train(KINDS["linear, minibatches"]).params is not None) == told  # a line has two


def test_a_plan_of_many_trainings_is_no_single_one(engine) -> None:
    plan = Plan(make_sweep(NETWORK, [{"key": "training.seed", "range": [0, 2]}]))
    with pytest.raises(InputError, match="2 trainings"):
        train_one(plan, engine=engine)


def test_the_command_prints_null_for_never_and_the_texts_of_nan(tmp_path: Path, command) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[data]\nkind = "line"\nn = 9\n[optimizer]\nlearning_rate = 1e5\n[training]\nepochs = 60\n')
    told = json.loads(command("run", path, "--json", cwd=tmp_path).stdout)
    assert told["outcome"] == "nan"
    assert told["loss_final"] == "nan"
    assert (told["stopped_step"], told["accuracy"], told["val_accuracy"]) == (None, None, None)
    assert told["first_inf_step"] < told["first_nan_step"]
