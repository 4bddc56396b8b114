"""What an engine is to `runs` and `edges`: it trains cells, and gives back facts about them. It touches no disk.

Whatever is handed over or handed back can be pickled: an engine may train in other processes, or on other machines.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from nanmap.outcomes import Facts
from nanmap.plan import Lanes, Plan
from nanmap.training.program import Program
from nanmap.training.state import State


class Trained(NamedTuple):
    """Some cells that are done.

    Attributes:
        batch: place of their batch among those that were handed over, from 0.
        cells: indices into the batch.
        facts: about each of them, see `facts_of`; where the program hands them out, `parameters` and `model_state` at the
            end are pytrees of such arrays. Where the batch asks for a `history`, `history_step` and `training.cell.HISTORY`
            as well, `[cells, updates]`: a step of -1, or a cell that had ended by then, says nothing.
    """

    batch: int
    cells: np.ndarray
    facts: Facts


@dataclass(frozen=True)
class Epoch:
    """Where a followed training stands: updates `start..stop` were made in this epoch.

    Attributes:
        number: from 1; 0 is the initialisation.
        state: of the one cell, NumPy arrays.
    """

    number: int
    start: int
    stop: int
    state: State


class Engine(Protocol):
    """Trains cells of plans.

    Attributes:
        backend: `cpu` or `gpu`; rows are the same to the bit on one of them only.
        device: what it trains on, for people.
        machine: what else bits hang on, see `machine_of`: rows of one engine are another's to the bit where it is equal.
        narrowed: programs that had to be given a smaller width than theirs, which changes the last bits: old and new.
        compilations: how many executables were compiled so far.
    """

    backend: str
    device: str
    machine: Mapping[str, str]

    @property
    def narrowed(self) -> Mapping[Program, tuple[int, int]]: ...  # noqa: D102

    @property
    def compilations(self) -> int: ...  # noqa: D102

    def width(self, program: Program) -> int:
        """Cells that train side by side. It changes the last bits, so a run pins it; an engine without lanes says 1."""

    def groups(self, lanes: Lanes) -> Sequence[np.ndarray]:
        """Cells of a batch that would train side by side, indices into it: what tells how many places stay idle."""

    def begin(self, widths: Mapping[Program, int], notify: Callable[[str], None] | None = None) -> None:
        """Begins a run whose widths are pinned to these, and forgets those of the run before.

        Args:
            widths: by program.
            notify: told in a sentence what the user of this run should know; whoever the engine was made with if None.
        """

    def tune(self, plan: Plan) -> Mapping[Program, int]:
        """The fastest width of each of a plan's programs, measured on its cells; nothing where there is no choice."""

    def train(self, batches: Iterable[Lanes]) -> Iterator[Trained]:
        """Trains all cells of all batches; yields them as they are done, in no particular order.

        Only a few batches are drawn ahead.
        """

    def follow(self, lanes: Lanes) -> Iterator[Epoch]:
        """Trains a single cell epoch by epoch: the same bits as among others.

        Yields:
            Its state at initialisation, then after each epoch until the budget, a NaN or a stop ends it. `EPOCH_SUMS`
            of its losses are of the epoch alone.
        """

    def resume(self, lanes: Lanes, since: Epoch, stop: int) -> Epoch:
        """A single cell from where it stood in `follow`, or here, up to before the update `stop`: the same bits as in one go."""
