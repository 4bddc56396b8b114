"""A job: cells of one program, trained to their end on one device; those that met a NaN are taken out on the way.

A group trains until its last cell is finished. So wide groups pause now and then: cells that met a NaN leave, and the
others close ranks. Which cells stand side by side touches no bit.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from nanmap.engine.groups import Advance, Call, assemble, form_groups, moved_on
from nanmap.engine.history import parts_of
from nanmap.engine.vmapped import Packed
from nanmap.engine.widths import flops_per_update
from nanmap.plan import Lanes
from nanmap.training.cell import HISTORY
from nanmap.training.program import Program
from nanmap.training.records import running
from nanmap.training.start import start
from nanmap.training.state import Events

if TYPE_CHECKING:
    from nanmap.engine.local import Compiled

Regroup = Callable[[Packed, np.ndarray], Packed]

PAUSES = (1 / 32, 1 / 8, 3 / 8)  # of the budget: half of the cells that ever meet a NaN do so in the first steps
PAUSE_WIDTH = 32  # narrower groups of neighbours lose nothing: 16 cells of the fractal map 1 %, of an ideal 1.70 times
PAUSE_FLOPS = 2e6  # per cell and training: a pause costs a cell some microseconds


class Job(NamedTuple):
    """Cells of a batch that one call trains, as indices into it; and the batch's place among those handed over."""

    batch: int
    lanes: Lanes
    cells: np.ndarray


def train_job(
    job: Job,
    compiled: "Compiled",
    call: Callable[[Call, Packed], Packed],
    regroup: Regroup,
    early: bool,
    look: Callable[[Call, Packed], np.ndarray] | None = None,
) -> tuple[Packed, np.ndarray]:
    """What a job's cells end with, `Packed`, NumPy arrays `[cells, …]`: the records, and parameters where they are wanted.

    Args:
        compiled: what the cells run on; they fit into one call of it.
        call: runs one call.
        regroup: puts states of a call, `[groups, lanes, …]`, in other places, given by where each one stood.
        early: let cells that met a NaN leave; changes no row.
        look: looks at the updates that come next, `[groups, lanes, 4]`; for a history.

    Returns:
        Beside it what was looked at, `[cells, updates, 4]`; of a cell that had ended it says nothing.
    """
    lanes, program, width, capacity = job.lanes, job.lanes.program, compiled.width, compiled.capacity
    together = compiled.together
    place = np.zeros(len(lanes), np.int64)
    place[job.cells] = np.arange(len(job.cells))
    kept = jax.tree.map(
        lambda leaf: np.zeros((len(job.cells), *leaf.shape[2:]), leaf.dtype), _wanted(program, compiled.blank)
    )
    remaining, finished, slots = job.cells, np.zeros(len(job.cells), bool), np.zeros(len(job.cells), np.int32)
    parts = _parts(program, width, job, early, look is not None)
    looked = np.full((len(job.cells), len(parts) if look else 0, len(HISTORY)), np.nan)
    made: Call | None = None
    grouped = 0  # cells that there were when they were put into groups
    for number, part in enumerate(parts):
        if (
            look and made and 2 * len(remaining) > grouped
        ):  # to close ranks at each short part costs more than idle lanes
            made = moved_on(made, part)
        else:
            groups, grouped = form_groups(lanes, width, remaining, finished[place[remaining]], together), len(remaining)
            made = assemble(lanes, groups, width, capacity, part, number == 0, together)
            if number == 0:
                parameters, model_state = start(**lanes.starts(made.cells))
                states = compiled.blank._replace(parameters=parameters, model_state=model_state)
            else:
                states = regroup(states, slots[place[made.cells]])
            made = compiled.placed(made) if look else made
        where = place[made.cells[made.real]]
        if look:
            looked[where, number] = np.asarray(look(made, states))[made.real]
        states = call(made, states)
        slots[where] = np.flatnonzero(made.real)
        for old, new in zip(jax.tree.leaves(kept), jax.tree.leaves(_wanted(program, states)), strict=True):
            old[where] = np.asarray(new)[made.real]
        events = Events(*kept.events.T)
        finished = ~running(events)
        remaining = remaining[events.first_nan[place[remaining]] < 0]
        if not len(remaining):
            break
    return kept, looked


def _wanted(program: Program, states: Packed) -> Packed:
    """What is asked of a cell that is done: its records, and its parameters if the program hands them out."""
    if program.final_layers:
        return states._replace(optimizer=None)
    return states._replace(parameters=[], model_state=[], optimizer=None)


def _parts(program: Program, width: int, job: Job, early: bool, looks: bool) -> list[Callable[[int], Advance]]:
    """What a job runs between two pauses, by the budget."""
    steps = [variant.steps for variant in job.lanes.variants]
    if looks:
        return parts_of(job.lanes.history, max(steps))
    worth = early and width >= PAUSE_WIDTH and min(steps) * flops_per_update(program) >= PAUSE_FLOPS
    return [_part(*ends) for ends in pairwise((0.0, *(PAUSES if worth else ()), 1.0))]


def _part(start: float, stop: float) -> Callable[[int], Advance]:
    return lambda steps: Advance(int(np.ceil(start * steps)), int(np.ceil(stop * steps)))
