"""The number formats, and which numbers computation in them makes 0 or 1 of."""

from typing import NamedTuple


class Format(NamedTuple):
    """A number format: its largest number, its smallest with full precision, its smallest of all, the one below 1."""

    largest: float
    normal: float
    smallest: float
    below_one: float


FORMATS = {
    "float64": Format(1.7976931348623157e308, 2.0**-1022, 5e-324, 1 - 2.0**-53),
    "float32": Format(3.4028234663852886e38, 2.0**-126, 2.0**-149, 1 - 2.0**-24),
    "bfloat16": Format(3.3895313892515355e38, 2.0**-126, 2.0**-133, 1 - 2.0**-8),
    "float16": Format(65504.0, 2.0**-14, 2.0**-24, 1 - 2.0**-11),
}
FLUSHED = ("float32", "bfloat16")


def rounds_to_zero(value: float, dtype: str) -> bool:
    """Whether a number is nearer to 0 than to the format's smallest; half of it counts as 0, as in IEEE 754."""
    return 0 < abs(value) <= FORMATS[dtype].smallest / 2


def acts_as_zero(value: float, dtype: str) -> bool:
    """Whether computation makes 0 of a number: on a CPU XLA flushes float32 and bfloat16 below their full precision."""
    return rounds_to_zero(value, dtype) or (dtype in FLUSHED and 0 < abs(value) < FORMATS[dtype].normal)


def rounds_to_one(value: float, dtype: str) -> bool:
    """Whether a number below 1 is 1 in the format. The middle goes to 1, whose last bit is even."""
    return 1 > value >= (1 + FORMATS[dtype].below_one) / 2
