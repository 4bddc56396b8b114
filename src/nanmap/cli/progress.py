"""How a sweep or a search goes on, as a command shows it: meanwhile a signal ends it in good order."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from nanmap import stopping
from nanmap.runs import progress


class Progress(progress.Progress):
    """As `nanmap.runs.progress` has it, and a place to stop."""

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
