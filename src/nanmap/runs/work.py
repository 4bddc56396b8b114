"""The rows and histories that a sweep is to have, made by this process or handed out to workers elsewhere."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from nanmap.engine import Engine
from nanmap.plan import Plan
from nanmap.results.folder import RunFolder
from nanmap.runs.division import Division, made, write
from nanmap.runs.extend import Growing
from nanmap.runs.filling import Shard
from nanmap.runs.first_tensors import record_first_tensors
from nanmap.runs.handing_out import Workers, handed_out
from nanmap.runs.history import Histories, Recording, record_histories
from nanmap.runs.job import job_of
from nanmap.runs.observer import Observer
from nanmap.runs.refine import train_refined
from nanmap.runs.resume import Resumed
from nanmap.runs.writer import Writer


class Work(NamedTuple):
    """What is to be done, by whom, who is told, what is recorded beside the rows, and who makes the shards if they are made elsewhere."""

    plan: Plan
    engine: Engine
    observer: Observer
    recording: Recording | None
    tensors: bool
    workers: Workers | None


def fill(work: Work, folder: RunFolder, resumed: Resumed, growing: Growing | None = None) -> None:
    """Gives every cell its row, and histories and first tensors to those that are to have one; however that ends, the manifest says what there is."""
    try:
        if work.plan.sweep.refine:
            train_refined(work.plan, work.engine, resumed, work.observer)
        else:
            _make_rows(work, folder, resumed, growing)
        if work.recording:
            _make_histories(work, folder, resumed, growing)
        if work.tensors:
            rows, size = resumed.manifest["hash"], resumed.manifest["shard_cells"]
            record_first_tensors(work.plan, work.engine, folder, rows, size, work.observer)
    finally:  # an interrupted run says what it has, too
        resumed.manifest["shards"] = resumed.shards.names()


def _make_rows(work: Work, folder: RunFolder, resumed: Resumed, growing: Growing | None) -> None:
    """Has the cells of all shards that are not finished trained, but those that a smaller run has."""
    recording = work.recording
    beside = recording if recording and recording.cells == "all" else None
    if beside and growing and not growing.has_all_histories(beside.updates):
        beside = None  # the rows that are there have their histories in the second pass, and so have all
    division = Division(work.plan, resumed.manifest["shard_cells"], growing, beside)
    pending = _pending(division, resumed, work.observer)
    if work.workers:
        rows = _outcomes(_handed_out(work, folder, resumed, growing, pending, beside))
    else:
        rows = _trained(work, folder, resumed, division, pending)
    with closing(rows):  # what is under way is written, or let go, before anything else
        for outcomes in rows:
            work.observer.trained(len(outcomes))
            work.observer.advanced(len(outcomes), outcomes)


def _outcomes(receipts: Generator[dict[str, Any]]) -> Generator[np.ndarray]:
    """Of the rows that were made elsewhere, texts `[rows]`."""
    with closing(receipts):
        for receipt in receipts:
            yield np.repeat(list(receipt["outcomes"]), list(receipt["outcomes"].values()))


def _trained(
    work: Work, folder: RunFolder, resumed: Resumed, division: Division, pending: list[int]
) -> Generator[np.ndarray]:
    """Trains them here: the outcomes of rows as they come, texts `[rows]`."""
    beside = division.beside

    def shards() -> Iterator[Shard]:
        for shard in map(division.shard, pending):
            if shard.missing:
                yield shard
            else:
                writer.put(shard)

    with Writer(lambda shard: write(folder, resumed.manifest["hash"], shard, work.engine, beside)) as writer:
        for shard, outcomes in made(work.engine, shards(), beside):
            yield outcomes
            if not shard.missing:
                writer.put(shard)


def _make_histories(work: Work, folder: RunFolder, resumed: Resumed, growing: Growing | None) -> None:
    """Has the cells that have no history and are to have one trained once more."""
    assert work.recording
    kept, size = growing.histories if growing else None, resumed.manifest["shard_cells"]
    histories = Histories(work.plan, folder, work.recording, size, kept)
    counts = {number: len(histories.missing(number)) for number in histories.pending()}
    work.observer.recording(sum(counts.values()))
    pending = [number for number, count in counts.items() if count]
    for number in counts.keys() - pending:
        histories.write(number, [])
    if work.workers:
        receipts = _handed_out(work, folder, resumed, growing, pending, work.recording, histories=True)
        with closing(receipts):
            for receipt in receipts:
                work.observer.recorded(receipt["rows"])
    else:
        for count in record_histories(histories, work.engine, map(histories.shard, pending)):
            work.observer.recorded(count)


def _handed_out(
    work: Work,
    folder: RunFolder,
    resumed: Resumed,
    growing: Growing | None,
    pending: list[int],
    recording: Recording | None,
    histories: bool = False,
) -> Generator[dict[str, Any]]:
    """Has shards made elsewhere: the receipt of each."""
    assert work.workers
    root, told = growing.folder if growing else folder, recording.described() if recording else None
    grows, manifest = growing is not None, resumed.manifest
    job = job_of(work.plan, root, manifest, work.workers, recording=told, histories=histories, grows=grows)
    name = Division(work.plan, manifest["shard_cells"]).name
    with closing(handed_out(work.workers, job.text(), pending, name, work.observer.noticed)) as receipts:
        for receipt in receipts:
            manifest["compilations"] += receipt["compilations"]
            yield receipt


def _pending(division: Division, resumed: Resumed, observer: Observer) -> list[int]:
    """Numbers of the shards that are not finished, of which the observer is told."""
    counts = division.counts()
    kept = (count if number in resumed.finished else division.kept(number) for number, count in counts.items())
    observer.started(sum(counts.values()), sum(kept))
    return [number for number, count in counts.items() if count and number not in resumed.finished]
