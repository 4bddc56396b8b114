"""Who is told how a run goes on. The command draws its progress from it; a notebook may do so, too."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Observer:
    """Told how a sweep or a search of edges goes on. Every method does nothing: override those that you want.

    >>> class Counter(Observer):
    ...     def advanced(self, rows, outcomes=None):
    ...         print(f"{rows} more rows")
    """

    def started(self, total: int, finished: int) -> None:
        """`total` rows stand in the folder in the end, `finished` of them were there before."""

    def added(self, rows: int) -> None:
        """So many more rows are to be trained than was known before."""

    def expected(self, per_row: float) -> None:
        """A row takes about so many trainings, at most: said of edges, before the first of them."""

    def trained(self, count: int) -> None:
        """So many trainings were made. A row of a sweep takes one, a row of edges many."""

    def advanced(self, rows: int, outcomes: "np.ndarray | None" = None) -> None:
        """So many rows are done; of a sweep with their outcomes, texts `[rows]`."""

    def recording(self, total: int) -> None:
        """All rows are there; so many cells are trained once more, for their histories."""

    def recorded(self, cells: int) -> None:
        """The histories of so many are there."""

    def replaying(self, total: int) -> None:
        """All rows are there; so many cells are trained once more up to the update that broke them, for their first tensors."""

    def replayed(self, cells: int) -> None:
        """The first tensors of so many are there."""

    def noticed(self, sentence: str) -> None:
        """Something a user should know."""
