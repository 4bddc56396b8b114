"""Reads TOML, applies `key=value` overrides and turns every validation failure into one InputError."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nanmap.config.settings import Config
from nanmap.errors import InputError, did_you_mean

# Setting one of a pair replaces the other: an axis over budgets sets epochs in one choice and steps in the next.
ALTERNATIVES = {"training.epochs": "training.steps", "training.steps": "training.epochs"}
PATHS = ("data.path", "model.init_file")
ABBREVIATIONS = {"lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay"}  # for the "did you mean" alone
METRICS = ("metrics", "metric", "accuracy")
METRICS_MEND = (
    'accuracy is reported by itself for classes, data.target_kind = "class"; on numbers it would count equalities, '
    "and say nothing (docs/models.md)"
)
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: the file is missing or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.toml")])
        raise InputError(
            "no such file", file=path, mend=near or "`nanmap examples` lists configs to start from"
        ) from None
    except IsADirectoryError:
        raise InputError("this is a folder; a TOML file is expected", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}", file=path, mend="see toml.io for the notation") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None


def file_stamp(path: str | None) -> tuple[int, int] | None:
    """Time of change and size of a file, None if there is none: a key for what is kept of it."""
    if path is None or not Path(path).is_file():
        return None
    status = Path(path).stat()
    return status.st_mtime_ns, status.st_size


def parse_assignment(text: str) -> tuple[str, Any]:
    """Splits `key=value`; the value is read as TOML, or as text if it is none.

    >>> parse_assignment("training.epochs=5"), parse_assignment("model.init=zeros")
    (('training.epochs', 5), ('model.init', 'zeros'))
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(
            "not of the form key=value", key="--set", value=text, mend="for example --set optimizer.learning_rate=0.1"
        )
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """One training's settings, from a TOML file and `key=value` texts.

    Raises:
        InputError: for whatever is wrong in the file or in an override.
    """
    path = Path(path)
    tree = anchored(read_toml(path), path.parent)
    if "axes" in tree or "config" in tree:
        raise InputError("this is a sweep, not a config", file=path, mend=f"nanmap sweep {path}")
    return build_config(tree, dict(map(parse_assignment, overrides)), file=path)


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
        raise _explained(error, file) from None


def with_settings(tree: Mapping[str, Any], settings: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
    """A copy of the tables with each dotted key set; `optimizer.layer_learning_rates.1` sets one entry of a list."""
    merged: Any = copy.deepcopy(dict(tree))
    for key, value in settings.items():
        check_key(key, file)
        *parents, last = key.split(".")
        table = merged
        for parent in parents:
            table = table.setdefault(parent, [] if last.isdigit() and parent == parents[-1] else {})
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
    for key in PATHS:
        table, name = key.split(".")
        value = tree.get(table, {}).get(name) if isinstance(tree.get(table), dict) else None
        if isinstance(value, str):
            tree[table][name] = str((folder / value).resolve())
    return tree


@cache
def known_keys() -> dict[str, Any]:
    """Every dotted config key with its pydantic field."""
    keys: dict[str, Any] = {}
    for table, field in Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        keys |= {f"{table}.{name}": inner for name, inner in model.model_fields.items()}
    return keys


def check_key(key: str, file: Path | None = None) -> None:
    """Raises InputError unless `key` is a config key (or one entry of `optimizer.layer_learning_rates`)."""
    stem, _, last = key.rpartition(".")
    if key in known_keys() or (last.isdigit() and stem == "optimizer.layer_learning_rates"):
        return
    if last in METRICS:
        raise InputError("no such setting", file=file, key=key, mend=METRICS_MEND)
    last = ABBREVIATIONS.get(last, last)
    by_last = [known for known in known_keys() if known.split(".")[1] == last]
    near = f"did you mean `{by_last[0]}`?" if by_last else did_you_mean(key, known_keys())
    raise InputError("no such setting", file=file, key=key, mend=near or "docs/reference.md lists the settings")


def _explained(error: ValidationError, file: Path | None) -> InputError:
    # A misspelt key often makes another one "missing": name the misspelling first.
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained-", "function-")))
    kind, value = first["type"], first.get("input", ...)
    if kind == "extra_forbidden":
        siblings, last = _siblings(key), key.split(".")[-1]
        mend = METRICS_MEND if last in METRICS else did_you_mean(last, siblings)
        return InputError("unknown key", file=file, key=key, allowed=siblings, mend=mend)
    if kind == "missing":
        return InputError(
            "is missing", file=file, key=key, allowed=_allowed(key), mend=f"add `{key.split('.')[-1]} = …`"
        )
    if kind == "value_error":
        inner, message, mend = str(first["ctx"]["error"]).split("|")
        return InputError(message, file=file, key=f"{key}.{inner}" if key else inner, mend=mend or None)
    if kind == "literal_error":
        allowed = _allowed(key) or (first["ctx"]["expected"],)
        return InputError(
            "is none of the allowed values",
            file=file,
            key=key,
            value=value,
            allowed=allowed,
            mend=did_you_mean(str(value), allowed),
        )
    if key.startswith("outcome.floor"):
        return InputError('expects a number or "auto"', file=file, key="outcome.floor", value=value)
    if key == "model.kind":
        return InputError(
            "is none of the allowed values",
            file=file,
            key=key,
            value=value,
            allowed=("mlp",),
            mend=did_you_mean(str(value), ["mlp"]),
        )
    if value is None and key.startswith("optimizer.layer_learning_rates."):
        mend = "let axes set the rate of every layer, or give optimizer.layer_learning_rates in the config"
        return InputError("is missing", file=file, key=key, mend=mend)
    expected = EXPECTED.get(kind)
    problem = f"expects {expected}" if expected else first["msg"].replace("Input should be", "must be")
    return InputError(problem, file=file, key=key, value=value)


def _siblings(key: str) -> list[str]:
    table = key.rpartition(".")[0]
    return (
        [known.split(".")[1] for known in known_keys() if known.startswith(f"{table}.")]
        if table
        else list(Config.model_fields)
    )


def _allowed(key: str) -> tuple[str, ...] | None:
    """The closed list of names a key takes, or None."""
    field = known_keys().get(key)
    if field is None:
        return None
    options = [field.annotation, *get_args(field.annotation)]
    found = [
        get_args(option) for option in options if get_args(option) and all(isinstance(a, str) for a in get_args(option))
    ]
    return found[0] if found else None
