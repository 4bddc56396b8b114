"""How a sweep or a search goes on, as a command shows it: meanwhile a signal ends it in good order."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from nanmap import stopping
from nanmap.runs import progress


class Progress(progress.Progress):
    """As `nanmap.runs.progress` has it, and a place to stop.

    Args:
        name: as there, as are `unit` and `bar`.
        unit: see `name`.
        bar: see `name`.
        halfway: called once, when half of what there is to do is done.
    """

    def __init__(
        self, name: str, unit: str, *, bar: bool | None = None, halfway: Callable[[], object] | None = None
    ) -> None:
        super().__init__(name, unit, bar=bar)
        self.halfway = halfway

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(stopping.under_way())
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            super().__exit__(kind, error, trace)

    def _show(self) -> None:
        stopping.check()
        super()._show()
        if self.halfway and self._share() >= 0.5:
            told, self.halfway = self.halfway, None
            told()
