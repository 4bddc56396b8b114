"""`nanmap edge`: a bar while rows are searched, then what was found, beside what was predicted."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nanmap.cli.examples import refuse_example
from nanmap.engine.devices import set_up
from nanmap.plan import Plan, load_sweep, notices
from nanmap.runs.observer import Observer

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LINE_SECONDS = 10.0  # between two plain lines
COMPARED = {"predicted_gd": "the full-batch bound", "predicted_typical": "the edge of a typical run"}


def run_edges(
    path: Path, out: Path | None, overrides: list[str], along: str | None, tolerance: float, device: str, *, fresh: bool
) -> None:
    """Searches the edges of a sweep file and prints how they compare with theory."""
    refuse_example(path)
    sweep = load_sweep(path, overrides)
    plan = Plan(sweep)
    for sentence in notices(plan):
        print(f"note: {sentence}")
    set_up(device)
    from nanmap.edges import find_edges

    with SearchProgress(sweep.name) as observer:
        folder = find_edges(
            plan,
            out or Path("results") / sweep.name,
            along=along,
            tolerance=tolerance,
            fresh=fresh,
            observer=observer,
        )
    told = folder.read_edges_manifest() or {}
    print(observer.summary(told.get("columns_of_a_map", 0.0)))
    print(*describe(folder.edge_rows().to_pandas()), sep="\n")
    print(f"rows: {folder.edges.path}")


def describe(edges: "pd.DataFrame") -> list[str]:
    """What a table of edges says, in a few lines."""
    known = edges.edge_learning_rate.dropna()
    span = f", from {known.min():.4g} to {known.max():.4g}" if len(known) else ""
    lines = [f"edges: {len(known):,} of {len(edges):,} rows{span}"]
    for name, count in edges.note[edges.note != ""].astype(str).value_counts().items():
        lines.append(f"  {count:,} rows: {name}")
    if edges.reentrant.any():
        lines.append(f"  {edges.reentrant.sum():,} rows are reentrant: stable again above the edge")
    for column, words in COMPARED.items():
        ratio = (edges.edge_learning_rate / edges[column]).dropna()
        if len(ratio):
            low, middle, high = ratio.quantile([0, 0.5, 1])
            lines.append(
                f"measured / {words}: {middle:.6g} in the median of {len(ratio):,} rows, {low:.6g} to {high:.6g}"
            )
    return lines


class SearchProgress(Observer):
    """Rows done and trainings made: a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = self.before = self.rows = self.trainings = 0
        self.began = self.told = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn

            columns = TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}")
            self.bar = Progress(*columns)
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def started(self, total: int, finished: int) -> None:
        """Says how much there is to do."""
        self.total, self.before = total, finished
        if self.bar:
            self.task = self.bar.add_task(self.name, total=total, completed=finished, state="compiling")
        elif finished:
            print(f"{self.name}: {finished:,} of {total:,} edges are there already")

    def trained(self, count: int) -> None:
        """Counts trainings, and shows it when it is time."""
        self.trainings += count
        if self.bar:
            self.bar.update(self.task, state=self.state())
        elif time.monotonic() - self.told >= LINE_SECONDS:
            self.told = time.monotonic()
            print(f"{self.name}: {self.state()}", flush=True)

    def advanced(self, rows: int, outcomes: "np.ndarray | None" = None) -> None:
        """Counts rows."""
        self.rows += rows
        if self.bar:
            self.bar.update(self.task, completed=self.before + self.rows, state=self.state())

    def noticed(self, sentence: str) -> None:
        """A line of its own, above the bar if there is one."""
        tell = self.bar.console.print if self.bar else print
        tell(f"note: {sentence}")

    def state(self) -> str:
        """Rows and trainings."""
        return f"{self.before + self.rows:,} of {self.total:,} edges · {self.trainings:,} trainings"

    def summary(self, columns: float) -> str:
        """The last line, with the cost in columns of a map: every row trained once."""
        if not self.rows:
            return f"{self.name}: all {self.total:,} edges were there already"
        seconds = time.monotonic() - self.began
        return f"{self.name}: {self.rows:,} edges by {self.trainings:,} trainings in {seconds:,.1f} s, at the cost of {columns:.1f} columns of a map"
