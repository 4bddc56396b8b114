"""Settings as TOML: a patch to lay over a config's file, the words after `--set` that do the same, a whole config."""

import json
from collections.abc import Mapping
from typing import Any

from nanmap.config.code import open_key


def toml_value(value: Any) -> str:
    """A setting's value as TOML has it.

    >>> toml_value(0.005), toml_value((16, 16)), toml_value("relu"), toml_value(True)
    ('0.005', '[16, 16]', '"relu"', 'true')
    """
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_bare(key)} = {toml_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else repr(value)


def patch(changes: Mapping[str, Any]) -> str:
    """The lines of a config's file that say these settings, under the heads of their tables.

    Args:
        changes: values by key; one that is None is left out of the file, which a comment says.

    >>> print(patch({"data.scale_inputs": "standard", "optimizer.learning_rate": 0.1, "optimizer.momentum": None}))
    [data]
    scale_inputs = "standard"
    <BLANKLINE>
    [optimizer]
    learning_rate = 0.1
    # without momentum
    """
    tables: dict[str, list[str]] = {}
    for key, value in changes.items():
        table, name = open_key(key) or tuple(key.rsplit(".", 1))
        line = f"# without {name}" if value is None else f"{_bare(name)} = {toml_value(value)}"
        tables.setdefault(table, []).append(line)
    return "\n\n".join("\n".join([f"[{table}]", *lines]) for table, lines in tables.items())


def set_words(changes: Mapping[str, Any]) -> list[str]:
    """What to write behind `nanmap run CONFIG` so that it trains with these settings; none can be taken away there.

    >>> set_words({"model.init": "zeros", "model.hidden": [8, 8]})
    ['--set', 'model.init=zeros', '--set', 'model.hidden=[8, 8]']
    """
    told = [(key, value) for key, value in changes.items() if value is not None]
    return [word for key, value in told for word in ("--set", f"{key}={_as_word(value)}")]


def config_text(tree: Mapping[str, Any]) -> str:
    """The file of a config.

    Args:
        tree: its tables as they were written, one level of settings each.

    >>> print(config_text({"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}))
    [data]
    kind = "line"
    n = 5
    <BLANKLINE>
    [training]
    epochs = 3
    """
    return patch({f"{table}.{name}": value for table, settings in tree.items() for name, value in settings.items()})


def _as_word(value: Any) -> str:
    return value if isinstance(value, str) else toml_value(value)


def _bare(name: str) -> str:
    """A key of TOML, in quotes where it is not of letters, digits, dashes and underscores."""
    return name if name.replace("-", "_").isidentifier() else json.dumps(name, ensure_ascii=False)
