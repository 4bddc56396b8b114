"""Trains settings under changes from many starts, side by side and in memory: what all comparisons of a diagnosis are made of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nanmap.config import Config
from nanmap.config.choices import LAYER_RATES, LEARNING_RATE
from nanmap.config.load import with_settings
from nanmap.diagnosis.answer import Changes, Criterion, Quantiles, Share
from nanmap.engine import Engine
from nanmap.errors import InputError
from nanmap.outcomes import MARKS, Facts, Outcome, classify
from nanmap.plan import Lanes, Plan, Variant, make_sweep
from nanmap.training.program import Program

SEEDS = {"key": "training.seed"}
VARIED = {  # a start in place of one that is the same every time, for networks that end at one place from any start
    "model.init": "glorot_uniform",
    "model.init_scale": 1.0,
    "model.init_offset": 0.0,
    "model.init_file": None,
}
KEPT = (
    *MARKS, "skill", "accuracy", "loss_best", "loss_floor", "loss_constant", "first_inf_step", "first_nan_step", "steps_run",
    "dead_at_init", "dead_layer", "dead_fraction_initial", "gradient_ratio_initial", "output_spread",
)  # fmt: skip


@dataclass(frozen=True)
class Ask:
    """Trainings that are wanted.

    Attributes:
        changes: of the settings.
        seeds: a start each.
        rates: learning rates to train each start at; the settings' own if there are none.
        steps: updates, if they are others than the settings' budget.
        shuffled: whether each row has the targets of another: what is learned of them is learned by heart.
    """

    changes: Changes
    seeds: range
    rates: tuple[float, ...] = ()
    steps: int | None = None
    shuffled: bool = False


@dataclass(frozen=True)
class Ends:
    """How trainings ended.

    Attributes:
        columns: arrays `[rates, starts]`: `outcome` and `cause` as text, and the facts of `KEPT`; steps are -1 where an
            event never came.
        drawn: whether seeds draw anything; if not, all starts are one.
    """

    columns: Mapping[str, np.ndarray]
    drawn: bool = True

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def starts(self) -> int:
        """How many there are per rate."""
        return int(self["skill"].shape[1])

    @cached_property
    def first_bad(self) -> np.ndarray:
        """The first step that holds an infinity or a NaN, −1 where none came."""
        inf, nan = self["first_inf_step"], self["first_nan_step"]
        return np.where((inf >= 0) & (nan >= 0), np.minimum(inf, nan), np.maximum(inf, nan))

    def success(self, criterion: Criterion) -> np.ndarray:
        """Which succeed, bool `[rates, starts]`."""
        if criterion.skill is None:
            return np.asarray(self["outcome"] == Outcome.CONVERGED)
        with np.errstate(invalid="ignore"):
            return np.asarray(self["skill"] >= criterion.skill)

    def share(self, criterion: Criterion, rate: int = 0) -> Share:
        """Successes at one of the rates."""
        return Share(int(self.success(criterion)[rate].sum()), self.starts, self.drawn)

    def commonest(self, rate: int = 0) -> Outcome:
        """Of the outcomes at one of the rates; of two the worse."""
        return commonest(self["outcome"][rate].tolist())

    def quantiles(self, values: np.ndarray) -> Quantiles | None:
        """Of the values that are finite."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        low, median, high = np.quantile(known, (0.1, 0.5, 0.9))
        return Quantiles(float(low), float(median), float(high), len(known))

    def with_more(self, more: "Ends") -> "Ends":
        """These, and those of more starts at the same rates."""
        joined = {name: np.concatenate([each, more[name]], axis=1) for name, each in self.columns.items()}
        return Ends(joined, self.drawn or more.drawn)

    def at(self, rate: int) -> "Ends":
        """Those at one of the rates."""
        return Ends({name: each[rate : rate + 1] for name, each in self.columns.items()}, self.drawn)


def commonest(names: Sequence[str]) -> Outcome:
    """Of the outcomes of some trainings; of two the worse."""
    return max((Outcome(name) for name in set(names)), key=lambda each: (names.count(each), each.severity))


