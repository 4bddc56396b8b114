"""The training that is diagnosed, as it is: its settings, its rows, and how it ends from many starts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanmap.advice import Case
from nanmap.config import Config
from nanmap.config.code import is_own
from nanmap.data import Rows
from nanmap.diagnosis.answer import Evidence
from nanmap.diagnosis.bench import Bench, Ends
from nanmap.diagnosis.outputs import misfit
from nanmap.outcomes import Outcome

BROKEN = (Outcome.NAN, Outcome.INF, Outcome.DIVERGED)


@dataclass(frozen=True)
class Patient:
    """What remedies are chosen by.

    Attributes:
        bench: trains it.
        ends: of its settings as they are.
    """

    bench: Bench
    ends: Ends

    @property
    def config(self) -> Config:
        """The settings as they are."""
        return self.bench.config

    @property
    def rows(self) -> Rows:
        """What it is trained on."""
        return self.bench.variant.rows

    @property
    def own(self) -> bool:
        """Whether the network is the user's own: nothing is known of what is in it."""
        return is_own(self.config.model.kind)

    @property
    def classifies(self) -> bool:
        """Whether outputs are logits of classes."""
        return self.bench.variant.program.classifies

    @cached_property
    def misfit(self) -> Evidence | None:
        """What is wrong with the end of a network of the user's own, told by its outputs."""
        return misfit(self.bench) if self.own else None

    def share(self, *outcomes: Outcome) -> float:
        """Starts that end so."""
        return float(np.isin(self.ends["outcome"], outcomes).mean())

    def case(self) -> Case:
        """The training of one start, for the theory of its edge and the scale of its data."""
        row = {name: values[0, 0] for name, values in self.ends.columns.items()}
        return Case(self.bench.one({}), row)


def faded(ends: Ends) -> bool:
    """Whether most starts begin with gradients that fade or grow from layer to layer."""
    ratio = ends["gradient_ratio_initial"]
    known = ratio[np.isfinite(ratio)]
    return len(known) > 0 and bool(np.median(known) <= 1e-3 or np.median(known) >= 1e3)
