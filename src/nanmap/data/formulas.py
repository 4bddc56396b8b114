"""The built-in data: a line, a parabola, or noise, as the settings describe them."""

import numpy as np

from nanmap.config import DataSettings
from nanmap.config.ranges import range_count
from nanmap.data.tables import Arrays


def made_rows(data: DataSettings) -> Arrays:
    """Rows of the kind `line` (y = slope·x), `square` (y = x² + 2) or `gaussian` (independent of each other)."""
    rng = np.random.default_rng(data.seed)
    if data.kind == "gaussian":
        n = data.n or 0
        names = tuple(f"x[{index}]" for index in range(data.features))
        return Arrays(rng.standard_normal((n, data.features)), rng.standard_normal((n, 1)), [], names)
    x = _axis(data, rng)[:, None]
    return Arrays(x, x**2 + 2 if data.kind == "square" else data.slope * x, [], ("x",))


def _axis(data: DataSettings, rng: np.random.Generator) -> np.ndarray:
    if data.inputs == "normal":
        return rng.standard_normal(data.n)
    if data.inputs == "linspace":
        return np.linspace(data.start, data.stop or 0.0, data.n or 0)
    if data.n is not None:
        return data.start + data.step * np.arange(data.n)
    return np.arange(data.start, data.stop, data.step)[: range_count(data.start, data.stop or 0.0, data.step)]
