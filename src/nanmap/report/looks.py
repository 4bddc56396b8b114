"""Colours and letters of the page: those of the pictures, for both themes."""

from typing import Any

import numpy as np
from matplotlib.colors import Colormap

from nanmap.outcomes import Cause, Outcome, Stop, Verdict
from nanmap.plot.colormaps import beyond
from nanmap.plot.theme import DIVERGING, SEQUENTIAL, THEMES, Theme

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SETS = (Outcome, Cause, Stop)


def looks() -> dict[str, Any]:
    """All that the page knows of colours."""
    return {
        "verdicts": {names.__name__: _verdicts(names) for names in SETS},
        "themes": {name: _theme(theme) for name, theme in THEMES.items()},
        "sequential": samples(SEQUENTIAL),
        "diverging": samples(DIVERGING),
    }


def letters_of(names: type[Verdict]) -> dict[Verdict, str]:
    """A letter for each name, to be told by without its colour: the first of its own that is free.

    >>> "".join(letters_of(Outcome).values())
    'NICDVPS'
    """
    letters: dict[Verdict, str] = {}
    for each in names:
        free = [letter for letter in f"{each.upper()}{ALPHABET}" if letter.isalpha() and letter not in letters.values()]
        letters[each] = free[0] if each else "–"
    return letters


def samples(colormap: Colormap) -> str:
    """256 colours, six hexadecimal digits each."""
    return colormap(np.linspace(0, 1, 256), bytes=True)[:, :3].tobytes().hex()


def _verdicts(names: type[Verdict]) -> dict[str, Any]:
    return {str(each): _verdict(each, letter) for each, letter in letters_of(names).items()}


def _verdict(each: Verdict, letter: str) -> dict[str, Any]:
    return {
        "sentence": each.sentence,
        "letter": letter,
        "unstable": each.unstable,
        **{name: theme.own(each.colour) for name, theme in THEMES.items()},
    }


def _theme(theme: Theme) -> dict[str, Any]:
    return {
        "nan": theme.nan,
        "inf": theme.inf,
        "missing": theme.missing,
        "excluded": theme.excluded,
        "background": theme.background,
        "ink": theme.ink,
        "muted": theme.muted,
        "series": list(theme.series),
        "past_low": beyond(SEQUENTIAL, theme),
        "past_high": beyond(SEQUENTIAL.reversed(), theme),
    }
