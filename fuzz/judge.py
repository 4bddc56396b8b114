"""Runs a case in this process and judges it: how it ended, what it took, where it wrote, and what it understood."""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from fuzz.cases import Case, make_case
from nanmap.cli import main
from nanmap.engine.compilation_cache import cache_folder

SECONDS = 10  # of CPU, in which a case must end
WALL_SECONDS = 120  # for one that waits for something that never comes
MEMORY = 2 * 2**30
FRESH = 2**29  # bytes of a process that has everything imported
ALLOWED = "1GiB"  # what nanmap may use before it asks
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
GOOD = (0, 2)  # done, or refused


_MATPLOTLIB = [str(Path.home() / folder / "matplotlib") for folder in (".cache", ".config")]  # of its own, of fonts


class Verdict(NamedTuple):
    """What became of a case.

    Attributes:
        accepted: whether the command took what it was given.
        fault: what it did that it must not, in a sentence; None where nothing.
        seconds: of CPU.
        memory: bytes at the highest.
    """

    accepted: bool
    fault: str | None
    seconds: float
    memory: int


class Hung(BaseException):
    """A case took too long; no `except Exception` holds it back."""


def judged(seed: int, number: int, only: str | None = None) -> tuple[Case, Verdict]:
    """Makes a case in a folder of its own, runs it and judges it."""
    root = Path(tempfile.mkdtemp(prefix="nanmap-fuzz-"))
    folder = root / "a" / "b"  # so that ../.. is still in `root`
    folder.mkdir(parents=True)
    try:
        case = make_case(seed, number, folder, only)
        return case, _judged(case, folder)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _judged(case: Case, folder: Path) -> Verdict:
    with _limits(), contextlib.chdir(folder), _WATCH.over(case.out) as written:
        held = max(0, _said("VmRSS") - FRESH)  # by what ran in this process before
        began = time.process_time()
        status, told, warned = _run(case)
        seconds = time.process_time() - began
        memory = _highest() - held
        fault = _fault(status, told, seconds, memory, written) or (f"warned: {warned}" if warned else None)
        if fault is None and status == 0:
            fault = _told_truth(case)
    return Verdict(status == 0, fault, seconds, memory)


def _run(case: Case) -> tuple[int | None, str, str]:
    """Exit status, what was said on standard error, and the first warning of Python."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True) for errors in ("strict", "backslashreplace")
    )
    status: Any = None
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        try:
            main(case.arguments)
        except SystemExit as left:
            status = left.code
        except Hung:
            err.write("hung\n" + traceback.format_exc())
        except BaseException:
            err.write(traceback.format_exc())
    told = err.buffer.getvalue().decode("utf-8", "replace")
    noise = [each for each in caught if not issubclass(each.category, ResourceWarning | DeprecationWarning)]
    noise = [each for each in noise if "missing from font" not in str(each.message)]  # of a title, to whom it belongs
    return status, told, str(noise[0].message) if noise else ""


def _fault(status: int | None, told: str, seconds: float, memory: int, written: list[str]) -> str | None:
    if "Traceback" in told:
        return f"traceback: {_last(told)}"
    if status not in GOOD or "out of memory" in told:
        return f"ended with {status}: {told.strip()[-300:]}"
    if seconds > SECONDS:
        return f"took {seconds:.0f} s of CPU"
    if memory > MEMORY:
        return f"took {memory / 2**30:.1f} GiB"
    if written:
        return f"wrote outside its run folder: {written[0]}"
    return None if status == 0 or told.strip() else "was refused without a word"


def _last(told: str) -> str:
    """The error of a traceback, and where it came from."""
    lines = [line.strip() for line in told.splitlines() if line.strip() and "please report" not in line]
    places = [line.split("src/")[-1] for line in lines if line.startswith("File ") and "nanmap" in line]
    return f"{lines[-1][:200]} ({places[-1] if places else 'nowhere'})"


def _told_truth(case: Case) -> str | None:
    """What is wrong with what was understood; a truth that fails itself is told as well."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = case.truth()
    except (Exception, Hung) as error:
        return f"accepted, but cannot be held against the truth: {type(error).__name__}: {error}"[:300]
    return wrong and f"accepted what it is not: {wrong}"


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Of CPU and memory; what asks for more memory than that is refused it by the system."""
    before, given = resource.getrlimit(resource.RLIMIT_AS), os.environ.get("NANMAP_MEMORY")
    most = _said("VmSize") + MEMORY
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    os.environ["NANMAP_MEMORY"] = ALLOWED
    timers = {signal.ITIMER_PROF: SECONDS, signal.ITIMER_REAL: WALL_SECONDS}
    handlers = {each: signal.signal(each, _hung) for each in (signal.SIGPROF, signal.SIGALRM)}
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
        for timer, seconds in timers.items():
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)
        os.environ.pop("NANMAP_MEMORY")
        if given is not None:
            os.environ["NANMAP_MEMORY"] = given


def _hung(number: int, frame: FrameType | None) -> None:
    raise Hung


def _highest() -> int:
    """Memory at the highest since the limits were set, in bytes."""
    return _said("VmHWM")


def _said(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


class _Watch:
    """Notes what is written where it must not be. Python has no way to take such a hook back: it sleeps between cases."""

    def __init__(self) -> None:
        self._allowed: tuple[str, ...] | None = None
        self._written: list[str] = []
        self._hooked = False

    @contextlib.contextmanager
    def over(self, out: Path | None) -> Iterator[list[str]]:
        """Watches while the block runs; everything below `out` may be written, and compiled programs where they are kept."""
        if not self._hooked:
            sys.addaudithook(self._hear)
            self._hooked = True
        fine = [
            str(cache_folder()),
            "/dev/null",
            *_MATPLOTLIB,
            *([str(out)] if out else []),
        ]
        self._written, self._allowed = [], tuple(fine)
        try:
            yield self._written
        finally:
            self._allowed = None

    def _hear(self, event: str, told: tuple[Any, ...]) -> None:
        if self._allowed is None:
            return
        if event == "open":
            path, _, flags = told
            if not isinstance(path, str | bytes) or not (flags or 0) & WRITING:
                return
            self._note(event, path)
        elif event in CHANGING:
            for path in told[:2] if event in ("os.rename", "os.link", "os.symlink") else told[:1]:
                self._note(event, path)

    def _note(self, event: str, path: Any) -> None:
        place = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
        if place and not place.startswith(self._allowed or ()):
            self._written.append(f"{event} {place}")


_WATCH = _Watch()
