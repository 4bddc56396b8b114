"""Thread 2: one Keras unit on n points of y = x / 2."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from measured.common import BLOWN_UP, PRINTED, critical_rate, ended, printed_again, rows_of, shares, side_by_side, train

NAME = "keras_line"
SWEPT = ("keras_line_points", "keras_line_growth", "keras_line_advice", "keras_line_starts")
RATE = 0.01
TARGET, TOLERANCE = 12.5, 0.01  # y at x = 25, and how near a prediction counts as right
FULL_BATCH = 32


def quick() -> dict[str, Any]:
    """From single trainings."""
    posted = train("keras_line/posted")
    losses = [epoch.mean_loss for epoch in posted.epochs]
    critical = {str(n): critical_rate("keras_line/posted", f"data.n={n}") for n in range(8, 41)}
    growth = (1 - RATE * 2 / critical["20"]) ** 2
    return {
        "posted": ended(posted),
        "posted_log": side_by_side(NAME, "posted"),
        "first_inf_epoch_of_means": 20 + math.ceil(math.log(np.finfo(np.float32).max / losses[19]) / math.log(growth)),
        "first_inf_epoch": printed_again(PRINTED[NAME]["posted_overflow"])[0],
        "growth_measured": losses[19] / losses[18],
        "growth_predicted": growth,
        "sharpness": 2 / critical["20"],
        "factor": 1 - RATE * 2 / critical["20"],
        "critical_rate": critical,
        "first_unstable_predicted": next(n for n in range(8, 41) if critical[str(n)] < RATE),
        "last_stable_predicted": max(n for n in range(8, 41) if critical[str(n)] > RATE),
        "ten_points": printed_again(PRINTED[NAME]["ten_points"])[0],
        "seventeen_points": ended(train("keras_line/seventeen_points")),
        "small_rate": printed_again(PRINTED[NAME]["small_rate"]),
        "adam": printed_again(PRINTED[NAME]["adam"])[0],
        "half_rate": train("keras_line/half_rate").predictions[0],
        "kernel": {
            name: train(f"keras_line/{name}").config.model.init_scale
            for name in ("posted", "ten_points", "small_rate", "adam")
        },
    }


def swept(folder: Path) -> dict[str, Any]:
    """From the sweeps' rows."""
    points, growth, advice, starts = (rows_of(folder, name) for name in SWEPT)
    points["blown_up"] = points.outcome.isin(BLOWN_UP)
    at_rate = points[np.isclose(points.learning_rate, RATE)]
    first = at_rate[at_rate.blown_up].groupby("batch_size").n.min()
    small = at_rate[(at_rate.batch_size == FULL_BATCH) & (at_rate.n <= 24)]
    advice["right"], starts["right"] = _right(advice), _right(starts)
    return {
        "first_unstable": int(first[FULL_BATCH]),
        "table": [
            [
                int(row.n),
                2 / row.sharpness,
                row.outcome,
                None if pd.isna(row.first_inf_step) else int(row.first_inf_step),
            ]
            for row in small.itertuples()
        ],
        "edge": _edge(points[points.batch_size > FULL_BATCH]),
        "short_batches": _edge(points[(points.batch_size == FULL_BATCH) & (points.n > FULL_BATCH)]),
        "growth": _growth(growth),
        "right": shares(advice, "advice", "right"),
        "right_rates": {rule: _sure_rates(part) for rule, part in starts.groupby("optimizer")},
        "trainings": sum(map(len, (points, growth, advice, starts))),
    }


def _right(rows: pd.DataFrame) -> pd.Series:
    """Whether the prediction at x = 25 is near enough: the row of x = 25 is all there is to validate on."""
    return rows.val_loss_final <= (TOLERANCE * TARGET) ** 2


def _edge(rows: pd.DataFrame) -> dict[str, float]:
    """Where the smallest rate that blows up and the largest that does not lie, over all n, in units of 2/λmax."""
    found = []
    for _, part in rows.groupby("n"):
        critical = 2 / part.sharpness.iloc[0]
        bad, good = part[part.blown_up].learning_rate.min(), part[~part.blown_up].learning_rate.max()
        found.append((good / critical, bad / critical))
    below, above = np.array(found).T
    return {
        "last_good": float(below.max()),
        "first_bad": float(above.min()),
        "spacing": 10 ** (4 / 96),
        "n": len(found),
    }


def _growth(rows: pd.DataFrame) -> dict[str, Any]:
    """The loss's factor from one update to the next, against (1 − ηλ)², for every n."""
    losses = rows.pivot(index="n", columns="steps", values="loss_final")
    before, after = sorted(losses.columns)
    measured = losses[after] / losses[before]
    predicted = (1 - RATE * rows.groupby("n").sharpness.first()) ** 2
    return {
        "table": [[int(n), measured[n], predicted[n]] for n in measured.index],
        "worst": float((measured / predicted - 1).abs().max()),
        "first_n": int(measured.index.min()),
        "last_n": int(measured.index.max()),
    }


def _sure_rates(rows: pd.DataFrame) -> list[float] | None:
    """The smallest and the largest rate that are right from every start; None if none is."""
    sure = rows.groupby("learning_rate").right.all()
    return [float(sure[sure].index.min()), float(sure[sure].index.max())] if sure.any() else None
