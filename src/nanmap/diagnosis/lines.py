"""The fix of an answer as others write it: a patch of the config, and whole programs with the changed lines marked."""

from typing import NamedTuple

from nanmap.config import Config
from nanmap.config.code import is_own
from nanmap.data.rows import load_rows
from nanmap.diagnosis.answer import Answer
from nanmap.errors import InputError
from nanmap.listings import FRAMEWORKS, OwnNetwork, listing, marked, patch, unsaid
from nanmap.models.own.spec import Own
from nanmap.plan import Plan, make_sweep

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
    if answer.fix is None:
        return []
    own = own_network(answer.fix.config)
    return [_in(framework, answer.config, answer.fix.config, own) for framework in FRAMEWORKS]


def own_network(config: Config) -> OwnNetwork:
    """What is known of a network of the user's own; it was trained before this is asked."""
    if not is_own(config.model.kind):
        return OwnNetwork()
    (variant,) = Plan(make_sweep(config.model_dump(exclude_unset=True), []), allow_python=True).variants()
    model = variant.program.model
    assert isinstance(model, Own)
    adapted = model.functions.adapted
    return OwnNetwork(
        model.what,
        model.package,
        adapted.reads,
        model.chance,
        model.otherwise,
        bool(model.kept),
        model.functions.again,
        adapted.flags,
        model.answer,
        variant.program.labelled and not variant.rows.classes,
    )


def _in(framework: str, before: Config, after: Config, own: OwnNetwork) -> Lines:
    if (lacks := unsaid(framework, after, own)) is not None:
        return Lines(framework, "", lacks)
    text = listing(framework, after, load_rows(after), own)
    try:
        known = unsaid(framework, before, own) is None
        return Lines(framework, marked(listing(framework, before, load_rows(before), own), text) if known else text)
    except InputError:  # rows that cannot be read as they were, which is what the fix mends
        return Lines(framework, text)
