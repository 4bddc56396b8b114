"""A second engine: one cell after the other, update by update, in another process. No lanes, no groups, no compiled loop."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import Any

import jax
import numpy as np

from nanmap.engine.base import Epoch, Trained
from nanmap.engine.facts import FINAL, Records, facts_of
from nanmap.engine.task import mark_steps, task_of
from nanmap.plan import Lanes, Plan
from nanmap.training import batches
from nanmap.training.assessment import assess
from nanmap.training.cell import begin, update
from nanmap.training.program import Program
from nanmap.training.records import running
from nanmap.training.start import start
from nanmap.training.state import EPOCH_SUMS, NEVER, Lane, State


class PlainEngine:
    """Hands pickled batches to a process of its own, and gets pickled facts back."""

    backend = "cpu"
    device = "another process"
    machine: Mapping[str, str] = {"platform": "cpu"}

    def __init__(self) -> None:
        self.narrowed: dict[Program, tuple[int, int]] = {}
        self.compilations = 0
        self.sent = 0
        self.elsewhere = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))  # starts with its first work

    def width(self, program: Program) -> int:
        return 1

    def groups(self, lanes: Lanes) -> list[np.ndarray]:
        return [np.array([cell]) for cell in range(len(lanes))]

    def begin(self, widths: Mapping[Program, int], notify: Callable[[str], None] | None = None) -> None:
        self.narrowed = {}

    def tune(self, plan: Plan) -> dict[Program, int]:
        return {}

    def train(self, handed: Iterable[Lanes]) -> Iterator[Trained]:
        for number, lanes in enumerate(handed):
            text = pickle.dumps(lanes)
            self.sent += len(text)
            cells, facts = pickle.loads(self.elsewhere.submit(train_all, text).result())
            yield Trained(number, cells, facts)

    def follow(self, lanes: Lanes) -> Iterator[Epoch]:
        variant = lanes.variants[0]
        with jax.enable_x64(lanes.program.dtype == "float64"):
            trainer = _Cell(lanes, 0)
            yield Epoch(0, 0, 0, trainer.state)
            for number, first in enumerate(range(0, variant.steps, variant.steps_per_epoch), 1):
                last = min(first + variant.steps_per_epoch, variant.steps)
                trainer.advance(first, last)
                yield Epoch(number, first, last, trainer.state)
                if not running(trainer.state.events):
                    return
                sums = dict.fromkeys(EPOCH_SUMS, np.zeros_like(trainer.state.losses.epoch))
                trainer.state = trainer.state._replace(losses=trainer.state.losses._replace(**sums))

    def resume(self, lanes: Lanes, since: Epoch, stop: int) -> Epoch:
        with jax.enable_x64(lanes.program.dtype == "float64"):
            trainer = _Cell(lanes, 0)
            trainer.state = since.state
            trainer.advance(since.stop, stop)
            return Epoch(since.number, since.stop, stop, trainer.state)


def train_all(text: bytes) -> bytes:
    """In the other process: every cell of a pickled batch, to the end of its budget."""
    lanes: Lanes = pickle.loads(text)
    states = []
    with jax.enable_x64(lanes.program.dtype == "float64"):
        for cell in range(len(lanes)):
            trainer = _Cell(lanes, cell)
            trainer.advance(0, lanes.variants[lanes.variant[cell]].steps)
            states.append(trainer.state)
    cells = np.arange(len(lanes))
    facts = facts_of(lanes, cells, Records.of(states))
    if lanes.program.final_layers:
        for name in ("parameters", "model_state"):
            facts[name] = jax.tree.map(lambda *each: np.stack(each), *(getattr(state, name) for state in states))
    return pickle.dumps((cells, facts))


class _Cell:
    """One training, as `training` has it."""

    def __init__(self, lanes: Lanes, cell: int) -> None:
        program = self.program = lanes.program
        self.task = task_of(lanes, cell)
        numbers = {name: lanes.numbers[name][cell].astype(program.wide) for name in program.numbers}
        self.lane = Lane(numbers, lanes.learning_rates[cell].astype(program.wide))
        first = jax.tree.map(lambda leaf: leaf[0], start(**lanes.starts(np.array([cell]))))
        self.state: State = self._host(begin(program, self.lane, *first))
        for mark, made in enumerate(mark_steps(int(self.task.steps))[:FINAL]):
            if made == 0:
                self._assess(mark, 0)

    def advance(self, first: int, last: int) -> None:
        """Updates `first..last`, and what a whole training assesses on the way."""
        program, task, steps = self.program, self.task, int(self.task.steps)
        marks = mark_steps(steps)[:FINAL]
        for step in range(first, last):
            for mark, made in enumerate(marks):
                if step == made > 0:
                    self._assess(mark, made - 1)
            if not running(self.state.events):
                break
            x, y = batches.epoch_rows(program, task, np.int32(step // task.steps_per_epoch))
            batch = (
                batches.all_rows(program, task)
                if program.full_batch
                else batches.batch_of(program, task, x, y, np.int32(step))
            )
            self.state = self._host(_jitted(update, program)(self.lane, task, self.state, batch, np.int32(step)))
        self._assess(FINAL, steps - 1 if last == steps else NEVER)

    def _assess(self, mark: int, event: int) -> None:
        assessed = _jitted(assess, self.program)(self.lane, self.task, self.state, np.int32(mark), np.int32(event))
        self.state = self._host(assessed)

    @staticmethod
    def _host(state: Any) -> State:
        return jax.tree.map(np.asarray, state)


@cache
def _jitted(function: Callable[..., State], program: Program) -> Callable[..., State]:
    return jax.jit(partial(function, program))
