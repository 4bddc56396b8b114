"""A part of a run folder taken up where earlier runs left it: refused, continued or begun, and what it cost kept on disk."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from nanmap.engine import Engine
from nanmap.errors import RunFolderError, told_of
from nanmap.results.files import Lock
from nanmap.results.identity import UNHASHED, describe_changes, is_of_arrays, is_same
from nanmap.results.made import with_now
from nanmap.results.shards import Shards
from nanmap.runs.observer import Observer
from nanmap.training.program import Program

# What a manifest adds up over all runs into its folder, of what it has when it is begun; and the machine that began it.
SPENT = ("timings", "wall_seconds", "compilations", "narrowed", "columns_of_a_map", "machine", "made")
ON_A_LINE = "--fresh replaces them; --out DIR writes elsewhere"
IN_PYTHON = "fresh=True replaces them; out=… writes elsewhere"  # where arrays come from, and where there are no options


class Resumed:
    """The shards of a run and its manifest while rows are added. Used in a `with`: however that ends, the manifest says it.

    Args:
        shards: where the rows go.
        manifest: of the run, with what earlier runs spent.
        engine: trains; its compilations are counted.
        lock: of the shards, let go in the end.

    Attributes:
        finished: numbers of the shards that are whole.
    """

    def __init__(self, shards: Shards, manifest: dict[str, Any], engine: Engine, lock: Lock | None = None) -> None:
        self.shards, self.manifest, self.engine, self._lock = shards, manifest, engine, lock
        self.finished = shards.finished(manifest["hash"])
        self._since, self._compiled = time.perf_counter(), engine.compilations

    def __enter__(self) -> Self:
        self._since, self._compiled = time.perf_counter(), self.engine.compilations
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.manifest["complete"] = kind is None
        try:
            self.account()
        finally:
            if self._lock:
                self._lock.release()

    def account(self) -> None:
        """Adds what was spent since the last time, and writes the manifest."""
        now, compiled = time.perf_counter(), self.engine.compilations
        clock = self.manifest.get("timings", self.manifest)  # a sweep keeps it in a table of its own
        clock["wall_seconds"] = round(clock["wall_seconds"] + now - self._since, 3)
        if "compilations" in self.manifest:
            self.manifest["compilations"] += compiled - self._compiled
        self.manifest["narrowed"] |= {each.key: list(widths) for each, widths in self.engine.narrowed.items()}
        self._since, self._compiled = now, compiled
        self.shards.write_manifest(self.manifest)


def resume(shards: Shards, manifest: dict[str, Any], engine: Engine, fresh: bool, observer: Observer) -> Resumed:
    """Makes the folder ready for the rows of a manifest: what is unfinished goes, what is whole stays.

    Args:
        shards: the part of a run folder.
        manifest: of the run that is to be, its sums in `SPENT` at nothing.
        engine: trains.
        fresh: start over, removing the rows that are there.
        observer: told of rows that were damaged.

    Raises:
        RunFolderError: the folder holds rows of other settings, or files that nobody speaks for, or another run writes there.
    """
    shards.refuse_strangers()
    with told_of(shards.root):  # a folder that is refused is not even locked
        _refuse(shards, manifest, fresh)
    lock = Lock(shards.root, shards.path.name)
    if lock.others:
        observer.noticed(lock.others)
    try:
        with told_of(shards.root):
            return _ready(shards, manifest, engine, fresh, observer, lock)
    except BaseException:
        lock.release()
        raise


def _ready(
    shards: Shards, manifest: dict[str, Any], engine: Engine, fresh: bool, observer: Observer, lock: Lock
) -> Resumed:
    there, lost = _refuse(shards, manifest, fresh)
    if lost:
        observer.noticed(
            f"{shards.manifest_file.name} is lost or damaged, and is written anew: the rows say whose they are"
        )
    elif fresh and (there or shards.names()):
        shards.clear()
    elif there:
        manifest = manifest | _spent(shards, manifest, observer)
    manifest = manifest | {"made": with_now(manifest["made"])}
    resumed = Resumed(shards, manifest, engine, lock)
    others = shards.removable(resumed.finished)
    shards.vouch(resumed.finished, beside_hash(manifest))
    for name in shards.damaged(manifest["hash"], resumed.finished):
        observer.noticed(f"{shards.path.name}/{name} is damaged, and is made again")
    shards.write_manifest(manifest)  # before anything goes: it says that the run is not complete
    shards.remove(others)
    return resumed


def _refuse(shards: Shards, manifest: dict[str, Any], fresh: bool) -> tuple[bool, bool]:
    """Whether there is a manifest, and whether one was lost; changes nothing.

    Raises:
        RunFolderError: the folder holds rows of other settings, or files that nobody speaks for.
    """
    there = shards.manifest_file.exists()
    lost = not fresh and _speak_for_themselves(shards, manifest)
    if fresh:
        shards.clearable()
    elif there and not lost:
        _check_same(shards, manifest)
    elif not lost and any(shards.path.glob("*")):
        start_over = IN_PYTHON if is_of_arrays(manifest) else ON_A_LINE
        raise RunFolderError(
            "has files but no manifest: it is not a run that can be continued",
            file=shards.path,
            mend=f"the settings that it was run with continue it; {start_over}",
        )
    return there, lost


def pinned_widths(shards: Shards, programs: Iterable[Program], fresh: bool) -> dict[Program, int]:
    """The widths that earlier runs into a folder trained with: others would change the last bits."""
    with told_of(shards.root):
        pinned = {} if fresh or not _readable(shards) else shards.read_manifest().get("widths")
    return {each: pinned[each.key] for each in programs if each.key in pinned} if isinstance(pinned, dict) else {}


def _readable(shards: Shards) -> bool:
    try:
        shards.read_manifest()
    except RunFolderError:
        return False
    return True


def _speak_for_themselves(shards: Shards, manifest: dict[str, Any]) -> bool:
    """Whether the manifest is not there or damaged, and all shards say that they are of the run that is to be."""
    return not _readable(shards) and shards.all_of(manifest["hash"], beside_hash(manifest))


def beside_hash(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a run is beside its hash: of a search, how it was made. The receipts of its shards say so."""
    return {key: manifest[key] for key in UNHASHED if key in manifest}


def _how_else(shards: Shards, manifest: dict[str, Any], old: dict[str, Any]) -> str:
    """What may be done where a folder holds other rows; a sweep may hold them all."""
    in_python = is_of_arrays(manifest)
    extend = "extend=True" if in_python else "--extend"
    keeps = f"{extend} keeps them if the sweep holds all of them; "
    if (refine := old["sweep"].get("refine")) and not manifest["sweep"].get("refine"):
        axes = " and ".join(map(str, refine.get("axes") or ()))
        keeps = f"with as many values along {axes} as it has, {extend} trains what it filled in; "
    return keeps * (shards.rows == "rows") + (IN_PYTHON if in_python else ON_A_LINE)


def _check_same(shards: Shards, manifest: dict[str, Any]) -> None:
    old = shards.read_manifest()
    if not is_same(old, manifest):
        raise RunFolderError(
            f"holds {shards.rows} of other settings: {describe_changes(old, manifest)}",
            file=shards.path.parent,
            mend=_how_else(shards, manifest, old),
        )


def _spent(shards: Shards, manifest: dict[str, Any], observer: Observer) -> dict[str, Any]:
    """What earlier runs into the folder spent, where that can be believed."""
    old = shards.read_manifest()
    if not shards.keeps_its_seal():
        observer.noticed(f"{shards.manifest_file.name} was damaged or edited, and is written anew")
        return {}
    return {key: old[key] for key in SPENT if key in manifest and key in old}
