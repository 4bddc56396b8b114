"""The four threads: every figure that they printed, from the configs that a reader would run."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from handmade import SMALL_FRACTAL
from measured import THREADS
from measured.common import CONFIGS, PRINTED, ROOT, config_of, critical_rate, printed_again, train
from measured.square_sgd import divided_fused, divided_loop
from nanmap.config import load_config
from nanmap.data import load_rows
from nanmap.plan import load_sweep
from rendering import load_results, plain

OPTIMISED = True

FIGURES = [
    pytest.param(figure, id=f"{thread}-{name}")
    for thread, figures in PRINTED.items()
    for name, figure in figures.items()
    if "config" in figure
]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_printed_figure_comes_out(figure: dict[str, Any]) -> None:
    found, printed = printed_again(figure), figure["values"]
    if "decimals" in figure:
        assert [round(value, figure["decimals"]) for value in found] == printed
    else:
        bounds = {"rel": figure.get("relative", 0), "abs": figure.get("absolute", 0), "nan_ok": True}
        assert found == pytest.approx(printed, **bounds)


def test_every_printed_figure_says_how_near_it_must_come() -> None:
    for parameters in FIGURES:
        (figure,) = parameters.values
        exact = figure["what"] == "first_inf_epoch" or not any(map(math.isfinite, figure["values"]))
        assert exact or {"decimals", "relative", "absolute"} & set(figure), parameters.id
        assert (CONFIGS / f"{figure['config']}.toml").exists()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "keras_line" else pytest.mark.long) for name in THREADS]
)
def test_what_was_measured_is_measured_again(name: str) -> None:
    found = plain(THREADS[name].quick())
    assert_alike(found, plain(load_results()[name]["run"]), name)


def assert_alike(found: Any, kept: Any, where: str) -> None:
    """Equal, numbers to a thousandth: another processor may round otherwise."""
    if isinstance(kept, dict):
        assert found.keys() == kept.keys(), where
        for key in kept:
            assert_alike(found[key], kept[key], f"{where}:{key}")
    elif isinstance(kept, list):
        assert len(found) == len(kept), where
        for index, part in enumerate(kept):
            assert_alike(found[index], part, f"{where}:{index}")
    elif isinstance(kept, float):
        assert found == pytest.approx(kept, rel=1e-3, abs=1e-12), where
    else:
        assert found == kept, where


def test_the_comparison_sees_a_difference() -> None:
    with pytest.raises(AssertionError, match="a:1"):
        assert_alike({"a": [1.0, 2.0]}, {"a": [1.0, 2.01]}, "")


# ---- the configs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_config_reads_and_has_rows(path: Any) -> None:
    assert path.read_text(encoding="utf-8").startswith("# "), "its first line says what it is"
    assert load_rows(load_config(path)).n > 0


@pytest.mark.parametrize("name", ["square_sgd", "keras_line", "relu_double"])
def test_the_posted_program_is_the_base_of_the_shipped_sweep(name: str) -> None:
    assert load_config(ROOT / "configs" / f"{name}.toml") == config_of(f"{name}/posted")


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps" / "threads").glob("*.toml")), ids=lambda path: path.stem)
def test_every_sweep_reads(path: Any) -> None:
    assert load_sweep(path).grid.size > 0


@pytest.mark.parametrize(
    ("fix", "posted", "changed"),
    [
        ("square_sgd/right_sign", "square_sgd/posted", {"optimizer.learning_rate"}),
        ("square_sgd/posted_divided", "square_sgd/posted", {"optimizer.learning_rate"}),
        ("square_sgd/scaled_inputs", "square_sgd/right_sign", {"data.scale_inputs", "optimizer.learning_rate"}),
        ("keras_line/half_rate", "keras_line/posted", {"optimizer.learning_rate"}),
        ("keras_line/seventeen_points", "keras_line/posted", {"data.n"}),
        ("keras_line/small_rate", "keras_line/posted", {"optimizer.learning_rate", "model.init_scale"}),
        ("tabular_mlp/smallest", "tabular_mlp/posted", {"data.missing", "data.scale_inputs", "data.scale_targets"}),
        ("relu_double/linear_small_rate", "relu_double/posted", {"model.output_activation", "optimizer.learning_rate"}),
        ("relu_double/small_inputs", "relu_double/posted", {"data.n", "model.hidden"}),
    ],
)
def test_a_fix_changes_only_what_it_says(fix: str, posted: str, changed: set[str]) -> None:
    tables = [config_of(name).model_dump() for name in (fix, posted)]
    differing = {
        f"{table}.{key}"
        for table in tables[0]
        for key in tables[0][table]
        if tables[0][table][key] != tables[1][table][key]
    }
    assert differing == changed


# ---- square_sgd ----------------------------------------------------------------------------------------------------


def test_square_sgd_as_posted_overflows_at_the_step_of_a_plain_loop() -> None:
    report = train("square_sgd/posted")
    a, b, step = 1.0, 1.0, 0
    with np.errstate(all="ignore"):
        while True:
            x = float(step % 100)
            error = a * x + b - (x * x + 2)
            if not np.isfinite(np.float64(error) * error):
                break
            a, b, step = a + 0.1 * x * error, b + 0.1 * error, step + 1
    assert report.row["first_inf_step"] == step
    assert (report.outcome, report.cause) == ("nan", "gradient_ascent")


def test_square_sgd_divided_prints_rounding_errors() -> None:
    printed = PRINTED["square_sgd"]["divided"]["values"]
    assert divided_loop(10) == printed, "a plain loop prints the thread's digits"
    assert divided_loop(1, Fraction)[0] == pytest.approx(1.0459e37, rel=1e-4)
    assert divided_fused() == pytest.approx(7.43e36, rel=1e-3)


def test_square_sgd_second_form_prints_the_last_sample_which_misleads() -> None:
    report = train("square_sgd/answer_sgd")
    assert report.row["loss_final"] > 50 * report.epochs[-1].last_loss
    assert report.row["loss_final"] > 3 * report.row["loss_floor"]


# ---- keras_line ----------------------------------------------------------------------------------------------------


def test_keras_line_turns_unstable_at_17_points_where_the_edge_falls_below_the_rate(grid) -> None:
    rows = grid(config_of("keras_line/posted").model_dump(), [{"key": "data.n", "range": [2, 25]}]).to_pylist()
    for row in rows:
        x = np.arange(1.0, row["n"] + 1)
        columns = np.stack([x, np.ones_like(x)], axis=1)
        critical = 2 / np.linalg.eigvalsh(2 * columns.T @ columns / row["n"])[-1]
        assert (row["outcome"] in ("nan", "inf", "diverged")) == (critical < 0.01)
        assert row["sharpness"] == pytest.approx(2 / critical, rel=1e-9)
    assert critical_rate("keras_line/posted", "data.n=16") > 0.01 > critical_rate("keras_line/posted", "data.n=17")


def test_keras_line_grows_by_the_square_of_one_minus_rate_times_curvature() -> None:
    losses = [epoch.mean_loss for epoch in train("keras_line/posted").epochs]
    predicted = (1 - 0.01 * 2 / critical_rate("keras_line/posted")) ** 2
    assert losses[19] / losses[18] == pytest.approx(predicted, rel=1e-5)


def test_the_row_that_only_validates_is_the_prediction_at_25() -> None:
    for rule in ((), ('optimizer.kind="adam"',)):
        report = train("keras_line/kernels", *rule)
        (predicted,) = report.predictions
        assert report.row["val_loss_final"] == pytest.approx((predicted - 12.5) ** 2, rel=1e-4, abs=1e-10)
    config = config_of("keras_line/kernels")
    rows, line = load_rows(config), load_rows(config_of("keras_line/posted"))
    assert (rows.inputs == line.inputs).all()
    assert (rows.targets == line.targets).all()
    assert (rows.val_inputs.item(), rows.val_targets.item()) == (25, 12.5)


# ---- tabular_mlp ---------------------------------------------------------------------------------------------------


def test_the_shipped_draws_are_those_of_the_answers_seed() -> None:
    state = np.random.RandomState(42)
    x, y = state.randn(100, 3), state.randn(100, 1)
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)
    kernels = [state.randn(3, 5) * np.sqrt(2 / 3), state.randn(5, 1) * np.sqrt(2 / 5)]
    folder = CONFIGS / "tabular_mlp"
    with np.load(folder / "answer_rows.npz") as rows, np.load(folder / "answer_weights.npz") as weights:
        assert np.array_equal(rows["x"], x)
        assert np.array_equal(rows["y"], y)
        for layer, kernel in enumerate(kernels):
            assert np.array_equal(weights[f"layers.{layer}.kernel"], kernel)
            assert not weights[f"layers.{layer}.bias"].any()


def test_tabular_mlp_is_mended_by_filling_and_scaling() -> None:
    posted, smallest = train("tabular_mlp/posted"), train("tabular_mlp/smallest")
    assert (posted.outcome, posted.cause, posted.row["first_nan_step"]) == ("nan", "nan_in_data", 0)
    assert smallest.row["r2"] > 0.8


# ---- relu_double ---------------------------------------------------------------------------------------------------


def test_relu_double_dies_and_stays_at_one_loss(grid) -> None:
    tree = config_of("relu_double/posted").model_dump()
    rows = grid(tree, [{"key": "training.seed", "range": [0, 12]}]).to_pylist()
    dead = np.mean((2.0 * np.arange(1, 601)) ** 2)  # what a net that says 0 everywhere costs
    assert {row["outcome"] for row in rows} == {"dead"}
    assert {row["cause"] for row in rows} == {"dead_at_init", "blown_up_then_dead"}
    for row in rows:
        assert row["loss_final"] == pytest.approx(dead, rel=1e-5)
        assert row["dead_fraction"] >= row["dead_fraction_initial"]
        assert row["first_nan_step"] is None


def test_relu_double_learns_with_the_smallest_fix(grid) -> None:
    tree = config_of("relu_double/linear_small_rate").model_dump()
    rows = grid(tree, [{"key": "training.seed", "range": [0, 12]}]).to_pylist()
    assert {row["outcome"] for row in rows} == {"converged"}


# ---- fractal_tanh --------------------------------------------------------------------------------------------------


def test_fractal_tanh_separates_trainable_from_untrainable(grid) -> None:
    axes = [{"key": f"optimizer.layer_learning_rates.{layer}", "log": [1e-3, 1e6], "num": 4} for layer in (0, 1)]
    rows = grid(SMALL_FRACTAL, axes).to_pylist()
    measure = {(row["learning_rate_0"], row["learning_rate_1"]): row["measure"] for row in rows}
    assert measure[1e-3, 1e-3] < 0 < measure[1e6, 1e6]
    assert measure[1e-3, 1e-3] == pytest.approx(-60, rel=0.01), (
        "a tiny rate barely moves: v/v₀ is 1 at each of 60 steps"
    )
