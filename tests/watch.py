"""Every change that Python asks of a folder, one by one: counted, and at one of them something happens instead.

By an audit hook, which Python calls before it opens a file to write, makes a folder, moves or removes a file. As a program:
`python watch.py OUT CELLS NTH` sweeps into OUT, draws, and is killed by SIGKILL at the change of that number.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """As if the process had ended: nothing that it does to the folder afterwards happens, not even tidying up."""


class Watch:
    """Hears of changes of one folder at a time; an audit hook stays for good, so there is one of these per process."""

    def __init__(self) -> None:
        self.folder, self.count, self._act = "", 0, lambda: None
        sys.addaudithook(self._heard)

    @contextmanager
    def over(self, folder: Path, act: Callable[[int], None] = lambda count: None) -> Iterator["Watch"]:
        """While the block runs, counts the changes of a folder and of all in it; `act` is told the number of each before it is made."""
        self.folder, self.count, self._act = str(folder), 0, act
        try:
            yield self
        finally:
            self.folder = ""

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder or not (event in CHANGES or event == "open"):
            return
        path, flags = arguments[0], arguments[-1]
        if event == "open" and not (isinstance(flags, int) and flags & WRITES):
            return
        if isinstance(path, str | Path) and Path(path).is_relative_to(self.folder):
            self.count += 1
            self._act(self.count)


WATCH = Watch()


def killed_at(nth: int) -> Callable[[int], None]:
    """Raises `Killed` at the change of this number, and at all after it."""

    def act(count: int) -> None:
        if count >= nth:
            raise Killed

    return act


def sweep_of(cells: int) -> Any:
    """What is swept wherever something goes wrong: a line, some learning rates."""
    from nanmap.plan import make_sweep

    tree: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
    return make_sweep(
        tree, [{"key": "optimizer.learning_rate", "values": [0.01 * 2**number for number in range(cells)]}]
    )


if __name__ == "__main__":
    import nanmap

    out, cells, nth = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

    def die(count: int) -> None:
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    with WATCH.over(out, die):
        result = nanmap.sweep(sweep_of(cells), out=out, shard_cells=2)
        result.map(kind="lines", x="learning_rate", out=out / "maps" / "loss.png")
    print(WATCH.count)
