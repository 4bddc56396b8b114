"""The dotted keys of a config, what may stand at each, and what is said of one that does not exist."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from nanmap.config.choices import LAYER_RATES
from nanmap.config.code import open_key
from nanmap.config.elsewhere import named_here, suggestion
from nanmap.config.settings import Config
from nanmap.errors import InputError

METRICS = ("metrics", "metric", "accuracy")
METRICS_MEND = (
    'accuracy is reported by itself for classes, data.target_kind = "class"; on numbers it would count equalities, '
    "and say nothing (docs/models.md)"
)


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


def is_index(word: str) -> bool:
    """Whether a word counts a layer: of up to four digits, and those of ASCII.

    >>> is_index("1"), is_index("²"), is_index("99999")
    (True, False, False)
    """
    return word.isascii() and word.isdigit() and len(word) <= 4


def is_layer_rate(key: str) -> bool:
    """Whether a key is one entry of the layers' rates: `optimizer.layer_learning_rates.1`."""
    table, _, last = key.rpartition(".")
    return is_index(last) and table == LAYER_RATES


def check_key(key: str, file: Path | None = None) -> None:
    """Raises InputError unless `key` is a config key, one entry of the layers' rates, or of a table of the user's own names."""
    if key in known_keys() or is_layer_rate(key) or open_key(key):
        return
    table, _, last = key.rpartition(".")
    if key in Config.model_fields:
        names = siblings(f"{key}.")
        mend = f"name one of its settings, as in {key}.{names[0]}"
        raise InputError("is a table of settings", file=file, key=key, allowed=names, mend=mend)
    if last in METRICS:
        raise InputError("no such setting", file=file, key=key, mend=METRICS_MEND)
    last = named_here(last)
    by_last = [known for known in known_keys() if known.split(".")[1] == last]
    near = f"did you mean `{by_last[0]}`?" if by_last else suggestion(key, known_keys())
    allowed = siblings(key) if table in Config.model_fields and not near else None
    mend = near or "docs/reference.md lists the settings"
    raise InputError("no such setting", file=file, key=key, allowed=allowed, mend=mend)


def takes_whole_numbers(key: str) -> bool:
    """Whether a config key holds a whole number."""
    field = known_keys().get(key)
    return field is not None and int in (field.annotation, *map(_bare, get_args(field.annotation)))


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def siblings(key: str) -> list[str]:
    """The names beside a key in its table; the tables for a key without one."""
    table = key.rpartition(".")[0]
    return (
        [known.split(".")[1] for known in known_keys() if known.startswith(f"{table}.")]
        if table
        else list(Config.model_fields)
    )


def allowed_names(key: str) -> tuple[str, ...] | None:
    """The closed list of names a key takes, or None."""
    field = known_keys().get(key)
    if field is None:
        return None
    options = [field.annotation, *get_args(field.annotation)]
    found = [
        get_args(option) for option in options if get_args(option) and all(isinstance(a, str) for a in get_args(option))
    ]
    return found[0] if found else None
