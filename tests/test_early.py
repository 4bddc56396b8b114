"""Cells that end early: rows do not tell whether time was spent on them afterwards; stops on request freeze a cell."""

import jax
import numpy as np
import pyarrow as pa
import pytest

from nanmap.config import build_config
from nanmap.engine import LocalEngine, compaction, local
from nanmap.engine.groups import Advance
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep, make_variant
from nanmap.results.columns import COLUMNS
from nanmap.training.program import Program
from nanmap.training.records import _unless_stopped, stop_holds
from nanmap.training.state import NEVER, Assessment, Events, Lane, Losses, State

NET = {
    "data": {"kind": "gaussian", "n": 40, "features": 2, "validation_split": 0.1},
    "model": {"hidden": [6], "activation": "tanh"},
    "optimizer": {"kind": "sgd", "momentum": 0.5},
    "training": {"steps": 300, "batch_size": 8},
}
LINE = {"data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5}, "training": {"steps": 400}}
RATES = [{"key": "optimizer.learning_rate", "log": [1e-3, 1e38], "num": 150}, {"key": "training.seed", "range": [0, 2]}]


def columns_with(tree: dict, axes: list[dict], width: int, **options: object) -> dict[str, np.ndarray]:
    plan = Plan(make_sweep(tree, axes))
    programs = {variant.program for variant in plan.variants()}
    engine = LocalEngine(widths=dict.fromkeys(programs, width), **options)
    found: dict[str, np.ndarray] = {}
    batches = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    for batch, index, facts in engine.train(batches):
        lanes = batches[batch]
        for name, values in facts.items():
            found.setdefault(name, np.zeros(plan.grid.size, values.dtype))[lanes.position[index]] = values
    return found


@pytest.mark.parametrize("tree", [NET, LINE], ids=["net", "line"])
def test_rows_are_those_of_running_every_cell_to_its_end(tree: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "PAUSE_FLOPS", 0)
    early, whole = (columns_with(tree, RATES, 64, stop_early=early) for early in (True, False))
    assert (early["first_nan_step"] > early["first_inf_step"]).any(), "a NaN after an infinity should be among them"
    assert len(np.unique(early["first_nan_step"])) > 10, "cells should leave at every pause"
    for name in whole:
        np.testing.assert_array_equal(early[name], whole[name], err_msg=name, strict=True)


def test_what_only_fills_a_group_ends_at_its_first_update() -> None:
    plan = Plan(make_sweep(NET, [{"key": "optimizer.learning_rate", "values": [1e-3, 1e-2, 1e-1]}]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(3)))
    call = compaction.assemble(lanes, [np.arange(3)], 8, 2, lambda budget: Advance(0, budget), fresh=True)
    rates = np.asarray(call.groups.lanes.learning_rates)
    np.testing.assert_array_equal(rates[0, :3, 0], np.float32([1e-3, 1e-2, 1e-1]))
    assert np.isnan(rates[0, 3:]).all()
    assert np.isnan(rates[1]).all()


def test_pauses_save_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def counted(*arguments: object, **named: object) -> object:
        ran.append(len(arguments[1]))  # type: ignore[arg-type]
        return assemble(*arguments, **named)  # type: ignore[arg-type]

    assemble = compaction.assemble
    monkeypatch.setattr(compaction, "PAUSE_FLOPS", 0)
    monkeypatch.setattr(compaction, "assemble", counted)
    columns_with(NET, RATES[:1], 64)
    assert len(ran) == 1 + len(compaction.PAUSES)
    assert ran == sorted(ran, reverse=True)
    assert ran[-1] < ran[0], "groups should become fewer"


def rows_of(grid, tree: dict, rates: list[float], **training: object) -> list[dict]:
    tree = tree | {"training": tree["training"] | training}
    table: pa.Table = grid(tree, [{"key": "optimizer.learning_rate", "values": rates}])
    return table.to_pylist()


def test_a_cell_above_a_multiple_of_its_start_stops_and_stays(grid) -> None:
    growing, fine = rows_of(grid, LINE, [0.03, 0.001], stop_above=100.0)
    loss = [growing["loss_initial"]]
    for steps in range(1, 20):
        (row,) = rows_of(grid, LINE, [0.03], steps=steps)
        loss.append(row["loss_final"])
    expected = next(step for step, each in enumerate(loss) if each > 100 * loss[0])
    assert growing["stopped_step"] == growing["steps_run"] == expected
    assert growing["loss_final"] == pytest.approx(loss[expected], rel=1e-6)
    assert (growing["outcome"], growing["first_nan_step"], growing["measure"]) == ("diverged", None, None)
    assert fine["stopped_step"] is None
    assert fine["steps_run"] == 400


def test_a_converged_cell_stops(grid) -> None:
    (row,) = rows_of(grid, LINE, [0.005], stop_converged=True)
    (without,) = rows_of(grid, LINE, [0.005])
    assert row["outcome"] == without["outcome"] == "converged"
    assert 0 < row["steps_run"] == row["stopped_step"] < 400
    assert without["loss_final"] < row["loss_final"] <= 0.05 * row["loss_initial"]
    (before,) = rows_of(grid, LINE, [0.005], steps=row["stopped_step"] - 1)
    assert before["outcome"] != "converged", "it stops as soon as it has converged"


STOPS = {  # setting, loss of the batch, of all rows, at the start, what is enough: whether it ends the training
    "above": ("stop_above", 1.0, 100.5, 1.0, 0.0, True),
    "at the multiple": ("stop_above", 1.0, 100.0, 1.0, 0.0, False),
    "one batch above": ("stop_above", 1e6, 1.0, 1.0, 0.0, False),
    "one batch below": ("stop_above", 1.0, 1e6, 1.0, 0.0, True),
    "above a perfect start": ("stop_above", 1.0, 1e-30, 0.0, 0.0, True),
    "infinite": ("stop_above", np.inf, np.inf, 1.0, 0.0, True),
    "infinite from the start": ("stop_above", np.inf, np.inf, np.inf, 0.0, False),
    "below what is enough": ("stop_converged", 9.0, 2.5, 5.0, 2.75, True),
    "at what is enough": ("stop_converged", 9.0, 2.75, 5.0, 2.75, True),
    "above what is enough": ("stop_converged", 2.0, 2.875, 5.0, 2.75, False),
    "a start that is enough": ("stop_converged", 1.0, 1.0, 1.0, 2.0, True),
    "no reference": ("stop_converged", 0.0, 0.0, 1.0, np.nan, False),
    "converged from infinity": ("stop_converged", 1.0, 1.0, np.inf, 2.0, True),
    "an infinite loss": ("stop_converged", np.inf, np.inf, np.inf, 2.0, False),
}


@pytest.mark.parametrize("case", STOPS)
def test_a_stop_is_judged_by_the_loss_of_all_rows(case: str) -> None:
    setting, loss, watched, initial, enough, stops = STOPS[case]
    value = {"stop_above": 100.0, "stop_converged": True}[setting]
    tree = LINE | {"training": LINE["training"] | {setting: value}}
    program = make_variant(build_config(tree)).program
    lane = Lane({"stop_above": np.float32(100), "enough": np.float32(enough)}, np.ones(1))
    before = State(
        parameters=[{"kernel": np.float32(1)}],
        model_state=[{}],
        optimizer=(),
        events=Events(*map(np.int32, (NEVER, NEVER, NEVER, NEVER, 0))),
        losses=Losses(*np.zeros(len(Losses._fields), np.float32)),
        marks=np.full((1, len(Assessment._fields)), initial, np.float32),
    )
    after = before._replace(parameters=[{"kernel": np.float32(2)}])
    stop = stop_holds(program, lane, before, np.float32(watched))
    ended = _unless_stopped(before, after, np.float32(loss), stop, np.int32(7))
    assert ended.events.stopped == (7 if stops else NEVER)
    assert ended.parameters[0]["kernel"] == (1 if stops else 2)
    assert ended.events.first_inf == (7 if np.isinf(loss) else NEVER)


@pytest.mark.parametrize("setting", [{"stop_above": 100.0}, {"stop_converged": True}], ids=["above", "converged"])
def test_a_cell_that_starts_at_infinity_is_not_stopped(setting: dict, grid) -> None:
    (row,) = rows_of(grid, LINE | {"model": {"init": "ones", "init_scale": 1e30}}, [0.0], **setting)
    assert (row["loss_initial"], row["stopped_step"], row["steps_run"]) == (np.inf, None, 400)
    assert (row["outcome"], row["cause"]) == ("inf", "start_not_finite")


def test_an_infinite_loss_that_stops_a_cell_is_an_event(grid) -> None:
    (row,) = rows_of(grid, LINE, [1e30], stop_above=1e6)
    assert row["outcome"] == "inf"
    assert row["first_inf_step"] == row["stopped_step"] == 1
    assert row["first_nan_step"] is None


def test_run_and_sweep_stop_alike(grid, train) -> None:
    tree = LINE | {"training": {"steps": 400, "stop_above": 100.0}, "optimizer": {"learning_rate": 0.03}}
    (row,) = grid(tree, []).to_pylist()
    report = train(tree)
    assert len(report.epochs) == row["stopped_step"]
    for name in ("loss_final", "stopped_step", "steps_run", "loss_best"):
        assert report.row[name] == row[name]
    assert str(report.outcome) == row["outcome"]


def test_stopping_when_converged_needs_the_full_loss() -> None:
    tree = NET | {"training": NET["training"] | {"stop_converged": True}}
    with pytest.raises(InputError, match=r"(?s)training\.stop_converged: .*full_loss = true"):
        list(Plan(make_sweep(tree, [])).variants())


class Cramped:
    """Stands for a device that has no room for more than some cells per call."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, run: object) -> object:
        def call(compiled, made, states):
            if compiled.width * compiled.capacity > self.room:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1099511627776 bytes.")
            return run(compiled, made, states)  # type: ignore[operator]

        return call


def test_without_room_fewer_groups_go_at_a_time_and_no_row_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "groups_per_call", lambda *shape: 4)
    whole = columns_with(NET, RATES, 16)
    monkeypatch.setattr(local, "_run", Cramped(40)(local._run))
    said: list[str] = []
    cramped = columns_with(NET, RATES, 16, notify=said.append)
    assert said
    assert all("out of memory" in sentence and "last digits" not in sentence for sentence in said)
    for each in COLUMNS:
        if each.name in whole:
            np.testing.assert_array_equal(cramped[each.name], whole[each.name], err_msg=each.name)


def test_the_width_gives_way_last_and_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "groups_per_call", lambda *shape: 4)
    narrow = columns_with(NET, RATES, 16)
    monkeypatch.setattr(local, "groups_per_call", lambda *shape: 2)
    monkeypatch.setattr(local, "_run", Cramped(16)(local._run))
    said: list[str] = []
    plan = Plan(make_sweep(NET, RATES))
    program = plan.variant(0).program
    engine = LocalEngine(jax.devices()[:1], {program: 32}, notify=said.append)
    cells = {}
    batches = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
    for batch, index, facts in engine.train(batches):
        lanes = batches[batch]
        cells.update(zip(lanes.position[index].tolist(), facts["loss_final"].tolist(), strict=True))
    assert engine.narrowed == {program: (32, 16)}
    assert "last digits" in said[-1]
    np.testing.assert_array_equal([cells[cell] for cell in range(plan.grid.size)], narrow["loss_final"])


def test_programs_that_are_done_leave_a_full_device_first(monkeypatch: pytest.MonkeyPatch) -> None:
    run, resident = local._run, []

    def call(compiled, made, states):
        resident.append({key[0] for key in engine._programs})
        if len(resident[-1]) > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
        return run(compiled, made, states)

    monkeypatch.setattr(local, "_run", call)
    said: list[str] = []
    engine = LocalEngine(devices=jax.devices()[:1], notify=said.append)
    plan = Plan(make_sweep(LINE, [{"key": "training.batch_size", "values": [32, 7]}]))
    assert sum(len(index) for _, index, _ in engine.train(plan.lanes(plan.grid.cells(np.arange(2))))) == 2
    assert [len(programs) for programs in resident] == [1, 2, 1]
    assert not said
    assert not engine.narrowed


def test_other_failures_are_not_taken_for_a_lack_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(local, "_run", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        columns_with(NET, RATES[1:], 8)


def test_who_listens_to_a_run_hears_nothing_of_the_next() -> None:
    said: list[str] = []
    heard: list[str] = []
    engine = LocalEngine(notify=said.append)
    engine.begin({}, heard.append)
    engine._told("of this run")
    engine.begin({})
    engine._told("of the next")
    assert (heard, said) == (["of this run"], ["of the next"])


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        ("RESOURCE_EXHAUSTED: 1 byte", True),
        ("Out of memory allocating 1 byte", True),
        ("INTERNAL: CUDA_ERROR: out of memory", True),
        ("INTERNAL: something else", False),
    ],
)
def test_a_lack_of_room_is_known_by_what_devices_say(error: str, lacks: bool) -> None:
    assert local.is_out_of_memory(RuntimeError(error)) == lacks


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> tuple[LocalEngine, Program, list[str]]:
    """An engine of one device with eight groups of 16 cells per call, its program, and what it says."""
    said: list[str] = []
    monkeypatch.setattr(local, "groups_per_call", lambda *shape: 8)
    program = make_variant(build_config(NET)).program
    return LocalEngine(jax.devices()[:1], {program: 16}, notify=said.append), program, said


def test_a_host_without_room_is_a_device_without_room(full, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, program, said = full
    tried: list[tuple[int, int]] = []

    def attempt(device: int, job: compaction.Job) -> str:
        tried.append(engine._shape(program))
        if len(tried) < 7:
            raise MemoryError
        return "done"

    monkeypatch.setattr(engine, "_attempt", attempt)
    (lanes,) = Plan(make_sweep(NET, [])).lanes(Plan(make_sweep(NET, [])).grid.cells(np.arange(1)))
    job = compaction.Job(0, lanes, np.arange(1))
    assert engine._work(0, job) == "done"
    assert tried == [(16, 8), (16, 4), (16, 2), (16, 1), (8, 1), (4, 1), (2, 1)]
    assert engine.narrowed == {program: (16, 2)}
    assert said[0] == "out of memory: going on with 4 × 16 cells per call instead of 8 × 16"
    narrower = "; the narrower groups change last digits"
    assert said[3] == f"out of memory: going on with 1 × 8 cells per call instead of 1 × 16{narrower}"
    engine.narrowed[program], engine._groups[program] = (16, 1), 2
    monkeypatch.setattr(engine, "_attempt", lambda device, job: (_ for _ in ()).throw(MemoryError("a cell alone")))
    with pytest.raises(MemoryError, match="a cell alone"):
        engine._work(0, job)
    assert said[-1] == "out of memory: going on with 1 × 1 cells per call instead of 2 × 1"


def test_what_another_device_gave_up_already_is_not_given_up_twice(full) -> None:
    engine, program, said = full
    for _ in range(2):
        engine._take_less(0, program, (16, 8))
    assert (engine._shape(program), len(said)) == ((16, 4), 1)


def test_a_device_that_is_full_gives_up_programs_of_its_own_alone(full) -> None:
    engine, program, said = full
    other = make_variant(build_config(LINE)).program
    engine._programs = dict.fromkeys([(program, 0), (other, 0), (other, 1)])
    engine._take_less(0, program, (16, 8))
    assert (list(engine._programs), said) == ([(program, 0), (other, 1)], [])


def test_a_width_is_what_room_allowed_else_what_was_chosen_else_what_was_pinned() -> None:
    program = make_variant(build_config(NET)).program
    engine = LocalEngine()
    usual = engine.width(program)
    engine.begin({program: 3})
    assert engine.width(program) == 3 != usual
    engine.widths = {program: 5}
    assert engine.width(program) == 5
    engine.narrowed[program] = 5, 2
    assert engine.width(program) == 2
    engine.begin({})
    assert engine.width(program) == 5
    engine.widths = {}
    assert engine.width(program) == usual


@pytest.mark.parametrize(("steps", "jobs"), [(10, [12]), (10**8, [4, 4, 4])])
def test_long_work_is_shared_among_the_devices(steps: int, jobs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine([jax.devices()[0]] * 3, backend="cpu")
    monkeypatch.setattr(local, "width_of", lambda program, backend: 2)
    axes = [{"key": "training.steps", "values": [1, steps]}, {"key": "training.seed", "range": [0, 6]}]
    plan = Plan(make_sweep(LINE | {"training": {"steps": 1}}, axes))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(12)))
    assert [len(job.cells) for job in engine._jobs(0, lanes)] == jobs


PAUSED: dict[str, tuple[int, list[int], int]] = {  # width, budgets, how many stretches
    "wide and long": (32, [10**6], 4),
    "narrow": (16, [10**6], 1),
    "short": (32, [2], 1),
    "one of them is short": (32, [10**6, 2], 1),
}


@pytest.mark.parametrize("case", PAUSED)
def test_wide_groups_of_long_trainings_pause(case: str) -> None:
    width, budgets, count = PAUSED[case]
    plan = Plan(make_sweep(NET, [{"key": "training.steps", "values": budgets}]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(len(budgets))))
    job = compaction.Job(0, lanes, np.arange(len(budgets)))
    parts = [part(10**6) for part in compaction._parts(lanes.program, width, job, early=True, looks=False)]
    assert len(parts) == count
    assert (parts[0].start, parts[-1].stop) == (0, 10**6)
    assert all(each.start < each.stop for each in parts)
