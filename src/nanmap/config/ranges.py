"""How many rows `data.start`, `data.stop` and `data.step` give."""

import math


def range_count(start: float, stop: float, step: float) -> int:
    """How many numbers from `start` on lie before `stop`: 1.3 is reached by 1 + 3 · 0.1, which floats hold to be below it.

    >>> range_count(1, 1.3, 0.1), range_count(1, 21, 1), range_count(3, 1, 1)
    (3, 20, 0)
    """
    return max(0, math.ceil((stop - start) / step - 1e-9))
