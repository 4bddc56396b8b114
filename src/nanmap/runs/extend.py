"""A run that grows: its rows stay, what the larger grid has beside them is trained, and the folder changes at once.

The new state is assembled in a folder within the run's, where an interrupted extension is taken up again, and takes the run's
place by `results/switch.py`.
"""

from types import TracebackType
from typing import Any, Self

import numpy as np

from nanmap.analysis import Growth, RunSettings
from nanmap.errors import InputError, RunFolderError
from nanmap.grid import Cells
from nanmap.results.files import Lock
from nanmap.results.folder import RunFolder
from nanmap.results.identity import describe_changes, identity_hash, is_same
from nanmap.results.receipts import Machine
from nanmap.results.switch import LOCKED, switch
from nanmap.runs.history import kept_history
from nanmap.runs.kept import KeptHistories, KeptRows
from nanmap.runs.observer import Observer
from nanmap.runs.resume import SPENT

ALIKE = ("schema", "versions", "backend")  # of both manifests: what may change a bit of any row
AFRESH = "train it afresh in a folder of its own with --out, or here with --fresh"


class Grown:
    """What a larger sweep takes over from a run, under the numbers of its own cells.

    Args:
        folder: of the run.
        old: its manifest.
        growth: where its cells stand in the larger sweep.

    Attributes:
        histories: those that it has; None if none were asked for.
    """

    def __init__(self, folder: RunFolder, old: dict[str, Any], growth: Growth) -> None:
        self._growth = growth
        self._rows = KeptRows(folder.cells, old, bool(old["sweep"].get("refine")))
        self.histories = _whole_histories(folder, old, growth)

    @property
    def finished(self) -> set[int]:
        """Numbers of the run's shards that are whole."""
        return self._rows.finished

    def there(self, cells: Cells) -> np.ndarray:
        """Which cells of the larger grid have their row already, bool `[cells]`."""
        return self._rows.there(self._growth.old_numbers(cells))

    def columns(self, cells: Cells) -> dict[str, np.ndarray]:
        """The rows of cells that have theirs."""
        return self._rows.columns(self._growth.old_numbers(cells))

    def has_all_histories(self, updates: int) -> bool:
        """Whether every row that is there has its history, with so many updates: then others are made beside their rows."""
        kept = self.histories
        return kept is not None and kept.of_all and kept.updates == updates and self._rows.finished <= kept.finished

    def machines(self, cells: Cells) -> list[Machine]:
        """Those that made the rows of cells that have theirs."""
        return self._rows.machines(self._growth.old_numbers(cells))


class Growing(Grown):
    """A run while it grows. Used in a `with`, which holds the lock of its cells.

    Args:
        folder: of the run.
        manifest: of the larger sweep, before the run.
        observer: told of rows that are damaged.

    Attributes:
        place: the run folder in which the new state is assembled.
        stale: whether what stands there is of another extension.
        machine: what its rows were made on.
        spent: what the run has cost so far, for the manifest.

    Raises:
        InputError: the larger sweep does not hold the run, or its rows could not stand beside those that are there.
    """

    def __init__(self, folder: RunFolder, manifest: dict[str, Any], observer: Observer) -> None:
        old = folder.read_manifest()
        self.folder, growth = folder, growth_of(folder, old, manifest)
        check_rows_stay(folder, old, manifest)
        self.place = folder.next
        self.stale = _is_of_another(self.place, manifest)
        self.machine = old.get("machine") or {}
        self.spent = {key: old[key] for key in SPENT if key in old}
        folder.cells.refuse_strangers()
        for part in (folder.cells, folder.history):  # they go once the larger run has their place
            part.removable(set())
        self._lock = Lock(folder.path, LOCKED)
        try:
            super().__init__(folder, old, growth)
            for name in folder.cells.damaged(old["hash"], self.finished):
                observer.noticed(f"{folder.cells.path.name}/{name} is damaged, and its cells are trained again")
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def commit(self) -> None:
        """Puts the new state, all of which is there, in the place of the run."""
        switch(self.folder.path)


def grows(folder: RunFolder, manifest: dict[str, Any], extend: bool) -> bool:
    """Whether there is a run in the folder that this one is to hold: one that may be extended, or the same one, refined.

    Raises:
        InputError: a sweep that refines itself is to hold another.
    """
    if not folder.cells.manifest_file.exists() or not (extend or _is_refined(folder)):
        return False
    old = folder.read_manifest()
    if is_same(old, manifest):
        return False
    if extend and manifest["sweep"].get("refine"):
        mend = "train all of it with --refine 0; or refine it in a folder of its own with --out"
        raise InputError("a map that refines itself cannot hold another run", file=folder.path, key="extend", mend=mend)
    return extend or is_same({"hash": _unrefined_hash(old, manifest)}, manifest)


def _is_refined(folder: RunFolder) -> bool:
    try:
        return bool(folder.read_manifest()["sweep"].get("refine"))
    except RunFolderError:
        return False


def _unrefined_hash(old: dict[str, Any], manifest: dict[str, Any]) -> str:
    """What the hash would be if all cells had been trained."""
    sweep = {key: value for key, value in old["sweep"].items() if key != "refine"}
    return identity_hash(old | {"sweep": sweep, "shard_cells": manifest["shard_cells"]})


def growth_of(folder: RunFolder, old: dict[str, Any], manifest: dict[str, Any]) -> Growth:
    """Where the cells of a run stand in a larger sweep.

    Raises:
        InputError: not all of them do.
    """
    try:
        return Growth(RunSettings(str(folder.path), old), RunSettings("the sweep", manifest))
    except InputError as error:
        raise error.within(folder.path) from None


def check_rows_stay(folder: RunFolder, old: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Rows that are there must be those that the larger sweep would train.

    Raises:
        RunFolderError: a version, the backend or a width is another one, so that their last digits may be.
    """
    before, after = ({key: each.get(key) for key in ALIKE} for each in (old, manifest))
    widths = {key: manifest["widths"].get(key) for key in old.get("widths") or {}}
    changed = describe_changes(before | {"widths": old.get("widths") or {}}, after | {"widths": widths})
    if changed:
        problem = f"holds rows that the larger sweep would not train to the same bits: {changed}"
        raise RunFolderError(problem, file=folder.path, key="extend", mend=AFRESH)


def _whole_histories(folder: RunFolder, manifest: dict[str, Any], growth: Growth) -> KeptHistories | None:
    said = kept_history(folder, manifest["hash"])
    return KeptHistories(folder.history, said, manifest["shard_cells"], growth.old_numbers) if said else None


def _is_of_another(place: RunFolder, manifest: dict[str, Any]) -> bool:
    try:
        return not is_same(place.read_manifest(), manifest)
    except RunFolderError:
        return False  # there is none, or it is damaged, which `resume` tells
