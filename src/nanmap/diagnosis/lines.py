"""The fix of an answer as others write it: a patch of the config, and whole programs with the changed lines marked."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nanmap.config import Config, DataSettings
from nanmap.config.code import is_own
from nanmap.data import Rows
from nanmap.data.given import ELSEWHERE
from nanmap.data.rows import load_rows
from nanmap.diagnosis.answer import Answer, Whole
from nanmap.errors import InputError
from nanmap.listings import FRAMEWORKS, OwnNetwork, listing, marked, patch, unsaid
from nanmap.models.own.spec import Own
from nanmap.plan import Plan, make_sweep

WHERE = tuple(name for name in ELSEWHERE if name != "seed")  # settings that say where rows are
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
    return [_in(framework, answer, answer.fix.config, own) for framework in FRAMEWORKS]


def config_of(answer: Answer) -> Config:
    """The settings with the fix, on all rows where some were looked at."""
    assert answer.fix is not None
    return _on_all(answer.fix.config, answer.whole)


def _on_all(config: Config, whole: Whole | None) -> Config:
    """The settings with the rows that theirs were drawn from, read as theirs are."""
    if whole is None:
        return config
    there = {name: getattr(whole.data, name) for name in WHERE if name in whole.data.model_fields_set}
    read = {name: value for name, value in config.data.model_dump(exclude_unset=True).items() if name not in WHERE}
    return config.model_copy(update={"data": DataSettings.model_validate({**read, **there})})


def _as_many(rows: Rows, whole: Whole | None) -> Rows:
    """The rows as far as a program asks of them, as many as there are."""
    if whole is None:
        return rows
    return replace(rows, inputs=np.broadcast_to(rows.inputs[:1], (whole.rows, rows.inputs.shape[1])))


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
        bool(model.sown),
    )


def _in(framework: str, answer: Answer, after: Config, own: OwnNetwork) -> Lines:
    def text_of(config: Config) -> str:
        return listing(framework, _on_all(config, answer.whole), _as_many(load_rows(config), answer.whole), own)

    if (lacks := unsaid(framework, after, own)) is not None:
        return Lines(framework, "", lacks)
    text = text_of(after)
    try:
        known = unsaid(framework, answer.config, own) is None
        return Lines(framework, marked(text_of(answer.config), text) if known else text)
    except InputError:  # rows that cannot be read as they were, which is what the fix mends
        return Lines(framework, text)
