"""Ctrl-C that is not lost: it is remembered, and whoever goes on after it is stopped at the next sign of progress.

Python raises it in whatever runs at the moment, and some of that swallows exceptions: NumPy asking a class for its array
protocols, the end of a generator, a callback of the garbage collector.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

_came = False


@contextmanager
def heard() -> Iterator[None]:
    """Remembers a Ctrl-C from here on. One that is ignored or handled by others stays so."""
    global _came
    _came, before = False, signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check() -> None:
    """Raises KeyboardInterrupt if there was one."""
    if _came:
        raise KeyboardInterrupt


def _hear(number: int, frame: FrameType | None) -> None:
    global _came
    _came = True
    raise KeyboardInterrupt
