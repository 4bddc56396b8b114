"""Axes: a named list of values for a config key, or of bundles of settings. Values are made once, cells never."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from nanmap.config.base import Number, Settings, Whole, as_whole, require
from nanmap.config.code import GROUP_RATES, open_key
from nanmap.config.keys import is_index, takes_whole_numbers
from nanmap.errors import InputError, did_you_mean
from nanmap.grid.values import Along, Numbers, distinct_whole, labels_of, range_length
from nanmap.limits import MOST_CELLS, MOST_SPACED, MOST_VALUES, check_memory

FORMS = ("values", "log", "linear", "range")
Ends = Annotated[tuple[Number, ...], Field(strict=False)]


class AxisSpec(Settings):
    """One `[[axes]]` table as it stands in the file."""

    key: str | None = None
    name: str | None = None
    choices: dict[str, dict[str, Any]] | None = None
    values: list[Any] | None = None
    log: Ends | None = None
    linear: Ends | None = None
    range: Annotated[tuple[Whole, ...], Field(strict=False)] | None = None
    num: Annotated[Whole, Field(ge=1, le=MOST_SPACED)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [form for form in (*FORMS, "choices") if getattr(self, form) is not None]
        one_of = f"give one of {', '.join(FORMS)} with a key, or choices with a name"
        require(len(forms) == 1, "", f"{one_of}; this axis has {' and '.join(forms) or 'none'}")
        keyed, spaced = self.key is not None, forms[0] in ("log", "linear")
        require(
            (self.choices is None) == keyed, "key", "an axis has either a key and its values or a name and its choices"
        )
        require(keyed or self.name is not None, "name", "an axis of choices needs a name for its column")
        require((self.num is not None) == spaced, "num", "`num` belongs to log and linear axes, and they need it")
        if self.range is not None:
            require(len(self.range) in (2, 3), "range", "a range is [start, stop] or [start, stop, step]")
            require(len(self.range) == 2 or self.range[2] != 0, "range", "a step of 0 gives no range")
            require(all(abs(each) < 2**63 for each in self.range), "range", "holds a number of 2⁶³ or more")
            few = range_length(*self.range) <= MOST_CELLS
            require(few, "range", f"has {range_length(*self.range):,} values, of at most {MOST_CELLS:,}")
        for form, listed in (("values", self.values), ("choices", self.choices)):
            few = listed is None or len(listed) <= MOST_VALUES
            mend = "`log` and `linear` make up to ten times as many, `range` any number"
            require(few, form, f"are {len(listed or ()):,}, of at most {MOST_VALUES:,}", mend)
        for form, ends in (("log", self.log), ("linear", self.linear)):
            require(ends is None or len(ends) == 2, form, "expects its two ends, [low, high]")
        same_sign = self.log is None or min(self.log) > 0 or max(self.log) < 0
        require(same_sign, "log", "both ends of a log axis must be positive, or both negative")
        return self

    @cached_property
    def points(self) -> Sequence[Any]:
        """The axis's values, or the labels of its choices. Between the ends of an axis of whole numbers each comes once."""
        if self.choices is not None:
            return list(self.choices)
        if self.range is not None:
            return range(*self.range)
        whole = self.key is not None and takes_whole_numbers(self.key)
        if self.values is not None:
            return [as_whole(value) if whole else value for value in self.values]
        points = self._spaced()
        return distinct_whole(points) if whole else Numbers(points)

    @cached_property
    def settings(self) -> Sequence[Mapping[str, Any]]:
        """What each position sets: config keys and their values."""
        return Along(self.key or "", self.points) if self.choices is None else list(self.choices.values())

    @cached_property
    def telling(self) -> Sequence[int]:
        """Positions that speak for all: where values are evenly spaced their ends, and the one nearest to 0 but 0 itself."""
        if not isinstance(self.points, range | Numbers):
            return range(len(self.points))
        last = len(self.points) - 1
        found = dict.fromkeys((0, last) if last >= 0 else ())
        if self.linear and min(self.linear) < 0 < max(self.linear) and isinstance(self.points, Numbers):
            size = np.abs(self.points.array)
            found[int(np.argmin(np.where(size > 0, size, np.inf)))] = None
        return list(found)

    def by_key(self) -> dict[str, list[Any]]:
        """The values that the axis gives to each config key, in order of first mention."""
        found: dict[str, list[Any]] = {}
        for settings in self.settings:
            for key, value in settings.items():
                found.setdefault(key, []).append(value)
        return found

    def told_by_key(self) -> dict[str, list[Any]]:
        """The same of the `telling` positions: what may stand at a key is an interval, or no axis of evenly spaced values."""
        if self.key is None:
            return self.by_key()
        return {self.key: [self.points[place] for place in self.telling]}

    def _spaced(self) -> np.ndarray:
        low, high = self.log or self.linear or (0.0, 0.0)
        num = self.num or 1
        if self.linear:
            return np.linspace(low, high, num)
        exponents = np.linspace(np.log10(abs(low)), np.log10(abs(high)), num)
        points = np.sign(low) * 10.0**exponents
        points[0], points[-1] = low, high if num != 1 else low
        return points


