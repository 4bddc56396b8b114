"""Texts and their size: values as labels, and lines broken where they must be."""

from bisect import bisect_right
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path


def label_of(value: object) -> str:
    """A value as a tick label.

    >>> [label_of(each) for each in (True, 100, 1e-05, 0.30000000000000004, -2.0, "he_normal")]
    ['true', '100', '1e−5', '0.3', '−2', 'he_normal']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return str(value)
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    mantissa, e, exponent = text.partition("e")
    return mantissa.replace("-", "−") + (f"e{int(exponent)}".replace("-", "−") if e else "")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of a line in inches, for a font size in points."""
    font = FontProperties(weight=weight, size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def wrapped(text: str, inches: float, size: float = 9, weight: str = "normal") -> str:
    """The text in lines that fit a width, broken at blanks."""
    words, lines = [word for word in text.split(" ") if word], []
    while words:
        fitting = _fitting(words, inches, size, weight)
        lines.append(" ".join(words[:fitting]))
        words = words[fitting:]
    return "\n".join(lines)


def _fitting(words: list[str], inches: float, size: float, weight: str) -> int:
    """How many of the first words fit a width, at least one: all if they do, else searched by halves."""

    def width(count: int) -> float:
        return text_width(" ".join(words[:count]), size, weight)

    if width(len(words)) <= inches:
        return len(words)
    return max(1, bisect_right(range(1, len(words)), inches, key=width))
