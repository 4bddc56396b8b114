"""Pairs of numbers as they are typed: LOW:HIGH, and the option --zoom AXIS=LOW:HIGH."""

from typing import Annotated

import typer

from nanmap.errors import InputError

Zoom = Annotated[
    list[str] | None,
    typer.Option("--zoom", metavar="AXIS=LOW:HIGH", help="Only this window of an axis; may be repeated."),
]


def parse_pair(text: str, key: str, mend: str = "for example 0:1") -> tuple[float, float]:
    """The two numbers of `LOW:HIGH`; `mend` goes with an error.

    Raises:
        InputError: the text is something else.
    """
    low, colon, high = text.partition(":")
    try:
        if colon:
            return _number(low), _number(high)
    except ValueError:
        pass
    raise InputError("not of the form LOW:HIGH", key=key, value=text, mend=mend)


def parse_windows(texts: list[str] | None) -> dict[str, tuple[float, float]]:
    """The windows by axis.

    Raises:
        InputError: a text is not of the form, or two windows are on one axis.
    """
    found: dict[str, tuple[float, float]] = {}
    for text in texts or []:
        axis, equals, window = (part.strip() for part in text.partition("="))
        if not (axis and equals):
            mend = "for example --zoom learning_rate=1e-3:1e-2"
            raise InputError("not of the form AXIS=LOW:HIGH", key="--zoom", value=text, mend=mend)
        if axis in found:
            raise InputError("two windows on one axis", key=f"--zoom {axis}", value=window, mend="give one of them")
        mend = f"for example --zoom {axis}=1e-3:1e-2; of an axis of names --select {axis}=[…] keeps some"
        found[axis] = parse_pair(window, f"--zoom {axis}", mend)
    return found


def _number(text: str) -> float:
    """Whole where it is written so."""
    try:
        return int(text)
    except ValueError:
        return float(text)
