"""How a sweep or a search goes on, as a command shows it: a Ctrl-C that was swallowed stops it."""

from collections.abc import Callable

from nanmap.cli import interrupt
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

    def _show(self) -> None:
        interrupt.check()
        super()._show()
        if self.halfway and self._share() >= 0.5:
            told, self.halfway = self.halfway, None
            told()
