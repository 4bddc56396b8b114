"""The fix of an answer as others write it: a patch of the config, and whole programs with the changed lines marked."""

from typing import NamedTuple

from nanmap.data.rows import load_rows
from nanmap.diagnosis.answer import Answer
from nanmap.errors import InputError
from nanmap.listings import FRAMEWORKS, listing, marked, patch, unsaid

TITLES = {"keras": "Keras", "torch": "PyTorch", "optax": "optax"}


class Lines(NamedTuple):
    """A program.

    Attributes:
        framework: a name in `FRAMEWORKS`.
        text: the program with the fix, what is changed marked by comments; "" where the framework cannot say it.
        lacks: what it cannot say.
    """

    framework: str
    text: str
    lacks: str | None = None

    @property
    def title(self) -> str:
        """What people call the framework."""
        return TITLES[self.framework]


def patch_of(answer: Answer) -> str:
    """The fix as lines of the config's file; "" without one."""
    return patch(answer.fix.trial.changes) if answer.fix else ""


def lines_of(answer: Answer) -> list[Lines]:
    """The fix in every framework; none without a fix."""
    return [_in(framework, answer) for framework in FRAMEWORKS] if answer.fix else []


def _in(framework: str, answer: Answer) -> Lines:
    assert answer.fix is not None
    before, after = answer.config, answer.fix.config
    if (lacks := unsaid(framework, after)) is not None:
        return Lines(framework, "", lacks)
    text = listing(framework, after, load_rows(after))
    try:
        known = unsaid(framework, before) is None
        return Lines(framework, marked(listing(framework, before, load_rows(before)), text) if known else text)
    except InputError:  # rows that cannot be read as they were, which is what the fix mends
        return Lines(framework, text)
