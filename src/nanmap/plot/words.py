"""The sentences on a picture: what was trained, the budget, what a pixel or a point holds, which rows are drawn."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from nanmap.analysis import Shown, View
from nanmap.config.choices import FILE_KINDS
from nanmap.config.optimizers import optimizer_entry
from nanmap.plot.labels import label_of, wrapped
from nanmap.plot.names import PLURALS
from nanmap.plot.shown_settings import ShownSettings
from nanmap.results.columns import JUDGED_BY_DATA


def describe_map(
    settings: ShownSettings,
    rows: np.ndarray,
    expected: np.ndarray,
    title: str | None,
    note: str,
    what: str = "pixel",
) -> list[str]:
    """The title of a map, and the lines under it.

    Args:
        settings: what was trained.
        rows: rows per pixel.
        expected: rows per pixel once the run is complete.
        title: in place of the sweep's title; "" for none of these lines.
        note: how the runs of a pixel make one colour.
        what: what runs share: a pixel, or a point.
    """
    if title == "":
        return []
    sweep = settings.manifest["sweep"]
    trained = f"{sweep['name']}: {describe_training(settings)}"
    title = title or sweep.get("title") or ""
    done, total = int(rows.sum()), int(expected.sum())
    dtype = settings.one("training.dtype")
    shared = describe_shared(settings, rows, what)
    unit = "cell" if settings.refined and what == "pixel" else "training"
    parts = [describe_budget(settings), *([dtype] if dtype else []), shared, f"{done:,} {unit}{'s' * (done != 1)}"]
    parts += [f"{percent(done, total)} of cells trained"] if done < total else []
    return [
        title or trained,
        *([trained] if title else []),
        " · ".join(parts),
        *describe_refinement(settings.manifest, shown=done == total),
        *_present("; ".join(_present(*describe_fixed(settings), *describe_judgement(settings), note))),
    ]


def describe_refinement(manifest: Mapping[str, Any], shown: bool = True) -> list[str]:
    """Of a run that refined itself: how much was trained, and what the audit says of the rest.

    Args:
        shown: whether what was filled in is on the map; it has no numbers.
    """
    told = manifest.get("refined")
    if not told:
        return []
    rest = "the rest filled in" if shown else "the rest has no numbers, its outcomes are filled in"
    trained = f"{percent(told['trained'], told['cells'])} trained, where the map changes; {rest}"
    if not (audit := told.get("audit")):
        return [trained]
    bound = (
        f"at most {100 * audit['at_most']:.2g}\N{NO-BREAK SPACE}%, {100 * audit['sure']:.0f}\N{NO-BREAK SPACE}% sure"
    )
    return [f"{trained}: of {audit['cells']:,} drawn at random {audit['wrong']:,} wrong ({bound})"]


def describe_training(settings: ShownSettings) -> str:
    """Model, data and optimizer in one line; what changes over the map is left to its axes."""
    return f"{_model(settings)} on {_data(settings)}, {_optimizer(settings)}"


def describe_budget(settings: ShownSettings) -> str:
    """Epochs or updates, and along what they change."""
    axis, budgets = settings.budgets()
    if axis is None:
        kept = budgets
    else:
        kept = list(dict.fromkeys(budgets[position] for position in settings.shown(axis).positions))
    if len(kept) == 1:
        uneven = len(settings.values("training.batch_size")) > 1 and "epoch" in kept[0]
        return f"{kept[0]}, so smaller batches make more updates" if uneven else kept[0]
    if axis is None or axis.key is not None or axis in [each.axis for each in settings.view.facets] or len(kept) > 3:
        listed = " or ".join(kept) if len(kept) <= 3 else f"{kept[0]} … {kept[-1]}"
    else:
        labels = [axis.labels.tolist()[position] for position in settings.shown(axis).positions]
        named = {
            each: [label for label in labels if budgets[axis.labels.tolist().index(label)] == each] for each in kept
        }
        listed = " or ".join(f"{each}{_labelled(each, names)}" for each, names in named.items())
    by = "" if axis is None or axis.column == "budget" else f" by {axis.column}"
    return f"budget{by}: {listed}"


def _labelled(budget: str, labels: list) -> str:
    """The labels that stand for a budget, unless the one label already says it."""
    said = ", ".join(map(label_of, labels))
    return "" if said.replace(",", "") == budget.replace(",", "") else f" ({said})"


def describe_shared(settings: ShownSettings, rows: np.ndarray, what: str) -> str:
    """What the runs in a pixel, or at a point, differ in.

    Args:
        settings: the map's.
        rows: rows per pixel.
        what: `pixel` or `point`.
    """
    merged = settings.view.merged
    if not merged:
        return f"1 training per {what}"
    parts = " × ".join(f"{len(each)} {_plural(each)}" for each in merged)
    uneven = len(np.unique(rows[rows > 0])) > 1 or (rows.size and 0 < rows.max() < settings.view.depth)
    return f"each {what}: {'up to ' * bool(uneven)}{parts}"


def describe_fixed(settings: ShownSettings) -> list[str]:
    """What was selected, where no axis shows it."""
    view = settings.view
    said = view.selection.values.keys() | view.selection.windows.keys() if view.selection.texts else None
    fixed = [
        f"{each.column} = {label_of(each.labels.tolist()[0])}"
        for each in view.fixed
        if len(each.axis) > 1 and (said is None or each.column in said)
    ]
    several = [
        f"{each.column} = {' or '.join(label_of(label) for label in each.labels.tolist())}"
        for each in view.merged
        if each.column in view.selection.values
    ]
    windows = [
        f"{each.column} from {label_of(each.labels.min().item())} to {label_of(each.labels.max().item())}"
        for each in view.merged
        if each.column in view.selection.windows
    ]
    return [*fixed, *several, *windows, *(f"only {text}" for text in view.selection.texts)]


def describe_excluded(view: View) -> str:
    """What left out the cells that have no row."""
    both = ["`where`"] * (view.grid.where is not None) + ["the selection"] * bool(view.selection.conditions)
    return f"excluded by {' or '.join(both)}"


def describe_judgement(settings: ShownSettings) -> list[str]:
    """By which words the outcomes go, where they are not those that the run's own settings give today."""
    if settings.manifest.get("schema", 0) < JUDGED_BY_DATA:
        return ["outcomes in the words of before: measured from each training's own start"]
    judged = settings.manifest.get("judged") or {}
    return [f"judged by outcome.{name} = {label_of(value)}" for name, value in judged.items()]


