"""Evidence and remedies: the edge beside the rate, the scale of the data, and commands that lead to convergence."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.advice import REMEDIES
from nanmap.advice.remedies import rounded_down
from nanmap.config import build_config, load_config
from nanmap.outcomes import Cause
from nanmap.runs.single import train_one

ROOT = Path(__file__).parents[1]
LINE = {"kind": "line", "start": 1, "n": 20, "slope": 0.5}


def followed(config: nanmap.Config, engine: Any, most: int = 4) -> list[str]:
    """Outcomes of a training, of what it advises, and of what that advises again."""
    ends, settings = [], {}
    for _ in range(most):
        report = train_one(build_config(config.model_dump(exclude_unset=True), settings), engine=engine)
        ends.append(str(report.outcome))
        if not report.remedy:
            break
        settings |= report.remedy
    return ends


def test_every_cause_has_a_remedy_or_says_that_none_is_needed() -> None:
    assert set(REMEDIES) == set(Cause)


@pytest.mark.parametrize(
    ("name", "first"), [("keras_line", "nan"), ("relu_double", "dead"), ("square_sgd", "nan"), ("tabular_mlp", "nan")]
)
def test_whoever_follows_the_advice_on_a_thread_gets_there(name: str, first: str, engine) -> None:
    ends = followed(load_config(ROOT / "configs" / "threads" / name / "posted.toml"), engine)
    assert ends[0] == first
    assert ends[-1] == "converged", ends


@pytest.mark.parametrize("momentum", [None, 0.5])
def test_the_rate_stands_beside_the_closed_form_s(momentum: float | None, engine) -> None:
    tree = {"data": LINE, "optimizer": {"learning_rate": 0.1}, "training": {"steps": 300}}
    if momentum:
        tree["optimizer"] |= {"momentum": momentum}
    report = train_one(build_config(tree), engine=engine)
    x = np.arange(1.0, 21.0)
    steepest = np.linalg.eigvalsh(2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]]))[-1]
    edge = 2 * (1 + (momentum or 0)) / steepest
    assert f"= {0.1 / edge:.3g} × the critical one, {edge:.4g}" in report.evidence[0]
    assert "inputs are not scaled: 1 to 20, mean 10.5, standard deviation 5.766" in report.evidence
    assert report.remedy == {"data.scale_inputs": "standard"}
    scaled = train_one(
        build_config(tree, {"data.scale_inputs": "standard", "optimizer.learning_rate": 5.0}), engine=engine
    )
    # Standardised, a line's loss has two equal curvatures of 2: half of 2/2 and of 3/2.
    assert scaled.remedy == {"optimizer.learning_rate": 0.5}


@pytest.mark.parametrize(
    ("momentum", "formula", "value"),
    [(0.5, "(2 + 2β)/((1 + 2β)λmax)", 3 / 2), (-0.25, "(2 + 2β)/((1 + 2β)λmax)", 3.0), (-0.5, "(1 − 1/β)/λmax", 3.0)],
)
def test_nesterov_s_edge_is_named_by_its_own_formula(momentum: float, formula: str, value: float, engine) -> None:
    optimizer = {"learning_rate": 0.1, "momentum": momentum, "nesterov": True}
    report = train_one(build_config({"data": LINE, "optimizer": optimizer, "training": {"steps": 300}}), engine=engine)
    x = np.arange(1.0, 21.0)
    steepest = np.linalg.eigvalsh(2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]]))[-1]
    assert f"{value / steepest:.4g} ({formula})" in report.evidence[0]


def test_a_network_is_held_against_the_sharpness_at_its_start(engine) -> None:
    tree = {
        "data": LINE | {"scale_inputs": "standard", "scale_targets": "standard"},
        "model": {"hidden": [4], "activation": "tanh"},
        "optimizer": {"learning_rate": 50.0},
        "training": {"steps": 100},
    }
    report = train_one(build_config(tree), engine=engine)
    asked = train_one(build_config(tree, {"record.sharpness": "start"}), engine=engine)
    assert report.row["sharpness"] is None
    edge = 2 / asked.row["sharpness"]
    assert any(f"× the critical one, {edge:.4g} (2/λ₀" in each for each in report.evidence), report.evidence
    assert report.remedy["optimizer.learning_rate"] <= edge / 2


def test_classes_are_told_beside_the_commonest_one(npz, engine) -> None:
    labels = np.array([0.0] * 18 + [1.0] * 2)
    data = {"kind": "npz", "path": npz(x=np.arange(20.0)[:, None], y=labels), "target_kind": "class"}
    tree = {"data": data, "loss": {"kind": "sigmoid_cross_entropy"}, "training": {"steps": 1}}
    report = train_one(build_config(tree), engine=engine)
    assert report.evidence[0] == f"accuracy {report.row['accuracy']:.1%}; answering the same to all rows reaches 90.0%"


@pytest.mark.parametrize(
    ("targets", "right"),
    [
        (np.arange(20) % 4, 0.25),
        (np.eye(4)[np.arange(20) % 4], 0.25),
        (np.tile([0.1, 0.6, 0.2, 0.1], (20, 1)), 1.0),  # shares, of which the largest counts
    ],
)
def test_the_commonest_of_labels_and_of_shares_is_counted_as_accuracy_is(targets, right, engine) -> None:
    build = lambda: (lambda key, x: {"w": np.zeros((1, 4))}, lambda p, x: x @ p["w"])  # noqa: E731
    given = {"x": np.arange(20.0)[:, None], "y": targets, "loss": "softmax_cross_entropy", "steps": 1}
    report = nanmap.run(model=build, engine=engine, **given)
    assert report.evidence[0].endswith(f"; answering the same to all rows reaches {right:.1%}")


def test_labels_at_several_places_have_a_commonest_one_each(engine) -> None:
    def build() -> tuple:
        return lambda key, x: {"w": np.zeros((2, 6))}, lambda p, x: (x @ p["w"]).reshape(-1, 2, 3)

    y = np.stack([np.repeat([0, 2], [12, 8]), np.repeat([1, 2], [5, 15])], axis=1)
    report = nanmap.run(model=build, x=np.ones((20, 2)), y=y, loss="softmax_cross_entropy", steps=1, engine=engine)
    assert report.evidence[0].endswith(f"; answering the same to all rows reaches {(12 + 15) / 40:.1%}")


def test_a_line_at_its_best_says_what_it_explains(npz, engine) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 1))
    y = 0.25 * x[:, 0] + rng.standard_normal(60)
    data = {"kind": "npz", "path": npz(x=x, y=y)}
    tree = {"data": data, "optimizer": {"learning_rate": 0.3}, "training": {"steps": 200, "batch_size": 60}}
    report = train_one(build_config(tree), engine=engine)
    explained = np.corrcoef(x[:, 0], y)[0, 1] ** 2
    assert (report.outcome, report.cause, report.remedy) == ("converged", "", {})
    assert report.row["skill"] == pytest.approx(explained, rel=1e-3)
    assert report.evidence[0].startswith(f"R² {explained:.3g}")
    assert "as good as a straight line gets" in report.evidence[1]


def test_the_command_to_try_is_the_one_given_with_the_settings_changed(command, tmp_path: Path) -> None:
    (tmp_path / "a line.toml").write_text('[data]\nkind = "line"\nstart = 1\nn = 20\n[training]\nepochs = 40\n')
    told = command(
        "run", "a line.toml", "--set", "optimizer.learning_rate=0.1", "--set", "training.seed=3", cwd=tmp_path
    )
    (line,) = [each for each in told.stdout.splitlines() if each.startswith("try: ")]
    words = shlex.split(line.removeprefix("try: "))
    assert words[:4] == ["nanmap", "run", "a line.toml", "--set"]
    assert "training.seed=3" in words
    assert "data.scale_inputs=standard" in words
    after = command(*words[1:], cwd=tmp_path)
    assert after.returncode == 0
    assert "outcome: converged" in after.stdout


@pytest.mark.parametrize("value", [1e-7, 0.19, 0.2, 0.4999, 0.5, 3.0, 999.0])
def test_rates_are_rounded_down_to_one_digit(value: float) -> None:
    rounded = rounded_down(value)
    assert value / 2.5 <= rounded <= value
    assert f"{rounded:.0e}"[0] in "125"


SCALED = {"data.scale_inputs": "standard", "data.scale_targets": "standard"}


@pytest.mark.parametrize(
    ("changed", "cause", "advised"),
    {
        # 20 points of y = x/2 in float16: the very first update overflows with targets of 1e5, later ones by their size alone.
        "float16, huge targets": ({"data.slope": 1e4}, "float16_range", SCALED),
        "float16, a large rate": (
            {"optimizer.learning_rate": 0.5, "data.scale_inputs": "standard"}, "float16_range",
            {"data.scale_targets": "standard", "optimizer.learning_rate": ...}),
        "float16, scaled, a large rate": (
            {"optimizer.learning_rate": 20.0, **SCALED}, "float16_range", {"optimizer.learning_rate": ...}),
        "a relu at the end of a network, targets below zero": (
            {"model.output_activation": "relu", "optimizer.learning_rate": 0.05, **SCALED}, "killed",
            {"model.output_activation": "linear"}),
        "a start far off": (
            {"model.init_scale": 100.0, "optimizer.learning_rate": 10.0, **SCALED}, None, {"model.init_scale": 1.0}),
    }.values(),
)  # fmt: skip
def test_the_first_thing_to_change_is_the_one_that_is_wrong(changed, cause, advised, engine) -> None:
    tree = {
        "data": LINE,
        "model": {"hidden": [8], "activation": "tanh"},
        "optimizer": {"learning_rate": 0.01},
        "training": {"steps": 300, "dtype": "float16" if cause == "float16_range" else "float32"},
    }
    report = train_one(build_config(tree, changed), engine=engine)
    assert cause in (None, report.cause), report.row
    assert report.remedy == {key: report.remedy.get(key) if value is ... else value for key, value in advised.items()}


def test_a_rate_that_is_too_large_for_one_column_and_too_small_for_another_asks_for_scaled_inputs(npz, engine) -> None:
    x = np.random.default_rng(0).standard_normal((64, 2)) * [300.0, 0.01]
    data = {"kind": "npz", "path": npz(x=x, y=x[:, 0] / 300 + 100 * x[:, 1])}
    tree = {"data": data, "optimizer": {"learning_rate": 8e-6}, "training": {"steps": 100, "batch_size": 64}}
    report = train_one(build_config(tree), engine=engine)
    assert (report.outcome, report.cause) == ("stalled", "too_slow"), report.row
    assert report.remedy == {"data.scale_inputs": "standard"}
    assert any("inputs are not scaled" in each for each in report.evidence)


def test_the_noise_of_small_batches_on_raw_inputs_asks_for_scaled_ones_and_on_scaled_ones_for_smaller_steps(
    npz, engine
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 1)) * 300
    data = {"kind": "npz", "path": npz(x=x, y=x[:, 0] / 300 + rng.standard_normal(64))}
    tree = {"data": data, "optimizer": {"learning_rate": 8e-6}, "training": {"steps": 301, "batch_size": 8}}
    raw = train_one(build_config(tree), engine=engine)
    scaled = {"data.scale_inputs": "standard", "optimizer.learning_rate": 0.8}
    calm = train_one(build_config(tree, scaled), engine=engine)
    assert (raw.cause, calm.cause) == ("bouncing", "bouncing"), (raw.row, calm.row)
    assert raw.remedy == {"data.scale_inputs": "standard"}
    assert calm.remedy["optimizer.learning_rate"] <= 0.2


SLOW = {"training.steps": 60}


@pytest.mark.parametrize(
    ("changed", "cause", "advised"),
    {
        # Standardised, y = x/2 has two curvatures of 2: its edge is 1, where the loss stays as it is to the last bit.
        "steps exactly at the edge": (
            {**SCALED, "optimizer.learning_rate": 1.0}, None, {"optimizer.learning_rate": 0.5}),
        "far below the edge": ({**SCALED, "optimizer.learning_rate": 0.005, **SLOW}, "budget_too_short", {"optimizer.learning_rate": 0.5}),
        "half of the edge is near": ({**SCALED, "optimizer.learning_rate": 0.11, "training.steps": 6}, "budget_too_short", {"training.steps": ...}),
        "no layer has a rate": (
            {"optimizer.layer_learning_rates": [0.0]}, "no_movement", {"optimizer.layer_learning_rates": [0.01]}),
        "layers' rates on raw data": (
            {"optimizer.layer_learning_rates": [0.5]}, "overflow", {"data.scale_inputs": "standard"}),
        "a line by Adam, huge targets": (
            {"data.slope": 1e6, "data.scale_inputs": "standard", "optimizer.kind": "adam", **SLOW}, None,
            {"data.scale_targets": "standard"}),
        "a schedule that has ended": (
            {**SCALED, "optimizer.schedule": "exponential", "optimizer.decay": 0.5, **SLOW}, "plateau", {"optimizer.schedule": "constant"}),
        "steps lost in rounding": (
            {**SCALED, "training.dtype": "bfloat16", "optimizer.learning_rate": 1e-3, "training.steps": 3000}, None,
            {"training.dtype": "float32"}),
    }.values(),
)  # fmt: skip
def test_a_line_is_told_what_holds_it(changed: dict, cause: str | None, advised: dict, engine) -> None:
    tree = {"data": LINE, "optimizer": {"learning_rate": 0.01}, "training": {"steps": 300}}
    report = train_one(build_config(tree, changed), engine=engine)
    assert cause in (None, report.cause), report.row
    assert report.remedy == {key: report.remedy.get(key) if value is ... else value for key, value in advised.items()}


def test_equal_targets_are_not_said_to_have_a_best_constant_answer_that_is_wrong(npz, engine) -> None:
    data = {"kind": "npz", "path": npz(x=np.arange(4.0)[:, None], y=np.full(4, 2.0))}
    report = train_one(build_config({"data": data, "training": {"steps": 50}}), engine=engine)
    assert any(
        "all targets are 2, which a constant answers" in each and "a loss of 4" in each for each in report.evidence
    )
    assert not any("0 is the best constant" in each for each in report.evidence)


@pytest.mark.parametrize(
    ("row", "loss", "held"), [([1.0, 2.0], "mse", 2.5), ([0.25, 0.75], "softmax_cross_entropy", np.log(2))]
)
def test_nor_are_equal_rows_of_several_targets(row: list[float], loss: str, held: float, engine) -> None:
    given = {"x": np.arange(10.0), "y": np.tile(row, (10, 1)), "loss": loss, "steps": 5}
    report = nanmap.run(**given, learning_rate=0.001, engine=engine)
    told = f"all rows have the same target, which a constant answers; skill {report.row['skill']:.3g} is held against a loss of {held:.4g}"
    assert told in report.evidence
    assert not any("0 is the best constant" in each for each in report.evidence)


@pytest.mark.parametrize(
    ("floor", "model", "told"),
    [
        ("auto", {}, "is what the best line reaches"), ("auto", {"hidden": [2]}, "the best line or the five nearest rows reach"),
        ("affine", {"hidden": [2]}, "is what the best line reaches"), (0.5, {}, "is what outcome.floor asks for"),
        (0.0, {}, "1 is perfect, and asked for"),
    ],
)  # fmt: skip
def test_the_reference_is_named(floor: float | str, model: dict, told: str, npz, engine) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 1))
    data = {"kind": "npz", "path": npz(x=x, y=x[:, 0] + rng.standard_normal(60))}
    tree = {"data": data, "model": model, "outcome": {"floor": floor}, "training": {"steps": 20, "batch_size": 60}}
    assert told in train_one(build_config(tree), engine=engine).evidence[0]
