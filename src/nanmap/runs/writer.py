"""Whole shards go to the disk, in a thread of their own, while the next ones train."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from nanmap.runs.filling import Shard

WRITES_WAITING = 2  # shards held while the disk is slower than the devices


class Writer:
    """Writes shards in a thread of its own, in their order, a few behind. Used in a `with`, which ends when all are written.

    Args:
        write: writes a shard.
    """

    def __init__(self, write: Callable[[Shard], None]) -> None:
        self._write, self._pool = write, ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)  # after an interruption, too: what was whole is written
        if kind is None:
            self._settle(0)

    def put(self, shard: Shard) -> None:
        """Takes a whole shard; waits while too many are held.

        Raises:
            OSError: an earlier one could not be written.
        """
        self._waiting.append(self._pool.submit(self._write, shard))
        self._settle(WRITES_WAITING)

    def _settle(self, held: int) -> None:
        while len(self._waiting) > held:
            self._waiting.popleft().result()
