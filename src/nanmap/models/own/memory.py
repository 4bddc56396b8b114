"""Networks that a program in Python holds: told by their content, found for as long as the program holds them."""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary, ref

from nanmap.config.code import HELD, Code
from nanmap.errors import InputError
from nanmap.models.own.given import forget
from nanmap.models.own.interface import Adapted


class ModelInMemory:
    """A network in memory, as it was when it was given.

    Args:
        name: what a reader calls it: letters, digits and `_`.
        digest: SHA-256 of what it is made of and of its weights.
        adapt: makes its functions.
        made: the network itself.
    """

    def __init__(self, name: str, digest: str, adapt: Callable[[], Adapted], made: object) -> None:
        self.name, self.digest, self.adapt, self.made = name, digest, adapt, ref(made)

    @property
    def kind(self) -> str:
        """What `model.kind` says of it."""
        return f"{HELD}{self.digest}:{self.name}"


class HeldTables(dict[str, Any]):
    """The tables of a config without its rows, and the network that they are about, which is held as long as they are."""

    def __init__(self, held: ModelInMemory, tables: Mapping[str, Any]) -> None:
        super().__init__(tables)
        self.held = held


_HELD: WeakValueDictionary[str, ModelInMemory] = WeakValueDictionary()
_LAST: dict[str, ref] = {}  # which network a kind last stood for


def hold(given: ModelInMemory) -> ModelInMemory:
    """The network, to be found for as long as the caller holds what this returns.

    What its digest does not say, such as what an object does that it holds, may differ from one network to the next: the newest counts.
    """
    found, last = _HELD.setdefault(given.kind, given), _LAST.get(given.kind)
    if last is not None and last() is not given.made():
        forget()
    _LAST[given.kind], found.adapt = given.made, given.adapt
    return found


def held(kind: str, key: str) -> ModelInMemory:
    """The network that a setting stands for.

    Args:
        kind: as `model.kind` has it.
        key: the setting, for messages.

    Raises:
        InputError: no program holds it, or no longer.
    """
    found = _HELD.get(kind)
    if found is None:
        name = Code.of(kind).name
        raise InputError(
            f"`{name}` was held by a program in Python alone, and is nowhere kept",
            key=key,
            value=f"{Code.of(kind).place}:{name}",
            mend=f"from Python, give it again: nanmap.run(…, model={name}); for a cell of a run folder "
            f"nanmap.run(nanmap.Result(FOLDER).config(CELL), model={name})",
        )
    return found
