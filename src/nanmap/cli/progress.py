"""How a sweep or a search goes on, as a command shows it: a Ctrl-C that was swallowed stops it."""

from nanmap.cli import interrupt
from nanmap.runs import progress


class Progress(progress.Progress):
    """As `nanmap.runs.progress` has it, and a place to stop."""

    def _show(self) -> None:
        interrupt.check()
        super()._show()
