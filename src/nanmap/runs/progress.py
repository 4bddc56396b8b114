"""How a sweep or a search goes on: a bar on a terminal or in a notebook, plain lines elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nanmap.errors import InputError
from nanmap.runs.observer import Observer

if TYPE_CHECKING:
    import numpy as np

    from nanmap.plan import Plan
    from nanmap.runs.single import EpochLoss

Tell = Callable[[int, "EpochLoss"], None]
FIRST_SECONDS, LINE_SECONDS = 2.0, 10.0  # until the first plain line, and between two


class Progress(Observer):
    """An observer that counts rows, trainings and outcomes, and shows them.

    Args:
        name: what runs, at the head of every line.
        unit: what a row is, in the plural: `cells`, `edges`.
        bar: whether to draw a bar; where one can be drawn if None.
    """

    def __init__(self, name: str, unit: str, *, bar: bool | None = None) -> None:
        self.name, self.unit = name, unit
        self.total = self.before = self.rows = self.count = 0
        self.per_row, self.wait = 1.0, FIRST_SECONDS
        self.outcomes: Counter[str] = Counter()
        self.began = self.shown = self.working = time.monotonic()
        self.bar = _make_bar() if (_can_draw() if bar is None else bar) else None
        self.task: Any = None
        self.beside_task: Any = None

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
            self.task = self.bar.add_task(
                self.name, total=total, completed=finished, done=self._done(), state="compiling"
            )
        elif finished:
            print(f"{self.name}: {self._done()} are done already", flush=True)

    def added(self, rows: int) -> None:
        """There is more to do."""
        self.total += rows
        if self.bar:
            self.bar.update(self.task, total=self.total)

    def expected(self, per_row: float) -> None:
        """What tells the time left of a search, whose rows are done all at once."""
        self.per_row = per_row

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

    def recording(self, total: int) -> None:
        """A bar of its own for the histories, if there are any to be made."""
        self._beside(total, "history", "for their histories")

    def recorded(self, cells: int) -> None:
        """Counts cells whose history is there."""
        if self.bar:
            self.bar.update(self.beside_task, advance=cells)

    def replaying(self, total: int) -> None:
        """A bar of its own for the first tensors."""
        self._beside(total, "first tensors", "up to the update that broke them")

    def replayed(self, cells: int) -> None:
        """Counts cells whose first tensor is known."""
        self.recorded(cells)

    def _beside(self, total: int, what: str, why: str) -> None:
        if total and self.bar:
            self.beside_task = self.bar.add_task(what, total=total, done=f"{total:,} cells", state="")
        elif total:
            print(f"{self.name}: training {total:,} cells once more {why}", flush=True)

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
        share = self._share()
        parts = [
            f"{self.trainings:,} trainings" if self.trainings > self.rows else "",
            f"{self.trainings / seconds:,.0f} trainings/s",
            _left(seconds * (1 / share - 1), self.per_row > 1) if share else "",
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

    def _done(self) -> str:
        return f"{self.before + self.rows:,} of {self.total:,} {self.unit}"

    def _share(self) -> float:
        """How much of what was to do is done; of rows that take many trainings, by what they take at most."""
        rows = max(self.total - self.before, 1)
        searched = self.trainings / (rows * self.per_row) if self.per_row > 1 else 0.0
        return min(1.0, max(self.rows / rows, searched))

    def _show(self) -> None:
        """Moves the bar, or prints a line when it is time."""
        if self.bar:
            completed = self.before + self._share() * (self.total - self.before)
            self.bar.update(self.task, completed=completed, done=self._done(), state=self.state())
        elif time.monotonic() - self.shown >= self.wait:
            self.shown, self.wait = time.monotonic(), LINE_SECONDS
            print(f"{self.name}: {self._done()} · {self.state()}", flush=True)


@contextmanager
def watched(wanted: bool | None, observer: Observer | None, name: str, unit: str) -> Iterator[Observer | None]:
    """Who is told how a run goes on: the observer that was given, or a bar while the block runs.

    Args:
        wanted: whether to draw one; if None, where a person types line by line, as in a notebook, and waits.
        observer: told instead, if there is one.
        name, unit: as for `Progress`.

    Raises:
        InputError: both are wanted.
    """
    if wanted and observer is not None:
        raise InputError("an observer is told already", key="progress", value=wanted, mend="give one of the two")
    if observer is not None or not (hasattr(sys, "ps1") if wanted is None else wanted):
        yield observer
        return
    with Progress(name, unit) as progress:
        yield progress


class Epochs(Progress):
    """The progress of a single training, epoch by epoch, with its loss.

    Args:
        total: epochs that there will be.
    """

    def __init__(self, total: int) -> None:
        super().__init__("training", "epochs")
        self.loss = float("nan")
        self.started(total, 0)

    def tell(self, number: int, losses: "EpochLoss") -> None:
        """One more epoch, as `nanmap.run` tells it."""
        self.loss = losses.mean_loss
        self.advanced(number - self.rows)

    def state(self) -> str:
        """The mean loss of the last epoch."""
        return f"mean loss {self.loss:.6g}"


@contextmanager
def watched_epochs(wanted: bool | None, tell: Tell | None, plan: "Plan") -> Iterator[Tell | None]:
    """Whom a training tells its epochs, as `watched` has it for a sweep; a bar may be drawn beside what was given.

    Args:
        wanted: whether to draw a bar; if None, where a person waits and nobody else is told.
        tell: is told, too.
        plan: of a single training.
    """
    if not (tell is None and hasattr(sys, "ps1") if wanted is None else wanted):
        yield tell
        return
    variant = next(iter(plan.variants()))
    with Epochs(-(-variant.steps // variant.steps_per_epoch)) as bar:

        def both(number: int, losses: "EpochLoss") -> None:
            bar.tell(number, losses)
            if tell is not None:
                tell(number, losses)

        yield both


def _can_draw() -> bool:
    """On a terminal; and in a notebook that has the widgets which a bar is made of there."""
    if "ipykernel" not in sys.modules:
        return sys.stdout.isatty()
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        return False
    return True


def _left(seconds: float, at_most: bool) -> str:
    """The time left in words."""
    told = f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"
    return f"{'up to ' * at_most}{told} left"


def _make_bar() -> Any:
    """A bar with its count, and the state in lines of its own below, which wrap between words on a narrow terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class BarAndState(Bar):
        def get_renderables(self) -> Iterator[Any]:
            yield self.make_tasks_table(self.tasks)
            yield from (Text(task.fields["state"]) for task in self.tasks if task.fields["state"])

    count = TextColumn("{task.fields[done]}", markup=False)
    return BarAndState(
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), count, console=Console()
    )
