"""What a number format does to settings and rows before anything is trained: numbers it rounds to 0, 1 or infinity."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from nanmap.config.choices import LEARNING_RATE
from nanmap.config.formats import FLUSHED, FORMATS, acts_as_zero, rounds_to_one, rounds_to_zero
from nanmap.data import Rows
from nanmap.plan.no_effect import ACTS
from nanmap.plan.plan import Plan
from nanmap.plan.variant import Variant

AVERAGES = ("b1", "b2", "rho", "momentum")


def lost_in_rounding(plan: Plan, variants: list[Variant]) -> list[str]:
    """A sentence for each setting, and for the rows, that the number format turns into something else."""
    said: dict[str, None] = {}
    for variant in variants:
        dtype = variant.config.training.dtype
        sentences = [*_epsilon(plan, variant, dtype), *_averages(plan, variant, dtype), *_rates(plan, variant, dtype)]
        said |= dict.fromkeys([*sentences, *_rows(variant, dtype)])
    return list(said)


def resolves(targets: np.ndarray, dtype: str) -> bool:
    """Whether an output of this format can tell targets `[rows, outputs]` apart: the one that varies most, at least.

    The format's spacing at the largest of them must be at most a quarter of their standard deviation. Rounding to it alone
    leaves up to 1/12 of a squared spacing, half a percent of the variance there. Equal targets ask for nothing.
    """
    if not np.isfinite(targets).all():
        return True
    largest = np.abs(targets).max(axis=0)
    with np.errstate(divide="ignore", over="ignore"):
        spread = targets.std(axis=0)  # infinite of 1e308: a format that holds them tells them apart
        spacing = 2 * (1 - FORMATS[dtype].below_one) * 2.0 ** np.floor(np.log2(largest))
    return bool(((spacing <= spread / 4) | (targets.min(axis=0) == targets.max(axis=0))).any())


def _epsilon(plan: Plan, variant: Variant, dtype: str) -> Iterable[str]:
    if not ACTS["optimizer.eps"][0](variant):
        return
    form = FORMATS[dtype]
    least = min(_values(plan, variant, "eps"))
    mend = f"use optimizer.eps = {_above(form.normal):.0e} or more"
    if acts_as_zero(least, dtype):
        ends = form.normal if dtype in FLUSHED else form.smallest
        yield (
            f"optimizer.eps = {least:.4g} is 0 in {dtype}, which is computed with numbers down to {ends:.2g}: "
            f"0 / 0 gives NaN wherever a gradient is exactly 0; {mend}"
        )
    elif 0 < least < form.normal:
        yield (
            f"optimizer.eps = {least:.4g} is below {form.normal:.2g}, the smallest number that {dtype} holds with all "
            f"its digits: squares of small gradients round to 0 beside it, and their steps become huge; {mend}"
        )


def _above(value: float) -> float:
    """The next power of ten."""
    return float(10.0 ** np.ceil(np.log10(value)))


def _averages(plan: Plan, variant: Variant, dtype: str) -> Iterable[str]:
    for name in AVERAGES:
        acts = ACTS.get(f"optimizer.{name}", (lambda variant: True, ""))[0]
        largest = max(_values(plan, variant, name))
        if acts(variant) and rounds_to_one(largest, dtype):
            below = FORMATS[dtype].below_one
            yield (
                f"optimizer.{name} = {largest:.6g} is 1 in {dtype}, whose next number below is {below:.4g}: "
                f"the average never forgets; use optimizer.{name} = {below:.4g} or less"
            )


def _rates(plan: Plan, variant: Variant, dtype: str) -> Iterable[str]:
    lost = [rate for rate in _values(plan, variant, "learning_rate") if rounds_to_zero(rate, dtype)]
    if lost:
        yield (
            f"{LEARNING_RATE} = {lost[0]:.4g} is 0 in {dtype}, whose smallest number is "
            f"{FORMATS[dtype].smallest:.2g}: nothing moves; use float32, bfloat16 or a larger rate"
        )


def _rows(variant: Variant, dtype: str) -> Iterable[str]:
    largest = FORMATS[dtype].largest
    ends = ("they become infinite", "no output can reach them")
    for name, reach, then in zip(("inputs", "targets"), _reach(variant.rows), ends, strict=True):
        if reach > largest:
            yield (
                f"the {name} reach {reach:.4g}, {dtype} ends at {largest:.5g}: {then}; "
                f'scale them with data.scale_{name} = "standard"'
            )


@lru_cache(maxsize=4096)
def _reach(rows: Rows) -> tuple[float, float]:
    """The largest finite input and target."""
    inputs, targets = (float(np.abs(v[np.isfinite(v)]).max(initial=0)) for v in (rows.inputs, rows.targets))
    return inputs, targets


def _values(plan: Plan, variant: Variant, name: str) -> list[float]:
    """The numbers that cells of a variant have for a lane number, those that speak for all; NaN where it is off."""
    along = [varied.told() for varied in plan.varied if varied.number.name == name]
    if along:
        return [value for values in along for value in values]
    return list(variant.learning_rates) if name == "learning_rate" else [variant.numbers[name]]
