"""From a sweep to work: which program, which rows and which numbers each cell has. Never holds the grid."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from nanmap.config import build_config
from nanmap.config.settings import TrainingSettings
from nanmap.errors import InputError
from nanmap.grid import Axis, Cells
from nanmap.grid.grid import LOOKED_AT
from nanmap.limits import MOST_VARIANTS, check_memory
from nanmap.outcomes import enough
from nanmap.plan.permission import refuse_code
from nanmap.plan.sweep import Sweep
from nanmap.plan.variant import Variant, make_variant
from nanmap.training.lane_numbers import LaneNumber, lane_number, layers_of
from nanmap.training.program import Program, leaves_zero


@dataclass(frozen=True, eq=False)
class Lanes:
    """Cells of one program, as arrays over the cells.

    Attributes:
        position: where each cell stands in the request, int64 `[cells]`.
        variant: index into `variants`, int64 `[cells]`.
        seed: `training.seed`, int64 `[cells]`.
        learning_rates: of each layer, float64 `[cells, layers]`.
        numbers: the other lane numbers, float64 `[cells]` each.
        history: how many updates of each cell an engine is asked to look at on the way.
        breaks: the update that broke each cell, int64 `[cells]`, where an engine is asked for nothing but its first tensor.
    """

    program: Program
    variants: tuple[Variant, ...]
    position: np.ndarray
    variant: np.ndarray
    seed: np.ndarray
    learning_rates: np.ndarray
    numbers: dict[str, np.ndarray]
    history: int = 0
    breaks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.position)

    def starts(self, cells: np.ndarray) -> dict[str, Any]:
        """What `training.start.start` takes for some cells, indices `[…]` into these."""
        settings = {variant.config.model: None for variant in self.variants}
        number = {each: index for index, each in enumerate(settings)}
        of_variant = np.array([number[variant.config.model] for variant in self.variants])
        return {
            "model": self.program.model,
            "settings": list(settings),
            "which": of_variant[self.variant[cells]],
            "seeds": self.seed[cells],
            "numbers": {name: self.numbers[name][cells] for name in self.program.model.start_numbers},
            "dtype": self.program.dtype,
        }


class Varied(NamedTuple):
    """A number of a lane that an axis sets.

    Attributes:
        dimension: of the grid, where the axis stands.
    """

    dimension: int
    number: LaneNumber
    axis: Axis

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The numbers at some positions of the axis: int64 if whole, float64 if not."""
        return self.axis.numbers_at(self.number.key, positions).astype(np.int64 if self.number.whole else np.float64)

    def told(self) -> list[float]:
        """Those that speak for all: the ends of evenly spaced values, and the one nearest to 0."""
        return [float(settings[self.number.key]) for settings in self.axis.told]


