"""How a diagnosis goes on: what it is at, and how many trainings it has made; a moving line on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from nanmap.runs.observer import Observer
from nanmap.runs.progress import FIRST_SECONDS, LINE_SECONDS


class Stages(Observer):
    """An observer that shows the stage, the trainings and the seconds."""

    def __init__(self) -> None:
        self.stage, self.count, self.wait = "compiling", 0, FIRST_SECONDS
        self.began = self.shown = time.monotonic()
        self.status: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.console import Console

            self.status = Console().status(self.line(), spinner="line")
            self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status:
            self.status.stop()

    def noticed(self, sentence: str) -> None:
        """The next stage."""
        self.stage = sentence
        self._show()

    def trained(self, count: int) -> None:
        """More trainings."""
        self.count += count
        self._show()

    def line(self) -> str:
        """All of it."""
        return f"diagnose: {self.stage} · {self.count:,} trainings · {time.monotonic() - self.began:.0f} s"

    def _show(self) -> None:
        if self.status:
            self.status.update(self.line())
        elif time.monotonic() - self.shown >= self.wait:
            self.shown, self.wait = time.monotonic(), LINE_SECONDS
            print(self.line(), flush=True)


@contextmanager
def staged(wanted: bool | None, observer: Observer | None) -> Iterator[Callable[[str, int], None]]:
    """What a diagnosis tells its stages: the observer that was given, or a line while the block runs, where a person waits.

    Args:
        wanted: whether to show one; if None, where lines are typed one by one.
        observer: told instead, if there is one.
    """
    if observer is None and (hasattr(sys, "ps1") if wanted is None else wanted):
        with Stages() as shown:
            yield teller(shown)
        return
    yield teller(observer or Observer())


def teller(observer: Observer) -> Callable[[str, int], None]:
    """Tells an observer of each stage once, and of every training."""
    stages: list[str] = []

    def tell(stage: str, trainings: int) -> None:
        if stages[-1:] != [stage]:
            stages.append(stage)
            observer.noticed(stage)
        observer.trained(trainings)

    return tell
