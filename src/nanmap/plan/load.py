"""Reads a sweep's file and the config that it names, with overrides laid over both."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from nanmap.config import build_config, parse_assignment, read_toml
from nanmap.config.code import CODE_KEYS
from nanmap.config.explain import explained_table, place
from nanmap.config.keys import check_key
from nanmap.config.load import PATHS, anchored, anchored_value, with_settings
from nanmap.data.given import GivenArrays, with_arrays
from nanmap.errors import InputError, check_path, did_you_mean
from nanmap.grid.axes import FORMS, short_name
from nanmap.grid.where import parse_where
from nanmap.grid.windows import checked_windows
from nanmap.outcomes import Outcome
from nanmap.plan.sweep import Sweep, make_sweep
from nanmap.plan.sweep_file import MapSpec, SweepFile
from nanmap.results.columns import COLUMNS

NAMING = (*PATHS, *CODE_KEYS)  # settings that name files


def load_sweep(path: str | Path, overrides: Iterable[str] = (), arrays: GivenArrays | None = None) -> Sweep:
    """Reads a sweep file and the config that it names.

    Args:
        path: the sweep's TOML file.
        overrides: `key=value` texts; `axes.learning_rate.num=128` changes an axis, other keys the config.
        arrays: what to train on, in place of the rows that the config names.

    Raises:
        InputError: for whatever is wrong in the sweep, its config or an override.
    """
    path = Path(path)
    tree = read_toml(path)
    if "axes" not in tree and "config" not in tree:
        raise InputError("this is a config, not a sweep: it has no axes", file=path, mend=f"nanmap run {path}")
    config_settings, axis_settings = _split_overrides(tree, overrides)
    try:
        spec = SweepFile.model_validate(tree)
    except ValidationError as error:
        raise explained_table(error, "", SweepFile).within(path) from None
    config_path, config = _named_config(path, spec.config, arrays)
    axes = _anchored_axes(copy.deepcopy(spec.axes), config_path.parent)
    for key, value in axis_settings.items():
        _override_axis(axes, key, value, path)
    for key, value in config_settings.items():
        _refuse_swept(axes, key, value, path)
    settings = {f"record.{key}": value for key, value in spec.record.items()} | config_settings
    sweep = make_sweep(
        _checked_under(settings, config, config_path, path),
        axes,
        name=path.stem,
        file=path,
        title=spec.title,
        zip=spec.zip,
        where=spec.where or None,
        maps=tuple(spec.maps),
        refining=spec.refine,
    )
    _check_maps(sweep)
    return sweep


def _named_config(sweep: Path, name: str, arrays: GivenArrays | None) -> tuple[Path, dict[str, Any]]:
    """The file of the config that a sweep names, and its tables, with arrays in place of its rows."""
    check_path(Path(name))
    path = (sweep.parent / name).resolve()
    try:
        config = with_arrays(anchored(read_toml(path), path.parent), arrays)
    except InputError as error:
        if path.exists():
            raise
        raise InputError("names no file", file=sweep, key="config", value=name, mend=error.mend) from None
    if "axes" in config or "config" in config:
        raise InputError("names a sweep, not a config", file=sweep, key="config", value=name)
    return path, config


def _checked_under(settings: dict[str, Any], config: dict[str, Any], file: Path, sweep: Path) -> dict[str, Any]:
    """The config's tables under the settings of a sweep, which is told as the file of those."""
    try:
        build_config(config, settings, file=file)
        return with_settings(config, settings)
    except InputError as error:
        error.file = sweep if any(map(error.is_about, settings)) else error.file
        raise error from None


def _refuse_swept(axes: list[dict[str, Any]], key: str, value: Any, file: Path) -> None:
    """A setting that an axis goes over has no one value to be set to."""
    for table in axes:
        if table.get("key") == key:
            column = table.get("name") or short_name(key)
            mend = f"change the axis: --set 'axes.{column}.values=[{value}]'"
            problem = f"the axis `{column}` goes over it"
            raise InputError(problem, file=file, key=key, value=value, mend=mend, option="--set")
        choices = table.get("choices")
        if isinstance(choices, dict) and any(isinstance(each, dict) and key in each for each in choices.values()):
            mend = "change the choices in the file"
            problem = f"choices of the axis `{table.get('name')}` set it"
            raise InputError(problem, file=file, key=key, value=value, mend=mend, option="--set")


