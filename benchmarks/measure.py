"""Contenders measured side by side: the best setting of each is searched, its losses are verified, then runs take turns."""

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.worker import Pool

# A loss that rose may be chaotic: a last digit decides how far. So values are compared where it fell, classes everywhere.
TOLERANCE = {"float32": 5e-2, "float64": 1e-6}  # a float32 loss that fell by eleven orders of magnitude is rough
CHAOTIC = 0.98  # share of the cells that must agree where some lie beside a chaotic boundary; elsewhere all must
ROUNDING = 1e-5  # a loss that fell by less stood still: some cells start dead

OURS = "ours:engine"

Spec = dict[str, Any]


class VerificationError(RuntimeError):
    """A contender does not train what nanmap trains."""


@dataclass(frozen=True)
class Contender:
    """Somebody who trains a task.

    Attributes:
        label: how tables name it.
        worker: process it lives in.
        function: where it is written, `module:function` below `benchmarks.peers`.
        task: arguments of `Task.build`.
        settings: arguments of the function.
        options: settings to choose the best of, each laid over `settings`.
        trial: laid over the task to try an option.
        verify: laid over the task to compare the losses.
        agrees: share of the cells whose losses must be those of nanmap.
        keeps: what it keeps of a training beside the parameters, where that decides.
        requires: packages that must be installed.
        programs: of these one must be there.
    """

    label: str
    worker: str
    function: str
    task: Spec
    settings: Spec = field(default_factory=dict)
    options: Sequence[Spec] = ()
    trial: Spec = field(default_factory=dict)
    verify: Spec = field(default_factory=dict)
    agrees: float = 1.0
    keeps: str = ""
    requires: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """What tables call it and, where it is told, what it keeps."""
        return {"label": self.label} | ({"keeps": self.keeps} if self.keeps else {})

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed, and programs of which none is there."""
        absent = [name for name in self.requires if importlib.util.find_spec(name) is None]
        return absent if any(map(shutil.which, self.programs)) else [*absent, *self.programs]

    @property
    def dtype(self) -> str:
        """Of the task."""
        return str(self.task["settings"]["training.dtype"])


def over(task: Spec, changes: Spec) -> Spec:
    """A task with some arguments changed; its settings are merged."""
    return {**task, **changes, "settings": {**task["settings"], **changes.get("settings", {})}}


def compare(
    pool: Pool, contenders: Sequence[Contender], repeats: int, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measures contenders in turns: A B C, A B C, and so on.

    Args:
        pool: the workers.
        contenders: who takes part; the first one is the reference, nanmap itself.
        repeats: rounds.
        tell: hears what is going on.

    Returns:
        A record per contender: label, settings, task, number of updates, raw seconds; or why it was left out.

    Raises:
        VerificationError: a contender trains something else than the reference.
    """
    present = [each for each in contenders if not each.missing]
    records: dict[int, dict[str, Any]] = {}
    for number, each in enumerate(present):
        tell(f"preparing: {each.label}")
        records[number] = _prepared(pool, each, str(number)) | {"seconds": []}
        if number:
            records[number]["agreement"] = _verified(pool, present[0], each, records[number]["settings"])
        pool[each.worker].call("run", key=str(number))  # warms up: every device compiles what it needs
    for turn in range(repeats):
        for number, each in enumerate(present):
            tell(f"round {turn + 1} of {repeats}: {each.label}")
            records[number]["seconds"].append(round(pool[each.worker].call("run", key=str(number)), 6))
    for number, each in enumerate(present):
        pool[each.worker].call("forget", key=str(number))
    left_out = [{**each.names, "missing": each.missing} for each in contenders if each.missing]
    return [*records.values(), *left_out]


def _prepared(pool: Pool, each: Contender, key: str) -> dict[str, Any]:
    """Sets a contender up at its best setting."""
    worker, tried = pool[each.worker], []
    for option in each.options:
        settings = {**each.settings, **option}
        work = worker.call(
            "prepare", key="trial", function=each.function, task=over(each.task, each.trial), settings=settings
        )
        worker.call("run", key="trial")
        seconds = min(worker.call("run", key="trial") for _ in range(2))
        tried.append({"settings": option, "updates_per_second": round(work["updates"] / seconds, 1)})
    worker.call("forget", key="trial")
    best = max(tried, key=lambda trial: trial["updates_per_second"])["settings"] if tried else {}
    settings = {**each.settings, **best}
    work = worker.call("prepare", key=key, function=each.function, task=each.task, settings=settings)
    return {**each.names, "settings": settings, "tried": tried, "task": each.task, **work}


def _verified(pool: Pool, reference: Contender, each: Contender, settings: Spec) -> dict[str, float]:
    """Trains the same cells as the reference does, and compares."""
    task = over(each.task, each.verify)
    ours, theirs = _train(pool, reference, task, reference.settings), _train(pool, each, task, settings)
    agreement = agree(np.array(ours["initial"]), np.array(ours["final"]), np.array(theirs["final"]), each.dtype)
    if min(agreement["close"], agreement["same_class"]) < each.agrees or agreement["fell"] == 0:
        raise VerificationError(
            f"{', '.join(each.names.values())} does not train what nanmap trains ({task}): of {agreement['cells']} cells "
            f"{agreement['fell']} came down, {agreement['close']:.1%} of these to the same loss, and "
            f"{agreement['same_class']:.1%} of all are in the same class"
        )
    return agreement


def _train(pool: Pool, who: Contender, task: Spec, settings: Spec) -> dict[str, list[float]]:
    """Losses of one training of a task."""
    worker = pool[who.worker]
    worker.call("prepare", key="once", function=who.function, task=task, settings=settings)
    worker.call("run", key="once")
    losses: dict[str, list[float]] = worker.call("losses", key="once")
    worker.call("forget", key="once")
    return losses


def agree(initial: np.ndarray, ours: np.ndarray, theirs: np.ndarray, dtype: str) -> dict[str, float]:
    """How well two sets of final losses agree, NaN and infinities among them.

    Returns:
        Cells; how many came down; the share of these with the same loss within `TOLERANCE`; the share of all in the
        same class, came down or not.
    """
    fell, they_fell = (final < initial * (1 - ROUNDING) for final in (ours, theirs))
    with np.errstate(invalid="ignore"):
        close = np.abs(theirs - ours) <= TOLERANCE[dtype] * np.abs(ours)
    return {
        "cells": len(ours),
        "fell": int(fell.sum()),
        "close": float(close[fell].mean()) if fell.any() else 0.0,
        "same_class": float((fell == they_fell).mean()),
    }
