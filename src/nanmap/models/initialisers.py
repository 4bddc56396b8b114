"""Initial parameters, drawn on the host: the same on every backend, in every dtype, whatever the grid around them."""

from collections.abc import Callable

import numpy as np

TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut at ±2; Keras divides by it


def draw(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A float32 matrix `[fan_in, fan_out]`; Glorot, He and LeCun as Keras draws them.

    >>> draw("ones", (1, 2), np.random.default_rng(0))
    array([[1., 1.]], dtype=float32)
    """
    return INITIALISERS[kind](shape, rng).astype(np.float32)


def _uniform(limit: Callable[[int, int], float]) -> Callable:
    def make(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        return np.float32(limit(*shape)) * (2 * rng.random(shape, np.float32) - 1)

    return make


def _truncated(variance: Callable[[int, int], float]) -> Callable:
    def make(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        values = rng.standard_normal(shape, np.float32)
        while (outside := np.abs(values) > 2).any():
            values[outside] = rng.standard_normal(outside.sum(), np.float32)
        return np.float32(np.sqrt(variance(*shape)) / TRUNCATION) * values

    return make


def _orthogonal(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    rows, columns = max(shape), min(shape)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    q *= np.sign(np.diag(r))  # makes the draw uniform over orthogonal matrices (Mezzadri, math-ph/0609050)
    return q if shape == (rows, columns) else q.T


INITIALISERS: dict[str, Callable] = {
    "zeros": lambda shape, rng: np.zeros(shape),
    "ones": lambda shape, rng: np.ones(shape),
    "normal": lambda shape, rng: rng.standard_normal(shape, np.float32),
    "uniform": _uniform(lambda fan_in, fan_out: 1.0),
    "glorot_uniform": _uniform(lambda fan_in, fan_out: np.sqrt(6 / (fan_in + fan_out))),
    "glorot_normal": _truncated(lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    "he_uniform": _uniform(lambda fan_in, fan_out: np.sqrt(6 / fan_in)),
    "he_normal": _truncated(lambda fan_in, fan_out: 2 / fan_in),
    "lecun_uniform": _uniform(lambda fan_in, fan_out: np.sqrt(3 / fan_in)),
    "lecun_normal": _truncated(lambda fan_in, fan_out: 1 / fan_in),
    "orthogonal": _orthogonal,
    "torch_linear": _uniform(lambda fan_in, fan_out: 1 / np.sqrt(fan_in)),
}
