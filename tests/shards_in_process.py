"""Workers without a scheduler: shards are made in this process, one by one, from pickles, and some makers are killed."""

import pickle
from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

from nanmap.runs import worker

Fault = Callable[[int, int], None]  # of a shard and its try, raises


class KilledError(Exception):
    """The worker is gone."""


def nothing(number: int, attempt: int) -> None:
    """No fault."""


class InProcess:
    """The `Workers` of two hosts, `one` and `other`, that are this process.

    Args:
        before, after: called with a shard's number and the number of its try before it is made, and when it stands in the
            folder but nobody knows; what they raise is what it failed with.
        wrong: of a host, why it refuses.
    """

    cores, tries = 1, 3

    def __init__(self, before: Fault = nothing, after: Fault = nothing, wrong: dict[str, str] | None = None) -> None:
        self.before, self.after, self.wrong = before, after, wrong or {}
        self.attempts: dict[int, int] = {}
        self.most = 0  # under way at a time
        self.cancelled: list[int] = []
        self.receipts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.machine = worker.describe_machine("cpu", self.cores)
        self.device = "this process"
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def places(self, without: Collection[str]) -> int:
        return len({"one", "other"} - set(without))

    def hand_out(self, job: str, number: int, without: Collection[str]) -> Any:
        self.attempts[number] = self.attempts.get(number, 0) + 1
        host = next(name for name in ("one", "other") if name not in without)
        return pickle.dumps((job, number, self.attempts[number], host))

    def done(self, under_way: Sequence[Any], seconds: float) -> Sequence[Any]:
        self.most = max(self.most, len(under_way))
        return under_way[-1:]  # in another order than they were handed out

    def take(self, done: Any) -> dict[str, Any]:
        job, number, attempt, host = pickle.loads(done)
        if host in self.wrong:
            return {"shard": number, "host": host, "refused": self.wrong[host]}
        self.before(number, attempt)
        receipt = worker.make_shard(job, number)
        self.after(number, attempt)
        self.receipts.append(receipt)
        return pickle.loads(pickle.dumps(receipt)) | {"host": host}

    def cancel(self, under_way: Sequence[Any]) -> None:
        self.cancelled += [pickle.loads(each)[1] for each in under_way]
