"""Loops as one kernel: thin networks get one, it keeps every input, and it computes what separate kernels compute."""

import re
from typing import Any

import numpy as np
import pytest

from nanmap.engine import LocalEngine, local
from nanmap.plan import Plan, make_sweep
from nanmap.training.program import Program

RATES = {"key": "optimizer.learning_rate", "log": [1e-4, 1e3], "num": 24}
ORDERS = "sequential", "shuffle", "replacement"
LINE: dict[str, Any] = {"data": {"kind": "square", "n": 20}, "training": {"epochs": 3, "dtype": "float64"}}


def plan_of(hidden: list[int], batch: int, order: str = "shuffle", **training: Any) -> Plan:
    """Rates of a network on x² + 2, from the smallest to ones that end in NaN."""
    tree = {
        **LINE,
        "model": {"hidden": hidden, "activation": "tanh"},
        "training": {**LINE["training"], "batch_size": batch, "order": order, **training},
    }
    return Plan(make_sweep(tree, [RATES]))


def program_of(plan: Plan) -> Program:
    return plan.variant(0).program


def rows(plan: Plan, engine: LocalEngine) -> dict[str, np.ndarray]:
    """All columns, in the grid's order."""
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    parts = [(lanes.position[index], columns) for _, index, columns in engine.train([lanes])]
    order = np.argsort(np.concatenate([position for position, _ in parts]))
    return {name: np.concatenate([columns[name] for _, columns in parts])[order] for name in parts[0][1]}


def marked_calls(text: str) -> list[str]:
    """The computations of the calls that carry the mark and come from the engine."""
    names = re.findall(r" call\(.*to_apply=(\S+?),.*inlineable=\"false\",xla_cpu_small_call=\"true\"", text)
    return [re.search(rf"^{re.escape(name)} .*?^}}", text, re.S | re.M).group(0) for name in names]  # type: ignore[union-attr]


def test_thin_networks_are_those_without_a_product_of_matrices() -> None:
    assert program_of(plan_of([], 4)).model.one_kernel
    assert program_of(plan_of([5], 4)).model.one_kernel
    assert not program_of(plan_of([5, 5], 4)).model.one_kernel


@pytest.mark.parametrize(
    ("hidden", "batch", "order"),
    [
        *((hidden, batch, order) for hidden, batch in (([], 1), ([6], 7)) for order in ORDERS),
        *((hidden, 20, "shuffle") for hidden in ([], [40])),  # all rows: no order
    ],
)
def test_the_loop_of_a_thin_network_is_one_kernel_that_uses_every_input(
    hidden: list[int], batch: int, order: str
) -> None:
    # XLA aborts the process over an input that nothing reads.
    compiled = LocalEngine().compiled(program_of(plan_of(hidden, batch, order)))
    (body,) = marked_calls(compiled.call.as_text())
    inputs = re.findall(r"^\s+(\S+) = \S+ parameter\(", body, re.M)
    assert len(inputs) > 10
    assert [name for name in inputs if len(re.findall(rf"{re.escape(name)}(?![\w.-])", body)) < 2] == []
    assert "while" in body


def test_other_networks_have_no_such_loop() -> None:
    assert marked_calls(LocalEngine().compiled(program_of(plan_of([5, 5], 4))).call.as_text()) == []


@pytest.mark.parametrize(
    ("hidden", "batch", "dtype"),
    [
        *((hidden, batch, "float64") for hidden, batch in (([], 1), ([], 20), ([6], 7), ([40], 20))),
        *(([6], 7, dtype) for dtype in ("float32", "bfloat16")),
        ([], 20, "float32"),
        ([], 1, "bfloat16"),
    ],
)
def test_one_kernel_and_many_compute_the_same(
    hidden: list[int], batch: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(hidden, batch, dtype=dtype, epochs=2)
    whole = rows(plan, LocalEngine())
    monkeypatch.setattr(local, "is_one_kernel", lambda program, backend: False)
    pieces = rows(plan, LocalEngine())
    accuracy = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 0.3}[dtype]
    gentle = whole["loss_final"] < 2 * whole["loss_initial"]
    assert 4 < gentle.sum() < 24
    for name in ("loss_initial", "loss_final"):
        np.testing.assert_allclose(whole[name][gentle], pieces[name][gentle], rtol=accuracy)
    for name in ("first_inf_step", "first_nan_step"):
        assert np.abs(whole[name] - pieces[name]).max() <= 1
