"""Colours of numbers and of what surrounds the pixels; outcomes and causes bring their own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb

from nanmap.errors import InputError, did_you_mean

MISSING = "#c9c9cf"

# Dark is many. The dark end is cut off: it would come near the colour of NaN.
SEQUENTIAL = LinearSegmentedColormap.from_list("nanmap", colormaps["YlGnBu"](np.linspace(0, 0.88, 256)))
# Trainable blue, untrainable red, and the strongest of both where they meet, at the edge of trainability.
DIVERGING = LinearSegmentedColormap.from_list(
    "nanmap_measure",
    [(0, "#08306b"), (0.25, "#2f7fbf"), (0.5, "#e3f0fa"), (0.5, "#fdeadb"), (0.75, "#e0703c"), (1, "#7f1310")],
)


@dataclass(frozen=True)
class Theme:
    """The colours around the pixels."""

    background: str
    ink: str
    muted: str
    excluded: str
    hatch: str

    @property
    def rc(self) -> Any:
        """The same as matplotlib's settings."""
        return {
            "font.size": 9,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.edgecolor": self.muted,
            "axes.facecolor": self.background,
            "axes.linewidth": 0.6,
            "axes.titlesize": 9,
            "axes.labelsize": 9.5,
            "axes.unicode_minus": True,
            "figure.facecolor": self.background,
            "savefig.facecolor": self.background,
            "hatch.color": self.hatch,
            "hatch.linewidth": 0.6,
            "legend.fontsize": 9,
            "xtick.color": self.muted,
            "ytick.color": self.muted,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "xtick.labelsize": 8.5,
            "ytick.labelsize": 8.5,
            "svg.hashsalt": "nanmap",  # the same picture is the same file
        }


THEMES = {
    "light": Theme(background="#ffffff", ink="#1f2328", muted="#6e7781", excluded="#dde1e6", hatch="#b4bac2"),
    "dark": Theme(background="#0d1117", ink="#e6edf3", muted="#8b949e", excluded="#22272e", hatch="#444c56"),
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
