"""One state of a run in place of another: assembled beside it, and put in its place by moves that a journal names.

The journal is the switch. Until it stands, the folder is the run that it was, and what was assembled may be thrown away; once
it stands, the folder is the new run: whoever opens it next makes the moves that are missing, each of which may be tried again.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nanmap.errors import RunFolderError, told_of
from nanmap.objects import is_object
from nanmap.results.files import Lock, Replacing, flush_folder, within
from nanmap.results.receipts import Receipts

NEXT = ".next"
MAPS = "maps"
JOURNAL, REPLACED = "switch.json", "replaced"  # in `NEXT`: what is to be moved, and what was there before
BESIDE = ("history", "first_tensors")  # what may stand beside rows
PARTS = ("cells", "receipts/cells", *BESIDE, *(f"receipts/{part}" for part in BESIDE), "manifest.json")
ALWAYS = ("cells", "receipts/cells", "manifest.json")  # of which every state has its own
LOCKED = "cells"  # the part whose lock is held by who switches


def next_of(root: Path) -> Path:
    """Where the state that is to follow is assembled."""
    return within(root, root / NEXT)


def switch(root: Path) -> None:
    """Puts what stands in `NEXT` in the place of the run. The caller holds the lock of its cells.

    Args:
        root: the run folder.
    """
    place = next_of(root)
    with Replacing(place, place / JOURNAL) as file:
        file.write(json.dumps({part: (place / part).exists() for part in PARTS}).encode())
    _finish(root)


def settle(root: Path) -> None:
    """Ends a switch that was interrupted: of most folders it looks whether there is one, and that is all."""
    if is_object(root) or not os.path.exists(root / NEXT):  # no error where the name is too long for one
        return
    place = next_of(root)
    if (place / JOURNAL).exists() or (place / REPLACED).exists():
        lock = Lock(root, LOCKED, wait=True)  # of one that is being made the end is awaited
        try:
            _finish(root)
        finally:
            lock.release()


def _finish(root: Path) -> None:
    with told_of(root):
        for move in _moves(root):
            move()


def _moves(root: Path) -> Iterator[Callable[[], None]]:
    """What is left to be done, in its order; whatever was done before is left out, or does nothing."""
    place = next_of(root)
    journal, replaced = place / JOURNAL, place / REPLACED
    if journal.exists():
        for part, comes in _said_by(journal).items():
            old, new, away = (within(root, each / part) for each in (root, place, replaced))
            if old.exists() and (new.exists() if comes else True):
                yield partial(_move, old, away)
            if new.exists():
                yield partial(_move, new, old)
        yield partial(_forget_pictures, root)
        yield journal.unlink
        yield partial(flush_folder, place)
    if replaced.exists():
        yield partial(shutil.rmtree, place)


def _said_by(journal: Path) -> dict[str, bool]:
    """Which parts of the run have a new state, of those that there are; whoever hands a folder over may have written anything.

    Raises:
        RunFolderError: it is no journal.
    """
    try:
        told = json.loads(journal.read_bytes())
    except (OSError, ValueError, RecursionError):
        told = None
    if (
        not isinstance(told, dict)
        or not {*told} <= {*PARTS}
        or not all(isinstance(each, bool) for each in told.values())
    ):
        told = {}
    if not all(told.get(part) for part in ALWAYS):
        mend = f"move the folder {NEXT} away: the run is what stands beside it, if its manifest.json is there"
        raise RunFolderError("is no journal of a switch", file=journal, mend=mend)
    return told


def _forget_pictures(root: Path) -> None:
    """Those drawn from the rows that were: they go with them."""
    pictures = Receipts(root / MAPS)
    pictures.remove_with(pictures.unchanged())


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)
    for folder in (source.parent, target.parent):
        flush_folder(folder)
