"""Rows of planted trainings: small arrays from fixed seeds."""

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


def inputs(n: int = 40, seed: int = 0) -> np.ndarray:
    """Two independent standard normal columns."""
    return np.random.default_rng(seed).normal(size=(n, 2))


def waves() -> Rows:
    """A curve in one column and a line in the other."""
    x = inputs()
    return x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 1]


def explained(share: float) -> Rows:
    """Centred targets of variance 1, of which the best line explains `share`."""
    x = inputs()
    x = x - x.mean(0)
    noise = np.random.default_rng(1).normal(size=len(x))
    table = np.column_stack([np.ones(len(x)), x])
    noise -= table @ np.linalg.lstsq(table, noise, rcond=None)[0]
    return x, np.sqrt(share) * x[:, 0] / x[:, 0].std() + np.sqrt(1 - share) * noise / noise.std()


def raw() -> Rows:
    """An age in years and an income, and a price of about 10 that depends on both."""
    x = inputs()
    table = np.column_stack([45 + 12 * x[:, 0], 50_000 + 12_000 * x[:, 1]])
    return table, 10 + 2 * x[:, 0] + x[:, 1]


def offset(intercept: float, slope: float = 1.001) -> Rows:
    """A steep column that is nearly right from the start (kernel 1), a second one that says nothing, and an intercept."""
    x = inputs()
    x = (x - x.mean(0)) * np.array([10.0, 1.0])
    return x, intercept + slope * x[:, 0] + x[:, 1]


def large(centre: float = 1e6) -> Rows:
    """Targets that hardly differ beside their size."""
    x = inputs()
    return x, centre + 0.01 * x[:, 0]


def huge() -> Rows:
    """A line whose squares are beyond float32."""
    x = inputs()
    return x, 1e20 * (2 * x[:, 0] + x[:, 1])


def coarse() -> Rows:
    """A line that float32 rounds to 14 numbers, 0.0078 apart."""
    x = inputs()
    return x, 1e5 + 0.03 * x[:, 0] / x[:, 0].std()


def crowded() -> Rows:
    """Ten columns, of which one says half of the target and the rest nothing."""
    x = np.random.default_rng(4).normal(size=(200, 10))
    return x, 0.5 * x[:, 0] + np.random.default_rng(5).normal(size=200)


def gaps() -> Rows:
    """The curve, with three inputs missing."""
    x, y = waves()
    x[[3, 11, 30], 0] = np.nan
    return x, y


def empty_column() -> Rows:
    """The curve, with a second column that is always 0."""
    x, y = waves()
    return x * np.array([1.0, 0.0]), y


def negative() -> Rows:
    """Inputs that are all negative, of which the target is the sum."""
    x = -np.abs(inputs()) - 0.1
    return x, x.sum(1)


def kink() -> Rows:
    """The absolute value of a column."""
    x = inputs()
    return x, np.abs(x[:, 0])


def halves() -> Rows:
    """Two classes on either side of a line."""
    x = inputs()
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64)


def overlapping() -> Rows:
    """Two classes whose clouds overlap."""
    x = inputs()
    y = np.arange(len(x)) % 2
    return x + 0.7 * y[:, None], y


def corners() -> Rows:
    """Two classes on opposite quadrants: no line separates them."""
    x = inputs()
    return np.sign(x) + 0.1 * x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def sectors() -> Rows:
    """Three classes by angle."""
    x = inputs()
    return x, np.floor((np.arctan2(x[:, 1], x[:, 0]) / np.pi + 1) * 1.4999).astype(np.int64)


def coins() -> Rows:
    """Two classes, 20 rows each, that the inputs say nothing of."""
    x = inputs()
    return x, np.random.default_rng(2).permutation(np.arange(len(x)) % 2)


def rare() -> Rows:
    """Three positive rows of 108 (2.8 %), old and rich ones: raw years and incomes."""
    x = inputs(108, seed=3)
    y = np.zeros(108, np.int64)
    y[np.argsort(-x.sum(1))[:3]] = 1
    return np.column_stack([45 + 12 * x[:, 0], 50_000 + 12_000 * x[:, 1]]), y


def gappy_halves() -> Rows:
    """The two classes, with an input missing."""
    x, y = halves()
    x[5, 1] = np.nan
    return x, y
