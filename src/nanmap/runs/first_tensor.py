"""Which tensor of a training was the first that is not finite: the update that broke it, once more, with all that it computes looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.engine import Engine, Epoch
from nanmap.engine.task import task_of
from nanmap.engine.xla_options import xla_options
from nanmap.plan import Lanes
from nanmap.training.batches import batch_at
from nanmap.training.probes import Seen, Tensors, first_of, seen, tensors_kept, tensors_of_rows, tensors_of_update
from nanmap.training.program import Program
from nanmap.training.state import Assessment, Events, Lane, State

MEANINGS = {
    "data": "the rows of the update",
    "statistics": "running statistics",
    "activation": "what a layer computes",
    "loss": "the loss of the update",
    "gradient": "the gradient of the loss",
    "optimizer": "what the optimizer keeps, or its step",
    "parameter": "a parameter",
}


@dataclass(frozen=True)
class FirstTensor:
    """The first tensor that is not finite.

    Attributes:
        name: `data`, `statistics:<name>`, `activation:<layer>`, `loss`, `gradient:<name>`, `optimizer` or `parameter:<name>`,
            with the names that the network's own parameters have; `output` is the network's.
        step: the update in which it came, from 0.
        value: `inf` or `nan`.
        largest_before: the largest number by size among all that the update was given, and computed before; None if
            there is none.
        largest_in: the tensor that holds it.
    """

    name: str
    step: int
    value: str
    largest_before: float | None
    largest_in: str | None

    @property
    def sentence(self) -> str:
        """In words."""
        kind = MEANINGS[self.name.partition(":")[0]]
        told = f"the first tensor that is not finite is {self.name} ({kind}): {self.value} in step {self.step}"
        if self.largest_before is None:
            return f"{told}; nothing was computed before it"
        return f"{told}; the largest number before it was {self.largest_before:.4g}, in {self.largest_in}"

    def as_object(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "step": self.step,
            "value": self.value,
            "largest_before": self.largest_before,
            "largest_in": self.largest_in,
        }


@dataclass(frozen=True)
class Replay:
    """A training that broke, to be gone through again.

    Attributes:
        engine: that trained it.
        lanes: the batch that holds it alone.
        start: the state at initialisation.
        sound: the last state known in which nothing was broken, `start` if none is.
        broken: the first state known in which something was.
    """

    engine: Engine
    lanes: Lanes
    start: Epoch
    sound: Epoch
    broken: Epoch

    @classmethod
    def of(cls, engine: Engine, lanes: Lanes, bad: int) -> "Replay":
        """Of a training of which an update is known in which an infinity or a NaN came, or before which."""
        start = next(iter(engine.follow(lanes)))
        broken = start if is_broken(start.state, start.state) else engine.resume(lanes, start, bad + 1)
        return cls(engine, lanes, start, start, broken)

    def before(self, step: int) -> Epoch:
        """The state before an update, as the training had it."""
        since = self.sound if self.sound.stop <= step else self.start
        return since if since.stop == step else self.engine.resume(self.lanes, since, step)

    def last_sound(self) -> Epoch:
        """The state before the update that broke it."""
        low, high = self.sound, self.broken
        bad = first_bad(high.state.events)
        if bad is not None and bad < high.stop:  # the records know when a loss or a parameter broke: mostly it is that
            high = low if bad <= low.stop else self.engine.resume(self.lanes, low, bad)
            if not is_broken(self.start.state, high.state):
                return high
        while high.stop - low.stop > 1:
            middle = self.engine.resume(self.lanes, low, (low.stop + high.stop) // 2)
            low, high = (low, middle) if is_broken(self.start.state, middle.state) else (middle, high)
        return low


def first_bad(events: Events) -> int | None:
    """The first step with an infinity or a NaN, if there is one."""
    steps = [int(step) for step in (events.first_inf, events.first_nan) if step >= 0]
    return min(steps, default=None)


def is_broken(start: State, state: State) -> bool:
    """Whether something that a training keeps is not finite: a loss, a parameter, or what the optimizer had finite at the start."""
    if first_bad(state.events) is not None:
        return True
    pairs = zip(jax.tree.leaves(start.optimizer), jax.tree.leaves(state.optimizer), strict=True)
    return any(bool((np.isfinite(first) & ~np.isfinite(now)).any()) for first, now in pairs)


def first_tensor(replay: Replay) -> FirstTensor | None:
    """The first tensor that is not finite in the update that broke a training.

    Returns:
        It; None where rounding leads the update, repeated alone, past what broke.
    """
    lanes, found = replay.lanes, replay.last_sound()
    program, task, step = lanes.program, task_of(lanes, 0), found.stop
    with jax.enable_x64(program.dtype == "float64"):
        lane, state = lane_of(lanes), jax.tree.map(jnp.asarray, found.state)
        rows = partial(_seen, replay, tensors_of_rows, lane, task)
        if step == 0 and not np.isfinite(Assessment(*found.state.marks[0]).loss) and (first := _first(0, *rows(state))):
            return first
        batch = batch_at(program, task, step)
        update = _seen(replay, _tensors_of_update, lane, task, state, batch, jnp.int32(step))
        if first := _first(step, *update):
            return first
        after = jax.tree.map(jnp.asarray, replay.engine.resume(lanes, found, step + 1).state)
        return _first(step, *_joined(update, seen(tensors_kept(program, state, after)))) or _first(step, *rows(after))


def lane_of(lanes: Lanes) -> Lane:
    """The numbers of a batch's only cell; weak beside 16 bits, as in its executable (`engine.vmapped.group_shapes`)."""
    program = lanes.program
    with np.errstate(over="ignore"):  # a rate beyond float32 is an infinite one
        numbers = {name: lanes.numbers[name][0].astype(program.wide) for name in program.numbers}
        rates = lanes.learning_rates[0].astype(program.wide)
    held = {name: jnp.asarray(float(each) if program.narrow else each) for name, each in numbers.items()}
    return Lane(held, jnp.asarray(rates))


def _tensors_of_update(*given: Any) -> Tensors:
    return tensors_of_update(*given)[0]


def _seen(replay: Replay, tensors: Callable[..., Tensors], *arguments: Any) -> tuple[list[str], Seen]:
    look, names = _looker(tensors, replay.lanes.program, replay.engine.backend)
    with jax.default_matmul_precision("highest"):
        return names, jax.tree.map(np.asarray, look(*arguments))


@lru_cache(maxsize=32)
def _looker(tensors: Callable[..., Tensors], program: Program, backend: str) -> tuple[Any, list[str]]:
    """What looks at tensors of a program, compiled once, and their names, which its trace fills in."""
    names: list[str] = []

    def look(*arguments: Any) -> Seen:
        names[:], found = seen(tensors(program, *arguments))
        return found

    return jax.jit(look, compiler_options=xla_options(program, backend) or None), names


def _joined(one: tuple[list[str], Seen], other: tuple[list[str], Seen]) -> tuple[list[str], Seen]:
    return one[0] + other[0], jax.tree.map(lambda *each: np.concatenate(each), one[1], other[1])


def _first(step: int, names: list[str], found: Seen) -> FirstTensor | None:
    """The first that is not finite, beside what came before."""
    first = first_of(names, found)
    if first.place < 0:
        return None
    largest = (float(first.largest), names[int(first.largest_at)]) if first.largest >= 0 else (None, None)
    return FirstTensor(names[int(first.place)], step, "nan" if first.nan else "inf", *largest)
