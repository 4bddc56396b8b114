"""The engine: compiles each program once per device, keeps every device busy, gives back columns over cells. No disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from nanmap.engine.columns import RECORDS, columns_of
from nanmap.engine.crew import Crew
from nanmap.engine.devices import use_all_cores
from nanmap.engine.groups import advance_marks, assemble, chunks, form_groups
from nanmap.engine.program import Group, build, group_shapes
from nanmap.engine.width import groups_per_call, width_of
from nanmap.plan import Lanes, Program
from nanmap.train import EPOCH_SUMS, Events, Losses, State

Columns = dict[str, np.ndarray]

# What would change bits from run to run on a GPU: the order of atomic sums, and kernels chosen by timing.
GPU_OPTIONS = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0}
# Else XLA skips roundings to 16 bits between operations that it fuses, and with them the overflows that are looked for.
NARROW_OPTIONS = {"xla_allow_excess_precision": False}


@dataclass
class Compiled:
    """A program ready to run on one device.

    Attributes:
        call: the executable, `(count, groups, states) -> states`.
        blank: states of zeros on the device, in the shapes that a call takes; its layers are replaced per call.
        width, capacity: cells per group, and groups per call.
        sharding: where its arrays live.
    """

    call: Any
    blank: State
    width: int
    capacity: int
    sharding: SingleDeviceSharding


class Job(NamedTuple):
    """Groups of a batch that one call trains."""

    lanes: Lanes
    groups: list[np.ndarray]


@dataclass(frozen=True)
class Epoch:
    """Where a followed training stands: updates `start..stop` were made in this epoch; `state` has one cell."""

    number: int
    start: int
    stop: int
    state: State


class Engine:
    """Trains cells on a set of devices.

    Each device has its own executable of a program, compiled for it alone: partitioned over several, the same program
    is fused differently than on one, and rounds differently (measured with Adam).

    Args:
        devices: the devices to use; all of JAX's default backend if None: every core, unless JAX has started before.
        widths: cells per group by program, for programs whose width was tuned or pinned.
        stop_at_nan: end a group once all its cells have met a NaN; changes no row.
    """

    def __init__(
        self,
        devices: Sequence[jax.Device] | None = None,
        widths: Mapping[Program, int] | None = None,
        stop_at_nan: bool = True,
    ) -> None:
        use_all_cores()
        self.devices = list(devices or jax.devices())
        self.widths = dict(widths or {})
        self.stop_at_nan = stop_at_nan
        self.backend = "cpu" if self.devices[0].platform == "cpu" else "gpu"
        self._programs: dict[tuple[Program, int], Compiled] = {}
        self._crew = Crew(len(self.devices), self._work, lambda job: job.lanes.program)

    @property
    def compilations(self) -> int:
        """How many executables were compiled so far."""
        return len(self._programs)

    def width(self, program: Program) -> int:
        """Cells per group of a program on this backend."""
        return self.widths.get(program) or width_of(program, self.backend)

    def train(self, batches: Iterable[Lanes]) -> Iterator[tuple[Lanes, np.ndarray, Columns]]:
        """Trains all cells of all batches.

        Yields:
            For each call the batch, indices into it, and the columns of these cells, in no particular order.
        """
        return self._crew.run(job for lanes in batches for job in self._jobs(lanes))

    def follow(self, lanes: Lanes) -> Iterator[Epoch]:
        """Trains a single cell epoch by epoch, with the executable that a sweep uses: the same bits.

        Yields:
            The state at initialisation (epoch 0), then after each epoch until the budget or a NaN ends it.
        """
        compiled = self.compiled(lanes.program)
        steps, per_epoch = lanes.variants[0].steps, lanes.variants[0].steps_per_epoch
        call = assemble(lanes, [np.array([0])], compiled.width, compiled.capacity)
        states = compiled.blank._replace(layers=call.layers)
        for number, (start, stop) in enumerate(_epochs(steps, per_epoch)):
            marks, events = advance_marks(steps, start, stop)
            group = call.groups._replace(
                fresh=np.full_like(call.groups.fresh, number == 0),
                start=np.full_like(call.groups.start, start),
                marks=np.full_like(call.groups.marks, marks),
                events=np.full_like(call.groups.events, events),
            )
            states = _run(compiled, lanes.program, call.number, group, states)
            host = jax.tree.map(lambda leaf: np.asarray(leaf)[0, :1], states)
            yield Epoch(number, start, stop, host)
            if Events(*host.events[0]).first_nan >= 0:
                return
            losses = np.array(states.losses)
            losses[..., [Losses._fields.index(name) for name in EPOCH_SUMS]] = 0
            states = states._replace(losses=losses)

    def compiled(self, program: Program, worker: int = 0) -> Compiled:
        """The program's executable on a device, compiled when it is first asked for."""
        key = program, worker
        if key not in self._programs:
            self._programs[key] = self._compile(program, SingleDeviceSharding(self.devices[worker]))
        return self._programs[key]

    def _jobs(self, lanes: Lanes) -> Iterator[Job]:
        width = self.width(lanes.program)
        capacity = groups_per_call(lanes.program, self.backend, width)
        return (Job(lanes, groups) for groups in chunks(form_groups(lanes, width), capacity))

    def _work(self, worker: int, job: Job) -> tuple[Lanes, np.ndarray, Columns]:
        """One job on one device, in that device's thread."""
        compiled = self.compiled(job.lanes.program, worker)
        call = assemble(job.lanes, job.groups, compiled.width, compiled.capacity)
        states = compiled.blank._replace(layers=call.layers)
        states = _run(compiled, job.lanes.program, call.number, call.groups, states)
        cells = call.cells[call.real]
        records = {name: np.asarray(getattr(states, name))[call.real] for name in RECORDS}
        return job.lanes, cells, columns_of(job.lanes, cells, records)

    def _compile(self, program: Program, sharding: SingleDeviceSharding) -> Compiled:
        width = self.width(program)
        capacity = groups_per_call(program, self.backend, width)
        with jax.enable_x64(program.dtype == "float64"), jax.default_matmul_precision("highest"):
            groups, states = group_shapes(program, width, capacity, sharding)
            count = jax.ShapeDtypeStruct((), np.int32, sharding=sharding)
            lowered = build(program, self.stop_at_nan).lower(count, groups, states)
            options = (GPU_OPTIONS if self.backend == "gpu" else {}) | (NARROW_OPTIONS if program.narrow else {})
            call = lowered.compile(compiler_options=options or None)
            blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), states)
            return Compiled(call, jax.device_put(blank, sharding), width, capacity, sharding)


def _run(compiled: Compiled, program: Program, count: np.int32, groups: Group, states: State) -> State:
    # 64-bit types are a setting of the thread; without it float64 arrays are cut to float32 on their way.
    with jax.enable_x64(program.dtype == "float64"):
        return compiled.call(*jax.device_put((count, groups, states), compiled.sharding))


def _epochs(steps: int, per_epoch: int) -> Iterator[tuple[int, int]]:
    """Nothing, then one epoch after the other; the last one may be short."""
    yield 0, 0
    for start in range(0, steps, per_epoch):
        yield start, min(start + per_epoch, steps)
