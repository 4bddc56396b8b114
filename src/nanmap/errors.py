"""The exceptions for a user's mistake. The command prints them and exits 2; nothing has been written by then."""

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

MOST_SHOWN = 500  # letters of a value


class NanmapError(Exception):
    """Whatever nanmap raises on purpose: catch it to catch them all.

    >>> issubclass(InputError, NanmapError), issubclass(RunFolderError, InputError)
    (True, True)
    """


class InputError(NanmapError, ValueError):
    """A mistake in what the user gave, told so that it can be mended.

    Args:
        problem: what is wrong, as a short clause.
        file: the file it stands in, if any.
        key: the setting, dotted (`optimizer.learning_rate`); an item of a list is counted from 1 (`model.hidden, item 2`).
        value: the value received; shown as `repr`. Leave out with `...`.
        allowed: what may stand there instead.
        mend: what to do about it.
        option: where the key was typed, if not in the file: `--set`.

    >>> print(InputError("must be positive", key="training.epochs", value=0, mend="take 10"))
    training.epochs: must be positive (got 0)
      mend: take 10
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        key: str | None = None,
        value: Any = ...,
        allowed: Iterable[Any] | str | None = None,
        mend: str | None = None,
        option: str | None = None,
    ) -> None:
        self.problem, self.file, self.key, self.value, self.option = problem, file, key, value, option
        self.allowed = allowed if isinstance(allowed, str) or allowed is None else tuple(allowed)
        self.mend = mend
        super().__init__(problem)

    def __str__(self) -> str:
        typed = " ".join(part for part in (self.option, self.key) if part is not None)
        place = ": ".join(str(part) for part in (self.file, typed or None) if part is not None)
        head = f"{place}: {self.problem}" if place else self.problem
        lines = [head if self.value is ... else f"{head} (got {shown(self.value)})"]
        if self.allowed:
            allowed = self.allowed if isinstance(self.allowed, str) else ", ".join(map(_listed, self.allowed))
            lines.append(f"  allowed: {allowed}")
        if self.mend:
            lines.append(f"  mend: {self.mend}")
        return "\n".join(lines)

    def within(self, file: Path | str) -> Self:
        """The same error, with the file named if none was."""
        self.file = self.file or file
        return self

    def is_about(self, key: str) -> bool:
        """Whether it is this setting that is wrong, or something below it."""
        return self.key is not None and f"{self.key},".startswith((f"{key}.", f"{key},", f"{key}:"))


@contextmanager
def typed(option: str, assignments: Iterable[str]) -> Iterator[None]:
    """Names the option in an error about a key that was typed there, and not in a file.

    >>> with typed("--set", ["data.n=x"]):
    ...     raise InputError("expects a whole number", key="data.n", value="x")
    Traceback (most recent call last):
    nanmap.errors.InputError: --set data.n: expects a whole number (got 'x')
    """
    keys = [str(text).partition("=")[0].strip() for text in assignments]
    keys += [key.rpartition(".")[0] for key in keys if key.startswith("axes.") and key.count(".") > 1]
    try:
        yield
    except InputError as error:
        if error.option or any(map(error.is_about, keys)):
            error.option = option
        raise


class RunFolderError(InputError):
    """A folder that is no run folder, or one whose contents do not fit what is asked of it.

    >>> print(RunFolderError("no such folder", file="results/line"))
    results/line: no such folder
    """


ROOM = "make room, or write elsewhere; what is written stays, and the same command goes on from there"
MENDS = {  # of what the system says no to
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "write where you may, with --out"),
    errno.ENAMETOOLONG: "take a shorter name",
    errno.EISDIR: "a folder stands where a file would have to be: name another one",
    errno.ENXIO: "a pipe or a socket stands where a file would have to be: name another one",
    errno.ENOTDIR: "a file stands where a folder would have to be: name another one",
    errno.ELOOP: "links lead in a circle here: name the folder itself",
    errno.EMFILE: "too many files are open: raise the limit, as by `ulimit -n 4096`",
}


def mend_of(error: OSError) -> str | None:
    """What to do about an error of the system, where that can be said."""
    return MENDS.get(error.errno or 0)


@contextmanager
def told_of(folder: Path) -> Iterator[None]:
    """Tells errors of the system as one of a run folder.

    >>> with told_of(Path("results/line")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    nanmap.errors.RunFolderError: results/line: No space left on device
      mend: make room, or write elsewhere; what is written stays, and the same command goes on from there
    """
    try:
        yield
    except OSError as error:
        place = folder if error.filename is None else error.filename
        problem, mend = error.strerror or str(error), mend_of(error)
        if isinstance(error, FileExistsError | NotADirectoryError):
            problem, mend = "a file stands where a folder is expected", "choose another folder"
        raise RunFolderError(problem, file=place, mend=mend) from error


def check_path(path: Path) -> None:
    """Refuses what is no name of a file anywhere, or cannot be told to others.

    Raises:
        RunFolderError: it holds bytes that are no UTF-8, or a zero.
    """
    try:
        wrong = "a zero byte" if b"\0" in str(path).encode() else ""
    except UnicodeEncodeError:
        wrong = "bytes that are no UTF-8"
    if wrong:
        raise RunFolderError(f"its name holds {wrong}", file=ascii(str(path)), mend="take another name")


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The mend for a misspelt word: the closest known one, or None when nothing is near."""
    close = nearest(word, known)
    return f"did you mean `{close}`?" if close else None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a misspelt one is closest to, in any case of its letters; None when nothing is near.

    >>> nearest("R2", ["loss_final", "r2"])
    'r2'
    """
    plain = {each.lower(): each for each in known}
    close = difflib.get_close_matches(str(word).lower(), list(plain), n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def shown(value: Any) -> str:
    """A value as Python writes it, cut where nobody reads on."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _listed(value: Any) -> str:
    """One of several that are allowed; a name that holds a comma stands in quotes."""
    return repr(value) if isinstance(value, str) and "," in value else str(value)
