"""Axes as a program in Python writes them, turned into the tables of a sweep file."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from nanmap.errors import InputError
from nanmap.grid.axes import FORMS
from nanmap.grid.keywords import full_key

# Collection is what a type checker makes of lists beside mappings; text and sets are refused when they come.
Axes = Mapping[str, Collection[Any]] | Sequence[Mapping[str, Any]]


def log(low: float, high: float, num: int) -> dict[str, Any]:
    """Values of an axis, evenly spaced in the logarithm.

    Args:
        low, high: the ends, both included; both positive, or both negative.
        num: how many values.

    Returns:
        What an axis of a sweep file says: `log = [low, high]`, `num = num`.

    >>> import nanmap
    >>> nanmap.log(1e-4, 1, 9)
    {'log': [0.0001, 1], 'num': 9}
    """
    return {"log": [low, high], "num": num}


def linear(low: float, high: float, num: int) -> dict[str, Any]:
    """Values of an axis, evenly spaced.

    Args:
        low, high: the ends, both included.
        num: how many values.

    Returns:
        What an axis of a sweep file says: `linear = [low, high]`, `num = num`.

    >>> import nanmap
    >>> nanmap.linear(0, 0.9, 10)
    {'linear': [0, 0.9], 'num': 10}
    """
    return {"linear": [low, high], "num": num}


def axis_tables(axes: Axes) -> list[dict[str, Any]]:
    """One table per axis, as in a sweep file.

    Args:
        axes: such tables already; or values by the setting that they go to, a list, a `range`, an array or what `log`
            and `linear` give, the setting by its key or shortly, as a keyword; or under a name of one's own a mapping of
            labels to bundles of settings.

    Raises:
        InputError: something else.

    >>> axis_tables({"learning_rate": log(1e-3, 1, 4), "data.n": range(8, 41)})
    [{'key': 'optimizer.learning_rate', 'log': [0.001, 1], 'num': 4}, {'key': 'data.n', 'range': [8, 41]}]
    >>> axis_tables({"budget": {"short": {"training.epochs": 1}, "long": {"training.epochs": 9}}})
    [{'name': 'budget', 'choices': {'short': {'training.epochs': 1}, 'long': {'training.epochs': 9}}}]
    """
    if isinstance(axes, Mapping):
        return [_table(key, given) for key, given in axes.items()]
    if isinstance(axes, str) or not isinstance(axes, Sequence) or not all(isinstance(each, Mapping) for each in axes):
        allowed = '{"optimizer.learning_rate": nanmap.log(1e-4, 1, 9)}, or a list of tables as in a sweep file'
        raise InputError("are no axes", key="axes", value=axes, allowed=allowed, mend="out=… names a run folder")
    return [dict(table) for table in axes]


def _table(name: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping) and not given.keys() & set(FORMS):
        return {"name": name, "choices": {label: _bundle(name, settings) for label, settings in given.items()}}
    key = _key(name, name)
    if isinstance(given, Mapping):
        return {"key": key, **given}
    if isinstance(given, range):
        step = [given.step] if given.step != 1 else []
        return {"key": key, "range": [given.start, given.stop, *step]}
    values = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InputError("expects a list of values, nanmap.log(…) or nanmap.linear(…)", key=f"axes.{name}", value=given)
    return {"key": key, "values": [each.item() if hasattr(each, "item") else each for each in values]}


def _key(name: Any, axis: str) -> str:
    """The setting that a keyword names; a dotted one is looked at with the axis."""
    try:
        return name if not isinstance(name, str) or "." in name else full_key(name)
    except InputError as error:
        error.key = f"axes.{axis}" if name == axis else f"axes.{axis}: {name}"
        raise


def _bundle(name: str, settings: Any) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        allowed = '{"label": {"training.epochs": 10}}, or nanmap.log(…), nanmap.linear(…)'
        raise InputError("expects a bundle of settings per label", key=f"axes.{name}", value=settings, allowed=allowed)
    return {_key(key, name): value for key, value in settings.items()}
