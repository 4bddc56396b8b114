"""A painted map: one colour per pixel, and the key to read them by. How the colours are found: `paint`, `paint_numbers`."""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.colors import Colormap, Normalize


@dataclass(frozen=True)
class Bar:
    """A colour bar.

    Attributes:
        label: what it shows.
        short: the same where there is no room for more than three lines of it.
    """

    colormap: Colormap
    norm: Normalize
    label: str
    short: str
    extend: str = "neither"
    ticks: list[float] | None = None
    tick_labels: list[str] | None = None


@dataclass(frozen=True)
class Painting:
    """A painted map.

    Attributes:
        image: colours `[*view.shape, 4]`; transparent where there is no row.
        rows: rows per pixel.
        legend: colour and label of each colour that is not on the bar.
        core, core_share: the runner-up's colour, and the share of the runs that it has.
        note: how the runs of a pixel were made into one colour; "" if there was one each.
    """

    image: np.ndarray
    rows: np.ndarray
    heading: str = ""
    legend: list[tuple[str, str]] = field(default_factory=list)
    bar: Bar | None = None
    core: np.ndarray | None = None
    core_share: np.ndarray | None = None
    note: str = ""


def percent_ticks() -> tuple[list[float], list[str]]:
    """Places and labels of the ticks of a bar of shares."""
    shares = [0, 0.25, 0.5, 0.75, 1]
    return shares, [f"{100 * share:.0f} %" for share in shares]


def extension(below: bool, above: bool) -> str:
    """The ends of a colour bar that have an arrow, in matplotlib's words: those beyond which there are numbers."""
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
