"""What is going on, where a command has nothing to count: a moving line on a terminal, once it takes longer than a breath."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

SECONDS = 2.0


@contextmanager
def waiting(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Shows `what` while the block runs on a terminal, from so many seconds on; elsewhere nothing."""
    if not sys.stdout.isatty():
        yield
        return
    from rich.console import Console
    from rich.text import Text

    status = Console().status(Text(what), spinner="line")
    timer = Timer(seconds, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
