"""Numbers → text that a browser unpacks: fixed words, their bytes in planes, gzipped, as base64.

`page/columns.js` is the other half. What is no number keeps its kind: NaN, infinity and a missing value are words of their own.
"""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NAN, MISSING = 0x7FF80000, 0x7FF80001  # words: the upper half of a float64, of which the browser makes the float again
LARGEST = 0x7FEFFFFF
HALF = np.uint64(1 << 31)
LEVELS = 65_531  # of 16 bits: 0 is the number 0, then these; the rest are the kinds
MINUS_INFINITY, INFINITY, LEVEL_NAN, LEVEL_MISSING = 65_532, 65_533, 65_534, 65_535
BEND = 1e-3  # where the signed logarithm turns into a line


@dataclass(frozen=True)
class Packed:
    """A column as text.

    Attributes:
        form: `word` (6 digits), `level` (16 bits), `count` (whole numbers) or `name` (places among names).
        width: bytes per number.
        data: base64.
        told: what else unpacking needs.
    """

    form: str
    width: int
    data: str
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes on the page."""
        return len(self.data)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"form": self.form, "width": self.width, "data": self.data, **self.told}


def pack_words(values: np.ndarray, missing: np.ndarray) -> Packed:
    """Numbers to six digits over the whole range of float64.

    >>> pack_words(np.array([1.0]), np.array([False])).width
    4
    """
    return Packed("word", 4, packed(to_words(values, missing)))


def to_words(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The upper halves of float64 numbers, rounded to nearest; kinds as words of their own `[rows]` uint32.

    >>> [hex(word) for word in to_words(np.array([1.0, np.inf, np.nan, 3.0]), np.array([0, 0, 0, 1], bool)).tolist()]
    ['0x3ff00000', '0x7ff00000', '0x7ff80000', '0x7ff80001']
    """
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64)
    words = (bits >> np.uint64(32)).astype(np.uint32)
    finite = np.isfinite(values)
    up = (bits & np.uint64(0xFFFFFFFF)) >= HALF
    words += (finite & up & ((words & 0x7FFFFFFF) < LARGEST)).astype(np.uint32)
    words[np.isnan(values)] = NAN
    words[missing] = MISSING
    return words


def pack_levels(values: np.ndarray, missing: np.ndarray) -> Packed:
    """Numbers in 16 bits: evenly in the logarithm, of either sign where there are negative ones.

    Over 20 decades a level is 0.07 % wide, finer than a colour or a pixel of a curve.
    """
    finite = np.isfinite(values) & ~missing
    signed = bool((values[finite] < 0).any())
    there = finite & (values != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.sign(values) * np.log1p(np.abs(values) / BEND) if signed else np.log(values)
    low, high = (float(places[there].min()), float(places[there].max())) if there.any() else (0.0, 0.0)
    step = (high - low) / (LEVELS - 1) or 1.0
    levels = np.zeros(len(values), np.uint16)
    levels[there] = 1 + np.rint((places[there] - low) / step)
    kinds = {INFINITY: values == np.inf, MINUS_INFINITY: values == -np.inf, LEVEL_NAN: np.isnan(values)}
    for code, those in {**kinds, LEVEL_MISSING: missing}.items():
        levels[those] = code
    return Packed("level", 2, packed(levels), {"low": low, "step": step, "signed": signed})


def pack_counts(values: np.ndarray, missing: np.ndarray) -> Packed:
    """Whole numbers from 0, exactly; the largest of their width stands for a missing one.

    >>> pack_counts(np.array([3, 300]), np.array([False, False])).width
    2
    """
    there = values[~missing]
    if len(there) and not (there.min() >= 0 and there.max() < 2**32 - 1):
        return pack_words(values.astype(float), missing)
    most = int(there.max(initial=0))
    width = next(each for each in (1, 2, 4) if most < 2 ** (8 * each) - 1)
    counts = np.where(missing, 2 ** (8 * width) - 1, values).astype(f"<u{width}")
    return Packed("count", width, packed(counts))


def pack_names(codes: np.ndarray, names: Sequence[str]) -> Packed:
    """Places among names."""
    width = 1 if len(names) < 255 else 2
    return Packed("name", width, packed(codes.astype(f"<u{width}")), {"names": list(names)})


def packed(numbers: np.ndarray) -> str:
    """Bytes of numbers, all first ones, all second ones, …: equal ones lie together, and gzip finds them."""
    stored = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<"))
    planes = stored.view(np.uint8).reshape(len(stored), stored.itemsize).T
    return base64.b64encode(gzip.compress(planes.tobytes(), 6, mtime=0)).decode()
