"""Colours of numbers: the colormap that is asked for, kept apart from the colours of what is no number."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, ListedColormap, to_rgb

from nanmap.errors import InputError, did_you_mean
from nanmap.plot.theme import Theme

SAFE = ("viridis", "cividis", "plasma", "Blues")  # read by colour-blind eyes, and mostly apart from NaN and infinity
SAMPLES = 256
APART = 20  # least distance in CIE Lab from the colours of NaN and infinity, where about 2 can just be seen
BEYOND = ("#e8a15a", "#ee9ac0", "#7fd8be", "#8a8a8a")  # of numbers past the bar's bad end: the first that is apart
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1, 1.08883])


@dataclass(frozen=True)
class Colouring:
    """How numbers are coloured, as asked for; None where nothing was.

    Attributes:
        look: the theme, which has the colours of NaN and infinity.
        colormap: its first colour is that of the least number.
        limits: the numbers at both ends of the colour bar.
    """

    look: Theme
    colormap: Colormap | None = None
    limits: tuple[float, float] | None = None


def make_colouring(look: Theme, cmap: str | None = None, limits: Any = None) -> Colouring:
    """What a user asked for, checked.

    Raises:
        InputError: no such colormap, or the limits are no two ascending numbers.
    """
    limits = checked_limits(limits)
    return Colouring(look, find_colormap(cmap, look) if cmap is not None else None, limits)


def checked_limits(limits: Any) -> tuple[float, float] | None:
    """Two ascending numbers, if any are given.

    Raises:
        InputError: they are something else.
    """
    if limits is None:
        return None
    given = tuple(limits) if isinstance(limits, list | tuple | np.ndarray) else (limits,)
    real = [isinstance(each, Real) and not isinstance(each, bool) and math.isfinite(each) for each in given]
    if len(real) != 2 or not all(real):
        raise InputError("expects two numbers, the least and the greatest", key="limits", value=limits, allowed="0:1")
    if given[0] >= given[1]:
        raise InputError("the first must be below the second", key="limits", value=limits)
    return given


def find_colormap(name: str, look: Theme) -> Colormap:
    """A colormap of matplotlib, cut to the longest part of it that no one takes for NaN or infinity.

    Raises:
        InputError: there is none of this name, or most of it comes too near to those colours.
    """
    if not isinstance(name, str) or name not in colormaps:
        names = [each for each in colormaps if not each.endswith("_r")]
        mend = did_you_mean(str(name), list(colormaps))
        allowed = f"{', '.join(SAFE)} and matplotlib's others ({len(names)}), reversed with _r"
        raise InputError("no such colormap", key="cmap", value=name, allowed=allowed, mend=mend)
    samples = colormaps[name](np.linspace(0, 1, SAMPLES))[:, :3]
    apart = distances(samples, [look.nan, look.inf]).min(axis=1) >= APART
    edges = np.flatnonzero(np.diff(np.concatenate([[0], apart, [0]])))
    start, stop = max(zip(edges[::2], edges[1::2], strict=True), key=lambda run: run[1] - run[0], default=(0, 0))
    if stop - start < SAMPLES / 2:
        problem = "most of it looks like the colours of NaN and infinite values"
        raise InputError(problem, key="cmap", value=name, allowed=SAFE, mend="take one that stays apart from them")
    return ListedColormap(samples[start:stop], name)


def beyond(colormap: Colormap, look: Theme) -> str:
    """A colour for numbers past the end of a colour bar: neither on it nor that of NaN, infinity or a missing value."""
    taken = [*colormap(np.linspace(0, 1, 32))[:, :3], *map(to_rgb, (look.nan, look.inf, look.missing, look.background))]
    return max(BEYOND, key=lambda each: min(APART, distances(np.array(taken), [each]).min()))


def distances(samples: np.ndarray, colours: Iterable[str]) -> np.ndarray:
    """Distances in CIE Lab of samples `[n, 3]`, 0 to 1, from colours, `[n, colours]`."""
    marks = np.array([to_rgb(each) for each in colours])
    return np.linalg.norm(_lab(samples)[:, None] - _lab(marks), axis=-1)


def _lab(colours: np.ndarray) -> np.ndarray:
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    shares = linear @ XYZ.T / WHITE
    x, y, z = np.where(shares > 0.008856, np.cbrt(shares), 7.787 * shares + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
