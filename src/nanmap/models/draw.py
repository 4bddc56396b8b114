"""Initial parameters, drawn on the host: the same on every backend, in every dtype, whatever the grid around them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from nanmap.config.initialisers import INITIALISERS

TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut at ±2; Keras divides by it


@dataclass(frozen=True)
class Generators:
    """`Generator(Philox(key=[seed, stream]))` of each seed, one at a time: one generator with another key is made far sooner than another one."""

    seeds: np.ndarray
    stream: int

    def __iter__(self) -> Iterator[np.random.Generator]:
        bits = np.random.Philox(key=[0, self.stream])
        rng, state = np.random.Generator(bits), bits.state
        for seed in self.seeds:
            state["state"]["key"][0] = seed
            bits.state = state
            yield rng

    def of(self, which: np.ndarray) -> "Generators":
        """Those of some of the seeds, from their beginning."""
        return Generators(self.seeds[which], self.stream)


def draw(kind: str, shape: tuple[int, int], seeds: np.ndarray, stream: int) -> np.ndarray:
    """Float32 matrices, one per seed, `[seeds, fan_in, fan_out]`; Glorot, He and LeCun as Keras draws them.

    Each is a function of its seed and the stream alone.

    >>> draw("ones", (1, 2), np.array([0, 7]), 0)
    array([[[1., 1.]],
    <BLANKLINE>
           [[1., 1.]]], dtype=float32)
    """
    entry = INITIALISERS[kind]
    values = FAMILIES[entry.family](entry.scale(*shape), (len(seeds), *shape), Generators(seeds, stream))
    return values.astype(np.float32)


def _constant(scale: float, shape: tuple[int, ...], rngs: Generators) -> np.ndarray:
    return np.full(shape, scale)


def _normal(scale: float, shape: tuple[int, ...], rngs: Generators) -> np.ndarray:
    values = np.empty(shape, np.float32)
    for each, rng in zip(values, rngs, strict=True):
        rng.standard_normal(dtype=np.float32, out=each)
    return np.float32(scale) * values


def _uniform(scale: float, shape: tuple[int, ...], rngs: Generators) -> np.ndarray:
    values = np.empty(shape, np.float32)
    for each, rng in zip(values, rngs, strict=True):
        rng.random(dtype=np.float32, out=each)
    return np.float32(scale) * (2 * values - 1)


def _truncated_normal(scale: float, shape: tuple[int, ...], rngs: Generators) -> np.ndarray:
    """Of the normal numbers of a seed, in their order, those beyond 2 are replaced by the ones that follow, until none is.

    A 22nd of them lies there, so some more are drawn at once, for the few seeds that need others all anew.
    """
    count = prod(shape[1:])
    values = np.empty(shape, np.float32)
    todo, spare = np.arange(shape[0]), 4 + count // 8
    while len(todo):
        drawn = np.empty((len(todo), count + spare), np.float32)
        for each, rng in zip(drawn, rngs.of(todo), strict=True):
            rng.standard_normal(dtype=np.float32, out=each)
        enough = _replace_outside(drawn, count)
        values.reshape(shape[0], count)[todo[enough]] = drawn[enough, :count]
        todo, spare = todo[~enough], 2 * (spare + count)
    return np.float32(scale / TRUNCATION) * values


def _replace_outside(drawn: np.ndarray, count: int) -> np.ndarray:
    """The first `count` numbers of each row made to lie within ±2 by those that follow them; whether there were enough, `[rows]`."""
    enough, taken = np.ones(len(drawn), bool), np.full(len(drawn), count)
    row, column = np.nonzero(np.abs(drawn[:, :count]) > 2)
    while len(row):
        place = np.arange(len(row)) - np.searchsorted(row, row)  # how many of the row stand before it
        source = taken[row] + place
        taken += np.bincount(row, minlength=len(drawn))
        enough[row[source >= drawn.shape[1]]] = False
        here = enough[row]
        row, column, source = row[here], column[here], source[here]
        drawn[row, column] = drawn[row, source]
        outside = np.abs(drawn[row, column]) > 2
        row, column = row[outside], column[outside]
    return enough


def _orthogonal(scale: float, shape: tuple[int, ...], rngs: Generators) -> np.ndarray:
    rows, columns = max(shape[1:]), min(shape[1:])
    values = np.empty((shape[0], rows, columns))
    for each, rng in zip(values, rngs, strict=True):
        rng.standard_normal(out=each)
    q, r = np.linalg.qr(values)
    # Makes the draw uniform over orthogonal matrices (Mezzadri, math-ph/0609050).
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return scale * (q if shape[1:] == (rows, columns) else np.swapaxes(q, 1, 2))


FAMILIES: dict[str, Callable[[float, tuple[int, ...], Generators], np.ndarray]] = {
    "constant": _constant,
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
    "orthogonal": _orthogonal,
}
