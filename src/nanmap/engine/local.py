"""The engine of this process: compiles each program once per device, keeps every device busy, gives back facts. No disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from nanmap.engine.base import Epoch, Trained
from nanmap.engine.blocks import lanes_together
from nanmap.engine.breaks import Broken, build_breaks, in_order, look_at_breaks, tensor_facts, together
from nanmap.engine.compaction import Job, train_job
from nanmap.engine.compilation_cache import is_kept
from nanmap.engine.crew import Crew
from nanmap.engine.devices import use_all_cores
from nanmap.engine.executables import copied_to
from nanmap.engine.facts import Records, facts_of
from nanmap.engine.groups import Advance, Call, assemble, chunks, form_groups
from nanmap.engine.history import build_look, history_facts
from nanmap.engine.machine import machine_of
from nanmap.engine.on_chip import is_on_chip, loss_and_gradient
from nanmap.engine.one_kernel import as_one_kernel, in_kernels, is_one_kernel
from nanmap.engine.tune import tune
from nanmap.engine.vmapped import Packed, build, group_shapes, packed
from nanmap.engine.widths import flops_per_update, group_bytes, groups_per_call, width_of
from nanmap.engine.xla_options import xla_options
from nanmap.limits import memory_allowed, told_bytes
from nanmap.plan import Lanes, Plan
from nanmap.training.pieces import rows_at_once
from nanmap.training.program import Program
from nanmap.training.records import running
from nanmap.training.start import start
from nanmap.training.state import EPOCH_SUMS, Events, Losses, State

SHARED_WORK = (
    8e9  # operations of a batch, some tenths of a second on a core, that are worth an executable on every device
)
SEATS = {"cpu": 1, "gpu": 2}  # jobs under way per device: a GPU trains one while the host prepares or reads another


def is_out_of_memory(error: Exception) -> bool:
    """Whether JAX failed because a device, or the host, had no room."""
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()


@dataclass
class Compiled:
    """A program ready to run on one device.

    Attributes:
        program: what was compiled.
        call: the executable, `(count, groups, states) -> states`.
        blank: states of zeros on the device, in the shapes that a call takes; those of a start are replaced per call.
        width, capacity: cells per group, and groups per call.
        sharding: where its arrays live.
        together: lanes of a block, which share their order.
    """

    program: Program
    call: Any
    blank: Packed
    width: int
    capacity: int
    sharding: SingleDeviceSharding
    together: int

    def placed(self, call: Call) -> Call:
        """A call whose groups are on the device: several calls of them take them from there."""
        with jax.enable_x64(self.program.dtype == "float64"):
            return call._replace(groups=jax.device_put(call.groups, self.sharding))

    @property
    def on_host(self) -> bool:
        """Whether the device's memory is the host's."""
        platforms: set[str] = {str(device.platform) for device in self.sharding.device_set}  # type: ignore[attr-defined]
        return platforms == {"cpu"}


class LocalEngine:
    """The `Engine` that trains cells on the devices of this process.

    Each device has its own executable of a program, compiled for it alone: partitioned over several, the same program
    is fused differently than on one, and rounds differently (measured with Adam).

    Args:
        devices: the devices to use; all of JAX's default backend if None: every core, unless JAX has started before.
        widths: cells per group by program, where they are not to be derived.
        stop_early: spend no time on cells that met a NaN; changes no row.
        notify: told in a sentence when a device has no room and the engine goes on with less, unless a run says whom to tell.
        backend: whose widths, pauses and compiler options are used, `cpu` or `gpu`; that of the devices if None.
        narrow: whether to go on with a smaller width where memory allows no other; else that is an error.

    Attributes:
        pinned: widths that the run was begun with.
        narrowed: programs that had to be given a smaller width than theirs, which changes the last bits: old and new.

    >>> import jax, nanmap
    >>> engine = LocalEngine(devices=jax.devices()[:1])  # one device, for several trainings
    >>> config = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 30, "batch_size": 1}}
    >>> nanmap.run(config, engine=engine).outcome
    <Outcome.CONVERGED: 'converged'>
    """

    def __init__(
        self,
        devices: Sequence[jax.Device] | None = None,
        widths: Mapping[Program, int] | None = None,
        stop_early: bool = True,
        notify: Callable[[str], None] = lambda sentence: None,
        backend: str | None = None,
        narrow: bool = True,
    ) -> None:
        use_all_cores()
        self.devices = list(devices or jax.devices())
        self.widths = dict(widths or {})
        self.stop_early = stop_early
        self._notify = self._told = notify
        self.pinned: dict[Program, int] = {}
        self.narrowed: dict[Program, tuple[int, int]] = {}
        self.backend = backend or ("cpu" if self.devices[0].platform == "cpu" else "gpu")
        self.device = f"{len(self.devices)} × {self.devices[0].device_kind}"
        self.machine: Mapping[str, str] = machine_of(self.devices[0])
        self._may_narrow = narrow
        self._programs: dict[tuple[Program, int], Compiled] = {}
        self._compiled = 0
        self._looks: dict[tuple[Program, int, int, int], Compiled] = {}  # for histories
        self._breaks: dict[tuple[Program, int, int, int], tuple[Compiled, list[str]]] = {}  # for first tensors
        self._break_functions: dict[tuple[Program, int], tuple[Any, list[str]]] = {}
        self._groups: dict[Program, int] = {}  # per call, where memory allowed only so many
        self._lock = Lock()
        self._compiling = [Lock() for _ in self.devices]
        self._turns: dict[Program, Lock] = {}
        self._functions: dict[tuple[Program, int | None], Any] = {}  # of so many rows at once
        self._seats = SEATS[self.backend] * len(self.devices)
        self._crew = Crew(self._seats, self._work, lambda job: job.lanes.program)

    @property
    def compilations(self) -> int:
        """How many executables were compiled so far."""
        return self._compiled

    def width(self, program: Program) -> int:
        """Cells per group of a program: what memory allowed, was chosen, was pinned, or follows from its shapes."""
        allowed = self.narrowed[program][1] if program in self.narrowed else None
        return allowed or self.widths.get(program) or self.pinned.get(program) or width_of(program, self.backend)

    def groups(self, lanes: Lanes) -> list[np.ndarray]:
        """Cells of a batch that share rows and budget, in blocks that share their order, at most a width of them together."""
        width = self.width(lanes.program)
        lanes = lanes if lanes.breaks is None else in_order(lanes)
        return form_groups(lanes, width, together=lanes_together(lanes.program, self.backend, width))

    def begin(self, widths: Mapping[Program, int], notify: Callable[[str], None] | None = None) -> None:
        """Begins a run with these widths, where none were chosen; forgets those of the run before."""
        self.pinned, self.narrowed = dict(widths), {}
        self._told = notify or self._notify

    def tune(self, plan: Plan) -> dict[Program, int]:
        """The fastest width of each of a plan's programs, measured on its cells."""
        make = lambda widths: LocalEngine(self.devices, widths, stop_early=False)  # noqa: E731
        return tune(plan, self, make, len(self.devices), self._told)

    def train(self, batches: Iterable[Lanes]) -> Iterator[Trained]:
        """Trains all cells of all batches, and yields those of a call once it is done."""
        return self._crew.run(job for batch, lanes in enumerate(batches) for job in self._jobs(batch, lanes))

    def follow(self, lanes: Lanes) -> Iterator[Epoch]:
        """Trains a single cell epoch by epoch, with the executable that a sweep uses: the same bits.

        Yields:
            The state at initialisation (epoch 0), then after each epoch until the budget or a NaN ends it.
        """
        self._check_room(lanes.program, devices=1)
        compiled = self.compiled(lanes.program)
        steps, per_epoch = lanes.variants[0].steps, lanes.variants[0].steps_per_epoch
        states = compiled.blank
        for number, (first, last) in enumerate(_epochs(steps, per_epoch)):
            part = Advance(first, last, always=True)
            groups = [np.array([0])]
            shape = compiled.width, compiled.capacity
            call = assemble(lanes, groups, *shape, partial(_always, part), number == 0, compiled.together)
            if number == 0:
                parameters, model_state = start(**lanes.starts(call.cells))
                states = states._replace(parameters=parameters, model_state=model_state)
            states = _run(compiled, call, states)
            state = _only_cell(states)
            yield Epoch(number, first, last, state)
            if not running(state.events):
                return
            losses = np.array(states.losses)
            losses[..., [Losses._fields.index(name) for name in EPOCH_SUMS]] = 0
            states = states._replace(losses=losses)

    def resume(self, lanes: Lanes, since: Epoch, stop: int) -> Epoch:
        """A single cell from where it stood up to before another update, with the executable that `follow` uses."""
        compiled, part = self.compiled(lanes.program), Advance(since.stop, stop)
        shape = compiled.width, compiled.capacity
        call = assemble(lanes, [np.array([0])], *shape, partial(_always, part), False, compiled.together)
        with jax.enable_x64(lanes.program.dtype == "float64"):
            cell = jax.tree.map(np.asarray, packed(since.state))
        states = jax.tree.map(lambda blank, leaf: np.broadcast_to(leaf, blank.shape), compiled.blank, cell)
        return Epoch(since.number, since.stop, stop, _only_cell(_run(compiled, call, states)))

    def compiled(self, program: Program, device: int = 0) -> Compiled:
        """The program's executable on a device, given by its place, compiled when it is first asked for."""
        key = program, device
        with self._compiling[device]:
            made = self._programs.get(key)
            if made is None or (made.width, made.capacity) != self._shape(program):
                del made
                self._programs.pop(key, None)  # frees its memory before the next one takes some
                with self._turn(program):  # one compilation at a time of each: the others copy it
                    self._programs[key] = made = self._copied(program, device) or self._compile(program, device)
            return made

    def _turn(self, program: Program) -> Lock:
        with self._lock:
            return self._turns.setdefault(program, Lock())

    def _copied(self, program: Program, device: int) -> Compiled | None:
        """The executable of another device, copied; None if there is none, or on a backend where that was not tried.

        What JAX read from its cache on disk cannot be copied (it fails as it runs), but can be read for this device as well.
        """
        shape, sharding = self._shape(program), SingleDeviceSharding(self.devices[device])
        others = (self._programs.get((program, other)) for other in range(len(self.devices)) if other != device)
        original = next((each for each in others if each and (each.width, each.capacity) == shape), None)
        if original is None or self.backend != "cpu" or is_kept():
            return None
        call = copied_to(self.devices[device], original.call)
        with jax.enable_x64(program.dtype == "float64"):
            blank = jax.device_put(original.blank, sharding)
        return None if call is None else replace(original, call=call, blank=blank, sharding=sharding)

    def _shape(self, program: Program) -> tuple[int, int]:
        """Cells per group, and groups per call."""
        width = self.width(program)
        return width, self._groups.get(program) or groups_per_call(program, self.backend, width)

    def _jobs(self, batch: int, lanes: Lanes) -> Iterator[Job]:
        _, capacity = self._shape(lanes.program)
        groups = self.groups(lanes)
        work = flops_per_update(lanes.program) * len(lanes) * max(variant.steps for variant in lanes.variants)
        if work > SHARED_WORK:  # worth compiling once more
            capacity = min(capacity, -(-len(groups) // self._seats))
        return (Job(batch, lanes, np.concatenate(some)) for some in chunks(groups, capacity))

    def _work(self, seat: int, job: Job) -> Trained:
        """One job on one device, in that seat's thread; with less at a time if the device has no room."""
        device = seat % len(self.devices)
        while True:
            shape = self._shape(job.lanes.program)
            try:
                self._check_room(job.lanes.program, len(self.devices))
                return self._attempt(device, job)
            except (jax.errors.JaxRuntimeError, MemoryError) as error:
                if not (isinstance(error, MemoryError) or is_out_of_memory(error)) or shape == (1, 1):
                    raise
                self._take_less(device, job.lanes.program, shape)

    def _check_room(self, program: Program, devices: int) -> None:
        """Asks before a group's arrays are made: a system may give memory that it does not have, and end the process later.

        A device with memory of its own says no by itself.

        Raises:
            MemoryError: there is less.
        """
        needed = devices * group_bytes(program, self.width(program), self.backend)
        if self.backend == "cpu" and needed > memory_allowed():
            told = f"{told_bytes(needed)} are needed, and {told_bytes(memory_allowed())} may be used"
            raise MemoryError(f"{program.sentence()}, {program.rows:,} rows: {told}")

    def _attempt(self, device: int, job: Job) -> Trained:
        compiled = self.compiled(job.lanes.program, device)
        if job.lanes.breaks is not None:
            return self._look_at_breaks(compiled, device, job)
        call, regroup = partial(_run, compiled), partial(_regrouped, compiled)
        groups = form_groups(job.lanes, compiled.width, job.cells, together=compiled.together)
        pieces = chunks(groups, compiled.capacity)
        parts = [job._replace(cells=np.concatenate(some)) for some in pieces]  # more than one where room is short
        look = partial(_looked, self._look(compiled, device)) if job.lanes.history else None
        ends, looked = zip(
            *(train_job(part, compiled, call, regroup, self.stop_early, look) for part in parts), strict=True
        )
        job = job._replace(cells=np.concatenate([part.cells for part in parts]))
        states = jax.tree.map(lambda *each: np.concatenate(each), *ends)
        facts = facts_of(job.lanes, job.cells, Records(states.events, states.losses, states.marks))
        if job.lanes.program.final_layers:
            facts |= {"parameters": states.parameters, "model_state": states.model_state}
        if look:
            steps = np.array([variant.steps for variant in job.lanes.variants])[job.lanes.variant[job.cells]]
            facts |= history_facts(steps, np.concatenate(looked), job.lanes.history)
        return Trained(job.batch, job.cells, facts)

    def _take_less(self, device: int, program: Program, failed: tuple[int, int]) -> None:
        """Other programs leave the device; then half the groups per call, which no row can tell; then half the width."""
        with self._lock:
            if self._shape(program) != failed:
                return  # another device's thread did it
            if idle := [key for key in self._programs if key[1] == device and key[0] != program]:
                for key in idle:
                    del self._programs[key]
                return
            width, groups = failed
            self._groups[program] = max(1, groups // 2)
            if groups == 1 and not self._may_narrow:
                raise MemoryError(f"no room for {width:,} cells side by side, and fewer would change last digits")
            if groups == 1:
                first, _ = self.narrowed.get(program, failed)
                self.narrowed[program] = first, width // 2
        now = self._shape(program)
        self._told(
            f"out of memory: going on with {now[1]:,} × {now[0]:,} cells per call instead of {groups:,} × {width:,}"
            + ("; the narrower groups change last digits" if now[0] != width else "")
        )

    def _function(self, program: Program) -> Any:
        """What is compiled, one for all devices: JAX traces it once then."""
        at_once = rows_at_once(program, self.width(program), self.backend)
        key = program, at_once
        if key not in self._functions:
            run_loop = as_one_kernel if is_one_kernel(program, self.backend) else in_kernels
            gradient = partial(loss_and_gradient, rest=self.stop_early) if is_on_chip(program, self.backend) else None
            self._functions[key] = build(program, self.stop_early, run_loop, gradient, at_once)
        return self._functions[key]

    def _compile(self, program: Program, device: int) -> Compiled:
        (width, capacity), sharding = self._shape(program), SingleDeviceSharding(self.devices[device])
        together = lanes_together(program, self.backend, width)
        with jax.enable_x64(program.dtype == "float64"):
            groups, states = group_shapes(program, width, capacity, sharding, together)
            call = self._executable(program, self._function(program), groups, states, sharding)
            blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), states)
            return Compiled(program, call, jax.device_put(blank, sharding), width, capacity, sharding, together)

    def _executable(
        self, program: Program, function: Any, groups: Any, states: Any, sharding: SingleDeviceSharding
    ) -> Any:
        """A function of groups and their states, compiled for one device."""
        self._compiled += 1
        with jax.enable_x64(program.dtype == "float64"), jax.default_matmul_precision("highest"):
            count = jax.ShapeDtypeStruct((), np.int32, sharding=sharding)
            lowered = function.lower(count, groups, states)
            return lowered.compile(compiler_options=xla_options(program, self.backend) or None)

    def _look_at_breaks(self, compiled: Compiled, device: int, job: Job) -> Trained:
        made, names = self._break_look(compiled, device)
        pieces = chunks(
            form_groups(job.lanes, compiled.width, job.cells, together=compiled.together), compiled.capacity
        )
        parts = [job._replace(cells=np.concatenate(some)) for some in pieces]
        found = [look_at_breaks(part, compiled, partial(_run, compiled), partial(_call, made)) for part in parts]
        cells = np.concatenate([part.cells for part in parts])
        return Trained(job.batch, cells, tensor_facts(names, job.lanes, cells, found))

    def _break_look(self, compiled: Compiled, device: int) -> tuple[Compiled, list[str]]:
        """What looks at the updates that broke the program's cells, on that device, in the shape of its call."""
        key = compiled.program, device, compiled.width, compiled.capacity
        with self._compiling[device]:
            if key not in self._breaks:
                program, sharding, width = compiled.program, compiled.sharding, compiled.width
                function, names = self._break_function(program, width)
                with jax.enable_x64(program.dtype == "float64"):
                    groups, states = group_shapes(program, width, compiled.capacity, sharding, compiled.together)
                    shape = partial(jax.ShapeDtypeStruct, sharding=sharding)
                    lanes = compiled.capacity, width
                    broken = Broken(groups, shape(lanes, np.int32), shape((*lanes, 2), np.uint32))
                    call = self._executable(program, function, broken, states, sharding)
                self._breaks[key] = replace(compiled, call=call), names
            return self._breaks[key]

    def _break_function(self, program: Program, width: int) -> tuple[Any, list[str]]:
        """What is compiled, one for all devices: JAX traces it once then."""
        key = program, width
        with self._lock:
            if key not in self._break_functions:
                self._break_functions[key] = build_breaks(program, together(program, width))
            return self._break_functions[key]

    def _look(self, compiled: Compiled, device: int) -> Compiled:
        """What looks at the updates of the program on that device, in the shape of its call."""
        key = compiled.program, device, compiled.width, compiled.capacity
        with self._compiling[device]:
            if key not in self._looks:
                program, sharding = compiled.program, compiled.sharding
                with jax.enable_x64(program.dtype == "float64"):
                    shapes = group_shapes(program, compiled.width, compiled.capacity, sharding, compiled.together)
                    call = self._executable(program, build_look(program), *shapes, sharding)
                self._looks[key] = replace(compiled, call=call)
            return self._looks[key]


def _run(compiled: Compiled, call: Call, states: Packed) -> Packed:
    made: Packed = _call(compiled, call.number, call.groups, states)
    return made


def _call(compiled: Compiled, *arguments: Any) -> Any:
    # 64-bit types are a setting of the thread; without it float64 arrays are cut to float32 on their way.
    with jax.enable_x64(compiled.program.dtype == "float64"):
        return compiled.call(*_on_device(arguments, compiled.sharding))


def _on_device(tree: Any, sharding: SingleDeviceSharding) -> Any:
    """The same with every array on the device. Those of JAX are there already, and to find that out of each takes a while."""
    leaves, form = jax.tree.flatten(tree)
    away = [place for place, leaf in enumerate(leaves) if not isinstance(leaf, jax.Array)]
    for place, leaf in zip(away, jax.device_put([leaves[place] for place in away], sharding), strict=True):
        leaves[place] = leaf
    return jax.tree.unflatten(form, leaves)


def _looked(look: Compiled, call: Call, states: Packed) -> np.ndarray:
    return np.asarray(_run(look, call, states))


def _regrouped(compiled: Compiled, states: Packed, slots: np.ndarray) -> Packed:
    """States of a call, each lane taken from a slot of them. A GPU's stay where they are: the way to the host is long."""
    if compiled.on_host:
        return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[slots], states)
    with jax.enable_x64(compiled.program.dtype == "float64"):
        taken: Packed = _take_lanes(states, jax.device_put(slots, compiled.sharding))
        return taken


@jax.jit
def _take_lanes(states: Packed, slots: jax.Array) -> Packed:
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[slots], states)


def _only_cell(states: Packed) -> State:
    """The first cell of the first group, on the host."""
    cell = jax.tree.map(lambda leaf: np.asarray(leaf)[0, 0], states)
    return State(**(cell._asdict() | {"events": Events(*cell.events), "losses": Losses(*cell.losses)}))


def _always(part: Advance, steps: int) -> Advance:
    return part


def _epochs(steps: int, per_epoch: int) -> Iterator[tuple[int, int]]:
    """Nothing, then one epoch after the other; the last one may be short."""
    yield 0, 0
    for first in range(0, steps, per_epoch):
        yield first, min(first + per_epoch, steps)
