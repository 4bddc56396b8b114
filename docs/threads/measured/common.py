"""What the four threads share: training a config of configs/threads, reading a sweep's rows, the printed figures."""

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from nanmap.config import Config, load_config
from nanmap.data import load_rows
from nanmap.engine import LocalEngine
from nanmap.outcomes import Cause, Outcome
from nanmap.result import Result
from nanmap.runs.single import TrainingReport, train_one
from nanmap.theory import linear_problem

ROOT = Path(__file__).parents[3]
CONFIGS, SWEEPS = ROOT / "configs" / "threads", ROOT / "sweeps" / "threads"
PRINTED = tomllib.loads(Path(__file__).parents[1].joinpath("printed.toml").read_text(encoding="utf-8"))
ASKED = [25.0]  # the x of the predictions in thread 2
BLOWN_UP = (Outcome.NAN, Outcome.INF, Outcome.DIVERGED)


def config_of(name: str, *overrides: str) -> Config:
    """A config of configs/threads by its name, such as `keras_line/posted`."""
    return load_config(CONFIGS / f"{name}.toml", overrides)


@cache
def train(name: str, *overrides: str) -> TrainingReport:
    """One training of a config; linear models also predict at x = 25."""
    config = config_of(name, *overrides)
    inputs = [ASKED] if not config.model.hidden else []
    return train_one(config, predict=inputs, engine=_engine())


@cache
def _engine() -> LocalEngine:
    return LocalEngine()


def printed_again(figure: dict[str, Any]) -> list[float]:
    """What nanmap finds in place of a printed figure: an entry of printed.toml that names a config."""
    report, what = train(figure["config"]), figure["what"]
    if what == "prediction":
        return [report.predictions[0]]
    if what in ("kernel", "bias"):
        return [report.params[f"layers.0.{what}"].item()]
    if what == "first_inf_epoch":
        return [next(number for number, epoch in enumerate(report.epochs, 1) if math.isinf(epoch.mean_loss))]
    losses = [getattr(epoch, what) for epoch in report.epochs]
    if math.isnan(losses[-1]):  # a training ends at its first NaN; the threads' programs went on printing it
        losses += [math.nan] * max(epochs_of(figure))
    return [losses[number - 1] for number in epochs_of(figure)]


def epochs_of(figure: dict[str, Any]) -> list[int]:
    """The epochs, from 1, that a printed figure tells of."""
    return figure.get("epochs", list(range(1, len(figure["values"]) + 1)))


def side_by_side(thread: str, name: str) -> list[list[float]]:
    """Rows of an epoch, the printed loss and ours."""
    figure = PRINTED[thread][name]
    return [list(row) for row in zip(epochs_of(figure), figure["values"], printed_again(figure), strict=True)]


def critical_rate(name: str, *overrides: str) -> float:
    """2/λmax of a linear model: gradient descent on all rows is unstable above it."""
    config = config_of(name, *overrides)
    problem = linear_problem(config, load_rows(config))
    assert problem, f"{name} is no linear model with a squared loss"
    return 2 / problem.sharpness


def steps_to_death(name: str, *overrides: str, seeds: int = 8) -> int:
    """After how many updates every ReLU unit is dead for each of the first seeds whose network was alive before."""
    alive = [seed for seed in range(seeds) if _cause(name, *overrides, f"training.seed={seed}") != Cause.DEAD_AT_INIT]
    for steps in range(1, 100):
        runs = [train(name, *overrides, f"training.steps={steps}", f"training.seed={seed}") for seed in alive]
        if all(run.row["dead_fraction"] == 1 for run in runs):
            return steps
    raise ValueError(f"{name} does not die")


def _cause(name: str, *overrides: str) -> Cause:
    return train(name, *overrides, "training.steps=1").cause


def ended(report: TrainingReport) -> dict[str, Any]:
    """How a training ended, for a page."""
    row = report.row
    return {
        "outcome": str(report.outcome),
        "cause": str(report.cause),
        "loss": row["loss_final"],
        "r2": row["r2"],
        "first_inf_step": row["first_inf_step"],
        "first_nan_step": row["first_nan_step"],
    }


def rows_of(folder: Path, sweep: str) -> pd.DataFrame:
    """A sweep's rows, texts as plain texts."""
    rows = Result(folder / sweep).to_pandas()
    return rows.astype({name: str for name in rows.columns if rows[name].dtype == "category"})


def share(hits: pd.Series) -> dict[str, int]:
    """How many of the runs did it."""
    return {"successes": int(hits.sum()), "runs": len(hits)}


def shares(rows: pd.DataFrame, by: str | list[str], hit: str) -> dict[Any, dict[str, int]]:
    """The share of a column of truths for every value of an axis."""
    return {value: share(part[hit]) for value, part in rows.groupby(by, observed=True, sort=False)}
