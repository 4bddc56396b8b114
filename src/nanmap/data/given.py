"""Arrays that a program in Python gave to train on: told by their content, held while they are used, kept in a file."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from nanmap.data.foreign import Column, Part, alone, as_part
from nanmap.errors import InputError, did_you_mean
from nanmap.npz import read_npz
from nanmap.objects import place

KIND = "arrays"  # data.kind of a config that trains on them
# Settings of `[data]` that say where other rows come from: with arrays they have nothing to say.
ELSEWHERE = ("kind", "inputs", "start", "stop", "step", "n", "slope", "features", "path", "sha256", "target", "seed")


class GivenArrays:
    """Inputs and targets, row by row, as they were given.

    Args:
        inputs, targets: numbers `[n, …]`, or named columns.

    Attributes:
        made: what follows from them, kept as long as they are: `data.rows` says what.
    """

    def __init__(self, inputs: Part, targets: Part) -> None:
        self.inputs, self.targets = inputs, targets
        self.made: dict[Any, Any] = {}

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All that is in them as arrays by name, as an npz file holds them."""
        return _parts("x", self.inputs) | _parts("y", self.targets)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of their values, types, shapes and names: not of a file, whose bytes hang on who wrote it."""
        found = hashlib.sha256()
        for name, array in sorted(self.arrays.items()):
            native = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            found.update(f"{name} {native.dtype.str} {array.shape} ".encode())
            found.update(native.reshape(-1).view(np.uint8).data)
        return found.hexdigest()

    @property
    def nbytes(self) -> int:
        """What they take in memory, and about what a file of them takes."""
        return sum(array.nbytes for array in self.arrays.values())


_HELD: WeakValueDictionary[str, GivenArrays] = WeakValueDictionary()


def give(x: Any, y: Any) -> GivenArrays | None:
    """What a program gave as `x` and `y`, ready to be found by its digest for as long as the caller holds it.

    Args:
        x: what `as_part` takes.
        y: the same, or the name of a column of `x`, which is then no input.

    Returns:
        None where neither was given.

    Raises:
        InputError: one of them is missing, is no array, or has other rows than the other.

    >>> give([1, 2], [3, 4]).digest[:8]
    '9dc13fa2'
    """
    if x is None and y is None:
        return None
    if x is None or y is None:
        missing, there = ("x", "y") if x is None else ("y", "x")
        raise InputError(f"is missing beside {there}", key=missing, mend="x=inputs, y=targets, a row per example each")
    inputs, targets = as_part("x", x), None if isinstance(y, str) else as_part("y", y)
    if targets is None:
        inputs, targets = _without(inputs, y)
    given = GivenArrays(alone("x", inputs), alone("y", targets))
    rows = {key: _rows(part) for key, part in (("x", given.inputs), ("y", given.targets))}
    for key, count in rows.items():
        if not count:
            raise InputError("holds no rows", key=key)
    if rows["x"] != rows["y"]:
        problem = f"`x` has {rows['x']:,} rows and `y` {rows['y']:,}"
        raise InputError(problem, key="y", mend="rows come first in both: x [n, columns], y [n] or [n, outputs]")
    return hold(given)


def hold(given: GivenArrays) -> GivenArrays:
    """The arrays, to be found by their digest for as long as the caller holds what this returns."""
    # The newest stays: what an earlier caller holds may have been written to since.
    _HELD[given.digest] = given
    return given


def held(digest: str | None) -> GivenArrays | None:
    """The arrays of this digest, if a caller of `give` holds them."""
    return None if digest is None else _HELD.get(digest)


def with_arrays(tree: Mapping[str, Any], given: GivenArrays | None) -> dict[str, Any]:
    """The tables of a config with these arrays in place of the rows that it names, if it names any.

    >>> made = with_arrays({"data": {"kind": "line", "n": 5, "scale_inputs": "standard"}}, give([1, 2], [3, 4]))
    >>> sorted(made["data"])
    ['kind', 'scale_inputs', 'sha256']
    """
    data = tree.get("data", {})
    if given is None or not isinstance(data, Mapping):
        return dict(tree)
    stays = {key: value for key, value in data.items() if key not in ELSEWHERE}
    return dict(tree) | {"data": {"kind": KIND, "sha256": given.digest} | stays}


def read_given(path: str | None, digest: str) -> GivenArrays:
    """The arrays that a run folder keeps in a file.

    Raises:
        InputError: they are not there, or no longer what they were.
    """
    mend = "give them again: x=…, y=… of nanmap.run or nanmap.sweep"
    file = place(path) if path else None
    if file is None or not file.is_file():
        raise InputError("the arrays that were trained on are not kept here", file=path, mend=mend)
    arrays = read_npz(file, mend=mend)
    try:
        given = GivenArrays(_part("x", arrays), _part("y", arrays))
        same = given.digest == digest
    except Exception:  # whatever else may stand in it
        same = False
    if not same:
        raise InputError("is not the file that was written: its arrays are others", file=path, mend=mend)
    return given


def _without(columns: Part, target: str) -> tuple[Part, Part]:
    """The columns but the target, and the target."""
    if not isinstance(columns, tuple):
        raise InputError("names a column, but x has no names", key="y", value=target, mend="y=x[:, 0], an array")
    names = [column.name for column in columns]
    if target not in names:
        mend = did_you_mean(target, names)
        raise InputError("is no column of x", key="y", value=target, allowed=names, mend=mend)
    if len(columns) == 1:
        raise InputError("has no column beside the target", key="x", value=names)
    place = names.index(target)
    return columns[:place] + columns[place + 1 :], (columns[place],)


def _rows(part: Part) -> int:
    return len(part[0].values) if isinstance(part, tuple) else len(part)


def _parts(key: str, part: Part) -> dict[str, np.ndarray]:
    if not isinstance(part, tuple):
        return {key: part}
    told = [{"name": each.name, "kind": each.kind, "texts": each.texts} for each in part]
    columns = np.frombuffer(json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8)
    return {f"{key}.columns": columns} | {f"{key}.{number}": each.values for number, each in enumerate(part)}


def _part(key: str, arrays: Mapping[str, np.ndarray]) -> Part:
    if key in arrays:
        return arrays[key]
    told = json.loads(arrays[f"{key}.columns"].tobytes().decode("utf-8", "surrogatepass"))
    return tuple(
        Column(each["name"], each["kind"], arrays[f"{key}.{number}"], tuple(each["texts"]))
        for number, each in enumerate(told)
    )
