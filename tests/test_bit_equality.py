"""A cell's row is a function of the cell alone, bit for bit: not of its neighbours, shard, axis order or device count."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nanmap.engine import LocalEngine
from nanmap.results.columns import COLUMNS

OPTIMISED = True

TREE = {
    "data": {"kind": "gaussian", "n": 21, "features": 3, "validation_split": 0.1},
    "model": {"hidden": [5], "activation": "relu"},
    "training": {"steps": 17, "batch_size": 4},
    "record": {"full_loss": True},
}
# 1e4 and 1e30 overflow and turn NaN: every crowd has neighbours that end badly.
VALUES = {
    "optimizer.kind": ["sgd", "adam"],
    "optimizer.learning_rate": [-0.1, 0.01, 0.3, 3.0, 1e4, 1e30],
    "training.batch_size": [4, 32],
    "training.seed": [0, 7, 2**40],
    "model.init": ["glorot_uniform", "normal"],
    "model.init_scale": [1.0, 2.5],
}
SETTINGS = {key: key.removesuffix(".kind").rpartition(".")[2] for key in VALUES}


def axes_of(values: dict[str, list]) -> list[dict]:
    return [{"key": key, "values": list(each)} for key, each in values.items()]


def rows_by_settings(table: pa.Table) -> dict[tuple, dict[str, object]]:
    """Every fact of every row under its settings; floats as their 64 bits, so that NaN, -0.0 and nulls are told apart."""
    facts = {}
    for name in (each.name for each in COLUMNS):
        column = table[name].combine_chunks()
        if pa.types.is_floating(column.type):
            bits = column.to_numpy(zero_copy_only=False).view(np.uint64).tolist()
            facts[name] = [
                bit if known else None for bit, known in zip(bits, column.is_valid().to_pylist(), strict=True)
            ]
        else:
            facts[name] = column.to_pylist()
    settings = zip(*(table[name].to_pylist() for name in SETTINGS.values()), strict=True)
    return {key: {name: values[row] for name, values in facts.items()} for row, key in enumerate(settings)}


def bits(value: object) -> object:
    """A float as its 64 bits."""
    return np.float64(value).view(np.uint64) if isinstance(value, float) else value


@pytest.fixture(scope="module")
def crowd(grid) -> dict[tuple, dict[str, object]]:
    """Every cell in one sweep, in one shard, on two devices."""
    return rows_by_settings(grid(TREE, axes_of(VALUES)))


def test_the_crowd_holds_nan_inf_and_finite_cells(crowd) -> None:
    assert {"nan", "inf"} <= {row["outcome"] for row in crowd.values()}
    assert len({row["outcome"] for row in crowd.values()}) >= 4


@st.composite
def small_grids(draw) -> tuple[dict[str, list], int, bool]:
    """Some values of every axis in some order, the axes in some order, a shard size, and one device or two."""
    picked = {
        key: draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
        for key, values in VALUES.items()
    }
    order = draw(st.permutations(list(picked)))
    return {key: picked[key] for key in order}, draw(st.sampled_from([1, 2, 5, 7, 1024])), draw(st.booleans())


BACKWARDS = {key: values[::-1] for key, values in reversed(VALUES.items())}


@hypothesis_settings(max_examples=6)
@given(small_grids())
@example((BACKWARDS, 37, False))
@example((BACKWARDS, 37, True))
def test_any_part_of_the_grid_in_any_order_shard_and_device_count_gives_the_same_bits(
    crowd, grid, engine, lone_engine, part
) -> None:
    values, shard_cells, alone = part
    rows = rows_by_settings(
        grid(TREE, axes_of(values), shard_cells=shard_cells, engine=lone_engine if alone else engine)
    )
    for settings, row in rows.items():
        assert row == crowd[settings], settings


@pytest.mark.parametrize("rate", [0.3, 3.0, 1e4])
@pytest.mark.parametrize("batch", [4, 32])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_training_alone_has_the_row_of_the_sweep(crowd, train, optimizer: str, rate: float, batch: int) -> None:
    tree = TREE | {
        "optimizer": {"kind": optimizer, "learning_rate": rate},
        "training": {"steps": 17, "batch_size": batch, "seed": 7},
    }
    report = train(tree)
    settings = {
        "optimizer": optimizer,
        "learning_rate": rate,
        "batch_size": batch,
        "seed": 7,
        "init": "glorot_uniform",
        "init_scale": 1.0,
    }
    row = crowd[tuple(settings[name] for name in SETTINGS.values())]
    assert (report.outcome, report.cause) == (row["outcome"], row["cause"])
    assert {name: bits(value) for name, value in report.row.items()} == row


SCRIPT = """
import json, sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from nanmap.plan import Plan, make_sweep
from nanmap.runs.sweep import train_sweep
train_sweep(Plan(make_sweep(*json.loads(sys.argv[2]))), sys.argv[3])
assert len(jax.devices()) == int(sys.argv[1])
"""


def test_eight_devices_give_the_bits_of_two(crowd, tmp_path: Path) -> None:
    one_program = VALUES | {"optimizer.kind": ["adam"], "training.batch_size": [4]}
    work = json.dumps([TREE, axes_of(one_program)])
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}  # optimised, too
    subprocess.run([sys.executable, "-c", SCRIPT, "8", work, str(tmp_path / "run")], check=True, env=environment)
    table = ds.dataset([str(path) for path in sorted((tmp_path / "run" / "cells").glob("*.parquet"))]).to_table()
    rows = rows_by_settings(table)
    assert len(rows) == len(crowd) / 4
    for settings, row in rows.items():
        assert row == crowd[settings], settings


def test_float64_cells_do_not_depend_on_their_neighbours(grid, engine: LocalEngine) -> None:
    tree = TREE | {
        "training": {"steps": 40, "batch_size": 32, "dtype": "float64"},
        "model": {"hidden": [4], "activation": "tanh"},
    }
    rates = np.geomspace(1e-3, 1e6, 70).tolist()
    table = grid(tree, [{"key": "optimizer.learning_rate", "values": rates}])
    few = grid(tree, [{"key": "optimizer.learning_rate", "values": rates[::-9]}])
    crowd = {row["learning_rate"]: row for row in table.to_pylist()}
    for row in few.to_pylist():
        other = crowd[row["learning_rate"]]
        assert {name: repr(row[name]) for name in row if name != "cell"} == {
            name: repr(other[name]) for name in row if name != "cell"
        }
