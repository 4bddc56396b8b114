"""One state of a run in place of another: assembled beside it, and put in its place by moves that a journal names.

The journal is the switch. Until it stands, the folder is the run that it was, and what was assembled may be thrown away; once
it stands, the folder is the new run: whoever opens it next makes the moves that are missing, each of which may be tried again.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nanmap.errors import RunFolderError, told_of
from nanmap.objects import is_object
from nanmap.results.files import TEMPORARY, Lock, Replacing, flush_folder, make_folder
from nanmap.results.places import content_of, file_within, within
from nanmap.results.receipts import Receipts
from nanmap.results.sealed import is_unchanged, sealed

NEXT = ".next"
MAPS = "maps"
JOURNAL, REPLACED = "switch.json", "replaced"  # in `NEXT`: what is to be moved, and what was there before
BESIDE = ("history", "first_tensors")  # what may stand beside rows
FOLDERS = ("cells", "receipts/cells", *BESIDE, *(f"receipts/{part}" for part in BESIDE))
OURS = re.compile(r"part-\d{6}\.parquet(\.json)?")  # in them; what else stands there stays
PARTS = (*FOLDERS, "manifest.json")
LATER = dict.fromkeys(("first_tensors", "receipts/first_tensors"), False)  # journals of before do not name them
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
        file.write(sealed({part: (place / part).exists() for part in PARTS}))
    _finish(root)


def settle(root: Path) -> None:
    """Ends a switch that was interrupted: of most folders it looks whether there is one, and that is all."""
    if is_object(root) or not os.path.exists(root / NEXT):  # no error where the name is too long for one
        return
    place = next_of(root)
    if file_within(root, place / JOURNAL).exists() or within(root, place / REPLACED).exists():
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
        yield partial(_end, journal)
    if replaced.exists():
        for part in FOLDERS:
            left = (path for path in sorted((replaced / part).glob("*")) if not OURS.fullmatch(path.name))
            yield from (partial(_move, path, root / part / path.name) for path in left)
        yield partial(_remove, place)


def _said_by(journal: Path) -> dict[str, bool]:
    """Which parts of the run have a new state, of those that there are; whoever hands a folder over may have written anything.

    Raises:
        RunFolderError: it is no journal.
    """
    try:
        content = content_of(journal)
        told = json.loads(content) if is_unchanged(content) is not False else None
    except (OSError, ValueError, RecursionError):
        told = None
    told = LATER | told if isinstance(told, dict) else {}
    said = {part: told[part] for part in PARTS if isinstance(told.get(part), bool)}
    if len(said) < len(PARTS) or not all(said[part] for part in ALWAYS):
        mend = f"move the folder {NEXT} away: the run is what stands beside it, if its manifest.json is there"
        raise RunFolderError("is no journal of a switch", file=journal, mend=mend)
    return said


def _forget_pictures(root: Path) -> None:
    """Those drawn from the rows that were: they go with them."""
    pictures = Receipts(root / MAPS)
    pictures.remove_with(pictures.unchanged())


def _end(journal: Path) -> None:
    journal.unlink()
    flush_folder(journal.parent)  # else a loss of power brings it back, beside a state that has changed since


def _remove(place: Path) -> None:
    """The state that was, last of all, and the folder that its successor was assembled in, unless others wrote there, too."""
    for lock in within(place, place / TEMPORARY).glob("*.lock"):
        lock.unlink()
    shutil.rmtree(place / REPLACED)
    for folder in (place / TEMPORARY, place / "receipts", place):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    flush_folder(place.parent)


def _move(source: Path, target: Path) -> None:
    make_folder(target.parent)
    os.rename(source, target)
    for folder in (source.parent, target.parent):
        flush_folder(folder)
