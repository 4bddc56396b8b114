"""Which program says a training, and whether one can."""

from collections.abc import Callable

from nanmap.config.code import is_code, is_own
from nanmap.config.settings import Config
from nanmap.data import Rows
from nanmap.listings.keras_lines import keras_program, unsaid_in_keras
from nanmap.listings.optax_lines import optax_program, unsaid_in_optax
from nanmap.listings.own import OwnNetwork, unsaid_of_own
from nanmap.listings.torch_lines import torch_program, unsaid_in_torch

Program = Callable[[Config, Rows, OwnNetwork], str]

# Each beside what it cannot say of a config.
FRAMEWORKS: dict[str, tuple[Program, Callable[[Config], str | None]]] = {
    "keras": (keras_program, unsaid_in_keras),
    "torch": (torch_program, unsaid_in_torch),
    "optax": (optax_program, unsaid_in_optax),
}


def listing(framework: str, config: Config, rows: Rows, own: OwnNetwork | None = None) -> str:
    """A whole program that trains a config: rows, network, loss, optimizer, loop. It prints losses, and runs as it is.

    Its start and its order of rows are drawn by the framework's own generators, so that its losses are those of nanmap
    only where neither is random.

    Args:
        framework: a name in `FRAMEWORKS`.
        config: the settings; `unsaid` finds nothing in them.
        rows: what they give.
        own: what is known of a network of the user's own.
    """
    return FRAMEWORKS[framework][0](config, rows, own or OwnNetwork())


def unsaid(framework: str, config: Config, own: OwnNetwork | None = None) -> str | None:
    """A setting that a framework's program would have no words for; None where it says all of them.

    Args:
        framework: a name in `FRAMEWORKS`.
        config: the settings.
        own: what is known of a network of the user's own.

    >>> from nanmap.config import build_config
    >>> tree = {"data": {"kind": "line", "n": 5}, "optimizer": {"kind": "adabelief"}, "training": {"epochs": 1}}
    >>> unsaid("keras", build_config(tree)), unsaid("optax", build_config(tree))
    ('optimizer.kind = "adabelief"', None)
    """
    if is_own(config.model.kind) and (lacks := unsaid_of_own(framework, config, own or OwnNetwork())):
        return lacks
    for table, kind in (("loss", config.loss.kind), ("optimizer", config.optimizer.kind)):
        if is_code(kind):
            return f"{table}.kind, which is code of your own"
    for name in ("parametrization", "gain"):
        value = getattr(config.model, name)
        if value != type(config.model).model_fields[name].default:
            return f"model.{name}"
    return FRAMEWORKS[framework][1](config)
