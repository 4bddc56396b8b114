"""What every workload is given: the workers, how large it may be, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.worker import Pool


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark.

    Attributes:
        repeats: rounds of every comparison.
        quick: small sizes, to see that everything works; its figures mean nothing.
        tell: hears what is going on.
        pool: workers, of the present workload only.
    """

    repeats: int
    quick: bool
    tell: Callable[[str], None]
    pool: Pool = field(default_factory=Pool)

    def size(self, full: Any, quick: Any) -> Any:
        """One of two sizes."""
        return quick if self.quick else full
