"""What in a run folder is not as it was written, file by file. Trains nothing and mends nothing: `runs/verify.py` calls it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from nanmap.errors import RunFolderError, told_of
from nanmap.objects import readable
from nanmap.results.files import TEMPORARY, UNFINISHED
from nanmap.results.folder import RunFolder
from nanmap.results.receipts import Receipts
from nanmap.results.shards import Shards, is_readable
from nanmap.results.switch import BESIDE

NOT_AS_WRITTEN = "is not as it was written"


@dataclass(frozen=True)
class Fault:
    """A file that is not what it was.

    Attributes:
        file: which.
        problem: what is wrong with it, as a short clause.
        mend: what to do about it, where that can be said.
    """

    file: Path
    problem: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def parts_of(folder: RunFolder) -> list[Shards]:
    """The parts of a run folder that are there, or that were."""
    parts = (folder.cells, folder.edges)
    found = [each for each in parts if each.manifest_file.exists() or each.path.exists() or each.receipts.names()]
    return [*found, *(each for each in (folder.history, folder.first_tensors) if each.path.exists())]


def faults_of(folder: RunFolder) -> Iterator[Fault]:
    """All that is wrong with manifests, shards, receipts and pictures of a run.

    Raises:
        RunFolderError: it is no run folder, or a file in it cannot be looked at.
    """
    with told_of(folder.path):
        for part in parts_of(folder):
            mend = f"{part.again}, as it was run before, makes anew what is damaged"
            yield from (replace(each, mend=each.mend or mend) for each in _faults_of_part(part))
        pictures = Receipts(folder.maps)
        for name in pictures.names():
            if (folder.maps / name).exists() and not pictures.fits(name):
                mend = f"`nanmap map {shlex.quote(str(folder.path))}` draws maps anew"
                yield Fault(folder.maps / name, f"{NOT_AS_WRITTEN}: drawn over, or damaged", mend)


def notes_of(folder: RunFolder) -> list[str]:
    """What a reader should know that is no fault: what is unfinished, and what nothing speaks for."""
    notes = []
    for part in parts_of(folder):
        if not (_manifest(part) or {}).get("complete", True):
            notes.append(f"{part.path.name}/ is not finished, or is being written: {part.again} continues it")
        if without := [name for name in part.names() if part.receipts.read(name) is None]:
            told = f"{part.path.name}/{without[0]}" + f" and {len(without) - 1:,} more" * (len(without) > 1)
            notes.append(f"no receipt speaks for {told}: only the checksums within were looked at; a sweep writes it")
    left = [path.name for path in (folder.path / TEMPORARY).glob("*") if UNFINISHED.fullmatch(path.name)]
    if left:
        notes.append(f"{TEMPORARY}/ holds {len(left)} file{'s' * (len(left) > 1)} of writes that were interrupted")
    return notes


def _faults_of_part(part: Shards) -> Iterator[Fault]:
    manifest, file = _manifest(part), part.manifest_file
    if manifest is None:
        yield Fault(file, _what_is_wrong(part))
    elif not part.keeps_its_seal():
        yield Fault(file, f"{NOT_AS_WRITTEN}: damaged or edited")
        manifest = None  # what else it says proves nothing
    there = set(part.names())
    for path in sorted(part.path.glob("*")):
        if path.name not in there:
            problem = "stands among the rows, where other readers take it for some; nanmap did not write it"
            yield Fault(path, problem, "move it elsewhere")
    yield from _lost(part, there, manifest or {})
    for name in sorted(there):
        wrong = _wrong_with(part, name, manifest)
        if wrong is not None:
            yield wrong


def _lost(part: Shards, there: set[str], manifest: dict) -> Iterator[Fault]:
    """Shards that the manifest lists or, once the run was complete, that a receipt speaks for."""
    beside = part.path.name
    ready = beside not in BESIDE or (beside in manifest and manifest.get("complete", True))
    listed = set(map(str, manifest.get("shards") or ())) if ready else set()
    received = set(part.receipts.names()) if manifest.get("complete", True) else set()
    for name in sorted((listed | received) - there):
        yield Fault(part.path / name, "is lost")


def _wrong_with(part: Shards, name: str, manifest: dict | None) -> Fault | None:
    """What is wrong with a shard or its receipt; None if nothing is."""
    path, told = part.path / name, part.receipts.read(name)
    hash, number = part.said_of(name)
    if told is not None and not told.get("sha256"):
        return Fault(part.receipts.file(name), "is damaged: it does not say what the shard holds")
    if told is not None and not part.receipts.fits(name):
        return Fault(path, f"{NOT_AS_WRITTEN}: the SHA-256 of its receipt is another")
    if hash is None or not is_readable(path):
        return Fault(path, f"{NOT_AS_WRITTEN}: it is not readable Parquet, or fails a checksum")
    if path != part.file(number):
        return Fault(path, f"is shard {number} under the name of another")
    if manifest is not None and hash != _hash_of(part, manifest, hash):
        return Fault(path, f"is of another run than {part.manifest_file.name} tells of")
    if told is not None and (told.get("hash"), told.get("rows")) != (hash, pq.read_metadata(readable(path)).num_rows):
        return Fault(part.receipts.file(name), "is damaged: it tells of other rows than the shard holds")
    return None


def _hash_of(part: Shards, manifest: dict, hash: str) -> str | None:
    """What the shards of a part say, by the manifest; it may not tell."""
    name = part.path.name
    told = manifest.get(name) or {} if name in BESIDE else manifest  # they have a hash of their own
    found: str | None = told.get("hash", hash)
    return found


def _manifest(part: Shards) -> dict | None:
    """None where it is lost or damaged."""
    try:
        return part.read_manifest()
    except RunFolderError:
        return None


def _what_is_wrong(part: Shards) -> str:
    try:
        part.read_manifest()
    except RunFolderError as error:
        if not part.manifest_file.exists():
            return "is lost"
        name = part.manifest_file.name
        return error.problem.removeprefix("is no run folder: ").removeprefix(f"{name} ").removeprefix(f"its {name} ")
    return "is being written"
