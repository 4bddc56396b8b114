"""Rows that are too many to be passed at once: what is made of pieces of them, held against NumPy and against a pass over all."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.engine import LocalEngine
from nanmap.engine.widths import group_bytes, width_of
from nanmap.plan import Plan, make_sweep, make_variant
from nanmap.runs.single import train_one
from nanmap.theory import sharpness as theory
from nanmap.training import pieces
from nanmap.training.assessment import assess
from nanmap.training.batches import padded
from nanmap.training.cell import begin
from nanmap.training.moments import joined, moments, variance
from nanmap.training.program import Program
from nanmap.training.state import Assessment, Lane, Task

rng = np.random.default_rng(7)
N, VAL = 37, 21  # compiled for 48 and 32 rows; pieces of 16 rows, the last of training with nothing but filling in it
X, Y = rng.standard_normal((N + VAL, 3)), rng.standard_normal((N + VAL, 2))
RELU: dict[str, Any] = {"hidden": [6], "activation": "relu"}


def program_of(npz: Any, y: np.ndarray = Y, **tables: Any) -> Program:
    data = {"kind": "npz", "path": npz(x=X, y=y), "validation_split": VAL / (N + VAL)}
    tree = {"data": data, "model": RELU, "training": {"steps": 9, "batch_size": 48, "dtype": "float64"}}
    return make_variant(build_config(tree | tables)).program


def assessed(program: Program, layers: list[dict[str, np.ndarray]], x: np.ndarray, at_once: int | None) -> Assessment:
    with jax.enable_x64(True):
        rows = [padded(part, size, "float64") for part, size in ((x[:N], program.rows), (Y[:N], program.rows))]
        val = [padded(part, program.val_rows, "float64") for part in (x[N:], Y[N:])]
        steps = np.int32(1), np.int32(9)
        task = Task(*rows, np.int32(N), *val, np.int32(VAL), *steps, np.zeros(2, np.uint32))
        lane = Lane({name: np.float64(1) for name in program.numbers}, np.ones(2))
        held = [{"kernel": jnp.asarray(each["kernel"].T), "bias": jnp.asarray(each["bias"])} for each in layers]
        state = begin(program, lane, held, [{}, {}])
        found = jax.jit(partial(assess, program, at_once=at_once))(lane, task, state, np.int32(0), np.int32(0))
    return Assessment(*np.asarray(found.marks[0]))


def network(live: int) -> list[dict[str, np.ndarray]]:
    """Of six units so many give something on one row alone, which stands in the last piece; the others on none."""
    first = {"kernel": np.zeros((3, 6)), "bias": np.full(6, -1.0)}
    first["kernel"][:, :live] = 2 * X[N - 1, :, None] / np.sum(X[N - 1] ** 2)
    first["bias"][:live] = -2 + 1e-9
    return [first, {"kernel": rng.standard_normal((6, 2)), "bias": rng.standard_normal(2)}]


def numpy_layers() -> list[dict[str, np.ndarray]]:
    draw = np.random.default_rng(3).standard_normal
    return [{"kernel": draw((3, 6)), "bias": draw(6)}, {"kernel": draw((6, 2)), "bias": draw(2)}]


def answer(layers: list[dict[str, np.ndarray]], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inner = x @ layers[0]["kernel"] + layers[0]["bias"]
    return inner, np.maximum(inner, 0) @ layers[1]["kernel"] + layers[1]["bias"]


@pytest.mark.parametrize("at_once", [16, 32])
def test_an_assessment_in_pieces_holds_what_numpy_makes_of_all_rows(at_once: int, npz) -> None:
    layers = numpy_layers()
    told = assessed(program_of(npz), layers, X, at_once)
    inner, output = answer(layers, X[:N])
    back = 2 * (output - Y[:N]) / Y[:N].size
    hidden = back @ layers[1]["kernel"].T * (inner > 0)
    last = np.sqrt(np.sum((np.maximum(inner, 0).T @ back) ** 2) + np.sum(back.sum(0) ** 2))
    first = np.sqrt(np.sum((X[:N].T @ hidden) ** 2) + np.sum(hidden.sum(0) ** 2))
    flat = (inner <= 0).all(axis=0)
    expected = {
        "loss": np.mean((output - Y[:N]) ** 2),
        "val_loss": np.mean((answer(layers, X[N:])[1] - Y[N:]) ** 2),
        "squared_error": np.sum((output - Y[:N]) ** 2) / N,
        "output_variance": output.var(axis=0).sum(),
        "first_gradient": first,
        "last_gradient": last,
        "infinite": 0,
        "dead_fraction": flat.mean(),
        "dead_layer": float(flat.all()),
        "accuracy": np.nan,
        "val_accuracy": np.nan,
    }
    assert told._asdict() == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("live", [0, 1, 6])
def test_a_unit_that_lives_on_one_row_of_the_last_piece_is_not_dead(live: int, npz) -> None:
    told = assessed(program_of(npz), network(live), X, 16)
    assert (told.dead_fraction, bool(told.dead_layer)) == (pytest.approx(1 - live / 6), live == 0)
    assert (told.output_variance > 0) == (live > 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_what_is_no_number_in_one_piece_is_none_of_all(value: float, npz) -> None:
    x = X.copy()
    x[20] = value
    whole, cut = (assessed(program_of(npz), numpy_layers(), x, at_once) for at_once in (None, 16))
    assert not np.isfinite(whole.loss)
    assert cut._asdict() == pytest.approx(whole._asdict(), rel=1e-12, nan_ok=True)


def test_classes_are_counted_over_all_pieces(npz) -> None:
    shares = np.eye(2)[Y.argmax(1)]
    program = program_of(npz, shares, loss={"kind": "softmax_cross_entropy"})
    whole, cut = (assessed(program, numpy_layers(), X, at_once) for at_once in (None, 16))
    _, output = answer(numpy_layers(), X[:N])
    assert cut.accuracy == np.float32(np.mean(output.argmax(1) == Y[:N].argmax(1)))
    assert cut._asdict() == pytest.approx(whole._asdict(), rel=1e-12, nan_ok=True)


def test_outputs_of_one_value_do_not_spread_however_many_there_are(npz) -> None:
    """In float32 the sum of a million tenths is off by a thousandth."""
    program = program_of(npz, training={"steps": 1, "dtype": "float32"})
    part = pieces.Piece(jnp.zeros((3, 2**20)), jnp.zeros((2, 2**20)), jnp.ones(2**20, bool), jnp.int32(2**21))
    output = jnp.full((2, 2**20), 0.1, jnp.float32)
    one = moments(program, output, part, output[:, :1])
    both = joined(one, moments(program, output, part, output[:, :1]))
    assert (float(variance(program, both)), int(both.count)) == (0.0, 2**21)


def small(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(pieces, "MOST_BYTES", {"cpu": most, "gpu": most})
    monkeypatch.setattr("nanmap.engine.widths.MOST_BYTES", {"cpu": most, "gpu": most})


TREE: dict[str, Any] = {
    "data": {"kind": "gaussian", "n": 700, "features": 3, "validation_split": 0.3},
    "model": RELU,
    "training": {"steps": 12, "batch_size": 16},
}


@pytest.mark.parametrize("record", [{}, {"full_loss": True}])
def test_a_training_in_pieces_is_the_training_over_all_rows(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_one(build_config(TREE | {"record": record}), engine=LocalEngine(jax.devices()[:1])).row
    small(monkeypatch, 2**16)
    cut = train_one(build_config(TREE | {"record": record}), engine=LocalEngine(jax.devices()[:1])).row
    assert cut["loss_final"] != whole["loss_final"]  # the sums are others in their last digits
    for name, value in whole.items():
        same = pytest.approx(value, rel=2e-6, nan_ok=True) if isinstance(value, float) else value
        assert cut[name] == same, name


def test_what_ended_or_fills_a_group_is_not_assessed_again_and_no_row_can_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small(monkeypatch, 2**16)
    rates = {"key": "optimizer.learning_rate", "values": [0.01, 1e30, 0.1]}
    plan = Plan(make_sweep(TREE, [rates]))
    engine = LocalEngine(jax.devices()[:1])
    (batch,) = plan.lanes(plan.grid.cells(np.arange(3)))
    (trained,) = engine.train([batch])
    for cell, rate in enumerate(rates["values"]):
        config = build_config(TREE | {"optimizer": {"learning_rate": rate}})
        row = train_one(config, engine=engine).row
        place = int(np.flatnonzero(trained.cells == cell)[0])
        for name in ("loss_initial", "loss_at_50", "loss_final", "dead_fraction_initial", "val_loss_final"):
            np.testing.assert_array_equal(trained.facts[name][place], row[name], err_msg=name)


def test_rows_are_cut_where_all_of_them_would_not_fit_and_nowhere_else() -> None:
    def of(n: int, **training: Any) -> Program:
        tree = TREE | {"data": {"kind": "gaussian", "n": 10, "features": 3}, "training": {"steps": 1, **training}}
        program = make_variant(build_config(tree)).program
        return replace(program, rows=n, batch=n if program.full_batch else program.batch)

    room = 2 * 2**30 // (2 * 4 * 7)  # of float32, 6 + 1 units, two arrays each
    fits, cut = (of(rows // 16 * 16, batch_size=2) for rows in (room // 256, room // 256 + 32))
    assert pieces.rows_at_once(fits, 256, "cpu") is None
    rows = pieces.rows_at_once(cut, 256, "cpu")
    assert rows is not None
    assert rows % 16 == 0
    assert pieces.pass_bytes(cut, 256, rows) <= 2**27
    assert group_bytes(cut, 256, "cpu") < 2**28 < group_bytes(fits, 256, "cpu")
    full = of(10**8, batch_size=10)
    assert (width_of(full, "cpu"), width_of(of(10**6, batch_size=10), "cpu")) == (1, 4)


def test_sharpness_of_pieces_is_that_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    config = build_config(TREE | {"model": RELU | {"activation": "tanh"}, "record": {"sharpness": "start"}})
    variant = make_variant(config)
    layers = [
        {"kernel": jnp.asarray(each["kernel"].T[None]), "bias": jnp.asarray(each["bias"][None])}
        for each in numpy_layers()
    ]
    layers[1] = {"kernel": layers[1]["kernel"][:, :1], "bias": layers[1]["bias"][:, :1]}
    numbers = {name: np.ones(1) for name in variant.program.numbers}
    whole = theory.sharpness(variant.program, variant.rows, layers, [{}, {}], numbers)
    small(monkeypatch, 2**16)
    cut = theory.sharpness(variant.program, variant.rows, layers, [{}, {}], numbers)
    assert cut == pytest.approx(whole, rel=1e-4)
    assert cut != whole