class Plan:
    """The grid of a sweep with its dimensions split: those that only change a lane's numbers, and the others.

    >>> from nanmap.plan import make_sweep
    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> axes = [{"key": "training.batch_size", "values": [1, 32]}, {"key": "optimizer.learning_rate", "values": [0.1, 1]}]
    >>> plan = Plan(make_sweep(tree, axes))
    >>> [len(batch) for batch in plan.lanes(plan.grid.cells(np.arange(4)))]
    [2, 2]

    Args:
        sweep: what is trained.
        allow_python: whether code that its settings name may be imported.

    Raises:
        InputError: they name code, and it may not.
    """

    def __init__(self, sweep: Sweep, allow_python: bool = False) -> None:
        if not allow_python:
            refuse_code(sweep)
        self.sweep, self.allow_python = sweep, allow_python
        self.grid = sweep.grid
        number_dims = [self._is_numbers(dimension) for dimension in self.grid.dimensions]
        self.number_dims = [index for index, numbers in enumerate(number_dims) if numbers]
        self.variant_dims = [index for index, numbers in enumerate(number_dims) if not numbers]
        self.variant_shape = tuple(self.grid.shape[index] for index in self.variant_dims)
        self._variants: dict[int, Variant] = {}
        self._rows_bytes: dict[int, int] = {}  # by the identity of rows, which variants share
        self.present = cache(self._present)

    def _is_numbers(self, dimension: tuple) -> bool:
        """Whether every position of these axes sets the same lane numbers to numbers that no program asks for, and nothing else."""
        return all(
            set(settings) == set(axis.keys)
            and all(map(lane_number, settings))
            and None not in settings.values()
            and not self._may_divide_by_zero(settings)
            for axis in dimension
            for settings in axis.told
        )

    def _may_divide_by_zero(self, settings: dict[str, Any]) -> bool:
        """Whether an axis sets a number that lets a divisor be 0 in one of the sweep's formats: that is another program."""
        numbers = {number.name: value for key, value in settings.items() if (number := lane_number(key))}
        return any(leaves_zero(name, value, each) for name, value in numbers.items() for each in self._formats)

    @cached_property
    def _formats(self) -> set[str]:
        key, training = "training.dtype", self.sweep.tree.get("training") or {}
        own = training.get("dtype", TrainingSettings.model_fields["dtype"].default)
        axes = [axis for axis in self.grid.axes if key in axis.keys]
        return {settings.get(key, own) for axis in axes for settings in axis.told} or {own}

    @cached_property
    def varied(self) -> list[Varied]:
        """Every number that an axis sets."""
        return [
            Varied(dimension, number, axis)
            for dimension in self.number_dims
            for axis in self.grid.dimensions[dimension]
            for number in filter(None, map(lane_number, axis.keys))
        ]

    @property
    def variant_count(self) -> int:
        """Combinations of the settings outside the lane numbers."""
        return math.prod(self.variant_shape)

    def variant(self, index: int) -> Variant:
        """The variant with this row-major number over the variant dimensions."""
        if index not in self._variants:
            made = self._variants[index] = self._make_variant(index)
            self._rows_bytes[id(made.rows)] = made.rows.nbytes
            check_memory(
                sum(self._rows_bytes.values()), "the rows of all its settings", file=self.sweep.file, key="axes"
            )
        return self._variants[index]

    def variants(self, exact: bool = True) -> Iterator[Variant]:
        """Every variant that has a cell which stays.

        Args:
            exact: look at every combination that the condition asks of, however many, and miss none; else at a sample where
                they are too many to be told of at once.

        Raises:
            InputError: none is left, or they are too many.
        """
        present = self.present(exact)
        if not present:
            raise InputError("excludes every cell", file=self.sweep.file, key="where", value=self.sweep.where)
        if len(present) > MOST_VARIANTS:
            problem = f"make {len(present):,} programs or sets of rows together"
            mend = "learning rates, seeds and other numbers that fix no shape may have any number of values"
            raise InputError(problem, file=self.sweep.file, key="axes", allowed=f"at most {MOST_VARIANTS:,}", mend=mend)
        return (self.variant(index) for index in present)

    def _present(self, exact: bool) -> Sequence[int]:
        """The numbers of the variants that have a cell which stays."""
        if self.grid.where is None:
            return range(self.variant_count)
        part = self.grid.over(self.variant_dims)
        mine = [part.dimensions.index(self.grid.dimensions[index]) for index in self.variant_dims]
        found: set[int] = set()
        for cells in part.chunks() if exact or part.size <= LOOKED_AT else [part.drawn()]:
            found.update(np.unique(self._variant_numbers(cells.positions[mine])).tolist())
            if len(found) > MOST_VARIANTS:
                break
        return sorted(found)

    def _variant_numbers(self, places: np.ndarray) -> np.ndarray:
        """Of positions along the variants' dimensions `[dimensions, cells]`."""
        if not self.variant_dims:
            return np.zeros(places.shape[1], np.int64)
        return np.ravel_multi_index(tuple(places), self.variant_shape)

    def _make_variant(self, index: int) -> Variant:
        places = np.unravel_index(index, self.variant_shape) if self.variant_shape else ()
        settings = self.grid.settings(dict(zip(self.variant_dims, map(int, places), strict=True)))
        # Numbers that an axis sets are present in every cell: take their first value to validate the rest with.
        settings |= self.grid.settings(dict.fromkeys(self.number_dims, 0))
        try:
            return make_variant(build_config(self.sweep.tree, settings))
        except InputError as error:
            shown = {key: value for key, value in settings.items() if lane_number(key) is None}
            if shown:
                error.mend = error.mend or f"it arises with {shown}; exclude it with `where` or change an axis"
            raise error.within(self.sweep.file) if self.sweep.file else error from None

    def lanes(self, cells: Cells) -> list[Lanes]:
        """The given cells, one batch per program, in order of first appearance."""
        places = cells.positions
        present, local = np.unique(self._variant_numbers(places[self.variant_dims]), return_inverse=True)
        variants = [self.variant(int(index)) for index in present]
        programs = {variant.program: None for variant in variants}
        owner = {program: position for position, program in enumerate(programs)}
        of_cell = np.array([owner[variant.program] for variant in variants], np.int64)[local]
        return [
            self._batch(program, np.flatnonzero(of_cell == owner[program]), variants, local, places)
            for program in programs
        ]

    def _batch(
        self, program: Program, position: np.ndarray, variants: list[Variant], local: np.ndarray, places: np.ndarray
    ) -> Lanes:
        present, variant = np.unique(local[position], return_inverse=True)
        mine = tuple(variants[index] for index in present)
        numbers = {name: np.array([each.numbers[name] for each in mine])[variant] for name in mine[0].numbers}
        learning_rates = np.array([each.learning_rates for each in mine])[variant]
        seed = np.array([each.config.training.seed for each in mine], np.int64)[variant]
        for varied in self.varied:
            number, along = varied.number, varied.at(places[varied.dimension][position])
            if number.per_layer:
                learning_rates[:, layers_of(program.model, number.layer)] = along[:, None]
            elif number.whole:  # the seed
                seed = along
            else:
                numbers[number.name] = along
        numbers |= _references(mine, variant, numbers["delta"], numbers["ratio"])
        return Lanes(program, mine, position, variant, seed, learning_rates, numbers)


def _references(
    variants: tuple[Variant, ...], variant: np.ndarray, delta: np.ndarray, ratio: np.ndarray
) -> dict[str, np.ndarray]:
    """What losses are held against, by the variant and the `loss.delta` of each cell, `[cells]`."""
    deltas, turn = np.unique(delta, return_inverse=True)
    pairs, which = np.unique(variant * len(deltas) + turn, return_inverse=True)  # as numbers: rows are slow to sort
    found = [variants[pair // len(deltas)].references(float(deltas[pair % len(deltas)])) for pair in pairs]
    floor, constant = np.array(found).T[:, which]
    return {"floor": floor, "constant": constant, "enough": enough(floor, constant, ratio)}
