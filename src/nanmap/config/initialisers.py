"""The initialisers: the family that each draws from, and its scale. One entry is one initialiser, and all there is to it.

`models/draw.py` draws from the families.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

Family = Literal["constant", "normal", "uniform", "truncated_normal", "orthogonal", "file"]


def _one(fan_in: int, fan_out: int) -> float:
    return 1.0


@dataclass(frozen=True)
class InitialiserEntry:
    """One initialiser.

    Attributes:
        family: where its values come from; `file` draws nothing.
        scale: of a kernel `[fan_in, fan_out]`: the value of a constant, the bound of a uniform, the standard deviation of
            a normal (of a truncated one after the cut at two), the singular values of an orthogonal.
        biases: whether biases may be drawn with it too, with the fans of their layer's kernel.
    """

    family: Family
    scale: Callable[[int, int], float] = _one
    biases: bool = False

    @property
    def random(self) -> bool:
        """Whether a seed changes what it gives."""
        return self.family not in ("constant", "file")

    @property
    def zeros(self) -> bool:
        """Whether it gives nothing but zeros."""
        return self.family == "constant" and self.scale(1, 1) == 0


INITIALISERS: dict[str, InitialiserEntry] = {
    "zeros": InitialiserEntry("constant", lambda fan_in, fan_out: 0.0, biases=True),
    "ones": InitialiserEntry("constant", biases=True),
    "normal": InitialiserEntry("normal", biases=True),
    "uniform": InitialiserEntry("uniform", biases=True),
    "glorot_uniform": InitialiserEntry("uniform", lambda fan_in, fan_out: sqrt(6 / (fan_in + fan_out))),
    "glorot_normal": InitialiserEntry("truncated_normal", lambda fan_in, fan_out: sqrt(2 / (fan_in + fan_out))),
    "he_uniform": InitialiserEntry("uniform", lambda fan_in, fan_out: sqrt(6 / fan_in)),
    "he_normal": InitialiserEntry("truncated_normal", lambda fan_in, fan_out: sqrt(2 / fan_in)),
    "lecun_normal": InitialiserEntry("truncated_normal", lambda fan_in, fan_out: sqrt(1 / fan_in)),
    "lecun_uniform": InitialiserEntry("uniform", lambda fan_in, fan_out: sqrt(3 / fan_in)),
    "orthogonal": InitialiserEntry("orthogonal"),
    "torch_linear": InitialiserEntry("uniform", lambda fan_in, fan_out: 1 / sqrt(fan_in), biases=True),
    "file": InitialiserEntry("file"),
}
