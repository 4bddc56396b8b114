"""What a page holds of a run, as plain data: axes, rows, curves, settings, and where it all comes from."""

import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nanmap.analysis import JoinedFolder, View, load_grid, obvious_axes
from nanmap.analysis.alike import read_cells
from nanmap.analysis.shown_axes import shown_axis
from nanmap.config.choices import LEARNING_RATE
from nanmap.config.load import ALTERNATIVES
from nanmap.errors import InputError
from nanmap.grid import Grid
from nanmap.grid.axes import Axis
from nanmap.plot.curves import curve_labels, measured_rows
from nanmap.plot.names import name_axis
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.words import describe_budget, describe_refinement, describe_training
from nanmap.report.best import best_settings
from nanmap.report.first_tensors import read_first_tensors
from nanmap.report.histories import read_histories
from nanmap.report.looks import looks
from nanmap.report.packing import pack_counts
from nanmap.report.rows import Rows, budget_of, has_rows, read_rows
from nanmap.report.said import Part, as_data
from nanmap.report.settings import axis_settings, base_settings, code_named, place_of
from nanmap.results.columns import column_named
from nanmap.results.folder import RunFolder
from nanmap.results.made import described

FORMAT = 1
MOST_CELLS = 16_000_000  # of a grid: the browser keeps four bytes for each, rows or not
MOST_ROWS = 2_000_000
BIDIRECTIONAL = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # turn what follows around


def make_document(folder: RunFolder, title: str | None = None, said: Sequence[str | Part] = ()) -> dict[str, Any]:
    """All that a page shows of a run, for JSON.

    Args:
        folder: one run, finished or not, or several put together.
        title: in place of the sweep's.
        said: paragraphs and parts to stand before the map.

    Raises:
        InputError: there are too many cells for a page, or a folder's name cannot stand in a command.
    """
    manifest = folder.read_manifest()
    grid = load_grid(manifest)
    _check_size(grid)
    settings = ShownSettings(manifest, _all_together(grid))
    histories = read_histories(folder, budget_of(grid.size))
    rows = read_rows(folder, budget_of(grid.size) - histories.size)
    if len(rows.cells) > MOST_ROWS:
        _refuse(f"holds {len(rows.cells):,} rows", f"{MOST_ROWS:,} rows")
    sweep, last = manifest["sweep"], len(rows.cells) - 1
    whole = len(rows.cells) == grid.size and (last < 0 or rows.cells[last] == last)
    return {
        "format": FORMAT,
        "name": sweep["name"],
        "title": title or sweep.get("title") or "",
        "said": as_data(said),
        "trained": describe_training(settings),
        "budget": describe_budget(settings),
        "complete": bool(manifest.get("complete")),
        "refined": describe_refinement(manifest),
        "where": sweep.get("where"),
        "judged": manifest.get("judged") or {},
        "shape": list(grid.shape),
        "axes": [_axis(axis, number) for number, axes in enumerate(grid.dimensions) for axis in axes],
        "view": _first_view(manifest, grid),
        "rows": len(rows.cells),
        "cells": None if whole else _cells(rows.cells),
        "columns": rows.columns,
        "empty": rows.empty,
        "left_out": rows.left_out,
        "rounded": rows.rounded,
        "curves": _curves(settings, rows),
        "edges": _edges(folder, settings),
        "history": histories.as_dict(),
        "first_tensors": read_first_tensors(folder, budget_of(grid.size)),
        "best": best_settings(folder, grid) if len(rows.cells) else {"works": [], "never": []},
        "config": _config(folder, grid),
        "runs": _runs(folder, grid),
        "sources": _sources(folder, rows.cells),
        "provenance": _provenance(folder, manifest),
        "looks": looks(),
    }


def _check_size(grid: Grid) -> None:
    if grid.size > MOST_CELLS:
        _refuse(f"spans {grid.size:,} cells", f"{MOST_CELLS:,} cells")


def _refuse(problem: str, allowed: str) -> None:
    mend = "`nanmap map RUN --zoom …` draws a part, and `nanmap sweep --zoom …` trains one into a folder of its own"
    raise InputError(f"{problem}, too many for a page", key="run", allowed=f"at most {allowed}", mend=mend)


def _all_together(grid: Grid) -> View:
    """A view without a plane: what is the same for all cells, and what is not."""
    return View(grid, (), tuple(shown_axis(axes[0], np.arange(len(axes[0]))) for axes in grid.dimensions), ())


def _axis(axis: Axis, dimension: int) -> dict[str, Any]:
    shown = shown_axis(axis, np.arange(len(axis)))
    return {
        "column": axis.column,
        "label": name_axis(axis.column),
        "dimension": dimension,
        "labels": axis.labels.tolist(),
        "scale": shown.scale,
        "order": shown.positions.tolist(),
        "rate": axis.key == LEARNING_RATE,
        "draws": axis.key in ("training.seed", "model.init"),
        "seed": axis.key == "training.seed",
        "settings": axis_settings(axis),
    }


def _first_view(manifest: Mapping[str, Any], grid: Grid) -> dict[str, Any]:
    """The axes that the page opens with: those of the first map that the sweep lists, else the obvious ones."""
    known = {axis.column for axis in grid.axes}
    for drawn in manifest.get("maps") or ():
        names = {drawn.get("x"), drawn.get("y"), *(drawn.get("facet") or ())}
        if drawn.get("kind", "map") == "map" and names <= known:
            return {"x": drawn["x"], "y": drawn["y"], "facets": list(drawn.get("facet") or ())}
    if not grid.dimensions:
        return {"x": None, "y": None, "facets": []}
    x, y = obvious_axes(grid)
    return {"x": x, "y": y, "facets": []}


