"""What a sweep will cost, told before it starts: what makes it longer is counted, and the words are few."""

from types import SimpleNamespace

import pytest

from nanmap.engine.estimate import Estimate, estimate
from nanmap.plan import Plan, make_sweep

TREE = {
    "data": {"kind": "line", "n": 64},
    "model": {"hidden": [8]},
    "training": {"epochs": 100, "batch_size": 16, "order": "sequential"},
}
AXES = [
    {"key": "training.seed", "range": [0, 100]},
    {"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 5},
]


def expected(engine, tree: dict = TREE, **tables: dict) -> Estimate:
    merged = tree | {name: tree.get(name, {}) | table for name, table in tables.items()}
    return estimate(Plan(make_sweep(merged, AXES)), engine)


def test_an_estimate_is_a_range_and_what_compiling_may_add(engine) -> None:
    told = expected(engine)
    assert 0 < told.shortest < told.longest
    assert told.sentence().endswith("s, and up to 5 s to compile")  # 5 on one of two cores, and half of it again


@pytest.mark.parametrize(
    "tables",
    [
        {"training": {"epochs": 1000}},
        {"training": {"order": "shuffle"}},  # each seed has an order of its own to make
        {"record": {"full_loss": True}},
        {"model": {"hidden": [64, 64]}},
    ],
)
def test_what_takes_longer_is_expected_to(tables: dict, engine) -> None:
    assert expected(engine, **tables).longest > 1.2 * expected(engine).longest


# On a CPU 80 orders of 64 rows are made a million times, 35 ns per row; at worst all takes twice as long.
@pytest.mark.parametrize(("backend", "longer", "orders"), [("cpu", 1, 2 * 80 * 64 * 0.035), ("gpu", 8, 0)])
def test_lanes_without_a_cell_of_their_seed_and_orders_are_counted(backend: str, longer: int, orders: float) -> None:
    lanes = SimpleNamespace(devices=[0], backend=backend, width=lambda program: 8)
    deep = {"model": {"hidden": [64, 64]}, "training": {"epochs": 10**6, "batch_size": 16}}
    axes = [{"key": "training.seed", "range": [0, 80]}]
    shuffled, ordered = (
        estimate(Plan(make_sweep(TREE | deep | {"training": deep["training"] | {"order": order}}, axes)), lanes)
        for order in ("shuffle", "sequential")
    )
    assert shuffled.longest == pytest.approx(longer * ordered.longest + orders, rel=1e-3)
    assert shuffled.shortest == pytest.approx(ordered.shortest + 0.35 / 2 * orders, rel=1e-3)


def test_a_norm_compiles_longer_and_a_line_shorter(engine) -> None:
    line, plain, normed = (
        expected(engine, model=model) for model in ({"hidden": []}, {"hidden": [8]}, {"hidden": [8], "norm": "layer"})
    )
    assert line.compiling < plain.compiling < normed.compiling


def test_programs_that_read_the_same_are_told_once(engine) -> None:
    axes = [{"key": "model.bias", "values": [True, False]}]
    told = estimate(Plan(make_sweep(TREE, axes)), engine)
    (line,) = [line for line in told.details() if line.startswith("program")]
    assert line.startswith("program: 2 × 1–8–1, sgd, batch 16, float32; ")
    assert all(len(each) <= 78 for each in told.details())
