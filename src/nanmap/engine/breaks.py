"""Cells taken once more up to the update that broke each of them, and that update looked at: which tensor was the first that is not finite.

They are trained by the executable of their run, so each comes to the state that it had. Cells are grouped by the update that
broke them: a group pauses at few, where the states of its cells are kept; all kept states are looked at in the end, at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.engine.groups import Advance, Call, assemble, form_groups
from nanmap.engine.vmapped import Group, Packed, unpacked
from nanmap.models.base import Array
from nanmap.outcomes import Facts
from nanmap.plan import Lanes
from nanmap.training.batches import all_rows, batch_of, epoch_rows, short_batch
from nanmap.training.optimizers import make_optimizer
from nanmap.training.order import order_key
from nanmap.training.probes import First, first_of, seen, tensors_of_rows, tensors_of_update
from nanmap.training.program import Program
from nanmap.training.start import start
from nanmap.training.state import MARKS, NEVER, Batch, Lane, State, Task

if TYPE_CHECKING:
    from nanmap.engine.compaction import Job
    from nanmap.engine.local import Compiled

LOOKED_BYTES = 64 * 1024**2  # of rows that lanes have copies of


class Broken(NamedTuple):
    """Groups whose lanes are looked at: the groups, the update that broke each lane, and the key of its order."""

    groups: Group
    steps: Array
    keys: Array


def build_breaks(program: Program, width: int) -> tuple[Any, list[str]]:
    """The jitted function `(count, broken, states) -> First [groups, lanes]`, and the names of the tensors, which its trace fills in."""
    names: list[str] = []

    def run(count: Array, broken: Broken, states: Packed) -> First:
        blank = jnp.full(broken.steps.shape, -1, program.wide)

        def one(index: Array, found: First) -> First:
            (groups, steps, keys), state = jax.tree.map(lambda leaf: leaf[index], (broken, states))
            given = groups.lanes, unpacked(state), steps, keys
            looked = jax.lax.map(lambda each: _looked(program, groups.task, names, *each), given, batch_size=width)
            return jax.tree.map(
                lambda all_, one: jax.lax.dynamic_update_index_in_dim(all_, one.astype(all_.dtype), index, 0),
                found,
                looked,
            )

        return jax.lax.fori_loop(0, count, one, First(blank, blank, blank, blank))

    return jax.jit(run), names


def together(program: Program, width: int) -> int:
    """How many lanes are looked at side by side: each has the rows of its epoch in an order of its own."""
    rows = program.item_bytes * program.rows * (program.model.features + program.model.outputs)
    return width if program.full_batch else int(max(1, min(width, LOOKED_BYTES // max(rows, 1))))


def _looked(program: Program, task: Task, names: list[str], lane: Lane, state: State, step: Array, key: Array) -> First:
    """What broke one lane in its update. Nothing is said of a lane whose optimizer was broken before, nor if all is finite."""
    task = task._replace(order_key=key)
    of_rows: list[str] = []
    update, made = _at(program, task, step, partial(_of_update, program, lane, task, state, step, names))
    rows = partial(_of_rows, program, lane, task, of_rows, len(names))
    (before, begins_bad), (after, _) = rows(state), rows(made)
    names += of_rows
    found = _either(update.place >= 0, update, after)
    found = _either((step == 0) & begins_bad, before, found)
    return found._replace(place=jnp.where(_is_sound(program, lane, state), found.place, -1))


def _of_update(
    program: Program, lane: Lane, task: Task, state: State, step: Array, names: list[str], batch: Batch
) -> tuple[First, State]:
    tensors, made = tensors_of_update(program, lane, task, state, batch, step)
    names[:], found = seen(tensors)
    return first_of(names, found), made


def _of_rows(
    program: Program, lane: Lane, task: Task, names: list[str], shift: int, state: State
) -> tuple[First, Array]:
    """The first tensor of an assessment, its places behind so many others, and whether the loss is not finite."""
    names[:], found = seen(tensors_of_rows(program, lane, task, state))
    first = first_of(names, found)
    place = jnp.where(first.place < 0, -1, first.place + shift)
    return first._replace(place=place, largest_at=first.largest_at + shift), found.infinite[-1] | found.nan[-1]


def _either(condition: Array, one: First, other: First) -> First:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _at(program: Program, task: Task, step: Array, look: Callable[[Batch], Any]) -> Any:
    """A look at the rows of an update."""
    if program.full_batch:
        return look(all_rows(program, task))
    x, y = epoch_rows(program, task, step // task.steps_per_epoch)
    if not program.short:
        return look(batch_of(program, task, x, y, step))
    last = step % task.steps_per_epoch == task.steps_per_epoch - 1
    return jax.lax.cond(
        last, lambda: look(short_batch(program, x, y)), lambda: look(batch_of(program, task, x, y, step))
    )


def _is_sound(program: Program, lane: Lane, state: State) -> Array:
    """Whether all that the optimizer keeps is finite, but for what is not from the start on."""
    began = make_optimizer(program, lane.numbers, lane.learning_rates).init(state.parameters)
    pairs = zip(jax.tree.leaves(began), jax.tree.leaves(state.optimizer), strict=True)
    return jnp.stack(
        [jnp.asarray(True), *(jnp.all(jnp.isfinite(now) | ~jnp.isfinite(was)) for was, now in pairs)]
    ).all()


def in_order(lanes: Lanes) -> Lanes:
    """The same cells, in groups of those that broke at about the same update."""
    assert lanes.breaks is not None
    return replace(lanes, position=np.argsort(np.argsort(lanes.breaks, kind="stable"), kind="stable"))


def look_at_breaks(
    job: "Job",
    compiled: "Compiled",
    call: Callable[[Call, Packed], Packed],
    look: Callable[[np.int32, Broken, Packed], First],
) -> First:
    """What broke the cells of a job, NumPy arrays `[cells]`; they fit into one call."""
    lanes, breaks = job.lanes, job.lanes.breaks
    assert breaks is not None
    formed = form_groups(in_order(lanes), compiled.width, job.cells, together=compiled.together)
    pauses = [np.unique(breaks[group]) for group in formed]
    order = sorted(
        range(len(formed)), key=lambda each: -len(pauses[each])
    )  # those that have no pause left are at the end
    groups, pauses = [formed[each] for each in order], [pauses[each] for each in order]
    made = assemble(lanes, groups, compiled.width, compiled.capacity, _nowhere, True, compiled.together)
    parameters, model_state = start(**lanes.starts(made.cells))
    states = kept = compiled.blank._replace(parameters=parameters, model_state=model_state)
    made, steps = compiled.placed(made), breaks[made.cells]
    for number in range(len(pauses[0])):
        count = sum(len(each) > number for each in pauses)
        stops = np.zeros(compiled.capacity, np.int32)
        stops[:count] = [each[number] for each in pauses[:count]]
        states = call(_up_to(made, count, stops), states)
        here = np.arange(len(stops)) < count
        with jax.enable_x64(lanes.program.dtype == "float64"):
            kept = _taken((steps == stops[:, None]) & here[:, None], states, kept)
        made = _from(made, stops)
    broken = Broken(made.groups, steps.astype(np.int32), order_key(lanes.seed[made.cells]))
    found = look(np.int32(len(groups)), broken, kept)
    place = np.zeros(len(lanes), np.int64)
    place[made.cells[made.real]] = np.flatnonzero(made.real)
    return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1)[place[job.cells]], found)


def _nowhere(steps: int) -> Advance:
    return Advance(0, 0)


def _up_to(made: Call, count: int, stops: np.ndarray) -> Call:
    """The call of the first groups, each up to an update of its own; nothing is assessed on the way."""
    shape = len(stops), MARKS
    marks, never = np.broadcast_to(stops[:, None], shape), np.full(shape, NEVER, np.int32)
    groups = made.groups._replace(marks=marks, record=np.zeros(shape, bool), events=never)
    return made._replace(number=np.int32(count), groups=groups)


def _from(made: Call, stops: np.ndarray) -> Call:
    return made._replace(groups=made.groups._replace(start=stops, fresh=np.zeros(len(stops), bool)))


@jax.jit
def _taken(here: Array, states: Packed, kept: Packed) -> Packed:
    """The states of some lanes in place of what was kept of them."""
    return jax.tree.map(
        lambda new, old: jnp.where(here.reshape(here.shape + (1,) * (new.ndim - 2)), new, old), states, kept
    )


def tensor_facts(names: Sequence[str], lanes: Lanes, cells: np.ndarray, parts: Sequence[First]) -> Facts:
    """What is known of first tensors, `[cells]`: an empty name where nothing was found."""
    assert lanes.breaks is not None
    found = jax.tree.map(lambda *each: np.concatenate(each), *parts)
    told = found.place >= 0
    names_of = np.array([*names, ""], object)
    none = len(names)
    beside = told & (found.largest >= 0)
    return {
        "first_tensor": names_of[np.where(told, found.place, none).astype(int)],
        "step": lanes.breaks[cells],
        "value": np.where(found.nan > 0, "nan", "inf").astype(object),
        "largest_before": np.where(beside, found.largest, np.nan).astype(float),
        "largest_in": names_of[np.where(beside, found.largest_at, none).astype(int)],
    }
