"""What a manifest says about the trainings on a map: a setting's value, and the axis along which it changes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanmap.analysis import Shown, View
from nanmap.config import Config
from nanmap.config.choices import ARRAY_KINDS, FILE_KINDS
from nanmap.config.ranges import range_count
from nanmap.grid.axes import Axis


class ShownSettings:
    """Settings of the trainings that a view shows.

    Args:
        manifest: the run's.
        view: what the map shows.
    """

    def __init__(self, manifest: Mapping[str, Any], view: View) -> None:
        self.manifest, self.view = manifest, view
        self.tree: Mapping[str, Any] = manifest["sweep"]["config"]

    @property
    def refined(self) -> bool:
        """Whether cells were filled in."""
        return bool(self.manifest["sweep"].get("refine"))

    def base(self, key: str) -> Any:
        """A setting of the config, or its default."""
        table, _, name = key.partition(".")
        default = Config.model_fields[table].annotation.model_fields[name].default  # type: ignore[union-attr]
        return self.tree.get(table, {}).get(name, default)

    def owner(self, *keys: str) -> Axis | None:
        """The axis that sets one of the keys."""
        return next((axis for axis in self.view.grid.axes if set(keys) & set(axis.keys)), None)

    def along(self, key: str) -> tuple[Axis | None, list[Any]]:
        """The axis that sets a key, and the key's value at each of its positions; without an axis, one value."""
        axis = self.owner(key)
        if axis is None:
            return None, [self.base(key)]
        return axis, [settings.get(key, self.base(key)) for settings in axis.settings]

    def shown(self, axis: Axis) -> Shown:
        """What the view shows of the dimension that an axis belongs to."""
        view = self.view
        group = next(axes for axes in view.grid.dimensions if axis in axes)
        return next(each for each in (*view.shown, *view.merged, *view.fixed) if each.axis in group)

    def values(self, key: str) -> list[Any]:
        """The different values of a setting on the map."""
        axis, values = self.along(key)
        kept = values if axis is None else [values[position] for position in self.shown(axis).positions]
        return [value for number, value in enumerate(kept) if value not in kept[:number]]

    def one(self, key: str) -> Any:
        """A setting's value if it is the same all over the map, else None."""
        values = self.values(key)
        return values[0] if len(values) == 1 else None

    def rows(self) -> tuple[Axis | None, list[int | None]]:
        """The axis that sets the number of rows, and that number at each of its positions; None where unknown."""
        axis = self.owner("data.n", "data.stop", "data.start", "data.step", "data.kind", "data.path")
        made = [{}] if axis is None else axis.settings
        return axis, [self._row_count(settings) for settings in made]

    def _row_count(self, settings: Mapping[str, Any]) -> int | None:
        get = lambda name: settings.get(f"data.{name}", self.base(f"data.{name}"))  # noqa: E731
        if get("kind") in (*FILE_KINDS, *ARRAY_KINDS):
            known = self.manifest.get("rows")
            return known if isinstance(known, int) else None
        if get("n") is not None:
            return int(get("n"))
        if get("stop") is None or get("inputs") != "range":
            return None
        return int(range_count(get("start"), get("stop"), get("step")))

    def budgets(self) -> tuple[Axis | None, list[str]]:
        """The axis that sets the budget, and the budget in words at each of its positions."""
        axis = self.owner("training.epochs", "training.steps")
        return axis, [self._budget(settings) for settings in ([{}] if axis is None else axis.settings)]

    def _budget(self, settings: Mapping[str, Any]) -> str:
        for source in (settings, {f"training.{name}": self.base(f"training.{name}") for name in ("epochs", "steps")}):
            for key, unit in (("training.epochs", "epoch"), ("training.steps", "update")):
                if source.get(key) is not None:
                    return f"{source[key]:,} {unit}{'s' * (source[key] != 1)}"
        return "unknown budget"

    def holds(self, key: str, allowed: tuple[Any, ...], positions: np.ndarray) -> np.ndarray:
        """Whether a setting has one of the allowed values, for cells at grid positions `[dimensions, cells]`."""
        axis, values = self.along(key)
        return self.pick(axis, [value in allowed for value in values], positions).astype(bool)

    def pick(self, axis: Axis | None, values: list[Any], positions: np.ndarray) -> np.ndarray:
        """A value that depends on one axis, for cells at grid positions `[dimensions, cells]`; None becomes NaN."""
        known = np.array([np.nan if value is None else value for value in values], float)
        if axis is None:
            return np.full(positions.shape[1], known[0])
        dimension = next(number for number, axes in enumerate(self.view.grid.dimensions) if axis in axes)
        return known[positions[dimension]]
