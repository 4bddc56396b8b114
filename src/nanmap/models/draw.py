"""Initial parameters, drawn on the host: the same on every backend, in every dtype, whatever the grid around them."""

from collections.abc import Callable

import numpy as np

from nanmap.config.initialisers import INITIALISERS

TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut at ±2; Keras divides by it


def draw(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A float32 matrix `[fan_in, fan_out]`; Glorot, He and LeCun as Keras draws them.

    >>> draw("ones", (1, 2), np.random.default_rng(0))
    array([[1., 1.]], dtype=float32)
    """
    entry = INITIALISERS[kind]
    return FAMILIES[entry.family](entry.scale(*shape), shape, rng).astype(np.float32)


def _constant(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.full(shape, scale)


def _normal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.float32(scale) * rng.standard_normal(shape, np.float32)


def _uniform(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.float32(scale) * (2 * rng.random(shape, np.float32) - 1)


def _truncated_normal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(shape, np.float32)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(outside.sum(), np.float32)
    return np.float32(scale / TRUNCATION) * values


def _orthogonal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    rows, columns = max(shape), min(shape)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    q *= np.sign(np.diag(r))  # makes the draw uniform over orthogonal matrices (Mezzadri, math-ph/0609050)
    return scale * (q if shape == (rows, columns) else q.T)


FAMILIES: dict[str, Callable[[float, tuple[int, int], np.random.Generator], np.ndarray]] = {
    "constant": _constant,
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
    "orthogonal": _orthogonal,
}
