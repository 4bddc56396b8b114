"""How large a picture shall be: its width and height in units of print, and the size of its text."""

import math
import re
from dataclasses import dataclass
from numbers import Real

from nanmap.errors import InputError

INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72}
LEAST, MOST = 1.0, 60.0  # inches
FONT, LEAST_FONT, MOST_FONT = 9.0, 4.0, 40.0  # points
Length = str | float


@dataclass(frozen=True)
class Paper:
    """The sheet that a picture is drawn on.

    Attributes:
        width, height: in inches; None where what is on it decides.
        font: size of the text in points; titles and ticks go along with it.
    """

    width: float | None = None
    height: float | None = None
    font: float = FONT

    @property
    def scale(self) -> float:
        """By how much text, and what is measured by it, is larger than usual."""
        return self.font / FONT


def make_paper(width: Length | None = None, height: Length | None = None, font_size: float | None = None) -> Paper:
    """The sheet that a user asks for.

    Args:
        width: a number of inches, or a text with its unit: in, cm, mm or pt.
        height: the same.
        font_size: in points.

    Raises:
        InputError: no length, or one that no sheet has.
    """
    if font_size is None:
        font_size = FONT
    real = isinstance(font_size, Real) and not isinstance(font_size, bool)
    if not real or not LEAST_FONT <= font_size <= MOST_FONT:
        allowed = f"{LEAST_FONT:g} to {MOST_FONT:g} points"
        raise InputError("no size of a text", key="font_size", value=font_size, allowed=allowed)
    return Paper(_inches(width, "width"), _inches(height, "height"), float(font_size))


def _inches(length: Length | None, key: str) -> float | None:
    if length is None:
        return None
    allowed = f"{LEAST:g} to {MOST:g} inches; in, cm, mm or pt, such as 3.4in, 86mm or 245pt"
    number, unit = math.nan, "in"
    if isinstance(length, Real) and not isinstance(length, bool):
        number = float(length)
    elif found := re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-zA-Z\"″]*)\s*", str(length)):
        number, unit = float(found[1]), found[2].lower()
    if unit not in INCHES:
        problem = "has no unit" if not unit else "has another unit"
        mend = f"{number:g}in" if LEAST <= number <= MOST else f"{number:g}mm"
        raise InputError(problem, key=key, value=length, allowed=allowed, mend=mend)
    inches = number * INCHES[unit]
    if not LEAST <= inches <= MOST:
        nearest = None if math.isnan(inches) else f"{min(max(inches, LEAST), MOST):g}in"
        point = str(length).replace(",", ".") if "," in str(length) else None
        raise InputError("no length of a sheet", key=key, value=length, allowed=allowed, mend=point or nearest)
    return inches
