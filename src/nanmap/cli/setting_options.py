"""Every setting as an option by its name: `--learning-rate 0.01`, `--hidden 16,16`, for a command without a config."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from typer.core import TyperCommand

from nanmap.errors import InputError, did_you_mean

BY_FILE = ("data", "path")  # settings that `--data FILE` gives


class SettingsCommand(TyperCommand):
    """A command that takes settings as options; its function finds their texts by keyword in `context.obj`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes the settings out of the words, and leaves the rest to the options of the function."""
        own = {word for each in self.get_params(ctx) for word in (*each.opts, *each.secondary_opts)}
        rest, ctx.obj = taken(args, own)
        return super().parse_args(ctx, rest)


def taken(words: list[str], own: set[str]) -> tuple[list[str], dict[str, str]]:
    """The words without those of settings, and the settings' texts by keyword.

    Args:
        words: of the command line.
        own: options that are no settings.

    Raises:
        InputError: an option has no value, or is neither a setting nor one of the others.

    >>> taken(["a.toml", "--learning-rate", "0.1", "--json", "--hidden=16,16"], {"--json"})
    (['a.toml', '--json'], {'learning_rate': '0.1', 'hidden': '16,16'})
    """
    rest: list[str] = []
    found: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("--") or word == "--" or option in own:
            rest.append(word)
            continue
        name = _keyword(option, own)
        if not equals and not waiting:
            raise InputError("needs a value", key=option, mend=f"{option} VALUE")
        found[name] = value if equals else waiting.pop(0)
    return rest, found


def _keyword(option: str, own: set[str]) -> str:
    from nanmap.grid.keywords import keyword_names

    names = {flag(name): name for name in keyword_names() if name not in BY_FILE}
    if option not in names:
        mend = did_you_mean(option, [*names, *own]) or "docs/reference.md lists the settings"
        raise InputError("no such option, and no such setting", key=option, mend=mend)
    return names[option]


def flag(name: str) -> str:
    """A keyword as an option.

    >>> flag("learning_rate")
    '--learning-rate'
    """
    return f"--{name.replace('_', '-')}"


def read_settings(texts: Mapping[str, str]) -> dict[str, Any]:
    """Values by keyword: what a setting wants as a text stays one, a list may be written with commas alone.

    >>> read_settings({"hidden": "16,8", "learning_rate": "0.1", "target": "2024", "nesterov": "true", "epochs": "5"})
    {'hidden': [16, 8], 'learning_rate': 0.1, 'target': '2024', 'nesterov': True, 'epochs': 5}
    """
    return {name: _value(name, text) for name, text in texts.items()}


def _value(name: str, text: str) -> Any:
    from nanmap.config import parse_assignment
    from nanmap.grid.keywords import keyword_names

    kind = _kind(keyword_names()[name])
    if kind == "text":
        return text
    if kind == "list" and not text.lstrip().startswith("["):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return [parse_assignment(f"{name}={part}")[1] for part in parts]
    return parse_assignment(f"{name}={text}")[1]


def _kind(key: str) -> str:
    """What a setting wants: a text, a list, or something else."""
    from nanmap.config import Config

    table, name = key.split(".")
    settings: Any = Config.model_fields[table].annotation
    wanted = str(settings.model_fields[name].annotation)
    if "tuple" in wanted:
        return "list"
    return "text" if wanted in ("<class 'str'>", "str | None", "typing.Optional[str]") else "other"


def as_options(error: InputError, names: Mapping[str, str]) -> InputError:
    """The same error about what was typed: a key goes by its option.

    Args:
        error: as the library raises it.
        names: keys by keyword.
    """
    for name, key in names.items():
        if (
            error.option is None
            and error.key is not None
            and (error.key == key or error.key.startswith(f"{key}, item "))
        ):
            item = error.key[len(key) + 2 :]
            error.option, error.key = flag("data" if name in BY_FILE else name), item or None
    error.problem, error.mend = _typed(error.problem, names), error.mend and _typed(error.mend, names)
    return error


def _typed(text: str, names: Mapping[str, str]) -> str:
    """A sentence with the keys in it as options, and a value behind one as it is typed.

    >>> _typed('set data.target_kind = "class", or data.columns', {"target_kind": "data.target_kind", "columns": "data.columns"})
    'set --target-kind class, or --columns'
    """
    for name, key in names.items():
        if name not in BY_FILE:
            text = re.sub(
                rf"(?<![\w.]){re.escape(key)}(?![\w.])(?: = \"([^\"]*)\"| = ([^\s,;]+))?", partial(_option, name), text
            )
    return text


def _option(name: str, found: re.Match[str]) -> str:
    value = found[1] if found[1] is not None else found[2]
    return flag(name) if value is None else f"{flag(name)} {value}"
