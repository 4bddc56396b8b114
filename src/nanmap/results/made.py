"""When a run was begun and gone on with, and by which commands. No part of what it is: for whoever reads it later."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

MOST = 10  # commands that a manifest keeps: the first and the last ones


def with_now(made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a manifest says of this, and the process at hand: the time in UTC, and the arguments of nanmap's command, if it is one."""
    whole = [*made, {"began": datetime.now(UTC).isoformat(timespec="seconds"), "arguments": _arguments()}]
    return [*whole[:1], *whole[1:][1 - MOST :]]


def _arguments() -> list[str] | None:
    """Those of the command; None of a program in Python, whose own may hold anything."""
    program = PurePath(sys.argv[0])
    named = program.stem == "nanmap" or (program.parent.name, program.name) == ("nanmap", "__main__.py")
    return [each.encode(errors="replace").decode() for each in sys.argv[1:]] if named else None


def described(made: Iterable[dict[str, Any]]) -> list[str]:
    """Each as a date and a command that a shell takes.

    >>> described([{"began": "2026-01-31T23:59:01+00:00", "arguments": ["sweep", "my sweep.toml"]}])
    ["2026-01-31 23:59 UTC: nanmap sweep 'my sweep.toml'"]
    >>> described([{"began": "2026-01-31T23:59:01+00:00", "arguments": None}])
    ['2026-01-31 23:59 UTC: from Python']
    """
    return [f"{_date(each['began'])}: {_command(each['arguments'])}" for each in made]


def _date(began: str) -> str:
    return f"{began[:10]} {began[11:16]} UTC"


def _command(arguments: Sequence[str] | None) -> str:
    return "from Python" if arguments is None else shlex.join(["nanmap", *arguments])
