"""First tensors beside the rows of a sweep: each that of its cell alone, without touching a bit of any row, resumed as rows are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import BATCH, RATE, write_run
from nanmap.errors import InputError
from nanmap.plan import make_sweep
from nanmap.report.document import make_document
from nanmap.report.first_tensors import read_first_tensors
from nanmap.result import Result
from nanmap.results.checks import faults_of
from nanmap.runs.first_tensor import FirstTensor
from nanmap.runs.observer import Observer
from test_resume import content

ASKED = {"record": {"first_tensor": True}}
LINE: dict[str, Any] = {"data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5}, "training": {"steps": 40}}
RATES = {"key": "optimizer.learning_rate", "values": [1e-4, 0.05, 0.3, 10.0]}
MORE = RATES | {"values": [*RATES["values"], 1e30]}
SCALES = {"key": "model.init_scale", "values": [1.0, 1e25]}


@pytest.fixture(scope="module")
def run(engine) -> Callable[..., Result]:
    def start(out: Path, tree: dict, axes: list, **options: Any) -> Result:
        return nanmap.sweep(make_sweep(tree, axes), out=out, engine=engine, **({"shard_cells": 3} | options))

    return start


def told(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "first_tensors").set_index("cell")


def as_found(row: Any) -> FirstTensor:
    """A row as a training alone tells it."""
    largest = (None, None) if np.isnan(row.largest_before) else (row.largest_before, row.largest_in)
    return FirstTensor(row.first_tensor, row.step, row.value, *largest)


KINDS: dict[str, tuple[dict, list, set]] = {
    "a network, whose rows are in an order of each seed": (
        LINE | {"model": {"hidden": [3]}, "training": {"epochs": 12, "batch_size": 6}},
        [RATES, SCALES, {"key": "training.seed", "range": [0, 3]}],
        {"loss", "activation:layers.1"},
    ),
    "at the end alone": (LINE | {"training": {"steps": 1}}, [RATES | {"values": [1e18, 1e30]}], {"loss"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_that_of_its_cell_alone_and_rows_are_the_same_bits(kind: str, run, engine, tmp_path: Path) -> None:
    tree, axes, names = KINDS[kind]
    run(tmp_path / "without", tree, axes)
    result = run(tmp_path / "with", tree | ASKED, axes)
    assert content(tmp_path / "with") == content(tmp_path / "without")
    found, rows = told(tmp_path / "with"), result.to_pandas().set_index("cell")
    assert set(found.index) == set(rows.index[rows.first_inf_step.notna() | rows.first_nan_step.notna()])
    assert set(found.first_tensor) == names
    for cell in found.index[:: max(1, len(found) // 6)]:
        alone = nanmap.run(result.config(cell), engine=engine).first_tensor
        one, other = (each.as_object() for each in (as_found(found.loc[cell]), alone))
        assert one.pop("largest_before") == pytest.approx(other.pop("largest_before"), rel=1e-5)
        assert one == other


def test_what_broke_before_its_row_tells_is_looked_for_alone(run, engine, npz: Callable, tmp_path: Path) -> None:
    """Row 7 makes Adam's second moment infinite, row 9 the loss, which is what rows tell."""
    x = np.ones((12, 1))
    x[[7, 9]] = [[1e12], [1e25]]
    tree = {
        "data": {"kind": "npz", "path": npz(x=x, y=np.ones(12))}, "model": {"init": "zeros"},
        "optimizer": {"kind": "adam"}, "training": {"epochs": 1, "batch_size": 1, "order": "sequential"},
    }  # fmt: skip
    result = run(tmp_path / "run", tree | ASKED, [RATES | {"values": [1e-3, 2e-3]}])
    assert result.to_pandas().first_inf_step.tolist() == [9, 9]
    found = told(tmp_path / "run")
    assert (found.first_tensor.tolist(), found.step.tolist()) == (["optimizer"] * 2, [7, 7])
    assert found.largest_in.tolist() == ["gradient:layers.0.kernel"] * 2


class Counts(Observer):
    """How many cells were trained once more."""

    again = done = 0

    def replaying(self, total: int) -> None:
        self.again += total

    def replayed(self, cells: int) -> None:
        self.done += cells


def test_they_may_come_later_are_taken_up_stay_unasked_grow_and_go_with_fresh(run, tmp_path: Path) -> None:
    axes, counts = [RATES, SCALES], Counts()
    run(tmp_path / "whole", LINE | ASKED, axes, observer=counts)
    assert counts.again == counts.done == len(told(tmp_path / "whole")) == 7
    run(tmp_path / "later", LINE, axes)
    assert not (tmp_path / "later" / "first_tensors").exists()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "later", LINE | ASKED, axes, observer=Ends())
    for settings in (ASKED, {}, ASKED):
        run(tmp_path / "later", LINE | settings, axes)
        for part in ("cells", "first_tensors"):
            assert content(tmp_path / "later", part) == content(tmp_path / "whole", part)
        assert not list(faults_of(Result(tmp_path / "later").folder))
        damaged = tmp_path / "later" / "first_tensors" / "part-000001.parquet"
        damaged.write_bytes(b"PAR1 and then nothing" if settings == {} else damaged.read_bytes())
    run(tmp_path / "later", LINE, [MORE, SCALES], extend=True)
    run(tmp_path / "larger", LINE | ASKED, [MORE, SCALES])
    for part in ("cells", "first_tensors"):
        assert content(tmp_path / "later", part) == content(tmp_path / "larger", part)
    assert not list(faults_of(Result(tmp_path / "later").folder))
    run(tmp_path / "later", LINE, [MORE, SCALES], fresh=True)
    assert not content(tmp_path / "later", "first_tensors")
    assert not list(faults_of(Result(tmp_path / "later").folder))


class Ends(Observer):
    """Ends the run once the first tensors of some cells are there."""

    def replayed(self, cells: int) -> None:
        raise KeyboardInterrupt


def test_no_axis_goes_over_them(run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record\.first_tensor: is one for the whole run"):
        run(tmp_path, LINE, [{"key": "record.first_tensor", "values": [True, False]}])


def test_a_page_holds_them_if_there_is_room(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [BATCH, RATE])
    assert make_document(folder)["first_tensors"] is None
    (tmp_path / "first_tensors").mkdir()
    table = {"cell": [3, 5], "first_tensor": ["loss", "data"], "step": [7, 0], "value": ["inf", "nan"]}
    table |= {"largest_before": [2.5, None], "largest_in": ["activation:layers.0", ""]}
    pq.write_table(pa.table(table), tmp_path / "first_tensors" / "part-000000.parquet")
    held = make_document(folder)["first_tensors"]
    assert (held["rows"], set(held["columns"])) == (2, set(table))
    assert set(held["columns"]["first_tensor"]["names"]) == {"loss", "data"}
    assert read_first_tensors(folder, 100) is None
