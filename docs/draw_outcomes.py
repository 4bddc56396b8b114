"""Draws docs/images/outcomes/*.png: a planted training for each outcome with each of its causes, as docs/outcomes.md shows them.

`make figures` runs it; two runs write the same bytes.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import nanmap  # noqa: E402
from nanmap.outcomes import MARKS, TENTHS, Cause, Outcome, enough  # noqa: E402
from planted import PLANTED, Planted  # noqa: E402

TARGET = ROOT / "docs" / "images" / "outcomes"
COLUMNS = 4
INK, GREY = "#1b1b1b", "#6b6b6b"
CURVE = "#3465a4"
PREFERRED = ("nothing to learn, kernels 0", "a curve learnt by Adam", "incomes, a relu network, rate 1e-5")


def examples(outcome: str) -> list[Planted]:
    """A planted training for each cause of an outcome, in order of precedence; of full batch where there is one."""
    found: dict[str, Planted] = {}
    for each in sorted(PLANTED, key=_less_telling):
        if each.outcome == outcome and not each.differs:
            found.setdefault(each.cause, each)
    order = [str(cause) for cause in Cause]
    return sorted(found.values(), key=lambda each: order.index(each.cause) if each.cause else len(order))


def _less_telling(each: Planted) -> tuple[bool, bool]:
    """Epochs of many batches have one point each."""
    return each.name not in PREFERRED, each.tree["training"]["batch_size"] < 20


def draw(outcome: str) -> Figure:
    """A panel for each cause."""
    chosen = examples(outcome)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(10, 2.55 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, each in zip(panels, chosen, strict=False):
        _panel(panel, each)
    for panel in panels[::COLUMNS]:
        panel.set_ylabel("loss", fontsize=8, color=GREY)
    for panel in panels[len(chosen) :]:
        panel.set_axis_off()
    return figure


def _panel(axes: Axes, each: Planted) -> None:
    report = nanmap.run(_tree(each))
    assert (report.outcome, report.cause) == (each.outcome, each.cause), (each.name, report.outcome, report.cause)
    row, steps = report.row, each.tree["training"]["steps"]
    curve = np.array([epoch.mean_loss for epoch in report.epochs])
    per_epoch = max(1, round(row["steps_run"] / max(1, len(curve))))
    at = np.arange(len(curve)) * per_epoch + (per_epoch - 1) / 2
    marks = np.array([steps * tenth // 10 for tenth in TENTHS])
    losses = np.array([np.nan if row[name] is None else row[name] for name in MARKS], float)
    constant, target = row["loss_constant"], float(enough(row["loss_floor"], row["loss_constant"], 0.05))
    levels = np.concatenate([curve, losses, [constant, target]])
    levels = levels[np.isfinite(levels) & (levels > 0)]
    low, high = levels.min() / 3, min(levels.max() * 3, levels.min() * 1e12)
    # Nothing comes after a NaN.
    last = steps if row["first_nan_step"] is None else min(steps, 8 + 2 * row["first_nan_step"])
    axes.set(yscale="log", ylim=(low, high), xlim=(-0.04 * last, 1.04 * last))
    axes.axhline(constant, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.axhline(target, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)))
    axes.plot(at, np.maximum(curve, low * 1.3), color=CURVE, linewidth=1.2)
    beyond, seen = losses > high, losses <= high
    # Where there is no dot at all, the layout would count it as at 0, 0.
    dots = {"color": INK, "markersize": 4, "clip_on": False, "in_layout": False}
    axes.plot(marks[seen], np.maximum(losses[seen], low * 1.3), "o", **dots)
    axes.plot(marks[beyond], np.full(beyond.sum(), high / 1.6), "^", color=INK, markersize=5)
    for name, level in (("C", constant), ("E", target)):
        axes.annotate(
            name, (1, level), (3, 0), ("axes fraction", "data"), "offset points", color=GREY, fontsize=8, va="center"
        )
    events = [row[name] for name in ("first_inf_step", "first_nan_step") if row[name] is not None]
    event = min(events, default=None)
    if event is not None:
        axes.plot([event], [high / 1.6], "X", color=Outcome(each.outcome).colour, markersize=8, markeredgecolor="white")
    axes.set_title(f"{each.cause or '(no cause: all is well)'}", fontsize=9.5, fontweight="bold", loc="left", color=INK)
    axes.tick_params(labelsize=7.5, colors=GREY)
    axes.set_xlabel(_short(each.name), fontsize=7, color=GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.minorticks_off()


def _tree(each: Planted) -> dict[str, Any]:
    if each.x is None:
        return each.tree
    path = Path(tempfile.mkdtemp()) / "rows.npz"
    np.savez(path, x=each.x, y=each.y)
    return each.tree | {"data": each.tree.get("data", {}) | {"kind": "npz", "path": str(path)}}


def _short(name: str) -> str:
    """In two lines at most."""
    words, lines = name.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 44:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


if __name__ == "__main__":
    TARGET.mkdir(parents=True, exist_ok=True)
    for outcome in sys.argv[1:] or list(Outcome):
        draw(str(outcome)).savefig(TARGET / f"{outcome}.png", metadata={"Software": None})
        print(TARGET / f"{outcome}.png")
