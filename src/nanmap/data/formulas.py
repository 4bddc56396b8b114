"""The built-in data: a line, a parabola, or noise, as the settings describe them."""

import numpy as np

from nanmap.config import DataSettings
from nanmap.config.ranges import range_count
from nanmap.data.tables import Arrays
from nanmap.errors import InputError
from nanmap.limits import NAME_BYTES, NUMBER_BYTES, check_memory


def made_rows(data: DataSettings) -> Arrays:
    """Rows of the kind `line` (y = slope·x), `square` (y = x² + 2) or `gaussian` (independent of each other)."""
    _check_size(data)
    with np.errstate(over="ignore", invalid="ignore"):
        made = _made(data, np.random.default_rng(data.seed))
    if not (np.isfinite(made.inputs).all() and np.isfinite(made.targets).all()):
        mend = "smaller data.start, data.stop, data.step or data.slope"
        raise InputError("the rows reach beyond 1.8e308, the largest number there is", key="data", mend=mend)
    return made


def _made(data: DataSettings, rng: np.random.Generator) -> Arrays:
    if data.kind == "gaussian":
        n = data.n or 0
        names = tuple(f"x[{index}]" for index in range(data.features))
        return Arrays(rng.standard_normal((n, data.features)), rng.standard_normal((n, 1)), [], names)
    x = _axis(data, rng)[:, None]
    return Arrays(x, x**2 + 2 if data.kind == "square" else data.slope * x, [], ("x",))


def _check_size(data: DataSettings) -> None:
    """Asks before the rows are made."""
    n = data.n if data.n is not None else int(range_count(data.start, data.stop or 0.0, data.step))
    features = data.features if data.kind == "gaussian" else 1
    key = "data.features" if features > n else "data.stop" if data.n is None else "data.n"
    check_memory(n * (features + 1) * NUMBER_BYTES + features * NAME_BYTES, "the rows", key=key)


def _axis(data: DataSettings, rng: np.random.Generator) -> np.ndarray:
    if data.inputs == "normal":
        return rng.standard_normal(data.n)
    if data.inputs == "linspace":
        return np.linspace(data.start, data.stop or 0.0, data.n or 0)
    if data.n is not None:
        return data.start + data.step * np.arange(data.n)
    return np.arange(data.start, data.stop, data.step)[: int(range_count(data.start, data.stop or 0.0, data.step))]
