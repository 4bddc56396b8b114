"""The four threads' printed figures, from the threads' own settings."""

from typing import Any

import numpy as np
import pytest

SQUARE: dict[str, Any] = {
    "data": {"kind": "square", "inputs": "linspace", "start": 0, "stop": 10, "n": 100},
    "model": {"init": "ones", "bias_init": "ones"},
    "loss": {"kind": "half_mse"},
    "training": {"epochs": 10, "batch_size": 1, "order": "sequential", "dtype": "float64"},
}
KERAS_LINE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "model": {"init": "ones", "init_scale": -1.2727700},
    "training": {"epochs": 500, "batch_size": 32},
}
PRINTED_KERAS = [
    450.9794, 1603.0852, 5698.4731, 20256.3398, 72005.1719, 255956.5938, 909848.5, 3234236, 11496730, 40867392, 145271264, 516395584,
    1835629312, 6525110272, 23194802176, 82450513920, 293086593024, 1041834835968, 3703408164864, 13164500484096,
]  # fmt: skip


def with_rate(tree: dict[str, Any], rate: float, **more: Any) -> dict[str, Any]:
    return tree | {"optimizer": {"learning_rate": rate}} | more


def test_square_sgd_first_form_prints_its_mean_losses(train) -> None:
    report = train(with_rate(SQUARE, 0.1 * 2 / 100))
    printed = [
        33.117127,
        42.949756,
        40.733332,
        38.657764,
        36.774646,
        35.067299,
        33.520409,
        32.119958,
        30.853112,
        29.708126,
    ]
    assert [round(epoch.mean_loss, 6) for epoch in report.epochs] == printed
    assert report.params["layers.0.kernel"].item() == pytest.approx(10.119182618627, abs=1e-9)
    assert report.params["layers.0.bias"].item() == pytest.approx(-3.405762216461, abs=1e-9)


def test_square_sgd_second_form_prints_the_last_sample_which_misleads(train) -> None:
    report = train(with_rate(SQUARE, 0.01 * 2))
    printed = [0.130379, 0.123007, 0.117352, 0.112991, 0.109615, 0.106992, 0.104948, 0.103353, 0.102105, 0.101127]
    assert [round(epoch.last_loss, 6) for epoch in report.epochs] == printed
    assert report.row["loss_final"] > 50 * printed[-1], "the loss over all rows is far above the last sample's"
    assert report.row["loss_final"] > 1.2 * report.row["loss_floor"]


def test_square_sgd_as_posted_climbs_to_nan(train) -> None:
    tree = with_rate(SQUARE | {"data": {"kind": "square", "start": 0, "n": 100}}, -0.1)
    report = train(tree)
    a, b, step = 1.0, 1.0, 0
    with np.errstate(all="ignore"):
        while np.isfinite([a, b]).all():
            x = float(step % 100)
            error = a * x + b - (x * x + 2)
            loss = 0.5 * error * error
            a, b = a + 0.1 * x * error, b + 0.1 * error
            if not np.isfinite(loss):
                break
            step += 1
    assert report.row["first_inf_step"] == step
    assert (report.outcome, report.cause) == ("nan", "gradient_ascent")
    assert report.epochs[0].last_loss == np.inf
    assert report.epochs[-1].last_loss != report.epochs[-1].last_loss


def test_keras_line_prints_its_losses_and_overflows_at_epoch_64(train) -> None:
    report = train(with_rate(KERAS_LINE, 0.01))
    np.testing.assert_allclose([epoch.mean_loss for epoch in report.epochs[:20]], PRINTED_KERAS, rtol=1e-5)
    assert next(number for number, epoch in enumerate(report.epochs, 1) if np.isinf(epoch.mean_loss)) == 64
    assert (report.outcome, report.cause) == ("nan", "overflow") or report.outcome == "inf"


