"""What a user should be told before a run although it is allowed. Each is said once."""

from collections.abc import Iterable

import numpy as np

from nanmap.config.choices import OUTPUT_RANGES
from nanmap.plan.no_effect import without_effect
from nanmap.plan.plan import Plan
from nanmap.plan.precision import lost_in_rounding
from nanmap.plan.reach import beyond_reach
from nanmap.plan.variant import Variant


def notices(plan: Plan) -> list[str]:
    """Sentences about settings that do something other than a reader may expect."""
    variants = list(plan.variants(exact=False))
    return [
        *_full_batch(variants),
        *_sampled(variants),
        *_ascent(plan, variants),
        *_single_rows(variants),
        *_out_of_reach(variants),
        *lost_in_rounding(plan, variants),
        *without_effect(plan, variants),
    ]


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


def _sampled(variants: Iterable[Variant]) -> list[str]:
    """What of a row is of a sample, by the largest of several."""
    found = [each for each in variants if each.program.assessed]
    if not found:
        return []
    most = max(found, key=lambda each: each.program.assessed)
    kinds = [(most.assessed.n, most.rows.n, "training")]
    kinds += [(len(most.assessed.val_inputs), len(most.rows.val_inputs), "validation")]
    drawn = " and ".join(f"{some:,} of {n:,} {kind} rows" for some, n, kind in kinds if some < n)
    return [
        f"outcome.rows = {most.program.assessed}: the five losses, what they are held against and dead units are of {drawn}, "
        "drawn once; `measure` and sharpness are of all"
    ]


def _ascent(plan: Plan, variants: Iterable[Variant]) -> list[str]:
    rates = [rate for each in variants for rate in each.learning_rates]
    for varied in plan.varied:
        if varied.number.per_layer:
            rates = [*rates, *varied.told()] if varied.number.layer is not None else varied.told()
    return ["a negative learning rate is gradient ascent: it climbs the loss"] if np.any(np.array(rates) < 0) else []


def _single_rows(variants: Iterable[Variant]) -> list[str]:
    """Batch norm of one row: its variance is 0, and every hidden unit says its offset whatever the row."""
    said: dict[str, None] = {}
    for each in variants:
        batch, n = each.config.training.batch_size, each.rows.n
        if not each.program.model.batch_statistics or (each.program.full_batch and n > 1):
            continue
        if min(batch, n) == 1:
            said[f"training.batch_size = {batch} with batch norm: the variance of a single row is 0"] = None
        elif each.program.order != "replacement" and n % batch == 1:
            said[f"training.batch_size = {batch} leaves one of {n} rows for the last batch: its variance is 0"] = None
    end = ", so every hidden unit says its offset and the network learns nothing from it; take larger batches"
    return [f"{sentence}{end}" for sentence in said]


def _out_of_reach(variants: Iterable[Variant]) -> list[str]:
    """An output's activation that does not give the targets; of several variants the farthest target."""
    worst: dict[str, float] = {}
    for each in variants:
        target, name = beyond_reach(each), each.config.model.output_activation
        if target is not None:
            worst[name] = max(worst.get(name, target), target, key=abs)
    return [
        f'model.output_activation = "{name}" gives numbers from {low:g} {"on" if np.isinf(high) else f"to {high:g}"}, '
        f'and a target is {worst[name]:.4g}: no output can reach it; take "linear"'
        for name, (low, high) in OUTPUT_RANGES.items()
        if name in worst
    ]
