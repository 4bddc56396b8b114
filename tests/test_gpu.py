"""By a GPU's rules: wide groups, two jobs per device, its compiler options. On a GPU itself if there is one, else rehearsed."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from nanmap.engine import LocalEngine, compaction, local, widths
from nanmap.engine.on_chip import is_on_chip, loss_and_gradient
from nanmap.engine.widths import lane_bytes
from nanmap.plan import Lanes, Plan, make_sweep
from nanmap.training.cell import begin
from nanmap.training.state import Batch, Events, Lane

pytestmark = pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")
REAL = jax.default_backend() == "gpu"
HIGHEST = widths.LIMITS["gpu"][1] if REAL else 64  # a CPU would take a minute for a group of 65,536

NET = {
    "data": {"kind": "gaussian", "n": 40, "features": 3, "validation_split": 0.1},
    "model": {"hidden": [6], "activation": "tanh"},
    "training": {"steps": 120, "batch_size": 8},
    "record": {"full_loss": True},
}
PARABOLA = {"data": {"kind": "line", "start": 1, "n": 8, "slope": 0.5}, "model": {"init": "zeros"}}
RATES = {"key": "optimizer.learning_rate", "values": [-0.1, 1e-3, 0.03, 0.5, 4.0, 1e4, 1e30, 1e300]}
AXES = [RATES, {"key": "training.seed", "values": [0, 7, 2**40]}, {"key": "model.init_scale", "values": [0.5, 1, 3]}]

Columns = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def _gpu_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(widths.LIMITS, "gpu", (64, HIGHEST))
    if not REAL:
        monkeypatch.setattr(widths, "ON_CHIP_BYTES", 4 * HIGHEST)
    monkeypatch.setattr(compaction, "PAUSE_FLOPS", 0)


@pytest.fixture(scope="module")
def gpu() -> LocalEngine:
    return LocalEngine(backend="gpu")


def trained(
    engine: LocalEngine, tree: dict, axes: list[dict], cells: np.ndarray | None = None, size: int = 0
) -> Columns:
    """Facts of some cells of a grid, in the order of `cells`, handed over in batches of about `size`."""
    plan = Plan(make_sweep(tree, axes))
    cells = np.arange(plan.grid.size) if cells is None else cells
    pieces = np.array_split(np.arange(len(cells)), max(1, len(cells) // size)) if size else [np.arange(len(cells))]
    batches: list[tuple[np.ndarray, Lanes]] = [
        (piece, lanes) for piece in pieces for lanes in plan.lanes(plan.grid.cells(cells[piece]))
    ]
    found: Columns = {}
    for batch, index, facts in engine.train(lanes for _, lanes in batches):
        piece, lanes = batches[batch]
        for name, values in facts.items():
            found.setdefault(name, np.zeros(len(cells), values.dtype))[piece[lanes.position[index]]] = values
    return found


def assert_same_bits(some: Columns, others: Columns, cells: np.ndarray) -> None:
    for name, values in some.items():
        np.testing.assert_array_equal(values, others[name][cells], err_msg=name, strict=True)


@pytest.mark.parametrize(
    "training",
    [{"steps": 120 if REAL else 30}, {"batch_size": 40, "steps": 120 if REAL else 20}, {"dtype": "float64"}][
        : 3 if REAL else 2
    ],
    ids=["batches", "full batch", "float64"][: 3 if REAL else 2],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"] if REAL else ["adam"])
def test_a_cell_has_the_same_bits_alone_and_in_a_crowd(gpu: LocalEngine, optimizer: str, training: dict) -> None:
    tree = NET | {"training": NET["training"] | training, "optimizer": {"kind": optimizer}}
    crowd = trained(gpu, tree, AXES)
    assert np.isfinite(crowd["loss_final"]).any()
    assert (crowd["first_nan_step"] >= 0).any()
    for cells, size in ((np.arange(72)[::-1], 5 if REAL else 30), (np.array([17]), 0), (np.array([71]), 0)):
        assert_same_bits(trained(gpu, tree, AXES, cells, size), crowd, cells)


NARROW = {
    "two layers": {"hidden": [6, 20], "activation": "tanh", "bias_init": "normal"},
    "relu": {"hidden": [16], "activation": "relu", "output_activation": "relu", "bias": False},
    "selu, batches": {"hidden": [9], "activation": "selu"},
    "ntk": {"hidden": [6], "activation": "tanh", "parametrization": "ntk"},
}
OTHERS: dict[str, dict] = {  # what the kernel does not know
    "a norm": {"model": {"hidden": [6], "activation": "tanh", "norm": "layer"}},
    "gelu": {"model": {"hidden": [6], "activation": "gelu"}},
    "wide": {"model": {"hidden": [33], "activation": "tanh"}},
    "a line": {"model": {}},
    "another loss": {"loss": {"kind": "huber"}},
    "clipped outputs": {"optimizer": {"clip_output_gradient": 1.0}},
    "float64, wide": {
        "model": {"hidden": [17], "activation": "tanh"},
        "training": {"steps": 5, "batch_size": 40, "dtype": "float64"},
    },
    "batches of 12": {"training": {"steps": 5, "batch_size": 12}},
    "batches of 24": {"training": {"steps": 5, "batch_size": 24}},
    "units on the minor axis": {
        "model": {"hidden": [20], "activation": "tanh"},
        "training": {"steps": 5, "batch_size": 16},
    },
    "bfloat16": {"training": {"steps": 5, "batch_size": 40, "dtype": "bfloat16"}},
    "gelu of the output": {"model": {"hidden": [6], "activation": "tanh", "output_activation": "gelu"}},
    "33 inputs": {"data": {"kind": "gaussian", "n": 40, "features": 33}},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_kernel_does_not_know_is_left_to_xla(name: str) -> None:
    tree = NET | {"training": {"steps": 5, "batch_size": 40}}
    plain, other = (Plan(make_sweep(each, [])).variant(0).program for each in (tree, tree | OTHERS[name]))
    assert is_on_chip(plain, "gpu")
    assert not is_on_chip(plain, "cpu")
    assert not is_on_chip(other, "gpu")


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("loss", ["mse", "half_mse", "mae"])
def test_the_kernel_knows_losses_that_read_outputs_and_targets_alone(name: str, loss: str) -> None:
    tree = NET | {"model": NARROW[name], "loss": {"kind": loss}, "training": {"steps": 5, "batch_size": 16}}
    if name == "two layers":  # of which one lies better on the minor axis
        tree["training"] |= {"batch_size": 32}
    program = Plan(make_sweep(tree, [])).variant(0).program
    assert is_on_chip(program, "gpu")
    two = replace(program, model=replace(program.model, outputs=2))
    assert not is_on_chip(two, "gpu")


@pytest.mark.parametrize(
    ("name", "dtype", "rtol"),
    [*((name, "float32", 1e-4) for name in NARROW), ("relu", "float64", 1e-12), ("ntk", "float64", 1e-12)],
)
def test_a_kernel_of_our_own_trains_what_xla_trains(
    gpu: LocalEngine, name: str, dtype: str, rtol: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = 16 if "batches" in name else 40
    tree = NET | {"model": NARROW[name], "training": {"steps": 12, "batch_size": batch, "dtype": dtype}}
    axes = [RATES, {"key": "model.gain", "values": [1.0, 0.7]}]
    assert is_on_chip(Plan(make_sweep(tree, axes)).variant(0).program, "gpu")
    ours = trained(gpu, tree, axes)
    monkeypatch.setattr(local, "is_on_chip", lambda program, backend: False)
    theirs = trained(LocalEngine(backend="gpu"), tree, axes)
    calm = np.isfinite(theirs["loss_final"]) & (theirs["loss_final"] < 10 * theirs["loss_initial"])
    assert 3 < calm.sum() < len(calm)
    for column in ("loss_final", "loss_at_90", "measure", "r2"):
        np.testing.assert_allclose(ours[column][calm], theirs[column][calm], rtol=rtol, err_msg=column)
    for column in ("first_nan_step", "first_inf_step"):
        alike = np.abs(ours[column] - theirs[column]) <= 1
        assert alike.mean() >= 0.75, "what happens at a large rate may hang on the last bit"


def test_the_kernel_walks_no_row_for_what_has_ended() -> None:
    program = Plan(make_sweep(NET | {"training": {"steps": 5, "batch_size": 16}}, [])).variant(0).program
    random = np.random.default_rng(3)
    x, y = (random.standard_normal((rows, 16)).astype(np.float32) for rows in (3, 1))
    layers = [
        {"kernel": random.standard_normal(shape, np.float32), "bias": np.zeros(shape[0], np.float32)}
        for shape in ((6, 3), (1, 6))
    ]
    lane = Lane({name: np.float32(1) for name in program.numbers}, np.ones(2, np.float32))
    state, batch = begin(program, lane, layers, [{}, {}]), Batch(x, y, np.int32(16), None)
    events = Events(*np.full((5, 3), -1, np.int32))  # of three cells: one trains, one met a NaN, one was stopped
    events.first_nan[1] = events.stopped[2] = 4
    for rest, walked in ((True, [True, False, False]), (False, [True, True, True])):
        take = partial(loss_and_gradient, program, lane, batch=batch, rest=rest)
        loss, _, grads, _ = jax.vmap(lambda each, take=take: take(state=state._replace(events=each)))(events)
        np.testing.assert_array_equal(np.asarray(loss) > 0, walked)
        np.testing.assert_array_equal(np.asarray(grads[0]["kernel"]).any(axis=(1, 2)), walked)


@pytest.mark.parametrize(
    ("batch", "cells", "extra"),
    [
        (8, 700, {}),
        (48, 140, {"data": NET["data"] | {"n": 50}}),
        (48, 140, {"training": {"stop_above": 3.0, "stop_converged": True}, "outcome": {"ratio": 0.7, "floor": 0.0}}),
    ],
    ids=["batches", "kernel", "kernel, stops"],
)
def test_cells_that_leave_early_change_no_row(gpu: LocalEngine, batch: int, cells: int, extra: dict) -> None:
    training = {"steps": 120 if batch == 8 else 40, "batch_size": batch} | extra.get("training", {})
    tree = NET | extra | {"training": training}
    axes = [{"key": "optimizer.learning_rate", "log": [1e-3, 1e38], "num": cells}]
    early = trained(gpu, tree, axes)
    whole = trained(LocalEngine(backend="gpu", stop_early=False), tree, axes)
    assert len(np.unique(early["stopped_step" if "outcome" in extra else "first_nan_step"])) > 5
    assert_same_bits(early, whole, np.arange(cells))


def descent(rate: float, steps: int, dtype: str) -> tuple[float, int, int]:
    """Final loss, first infinite and first NaN step of `PARABOLA` in a NumPy loop."""
    x = np.arange(1, 9).astype(dtype)
    y, w, b = (0.5 * x).astype(dtype), np.dtype(dtype).type(0), np.dtype(dtype).type(0)
    rate, first = np.dtype(dtype).type(rate), {"inf": -1, "nan": -1}
    with np.errstate(all="ignore"):
        for step in range(steps):
            error = w * x + b - y
            loss = np.mean(error**2)
            w, b = w - rate * 2 * np.mean(error * x), b - rate * 2 * np.mean(error)
            seen = np.array([loss, w, b])
            for name, test in (("inf", np.isinf), ("nan", np.isnan)):
                if first[name] < 0 and test(seen).any() and first["nan"] < 0:
                    first[name] = step
        final = np.mean((w * x + b - y) ** 2)
    return (np.nan if first["nan"] >= 0 else final), first["inf"], first["nan"]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 3e-4)])
def test_a_line_ends_where_a_loop_in_numpy_ends(gpu: LocalEngine, dtype: str, rtol: float) -> None:
    rates = np.geomspace(1e-4, 30, 40)
    tree = PARABOLA | {"training": {"steps": 200, "batch_size": 8, "dtype": dtype}}
    found = trained(gpu, tree, [{"key": "optimizer.learning_rate", "values": rates.tolist()}])
    losses, infs, nans = map(np.array, zip(*(descent(rate, 200, dtype) for rate in rates), strict=True))
    assert (nans >= 0).sum() > 5
    for name, steps in (("first_nan_step", nans), ("first_inf_step", infs)):
        assert np.abs(found[name] - steps).max() <= 2, "the order of a product's factors tells when it overflows"
    np.testing.assert_array_equal(found["first_nan_step"] < 0, nans < 0)
    expected = np.isfinite(losses) & (losses < 1e3)
    np.testing.assert_allclose(found["loss_final"][expected], losses[expected], rtol=rtol, atol=1e-12)


def test_products_of_float32_are_whole(gpu: LocalEngine) -> None:
    """Ten bits of mantissa, a GPU's way to be fast, would be off by a part in a thousand."""
    tree = NET | {"model": {"hidden": [64, 64], "activation": "tanh"}, "training": {"steps": 1, "batch_size": 40}}
    axes = [{"key": "training.seed", "range": [0, 70]}]
    narrow, wide = (
        trained(gpu, tree | {"training": tree["training"] | {"dtype": dtype}}, axes)["loss_initial"]
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(narrow, wide, rtol=2e-6)


def test_dead_units_are_counted_and_stay(gpu: LocalEngine) -> None:
    tree = {
        "data": {"kind": "line", "n": 30, "slope": 2},
        "model": {"hidden": [8], "activation": "relu", "init_offset": 0.0},
        "optimizer": {"learning_rate": 1e-5},
        "training": {"steps": 30, "batch_size": 30, "dtype": "float64"},
    }
    found = trained(gpu, tree, [{"key": "model.init_offset", "values": [-1e6, 0.0]}])
    np.testing.assert_array_equal(found["dead_at_init"], [True, False])
    assert found["dead_fraction"][0] == found["dead_fraction_initial"][0] == 1
    assert found["dead_fraction"][1] < 1


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from test_gpu import without_room
without_room()
"""
ROOM_TREE = {
    "data": {"kind": "gaussian", "n": 272, "features": 16},
    "model": {"hidden": [16], "activation": "tanh", "bias": False},
    "training": {"steps": 3, "batch_size": 272},
}
ROOM_AXES = [{"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 100}]


def without_room() -> None:
    """Groups wider than the device has memory for: the engine says so, goes on, and the rows are those of the width it took."""
    program = Plan(make_sweep(ROOM_TREE, ROOM_AXES)).variant(0).program
    limit = jax.devices()[0].memory_stats()["bytes_limit"]
    wide = 1 << (2 * limit // lane_bytes(program)).bit_length()
    said: list[str] = []
    engine = LocalEngine(widths={program: wide}, notify=said.append)
    found = trained(engine, ROOM_TREE, ROOM_AXES)
    first, last = engine.narrowed[program]
    assert first == wide > last, (first, last)
    assert said
    assert all("out of memory" in each for each in said), said
    usual = trained(LocalEngine(widths={program: last}), ROOM_TREE, ROOM_AXES)
    assert_same_bits(found, usual, np.arange(100))
    print(*said, sep="\n")


@pytest.mark.skipif(not REAL, reason="a CPU takes the machine's memory, and the machine with it")
def test_a_device_without_room_is_given_less() -> None:
    script = SCRIPT.format(path=[path for path in sys.path if path])
    room = os.environ | {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.03", "XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    done = subprocess.run([sys.executable, "-c", script], env=room, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "out of memory" in done.stdout
