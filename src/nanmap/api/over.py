"""What is given beside a config, as arrays and as keywords, and a config under it."""

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nanmap.config import Config, build_config, config_tables
from nanmap.config.code import CODE_KEYS, is_held
from nanmap.config.load import with_settings
from nanmap.data.given import GivenArrays, give, with_arrays
from nanmap.errors import InputError
from nanmap.grid.keywords import keyword_settings
from nanmap.models.own.frameworks import in_memory
from nanmap.models.own.given import give_code
from nanmap.models.own.memory import ModelInMemory
from nanmap.plan import Plan, Sweep

MODEL = "model.kind"  # which may be a model itself
Given = Config | Sweep | Plan | str | Path | Mapping[str, Any]


class Over(NamedTuple):
    """What was given beside a config: it goes over what the config says. Arrays and a model are found as long as this is held."""

    arrays: GivenArrays | None
    settings: dict[str, Any]
    model: ModelInMemory | None = None

    def __bool__(self) -> bool:
        return self.arrays is not None or bool(self.settings)

    @property
    def key(self) -> str:
        """What it is called in messages."""
        return next(iter(self.settings), "x")

    def laid(self, tree: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
        """The tables with all of it in its place.

        Raises:
            InputError: they are about a model that a program held, and another one is given.
        """
        written = tree.get("model")
        kind = written.get("kind") if isinstance(written, Mapping) else None
        if self.model and is_held(kind) and kind != self.model.kind:
            mend = "give it with the weights that it had then"
            raise InputError("is another model than these settings are about", file=file, key="model", mend=mend)
        made = with_arrays(tree, self.arrays)
        return with_settings(made, self.settings, file) if self.settings else made


def what_is_over(options: Iterable[str], x: object, y: object, settings: Mapping[str, Any]) -> Over:
    """What a function was given beside a config.

    Args:
        options: the keywords of the function that are no settings: one of them may be meant where a setting is misspelled.
        x, y: inputs and targets, or None.
        settings: its keywords that are settings.

    Raises:
        InputError: no such setting, or the arrays cannot be trained on.
    """
    named, model = keyword_settings(settings, options), None
    for key in CODE_KEYS:  # a network, a loss or an optimizer itself, in place of its name
        if key in named and not isinstance(named[key], str):
            held = in_memory(named[key]) if key == MODEL else None
            model = held or model
            named[key] = held.kind if held else give_code(key, named[key])
    return Over(give(x, y), named, model)


def made_config(given: Given | None, over: Over) -> Config:
    """The config that is given, under what goes over it."""
    if isinstance(given, Config) and not over:
        return given
    tree, file = written_tables(given, over)
    return build_config(tree, file=file)


def written_tables(given: Given | None, over: Over) -> tuple[dict[str, Any], Path | None]:
    """The tables of a config as they were written, under what goes over them; and their file, if they have one."""
    file = Path(given) if isinstance(given, str | Path) else None
    if file is not None:
        tree = config_tables(file)
    elif isinstance(given, Config):
        tree = given.model_dump(exclude_unset=True)
    elif isinstance(given, Mapping):
        tree = copy.deepcopy(dict(given))  # so that a sweep stays what it is when the caller changes the tables
    elif given is None and over:
        tree = {"training": {}}
    else:
        arrays = given is None or hasattr(given, "__array__") or hasattr(given, "columns")
        mend = "what to train on is given by name: x=…, y=…" if arrays else None
        problem = "expects a config, its file, or nested tables"
        raise InputError(problem, key="config", value=type(given).__name__, mend=mend)
    tree = over.laid(tree, file)
    if given is None and "data" not in tree:
        mend = 'x=… and y=…; or data="line", n=20 and others that nanmap makes itself'
        raise InputError("is missing: there is nothing to train on", key="data", mend=mend)
    return tree, file
