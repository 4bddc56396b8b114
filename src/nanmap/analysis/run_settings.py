"""What a run fixes and what it varies, in a form in which several runs can be held against each other. Reads no rows."""

from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np

from nanmap.analysis.view import load_grid, load_specs
from nanmap.config.choices import LAYER_RATES
from nanmap.config.code import CODE_KEYS, OPEN_TABLES, code_file, is_code, open_key
from nanmap.config.keys import is_layer_rate, known_keys
from nanmap.config.load import ALTERNATIVES, PATHS
from nanmap.grid.axes import column_names
from nanmap.results.folder import RunFolder
from nanmap.results.identity import file_names

ALMOST = 1e-12  # relative: a few roundings of float64


class RunSettings:
    """The settings of a run by their dotted keys, and its axes.

    Args:
        name: the run's folder, for messages.
        manifest: of the run.

    Attributes:
        specs: the tables of the axes, in the order of `grid.axes`.
    """

    def __init__(self, name: str, manifest: Mapping[str, Any]) -> None:
        self.name, self.manifest = name, manifest
        self.grid = load_grid(self.manifest)
        self.tree: Mapping[str, Any] = self.manifest["sweep"]["config"]
        specs = load_specs(self.manifest)
        by_column = dict(zip(column_names(specs), specs, strict=True))  # zipped axes may leave the manifest's order
        self.specs = [by_column[axis.column] for axis in self.grid.axes]

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """Those of a run folder."""
        return cls(str(folder.path), folder.read_manifest())

    @cached_property
    def swept(self) -> set[str]:
        """The keys that an axis sets."""
        return {key for axis in self.grid.axes for key in axis.keys}

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the files that were read, by the names that tell them apart."""
        return dict(entry.rsplit(" ", 1) for entry in self.manifest.get("data") or ())

    @property
    def names_code(self) -> bool:
        """Whether a setting names code: to train a cell again needs the permission again."""
        along = (each.get(key) for axis in self.grid.axes for each in axis.told for key in CODE_KEYS)
        return any(map(is_code, (*(self.base(key) for key in CODE_KEYS), *along)))

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """Each key that no axis sets, with its value or its default; the layers' rates and the user's own names one by one."""
        replaced = {ALTERNATIVES[key] for key in self.swept if key in ALTERNATIVES}
        found = {key: None if key in replaced else self.base(key) for key in known_keys()}
        rates = found.pop(LAYER_RATES) or ()
        found |= {f"{LAYER_RATES}.{layer}": rate for layer, rate in enumerate(rates)}
        for table in OPEN_TABLES:
            found |= {f"{table}.{name}": value for name, value in (found.pop(table) or {}).items()}
        return {key: value for key, value in found.items() if key not in self.swept}

    def base(self, key: str) -> Any:
        """A setting of the config, or its default; None where it has neither."""
        table, _, name = key.partition(".")
        if is_layer_rate(key):
            rates, layer = self.base(LAYER_RATES) or (), int(key.rpartition(".")[2])
            return rates[layer] if layer < len(rates) else None
        if own := open_key(key):
            return (self.base(own[0]) or {}).get(own[1])
        field = known_keys()[key]
        default = None if field.is_required() else field.default
        return (self.tree.get(table) or {}).get(name, default)

    def complete(self, settings: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        """The values that one position of an axis gives to all keys of the axis, those of the config among them."""
        off = {ALTERNATIVES[key] for key in settings if key in ALTERNATIVES}
        return {key: settings.get(key, None if key in off else self.base(key)) for key in keys}

    def identity(self, key: str, value: Any) -> Hashable:
        """What is equal for equal settings: of a file its name and content, wherever its folder stands."""
        file = _file_of(key, value)
        if file is not None:
            name = self._file_names.get(file, file)
            return str(value).replace(file, name), self.digests.get(name)
        return _hashable(value)

    @cached_property
    def _file_names(self) -> dict[str, str]:
        keys = (*PATHS, *CODE_KEYS)
        files = [_file_of(key, self.base(key)) for key in keys if key not in self.swept]
        files += [_file_of(key, each.get(key)) for axis in self.grid.axes for each in axis.told for key in keys]
        return file_names({file for file in files if file is not None})


def _file_of(key: str, value: Any) -> str | None:
    """The file that a setting names; None where it names none."""
    if key in PATHS and isinstance(value, str):
        return value
    return code_file(value) if key in CODE_KEYS else None


def _hashable(value: Any) -> Hashable:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return tuple(sorted((key, _hashable(part)) for key, part in value.items())) if isinstance(value, dict) else value


def almost_equal(one: RunSettings, other: RunSettings) -> dict[str, list[tuple[float, float]]]:
    """Values of axes on the same key that are equal but for their last digits: other settings, which few would want.

    They come from the inner points of log and linear axes with other ends.
    """
    found = {}
    values = {axis.key: axis.labels for axis in other.grid.axes if axis.key and axis.labels.dtype.kind == "f"}
    for axis in one.grid.axes:
        if axis.key in values and axis.labels.dtype.kind == "f":
            mine, theirs = np.setdiff1d(axis.labels, values[axis.key]), np.sort(values[axis.key])
            above = np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
            sides = (theirs[above], theirs[np.maximum(above - 1, 0)])
            near = [(a, b) for side in sides for a, b in zip(mine, side, strict=True) if abs(a - b) < ALMOST * abs(a)]
            if near:
                found[axis.column] = [(float(a), float(b)) for a, b in near]
    return found
