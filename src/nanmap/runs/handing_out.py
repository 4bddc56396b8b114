"""Shards handed out to workers elsewhere, a few at a time: receipts come back in any order. The folder is the truth, not the workers."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from nanmap import stopping
from nanmap.errors import InputError, NanmapError

TRIES = 3  # of a shard, before it is reported
WAITING = 2  # shards handed out per place: one is made while the next one waits
TOLD = 6  # failed shards, and refused workers, that the last sentence names

Cells = Callable[[int], str]


class Workers(Protocol):
    """Processes elsewhere that make shards, by `nanmap.runs.worker.make_shard`. Used in a `with`, which lets them go.

    Attributes:
        machine: what they train on, as `machine_of` has it; others among them are refused.
        device: the same for people.
        cores: of the CPU, per worker.
        tries: how often a shard that failed is handed out here; 1 where the workers' own scheduler tries again.
    """

    machine: Mapping[str, str]
    device: str
    cores: int
    tries: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def places(self, without: Collection[str]) -> int:
        """Shards that can be made at a time, at the moment, by other hosts than these; 0 where there never will be any."""

    def hand_out(self, job: str, number: int, without: Collection[str]) -> Any:
        """Has a shard made, by other hosts than these; what this returns stands for it, and can be hashed."""

    def done(self, under_way: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Those that are done, as soon as there are some; none after so many seconds."""

    def take(self, done: Any) -> dict[str, Any]:
        """The receipt of one that is done, with the name of its `host`.

        Raises:
            Exception: what it failed with, or that whoever made it is gone.
        """

    def cancel(self, under_way: Sequence[Any]) -> None:
        """Nobody waits for these any more."""


class ShardError(NanmapError):
    """Some shards could not be made; all others are."""


def handed_out(
    workers: Workers, job: str, numbers: Iterable[int], cells: Cells, notify: Callable[[str], None]
) -> Generator[dict[str, Any]]:
    """Receipts of shards as they are made; what fails is told, and the rest goes on.

    Args:
        workers: make them.
        job: what they are told of the sweep.
        numbers: of the shards; only a few are drawn ahead.
        cells: which cells a shard has, in words.
        notify: told in a sentence what a user should know.

    Raises:
        ShardError: at the end, if some shard failed as often as it may.
        InputError: no worker may do the job.
        KeyboardInterrupt: there was word to stop.
    """
    handing = _Handing(workers, job, iter(numbers), cells, notify)
    try:
        yield from handing.receipts()
    finally:
        workers.cancel(list(handing.under_way))


class _Handing:
    """What is under way, what is to be tried again, what failed, and who was refused."""

    def __init__(
        self, workers: Workers, job: str, numbers: Iterator[int], cells: Cells, notify: Callable[[str], None]
    ) -> None:
        self.workers, self.job, self.numbers, self.cells, self.notify = workers, job, numbers, cells, notify
        self.again: list[tuple[int, int]] = []  # shards, and how often they failed
        self.under_way: dict[Any, tuple[int, int]] = {}
        self.refused: dict[str, str] = {}  # why, by host
        self.failed: list[int] = []

    def receipts(self) -> Iterator[dict[str, Any]]:
        while self._fill():
            stopping.check()
            for handle in self.workers.done(list(self.under_way), stopping.SECONDS):
                receipt = self._taken(handle, *self.under_way.pop(handle))
                if receipt is not None:
                    yield receipt
        if self.failed:
            raise self._told()

    def _fill(self) -> bool:
        """Hands out shards while there is room for them; whether any are under way."""
        while len(self.under_way) < WAITING * self._places():
            number, failures = self.again.pop() if self.again else (next(self.numbers, None), 0)
            if number is None:
                break
            self.under_way[self.workers.hand_out(self.job, number, self.refused)] = number, failures
        return bool(self.under_way)

    def _places(self) -> int:
        places = self.workers.places(self.refused)
        if not places:
            raise InputError(
                f"no worker may do this: {_some([f'{host} {why}' for host, why in self.refused.items()])}",
                key="--engine",
                mend="rows of one folder are made on machines of one kind, with the same versions, files and code; "
                "--fresh starts over on others",
            )
        return places

    def _taken(self, handle: Any, number: int, failures: int) -> dict[str, Any] | None:
        """The receipt of a shard that is made; None where it has to be made again, or cannot be."""
        try:
            receipt = self.workers.take(handle)
        except Exception as error:
            self._fails(number, failures + 1, error)
            return None
        if "refused" not in receipt:
            return receipt
        self.again.append((number, failures))
        if receipt["host"] not in self.refused:
            self.refused[receipt["host"]] = receipt["refused"]
            self.notify(f"the worker {receipt['host']} is left out: it {receipt['refused']}")
        return None

    def _fails(self, number: int, failures: int, error: Exception) -> None:
        if failures < self.workers.tries:
            self.again.append((number, failures))
            return
        self.failed.append(number)
        why = str(error).strip().partition("\n")[0]
        self.notify(
            f"{self.cells(number)} failed {TRIES} times and are left out; the rest goes on: {type(error).__name__}: {why}"
        )

    def _told(self) -> ShardError:
        count = len(self.failed)
        which = _some([self.cells(number) for number in sorted(self.failed)])
        mend = "  mend: the same command tries these alone again; what is made stays"
        return ShardError(f"{count} shard{'s' * (count > 1)} could not be made: {which}\n{mend}")


def _some(each: list[str]) -> str:
    """The first few."""
    return "; ".join(each[:TOLD]) + (f"; and {len(each) - TOLD} more" if len(each) > TOLD else "")
