"""Code of the user's that a config names: `python:net.py:factory` or `python:package.module:factory`. Told apart here, imported elsewhere.

Naming code runs nothing: whoever plans a training asks for the permission first (`plan/plan.py`), then imports it (`models/own`).
"""

import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

PREFIX = "python:"
HELD = "held:"  # before a model that a program in Python holds: held:SHA256:name
FORMS = "python:file.py:function or python:package.module:function"
CODE_KEYS = ("model.kind", "loss.kind", "optimizer.kind")  # settings that may name code
GIVEN = "<given>"  # the place of code that a program in Python hands over as it is
GROUP_RATES = "optimizer.group_rates"
OPEN_TABLES = ("model.arguments", "model.numbers", GROUP_RATES)  # tables whose keys are the user's own

CodeName = Annotated[str, Field(pattern=r"^python:.+:[A-Za-z_]\w*$")]
HeldName = Annotated[str, Field(pattern=r"^held:[0-9a-f]{64}:\w+$")]


class Code(NamedTuple):
    """A function by its file or its module.

    >>> Code.of("python:nets/small.py:build")
    Code(place='nets/small.py', name='build')
    """

    place: str
    name: str

    @classmethod
    def of(cls, text: str) -> "Code":
        """What the value of a setting names. The last colon parts: a place may hold one; of a SHA-256 eight digits do for people."""
        place, _, name = text.removeprefix(PREFIX).rpartition(":")
        return cls(f"{place[: len(HELD) + 8]}…" if is_held(text) else place, name)

    @property
    def file(self) -> Path | None:
        """The file, None for a module."""
        return Path(self.place) if self.place.endswith(".py") else None

    def __str__(self) -> str:
        return f"{PREFIX}{self.place}:{self.name}"


def is_code(value: Any) -> bool:
    """Whether the value of a setting names code.

    >>> is_code("mlp"), is_code("python:net.py:build")
    (False, True)
    """
    return isinstance(value, str) and value.startswith(PREFIX)


def is_held(value: Any) -> bool:
    """Whether the value of a setting stands for a model that a program in Python holds."""
    return isinstance(value, str) and value.startswith(HELD)


def is_own(kind: Any) -> bool:
    """Whether `model.kind` is a network of the user's own: code that makes one, or one that a program holds.

    >>> is_own("mlp"), is_own("python:net.py:build"), is_own(f"held:{64 * '0'}:sequential")
    (False, True, True)
    """
    return is_code(kind) or is_held(kind)


def is_given(value: Any) -> bool:
    """Whether a value stands for what a program in Python gave: nothing is imported for it.

    >>> is_given("python:<given>:build"), is_given("python:net.py:build")
    (True, False)
    """
    return is_code(value) and Code.of(value).place == GIVEN


def code_file(value: Any) -> str | None:
    """The file that a value names as code; None for all other values."""
    return Code.of(value).place if is_code(value) and Code.of(value).file else None


def with_file(value: str, file: str) -> str:
    """The same code in a file of another name."""
    return str(Code.of(value)._replace(place=file))


def anchored_code(value: Any, folder: Path) -> Any:
    """Code whose file is taken relative to a folder; whatever names no file as it is."""
    file = code_file(value)
    return value if file is None else with_file(value, os.path.abspath(folder / file))


def open_key(key: str) -> tuple[str, str] | None:
    """The table and the name of a key that is the user's own, None for all others.

    >>> open_key("model.numbers.gain"), open_key("model.gain"), open_key("optimizer.group_rates.block.*.bias")
    (('model.numbers', 'gain'), None, ('optimizer.group_rates', 'block.*.bias'))
    """
    table = next((each for each in OPEN_TABLES if key.startswith(f"{each}.")), None)
    if table is None:
        return None
    name = key.removeprefix(f"{table}.")
    return (table, name) if name.isidentifier() or (name and table == GROUP_RATES) else None
