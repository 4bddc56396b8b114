"""Blocks of lanes that share the order of their rows: how large, how full their groups are, and that no bit hangs on them."""

from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.engine.blocks import ORDER_NUMBERS, lanes_together
from nanmap.engine.groups import form_groups
from nanmap.engine.widths import width_of
from nanmap.plan import Lanes, Plan, make_sweep, make_variant
from nanmap.training.program import Program

OPTIMISED = True

Tree = dict[str, Any]
LINE: Tree = {"data": {"kind": "line", "n": 21}, "training": {"steps": 30, "batch_size": 4}}
THIN = LINE | {"model": {"hidden": [6], "activation": "tanh"}, "training": {"steps": 30, "batch_size": 8}}
NET = THIN | {"data": {"kind": "gaussian", "n": 21, "features": 3}}


def merged(tree: Tree, **tables: Tree) -> Tree:
    return tree | {name: tree.get(name, {}) | table for name, table in tables.items()}


def program_of(tree: Tree, **tables: Tree) -> Program:
    return make_variant(build_config(merged(tree, **tables))).program


def crowd_of(tree: Tree, seeds: list[int], rates: int) -> tuple[Plan, list[Tree]]:
    axes = [
        {"key": "training.seed", "values": seeds},
        {"key": "optimizer.learning_rate", "log": [1e-3, 1e3], "num": rates},
    ]
    return Plan(make_sweep(tree, axes)), axes


def lanes_of(tree: Tree, seeds: int, rates: int) -> Lanes:
    plan, _ = crowd_of(tree, list(range(seeds)), rates)
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    return lanes


WIDE = merged(NET, model={"hidden": [64, 64]})
CASES: dict[str, tuple[Tree, int]] = {
    "a line": (LINE, 16),
    "a line of several inputs": (merged(LINE, data={"kind": "gaussian", "features": 3}), 16),
    "a thin network": (THIN, 4),
    "a thin network of many units": (merged(THIN, model={"hidden": [64]}), 1),
    "a network": (NET, 4),
    "a network of many units": (WIDE, 1),
    "rows drawn with replacement": (merged(NET, training={"order": "replacement"}), 4),
}


@pytest.mark.parametrize("case", CASES)
def test_a_program_has_the_blocks_that_it_had_in_earlier_versions(case: str) -> None:
    tree, together = CASES[case]
    assert lanes_together(program_of(tree), "cpu", 64) == together
    assert lanes_together(program_of(tree), "gpu", 64) == 64


@pytest.mark.parametrize("training", [{"order": "sequential"}, {"batch_size": 21}])
def test_all_lanes_stand_together_where_every_cell_sees_its_rows_alike(training: Tree) -> None:
    assert lanes_together(program_of(NET, training=training), "cpu", 64) == 64


def test_a_width_that_no_blocks_fill_is_one_block() -> None:
    line = program_of(LINE)
    assert [lanes_together(line, "cpu", width) for width in (8, 16, 24, 32)] == [8, 16, 24, 16]


def test_orders_of_many_rows_are_kept_for_fewer_blocks() -> None:
    many = program_of(NET, data={"n": 200_000})
    width = width_of(many, "cpu")
    together = lanes_together(many, "cpu", width)
    assert together > 4
    assert width // together * many.rows <= ORDER_NUMBERS < 2 * width // together * many.rows


@pytest.mark.parametrize(
    ("tree", "seeds", "rates", "least"),
    [(WIDE, 1000, 1, 1), (WIDE, 100, 7, 0.99), (NET, 64, 50, 0.96), (THIN, 320, 7, 0.87), (LINE, 128, 73, 0.91)],
)
def test_most_lanes_are_busy_in_a_sweep_over_many_seeds(
    tree: Tree, seeds: int, rates: int, least: float, engine
) -> None:
    lanes = lanes_of(tree, seeds, rates)
    places = len(engine.groups(lanes)) * engine.width(lanes.program)
    assert least <= len(lanes) / places <= 1


def test_finished_cells_take_no_more_groups_than_before() -> None:
    lanes = lanes_of(LINE, 2, 16)
    finished = np.arange(32) % 2 == 0
    (group,) = form_groups(lanes, 32, last=finished, together=16)
    assert lanes.seed[group].tolist() == [0] * 16 + [1] * 16
    assert finished[group].tolist() == ([False] * 8 + [True] * 8) * 2


@pytest.mark.parametrize("order", ["shuffle", "replacement"])
@pytest.mark.parametrize("tree", [LINE, THIN, NET, WIDE], ids=["line", "thin", "net", "wide"])
def test_a_cell_has_the_same_bits_whatever_orders_stand_beside_its_own(tree: Tree, order: str, columns) -> None:
    tree = merged(tree, training={"order": order})
    seeds, rates = [2**40, 0, 7, 5], 19
    crowd = {name: values.reshape(4, rates) for name, values in columns(tree, crowd_of(tree, seeds, rates)[1]).items()}
    assert np.isnan(crowd["loss_final"]).any()
    assert len(np.unique(crowd["loss_final"][:, 0])) == 4
    for place, seed in enumerate(seeds):
        alone = columns(tree, crowd_of(tree, [seed], rates)[1])
        for name, values in alone.items():
            np.testing.assert_array_equal(values, crowd[name][place], err_msg=name, strict=True)
