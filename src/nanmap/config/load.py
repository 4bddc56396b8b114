"""Reads TOML, applies `key=value` overrides and builds the config."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nanmap.config.code import CODE_KEYS, anchored_code, open_key
from nanmap.config.explain import explained
from nanmap.config.keys import check_key, is_index
from nanmap.config.settings import Config
from nanmap.errors import InputError, check_path, nearest
from nanmap.limits import TOML_BYTES, check_regular

# Setting one of a pair replaces the other: an axis over budgets sets epochs in one choice and steps in the next.
ALTERNATIVES = {"training.epochs": "training.steps", "training.steps": "training.epochs"}
PATHS = ("data.path", "model.init_file")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: the file is missing or is no TOML.
    """
    try:
        check_regular(path, TOML_BYTES)
        return _read(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        stems = {other.stem: other.name for other in path.parent.glob("*.toml")}
        close = nearest(path.stem, stems)
        mend = f"did you mean `{stems[close]}`?" if close else "`nanmap examples` lists configs to start from"
        raise InputError("no such file", file=path, mend=mend) from None
    except IsADirectoryError:
        run = f"nanmap.Result({str(path)!r}) opens a run" if (path / "manifest.json").exists() else None
        raise InputError("this is a folder; a TOML file is expected", file=path, mend=run) from None
    except UnicodeDecodeError:
        raise InputError("is not written in UTF-8", file=path, mend="save it as UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}", file=path, mend="see toml.io for the notation") from None
    except InputError:
        raise
    except (ValueError, RecursionError):
        raise InputError("cannot be read: a number has too many digits, or too many brackets", file=path) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None


def _read(text: str) -> dict[str, Any]:
    """Tables of TOML, which can be told again: of numbers in base 16 Python reads more digits than it writes."""
    found = tomllib.loads(text)
    repr(found)
    return found


def file_stamp(path: str | None) -> tuple[int, int] | None:
    """Time of change and size of a file, None if there is none: a key for what is kept of it."""
    if path is None or not Path(path).is_file():
        return None
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size


def parse_assignment(text: str) -> tuple[str, Any]:
    """Splits `key=value`; the value is read as TOML, or as text if it is none.

    Raises:
        InputError: it has no key or no equals sign.

    >>> parse_assignment("training.epochs=5"), parse_assignment("model.init=zeros")
    (('training.epochs', 5), ('model.init', 'zeros'))
    """
    key, equals, value = text.partition("=") if isinstance(text, str) else ("", "", "")
    if not equals or not key.strip():
        mend = "for example optimizer.learning_rate=0.1"
        raise InputError("not of the form key=value", option="--set", value=text, mend=mend)
    try:
        return key.strip(), _read(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
    except (ValueError, RecursionError):  # more digits, or brackets in each other, than Python reads
        problem, shown = "cannot be read: it has too many digits or brackets", f"{value[:20]}…"
        raise InputError(problem, option="--set", key=key.strip(), value=shown) from None


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """One training's settings, from a TOML file and `key=value` texts.

    Raises:
        InputError: for whatever is wrong in the file or in an override.
    """
    path = Path(path)
    return build_config(config_tables(path), dict(map(parse_assignment, overrides)), file=path)


def config_tables(path: Path) -> dict[str, Any]:
    """The tables of a config's file as they stand, file names made absolute.

    Raises:
        InputError: the file cannot be read, or is a sweep's.
    """
    tree = anchored(read_toml(path), path.parent)
    if "axes" in tree or "config" in tree:
        raise InputError("this is a sweep, not a config", file=path, mend=f"nanmap sweep {path}")
    return tree


def build_config(
    tree: Mapping[str, Any], settings: Mapping[str, Any] | None = None, *, file: Path | None = None
) -> Config:
    """Validates nested tables, with dotted `settings` laid over them.

    >>> build_config({"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}).training.batch_size
    32
    """
    merged = with_settings(tree, settings or {}, file)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise explained(error, file) from None


def with_settings(tree: Mapping[str, Any], settings: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
    """A copy of the tables with each dotted key set; `optimizer.layer_learning_rates.1` sets one entry of a list."""
    merged: Any = copy.deepcopy(dict(tree))
    for key, value in settings.items():
        check_key(key, file)
        own = open_key(key)
        *parents, last = (*own[0].split("."), own[1]) if own else key.split(".")
        table = merged
        for depth, parent in enumerate(parents, 1):
            kind = list if is_index(last) and depth == len(parents) and not own else dict
            table = table.setdefault(parent, kind())
            if not isinstance(table, kind):
                expected, place = "a list" if kind is list else "a table", ".".join(parents[:depth])
                raise InputError(f"expects {expected}", file=file, key=place, value=table)
        if isinstance(table, list):
            table.extend([None] * (int(last) + 1 - len(table)))
            table[int(last)] = value
        else:
            table[last] = value
            if other := ALTERNATIVES.get(key):
                table.pop(other.split(".")[-1], None)
    return merged


def anchored(tree: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tables with file names taken relative to `folder`, the config's own."""
    for key in (*PATHS, *CODE_KEYS):
        table, name = key.split(".")
        value = tree.get(table, {}).get(name) if isinstance(tree.get(table), dict) else None
        if isinstance(value, str):
            tree[table][name] = anchored_value(key, value, folder)
    return tree


def anchored_value(key: str, value: Any, folder: Path) -> Any:
    """A value that names a file, made absolute; whatever is no text is left for the validation to refuse."""
    if isinstance(value, str):
        check_path(Path(value))
    if key in CODE_KEYS:
        return anchored_code(value, folder)
    return str((folder / value).resolve()) if isinstance(value, str) else value
