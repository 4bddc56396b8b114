"""A network of the user's own in a program: it is made by the factory that its config names, and stays what it is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nanmap.config.code import Code, is_given, is_held
from nanmap.config.settings import Config
from nanmap.listings.words import file_name

PACKAGES = {
    "keras": ("keras",),
    "torch": ("torchax",),  # by which PyTorch's modules run on JAX
    "optax": (None, "flax", "equinox"),
}  # that a framework's program can call


class OwnNetwork(NamedTuple):
    """What a program has to know of a network of the user's own.

    Attributes:
        what: what its factory's result was found to be; "" where nobody looked.
        package: the framework that it is written in; None of plain JAX.
        reads: which of `numbers`, `key` and `training` its function is given.
        keyed: whether a pass in training draws at random.
        otherwise: whether a pass in training does anything else than one outside.
        stateful: whether it keeps arrays that are not trained.
        again: whether its factory takes a key.
        flags: arguments of its call that tell whether it is trained.
        answer: shape of the outputs of a row; None where it is that of the targets.
        labelled: whether its targets are whole numbers that stand for classes.
        watched: whether a pass gives what is to be watched, too.
    """

    what: str = ""
    package: str | None = None
    reads: frozenset[str] = frozenset()
    keyed: bool = False
    otherwise: bool = False
    stateful: bool = False
    again: bool = False
    flags: tuple[str, ...] = ()
    answer: tuple[int, ...] | None = None
    labelled: bool = False
    watched: bool = False

    @property
    def plain(self) -> bool:
        """Whether its outputs hang on its parameters and the rows alone."""
        return not (self.keyed or self.otherwise or self.stateful)


def unsaid_of_own(framework: str, config: Config, own: OwnNetwork) -> str | None:
    """Why a framework's program has no words for the network; None where it does.

    Args:
        framework: a name in `FRAMEWORKS`.
        config: its settings.
        own: what is known of it.

    >>> from nanmap.config import build_config
    >>> tree = {"data": {"kind": "line", "n": 5}, "model": {"kind": "python:net.py:build"}, "training": {"epochs": 1}}
    >>> unsaid_of_own("keras", build_config(tree), OwnNetwork("a PyTorch Sequential", "torchax"))
    'a network of your own that is a PyTorch Sequential'
    """
    if not own.what or own.package not in PACKAGES[framework]:
        return f"a network of your own{f' that is {own.what}' if own.what else ''}"
    if own.labelled:
        return "labels that are whole numbers, of a network of your own"
    for name in ("numbers", "rewrite"):
        if getattr(config.model, name) != type(config.model).model_fields[name].default:
            return f"model.{name}"
    if config.model.class_axis == 1 and len(own.answer or ()) > 1:
        return "model.class_axis"
    return "optimizer.group_rates" if config.optimizer.group_rates else None


def network_lines(config: Config, names: str = "model", more: str = "") -> Iterator[str]:
    r"""Lines after which `names` are what the factory returns, called with `more` beside the config's arguments.

    >>> from nanmap.config import build_config
    >>> model = {"kind": "python:net.module:build", "arguments": {"units": 8}}
    >>> tree = {"data": {"kind": "line", "n": 5}, "model": model, "training": {"epochs": 1}}
    >>> print(*network_lines(build_config(tree)), sep="\n")
    from net.module import build
    <BLANKLINE>
    model = build(units=8)
    """
    kind = config.model.kind
    if is_held(kind) or is_given(kind):
        yield f"# {names}: the network that you have, as it was before it was trained"
        return
    code = Code.of(kind)
    if code.file is None:
        yield f"from {code.place} import {code.name}"
    else:
        folder, module = Path(code.place).parent, Path(code.place).stem
        yield "import sys"
        yield ""
        yield f"sys.path.append({file_name(str(folder))})"
        yield f"from {module} import {code.name}"
    arguments = [f"{name}={_python(value)}" for name, value in config.model.arguments.items()]
    yield ""
    yield f"{names} = {code.name}({', '.join([*arguments, *([more] if more else [])])})"


def _python(value: object) -> str:
    """A value of TOML as Python writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
