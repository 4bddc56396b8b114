"""From raw timings to medians, ranges and ratios. Plain arithmetic over the JSON, no measurement."""

from dataclasses import dataclass
from statistics import median
from typing import Any

Result = dict[str, Any]
SCHEMA = 1  # of the JSON


@dataclass(frozen=True)
class Spread:
    """A median with the least and the largest value."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of one value per round."""
        return cls(median(values), min(values), max(values))

    def over(self, scale: float) -> "Spread":
        """In another unit."""
        return Spread(self.middle / scale, self.low / scale, self.high / scale)

    def text(self, unit: str = "") -> str:
        """Both, to three digits.

        >>> Spread.of([27_410.0, 26_900.0, 28_112.0]).text()
        '27,400 (26,900–28,100)'
        """
        return f"{number(self.middle)}{unit} ({number(self.low)}–{number(self.high)})"


def rates(contender: Result, unit: str) -> list[float]:
    """Updates or trainings per second, one per round."""
    work = contender["cells"] if unit == "trainings" else contender["updates"]
    return [work / seconds for seconds in contender["seconds"]]


def ratios(reference: Result, contender: Result, unit: str) -> Spread:
    """How many times as fast the reference is, paired by round: what slows the machine down for a while slows both."""
    pairs = zip(rates(reference, unit), rates(contender, unit), strict=True)
    return Spread.of([ours / theirs for ours, theirs in pairs])


def measured(group: Result) -> list[Result]:
    """The contenders of a comparison that were there."""
    return [each for each in group["contenders"] if "seconds" in each]


def full_name(contender: Result) -> str:
    """A contender in words, with what it keeps where that is told.

    >>> full_name({"label": "a loop in C", "keeps": "nothing"})
    'a loop in C, keeps nothing'
    """
    return contender["label"] + (f", keeps {contender['keeps']}" if "keeps" in contender else "")


def gflops(result: Result, workload: str, group: Result, contender: Result) -> float:
    """Median GFLOP/s of a contender, operations counted by `nanmap.engine.estimate.flops_per_update`."""
    dtype = contender["task"]["settings"]["training.dtype"]
    return median(rates(contender, "updates")) * result["workloads"][workload]["facts"][dtype]["flops_per_update"] / 1e9


def peak(result: Result, dtype: str) -> float:
    """GFLOP/s of the matrix product: the median over all workloads that measured it."""
    found = [
        each["facts"][dtype]["peak_gflops"] for each in result["workloads"].values() if dtype in each.get("facts", {})
    ]
    return median([value for values in found for value in values])


def number(value: float) -> str:
    """Three digits, thousands set apart.

    >>> [number(each) for each in (0.012345, 3.14159, 31.4159, 314.159, 27_412.0, 2_512_345_678.0, 3.2, 0.0)]
    ['0.0123', '3.14', '31.4', '314', '27,400', '2,510,000,000', '3.20', '0']
    """
    if value == 0:
        return "0"
    digits = 2 - int(f"{value:.2e}".partition("e")[2])
    return f"{round(value, digits):,.{max(digits, 0)}f}"
