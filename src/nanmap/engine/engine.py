"""The engine: compiles each program once, keeps every device busy, gives back columns over cells. Touches no disk."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from nanmap.engine.columns import RECORDS, columns_of
from nanmap.engine.groups import Call, advance_marks, assemble, chunks, form_groups
from nanmap.engine.program import AXIS, Group, build, group_shapes
from nanmap.engine.width import groups_per_call, width_of
from nanmap.plan import Lanes, Program
from nanmap.train import Events, Losses, State

IN_FLIGHT = 2  # calls handed to the devices before the first one's results are taken

Columns = dict[str, np.ndarray]


@dataclass
class Compiled:
    """A program ready to run.

    Attributes:
        call: the executable, `(counts, groups) -> states`.
        blank: states of zeros on the devices, in the shapes that a call takes; its layers are replaced per call.
        width, capacity: cells per group, and groups per device and call.
    """

    call: Any
    blank: State
    width: int
    capacity: int


class Started(NamedTuple):
    """A call on its way."""

    lanes: Lanes
    call: Call
    states: State


@dataclass(frozen=True)
class Epoch:
    """Where a followed training stands: updates `start..stop` were made in this epoch; `state` has one cell."""

    number: int
    start: int
    stop: int
    state: State


@dataclass
class Engine:
    """Trains cells on a set of devices.

    Args:
        devices: the devices to use; all of JAX's default backend if None.
        widths: cells per group by program, for programs whose width was tuned or pinned.
        stop_at_nan: end a group once all its cells have met a NaN; changes no row.

    Attributes:
        compilations: how many programs were compiled so far.
    """

    devices: list[jax.Device] | None = None
    widths: dict[Program, int] = field(default_factory=dict)
    stop_at_nan: bool = True
    compilations: int = 0

    def __post_init__(self) -> None:
        devices = list(self.devices or jax.devices())
        self.mesh = Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,))
        self.backend = "cpu" if devices[0].platform == "cpu" else "gpu"
        self._programs: dict[Program, Future[Compiled]] = {}
        self._compilers = ThreadPoolExecutor(max(1, len(devices) if self.backend == "cpu" else 4))

    def width(self, program: Program) -> int:
        """Cells per group of a program on this backend."""
        return self.widths.get(program) or width_of(program, self.backend)

    def prepare(self, programs: Iterable[Program]) -> None:
        """Starts compiling programs in the background, in the order in which they will be needed."""
        for program in programs:
            if program not in self._programs:
                self._programs[program] = self._compilers.submit(self._compile, program)

    def train(self, batches: Iterable[Lanes]) -> Iterator[tuple[Lanes, np.ndarray, Columns]]:
        """Trains all cells of all batches.

        Yields:
            For each call the batch, indices into it, and the columns of these cells, in no particular order.
        """
        waiting: deque[Started] = deque()
        for lanes in batches:
            self.prepare([lanes.program])
            compiled = self._programs[lanes.program].result()
            for groups in chunks(form_groups(lanes, compiled.width), compiled.capacity * len(self.mesh.devices)):
                waiting.append(self._start(compiled, lanes, groups))
                if len(waiting) > IN_FLIGHT:
                    yield self._finish(waiting.popleft())
        while waiting:
            yield self._finish(waiting.popleft())

    def follow(self, lanes: Lanes) -> Iterator[Epoch]:
        """Trains a single cell epoch by epoch, with the executable that a sweep uses: the same bits.

        Yields:
            The state at initialisation (epoch 0), then after each epoch until the budget or a NaN ends it.
        """
        self.prepare([lanes.program])
        compiled = self._programs[lanes.program].result()
        steps, per_epoch = lanes.variants[0].steps, lanes.variants[0].steps_per_epoch
        call = assemble(lanes, [np.array([0])], compiled.width, len(self.mesh.devices), compiled.capacity)
        states = compiled.blank._replace(layers=call.layers)
        for number, (start, stop) in enumerate(_epochs(steps, per_epoch)):
            marks, events = advance_marks(steps, start, stop)
            group = call.groups._replace(
                fresh=np.full_like(call.groups.fresh, number == 0),
                start=np.full_like(call.groups.start, start),
                marks=np.full_like(call.groups.marks, marks),
                events=np.full_like(call.groups.events, events),
            )
            states = self._run(compiled, lanes.program, call.counts, group, states)
            host = jax.tree.map(lambda leaf: np.asarray(leaf)[0, :1], states)
            yield Epoch(number, start, stop, host)
            if Events(*host.events[0]).first_nan >= 0:
                return
            losses = np.array(states.losses)
            losses[..., Losses._fields.index("epoch")] = 0
            states = states._replace(losses=losses)

    def close(self) -> None:
        """Gives up compilations that nobody waits for."""
        self._compilers.shutdown(wait=False, cancel_futures=True)

    def _start(self, compiled: Compiled, lanes: Lanes, groups: list[np.ndarray]) -> Started:
        call = assemble(lanes, groups, compiled.width, len(self.mesh.devices), compiled.capacity)
        states = compiled.blank._replace(layers=call.layers)
        return Started(lanes, call, self._run(compiled, lanes.program, call.counts, call.groups, states))

    def _run(self, compiled: Compiled, program: Program, counts: np.ndarray, groups: Group, states: State) -> State:
        with jax.enable_x64(program.dtype == "float64"):
            return compiled.call(*jax.device_put((counts, groups, states), self._sharding))

    @staticmethod
    def _finish(started: Started) -> tuple[Lanes, np.ndarray, Columns]:
        lanes, call, states = started
        cells = call.cells[call.real]
        records = {name: getattr(states, name) for name in RECORDS}
        host = jax.tree.map(lambda leaf: np.asarray(leaf)[call.real], records)
        return lanes, cells, columns_of(lanes, cells, host)

    @property
    def _sharding(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec(AXIS))

    def _compile(self, program: Program) -> Compiled:
        width = self.width(program)
        capacity = groups_per_call(program, self.backend, width)
        with jax.enable_x64(program.dtype == "float64"):
            devices = len(self.mesh.devices)
            groups, states = group_shapes(program, width, devices * capacity, self._sharding)
            counts = jax.ShapeDtypeStruct((devices,), np.int32, sharding=self._sharding)
            call = build(program, self.mesh, self.stop_at_nan).lower(counts, groups, states).compile()
            blank = jax.device_put(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), states), self._sharding)
        self.compilations += 1
        return Compiled(call, blank, width, capacity)


def _epochs(steps: int, per_epoch: int) -> Iterator[tuple[int, int]]:
    """Nothing, then one epoch after the other; the last one may be short."""
    yield 0, 0
    for start in range(0, steps, per_epoch):
        yield start, min(start + per_epoch, steps)
