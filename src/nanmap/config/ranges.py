"""How many rows `data.start`, `data.stop` and `data.step` give."""

import math


def range_count(start: float, stop: float, step: float) -> float:
    """How many numbers from `start` on lie before `stop`: 1.3 is reached by 1 + 3 · 0.1, which floats hold to be below it.

    >>> range_count(1, 1.3, 0.1), range_count(1, 21, 1), range_count(3, 1, 1)
    (3, 20, 0)
    >>> range_count(-1e308, 1e308, 1e-308)
    inf
    """
    count = (stop - start) / step - 1e-9
    return max(0, math.ceil(count)) if math.isfinite(count) else math.inf
