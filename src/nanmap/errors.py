"""The exceptions for a user's mistake. The command prints them and exits 2; nothing has been written by then."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self


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
        key: the setting, dotted (`optimizer.learning_rate`).
        value: the value received; shown as `repr`. Leave out with `...`.
        allowed: what may stand there instead.
        mend: what to do about it.

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
    ) -> None:
        self.problem, self.file, self.key, self.value = problem, file, key, value
        self.allowed = allowed if isinstance(allowed, str) or allowed is None else tuple(allowed)
        self.mend = mend
        super().__init__(problem)

    def __str__(self) -> str:
        place = ": ".join(str(part) for part in (self.file, self.key) if part is not None)
        head = f"{place}: {self.problem}" if place else self.problem
        lines = [head if self.value is ... else f"{head} (got {self.value!r})"]
        if self.allowed:
            allowed = self.allowed if isinstance(self.allowed, str) else ", ".join(map(str, self.allowed))
            lines.append(f"  allowed: {allowed}")
        if self.mend:
            lines.append(f"  mend: {self.mend}")
        return "\n".join(lines)

    def within(self, file: Path | str) -> Self:
        """The same error, with the file named if none was."""
        self.file = self.file or file
        return self


class RunFolderError(InputError):
    """A folder that is no run folder, or one whose contents do not fit what is asked of it.

    >>> print(RunFolderError("no such folder", file="results/line"))
    results/line: no such folder
    """


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The mend for a misspelt word: the closest known one, or None when nothing is near."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else None
