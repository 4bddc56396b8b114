"""The roofline figure: achieved over possible GFLOP/s, a panel per precision."""

import hashlib
import json
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from benchmarks.figures import Result, gflops, peak
from benchmarks.tables import comparisons, in_roofline
from nanmap.plot.theme import THEMES

OURS, THEIRS, LIMIT = "#0b4f8f", "#92d2f2", "#c53a22"  # dark and light: apart in grey and to any eye
SOURCE = "nanmap results"  # of the picture's metadata: a hash of the result that it shows
WIDTH, ROW, FRAME, DPI = 7.6, 0.27, 0.75, 150  # inches


def draw(result: Result, out: Path) -> None:
    """Writes the picture."""
    theme = THEMES["light"]
    panels = {dtype: _bars(result, dtype) for dtype in ("float32", "float64") if _bars(result, dtype)}
    heights = [len(bars) for bars in panels.values()]
    with plt.rc_context(theme.rc(9)):
        size = (WIDTH, ROW * sum(heights) + FRAME * len(panels) + 0.25)
        figure, axes = plt.subplots(len(panels), 1, figsize=size, height_ratios=heights, squeeze=False)
        for axis, (dtype, bars) in zip(axes[:, 0], panels.items(), strict=True):
            _panel(axis, dtype, bars, peak(result, dtype), theme.ink)
        axes[-1, 0].set_xlabel("GFLOP/s, operations counted, median over the rounds")
        figure.tight_layout(h_pad=1.4)
        figure.savefig(out, dpi=DPI, metadata={SOURCE: fingerprint(result), "Software": None})
        plt.close(figure)


def fingerprint(result: Result) -> str:
    """Of everything in a result."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def shows(picture: Path, result: Result) -> bool:
    """Whether a picture was drawn from this result."""
    if not picture.exists():
        return False
    with Image.open(picture) as image:
        return image.info.get(SOURCE) == fingerprint(result)


def _bars(result: Result, dtype: str) -> list[tuple[str, float]]:
    """Labels and GFLOP/s in one precision, in the order of the tables."""
    return [
        (f"{name}: {each['label']}", gflops(result, name, group, each))
        for name, precision, group in comparisons(result)
        if precision == dtype
        for each in in_roofline(name, group)
    ]


def _panel(axis: Axes, dtype: str, bars: list[tuple[str, float]], top: float, ink: str) -> None:
    labels, speeds = zip(*bars, strict=True)
    places = range(len(bars))
    colours = [OURS if ": nanmap" in label else THEIRS for label in labels]
    axis.barh(places, speeds, height=0.66, color=colours, edgecolor=OURS, linewidth=0.5)
    axis.axvline(top, color=LIMIT, linewidth=1.4)
    axis.text(top, -0.75, f"2048² matrix product: {top:,.0f}", color=LIMIT, ha="right", va="bottom", fontsize=8.5)
    for place, speed in zip(places, speeds, strict=True):
        text = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        axis.text(speed + top * 0.008, place, f"{text}  ({speed / top:.0%})", va="center", color=ink, fontsize=8)
    axis.set_yticks(places, labels)
    axis.set_ylim(len(bars) - 0.4, -0.6)
    axis.set_xlim(0, top * 1.04)
    axis.set_title(dtype, loc="left", fontweight="bold", pad=12)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
