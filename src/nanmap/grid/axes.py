"""Axes: a named list of values for a config key, or of bundles of settings. Values are made once, cells never."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from nanmap.config.settings import Number, Settings
from nanmap.errors import InputError

FORMS = ("values", "log", "linear", "range")
Span = Annotated[tuple[Number, Number], Field(strict=False)]


class AxisSpec(Settings):
    """One `[[axes]]` table as it stands in the file."""

    key: str | None = None
    name: str | None = None
    choices: dict[str, dict[str, Any]] | None = None
    values: list[Any] | None = None
    log: Span | None = None
    linear: Span | None = None
    range: Annotated[tuple[int, ...], Field(strict=False)] | None = None
    num: Annotated[int, Field(ge=1, le=10_000_000)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [form for form in (*FORMS, "choices") if getattr(self, form) is not None]
        if len(forms) != 1:
            raise ValueError(
                f"|give one of {', '.join(FORMS)} with a key, or choices with a name; this axis has {forms or 'none'}"
            )
        form = forms[0]
        if (self.choices is None) != (self.key is not None):
            raise ValueError("key|an axis has either a key and its values or a name and its choices")
        if self.choices is not None and self.name is None:
            raise ValueError("name|an axis of choices needs a name for its column")
        if (self.num is not None) != (form in ("log", "linear")):
            raise ValueError("num|`num` belongs to log and linear axes, and they need it")
        if self.range is not None and len(self.range) not in (2, 3):
            raise ValueError("range|a range is [start, stop] or [start, stop, step]")
        if self.range is not None and len(self.range) == 3 and self.range[2] == 0:
            raise ValueError("range|a step of 0 gives no range")
        if self.log is not None and not self.log[0] * self.log[1] > 0:
            raise ValueError("log|both ends of a log axis must be positive, or both negative")
        return self


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
        if spec.choices is not None:
            self.settings: list[Mapping[str, Any]] = list(spec.choices.values())
            self.labels = np.array(list(spec.choices), dtype=object)
        else:
            values = _values(spec)
            self.settings = [{spec.key or "": value} for value in values]
            self.labels = _labels(values)
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
    short = [spec.name or _short(spec.key or "") for spec in specs]
    return [
        (spec.key or spec.name or "").replace(".", "_") if short.count(name) > 1 else name
        for spec, name in zip(specs, short, strict=True)
    ]


def find_axis(name: str, specs: list[dict[str, Any]], file: Path | None) -> dict[str, Any]:
    """The raw axis table that `--set axes.<name>.…` speaks of, by column or by key."""
    names = [str(spec.get("name") or _short(str(spec.get("key", "")))) for spec in specs]
    for spec, known in zip(specs, names, strict=True):
        if name in (known, spec.get("key")):
            return spec
    raise InputError("no such axis", file=file, key=f"axes.{name}", allowed=names)


def _short(key: str) -> str:
    table, _, last = key.rpartition(".")
    if last == "kind":
        return table
    return f"learning_rate_{last}" if last.isdigit() else last


def _values(spec: AxisSpec) -> list[Any]:
    if spec.values is not None:
        return spec.values
    if spec.range is not None:
        return list(range(*spec.range))
    low, high = spec.log or spec.linear or (0.0, 0.0)
    num = spec.num or 1
    if spec.linear:
        return np.linspace(low, high, num).tolist()
    sign = np.sign(low)
    exponents = np.linspace(np.log10(abs(low)), np.log10(abs(high)), num)
    points = sign * 10.0**exponents
    points[0], points[-1] = low, high if num != 1 else low
    return points.tolist()


def _labels(values: list[Any]) -> np.ndarray:
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int64)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.float64)
    return np.array([_text(value) for value in values], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
