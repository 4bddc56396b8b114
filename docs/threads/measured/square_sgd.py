"""Thread 1: a straight line fitted to x² + 2, one sample at a time."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from measured.common import BLOWN_UP, config_of, critical_rate, ended, rows_of, share, shares, side_by_side, train
from nanmap.data import load_rows

NAME = "square_sgd"
SWEPT = ("square_sgd", "square_sgd_fixes")
NEAR = 1.25  # "near the best line": the loss over all rows is at most this many times its loss
LONG = "training.epochs=1000"


def quick() -> dict[str, Any]:
    """From single trainings."""
    posted, right_sign = train("square_sgd/posted"), train("square_sgd/right_sign")
    answers = {name: _against_best(f"square_sgd/{name}") for name in ("answer_gd", "answer_sgd")}
    longer = {f"{name}_long": _against_best(f"square_sgd/{name}", LONG) for name in answers}
    return {
        "posted": ended(posted) | {"last_losses": [epoch.last_loss for epoch in posted.epochs]},
        "right_sign": ended(right_sign),
        "scaled_inputs": _against_best("square_sgd/scaled_inputs"),
        **answers,
        **longer,
        "small_rate_bias": train("square_sgd/right_sign", "optimizer.learning_rate=1e-6")
        .params["layers.0.bias"]
        .item(),
        "best_bias": float(np.polynomial.Polynomial.fit(np.arange(100), np.arange(100) ** 2 + 2, 1).convert().coef[0]),
        "answer_gd_log": side_by_side(NAME, "answer_gd"),
        "answer_sgd_log": side_by_side(NAME, "answer_sgd"),
        "answer_sgd_last": train("square_sgd/answer_sgd").epochs[-1].last_loss,
        "divided_loop": divided_loop(10),
        "divided_exact": divided_loop(1, Fraction)[0],
        "divided_fused": divided_fused(),
        "critical_rate": critical_rate("square_sgd/right_sign"),
        "critical_rate_scaled": critical_rate("square_sgd/scaled_inputs"),
        "largest_scaled": float(load_rows(config_of("square_sgd/scaled_inputs")).inputs.max()),
        "last_sample_rate": 2 / (99**2 + 1),
        "last_sample_rate_answer": 2 / (10**2 + 1),
        "factor_posted": 1 + 0.1 * (99**2 + 1),  # of the error of x = 99 by its own update
        "factor_right_sign": 1 - 0.1 * (99**2 + 1),
        "factor_divided": 0.001 * (99**2 + 1) - 1,
        "quiet_until": max(x for x in range(100) if 0.001 * (x**2 + 1) < 2),
    }


def _against_best(name: str, *overrides: str) -> dict[str, Any]:
    """How a training ended, beside the loss of the best straight line."""
    report = train(name, *overrides)
    floor = report.row["loss_floor"]
    return ended(report) | {"floor": floor, "ratio": report.row["loss_final"] / floor}


def swept(folder: Path) -> dict[str, Any]:
    """From the sweeps' rows."""
    fixes, rows = rows_of(folder, "square_sgd_fixes"), rows_of(folder, "square_sgd")
    fixes["finite"] = ~fixes.outcome.isin(BLOWN_UP)
    fixes["near"] = fixes.loss_final <= NEAR * fixes.loss_floor
    fixes["ratio"] = fixes.loss_final / fixes.loss_floor
    rows["finite"] = ~rows.outcome.isin(BLOWN_UP)
    same = ["batch_size", "scale_inputs", "init", "seed", "learning_rate"]
    both = rows[rows.dtype == "float32"].merge(rows[rows.dtype == "float64"], on=same, suffixes=("_32", "_64"))
    finite = both.finite_32 != both.finite_64
    both["differs"] = both.outcome_32 != both.outcome_64
    return {
        "finite": shares(fixes, "fix", "finite"),
        "near": shares(fixes, "fix", "near"),
        "ratio": fixes.groupby("fix").ratio.median().to_dict(),
        "near_limit": NEAR,
        "trainings": len(rows) + len(fixes),
        "largest_finite_rate": {
            scaling: {
                str(batch): _largest_finite(part)
                for batch, part in of_scaling[of_scaling.dtype == "float64"].groupby("batch_size")
            }
            for scaling, of_scaling in rows.groupby("scale_inputs")
        },
        "dtypes_differ": share(both.differs),
        "dtypes_differ_in_blowing_up": share(finite),
    }


def _largest_finite(rows: Any) -> float:
    """The largest rate up to which every start stays finite and below its first loss."""
    good = rows.groupby("learning_rate").finite.all()
    return float(good[good.cummin()].index.max())


def divided_loop(epochs: int, number: Callable[[float], Any] = float) -> list[float]:
    """Last loss of each epoch of the second try, `a = a - 0.1 / n * x * (y_hat - y)`, in plain Python.

    Args:
        epochs: passes over x = 0 … 99.
        number: the kind of number to compute with; `Fraction` is exact.
    """
    a, b, losses = number(1), number(1), []
    rate = number(1) / 1000 if number is Fraction else 0.1 / 100
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(epochs):
            for x in map(number, range(100)):
                error = a * x + b - (x * x + 2)
                loss = np.float64(error) * np.float64(error) / 2 if number is float else error * error / 2
                a, b = a - rate * x * error, b - rate * error
            losses.append(float(loss))
    return losses


def divided_fused() -> float:
    """The first epoch's last loss where a·x + b is rounded once, as a fused multiply-add does it."""
    a = b = 1.0
    for x in map(float, range(100)):
        error = float(Fraction(a) * Fraction(x) + Fraction(b)) - (x * x + 2)
        a, b = a - 0.001 * x * error, b - 0.001 * error
    return 0.5 * error * error
