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
    num: Annotated[Whole, Field(ge=1, le=10_000_000)] | None = None

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
        for form, ends in (("log", self.log), ("linear", self.linear)):
            require(ends is None or len(ends) == 2, form, "expects its two ends, [low, high]")
        same_sign = self.log is None or min(self.log) > 0 or max(self.log) < 0
        require(same_sign, "log", "both ends of a log axis must be positive, or both negative")
        return self

    @cached_property
    def points(self) -> list[Any]:
        """The axis's values, or the labels of its choices. Between the ends of an axis of whole numbers each comes once."""
        if self.choices is not None:
            return list(self.choices)
        if self.range is not None:
            return list(range(*self.range))
        whole = self.key is not None and takes_whole_numbers(self.key)
        if self.values is not None:
            return [as_whole(value) if whole else value for value in self.values]
        points = self._spaced()
        return list(dict.fromkeys(round(point) for point in points)) if whole else points

    @cached_property
    def settings(self) -> list[Mapping[str, Any]]:
        """What each position sets: config keys and their values."""
        if self.choices is not None:
            return list(self.choices.values())
        return [{self.key or "": value} for value in self.points]

    def by_key(self) -> dict[str, list[Any]]:
        """The values that the axis gives to each config key, in order of first mention."""
        found: dict[str, list[Any]] = {}
        for settings in self.settings:
            for key, value in settings.items():
                found.setdefault(key, []).append(value)
        return found

    def _spaced(self) -> list[float]:
        low, high = self.log or self.linear or (0.0, 0.0)
        num = self.num or 1
        if self.linear:
            return np.linspace(low, high, num).tolist()
        exponents = np.linspace(np.log10(abs(low)), np.log10(abs(high)), num)
        points = np.sign(low) * 10.0**exponents
        points[0], points[-1] = low, high if num != 1 else low
        return points.tolist()


class Axis:
    """One axis of the grid.

    Attributes:
        column: its name in the rows.
        scale: `log`, `linear` or `values`, for drawing.
        settings: one mapping of config keys to values per position.
        labels: what the rows say, one per position: int64, float64, bool or text.
    """

    def __init__(self, spec: AxisSpec, column: str) -> None:
        self.column = column
        self.key = spec.key
        self.scale = "log" if spec.log else "linear" if spec.linear or spec.range else "values"
        self.settings = spec.settings
        self.labels = _labels(spec.points)
        if not self.settings:
            raise InputError("has no values", key=f"axes.{column}", mend="an axis needs at least one value")
        if len(set(self.labels.tolist())) != len(self.labels):
            raise InputError("holds a value twice", key=f"axes.{column}", value=self.labels.tolist()[:20])

    def __len__(self) -> int:
        return len(self.settings)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The config keys that this axis sets, in order of first mention."""
        return tuple(dict.fromkeys(key for settings in self.settings for key in settings))


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


def _labels(values: list[Any]) -> np.ndarray:
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.float64)
    return np.array([_text(value) for value in values], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


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