def panel_title(facet: Shown, position: int, settings: ShownSettings, inches: float) -> str:
    """`init = zeros`, and the budget where it comes with that value; broken into lines where it must be."""
    label = label_of(facet.labels.tolist()[position])
    parts = [f"{facet.column} =\u00a0{label}"]  # the sign stays beside the value
    axis, budgets = settings.budgets()
    if axis is facet.axis and axis.key is None and len(set(budgets)) > 1:
        budget = budgets[facet.positions[position]]
        parts += [budget] * (budget.replace(",", "") != label.replace(",", ""))
    whole = " · ".join(parts)
    broken = whole if wrapped(whole, inches) == whole else "\n".join(wrapped(part, inches) for part in parts)
    return broken.replace("\u00a0", " ")


def percent(part: int, whole: int) -> str:
    """A share that is never rounded to nothing or to all.

    >>> percent(1, 3), percent(1, 10**6), percent(999_999, 10**6), percent(0, 5), percent(5, 5), percent(1, 200)
    ('33 %', '< 0.1 %', '> 99.9 %', '0 %', '100 %', '0.5 %')
    """
    if part in (0, whole):
        return "100 %" if part else "0 %"
    share = 100 * part / whole
    if share < 0.1 or share > 99.9:
        return "< 0.1 %" if share < 0.1 else "> 99.9 %"
    return f"{share:.1f} %" if share < 1 or share > 99 else f"{share:.0f} %"


def _present(*texts: str) -> list[str]:
    return [text for text in texts if text]


def _plural(shown: Shown) -> str:
    return PLURALS.get(shown.column, f"values of {shown.column}")


def _model(settings: ShownSettings) -> str:
    """What the run's manifest calls the networks of the kinds on the map; where it says nothing, what their settings say."""
    told = settings.manifest.get("models") or {}
    named = [name for kind in settings.values("model.kind") for name in told.get(kind) or [_by_settings(settings)]]
    names = list(dict.fromkeys(named))
    return " or ".join(names) if len(names) <= 3 else "several models"


def _by_settings(settings: ShownSettings) -> str:
    """What networks of Dense layers have in common."""
    hidden, activation = settings.one("model.hidden"), settings.one("model.activation")
    if hidden is None:
        return "networks of several sizes"
    output = settings.one("model.output_activation")
    tail = f", {output} output" if output not in (None, "linear") else ""
    if not hidden:
        return "linear model" + tail
    units = f"{activation} units" if activation else "units"
    size = f"{hidden[0]} {units}" if len(hidden) == 1 else f"{'–'.join(map(str, hidden))} {units}"
    return f"network of {size}{tail}"


def _data(settings: ShownSettings) -> str:
    kind = settings.one("data.kind")
    axis, counts = settings.rows()
    known = counts[0] is not None and (axis is None or len(settings.shown(axis)) == 1)
    count = counts[0] if axis is None else counts[settings.shown(axis).positions[0]]
    rows = f" ({count:,} rows)" if known and count is not None else ""
    if kind is None:
        return "several data sets"
    if kind in FILE_KINDS:
        path = settings.one("data.path")
        return (PurePath(path).name if path else "several files") + rows
    slope = settings.one("data.slope")
    factor = "" if slope in (None, 1) else label_of(slope)
    names = {"square": "x² + 2", "line": f"y = {factor}x", "gaussian": "random numbers"}
    return names.get(kind, kind) + rows


def _optimizer(settings: ShownSettings) -> str:
    kinds = [optimizer_entry(kind).title for kind in settings.values("optimizer.kind")]
    name = " or ".join(kinds) if len(kinds) <= 3 else "several optimizers"
    rate, layers = settings.one("optimizer.learning_rate"), settings.owner("optimizer.layer_learning_rates.0")
    fixed = rate is not None and layers is None and settings.one("optimizer.layer_learning_rates") is None
    momentum = settings.one("optimizer.momentum")
    return name + f" at rate {label_of(rate)}" * bool(fixed) + f", momentum {label_of(momentum)}" * bool(momentum)
