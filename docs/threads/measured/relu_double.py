"""Thread 4: a ReLU network on y = 2x whose loss never moves."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from measured.common import PRINTED, config_of, ended, printed_again, rows_of, share, steps_to_death, train
from nanmap.data import load_rows

NAME = "relu_double"
SWEPT = ("relu_double", "relu_double_smallest")
AXES = ("data", "output", "units", "rule")
POSTED = ("x = 1…750", "relu", "128", "SGD(0.01)")
ADAM = "Adam(0.0001), 200 epochs"
OFFERED = {
    "small_inputs": ("x = 1…9", "relu", "12", "SGD(0.01)"),
    "normal_inputs": ("x ~ N(0, 1)", "linear", "128", "SGD(0.01) with decay"),
    "adam": ("x = 1…750", "linear", "128", ADAM),
}
ROWS_LOGGED = 79_999  # the training rows of the printed log


def quick() -> dict[str, Any]:
    """From single trainings."""
    logged = {name: printed_again(PRINTED[NAME][name])[0] for name in ("posted_log", "posted_log_validation")}
    return {
        "posted": ended(train("relu_double/posted")),
        "steps_to_death": steps_to_death("relu_double/posted"),
        "dead_loss": float(np.mean((2.0 * np.arange(1, 601)) ** 2)),
        **logged,
        "log": solve_log(),
        "accuracy": {
            name: accuracy(f"relu_double/{name}") for name in ("posted", "normal_inputs", "linear_small_rate")
        },
    }


def swept(folder: Path) -> dict[str, Any]:
    """From the sweeps' rows."""
    rows, rates = rows_of(folder, SWEPT[0]), rows_of(folder, SWEPT[1])
    rows["works"], rates["works"] = rows.outcome == "converged", rates.outcome == "converged"
    combined = rows.groupby(list(AXES), sort=False)
    sure = combined.works.all()
    sure = [key for key, works in sure.items() if works]
    changes = {key: sum(a != b for a, b in zip(key, POSTED, strict=True)) for key in sure}
    fewest = min(changes.values())
    return {
        "posted": _fate(_select(rows, POSTED)),
        **{name: _fate(_select(rows, key)) for name, key in OFFERED.items()},
        "alone": {
            f"{axis} = {value}": _fate(_select(rows, tuple(value if name == axis else was for name, was in _posted())))
            for axis, was_posted in _posted()
            for value in rows[axis].unique()
            if value != was_posted
        },
        "small_inputs_linear": _fate(_select(rows, ("x = 1…9", "linear", "12", "SGD(0.01)"))),
        "scaled_relu": _fate(_select(rows, ("x, y / max", "relu", "128", "SGD(0.1)"))),
        "scaled": _fate(_select(rows, ("x, y / max", "linear", "128", "SGD(0.1)"))),
        "scaled_inputs_only": _fate(_select(rows, ("x / max", "linear", "128", "SGD(0.01)"))),
        "adam_fast": _fate(_select(rows, ("x = 1…750", "linear", "128", "Adam(0.01)"))),
        "relu_output": _fate(rows[rows.output == "relu"]),
        "best_with_relu_output": _best(rows[rows.output == "relu"]),
        "decay_changes": int(_differences(rows)),
        "combinations": len(combined),
        "sure_combinations": len(sure),
        "fewest_changes": fewest,
        "smallest": [list(key) for key in sure if changes[key] == fewest],
        "rates": {name: _sure_rates(part) for name, part in rates.groupby("output")},
        "rates_runs": int(rates.groupby(["output", "learning_rate"]).size().iloc[0]),
        "rate_small": {name: _at(part, 1e-6) for name, part in rates.groupby("output")},
        "trainings": len(rows) + len(rates),
    }


def _posted() -> list[tuple[str, str]]:
    return list(zip(AXES, POSTED, strict=True))


def _select(rows: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    for axis, value in zip(AXES, key, strict=True):
        rows = rows[rows[axis] == value]
    return rows


def _fate(rows: pd.DataFrame) -> dict[str, Any]:
    """How many work, and how many were dead from the start, were killed, or blew up and died."""
    causes = {cause: int((rows.cause == cause).sum()) for cause in ("dead_at_init", "killed", "blown_up_then_dead")}
    later = causes["killed"] + causes["blown_up_then_dead"]
    at_init = share(rows.cause == "dead_at_init")
    return share(rows.works) | causes | {"later": later, "at_init": at_init, "r2": rows.r2.median()}


def _best(rows: pd.DataFrame) -> dict[str, int]:
    """The combination that works most often."""
    parts = (share(part.works) for _, part in rows.groupby(list(AXES)))
    return max(parts, key=lambda each: each["successes"])


def _differences(rows: pd.DataFrame) -> int:
    """Runs whose outcome the decay of the rate changes."""
    keys = ["data", "output", "units", "seed"]
    plain, decayed = (rows[rows.rule == rule] for rule in ("SGD(0.01)", "SGD(0.01) with decay"))
    both = plain.merge(decayed, on=keys, suffixes=("", "_decayed"))
    return (both.outcome != both.outcome_decayed).sum()


def _sure_rates(rows: pd.DataFrame) -> list[float] | None:
    """The smallest and the largest rate at which every run works; None if there is none."""
    sure = rows.groupby("learning_rate").works.all()
    return [float(sure[sure].index.min()), float(sure[sure].index.max())] if sure.any() else None


def _at(rows: pd.DataFrame, rate: float) -> dict[str, int]:
    return share(rows[np.isclose(rows.learning_rate, rate)].works)


def solve_log() -> dict[str, Any]:
    """What the printed log follows from.

    79,999 rows are ⌊0.8·n⌋ for one n. A network that answers c for every row costs mean((2x − c)²); over x = 1 … m
    that is 4·mean(x²) − 4c·mean(x) + c², and one c gives both printed losses.
    """
    rows = [n for n in range(99_000, 101_000) if math.floor(n * 0.8) == ROWS_LOGGED]
    x = np.arange(1, rows[0] + 1, dtype=object)
    parts = {"posted_log": x[:ROWS_LOGGED], "posted_log_validation": x[ROWS_LOGGED:]}
    found: dict[str, Any] = {"rows": rows, "validation_rows": len(parts["posted_log_validation"])}
    for name, part in parts.items():
        printed = PRINTED[NAME][name]["values"][0]
        mean, square = float(sum(part)) / len(part), float(sum(part * part)) / len(part)
        root = math.sqrt((4 * mean) ** 2 - 4 * (4 * square - printed))
        found[name] = {
            "printed": printed,
            "answer_0": 4 * square,
            "answer_1": 4 * square - 4 * mean + 1,
            "solved": (4 * mean - root) / 2,
        }
    return found


def accuracy(name: str) -> dict[str, float]:
    """What Keras's `accuracy` says about a regression with one output, beside r2 on the same training rows.

    With one output it rounds: a prediction above 0.5 counts as class 1, any other as class 0, and is right where the
    target is that very number.
    """
    rows, report = load_rows(config_of(name)), train(name)
    params = report.params or {}
    hidden = np.maximum(rows.inputs @ params["layers.0.kernel"] + params["layers.0.bias"], 0)
    predicted = (hidden @ params["layers.1.kernel"] + params["layers.1.bias"])[:, 0]
    if report.config.model.output_activation == "relu":
        predicted = np.maximum(predicted, 0)
    return {
        "accuracy": float(np.mean((predicted > 0.5) == rows.targets[:, 0])),
        "r2": report.row["r2"],
        "perfect": float(np.mean((rows.targets[:, 0] > 0.5) == rows.targets[:, 0])),
    }