class Axis:
    """One axis of the grid.

    Attributes:
        column: its name in the rows.
        scale: `log`, `linear` or `values`, for drawing.
        points: its values, or the labels of its choices, one per position; as `settings` made when they are asked for.
        settings: one mapping of config keys to values per position.
        telling: positions that speak for all of them.
    """

    def __init__(self, spec: AxisSpec, column: str) -> None:
        self.column = column
        self.key = spec.key
        self.scale = "log" if spec.log else "linear" if spec.linear or spec.range else "values"
        self.points, self.settings, self.telling = spec.points, spec.settings, spec.telling
        self._numbers: dict[str, np.ndarray] = {}
        if not self.points:
            raise InputError("has no values", key=f"axes.{column}", mend="an axis needs at least one value")
        if not isinstance(self.points, range) and not _all_differ(self.points, self.labels):
            raise InputError("holds a value twice", key=f"axes.{column}", value=self.labels[:20].tolist())

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def labels(self) -> np.ndarray:
        """What the rows say, one per position: int64, float64, bool or text.

        Raises:
            InputError: they are more than there is memory for.
        """
        check_memory(16 * len(self), "its values", key=f"axes.{self.column}")
        return labels_of(self.points)

    def at(self, positions: np.ndarray) -> np.ndarray:
        """What the rows say at some positions."""
        if isinstance(self.points, range):
            return self.points.start + self.points.step * np.asarray(positions, np.int64)
        return self.labels[positions]

    def numbers_at(self, key: str, positions: np.ndarray) -> np.ndarray:
        """The numbers that the axis sets a key to at some positions; NaN where a choice says nothing of it."""
        if self.key is not None:
            return self.at(positions)
        if key not in self._numbers:
            self._numbers[key] = np.array([settings.get(key, np.nan) for settings in self.settings])
        return self._numbers[key][positions]

    @property
    def told(self) -> list[Mapping[str, Any]]:
        """The settings at the `telling` positions."""
        return [self.settings[place] for place in self.telling]

    @cached_property
    def are_numbers(self) -> bool:
        """Whether the rows say numbers, which have an order."""
        return isinstance(self.points, range) or self.labels.dtype.kind in "if"

    @cached_property
    def span(self) -> tuple[Any, Any]:
        """The least and the greatest of its numbers."""
        ends = self.at(np.array([0, len(self) - 1])) if isinstance(self.points, range) else self.labels
        return ends.min().item(), ends.max().item()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The config keys that this axis sets, in order of first mention."""
        return tuple(dict.fromkeys(key for settings in self.told for key in settings))


def column_names(specs: list[AxisSpec]) -> list[str]:
    """The axes' columns: the last part of the key, or the full key with `_` where two would collide.

    >>> column_names([AxisSpec(key="data.seed", values=[1]), AxisSpec(key="training.seed", values=[1])])
    ['data_seed', 'training_seed']
    >>> column_names([AxisSpec(key="optimizer.kind", values=["sgd"])])
    ['optimizer']
    """
    short = [spec.name or short_name(spec.key or "") for spec in specs]
    return [
        (spec.key or spec.name or "").replace(".", "_") if short.count(name) > 1 else name
        for spec, name in zip(specs, short, strict=True)
    ]


def short_name(key: str) -> str:
    """The column of an axis on a config key, unless another axis would have the same: the last part of the key."""
    own = open_key(key)
    if own and own[0] == GROUP_RATES:
        return f"learning_rate_{re.sub('[^0-9A-Za-z]+', '_', own[1]).strip('_')}"
    table, _, last = key.rpartition(".")
    if last == "kind":
        return table
    return f"learning_rate_{last}" if is_index(last) else last


def _all_differ(points: Sequence[Any], labels: np.ndarray) -> bool:
    """Whether no value is there twice; evenly spaced ones ascend or descend."""
    if isinstance(points, Numbers):
        return bool((labels[1:] != labels[:-1]).all())
    return (len(set(labels.tolist())) if labels.dtype.kind == "O" else len(np.unique(labels))) == len(labels)


def zipped(axes: Sequence[Axis], groups: Iterable[Sequence[str]]) -> tuple[tuple[Axis, ...], ...]:
    """The dimensions that axes make: those of a group share one, at the place of the first of them.

    Raises:
        InputError: a group names no axis, or axes of other lengths.
    """
    by_column = {axis.column: axis for axis in axes}
    grouped: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for name in group:
            if name not in by_column:
                raise InputError(
                    "names no axis", key="zip", value=name, allowed=list(by_column), mend=did_you_mean(name, by_column)
                )
            if name in grouped:
                raise InputError("is named twice", key="zip", value=name, mend="an axis stands in one group, once")
            grouped[name] = tuple(group)
        lengths = {name: len(by_column[name]) for name in group}
        if len(set(lengths.values())) > 1:
            raise InputError("zipped axes need the same number of values", key="zip", value=lengths)
    dimensions = {grouped.get(axis.column, (axis.column,)): None for axis in axes}
    return tuple(tuple(by_column[name] for name in group) for group in dimensions)
