"""Classes: accuracies counted over the rows that count, the words for a prediction, and no accuracy for numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.cli.json_text import plain
from nanmap.cli.run import _as_json, _epoch_line
from nanmap.config import build_config
from nanmap.data import load_rows
from nanmap.data.encoding import Source
from nanmap.errors import InputError
from nanmap.plan import make_sweep
from nanmap.plot import draw_map
from nanmap.training.losses import correct_rows

rng = np.random.default_rng(51)
N, KEPT = 25, 17  # 17 rows train, compiled for 32
X = rng.standard_normal((N, 2))
LABELS = np.where(X[:, 0] > 0.4, "c", np.where(X[:, 1] > 0, "b", "a"))


def tree_of(npz, loss: str = "softmax_cross_entropy", labels: np.ndarray = LABELS, **tables: Any) -> dict[str, Any]:
    data = {"kind": "npz", "path": npz(x=X, y=labels), "target_kind": "class", "validation_split": 0.3}
    return {
        "data": data,
        "loss": {"kind": loss},
        "optimizer": {"learning_rate": 1.0} | tables.get("optimizer", {}),
        "training": {"epochs": 6, "batch_size": 5, "order": "sequential"} | tables.get("training", {}),
    }


def said(params: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return x @ params["layers.0.kernel"] + params["layers.0.bias"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1000001, 1000002], ["1000001", "1000002"]),
        ([1000001.0, 1000002.0, 1e6], ["1e+06", "1000001", "1000002"]),
        ([2**53 - 1.0, 2**53], ["9007199254740991", "9007199254740992"]),
        ([0.1, np.nextafter(0.1, 1), 1.0], ["0.1", "0.10000000000000002", "1"]),
        (np.array([0.1, 1.0], np.float32), ["0.1", "1"]),
        (np.array([0.123456789, 0.123456799], np.float32), ["0.12345679", "0.1234568"]),
        ([-0.0, 1.0], ["0", "1"]),
        ([-1e-30, 1e300], ["-1e-30", "1e+300"]),
        ([True, False], ["False", "True"]),
        ([0, 3, -2], ["-2", "0", "3"]),
        (["1e6", "1000001"], ["1000001", "1e6"]),
    ],
)
def test_classes_are_called_so_that_they_are_told_apart(labels: Any, expected: list[str], npz) -> None:
    labels = np.repeat(labels, 2)
    tree = tree_of(npz, labels=labels) | {"data": {"kind": "npz", "path": npz(x=np.ones((len(labels), 1)), y=labels)}}
    tree["data"]["target_kind"] = "class"
    rows = load_rows(build_config(tree))
    assert rows.classes == tuple(expected)
    assert (rows.targets.sum(axis=0) == 2).all()


def test_numbers_with_gaps_are_called_as_without(tmp_path: Path) -> None:
    """A gap makes floats of whole numbers."""
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n1,1000001\n2,\n3,1000002\n4,7\n")
    data = {"kind": "csv", "path": str(path), "target": "y", "target_kind": "class", "missing": "drop"}
    rows = load_rows(build_config(tree_of(lambda **_: "") | {"data": data}))
    assert rows.classes == ("7", "1000001", "1000002")


@pytest.mark.parametrize("value", [1000001, 1000001.0, "1000001"])
def test_a_category_that_is_written_as_a_number_is_found_by_it(value: float | str) -> None:
    source = Source("code", ("1000000", "1000001", "1000002"), hot=True)
    assert source.numbers(value) == [0.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="`1000003` is no category"):
        source.numbers(1000003)


def test_accuracy_is_the_share_of_rows_whose_largest_logit_is_their_class(npz, train) -> None:
    report = train(tree_of(npz))
    right = np.array(["a", "b", "c"])[said(report.params, X).argmax(axis=1)] == LABELS
    assert report.row["accuracy"] == pytest.approx(right[:KEPT].mean(), abs=1e-6)
    assert report.row["val_accuracy"] == report.epochs[-1].val_accuracy == pytest.approx(right[KEPT:].mean(), abs=1e-6)
    assert 0.5 < report.row["accuracy"] < 1
    assert report.row["r2"] is None, "logits are no estimates of the targets"


def test_a_single_logit_says_yes_above_0_and_not_at_it() -> None:
    logits = np.float32([[0.0, -0.0, 1e-30, -1e-30]])
    assert [correct_rows(logits, np.full((1, 4), answer, np.float32), None) for answer in (0, 1)] == [3, 1]


def test_an_epoch_counts_each_batch_with_the_parameters_of_its_turn(npz, train) -> None:
    labels = np.where(LABELS == "a", "no", "yes")
    tree = tree_of(npz, "sigmoid_cross_entropy", labels, training={"steps": 4, "epochs": None, "batch_size": 5})
    tree["training"].pop("epochs")
    steps = [train(tree | {"training": tree["training"] | {"steps": k}}) for k in (1, 2, 3, 4)]
    before = [
        {
            "layers.0.kernel": train(tree | {"optimizer": {"learning_rate": 0.0}}).params["layers.0.kernel"],
            "layers.0.bias": np.zeros(1),
        }
    ]
    before += [each.params for each in steps[:3]]
    right = 0
    for params, rows in zip(before, np.split(np.arange(KEPT), [5, 10, 15]), strict=True):
        right += ((said(params, X[rows]).ravel() > 0) == (labels[rows] == "yes")).sum()
    assert steps[3].epochs[0].mean_accuracy == pytest.approx(right / KEPT, abs=1e-6)


def test_rows_tell_the_accuracy_and_leave_it_out_where_it_means_nothing(npz, grid) -> None:
    axes = [{"key": "optimizer.learning_rate", "values": [0.1, 1e38]}]
    calm, broken = grid(tree_of(npz), axes).to_pylist()
    assert 0 < calm["accuracy"] <= 1
    assert broken["outcome"] == "nan"
    assert (broken["accuracy"], broken["val_accuracy"]) == (None, None)
    numbers = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 1}}
    (row,) = grid(numbers, []).to_pylist()
    assert (row["accuracy"], row["val_accuracy"]) == (None, None)


def test_predictions_name_the_class_and_its_probability(npz, train) -> None:
    x = [0.3, -1.2]
    report = train(tree_of(npz), predict=[x])
    logits = said(report.params, np.array(x))
    shares = np.exp(logits) / np.exp(logits).sum()
    assert report.predictions == [
        {"class": "abc"[shares.argmax()], "probability": pytest.approx(shares.max(), rel=1e-5)}
    ]
    labels = np.where(LABELS == "a", "no", "yes")
    report = train(tree_of(npz, "sigmoid_cross_entropy", labels), predict=[x])
    yes = 1 / (1 + np.exp(-said(report.params, np.array(x)).item()))
    likelier = {"class": "yes" if yes > 0.5 else "no", "probability": pytest.approx(max(yes, 1 - yes), rel=1e-5)}
    assert report.predictions == [likelier]
    right = (said(report.params, X)[:, 0] > 0) == (labels == "yes")
    assert report.row["accuracy"] == pytest.approx(right[:KEPT].mean())
    assert report.row["val_accuracy"] == pytest.approx(right[KEPT:].mean())


def test_outputs_under_a_loss_of_numbers_are_no_logits() -> None:
    x = np.arange(5.0)
    fitted = np.polynomial.Polynomial.fit(x, x > 3, 1).convert()
    given = {"x": x, "y": (x > 3).astype(int), "target_kind": "class", "batch_size": 5}
    report = nanmap.run(**given, loss="mse", epochs=2000, learning_rate=0.1, predict=[[2.0]])
    assert report.predictions == pytest.approx([fitted(2.0)], abs=1e-4), "0.2, which is nearer to 0 than to 1"


def test_json_and_lines_tell_accuracies_of_classes_only(npz, train) -> None:
    report = train(tree_of(npz))
    told = json.loads(json.dumps(plain(_as_json(report)), allow_nan=False))
    assert told["accuracy"] == report.row["accuracy"]
    assert told["epochs"][0]["mean_accuracy"] == report.epochs[0].mean_accuracy
    assert "  accuracy " in _epoch_line(1, 6, report.epochs[0])
    assert "  val_accuracy " in _epoch_line(1, 6, report.epochs[0])
    numbers = train({"data": {"kind": "line", "n": 5}, "training": {"epochs": 1}})
    told = json.loads(json.dumps(plain(_as_json(numbers)), allow_nan=False))
    assert (told["accuracy"], told["epochs"][0]["mean_accuracy"]) == (None, None)
    assert "accuracy" not in _epoch_line(1, 1, numbers.epochs[0])


def test_whoever_asks_for_accuracy_on_numbers_is_told_why_there_is_none(engine, tmp_path: Path) -> None:
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 1}}
    with pytest.raises(InputError, match="equalities"):
        build_config(tree, {"training.metrics": "accuracy"})
    with pytest.raises(InputError, match="target_kind"):
        build_config(tree | {"training": {"epochs": 1, "metrics": ["accuracy"]}})
    axes = [{"key": "optimizer.learning_rate", "values": [0.1, 0.2]}, {"key": "training.seed", "values": [1, 2]}]
    result = nanmap.sweep(make_sweep(tree, axes), out=tmp_path, engine=engine)
    with pytest.raises(InputError, match="exact equalities"):
        draw_map(result.folder, "learning_rate", "seed", value="accuracy")


def test_classes_of_built_in_rows_are_refused() -> None:
    with pytest.raises(InputError, match="classes come from files"):
        build_config({"data": {"kind": "line", "n": 5, "target_kind": "class"}, "training": {"epochs": 1}})


def test_classes_under_a_loss_of_numbers_name_the_losses_of_classes() -> None:
    data = {"kind": "csv", "path": "rows.csv", "target": "kind", "target_kind": "class"}
    with pytest.raises(InputError, match=r"mse(?s:.*)mend: .*softmax_cross_entropy.*sigmoid_cross_entropy"):
        build_config({"data": data, "training": {"epochs": 1}})


def test_a_table_of_classes_is_run_in_words(tmp_path: Path, command) -> None:
    lines = [f"{a:.3f},{b:.3f},{label}" for (a, b), label in zip(X, LABELS, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,kind", *lines]))
    (tmp_path / "c.toml").write_text(
        '[data]\nkind = "csv"\npath = "rows.csv"\ntarget = "kind"\ntarget_kind = "class"\nscale_inputs = "standard"\n'
        '[loss]\nkind = "softmax_cross_entropy"\n[training]\nepochs = 3\n'
    )
    done = command("run", "c.toml", "--explain-data", "--predict", "2,0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "target kind: 3 classes, one output each: a, b, c" in done.stderr
    assert "scaled (standard, fitted on the 25 training rows): a (x − " in done.stderr
    assert "epoch 3/3" in done.stdout
    assert "  accuracy " in done.stdout
    assert "answering the same to all rows reaches" in done.stdout
    assert "prediction at 2,0: " in done.stdout
    assert ", with probability 0." in done.stdout


def test_a_prediction_takes_categories_and_truths_as_the_table_holds_them(tmp_path: Path, train) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("size,town,new,price\n1,Oslo,true,1\n2,Bern,false,2\n3,Oslo,false,3\n4,Bern,true,5\n")
    data = {"kind": "csv", "path": str(path), "target": "price"}
    tree = {"data": data, "training": {"epochs": 3}}
    named, encoded = train(tree, predict=[[2, "Oslo", "true"], [2, 0, 1, 1]]).predictions
    assert named == encoded
    (coded,) = train(tree | {"data": data | {"categorical": "codes"}}, predict=[[2, "Oslo", 1]]).predictions
    assert coded == train(tree | {"data": data | {"categorical": "codes"}}, predict=[[2, 1, 1]]).predictions[0]
    expected = r"3 values, .*: size, town \(Bern or Oslo\), new \(false or true\)"
    for wrong in ([2, "Paris", "true"], [2, "Oslo"], [2, "Oslo", "maybe"], ["big", "Oslo", "true"]):
        with pytest.raises(InputError, match=expected):
            train(tree, predict=[wrong])
