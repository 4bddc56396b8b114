"""Turns what pydantic finds wrong into one InputError: the key, the value, what is allowed, and the mend."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from nanmap.config.base import Number, Plain, Settings
from nanmap.config.choices import LAYER_RATES
from nanmap.config.code import CODE_KEYS, FORMS, open_key
from nanmap.config.elsewhere import suggestion
from nanmap.config.keys import METRICS, METRICS_MEND, allowed_names, check_key, is_layer_rate, known_keys, siblings
from nanmap.errors import InputError, shown

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
# Of a limit: where pydantic holds it, and the words for it.
LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "greater than or equal to"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "less than or equal to"),
    "too_long": ("max_length", "a list of at most"),
}
EITHER = {"outcome.floor": 'a number, "auto" or "affine"', "record.sharpness": 'true, false or "start"'}


def first_fault(error: ValidationError) -> dict[str, Any]:
    """The fault to tell of several: a misspelt key often makes another one "missing", so it goes first."""
    return dict(min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden"))


def explained(error: ValidationError, file: Path | None) -> InputError:
    """The first fault of a whole config."""
    fault = first_fault(error)
    key, kind = _dotted(fault["loc"]), fault["type"]
    if kind == "extra_forbidden":
        known, last = siblings(key), key.split(".")[-1]
        mend = METRICS_MEND if last in METRICS else suggestion(last, known)
        return InputError("unknown key", file=file, key=key, allowed=known, mend=mend)
    if kind == "missing":
        return InputError("is missing", file=file, key=key, allowed=allowed_names(key), mend=_addition(key))
    if kind == "inconsistent":
        return _inconsistent(fault, key, file)
    if fault["input"] is None and is_layer_rate(key):
        mend = f"let axes set the rate of every layer, or give {LAYER_RATES} in the config"
        return InputError("is missing", file=file, key=key, mend=mend)
    return _wrong_value(fault, key, file)


def explained_table(error: ValidationError, label: str, model: type[Settings]) -> InputError:
    """The first fault of a table of a sweep's file.

    Args:
        error: what was found.
        label: put before the key.
        model: what the table is made of; tells what is allowed.
    """
    fault = first_fault(error)
    parts = fault["loc"][:1] if place((label, *fault["loc"][:1])) in EITHER else fault["loc"]
    key = place((*filter(None, (label,)), *parts))
    if fault["type"] == "extra_forbidden":
        known = list(_model_at(model, fault["loc"]).model_fields)
        return InputError("unknown key", key=key, allowed=known, mend=suggestion(str(parts[-1]), known))
    if fault["type"] == "missing":
        return InputError("is missing", key=key, mend=f"add `{parts[-1]} = …`")
    if fault["type"] == "inconsistent":
        return _inconsistent(fault, key, None)
    return _wrong_value(fault, key, None)


def _model_at(model: type[Settings], parts: Sequence[int | str]) -> type[Settings]:
    """The table that holds the key at `parts`: a list of tables is entered by its element."""
    for part in parts[:-1]:
        if isinstance(part, str):
            model = get_args(model.model_fields[part].annotation)[0]
    return model


def _inconsistent(fault: dict[str, Any], key: str, file: Path | None) -> InputError:
    """A rule between fields that does not hold, as `base.require` raises it."""
    told = fault["ctx"]
    return InputError(
        told["problem"], file=file, key=place(filter(None, (key, told["key"]))), mend=told["mend"] or None
    )


def check_values(key: str, values: Sequence[Any]) -> None:
    """Raises InputError unless each value alone may stand at `key`; what it needs of other settings is not looked at.

    >>> check_values("training.batch_size", [1, 32])
    >>> check_values("training.batch_size", [1, 0])
    Traceback (most recent call last):
    nanmap.errors.InputError: training.batch_size: must be greater than or equal to 1 (got 0)
    """
    check_key(key)
    try:
        _values_at(key).validate_python(list(values))
    except ValidationError as error:
        fault = first_fault(error)
        raise _wrong_value(fault, _dotted((*key.split(".", 1), *fault["loc"][1:])), None) from None


@cache
def _values_at(key: str) -> TypeAdapter[list[Any]]:
    """Validates lists of values of one field, as strictly as the config does."""
    own = open_key(key)
    if is_layer_rate(key) or (own and own[0] != "model.arguments"):
        kind: Any = Number
    elif own:
        kind = Plain
    else:
        field = known_keys()[key]
        kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(list[kind], config=ConfigDict(strict=True))


def _dotted(parts: Sequence[int | str]) -> str:
    """The key of a place. Words below a setting say which branch of a union was at work: they are no part of it."""
    kept = [part for depth, part in enumerate(parts) if depth < 2 or isinstance(part, int)]
    # An entry of the layers' rates has a key of its own, which counts from 0.
    return ".".join(map(str, kept)) if is_layer_rate(".".join(map(str, kept))) else place(kept)


def place(parts: Iterable[int | str]) -> str:
    """Where something stands, for people: items of a list are counted from 1.

    >>> place(["model", "hidden", 1]), place(["maps", 0, "x"])
    ('model.hidden, item 2', 'maps, item 1, x')
    """
    found = ""
    for part in parts:
        mark = "" if not found else ", " if isinstance(part, int) or re.search(r"item \d+$", found) else "."
        found += f"{mark}item {part + 1}" if isinstance(part, int) else f"{mark}{part}"
    return found


def _addition(key: str) -> str:
    table, _, last = key.rpartition(".")
    return f"add `{last} = …`" if table else f"add the table `[{key}]`"


def _wrong_value(fault: dict[str, Any], key: str, file: Path | None) -> InputError:
    kind, value = fault["type"], fault["input"]
    if kind == "literal_error":
        allowed = allowed_names(key) or (fault["ctx"]["expected"],)
        problem, mend = (
            "is none of the allowed values",
            suggestion(value if isinstance(value, str) else shown(value), allowed),
        )
        allowed = (*allowed, FORMS) if key in CODE_KEYS else allowed
        return InputError(problem, file=file, key=key, value=value, allowed=allowed, mend=mend)
    expected = EITHER.get(key) or EXPECTED.get(kind)
    if kind in LIMITS and not expected:
        name, words = LIMITS[kind]
        problem = f"must be {words} {fault['ctx'][name]:,}".removesuffix(".0")
    else:
        problem = f"expects {expected}" if expected else fault["msg"].replace("Input should be", "must be")
    return InputError(problem, file=file, key=key, value=value)
