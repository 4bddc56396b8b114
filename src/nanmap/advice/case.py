"""One training that has ended, with what its evidence and its remedies look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nanmap.config import Config
from nanmap.config.load import with_settings
from nanmap.config.optimizers import written_bound
from nanmap.data import Rows
from nanmap.errors import InputError
from nanmap.outcomes import Cause, Trend
from nanmap.plan import Lanes, Plan, Variant, make_sweep
from nanmap.plan.reach import beyond_reach
from nanmap.theory.closed_form import gradient_descent
from nanmap.theory.facts import Forecaster, critical_rates
from nanmap.theory.predict import why_not_descent

TINY = 0.03  # an input column that varies by less has not been scaled either: its kernel would have to be as large
RAW = 3.0  # a column whose mean or standard deviation is beyond this has not been scaled


class Edge(NamedTuple):
    """A learning rate above which training turns unstable, and which rule says so."""

    rate: float
    name: str


@dataclass(frozen=True)
class Case:
    """A finished training.

    Attributes:
        lanes: the batch that holds it alone.
        row: its row, by column.
    """

    lanes: Lanes
    row: Mapping[str, Any]

    @property
    def variant(self) -> Variant:
        """Its settings and its rows."""
        return self.lanes.variants[0]

    @property
    def config(self) -> Config:
        """Its settings."""
        return self.variant.config

    @property
    def rows(self) -> Rows:
        """What it was trained on."""
        return self.variant.rows

    @property
    def cause(self) -> Cause:
        """Why."""
        return Cause(self.row["cause"])

    @property
    def rate(self) -> float | None:
        """Its learning rate; None where layers have their own."""
        return None if self.config.optimizer.layer_learning_rates else self.config.optimizer.learning_rate

    @cached_property
    def edge(self) -> Edge | None:
        """The critical rate of its rule; of a network what the sharpness at the start makes of it, to first order."""
        return edge_of(self.lanes)

    @cached_property
    def large_steps(self) -> bool:
        """Whether the rate is beyond half of its edge. What is slow there has steep and flat directions at once."""
        return self.edge is not None and self.rate is not None and self.rate > self.edge.rate / 2

    @property
    def out_of_reach(self) -> bool:
        """Whether some target is a number that the output's activation never gives."""
        return beyond_reach(self.variant) is not None

    @property
    def trend(self) -> Trend:
        """The way that its losses went, beside its thresholds."""
        limits = {name: getattr(self.config.outcome, name) for name in ("ratio", "rising", "falling", "rebound")}
        return Trend.of({**self.row, **limits})

    def with_settings(self, settings: Mapping[str, Any]) -> "Lanes | None":
        """The same training under other settings; None where they do not go together."""
        try:
            tree = with_settings(self.config.model_dump(mode="python", exclude_unset=True), settings)
            plan = Plan(make_sweep(tree, []), allow_python=True)  # this training has run
            return plan.lanes(plan.grid.cells(np.arange(1)))[0]
        except InputError:
            return None

    @cached_property
    def raw_inputs(self) -> bool:
        """Whether some column of the inputs lies far from 0, or varies by much more or less than 1, and nothing scales them."""
        columns, form = self.rows.inputs, self.rows.input_form
        if form is not None and form.whole:  # tokens
            return False
        return self.config.data.scale_inputs == "none" and (_raw(columns) or bool(varies_little(columns).any()))

    @cached_property
    def raw_targets(self) -> bool:
        """The same of the targets, where they are numbers."""
        numbers = not self.rows.classes and not self.lanes.program.classifies
        return numbers and self.config.data.scale_targets == "none" and _raw(self.rows.targets)


def edge_of(lanes: Lanes) -> Edge | None:
    """The critical learning rate of a training, from the closed forms or from the sharpness at the start."""
    variant, one = lanes.variants[0], np.array([0])
    full, momentum = lanes.program.full_batch, variant.config.optimizer.momentum or 0.0
    told = {name: float(values[0]) for name, values in critical_rates(lanes, one).items()}
    names = {
        "gd": written_bound(momentum, variant.config.optimizer.nesterov),
        "typical": "above it a typical run grows",
        "mean_square": "above it the mean over all draws of the batches grows",
    }
    for kind in ("gd",) if full else ("typical", "mean_square"):
        if np.isfinite(told[kind]):
            return Edge(told[kind], names[kind])
    if why_not_descent(variant.config) or variant.config.optimizer.nesterov or not 0 <= momentum < 1:
        return None
    sharpness = float(Forecaster(always=True).columns(lanes, one)["sharpness"][0])
    if not sharpness > 0:
        return None
    name = "2/λ₀" if not momentum else "2(1 + β)/λ₀"
    rows = "" if full else ", of all rows"
    return Edge(gradient_descent(1.0) * (1 + momentum) / sharpness, f"{name}, λ₀ the sharpness at the start{rows}")


def varies_little(columns: np.ndarray) -> np.ndarray:
    """Which columns vary, but hardly, `[columns]`."""
    spread = np.nanstd(columns, axis=0)
    return np.asarray((spread < TINY) & (np.nanmax(columns, axis=0) > np.nanmin(columns, axis=0)))


def _raw(columns: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        spread, middle = np.nanstd(columns, axis=0), np.abs(np.nanmean(columns, axis=0))
    return bool(((spread > RAW) | (middle > RAW)).any())
