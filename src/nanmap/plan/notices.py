"""What a user should be told before a run although it is allowed. Each is said once."""

from collections.abc import Iterable

import numpy as np

from nanmap.plan.plan import Plan, Variant


def notices(plan: Plan) -> list[str]:
    """Sentences about settings that do something other than a reader may expect."""
    variants = list(plan.variants())
    return [*_full_batch(variants), *_ascent(plan, variants)]


def _full_batch(variants: Iterable[Variant]) -> list[str]:
    larger = {
        (each.config.training.batch_size, each.rows.n)
        for each in variants
        if each.config.training.batch_size > each.rows.n
    }
    if not larger:
        return []
    batch, n = min(larger)
    return [f"batch size {batch} is larger than the {n} training rows: full batch, as in Keras"]


def _ascent(plan: Plan, variants: Iterable[Variant]) -> list[str]:
    rates = [rate for each in variants for rate in each.rates]
    for _, name, values in plan.number_values:
        if name.startswith("learning_rate"):
            rates = [*rates, *values] if name != "learning_rate" else list(values)
    return ["a negative learning rate is gradient ascent: it climbs the loss"] if np.any(np.array(rates) < 0) else []
