"""Initial parameters, drawn on the host: the same on every backend, in every dtype, whatever the grid around them."""

from collections.abc import Callable, Iterator

import numpy as np

from nanmap.config.initialisers import INITIALISERS

TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut at ±2; Keras divides by it

Generators = Iterator[np.random.Generator]


def draw(kind: str, shape: tuple[int, int], seeds: np.ndarray, stream: int) -> np.ndarray:
    """Float32 matrices, one per seed, `[seeds, fan_in, fan_out]`; Glorot, He and LeCun as Keras draws them.

    Each is a function of its seed and the stream alone.

    >>> draw("ones", (1, 2), np.array([0, 7]), 0)
    array([[[1., 1.]],
    <BLANKLINE>
           [[1., 1.]]], dtype=float32)
    """
    entry = INITIALISERS[kind]
    values = FAMILIES[entry.family](entry.scale(*shape), (len(seeds), *shape), _generators(seeds, stream))
    return values.astype(np.float32)


def _generators(seeds: np.ndarray, stream: int) -> Generators:
    """`Generator(Philox(key=[seed, stream]))` of each seed, one at a time: one generator with another key is made far sooner than another one."""
    bits = np.random.Philox(key=[0, stream])
    rng, state = np.random.Generator(bits), bits.state
    for seed in seeds:
        state["state"]["key"][0] = seed
        bits.state = state
        yield rng


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
    values = np.empty(shape, np.float32)
    for each, rng in zip(values, rngs, strict=True):
        rng.standard_normal(dtype=np.float32, out=each)
        while (outside := np.abs(each) > 2).any():
            each[outside] = rng.standard_normal(outside.sum(), np.float32)
    return np.float32(scale / TRUNCATION) * values


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
