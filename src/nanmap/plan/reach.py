"""Whether the outputs of a network can be what its targets are."""

from math import inf

import numpy as np

from nanmap.config.choices import OUTPUT_RANGES
from nanmap.plan.variant import Variant


def beyond_reach(variant: Variant) -> float | None:
    """The target farthest from any number that the output's activation gives; None where it gives them all, and of classes."""
    if variant.program.classifies:
        return None
    low, high = OUTPUT_RANGES.get(variant.config.model.output_activation, (-inf, inf))
    targets = variant.rows.targets[np.isfinite(variant.rows.targets)]
    missed = np.maximum(low - targets, targets - high)
    if not (missed > 0).any():
        return None
    return float(targets[np.argmax(missed)])
