"""Settings as TOML text, for the page to put a cell's config together: those of all cells, and those of each axis's values."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nanmap.config.code import CODE_KEYS, is_code, is_held, open_key
from nanmap.config.keys import is_index
from nanmap.grid.axes import Axis

BARE = re.compile(r"[A-Za-z0-9_-]+")
Place = tuple[str, str, int]  # table, name, and the place in a list; -1 for all of it


def toml_of(value: Any) -> str:
    """A value as TOML writes it.

    >>> [toml_of(each) for each in (True, 1, 1e-05, float("nan"), "a", [1, "x"], {"a b": 2})]
    ['true', '1', '1e-05', 'nan', '"a"', '[1, "x"]', '{ "a b" = 2 }']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key_of(key)} = {toml_of(each)}' for key, each in value.items())} }}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def key_of(name: str) -> str:
    """A key, in quotes where it needs them.

    >>> key_of("epochs"), key_of("my layer")
    ('epochs', '"my layer"')
    """
    return name if BARE.fullmatch(name) else toml_of(name)


def base_settings(tree: Mapping[str, Any]) -> list[list[Any]]:
    """The settings of a config as `[table, name, value]`, a list of lists' items apart, so that an axis can replace one."""
    return [
        [table, name, list(map(toml_of, value)) if isinstance(value, list | tuple) else toml_of(value)]
        for table, name, value in _flat(tree)
    ]


def _flat(tree: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, value in tree.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{table}.{key_of(name)}" if table else key_of(name))
        else:
            yield table, key_of(name), value


def place_of(key: str) -> Place:
    """Where a setting stands in a config.

    >>> place_of("training.epochs"), place_of("optimizer.layer_learning_rates.1")
    (('training', 'epochs', -1), ('optimizer', 'layer_learning_rates', 1))
    """
    if own := open_key(key):
        return own[0], key_of(own[1]), -1
    *tables, name = key.split(".")
    if is_index(name):
        return ".".join(tables[:-1]), tables[-1], int(name)
    return ".".join(tables), name, -1


def axis_settings(axis: Axis) -> list[list[list[Any]]]:
    """Of each position of an axis what it sets: `[table, name, place in a list, value]`; None takes a setting out."""
    return [
        [[*place_of(key), None if value is None else toml_of(value)] for key, value in each.items()]
        for each in axis.settings
    ]


def code_named(tree: Mapping[str, Any], axes: list[Axis]) -> tuple[bool, bool]:
    """Whether settings name code of the user's, and whether they name a model that only a program in Python holds."""
    values = [tree.get(key.split(".")[0], {}).get(key.split(".")[1]) for key in CODE_KEYS]
    values += [each.get(key) for axis in axes for each in axis.settings for key in CODE_KEYS]
    return any(map(is_code, values)), any(map(is_held, values))
