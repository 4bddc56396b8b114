"""How a sweep or a search goes on: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nanmap.cli import interrupt
from nanmap.runs.observer import Observer

if TYPE_CHECKING:
    import numpy as np

LINE_SECONDS = 10.0  # between two plain lines


class Progress(Observer):
    """An observer that counts rows, trainings and outcomes, and shows them.

    Args:
        name: what runs, at the head of every line.
        unit: what a row is, in the plural: `cells`, `edges`.
        bar: whether to draw a bar; on a terminal if None.
    """

    def __init__(self, name: str, unit: str, *, bar: bool | None = None) -> None:
        self.name, self.unit = name, unit
        self.total = self.before = self.rows = self.count = 0
        self.outcomes: Counter[str] = Counter()
        self.began = self.shown = self.working = time.monotonic()
        self.bar = _make_bar() if (sys.stdout.isatty() if bar is None else bar) else None
        self.task: Any = None

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def started(self, total: int, finished: int) -> None:
        """Says how much there is to do; programs compile before the first rows are done."""
        self.total, self.before = total, finished
        self.shown = self.working = time.monotonic()
        if self.bar:
            self.task = self.bar.add_task(self.name, total=total, completed=finished, state="compiling")
        elif finished:
            print(f"{self.name}: {finished:,} of {total:,} {self.unit} are done already", flush=True)

    def trained(self, count: int) -> None:
        """Counts trainings, where a row takes more than one."""
        self.count += count
        self._show()

    def advanced(self, rows: int, outcomes: "np.ndarray | None" = None) -> None:
        """Counts rows that are done, and how they ended if that is known."""
        self.rows += rows
        if outcomes is not None:
            self.outcomes.update(outcomes.astype(str).tolist())
        self._show()

    def noticed(self, sentence: str) -> None:
        """A line of its own, above the bar if there is one."""
        if self.bar:
            self.bar.console.print(f"note: {sentence}", highlight=False, markup=False)
        else:
            print(f"note: {sentence}", flush=True)

    @property
    def trainings(self) -> int:
        """Trainings so far; at least one per row."""
        return max(self.count, self.rows)

    def state(self) -> str:
        """Trainings and their speed, time left, counts by outcome; each once it is known."""
        seconds = max(time.monotonic() - self.working, 1e-9)
        left = (self.total - self.before - self.rows) * seconds / max(self.rows, 1)
        parts = [
            f"{self.trainings:,} trainings" if self.trainings > self.rows else "",
            f"{self.trainings / seconds:,.0f} trainings/s",
            f"{left:,.0f} s left" if self.rows else "",
            self._tally(),
        ]
        return " · ".join(filter(None, parts))

    def summary(self) -> str:
        """The last line."""
        if not self.rows:
            return f"{self.name}: all {self.total:,} {self.unit} were done already"
        seconds = max(time.monotonic() - self.began, 1e-9)
        made = f"{self.trainings:,} trainings in {seconds:,.1f} s ({self.trainings / seconds:,.0f} per second)"
        many = f"{self.rows:,} {self.unit} by " if self.trainings > self.rows else ""
        return f"{self.name}: {many}{made}" + (f": {self._tally()}" if self.outcomes else "")

    def _tally(self) -> str:
        """Counts by outcome, in their order of precedence."""
        from nanmap.outcomes import Outcome

        return ", ".join(f"{self.outcomes[name]:,} {name}" for name in Outcome if self.outcomes[name])

    def _show(self) -> None:
        """Moves the bar, or prints a line when it is time."""
        interrupt.check()
        if self.bar:
            self.bar.update(self.task, completed=self.before + self.rows, state=self.state())
        elif time.monotonic() - self.shown >= LINE_SECONDS:
            self.shown = time.monotonic()
            done = self.before + self.rows
            print(f"{self.name}: {done:,} of {self.total:,} {self.unit} · {self.state()}", flush=True)


def _make_bar() -> Any:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    def text(field: str, **layout: Any) -> TextColumn:
        return TextColumn(field, markup=False, table_column=Column(no_wrap=True, **layout))

    # On a narrow terminal the state is cut, never the count of rows.
    done = text("{task.completed:,.0f}/{task.total:,.0f}", min_width=17)
    state = text("{task.fields[state]}", ratio=1, overflow="ellipsis")
    return Bar(text("{task.description}"), BarColumn(bar_width=20), done, state, expand=True)
