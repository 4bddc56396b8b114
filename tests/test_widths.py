"""How many cells train side by side, and what a sweep is said to cost: from counts alone."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.engine import tune
from nanmap.engine.estimate import estimate
from nanmap.engine.widths import flops_per_update, groups_per_call, lane_bytes, width_of
from nanmap.engine.xla_options import xla_options
from nanmap.plan import Plan, make_sweep, make_variant
from nanmap.training.program import Program


def program_of(features: int, hidden: tuple[int, ...], batch: int, n: int = 700, **tables: Any) -> Program:
    tree = {
        "data": {"kind": "gaussian", "n": n, "features": features, "validation_split": tables.pop("split", 0)},
        "model": {"hidden": list(hidden), "activation": "tanh"} | tables.get("model", {}),
        "training": {"steps": 1, "batch_size": batch} | tables.get("training", {}),
    }
    return make_variant(build_config(tree)).program


def test_work_and_memory_of_a_cell_are_those_counted_by_hand() -> None:
    program = program_of(3, (4, 2), 10, training={"dtype": "float64"})
    products = 6 * (3 * 4 + 4 * 2 + 2 * 1) - 2 * 3 * 4  # forward and twice backward; the inputs need no gradient
    parameters = (3 + 1) * 4 + (4 + 1) * 2 + (2 + 1) * 1
    activations = 10 * (4 + 2) + 6 * 1
    assert flops_per_update(program) == 10 * (products + activations) + 8 * parameters
    assert lane_bytes(program) == 8 * (3 * 10 * (4 + 2 + 1) + 4 * parameters)
    scales = 2 * (4 + 2)  # layer norm's scale and offset
    assert program_of(3, (4, 2), 10, model={"norm": "layer"}).model.parameters == parameters + scales
    assert program_of(3, (4, 2), 10, model={"norm": "rms", "bias": False}).model.parameters == 22 + scales // 2
    assert program_of(3, (4, 2), 10).model.hidden_units == 6


FLOAT16, BFLOAT16, FLOAT64 = ({"training": {"dtype": dtype}} for dtype in ("float16", "bfloat16", "float64"))
# Cells side by side, and groups per call, on a CPU and on a GPU. Another width is another result in the last digits.
WIDTHS: dict[str, tuple[tuple[int, tuple[int, ...], int], dict[str, Any], tuple[int, int, int, int]]] = {
    "a line, row by row": ((1, (), 1), {}, (256, 64, 65536, 4)),
    "a line, 64 rows": ((1, (), 64), {}, (64, 256, 65536, 4)),
    "a line, all rows": ((1, (), 999), {}, (4, 885, 32768, 8)),
    "a line, thousands of rows": ((1, (), 3000), {"n": 3000}, (1, 830, 8192, 32)),
    "a line in float16, which is no kernel": ((1, (), 16), FLOAT16, (128, 128, 65536, 4)),
    "a line in bfloat16": ((1, (), 16), BFLOAT16, (256, 64, 65536, 4)),
    "a thin network": ((1, (5,), 7), {}, (256, 64, 65536, 4)),
    "a thin network of many units": ((1, (128,), 100), {}, (8, 12, 2048, 20)),
    "several inputs, 16 rows": ((3, (), 16), {}, (128, 128, 65536, 4)),
    "several inputs, 64 rows": ((3, (), 64), {}, (32, 512, 65536, 4)),
    "several inputs, 65 rows": ((3, (), 65), {}, (256, 64, 65536, 4)),
    "several inputs, all rows": ((3, (), 999), {}, (64, 30, 32768, 8)),
    "hundreds of inputs": ((300, (), 16), {}, (128, 8, 65536, 1)),
    "units on the minor axis": ((3, (64,), 32), {}, (8, 51, 16384, 3)),
    "rows on the minor axis": ((3, (64,), 33), {}, (32, 12, 16384, 3)),
    "as many rows as units": ((3, (16,), 16), {}, (128, 24, 32768, 5)),
    "a batch of a few of the rows": ((3, (64,), 8), {}, (32, 46, 32768, 1)),
    "all rows in float64": ((3, (16, 16), 700), FLOAT64, (4, 4, 16384, 1)),
    "a large network": ((3, (400, 400), 700), {}, (4, 1, 64, 1)),
}


@pytest.mark.parametrize("case", WIDTHS)
def test_a_program_has_the_width_that_it_had_in_earlier_versions(case: str) -> None:
    shape, tables, expected = WIDTHS[case]
    program = program_of(*shape, **tables)
    found = [(width, groups_per_call(program, on, width)) for on in ("cpu", "gpu") for width in [width_of(program, on)]]
    assert (*found[0], *found[1]) == expected


SQUARE = {"data": {"kind": "square", "n": 20}, "training": {"steps": 10**8}}
RATES = {"key": "optimizer.learning_rate", "log": [1e-4, 1.0], "num": 1000}


def cost_of(tree: dict[str, Any], axes: list[dict[str, Any]], where: str | None = None) -> Any:
    engine = SimpleNamespace(devices=[0, 0], backend="cpu", width=lambda program: 8)
    return estimate(Plan(make_sweep(tree, axes, where=where)), engine)


def test_a_sweep_is_said_to_take_what_its_updates_take() -> None:
    # 125 groups of 8 cells on two devices, 10⁸ updates of half a microsecond each; twice that at worst.
    cost = cost_of(SQUARE, [RATES])
    assert (cost.shortest, cost.longest) == pytest.approx((0.35 * 3125, 2 * 3125), rel=1e-3)
    assert cost_of(SQUARE, [RATES | {"num": 1001}]).longest == pytest.approx(2 * 3150, rel=1e-3)


def test_memory_and_disk_are_told_of_the_cells_that_stay() -> None:
    cost = cost_of(SQUARE, [RATES | {"num": 50_000}], "learning_rate < 0.01")
    # Two devices: 2,048 groups of 8 cells, 4 · 2 numbers and their records each; and one group at work, 8 · 4 · (3 · 32 + 8) bytes.
    assert cost.memory_bytes == 2 * (2048 * 8 * (4 * 2 * 8 + 512) + 8 * 416)
    assert cost.disk_bytes == 30 * 25_000
    assert cost.details() == [
        "memory: about 18 MiB on the devices, whatever the size of the grid",
        "disk: about 732 KiB of Parquet",
        "program: 1–1, sgd, full batch, float32; 8 cells side by side",
    ]
    assert cost_of(SQUARE, [RATES]).details()[1] == "disk: about 128 KiB of Parquet"


@pytest.mark.parametrize(
    ("rates", "taken"),
    [
        ({4: 90.0, 8: 100.0, 16: 104.9}, 8),
        ({4: 90.0, 8: 100.0, 16: 105.1}, 16),
        ({4: 200.0, 8: 100.0, 16: 150.0}, 4),
        ({4: 10.0, 8: 100.0, 16: 20.0}, 8),
    ],
)
def test_a_width_is_taken_if_it_is_faster_than_the_usual_one_by_a_twentieth(
    rates: dict[int, float], taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(tune, "updates_per_second", lambda *each: asked.append(each) or rates)
    plan = Plan(make_sweep(SQUARE, [{"key": "training.batch_size", "values": [4, 1]}, RATES]))
    said: list[str] = []
    engine: Any = SimpleNamespace(width=lambda program: 8)
    found = tune.tune(plan, engine, "make", 3, said.append)
    assert list(found.values()) == [taken] * 2
    assert [(lanes.program, make, devices, widths) for lanes, make, devices, widths in asked] == [
        (program, "make", 3, [2, 4, 8, 16, 32]) for program in found
    ]
    measured = ", ".join(f"{width}: {rate:.0f}" for width, rate in rates.items())
    assert said[1] == f"1–1, sgd, batch 1, float32: {measured} updates/s by width, taking {taken}"


def test_widths_are_measured_on_whole_cells_of_a_short_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        """Stands for an engine: the narrow one takes a second per call, the wide one two; the first, which compiles, longer."""

        def __init__(self, seconds: float) -> None:
            self.seconds, self.calls = seconds, 0

        def train(self, batches: Any) -> Any:
            self.calls += 1
            trained.append(batches)
            now[0] += self.seconds * (1 if self.calls > 1 else 1000)
            return iter(())

    now, trained = [0.0], []
    monkeypatch.setattr(tune, "REPEATS", 1)
    monkeypatch.setattr(tune.time, "perf_counter", lambda: now[0])
    axes = [{"key": "training.steps", "values": [7, 10**9]}, {"key": "training.seed", "values": [3, 5]}]
    plan = Plan(make_sweep({"data": {"kind": "square", "n": 20}, "training": {"steps": 1}}, axes))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(4)))
    rates = tune.updates_per_second(lanes, lambda widths: Clock(next(iter(widths.values())) / 8), 3, [8, 16])
    assert len(trained) == 2 * 2
    (sample, *others) = trained[0]
    assert len(others) == 2, "a batch for each device"
    assert len(sample) == 2 * 16, "two groups of the widest"
    assert sample.seed.tolist() == lanes.seed.tolist() * 8
    # As many updates as make 2 · 10⁹ operations: 32 · 10 + 8 · 2 each, and 300 for each of the 2 numbers beside them.
    long = int(2e9 / ((336 + 300 * 2) * 32))
    assert sorted({sample.variants[each].steps for each in sample.variant}) == [7, long]
    assert rates == {8: 3 * 16 * (7 + long) / 1, 16: 3 * 16 * (7 + long) / 2}


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_gpu_is_told_to_give_the_same_bits_in_every_run(backend: str) -> None:
    told = xla_options(program_of(3, (4,), 8), backend)
    assert told.get("xla_gpu_deterministic_ops") is (True if backend == "gpu" else None)
    assert told.get("xla_gpu_autotune_level") == (0 if backend == "gpu" else None)


@pytest.mark.parametrize("norm", ["none", "rms", "layer", "batch"])
@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_only_sums_of_an_rms_norm_are_kept_from_the_library_of_a_cpu(norm: str, backend: str) -> None:
    told = xla_options(program_of(3, (4,), 8, model={"norm": norm}), backend)
    assert ("xla_cpu_experimental_ynn_fusion_type" in told) == (norm == "rms" and backend == "cpu")
