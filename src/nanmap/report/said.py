"""What stands before the map: paragraphs, and parts with a heading, a picture and texts that are to be copied as they are."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple


class Part(NamedTuple):
    """A part of what is said of a run.

    Attributes:
        title: its heading.
        sentences: a line each.
        picture: a PNG, and what it shows in words; None without one.
        texts: programs, patches and other texts that keep their lines, each under its own heading, folded.
    """

    title: str
    sentences: tuple[str, ...] = ()
    picture: tuple[bytes, str] | None = None
    texts: tuple[tuple[str, str], ...] = ()


def as_data(said: Sequence[str | Part]) -> list[Any]:
    """For JSON: a paragraph is a text, a part a table.

    >>> as_data(["one", Part("why", ("two",))])
    ['one', {'title': 'why', 'sentences': ['two'], 'picture': None, 'texts': []}]
    """
    return [each if isinstance(each, str) else _part(each) for each in said]


def _part(part: Part) -> dict[str, Any]:
    return {
        "title": part.title,
        "sentences": list(part.sentences),
        "picture": _picture(*part.picture) if part.picture else None,
        "texts": [list(each) for each in part.texts],
    }


def _picture(png: bytes, told: str) -> list[str]:
    return [f"data:image/png;base64,{base64.b64encode(png).decode()}", told]
