"""A word to stop, which is never lost: Ctrl-C, SIGTERM and SIGHUP are heard at once, whatever runs at that moment.

Python raises Ctrl-C in whatever it runs, and some of that swallows exceptions or does not survive them: an import that is half done, the
end of a generator, a callback of the garbage collector. So nothing is raised here: a thread of its own hears of the signals. Where a run is
under way it leaves word, and whoever waits for results looks for it; elsewhere, and the second time, the process ends at once.
A program that uses the library has no handlers from it: only the command takes the signals over.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from types import FrameType
from typing import NoReturn

LAST_LINE = "nanmap: interrupted; a sweep run again continues where it was\n"
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
SECONDS = 0.1  # between two looks while nothing is done

_came: int | None = None  # the signal that was heard
_under_way = False


def take_over() -> None:
    """Hears signals from here on; before anything heavy is imported. One that is ignored, as by nohup, stays so."""
    usual = (signal.SIG_DFL, signal.default_int_handler)
    taken = [each for each in SIGNALS if signal.getsignal(each) in usual]
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    Thread(target=_listen, args=(heard, set(taken)), daemon=True).start()
    for each in taken:
        signal.signal(each, _nothing)


@contextmanager
def under_way() -> Iterator[None]:
    """While the block runs, a first signal only leaves word: whoever `check`s ends the run, which says then how far it came."""
    global _under_way
    _under_way = True
    try:
        yield
    finally:
        _under_way = False
    check()  # it came at the very end


def check() -> None:
    """Raises KeyboardInterrupt if there was word to stop."""
    if _came is not None:
        raise KeyboardInterrupt


def leave() -> NoReturn:
    """Ends the process with its last line: devices may be busy for a while yet, and what is on disk is whole at any moment."""
    with suppress(Exception):  # somebody may be writing there just now
        sys.stdout.flush()
    if sys.stdout.isatty():
        os.write(1, b"\033[?25h")  # the cursor, which bars hide
    os.write(2, LAST_LINE.encode())
    os._exit(128 + (_came or signal.SIGINT))


def _listen(heard: int, taken: set[int]) -> None:
    global _came
    while True:
        for number in os.read(heard, 16):
            if number not in taken:
                continue
            again, _came = _came is not None, number
            if again or not _under_way:
                leave()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Python writes to the thread only of signals that have a handler."""
