"""What can be diagnosed at all: rows that say something, and not so many that a look at some of them would not do."""

import time
from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np

from nanmap.config import Config, build_config
from nanmap.data import Rows
from nanmap.data.given import GivenArrays, with_arrays
from nanmap.data.sampled import sample_of
from nanmap.diagnosis.answer import Whole
from nanmap.diagnosis.bench import Ask, Bench
from nanmap.diagnosis.search import STARTS
from nanmap.engine import LocalEngine
from nanmap.engine.base import Engine
from nanmap.engine.estimate import update_seconds
from nanmap.errors import InputError

MOST_ROWS, MOST_VALUES = 20_000, 500_000  # above both, some rows are looked at in place of all
SLOW, MORE, AGAIN = 1.0, 20, 3  # seconds; updates; times
TIMES = 10  # what the whole takes over the settings from all starts, about


def as_trained_elsewhere(config: Config) -> Config:
    """The settings as other programs train them, which stop at no missing value: NumPy and Keras compute with NaN."""
    if config.data.missing != "error":
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"missing": "keep"})})


class LookedAt(NamedTuple):
    """Settings with some of their rows where there are very many.

    Attributes:
        given: those rows, or the arrays as they were given.
        whole: where all of them are; None where all are looked at.
        notes: what is to be said of it.
    """

    config: Config
    given: GivenArrays | None
    whole: Whole | None = None
    notes: tuple[str, ...] = ()


def looked_at(config: Config, given: GivenArrays | None) -> LookedAt:
    """The settings, with fewer rows than they have where these are very many."""
    sample = sample_of(config.data, given, MOST_ROWS, MOST_VALUES)
    if sample is None:
        return LookedAt(config, given)
    tree = with_arrays(config.model_dump(mode="python", exclude_unset=True), sample.given)
    size = config.training.batch_size
    passes = f"a pass over them has {ceil(sample.rows / size):,} updates in place of {ceil(sample.total / size):,}"
    note = f"{sample.rows:,} of {sample.total:,} rows were looked at, drawn once: steps, epochs and losses are those of these rows; {passes}"
    return LookedAt(build_config(tree), sample.given, Whole(config.data, sample.total), (note,))


def check_target(config: Config) -> None:
    """Raises InputError for a target that is among the inputs: every network would copy it."""
    target, columns = config.data.target, config.data.columns
    if columns is not None and target in columns:
        mend = "leave it out of data.columns"
        raise InputError("is among the inputs, too", file=config.data.path, key="data.target", value=target, mend=mend)


def check_rows(config: Config, rows: Rows) -> None:
    """Refuses rows of which no training could be judged.

    Raises:
        InputError: there is one row, or no input tells rows apart.
    """
    file, known = config.data.path, rows.inputs[np.isfinite(rows.inputs).all(axis=1)]
    if rows.n == 1:
        raise InputError(
            "is a single row: any answer to it can be had", file=file, key="data", mend="give at least two rows"
        )
    if len(known) > 1 and (known == known[:1]).all():
        problem = f"all {rows.inputs.shape[1]} input columns are constant: they tell no rows apart"
        raise InputError(problem, file=file, key="data.columns", mend="give inputs that differ from row to row")


def row_notes(rows: Rows) -> Iterator[str]:
    """What a reader should know of the rows beside their training."""
    columns = rows.inputs.shape[1]
    for place in np.flatnonzero((rows.inputs == rows.targets[:, :1]).all(axis=0)):
        yield f"input {rows.features[place]} is the target itself: a network that copies it has learned nothing"
    if columns >= rows.n:
        yield f"{columns:,} columns and {rows.n:,} rows: a line passes through all of them, whatever they say; success here says nothing of other rows"


def check_time(bench: Bench, engine: Engine, budget: float) -> None:
    """Refuses trainings that are too long for the budget, by an estimate.

    Raises:
        InputError: with the estimate.
    """
    if not isinstance(engine, LocalEngine):
        return
    variant, width = bench.variant, engine.width(bench.variant.program)
    own = variant.program.model.most_together is not None  # nobody knows what is in it
    update = _measured(bench) if own else update_seconds(variant.program, width, engine.backend)
    seconds = update * variant.steps * -(-STARTS // width) / len(engine.devices)
    if (1 if own else TIMES) * seconds > budget:  # a measurement may be too long by much, where others work as well
        told = f"{seconds / 60:,.0f} min" if seconds > 90 else f"{seconds:.2g} s"
        raise InputError(
            f"{STARTS} starts of {variant.steps:,} updates would take about {told}, and the whole diagnosis some {TIMES} times as long",
            key="--budget",
            value=f"{budget:g} s",
            mend=f"--budget {ceil(TIMES * seconds)}, or fewer epochs: what goes wrong mostly goes wrong early",
        )


def _measured(bench: Bench) -> float:
    """Seconds of an update, from trainings of one start: what a longer one takes more; of slow ones what one takes in all."""
    _time(bench, 1)  # compiles
    once = _time(bench, 1)
    if once > SLOW:
        return once
    return max(0.0, min(_time(bench, 1 + MORE) for _ in range(AGAIN)) - once) / MORE


def _time(bench: Bench, steps: int) -> float:
    began = time.perf_counter()
    bench.train([Ask({}, bench.own_seed, steps=steps)])
    return time.perf_counter() - began
