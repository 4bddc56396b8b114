"""A shard made elsewhere: what a process that was told a job does, on whatever machine. It answers with plain data.

Whatever is not as the driver has it is refused before anything is trained, code before it is imported. Whoever hands out shards
knows of this file `make_shard` and `describe_machine` alone.
"""

import os
import platform
import time
from collections import Counter
from functools import lru_cache
from typing import Any

from nanmap.data.given import GivenArrays, read_given
from nanmap.engine import LocalEngine
from nanmap.engine.devices import set_up
from nanmap.engine.machine import what_differs
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Variant
from nanmap.plan.permission import code_digests
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, installed
from nanmap.runs.division import Division, made, write
from nanmap.runs.extend import Grown, growth_of
from nanmap.runs.filling import Shard
from nanmap.runs.history import Histories, Recording, record_histories
from nanmap.runs.job import Job


class RefusedError(Exception):
    """Why a worker may not do a job: a clause about it."""


def make_shard(text: str, number: int) -> dict[str, Any]:
    """Trains a shard and writes it into the run folder, unless it stands there already.

    Args:
        text: of a job.
        number: of the shard.

    Returns:
        Its receipt: `shard`, `rows`, those that were trained, `outcomes` by their names, `cpu_seconds` of this process, `compilations` and `host`; of a
        worker that may not do it `refused`, why, and `host`.

    Raises:
        Exception: whatever went wrong; the same call may go well later.
    """
    started, host = time.process_time(), os.environ.get("SLURMD_NODENAME") or platform.node()
    try:
        station = _station(text)
        done = station.receipt(number) or station.make(number)
    except RefusedError as refusal:
        return {"shard": number, "host": host, "refused": str(refusal)}
    return {"shard": number, "host": host, "cpu_seconds": time.process_time() - started} | done


def describe_machine(device: str, cores: int) -> dict[str, str]:
    """The machine that a worker trains on, as `machine_of` has it, before there is a job."""
    return dict(_engine(device, cores).machine)


class _Station:
    """What a worker keeps from one shard of a job to the next: its plan, and the programs that it compiled."""

    def __init__(self, job: Job) -> None:
        self.manifest, self.root = job.manifest, RunFolder(job.folder)
        self.folder = self.root.next if job.grows else self.root
        self._check_place()
        self._check_code(job)
        self.engine = _engine(job.device, job.cores)
        self._check_machine()
        self.arrays = self._arrays()  # found by their content as long as they are held
        self.plan, self.recording = job.plan(), Recording(**job.recording) if job.recording else None
        size, grown = self.manifest["shard_cells"], self._grown() if job.grows else None
        beside = None if job.histories else self.recording
        self.division = Division(self.plan, size, grown, beside)
        self.histories = self._histories(size, grown) if job.histories else None
        self._checked: set[Variant] = set()

    def receipt(self, number: int) -> dict[str, Any] | None:
        """Of a shard that stands in the folder: whoever made it may have died before it could say so."""
        if self.histories:
            there = self.folder.history.is_finished(number, self.histories.recording.hash)
            return _receipt(len(self.histories.missing(number)), Counter(), 0) if there else None
        shards = self.folder.cells
        if not shards.is_finished(number, self.manifest["hash"]):
            return None
        outcomes = Counter(shards.read(number, ["outcome"])["outcome"].to_pylist())
        return _receipt(outcomes.total(), outcomes, 0)

    def make(self, number: int) -> dict[str, Any]:
        """Trains it and writes it."""
        shard, before = self._planned(number), self.engine.compilations
        widths = self.manifest["widths"]
        self.engine.begin({program: widths[program.key] for program in shard.programs})
        if self.histories:
            cells = sum(record_histories(self.histories, self.engine, [shard]))
            return _receipt(cells, Counter(), self.engine.compilations - before)
        outcomes: Counter[str] = Counter()
        for _, some in made(self.engine, [shard], self.division.beside):
            outcomes.update(map(str, some))
        self._check_place()  # of a run that grew meanwhile it is gone
        write(self.folder, self.manifest["hash"], shard, self.engine, self.division.beside)
        return _receipt(outcomes.total(), outcomes, self.engine.compilations - before)

    def _grown(self) -> Grown:
        try:
            old = self.root.read_manifest()
            return Grown(self.root, old, growth_of(self.root, old, dict(self.manifest)))
        except InputError as error:  # the driver found the same run without one
            raise RefusedError(f"does not see the run that is there: {error}") from None

    def _histories(self, size: int, grown: Grown | None) -> Histories:
        assert self.recording
        return Histories(self.plan, self.folder, self.recording, size, grown.histories if grown else None)

    def _planned(self, number: int) -> Shard:
        """A shard of the rows and programs that the driver has."""
        try:
            shard = (self.histories or self.division).shard(number)
            for lanes in shard.batches:
                self._check_variants(lanes.variants)
        except (InputError, OSError) as error:  # the driver made the same plan without one
            raise RefusedError(f"cannot plan it: {error}") from None
        return shard

    def _check_place(self) -> None:
        """That it writes where the driver looks, with what the driver writes with."""
        try:
            there = self.folder.read_manifest()
        except RunFolderError:
            there = {}
        if there.get("hash") != self.manifest["hash"]:
            raise RefusedError(
                f"does not see the run at {self.folder.path}: the folder must be one that all machines share"
            )
        here = {name: installed(name) for name in self.manifest["versions"]}
        if wrong := what_differs(self.manifest["versions"], here):
            raise RefusedError(f"has other versions: {wrong}")

    def _check_code(self, job: Job) -> None:
        if job.code is None:
            return
        for text, digest in code_digests(job.sweep()).items():
            if job.code.get(text) != digest:
                raise RefusedError(f"has other code in {text} than was allowed")

    def _check_machine(self) -> None:
        if wrong := what_differs(self.manifest["machine"], self.engine.machine):
            raise RefusedError(f"would round otherwise: {wrong}")

    def _arrays(self) -> GivenArrays | None:
        digest = (self.manifest["sweep"]["config"].get("data") or {}).get("sha256")
        return read_given(str(self.root.input_file(digest)), digest) if digest else None

    def _check_variants(self, variants: tuple[Variant, ...]) -> None:
        """That the files of cells hold what the driver read, and that their programs are the driver's."""
        known = {each.rpartition(" ")[2] for each in self.manifest["data"]}
        for variant in set(variants) - self._checked:
            for name, _, digest in (each.rpartition(" ") for each in fingerprint([variant.config])):
                if digest not in known:
                    raise RefusedError(f"has another {name} than the driver")
            if variant.program.key not in self.manifest["widths"]:
                raise RefusedError("has other code that the network is made of")
            self._checked.add(variant)


def _receipt(rows: int, outcomes: Counter[str], compilations: int) -> dict[str, Any]:
    return {"rows": rows, "outcomes": dict(outcomes), "compilations": compilations}


@lru_cache(maxsize=1)  # a station holds compiled programs; one job at a time
def _station(text: str) -> _Station:
    return _Station(Job.of(text))


@lru_cache(maxsize=1)
def _engine(device: str, cores: int) -> LocalEngine:
    """The one of this process: JAX starts once."""
    set_up(device, cores if device == "cpu" else None)
    return LocalEngine(narrow=False)
