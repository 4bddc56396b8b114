"""Thread 3: one hidden layer on a messy table."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from measured.common import config_of, ended, rows_of, share, side_by_side, steps_to_death, train
from nanmap.data import load_rows

NAME = "tabular_mlp"
SWEPT = ("tabular_mlp", "tabular_mlp_rates")
GOOD = 0.8  # "works": the network explains this share of the variance of the prices
# Each piece of advice: the axis, what was posted, what is advised.
ADVICE: dict[str, tuple[str, Any, Any]] = {
    "missing": ("missing", "keep", "mean"),
    "onehot": ("categorical", "codes", "onehot"),
    "inputs": ("scale_inputs", "none", "standard"),
    "targets": ("scale_targets", "none", "standard"),
    "init": ("init", "normal", "he_normal"),
    "clipping": ("clipping", "off", "±1"),
    "rate": ("learning_rate", 0.1, 0.01),
}


def quick() -> dict[str, Any]:
    """From single trainings."""
    table = pd.read_csv(config_of("tabular_mlp/posted").data.path)
    return {
        "median_year": float(table.year.median()),
        "median_price": float(table.price.median()),
        "answer_log": side_by_side(NAME, "answer"),
        "posted": ended(train("tabular_mlp/posted")),
        "smallest": ended(train("tabular_mlp/smallest")),
        "advised": ended(train("tabular_mlp/advised")),
        "steps_to_death": steps_to_death(
            "tabular_mlp/smallest", 'data.scale_inputs="none"', 'data.scale_targets="none"'
        ),
        "answer_r2": train("tabular_mlp/answer").row["r2"],
        "columns": [line.split(": ", 1) for line in load_rows(config_of("tabular_mlp/posted")).report],
    }


def swept(folder: Path) -> dict[str, Any]:
    """From the sweeps' rows."""
    rows, rates = rows_of(folder, SWEPT[0]), rows_of(folder, SWEPT[1])
    rows["works"] = rows.r2 >= GOOD
    rates["works"] = rates.r2 >= GOOD
    everything = set(ADVICE)
    sure = _smallest_sure(rows)
    return {
        "good": GOOD,
        "posted": _followed(rows, set()),
        "all": _followed(rows, everything),
        "all_dropped": _followed(rows, everything, {"missing": "drop"}),
        "alone": {name: _followed(rows, {name}) for name in ADVICE},
        "with_missing": {name: _followed(rows, {"missing", name}) for name in ADVICE},
        "without": {name: _followed(rows, everything - {name}) for name in ADVICE},
        "smallest": [sorted(each, key=list(ADVICE).index) for each in sure],
        "smallest_share": _followed(rows, sure[0]) if sure else None,
        "on_top": {name: _followed(rows, {"missing", "inputs", "targets", name}) for name in ADVICE},
        "onehot_insured": {
            name: _followed(rows, {"missing", "inputs", "targets", "onehot", name})
            for name in ("init", "clipping", "rate")
        },
        "constant": share(_constant(rows)),
        "sure_rates": {name: _sure_rates(part) for name, part in rates.groupby(["scaling", "clipping"])},
        "trainings": len(rows) + len(rates),
    }


def _followed(rows: pd.DataFrame, followed: set[str], changed: dict[str, Any] | None = None) -> dict[str, Any]:
    """The runs that follow these pieces of advice and no other: how many work, and their median r2."""
    for name, (axis, posted, advised) in ADVICE.items():
        value = (changed or {}).get(name, advised if name in followed else posted)
        rows = rows[rows[axis] == value]
    worst = rows.outcome.value_counts()
    return share(rows.works) | {"r2": rows.r2.median(), "outcomes": worst.to_dict()}


def _smallest_sure(rows: pd.DataFrame) -> list[set[str]]:
    """The smallest sets of advice with which every run works."""
    for size in range(len(ADVICE) + 1):
        sure = [set(chosen) for chosen in combinations(ADVICE, size)]
        sure = [each for each in sure if (found := _followed(rows, each))["successes"] == found["runs"]]
        if sure:
            return sure
    return []


def _constant(rows: pd.DataFrame) -> pd.Series:
    """Runs with a scaled target and raw inputs, nothing missing, whose network answers a constant."""
    part = rows[(rows.scale_targets == "standard") & (rows.scale_inputs == "none") & (rows.missing != "keep")]
    return part.output_spread < 0.01


def _sure_rates(rows: pd.DataFrame) -> list[float] | None:
    """The smallest and the largest rate at which every run works; None if there is none."""
    sure = rows.groupby("learning_rate").works.all()
    return [float(sure[sure].index.min()), float(sure[sure].index.max())] if sure.any() else None
