"""How a sweep goes on: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import numpy as np

from nanmap.outcomes import Outcome
from nanmap.runs.observer import Observer

LINE_SECONDS = 10.0  # between two plain lines


class PlainProgress(Observer):
    """Counts, and tells them as a line from time to time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = self.before = self.done = 0
        self.counts: Counter[str] = Counter()
        self.began = self.told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def started(self, total: int, finished: int) -> None:
        """Says how much there is to do."""
        self.total, self.before = total, finished
        self.began = self.told = time.monotonic()
        if finished:
            print(f"{self.name}: {finished:,} of {total:,} cells are done already")

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        """Counts cells, and shows it when it is time."""
        self.done += rows
        names, counts = np.unique(np.asarray(outcomes, str), return_counts=True)
        self.counts.update(dict(zip(names.tolist(), counts.tolist(), strict=True)))
        self.show()

    def noticed(self, sentence: str) -> None:
        """A line of its own."""
        print(f"note: {sentence}", flush=True)

    def show(self) -> None:
        """A line every ten seconds."""
        if time.monotonic() - self.told >= LINE_SECONDS:
            self.told = time.monotonic()
            print(f"{self.name}: {self.before + self.done:,} of {self.total:,} cells · {self.state()}", flush=True)

    def state(self) -> str:
        """Speed, time left, counts by outcome."""
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        left = (self.total - self.before - self.done) / max(rate, 1e-9)
        return f"{rate:,.0f} trainings/s · {left:,.0f} s left · {self.tally()}"

    def tally(self) -> str:
        """Counts by outcome, in their order of precedence."""
        return ", ".join(f"{self.counts[name]:,} {name}" for name in Outcome if self.counts[name])

    def summary(self, seconds: float) -> str:
        """The last line."""
        if not self.done:
            return f"{self.name}: all {self.total:,} cells were done already"
        return f"{self.name}: {self.done:,} trainings in {seconds:,.1f} s ({self.done / max(seconds, 1e-9):,.0f} per second): {self.tally()}"


class BarProgress(PlainProgress):
    """The same on a terminal, as a bar that is drawn over itself."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        def text(field: str, **layout: Any) -> TextColumn:
            return TextColumn(field, table_column=Column(no_wrap=True, **layout))

        # On a narrow terminal the tally is cut, never the count of cells.
        done = text("{task.completed:,.0f}/{task.total:,.0f}", min_width=17)
        state = text("{task.fields[state]}", ratio=1, overflow="ellipsis")
        self.bar = Progress(text("{task.description}"), BarColumn(bar_width=20), done, state, expand=True)
        self.task: Any = None

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def started(self, total: int, finished: int) -> None:
        """Opens the bar; programs compile before the first cells are done."""
        super().started(total, finished)
        self.task = self.bar.add_task(self.name, total=total, completed=finished, state="compiling")

    def noticed(self, sentence: str) -> None:
        """A line above the bar."""
        self.bar.console.print(f"note: {sentence}", highlight=False, markup=False)

    def show(self) -> None:
        """Moves the bar."""
        self.bar.update(self.task, completed=self.before + self.done, state=self.state())


def make_observer(name: str) -> PlainProgress:
    """A bar on a terminal, plain lines elsewhere."""
    return BarProgress(name) if sys.stdout.isatty() else PlainProgress(name)
