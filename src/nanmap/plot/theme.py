"""Colours of numbers and of what surrounds the pixels; outcomes and causes bring their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb

from nanmap.errors import InputError, did_you_mean
from nanmap.outcomes import Outcome

# Dark is many. The dark end is cut off: it would come near the colour of NaN.
SEQUENTIAL = LinearSegmentedColormap.from_list("nanmap", colormaps["YlGnBu"](np.linspace(0, 0.88, 256)))
# Trainable blue, untrainable red, and the strongest of both where they meet, at the edge of trainability.
DIVERGING = LinearSegmentedColormap.from_list(
    "nanmap_measure",
    [(0, "#08306b"), (0.25, "#2f7fbf"), (0.5, "#e3f0fa"), (0.5, "#fdeadb"), (0.75, "#e0703c"), (1, "#7f1310")],
)


@dataclass(frozen=True)
class Theme:
    """The colours around the pixels, and of those verdicts that cannot be seen on the background as they are.

    Attributes:
        missing: of pixels whose number is missing.
        verdicts: in place of verdicts' own colours.
        series: of the lines of a picture of lines, at least 3 : 1 against the background.
    """

    background: str
    ink: str
    muted: str
    excluded: str
    hatch: str
    missing: str
    verdicts: Mapping[str, str]
    series: tuple[str, ...]

    @property
    def nan(self) -> str:
        """The colour of NaN."""
        return self.own(Outcome.NAN.colour)

    @property
    def inf(self) -> str:
        """The colour of infinite values."""
        return self.own(Outcome.INF.colour)

    def own(self, colour: str) -> str:
        """A verdict's colour in this theme."""
        return self.verdicts.get(colour, colour)

    def rc(self, text: float) -> Any:
        """The same as matplotlib's settings, for a size of the text in points."""
        return {
            "font.size": text,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.edgecolor": self.muted,
            "axes.facecolor": self.background,
            "axes.linewidth": 0.6,
            "axes.titlesize": text,
            "axes.labelsize": text * 9.5 / 9,
            "axes.unicode_minus": True,
            "figure.facecolor": self.background,
            "savefig.facecolor": self.background,
            "hatch.color": self.hatch,
            "hatch.linewidth": 0.6,
            "legend.fontsize": text,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "xtick.labelsize": text * 8.5 / 9,
            "ytick.labelsize": text * 8.5 / 9,
            "svg.hashsalt": "nanmap",  # the same picture is the same file
        }


THEMES = {
    "light": Theme(
        background="#ffffff",
        ink="#1f2328",
        muted="#6e7781",
        excluded="#dde1e6",
        hatch="#b4bac2",
        missing="#c9c9cf",
        verdicts={},
        series=("#0b5fa5", "#c2500a", "#00795a", "#b0508c", "#3b3f45", "#8a6a00", "#2a8fc4", "#8f1d2c"),
    ),
    # On black the dark purple of NaN cannot be seen. Its pink would be too near to a pale blue for some eyes.
    "dark": Theme(
        background="#0d1117",
        ink="#e6edf3",
        muted="#8b949e",
        excluded="#22272e",
        hatch="#444c56",
        missing="#5b626b",
        verdicts={Outcome.NAN.colour: "#f8b8e0", Outcome.PROGRESSING.colour: "#3aa0e0"},
        series=("#58a6e8", "#f08a3c", "#2fbf8f", "#e08fc4", "#e6edf3", "#e8d44d", "#9b8cf0", "#f0706a"),
    ),
}


def find_theme(name: str) -> Theme:
    """The theme of a name.

    Raises:
        InputError: there is none.
    """
    if name not in THEMES:
        raise InputError("no such theme", key="theme", value=name, allowed=THEMES, mend=did_you_mean(name, THEMES))
    return THEMES[name]


def to_bytes(colour: str) -> np.ndarray:
    """Red, green, blue and full opacity, 0 to 255."""
    return np.array([*(round(255 * part) for part in to_rgb(colour)), 255], np.uint8)


def through(colormap: Colormap, shares: np.ndarray) -> np.ndarray:
    """Colours `[..., 4]` as bytes for places 0 to 1 on a colormap."""
    return np.asarray(colormap(shares, bytes=True), np.uint8)
