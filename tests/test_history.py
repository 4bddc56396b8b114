"""Histories beside the rows: against a loop in NumPy, without touching a bit of any row, resumed as rows are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import nanmap
from handmade import SMALL_FRACTAL, write_run
from nanmap.engine.task import history_steps
from nanmap.errors import InputError
from nanmap.plan import make_sweep
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.runs.history import near_boundary
from nanmap.runs.observer import Observer
from nanmap.training.cell import HISTORY, lengths
from test_resume import Stops, content

LINE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "model": {"init": "ones"},
    "training": {"steps": 60, "batch_size": 6, "order": "sequential", "dtype": "float64"},
}
RATE = {"key": "optimizer.learning_rate", "values": [1e-4, 3e-3, 0.05, 1e300]}
BATCH = {"key": "training.batch_size", "values": [6, 32]}
RECORD = {"record": {"history": 12}}


@pytest.fixture(scope="module")
def run(engine) -> Callable[..., Result]:
    def start(out: Path, tree: dict, axes: list, **options: Any) -> Result:
        return nanmap.sweep(make_sweep(tree, axes), out=out, engine=engine, **({"shard_cells": 4} | options))

    return start


def histories(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "history")


def by_hand(rate: float, batch: int) -> dict[str, np.ndarray]:
    """Each update of the line, in NumPy."""
    x, steps = np.arange(1, 21.0), -(-20 // batch)
    y, theta = x / 2, np.array([1.0, 0.0])
    found: dict[str, list[float]] = {name: [] for name in HISTORY}
    with np.errstate(all="ignore"):
        for step in range(60):
            some = slice(step % steps * batch, min((step % steps + 1) * batch, 20))
            error = theta[0] * x[some] + theta[1] - y[some]
            gradient = 2 * np.array([(error * x[some]).mean(), error.mean()])
            after = theta - rate * gradient
            for name, value in zip(HISTORY, ((error**2).mean(), gradient, after - theta, after), strict=True):
                found[name].append(float(np.hypot(*value)) if np.ndim(value) else float(value))
            theta = after
    return {name: np.array(values) for name, values in found.items()}


def test_a_history_is_that_of_a_loop(run, tmp_path: Path) -> None:
    result = run(tmp_path, LINE | RECORD, [RATE, BATCH])
    rows, told = result.to_pandas().set_index("cell"), histories(tmp_path)
    assert told.columns.tolist() == ["cell", "step", *HISTORY]
    for cell, row in rows.iterrows():
        mine = told[told.cell == cell]
        hand = by_hand(row.learning_rate, row.batch_size)
        steps = history_steps(60, 12)
        assert mine.step.tolist() == steps[steps < row.steps_run].tolist()
        for name in HISTORY:
            there = np.isfinite(hand[name][mine.step]) & (hand[name][mine.step] < 1e150)
            np.testing.assert_allclose(mine[name].to_numpy()[there], hand[name][mine.step][there], rtol=1e-9)


def test_an_update_that_rounding_swallows_moves_nothing(run, tmp_path: Path) -> None:
    tree = LINE | RECORD | {"model": {"init": "ones", "bias": False}}
    run(tmp_path, tree, [{"key": "optimizer.learning_rate", "values": [1e-30]}])
    told = histories(tmp_path)
    assert (told.update_norm == 0).all()
    assert (told.gradient_norm > 1).all()
    assert (told.parameter_norm == 1).all()


def test_infinities_and_nan_stand_in_a_history(run, tmp_path: Path) -> None:
    run(tmp_path, LINE | RECORD, [RATE, BATCH])
    told = histories(tmp_path)
    last = told[told.cell == 6].iloc[-1]  # rate 1e300: the loss overflows, and then a NaN comes
    assert np.isinf(told[told.cell == 6].loss).any() or np.isnan(last.loss)
    assert not np.isfinite(last.parameter_norm)
    rows = Result(tmp_path).to_pandas()
    assert rows.outcome.tolist()[6:] == ["nan", "nan"]


def test_lengths_of_huge_of_tiny_and_of_no_numbers() -> None:
    def length(*numbers: float) -> float:
        return float(lengths([[{"a": jnp.array(numbers[:1]), "b": jnp.array(numbers[1:])}]], "float32")[0])

    assert length(3e30, 4e30) == pytest.approx(5e30)
    assert length(3e-30, -4e-30) == pytest.approx(5e-30)
    assert length(0, 0) == 0
    assert length(np.inf, 1) == np.inf
    assert np.isnan(length(np.nan, 1))
    assert np.isnan(length(np.inf, np.nan))


FRACTAL_AXES = [
    {"key": "optimizer.layer_learning_rates.1", "log": [1e-2, 1e4], "num": 6},
    {"key": "optimizer.layer_learning_rates.0", "log": [1e-2, 1e4], "num": 6},
]
SEEDS = {"key": "training.seed", "range": [0, 3]}
KINDS: dict[str, tuple[dict, list]] = {
    "in stretches": (LINE | {"training": LINE["training"] | {"order": "shuffle", "dtype": "float32"}}, [RATE, BATCH, SEEDS]),
    "a network": (SMALL_FRACTAL, FRACTAL_AXES),
    "batches of a network": (
        {**LINE, "model": {"hidden": [8]}, "optimizer": {"kind": "adam"}, "training": {"steps": 40, "batch_size": 6}, "record": {"full_loss": True}},
        [RATE, SEEDS],
    ),
    "stopped": (LINE | {"training": LINE["training"] | {"stop_above": 10.0, "batch_size": 32}}, [RATE]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_same_bits_with_a_history(kind: str, run, tmp_path: Path) -> None:
    tree, axes = KINDS[kind]
    recorded = tree | {"record": tree.get("record", {}) | RECORD["record"]}
    run(tmp_path / "without", tree, axes, shard_cells=16)
    run(tmp_path / "with", recorded, axes, shard_cells=16)
    assert content(tmp_path / "with") == content(tmp_path / "without")
    rows, told = Result(tmp_path / "with").to_pandas(), histories(tmp_path / "with")
    assert set(told.cell) == set(rows.cell)
    first = told[told.step == 0].set_index("cell").loss
    if all(rows.get("batch_size", pd.Series([32])) >= 20) and kind != "batches of a network":
        np.testing.assert_allclose(first, rows.set_index("cell").loss_initial, rtol=1e-6)
    last = told.groupby("cell").step.max()
    assert (last < rows.set_index("cell").steps_run).all()


def test_an_interrupted_history_is_taken_up_again(run, tmp_path: Path) -> None:
    run(tmp_path / "whole", LINE | RECORD, [RATE, BATCH])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", LINE | RECORD, [RATE, BATCH], observer=Stops(5))
    run(tmp_path / "cut", LINE | RECORD, [RATE, BATCH])
    for part in ("cells", "history"):
        assert content(tmp_path / "cut", part) == content(tmp_path / "whole", part)


def test_a_history_may_come_later_go_with_fresh_and_stay_unasked(run, tmp_path: Path) -> None:
    run(tmp_path / "whole", LINE | RECORD, [RATE, BATCH])
    run(tmp_path / "later", LINE, [RATE, BATCH])
    rows = content(tmp_path / "later")
    run(tmp_path / "later", LINE | RECORD, [RATE, BATCH])
    assert content(tmp_path / "later") == rows
    assert content(tmp_path / "later", "history") == content(tmp_path / "whole", "history")
    run(tmp_path / "later", LINE, [RATE, BATCH])
    assert Result(tmp_path / "later").manifest["history"]["updates"] == 12
    (tmp_path / "later" / "history" / "part-000001.parquet").write_bytes(b"PAR1 and then nothing")
    run(tmp_path / "later", LINE | RECORD, [RATE, BATCH])
    assert content(tmp_path / "later", "history") == content(tmp_path / "whole", "history")
    run(tmp_path / "later", LINE, [RATE, BATCH], fresh=True)
    assert not content(tmp_path / "later", "history")


def test_a_share_and_the_boundary_are_some_of_all(run, tmp_path: Path) -> None:
    tree, axes = SMALL_FRACTAL, FRACTAL_AXES
    whole = run(tmp_path / "all", tree | RECORD, axes)
    every = histories(tmp_path / "all").set_index(["cell", "step"])
    near = near_boundary(make_sweep(tree, axes).grid, whole.folder)
    for cells, expected in (
        ("boundary", np.flatnonzero(near)),
        (0.5, np.flatnonzero(np.random.default_rng(0).random(36) < 0.5)),
    ):
        run(tmp_path / str(cells), tree | {"record": {"history": 12, "history_cells": cells}}, axes)
        some = histories(tmp_path / str(cells)).set_index(["cell", "step"])
        assert set(expected) <= set(some.index.levels[0])
        pd.testing.assert_frame_equal(some, every.loc[some.index], check_exact=True)
        assert content(tmp_path / str(cells)) == content(tmp_path / "all")
    assert len(set(histories(tmp_path / "0.5").cell)) == len(expected)


def test_a_boundary_is_two_cells_wide_on_each_side(tmp_path: Path) -> None:
    outcome = np.full((8, 3), "converged", object)
    outcome[4:, 1] = "nan"
    axes = [
        {"key": "optimizer.learning_rate", "log": [1e-3, 1], "num": 8},
        {"key": "model.init", "values": ["zeros", "ones", "normal"]},
    ]
    folder = write_run(tmp_path, axes, {"outcome": outcome.reshape(-1)})
    near = near_boundary(make_sweep(LINE, axes).grid, folder).reshape(8, 3)
    assert np.flatnonzero(near[:, 1]).tolist() == [2, 3, 4, 5]
    assert not near[:, [0, 2]].any()  # names have no neighbours


def test_a_boundary_goes_by_the_size_of_values_wherever_they_stand(tmp_path: Path) -> None:
    rates = [0.001, 100.0, 0.01, 10.0, 0.1, 1.0]
    outcome = np.where(np.array(rates) < 0.5, "converged", "nan").astype(object)
    axes = [{"key": "optimizer.learning_rate", "values": rates}]
    folder = write_run(tmp_path, axes, {"outcome": outcome})
    near = near_boundary(make_sweep(LINE, axes).grid, folder)
    assert sorted(np.array(rates)[near].tolist()) == [0.01, 0.1, 1.0, 10.0]


class Recorded(Observer):
    """How many cells were trained once more for their histories, and how many rows were trained."""

    def __init__(self) -> None:
        self.again, self.rows = 0, 0

    def recording(self, total: int) -> None:
        self.again += total

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.rows += rows


MORE = RATE | {"values": [1e-5, *RATE["values"]]}


@pytest.mark.parametrize("cells", ["all", "boundary", 0.5])
def test_an_extended_run_keeps_its_histories(cells: str | float, run, tmp_path: Path) -> None:
    """Under their new numbers, beside those of the new cells, with the bytes of the same sweep run afresh."""
    told, tree = Recorded(), LINE | {"record": {"history": 12, "history_cells": cells}}
    axes = [
        BATCH,
        MORE | {"values": MORE["values"][::-1]},
    ]  # so that a new shard has cells of several old ones, backwards
    run(tmp_path / "run", LINE | RECORD, [RATE, BATCH])
    run(tmp_path / "run", tree, axes, extend=True, observer=told)
    run(tmp_path / "fresh", tree, axes)
    for part in ("cells", "history"):
        assert content(tmp_path / "run", part) == content(tmp_path / "fresh", part)
    wanted = set(histories(tmp_path / "fresh").cell)
    new = {cell for cell in wanted if cell % 5 == 4}
    assert (told.rows, told.again) == (2, 0 if cells == "all" else len(new))


def test_histories_that_a_run_lacks_are_made_when_it_grows(run, tmp_path: Path) -> None:
    run(tmp_path / "run", LINE | RECORD, [RATE, BATCH])
    (tmp_path / "run" / "history" / "part-000001.parquet").write_bytes(b"PAR1 and then nothing")
    run(tmp_path / "other", LINE | {"record": {"history": 9}}, [RATE, BATCH])
    some = run(tmp_path / "some", LINE | {"record": {"history": 12, "history_cells": 0.5}}, [RATE, BATCH])
    there = len(set(histories(some.path).cell))
    run(tmp_path / "fresh", LINE | RECORD, [MORE, BATCH])
    # Of a damaged shard, and of the new ones; of other updates all; of some cells the others.
    for name, again in (("run", 4 + 2), ("other", 10), ("some", 10 - there)):
        told = Recorded()
        run(tmp_path / name, LINE | RECORD, [MORE, BATCH], extend=True, observer=told)
        assert content(tmp_path / name, "history") == content(tmp_path / "fresh", "history")
        assert told.again == again


def test_an_extension_that_asks_for_no_histories_keeps_those_that_there_are(run, tmp_path: Path) -> None:
    run(tmp_path / "run", LINE | RECORD, [RATE, BATCH])
    run(tmp_path / "fresh", LINE | RECORD, [MORE, BATCH])
    told = Recorded()
    run(tmp_path / "run", LINE, [MORE, BATCH], extend=True, observer=told)
    every, kept = histories(tmp_path / "fresh"), histories(tmp_path / "run")
    pd.testing.assert_frame_equal(kept, every[every.cell >= 2].reset_index(drop=True), check_exact=True)
    assert told.again == 0
    assert Result(tmp_path / "run").manifest["history"]["cells"] == "kept"
    run(tmp_path / "run", LINE, [MORE, BATCH])
    assert len(histories(tmp_path / "run")) == len(kept)
    run(tmp_path / "run", LINE | RECORD, [MORE, BATCH])
    assert content(tmp_path / "run", "history") == content(tmp_path / "fresh", "history")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"record": {"history": 1}}, "record.history"),
        ({"record": {"history": 12, "history_cells": "some"}}, "record.history_cells"),
        ({"record": {"history": 12, "history_cells": 1.5}}, "record.history_cells"),
    ],
)
def test_what_is_no_history_is_told(settings: dict, told: str, run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told.replace(".", r"\.")):
        run(tmp_path, LINE | settings, [RATE])


def test_no_axis_goes_over_histories(run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record\.history: is one for the whole run"):
        run(tmp_path, LINE, [{"key": "record.history", "values": [10, 20]}])


def test_updates_are_even_in_the_logarithm() -> None:
    assert history_steps(1, 50).tolist() == [0]
    assert history_steps(3, 50).tolist() == [0, 1, 2]
    steps = history_steps(10**6, 50)
    assert (steps[0], steps[-1], len(steps)) == (0, 10**6 - 1, 48)
    assert RunFolder("x").history.path.name == "history"
