"""Code that settings name is imported by those alone who were told that they may: asked before anything is."""

from collections.abc import Mapping

from nanmap.config.code import CODE_KEYS, is_code, is_given
from nanmap.errors import InputError
from nanmap.models.own.source import unimported_digest
from nanmap.plan.sweep import Sweep


def refuse_code(sweep: Sweep) -> None:
    """Raises InputError if a setting of the sweep, or a value of an axis, names code. Imports nothing."""
    for key, value in named_code(sweep):
        if is_code(value) and not is_given(value):
            raise InputError(
                "names Python code, which is run as your own",
                file=sweep.file,
                key=key,
                value=value,
                mend="read it, then give --allow-python (from Python: allow_python=True)",
            )


def code_digests(sweep: Sweep) -> dict[str, str]:
    """SHA-256 of the source of all code that a sweep names: who was allowed this one may refuse another. Imports nothing."""
    return {str(value): unimported_digest(str(value), key) for key, value in named_code(sweep) if is_code(value)}


def named_code(sweep: Sweep) -> list[tuple[str, object]]:
    """The settings that may name code, with their values, in the config and along the axes."""
    found: list[tuple[str, object]] = []
    for key in CODE_KEYS:
        table, name = key.split(".")
        given = sweep.tree.get(table) or {}
        found.append((key, given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)))
        found += [(key, each[key]) for axis in sweep.grid.axes for each in axis.told if key in each]
    return found
