"""One cell, called by hand: what an assessment holds against NumPy, and what counts as an event once a cell has ended."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.plan import make_variant
from nanmap.training.assessment import _norm, assess
from nanmap.training.batches import all_rows, padded
from nanmap.training.cell import begin, update
from nanmap.training.moments import moments, variance
from nanmap.training.pieces import Piece
from nanmap.training.program import Program
from nanmap.training.records import _unless_stopped, stop_holds
from nanmap.training.state import MARKS, NEVER, Assessment, Events, Lane, State, Task
from oracles import forward, mse_and_gradient, random_layers

rng = np.random.default_rng(41)
N, VAL = 5, 3  # compiled for 16 rows each
X, Y = rng.standard_normal((N + VAL, 2)), rng.standard_normal((N + VAL, 2))
NET = {"model": {"hidden": [4], "activation": "tanh"}, "optimizer": {"clip_output_gradient": 1e-3}}


def program_of(tables: dict[str, Any], **data: Any) -> Program:
    tree = {"data": {"kind": "line", "n": 1} | data, "training": {"steps": 9}} | tables
    return make_variant(build_config(tree)).program


@cache
def jitted(function: Any, program: Program) -> Any:
    return jax.jit(partial(function, program))


@pytest.mark.parametrize("last", ["linear", "softplus"])  # of which the second makes something of rows of zeros
def test_an_assessment_holds_what_numpy_makes_of_the_rows_that_count(last: str, npz) -> None:
    data = {"kind": "npz", "path": npz(x=X, y=Y), "validation_split": VAL / (N + VAL)}
    model = NET["model"] | {"output_activation": last}
    program = program_of(NET | {"model": model, "training": {"steps": 9, "dtype": "float64"}}, **data)
    layers = random_layers([2, 4, 2], seed=42, scale=1.0)
    with jax.enable_x64(True):
        rows = [padded(each, 16, "float64") for each in (X[:N], Y[:N], X[N:], Y[N:])]
        task = Task(*rows[:2], np.int32(N), *rows[2:], np.int32(VAL), np.int32(1), np.int32(9), np.zeros(2, np.uint32))
        lane = Lane({name: np.float64(1e-3 if "clip" in name else 1) for name in program.numbers}, np.ones(2))
        held = [{"kernel": jnp.asarray(each["kernel"].T), "bias": jnp.asarray(each["bias"])} for each in layers]
        state = begin(program, lane, held, [{}, {}])
        found = jitted(assess, program)(lane, task, state, np.int32(0), np.int32(0))
    told = Assessment(*np.asarray(found.marks[0]))
    output, val_output = (
        np.log1p(np.exp(z)) if last == "softplus" else z for z in (forward(layers, X[:N])[0], forward(layers, X[N:])[0])
    )
    _, grads = mse_and_gradient(layers, X[:N], Y[:N])
    norms = [np.sqrt(sum(np.sum(part**2) for part in grad.values())) for grad in grads]
    expected = {
        "loss": np.mean((output - Y[:N]) ** 2),
        "val_loss": np.mean((val_output - Y[N:]) ** 2),
        "squared_error": np.sum((output - Y[:N]) ** 2) / N,
        "output_variance": output.var(axis=0).sum(),
        "first_gradient": norms[0] if last == "linear" else told.first_gradient,
        "last_gradient": norms[1] if last == "linear" else told.last_gradient,
        "infinite": 0,
        "dead_fraction": np.nan,
        "dead_layer": 0,
        "accuracy": np.nan,
        "val_accuracy": np.nan,
    }
    assert told._asdict() == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert np.isnan(found.marks[1:]).all()


def float32_task(x: float = 1.0) -> Task:
    one, none = np.ones((1, 16), np.float32), np.zeros((1, 0), np.float32)
    n, val_n, per_epoch, steps = map(np.int32, (1, 0, 1, 9))
    return Task(np.float32(x) * one, one, n, none, none, val_n, per_epoch, steps, np.zeros(2, np.uint32))


def state_of(program: Program, kernel: float, lane: Lane, **events: int) -> State:
    held = [{"kernel": jnp.full((1, 1), kernel, jnp.float32), "bias": jnp.zeros(1, jnp.float32)}]
    state = begin(program, lane, held, [{}])
    return state._replace(events=state.events._replace(**{name: jnp.int32(step) for name, step in events.items()}))


@pytest.mark.parametrize(
    ("before", "mark", "event", "loss", "expected"),
    [
        ({}, 0, 0, np.inf, (0, NEVER)),
        ({}, 4, 8, np.inf, (8, NEVER)),
        ({}, 2, 6, np.inf, (NEVER, NEVER)),  # the update that follows tells it
        ({}, 2, 6, np.nan, (NEVER, 6)),
        ({}, 4, NEVER, np.inf, (NEVER, NEVER)),
        ({"first_inf": 3}, 4, 8, np.inf, (3, NEVER)),
        ({"first_nan": 3}, 4, 8, np.inf, (NEVER, 3)),
        ({"stopped": 3}, 4, 8, np.inf, (NEVER, NEVER)),
        ({"stopped": 3}, 4, 8, np.nan, (NEVER, NEVER)),
    ],
)
def test_a_loss_that_is_assessed_is_an_event_of_a_cell_that_still_trains(
    before: dict[str, int], mark: int, event: int, loss: float, expected: tuple[int, int]
) -> None:
    program = program_of({})
    lane = Lane({name: np.float32(1) for name in program.numbers}, np.zeros(1, np.float32))
    state = state_of(program, 1e30 if np.isinf(loss) else np.nan, lane, **before)
    events = jitted(assess, program)(lane, float32_task(), state, np.int32(mark), np.int32(event)).events
    assert (events.first_inf, events.first_nan) == expected


@pytest.mark.parametrize(
    ("before", "kernel", "rate", "expected"),
    [
        ({}, 1e30, 0.0, (7, NEVER, 1)),
        ({}, np.nan, 0.0, (NEVER, 7, 1)),  # the loss that is itself a NaN is counted
        ({}, 2.0, np.inf, (7, NEVER, 1)),  # the loss is 1
        ({}, 1.0, np.inf, (NEVER, 7, 1)),  # it is 0, and so is the gradient: 0 · ∞
        ({"first_inf": 2}, np.nan, 0.0, (2, 7, 1)),
        ({"first_nan": 2}, 1e30, 0.0, (NEVER, 2, 0)),
        ({"first_nan": 2}, np.nan, 0.0, (NEVER, 2, 0)),
    ],
)
def test_an_update_tells_the_first_of_its_kind_and_nothing_after_a_nan(
    before: dict[str, int], kernel: float, rate: float, expected: tuple[int, int, int]
) -> None:
    program = program_of({})
    lane = Lane({name: np.float32(1) for name in program.numbers}, np.full(1, rate, np.float32))
    state, task = state_of(program, kernel, lane, **before), float32_task()
    after = jitted(update, program)(lane, task, state, all_rows(program, task), np.int32(7))
    assert (after.events.first_inf, after.events.first_nan, after.events.counted) == expected
    told = [np.array_equal(a, b, equal_nan=True) for a, b in zip(after.losses, state.losses, strict=True)]
    assert all(told) == ("first_nan" in before)


OUTPUTS: dict[
    str, tuple[dict[str, Any], Any, float]
] = {  # a dtype or loss, outputs [outputs, rows], what of them is no constant
    "spread": ({}, [[1, 2, 3, 6]], 3.5),
    "two outputs": ({}, [[1, 2, 3, 6], [0, 0, 2, 2]], 4.5),
    "outputs that move together": ({}, [[1, 2, 3, 6], [1, 2, 3, 6]], 7),
    "tiny": ({}, [[0, 2e-8, 0, 2e-8]], 1e-16),
    "equal but for rounding": ({}, 1e6 * (1 + 2.0**-22 * np.array([[1, -1, 1, -1]])), 0),
    "negative ones, too": ({}, -1e6 * (1 + 2.0**-22 * np.array([[1, -1, 1, -1]])), 0),
    "differing by more": ({}, 2.0**20 * (1 + 2.0**-18 * np.array([[1, -1, 1, -1]])), 16),
    "in bfloat16": ({"training": {"steps": 1, "dtype": "bfloat16"}}, [[1, 1.03125, 1, 1.03125]], 0),
    "in float32": ({}, [[1, 1.03125, 1, 1.03125]], 0.015625**2),
    "logits, all shifted alike": ({"loss": {"kind": "softmax_cross_entropy"}}, [[1, 2, 3, 6], [2, 3, 4, 7]], 0),
    "logits": ({"loss": {"kind": "softmax_cross_entropy"}}, [[1, 3, 1, 3], [-1, -3, -1, -3]], 2),
    "logits of classes that do not exclude each other": (
        {"loss": {"kind": "sigmoid_cross_entropy"}},
        [[1, 2, 3, 6], [1, 2, 3, 6], [0, 0, 0, 0]],
        7,
    ),
    "a single logit": ({"loss": {"kind": "sigmoid_cross_entropy"}}, [[1, 2, 3, 6]], 3.5),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_what_of_the_outputs_is_no_constant_answer(case: str, npz) -> None:
    tables, outputs, expected = OUTPUTS[case]
    data: dict[str, Any] = {}
    if "loss" in tables:
        labels = np.array(["a", "b"] if len(outputs) == 1 else ["a", "b", "c"])
        data = {"kind": "npz", "path": npz(x=np.ones((len(labels), 1)), y=labels), "target_kind": "class"}
    beside = np.pad(np.asarray(outputs, np.float32), ((0, 0), (0, 3)), constant_values=1e9)  # rows that do not count
    program, rows = program_of(tables, **data), Piece(beside, beside, jnp.arange(7) < 4, jnp.int32(4))
    found = variance(program, moments(program, jnp.asarray(beside), rows))
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("numbers", "length"),
    [([0.3, -0.4], 0.5), ([-3, -4], 5), ([3e30, -4e30], 5e30), ([3e-30, 4e-30], 5e-30), ([0, 0], 0)],
)
def test_the_length_of_a_gradient_is_that_of_all_its_numbers(numbers: list[float], length: float) -> None:
    layer = {"kernel": jnp.float32(numbers[:1]), "bias": jnp.float32(numbers[1:])}
    assert float(_norm(layer, "float32")) == pytest.approx(length, rel=1e-6, abs=0)
    assert np.isnan(_norm({"kernel": jnp.float32([1.0, np.nan])}, "float32"))


@pytest.mark.parametrize(
    ("watched", "events", "stopped"),
    [
        (200.0, {}, 7),
        (50.0, {}, NEVER),
        (0.5, {}, 7),
        (np.nan, {}, NEVER),
        (200.0, {"first_nan": 3}, NEVER),
        (200.0, {"stopped": 3}, 3),
    ],
)
def test_of_two_stops_either_ends_a_cell_that_still_trains(
    watched: float, events: dict[str, int], stopped: int
) -> None:
    program = program_of({"training": {"steps": 9, "stop_above": 100.0, "stop_converged": True}})
    lane = Lane({"stop_above": np.float32(100), "enough": np.float32(1)}, np.ones(1))
    plain = begin(program_of({}), Lane({}, np.zeros(1, np.float32)), [{"kernel": jnp.ones(1)}], [{}])
    before = plain._replace(
        events=Events(*map(np.int32, Events(NEVER, NEVER, NEVER, NEVER, 0)._replace(**events))),
        marks=np.ones((MARKS, len(Assessment._fields)), np.float32),
    )
    stop = stop_holds(program, lane, before, np.float32(watched))
    ended = _unless_stopped(before, before, np.float32(np.inf), stop, np.int32(7))
    assert ended.events.stopped == stopped
    assert ended.events.first_inf == (NEVER if events else 7)
