"""The values of an axis by their places, made when they are asked for: a range of a thousand million seeds takes no room."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np


class Numbers(Sequence[Any]):
    """The numbers of an array, as Python has them.

    >>> numbers = Numbers(np.linspace(0, 1, 3))
    >>> numbers[1], len(numbers), list(numbers)
    (0.5, 3, [0.0, 0.5, 1.0])
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> "Numbers": ...
    def __getitem__(self, place: int | slice) -> Any:
        return Numbers(self.array[place]) if isinstance(place, slice) else self.array[place].item()


class Along(Sequence[Mapping[str, Any]]):
    """What each value of an axis on one key sets.

    >>> Along("training.seed", range(10**12))[-1]
    {'training.seed': 999999999999}
    """

    def __init__(self, key: str, points: Sequence[Any]) -> None:
        self.key, self.points = key, points

    def __len__(self) -> int:
        return len(self.points)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> "Along": ...
    def __getitem__(self, place: int | slice) -> Any:
        found = self.points[place]
        return Along(self.key, found) if isinstance(place, slice) else {self.key: found}


def range_length(start: int, stop: int, step: int = 1) -> int:
    """How many whole numbers a range has, however many: `len` of Python's ends at 2⁶³.

    >>> range_length(0, 10**30), range_length(5, 0, -2), range_length(3, 3)
    (1000000000000000000000000000000, 3, 0)
    """
    return max(0, -((start - stop) // step))


def distinct_whole(points: np.ndarray) -> Sequence[int]:
    """Ascending or descending numbers, rounded, each once.

    >>> list(distinct_whole(np.array([1.0, 1.2, 1.9, 4.0])))
    [1, 2, 4]
    """
    if np.abs(points).max() >= 2.0**53:  # beyond which a float may be a whole number that int64 has no room for
        return list(dict.fromkeys(round(point) for point in points.tolist()))
    whole = np.rint(points).astype(np.int64)
    return Numbers(whole[np.concatenate([[True], whole[1:] != whole[:-1]])])


def labels_of(points: Sequence[Any]) -> np.ndarray:
    """Values as the rows say them: int64, float64, bool or text."""
    if isinstance(points, range):
        return np.arange(points.start, points.stop, points.step, dtype=np.int64)
    if isinstance(points, Numbers):
        return points.array
    if all(isinstance(value, bool) for value in points):
        return np.array(points, dtype=bool)
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in points):
        return np.array(points, dtype=np.int64)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in points):
        return np.array(points, dtype=np.float64)
    return np.array([_text(value) for value in points], dtype=object)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