def test_keras_line_turns_unstable_at_17_points_where_the_edge_falls_below_the_rate(grid) -> None:
    sizes = list(range(2, 25))
    tree = with_rate(KERAS_LINE, 0.01)
    rows = grid(tree, [{"key": "data.n", "values": sizes}]).to_pylist()
    first_unstable = next(row["n"] for row in rows if row["outcome"] in ("nan", "inf", "diverged"))
    for row in rows:
        x = np.arange(1.0, row["n"] + 1)
        columns = np.stack([x, np.ones_like(x)], axis=1)
        critical = 2 / (2 * np.linalg.eigvalsh(columns.T @ columns / row["n"])[-1])
        assert (row["outcome"] in ("nan", "inf", "diverged")) == (critical < 0.01), (row["n"], critical)
        assert row["sharpness"] == pytest.approx(2 / critical, rel=1e-9)
    assert first_unstable == 17


def test_keras_line_is_mended_by_a_hundredth_of_the_rate(train) -> None:
    report = train(with_rate(KERAS_LINE, 0.0001))
    assert report.outcome == "converged"
    assert report.epochs[-1].mean_loss < 0.02


def test_tabular_mlp_prints_the_losses_of_its_seed(npz, train) -> None:
    state = np.random.RandomState(42)
    x, y = state.randn(100, 3), state.randn(100, 1)
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)
    kernels = [state.randn(3, 5) * np.sqrt(2 / 3), state.randn(5, 1) * np.sqrt(2 / 5)]
    start = {
        f"layers.{index}.{name}": values
        for index, kernel in enumerate(kernels)
        for name, values in (("kernel", kernel), ("bias", np.zeros(kernel.shape[1])))
    }
    report = train(
        {
            "data": {"kind": "npz", "path": npz(x=x, y=y)},
            "model": {"hidden": [5], "init": "file", "init_file": npz(**start)},
            "optimizer": {"learning_rate": 0.01, "clip_output_gradient": 1.0},
            "training": {"epochs": 1000, "batch_size": 100, "dtype": "float64"},
        }
    )
    ours = [1.782159, 1.047726, 0.992307, 0.967995, 0.952582, 0.941579, 0.932733, 0.926808, 0.922721, 0.918919]
    assert [round(epoch.mean_loss, 6) for epoch in report.epochs[::100]] == ours


def test_relu_double_dies_and_stays_at_one_loss(grid) -> None:
    tree = {
        "data": {"kind": "line", "start": 1, "n": 750, "slope": 2, "validation_split": 0.2},
        "model": {"hidden": [128], "activation": "relu", "output_activation": "relu"},
        "training": {"epochs": 2, "batch_size": 100},
        "optimizer": {"learning_rate": 0.01},
    }
    rows = grid(tree, [{"key": "training.seed", "range": [0, 6]}]).to_pylist()
    dead = np.mean((2.0 * np.arange(1, 601)) ** 2)  # what a net that says 0 everywhere costs
    assert [row["outcome"] for row in rows] == ["dead"] * 6
    for row in rows:
        assert row["loss_final"] == pytest.approx(dead, rel=1e-5)
        assert row["dead_fraction"] >= row["dead_fraction_initial"]
        assert row["first_nan_step"] is None
    assert {"killed", "blown_up_then_dead"} & {row["cause"] for row in rows}, "some were alive at the start"


def test_fractal_tanh_separates_trainable_from_untrainable(grid) -> None:
    tree = {
        "data": {"kind": "gaussian", "n": 24, "features": 16},
        "model": {
            "hidden": [16],
            "activation": "tanh",
            "bias": False,
            "init": "normal",
            "parametrization": "mean_field",
            "gain": 2**0.5,
        },
        "optimizer": {"layer_learning_rates": [1.0, 1.0]},
        "training": {"steps": 60, "batch_size": 24, "dtype": "float64"},
    }
    axes = [{"key": f"optimizer.layer_learning_rates.{layer}", "log": [1e-3, 1e6], "num": 4} for layer in (0, 1)]
    rows = grid(tree, axes).to_pylist()
    measure = {(row["learning_rate_0"], row["learning_rate_1"]): row["measure"] for row in rows}
    assert measure[1e-3, 1e-3] < 0 < measure[1e6, 1e6]
    assert measure[1e-3, 1e-3] == pytest.approx(-60, rel=0.01), (
        "a tiny rate barely moves: v/v₀ is 1 at each of 60 steps"
    )
