"""How sure a share is that was counted over runs."""

from math import sqrt

Z95 = 1.959963984540054  # quantile of the normal distribution that leaves 2.5 % above it


def wilson_interval(successes: int, runs: int, z: float = Z95) -> tuple[float, float]:
    """The interval that holds the true share of successes in 95 % of cases (Wilson 1927, doi 10.2307/2276774).

    Args:
        successes: runs that succeeded.
        runs: all runs, at least one.
        z: normal quantile; 1.96 for 95 %.

    Returns:
        The ends of the interval, shares from 0 to 1. They stay inside that range, also where all runs or none succeeded.

    >>> [round(end, 4) for end in wilson_interval(100, 100)]
    [0.963, 1.0]
    """
    share, spread = successes / runs, z * z / runs
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / runs + spread / (4 * runs)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