class Bench:
    """Trains the same settings under changes.

    Args:
        config: the settings.
        allow_python: whether code that they name may be imported.
        engine: trains.
        trained: told how many trainings were made.

    Attributes:
        varied: whether starts are drawn although the settings have one of their own: that of a network without hidden
            layers, which comes to the same place from any.
        trainings: made so far.
        programs: trained so far.
    """

    def __init__(
        self, config: Config, allow_python: bool, engine: Engine, trained: Callable[[int], None] = lambda count: None
    ) -> None:
        self.config, self.allow_python, self.engine, self.trained = config, allow_python, engine, trained
        self.tree = config.model_dump(mode="python", exclude_unset=True)
        self.variant = next(iter(self.plan({}, range(1)).variants()))
        own_start = not self.variant.program.model.seeded(config.model)
        self.varied = own_start and config.model.kind == "mlp" and not config.model.hidden
        self.trainings = 0
        self.programs: set[Program] = set()

    @property
    def rates(self) -> tuple[float, ...]:
        """The settings' own learning rates: one, or one per layer."""
        optimizer = self.config.optimizer
        return optimizer.layer_learning_rates or (optimizer.learning_rate,)

    @property
    def own_seed(self) -> range:
        """Of the settings' own start."""
        return range(self.config.training.seed, self.config.training.seed + 1)

    def settings(self, changes: Changes, rate: float | None = None) -> dict[str, Any]:
        """The changes with a learning rate among them; where layers have rates of their own, all by the same factor."""
        if rate is None:
            return dict(changes)
        if self.config.optimizer.layer_learning_rates is None:
            return {**changes, LEARNING_RATE: rate}
        largest = max(map(abs, self.rates)) or 1.0
        return {
            **changes,
            LAYER_RATES: [abs(each) * rate / largest if any(self.rates) else rate for each in self.rates],
        }

    def plan(self, changes: Changes, seeds: range, rates: Sequence[float] = ()) -> Plan:
        """Of some starts at some rates, rates slowest.

        Raises:
            InputError: the changes do not go together with the settings.
        """
        axes: list[dict[str, Any]] = [{"key": LEARNING_RATE, "values": list(rates)}] if rates else []
        axes.append(SEEDS | {"range": [seeds.start, seeds.stop]})
        return Plan(make_sweep(with_settings(self.tree, changes), axes), self.allow_python)

    def one(self, changes: Changes, seed: int | None = None) -> Lanes:
        """The training of one start, the settings' own if no seed is given, with the changes."""
        plan = self.plan(changes, self.own_seed if seed is None else range(seed, seed + 1))
        return plan.lanes(plan.grid.cells(np.arange(1)))[0]

    def changed(self, changes: Changes) -> Config:
        """The settings with the changes."""
        return self.variant_of(changes).config

    def variant_of(self, changes: Changes) -> Variant:
        """The settings with the changes, and their rows."""
        return next(iter(Plan(make_sweep(with_settings(self.tree, changes), []), self.allow_python).variants()))

    def possible(self, changes: Changes) -> bool:
        """Whether they go together with the settings."""
        try:
            self.variant_of(changes)
        except InputError:
            return False
        return True

    def draws(self, changes: Changes) -> bool:
        """Whether another seed is another training."""
        made = self.variant_of(changes)
        return made.program.order != "sequential" or made.program.model.seeded(made.config.model)

    def train(self, asks: Sequence[Ask]) -> list[Ends]:
        """How the trainings of each ask end; of settings of which nothing is drawn one start is trained."""
        batches: list[tuple[int, Lanes, np.ndarray]] = []
        shapes, drawn = [], []
        for place, ask in enumerate(asks):
            pieces, shape, draws = self._pieces(ask)
            batches += [(place, lanes, cells) for lanes, cells in pieces]
            shapes.append(shape)
            drawn.append(draws)
        found: list[dict[str, np.ndarray]] = [{} for _ in asks]
        for batch, index, facts in self.engine.train(lanes for _, lanes, _ in batches):
            place, lanes, cells = batches[batch]
            _put(found[place], cells[index], facts, int(np.prod(shapes[place])))
            self.programs.add(lanes.program)
            self.count(len(index))
        return [
            Ends({name: each.reshape(shape) for name, each in columns.items()}, draws)
            for columns, shape, draws in zip(found, shapes, drawn, strict=True)
        ]

    def count(self, trainings: int) -> None:
        """So many more were made."""
        self.trainings += trainings
        self.trained(trainings)

    def _pieces(self, ask: Ask) -> tuple[list[tuple[Lanes, np.ndarray]], tuple[int, int], bool]:
        """Batches of an ask, with the place of each of their cells; the shape of all; and whether anything is drawn."""
        changes = {**VARIED, **ask.changes} if self.varied else ask.changes
        draws = self.draws(changes)
        seeds = ask.seeds if draws else ask.seeds[:1]
        shape = (max(1, len(ask.rates)), len(seeds))
        pieces = []
        for offset, plan in self._plans(changes, seeds, ask.rates):
            for lanes in plan.lanes(plan.grid.cells(np.arange(plan.grid.size))):
                lanes = _shuffled(_shortened(lanes, ask.steps), ask.shuffled)
                pieces.append((lanes, offset + lanes.position))
        return pieces, shape, draws

    def _plans(self, changes: Changes, seeds: range, rates: tuple[float, ...]) -> Iterator[tuple[int, Plan]]:
        """One plan of all rates; where layers have rates of their own one of each. With each the place of its first cell."""
        if not rates or self.config.optimizer.layer_learning_rates is None:
            yield 0, self.plan({k: v for k, v in changes.items() if not rates or k != LEARNING_RATE}, seeds, rates)
            return
        for number, rate in enumerate(rates):
            yield number * len(seeds), self.plan(self.settings(changes, rate), seeds)

    def own_start(self) -> Ends:
        """How the settings end from the start that they have."""
        varied, self.varied = self.varied, False
        try:
            (found,) = self.train([Ask({}, self.own_seed)])
        finally:
            self.varied = varied
        return found


def _shortened(lanes: Lanes, steps: int | None) -> Lanes:
    """The same trainings with another budget."""
    if steps is None:
        return lanes
    return replace(lanes, variants=tuple(replace(each, steps=steps) for each in lanes.variants))


def _shuffled(lanes: Lanes, wanted: bool) -> Lanes:
    """The same trainings on rows that have the targets of others."""
    if not wanted:
        return lanes
    order = np.random.default_rng(0).permutation(lanes.variants[0].rows.n)
    rows = [replace(each.rows, targets=each.rows.targets[order]) for each in lanes.variants]
    made = zip(lanes.variants, rows, strict=True)
    return replace(lanes, variants=tuple(replace(each, rows=mixed) for each, mixed in made))


def _put(columns: dict[str, np.ndarray], cells: np.ndarray, facts: Facts, size: int) -> None:
    """Stores what is kept of some trainings at their places."""
    outcome, cause = classify(facts)
    kept: Iterable[tuple[str, Any]] = [("outcome", outcome), ("cause", cause), *((name, facts[name]) for name in KEPT)]
    for name, values in kept:
        array = np.asarray(values)
        kind = object if array.dtype.kind in "UO" else array.dtype
        columns.setdefault(name, np.zeros(size, kind))[cells] = array