def _split_overrides(tree: dict[str, Any], overrides: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Overrides of the config and of axes; those of the sweep's own keys are laid over `tree` at once."""
    config_settings, axis_settings = {}, {}
    for key, value in map(parse_assignment, overrides):
        if key.startswith("refine."):
            tree["refine"] = {**(tree.get("refine") or {}), key.removeprefix("refine."): value}
            continue
        if key in SweepFile.model_fields and key not in ("axes", "maps"):
            tree[key] = value
        elif key.startswith("axes."):
            axis_settings[key.removeprefix("axes.")] = value
        elif key in SweepFile.model_fields:
            mend = "one field of an axis can be set, as in axes.learning_rate.num=64" if key == "axes" else None
            raise InputError("is changed in the file alone", key=key, value=value, mend=mend)
        else:
            check_key(key)
            config_settings[key] = value
    return config_settings, axis_settings


def _check_maps(sweep: Sweep) -> None:
    """A map that names no axis is told before anything is trained."""
    columns = [axis.column for axis in sweep.grid.axes]
    values = [column.name for column in COLUMNS] + list(Outcome)
    for number, drawn in enumerate(sweep.maps, 1):
        key = place(["maps", number - 1])
        for name in drawn.axes:
            if name not in columns:
                raise InputError(
                    "names no axis",
                    file=sweep.file,
                    key=key,
                    value=name,
                    allowed=columns,
                    mend=did_you_mean(name, columns),
                )
        _check_rows(drawn, sweep, key)
        if drawn.value is not None and drawn.value not in values:
            raise InputError(
                "can be drawn by no such value",
                file=sweep.file,
                key=key,
                value=drawn.value,
                allowed=values,
                mend=did_you_mean(drawn.value, values),
            )


def _check_rows(drawn: MapSpec, sweep: Sweep, key: str) -> None:
    """The windows of a map, and the conditions on its rows."""
    chosen = drawn.select if isinstance(drawn.select, list) else [drawn.select]
    try:
        checked_windows(drawn.zoom, sweep.grid.axes, f"{key}, zoom")
        for text in chosen:
            if isinstance(text, str):
                condition = parse_where(text, [axis.column for axis in sweep.grid.axes], f"{key}, select")
                condition(sweep.grid.cells(np.zeros(1, int)).columns())  # a number compared with a text shows here
    except InputError as error:
        raise error.within(sweep.file) if sweep.file else error from None


def _override_axis(axes: list[dict[str, Any]], key: str, value: Any, file: Path) -> None:
    """Sets one field of an axis; giving its values in another form replaces the form it had."""
    name, _, field = key.rpartition(".")
    if not name:
        mend = f"name a field of it, as in axes.{key.strip('.') or 'learning_rate'}.num=64"
        raise InputError("expects axes.AXIS.FIELD", key=f"axes.{key}", value=value, mend=mend, option="--set")
    table = _find_axis(name, axes, file)
    if field in FORMS:
        for other in (*FORMS, "choices"):
            table.pop(other, None)
        if field in ("values", "range"):
            table.pop("num", None)
    table[field] = value


def _anchored_axes(axes: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Axes over file names are relative to the config's folder, as the config's own are."""
    for table in axes:
        key = table.get("key")
        if key in NAMING and isinstance(table.get("values"), list):
            table["values"] = [anchored_value(key, value, folder) for value in table["values"]]
        choices = table.get("choices")
        for settings in choices.values() if isinstance(choices, dict) else ():
            for key in NAMING if isinstance(settings, dict) else ():
                if key in settings:
                    settings[key] = anchored_value(key, settings[key], folder)
    return axes


def _find_axis(name: str, specs: list[dict[str, Any]], file: Path | None) -> dict[str, Any]:
    """The raw axis table that `--set axes.<name>.…` speaks of, by column or by key."""
    names = [str(spec.get("name") or short_name(str(spec.get("key", "")))) for spec in specs]
    for spec, known in zip(specs, names, strict=True):
        if name in (known, spec.get("key")):
            return spec
    raise InputError("no such axis", file=file, key=f"axes.{name}", allowed=names, mend=did_you_mean(name, names))
