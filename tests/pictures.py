"""What is on a picture, read back from the figure; and how colours look to different eyes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from nanmap.analysis import Kind, Numbers, load_grid, make_view
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.ticks import SmallTicks
from nanmap.results.columns import column_named
from nanmap.results.folder import RunFolder

LOSS, SKILL, STEP = column_named("loss_final"), column_named("skill"), column_named("first_nan_step")

# Machado, Oliveira and Fernandes (2009), full strength.
EYES = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "all colours": np.eye(3).tolist(),
}


def panels_of(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def pixels(figure: Figure, rows: int, columns: int, panel: int = 0) -> list[list[str]]:
    """The colour of each pixel's corner, rows from below; "" where nothing is drawn."""
    image = np.asarray(panels_of(figure)[panel].images[0].get_array())
    corners = image[:: image.shape[0] // rows, :: image.shape[1] // columns]
    return [[to_hex(point[:3] / 255) if point[3] else "" for point in row] for row in corners]


def small_ticks(axes: Axes, which: str = "x") -> list[float]:
    """Places of the ticks without a label along an axis."""
    found = [each for each in axes.artists if isinstance(each, SmallTicks) and each.which == which]
    return [place for each in found for place in each.places.tolist()]


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def head_of(figure: Figure) -> str:
    """The title and the lines under it, as one line."""
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def written(figure: Figure) -> list[tuple[Text, Any]]:
    """Every text that is seen on a figure, and its box in dots."""
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for legend in figure.legends for text in [*legend.get_texts(), legend.get_title()])]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_majorticklocs(), axis.get_major_ticks(), strict=True)
            texts += [text for place, tick in ticks if low <= place <= high for text in (tick.label1, tick.label2)]
    return [(text, text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]


def collide(one: tuple[Text, Any], two: tuple[Text, Any]) -> bool:
    """Whether two texts overlap by more than a dot; slanted ones are parallel, and need a line's distance."""
    (text, box), (other, other_box) = one, two
    slant = text.get_rotation()
    if slant % 90 and slant == other.get_rotation() and text.axes is other.axes:
        line = text.get_fontsize() / 72 * text.get_figure(root=True).dpi
        return bool(abs(box.x1 - other_box.x1) * np.sin(np.deg2rad(slant)) < line)
    across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
    along = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
    return bool(min(across, along) > 1)


def linear(colour: str) -> np.ndarray:
    parts = np.array(to_rgb(colour))
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = (matrix @ rgb) / [0.95047, 1, 1.08883]
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """The ratio of luminances that WCAG 2.1 asks for."""
    light, dark = sorted((float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def settings_of(folder: RunFolder, facet: tuple[str, ...] = (), y: str = "batch_size", **chosen: Any) -> ShownSettings:
    manifest = folder.read_manifest()
    view = make_view(load_grid(manifest), "learning_rate", y, facet, chosen.get("select"), chosen.get("zoom"))
    return ShownSettings(manifest, view)


def numbers(values: list[float], kinds: list[Kind] | None = None, every: list[float] | None = None) -> Numbers:
    """Pixels of one run each."""
    given = np.array(values, float)
    kind = np.array(kinds or [Kind.NUMBER] * len(values))
    tally = {each: int((kind == each).sum()) for each in Kind}
    return Numbers(given, kind, np.ones(len(given), int), tally, np.array(values if every is None else every, float))
