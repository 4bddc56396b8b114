"""A network of the user's own in a program: it is made by the factory that its config names, and stays what it is."""

import json
from collections.abc import Iterator
from pathlib import Path

from nanmap.config.code import Code, is_given, is_held
from nanmap.config.settings import Config
from nanmap.listings.words import file_name

PAIR = "a pair (init, apply)"
KINDS = {"keras": "a Keras", "torch": "a PyTorch", "optax": PAIR}  # as each framework's are found to be


def unsaid_of_own(framework: str, config: Config, what: str) -> str | None:
    """Why a framework's program has no words for the network; None where it does.

    Args:
        framework: a name in `FRAMEWORKS`.
        config: its settings.
        what: what the factory's result was found to be.

    >>> from nanmap.config import build_config
    >>> tree = {"data": {"kind": "line", "n": 5}, "model": {"kind": "python:net.py:build"}, "training": {"epochs": 1}}
    >>> unsaid_of_own("keras", build_config(tree), "a PyTorch Sequential")
    'a network of your own that is a PyTorch Sequential'
    """
    if not what.startswith(KINDS[framework]):
        return f"a network of your own{f' that is {what}' if what else ''}"
    for name in ("numbers", "rewrite"):
        if getattr(config.model, name) != type(config.model).model_fields[name].default:
            return f"model.{name}"
    return "optimizer.group_rates" if config.optimizer.group_rates else None


def network_lines(config: Config, names: str = "model") -> Iterator[str]:
    r"""Lines after which `names` are what the factory returns.

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
    arguments = ", ".join(f"{name}={_python(value)}" for name, value in config.model.arguments.items())
    yield ""
    yield f"{names} = {code.name}({arguments})"


def _python(value: object) -> str:
    """A value of TOML as Python writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