def _cells(cells: np.ndarray) -> dict[str, Any]:
    return pack_counts(cells, np.zeros(len(cells), bool)).as_dict()


def _curves(settings: ShownSettings, rows: Rows) -> list[dict[str, Any]]:
    """The columns that are critical rates, and how they are drawn."""
    held = {each["name"] for each in rows.columns}
    labels = {name: label for name, label in curve_labels(settings).items() if name in held}
    styles = {name: column_named(name).curve for name in labels}
    return [
        {"column": name, "label": labels[name], "dashes": list(style.dashes), "median": style.median}
        for name, style in styles.items()
        if style is not None
    ]


def _edges(folder: RunFolder, settings: ShownSettings) -> dict[str, Any] | None:
    """Measured critical rates, each with its place along every dimension but that of the rates."""
    found = measured_rows(folder, settings)
    if found is None:
        return None
    positions, rates = found
    return {
        "positions": positions.T.tolist(),
        "rates": [float(rate) if np.isfinite(rate) else None for rate in rates],
    }


def _config(folder: RunFolder, grid: Grid) -> dict[str, Any]:
    tree = dict(folder.read_manifest()["sweep"]["config"])
    if digest := (tree.get("data") or {}).get("sha256"):
        tree["data"] = {**tree["data"], "path": str(folder.input_file(digest))}
    return {
        "base": base_settings(tree),
        "alternatives": [[place_of(one)[:2], place_of(other)[:2]] for one, other in ALTERNATIVES.items()],
    }


def _runs(folder: RunFolder, grid: Grid) -> list[dict[str, Any]]:
    """Of each run what a command calls it."""
    runs = folder.runs if isinstance(folder, JoinedFolder) else [folder]
    return [_run(each, load_grid(each.read_manifest())) for each in runs]


def _run(folder: RunFolder, grid: Grid) -> dict[str, Any]:
    path = str(folder.path)
    check_plain(path)
    code, held = code_named(folder.read_manifest()["sweep"]["config"], grid.axes)
    words = ["--of", path, *(["--allow-python"] if code else [])]
    why = ""
    if held:
        why = "its model is held by a program in Python: nanmap.run(result.config(cell), model=…) trains it again"
    elif folder.temporary:
        why = "its folder was a temporary one, which goes with the program that made it; its config is below"
    return {"path": path, "words": shlex.join(words), "why_not": why}


def check_plain(path: str) -> None:
    """Refuses a name with which a command would be pasted that does something else than it shows.

    Raises:
        InputError: it holds control characters, or such as turn the direction of writing.
    """
    if _is_odd(path):
        problem = "holds control characters, which no command to paste may hold"
        raise InputError(problem, key="run", value=path, mend="give the folder another name")


def _is_odd(text: str) -> bool:
    return any(unicodedata.category(letter) == "Cc" or letter in BIDIRECTIONAL for letter in text)


def _sources(folder: RunFolder, cells: np.ndarray) -> dict[str, Any] | None:
    """Of each row of several runs the run, and the cell's number there; None for one run, whose numbers are its own."""
    if not isinstance(folder, JoinedFolder):
        return None
    owner, own = np.zeros(len(cells), np.int64), np.zeros(len(cells), np.int64)
    for number in reversed(range(len(folder.runs))):  # the first that has a row is its source
        there = read_cells(folder.runs[number])
        place = np.searchsorted(cells, folder.merged.numbers(number, there))
        owner[place], own[place] = number, there
    none = np.zeros(len(cells), bool)
    return {"run": pack_counts(owner, none).as_dict(), "cell": pack_counts(own, none).as_dict()}


def _provenance(folder: RunFolder, manifest: Mapping[str, Any]) -> list[list[str]]:
    """What was trained where, as pairs of a heading and its text."""
    runs = folder.runs if isinstance(folder, JoinedFolder) else [folder]
    several = len(runs) > 1
    found: list[list[str]] = []
    for run in runs:
        told = run.read_manifest()
        label = f" of {run.path}" if several else ""
        seconds = (told.get("timings") or {}).get("wall_seconds")
        versions = ", ".join(f"{name} {text}" for name, text in (told.get("versions") or {}).items())
        found += [
            *([] if several or run.temporary else [["run", str(run.path)]]),
            [f"versions{label}", versions],
            [f"device{label}", " · ".join(str(told[key]) for key in ("backend", "device") if told.get(key))],
            [f"hash of the settings{label}", str(told.get("hash", ""))],
            [f"time taken{label}", f"{seconds:,.1f} s" if isinstance(seconds, int | float) else ""],
            [f"programs{label}", "; ".join(dict.fromkeys((told.get("programs") or {}).values()))],
            [f"files read{label}", "; ".join(told.get("data") or ())],
            *([f"made{label}", _plain(text)] for text in described(told.get("made") or ())),
        ]
    found += [["note", note] for note in getattr(folder, "notes", ())]
    if not has_rows(folder):
        found.append(["rows", "none yet"])
    if not any(run.temporary for run in runs):
        found.append(["this page again", _command("report", *(str(run.path) for run in runs))])
    return [[heading, text] for heading, text in found if text]


def _plain(text: str) -> str:
    """A command that a manifest says, where it does what it shows."""
    return (
        f"{text.partition(': ')[0]}: a command with control characters, which is not shown" if _is_odd(text) else text
    )


def _command(*words: str) -> str:
    return shlex.join(["nanmap", *words])
