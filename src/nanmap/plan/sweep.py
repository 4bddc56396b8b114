"""A sweep: a config plus axes, as it stands in a TOML file."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nanmap.config import build_config, parse_assignment, read_toml
from nanmap.config.load import PATHS, anchored, check_key, with_settings
from nanmap.errors import InputError, did_you_mean
from nanmap.plan.axes import FORMS, Axis, AxisSpec, column_names, find_axis
from nanmap.plan.grid import Grid
from nanmap.plan.where import parse_where

KEYS = ("title", "config", "axes", "zip", "where", "record", "maps")
RESERVED = ("cell", "outcome", "cause")


@dataclass(frozen=True)
class Sweep:
    """A config, its axes and what to draw.

    Attributes:
        name: the file's stem; results go to `results/<name>` unless told otherwise.
        tree: the config's tables, file names made absolute.
        axes: the axes' tables as they resolve, for the manifest.
        grid: the cells.
        maps: the maps that `make sweep` draws, each the arguments of `nanmap map`.
    """

    name: str
    file: Path | None
    tree: Mapping[str, Any]
    axes: list[dict[str, Any]]
    grid: Grid
    title: str = ""
    zip: tuple[tuple[str, ...], ...] = ()
    where: str | None = None
    maps: tuple[Mapping[str, Any], ...] = ()

    def describe(self) -> dict[str, Any]:
        """The resolved sweep as plain data, for the manifest."""
        return {
            "name": self.name,
            "title": self.title,
            "config": dict(self.tree),
            "axes": self.axes,
            "zip": [list(names) for names in self.zip],
            "where": self.where,
        }


def load_sweep(path: str | Path, overrides: Iterable[str] = ()) -> Sweep:
    """Reads a sweep file and the config that it names.

    Args:
        path: the sweep's TOML file.
        overrides: `key=value` texts; `axes.learning_rate.num=128` changes an axis, other keys the config.

    Raises:
        InputError: for whatever is wrong in the sweep, its config or an override.
    """
    path = Path(path)
    tree = read_toml(path)
    if "axes" not in tree and "config" not in tree:
        raise InputError("this is a config, not a sweep: it has no axes", file=path, mend=f"nanmap run {path}")
    for key in tree:
        if key not in KEYS:
            raise InputError("unknown key", file=path, key=key, allowed=KEYS, mend=did_you_mean(key, KEYS))
    if not isinstance(tree.get("config"), str):
        raise InputError("is missing", file=path, key="config", mend='config = "../configs/name.toml"')
    config_path = (path.parent / tree["config"]).resolve()
    try:
        config = anchored(read_toml(config_path), config_path.parent)
    except InputError as error:
        raise (
            error
            if config_path.exists()
            else InputError("names no file", file=path, key="config", value=tree["config"], mend=error.mend)
        ) from None
    axes = _anchored_axes(copy.deepcopy(tree.get("axes", [])), config_path.parent)
    settings: dict[str, Any] = {f"record.{key}": value for key, value in tree.get("record", {}).items()}
    for key, value in map(parse_assignment, overrides):
        if key.startswith("axes."):
            _override_axis(axes, key.removeprefix("axes."), value, path)
        else:
            settings[key] = value
    build_config(config, settings, file=config_path)
    return make_sweep(
        with_settings(config, settings, config_path),
        axes,
        name=path.stem,
        file=path,
        title=tree.get("title", ""),
        zip=tree.get("zip", ()),
        where=tree.get("where"),
        maps=tuple(tree.get("maps", ())),
    )


def make_sweep(
    tree: Mapping[str, Any],
    axes: list[dict[str, Any]],
    *,
    name: str = "sweep",
    file: Path | None = None,
    title: str = "",
    zip: Iterable[Iterable[str]] = (),
    where: str | None = None,
    maps: tuple[Mapping[str, Any], ...] = (),
) -> Sweep:
    """A sweep from plain tables: the config's, and one table per axis as in a sweep file.

    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> make_sweep(tree, [{"key": "optimizer.learning_rate", "log": [1e-4, 1], "num": 5}]).grid.shape
    (5,)
    """
    try:
        made = _axes(axes)
        for axis in made:
            _check_axis(axis, tree)
        _check_overlap(made, tree)
        groups = tuple(tuple(group) for group in zip)
        dimensions = _dimensions(made, groups)
        condition = parse_where(where, [axis.column for axis in made]) if where else None
        grid = Grid(dimensions, condition)
        if condition and made:
            grid.kept(0, 1)  # a number compared with a text shows here, before anything runs
    except InputError as error:
        raise error.within(file) if file else error from None
    return Sweep(name, file, tree, axes, grid, title, groups, where, maps)


def _override_axis(axes: list[dict[str, Any]], key: str, value: Any, file: Path) -> None:
    """Sets one field of an axis; giving its values in another form replaces the form it had."""
    name, _, field = key.rpartition(".")
    table = find_axis(name, axes, file)
    if field in FORMS:
        for other in (*FORMS, "choices"):
            table.pop(other, None)
        if field in ("values", "range"):
            table.pop("num", None)
    table[field] = value


def _axes(tables: list[dict[str, Any]]) -> list[Axis]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError("expects [[axes]] tables", key="axes", value=tables)
    specs = []
    for number, table in enumerate(tables, 1):
        label = f"axes.{table.get('name') or table.get('key') or number}"
        try:
            specs.append(AxisSpec.model_validate(table))
        except ValidationError as error:
            raise _explained(error, label) from None
        if specs[-1].key:
            check_key(str(specs[-1].key))
    columns = column_names(specs)
    for column in columns:
        if column in RESERVED or columns.count(column) > 1:
            raise InputError(
                "two columns of the rows would have this name", key=f"axes.{column}", mend="give the axis another name"
            )
    return [Axis(spec, column) for spec, column in zip(specs, columns, strict=True)]


def _explained(error: ValidationError, label: str) -> InputError:
    first = error.errors(include_url=False)[0]
    inner = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        inner, _, message = str(first["ctx"]["error"]).partition("|")
        return InputError(message, key=f"{label}.{inner}" if inner else label)
    if first["type"] == "extra_forbidden":
        known = list(AxisSpec.model_fields)
        return InputError("unknown key", key=f"{label}.{inner}", allowed=known, mend=did_you_mean(inner, known))
    return InputError(
        first["msg"].replace("Input should be", "must be"), key=f"{label}.{inner}", value=first.get("input")
    )


def _check_overlap(axes: list[Axis], tree: Mapping[str, Any]) -> None:
    """No two axes may set the same key, and none a key that another setting replaces."""
    owner: dict[str, str] = {}
    if (tree.get("optimizer") or {}).get("layer_learning_rates"):
        owner["optimizer.learning_rate"] = "optimizer.layer_learning_rates of the config"
    for axis in axes:
        for key in axis.keys:
            if key in owner:
                raise InputError(
                    "is set twice", key=key, value=[owner[key], axis.column], mend="leave it to one of them"
                )
            owner[key] = axis.column


def _check_axis(axis: Axis, tree: Mapping[str, Any]) -> None:
    """Every value must be allowed where it goes; what it needs from other axes is checked with them."""
    for settings in axis.settings:
        for key in settings:
            check_key(key)
        if axis.key and axis.key.startswith("optimizer.layer_learning_rates."):
            value = settings[axis.key]
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError("expects a number", key=axis.key, value=value)
            continue
        try:
            build_config(tree, settings)
        except InputError as error:
            if error.value is not ...:
                raise


def _dimensions(axes: list[Axis], groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[Axis, ...], ...]:
    by_column = {axis.column: axis for axis in axes}
    grouped: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for name in group:
            if name not in by_column:
                raise InputError(
                    "names no axis", key="zip", value=name, allowed=list(by_column), mend=did_you_mean(name, by_column)
                )
            if name in grouped:
                raise InputError("stands in two groups", key="zip", value=name)
            grouped[name] = group
        lengths = {name: len(by_column[name]) for name in group}
        if len(set(lengths.values())) > 1:
            raise InputError("zipped axes need the same number of values", key="zip", value=lengths)
    dimensions = {grouped.get(axis.column, (axis.column,)): None for axis in axes}
    return tuple(tuple(by_column[name] for name in group) for group in dimensions)


def _anchored_axes(axes: Any, folder: Path) -> Any:
    """Axes over file names are relative to the config's folder, as the config's own are."""
    for table in axes if isinstance(axes, list) else ():
        if table.get("key") in PATHS and isinstance(table.get("values"), list):
            table["values"] = [str((folder / value).resolve()) for value in table["values"]]
        for settings in (table.get("choices") or {}).values():
            for key in PATHS:
                if isinstance(settings, dict) and isinstance(settings.get(key), str):
                    settings[key] = str((folder / settings[key]).resolve())
    return axes
