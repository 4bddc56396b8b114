"""Axes, cells and programs: forms and names of axes, numbering, zip, overrides, and a plan that never holds the grid."""

import tracemalloc
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanmap.config import Config, build_config
from nanmap.data import affine_floor, load_rows
from nanmap.errors import InputError
from nanmap.grid.axes import AxisSpec
from nanmap.plan import Plan, Sweep, load_sweep, make_sweep
from nanmap.plan.sweep_file import MapSpec
from nanmap.plan.variant import make_variant

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
RATE = "optimizer.learning_rate"


def axis(key: str, *values: Any) -> dict[str, Any]:
    return {"key": key, "values": list(values)}


def rows(sweep: Sweep) -> list[tuple]:
    cells = sweep.grid.kept(0, sweep.grid.size)
    return list(zip(*(column.tolist() for column in cells.columns().values()), strict=True))


@pytest.mark.parametrize(
    ("table", "labels"),
    [
        ({"values": [0.1, 1]}, [0.1, 1.0]),
        ({"log": [1e-3, 10.0], "num": 5}, [1e-3, 1e-2, 1e-1, 1.0, 10.0]),
        ({"log": [-1, -100], "num": 3}, [-1.0, -10.0, -100.0]),
        ({"linear": [0, 1], "num": 5}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"linear": [1, -1], "num": 3}, [1.0, 0.0, -1.0]),
        ({"log": [0.3, 7], "num": 1}, [0.3]),
    ],
)
def test_forms_of_a_numeric_axis(table: dict, labels: list[float]) -> None:
    (made,) = make_sweep(TREE, [{"key": RATE} | table]).grid.axes
    np.testing.assert_allclose(made.labels, labels, rtol=1e-14, atol=1e-16)
    assert made.labels.dtype == np.float64
    assert [next(iter(each.values())) for each in made.settings] == made.labels.tolist()


def test_ends_of_a_log_axis_are_exact() -> None:
    ends = [number / 10 for number in range(1, 60)]
    assert sum(10 ** np.log10(end) != end for end in ends) > 9, "powers of logarithms would do"
    for low, high in pairwise(ends):
        points = AxisSpec(key=RATE, log=(low, high), num=3).points
        assert (points[0], points[-1]) == (low, high)


@pytest.mark.parametrize(("span", "values"), [([1, 4], [1, 2, 3]), ([2, 11, 3], [2, 5, 8]), ([3, 0, -1], [3, 2, 1])])
def test_a_range_excludes_its_end(span: list[int], values: list[int]) -> None:
    (made,) = make_sweep(TREE, [{"key": "training.batch_size", "range": span}]).grid.axes
    assert made.labels.tolist() == values
    assert made.labels.dtype == np.int64


def test_cells_are_numbered_row_major_in_file_order() -> None:
    sweep = make_sweep(
        TREE, [axis("model.init", "zeros", "ones"), axis("training.batch_size", 3, 1, 2), axis(RATE, 0.5, 0.1)]
    )
    assert sweep.grid.size == 12
    assert rows(sweep) == [(i, b, r) for i in ("zeros", "ones") for b in (3, 1, 2) for r in (0.5, 0.1)]


def test_columns_are_called_by_the_last_part_of_their_key() -> None:
    axes = [
        axis("optimizer.kind", "sgd", "adam"), axis("data.seed", 0, 1), axis("training.seed", 0, 1), axis("model.hidden", [2], [2, 3]),
        axis("optimizer.layer_learning_rates.0", 0.1), axis("optimizer.layer_learning_rates.1", 0.1), axis("model.bias", True, False),
        {"name": "fix", "choices": {"none": {}, "decay": {"optimizer.schedule": "inverse_time", "optimizer.decay": 0.1}}},
    ]  # fmt: skip
    tree = TREE | {"model": {"hidden": [2]}, "optimizer": {"layer_learning_rates": [0.1, 0.1]}}
    sweep = make_sweep(tree, axes, where="hidden == '2'")
    assert [each.column for each in sweep.grid.axes] == [
        "optimizer", "data_seed", "training_seed", "hidden", "learning_rate_0", "learning_rate_1", "bias", "fix",
    ]  # fmt: skip
    kinds = {each.column: each.labels.dtype.kind for each in sweep.grid.axes}
    assert kinds == {
        "optimizer": "O",
        "data_seed": "i",
        "training_seed": "i",
        "hidden": "O",
        "learning_rate_0": "f",
        "learning_rate_1": "f",
        "bias": "b",
        "fix": "O",
    }
    assert sweep.grid.axes[3].labels.tolist() == ["2", "2-3"]


def test_an_axis_may_have_a_name_of_its_own_and_its_key_where_two_collide() -> None:
    seeds = [axis("data.seed", 1) | {"name": "seed"}, axis("training.seed", 1), axis(RATE, 0.1) | {"name": "rate"}]
    assert [each.column for each in make_sweep(TREE, seeds).grid.axes] == ["data_seed", "training_seed", "rate"]
    (made,) = make_sweep(TREE, [axis("record.sharpness", True, "start", False) | {"name": "λ"}]).grid.axes
    assert made.labels.tolist() == ["true", "start", "false"]


def test_what_an_axis_gives_to_each_key_is_all_of_it() -> None:
    choices = {"a": {RATE: 0.5, "data.n": 3}, "b": {}, "c": {RATE: 0.1}}
    assert AxisSpec(name="fix", choices=choices).by_key() == {RATE: [0.5, 0.1], "data.n": [3]}


@pytest.mark.parametrize(
    ("table", "scale"),
    [
        ({"log": [1.0, 4.0], "num": 3}, "log"),
        ({"linear": [1.0, 4.0], "num": 3}, "linear"),
        ({"range": [1, 4]}, "linear"),
        ({"values": [1, 4]}, "values"),
    ],
)
def test_an_axis_is_drawn_on_the_scale_of_its_form(table: dict, scale: str) -> None:
    (made,) = make_sweep(TREE, [{"key": "optimizer.learning_rate"} | table]).grid.axes
    assert made.scale == scale


def test_grids_beyond_two_to_the_31_are_counted() -> None:
    keys = (RATE, "model.init_scale", "model.gain")
    grid = make_sweep(TREE, [{"key": key, "linear": [1.0, 2.0], "num": 2000} for key in keys]).grid
    assert grid.size == 8_000_000_000
    last = grid.cells(np.array([grid.size - 1])).columns()
    assert [values.tolist() for values in last.values()] == [[2.0]] * 3
    assert AxisSpec(key=RATE, log=(1.0, 2.0), num=10_000_000).num == 10_000_000


def test_zipped_axes_are_walked_together() -> None:
    axes = [axis("data.n", 10, 20), axis("training.batch_size", 1, 2, 3), axis(RATE, 0.1, 0.2)]
    sweep = make_sweep(TREE, axes, zip=[["n", "learning_rate"]])
    assert sweep.grid.shape == (2, 3)
    found = sweep.grid.cells(np.arange(6)).columns()
    assert list(
        zip(found["n"].tolist(), found["learning_rate"].tolist(), found["batch_size"].tolist(), strict=True)
    ) == [(n, rate, batch) for n, rate in ((10, 0.1), (20, 0.2)) for batch in (1, 2, 3)]


def test_choices_set_several_things_at_once() -> None:
    choices = {"few": {"training.steps": 7}, "many": {"training.epochs": 3, RATE: 0.5}}
    plan = Plan(make_sweep(TREE, [{"name": "budget", "choices": choices}]))
    few, many = plan.variants()
    assert (few.steps, many.steps) == (7, 3)
    assert many.config.optimizer.learning_rate == 0.5
    assert few.config.training.epochs is None


@pytest.mark.parametrize(
    ("axes", "options", "words"),
    [
        ([{"key": RATE}], {}, ["axes.learning_rate", "values", "log"]),
        ([axis(RATE)], {}, ["has no values"]),
        ([axis("optimizer.learning_rat", 1)], {}, ["optimizer.learning_rat", "did you mean `optimizer.learning_rate`"]),
        ([axis("training.accuracy", 1)], {}, ["training.accuracy", "no such setting", "reported by itself"]),
        ([axis("record.sharpness", True, "start")], {}, ["axes.sharpness", "two columns"]),
        ([axis("training.batch_size", 1, 0)], {}, ["training.batch_size", "0"]),
        ([axis("model.init", "zeros", "glorott_normal")], {}, ["model.init", "did you mean `glorot_normal`"]),
        ([axis(RATE, 0.1, "fast")], {}, ["learning_rate", "'fast'"]),
        ([axis("optimizer.layer_learning_rates.0", "fast")], {}, ["layer_learning_rates.0", "'fast'"]),
        ([axis(RATE, 1, 1.0)], {}, ["twice", "got [1.0, 1.0]"]),
        ([axis("training.seed", *range(20), 0)], {}, ["axes.seed", f"twice (got {list(range(20))})"]),
        ([{"values": [1]}], {}, ["axes, item 1"]),
        ([{"name": "rate", "values": [1]}], {}, ["axes.rate", "either a key and its values"]),
        ([{"key": RATE, "name": "rate", "choices": {"a": {}}}], {}, ["axes.rate", "either a key and its values"]),
        ([{"key": RATE, "linear": [0.1, 1.0]}], {}, ["num"]),
        ([{"key": RATE, "log": [0.1, 1.0], "num": 10_000_001}], {}, ["num", "10000001"]),
        ([{"key": RATE, "log": [-1.0, 0.0], "num": 3}], {}, ["log axis"]),
        ([{"key": "data.n", "range": [5]}], {}, ["range", "[start, stop]"]),
        ([{"key": "data.n", "range": [5, 9, 2, 1]}], {}, ["range", "[start, stop]"]),
        ([{"key": "data.n", "range": [5, 9, 0]}], {}, ["range", "step of 0"]),
        ([{"key": "data.n", "range": [5, 5]}], {}, ["has no values"]),
        ([{"name": "fix", "choices": 3}], {}, ["axes.fix.choices", "expects a table"]),
        ([{"name": "cell", "choices": {"a": {}}}], {}, ["axes.cell", "two columns"]),
        ([{"name": "fix", "choices": {"a": {}}}] * 2, {}, ["axes.fix", "two columns"]),
        ([{"key": RATE, "log": [0.0, 1.0], "num": 3}], {}, ["log axis", "positive"]),
        ([{"key": RATE, "log": [-1.0, 1.0], "num": 3}], {}, ["log axis"]),
        ([{"key": RATE, "log": [0.1, 1.0]}], {}, ["num"]),
        ([{"key": RATE, "values": [1], "num": 3}], {}, ["num"]),
        ([{"key": RATE, "log": [0.1, 1.0], "num": 0}], {}, ["num"]),
        ([{"key": RATE, "valeus": [1]}], {}, ["valeus", "did you mean `values`?"]),
        ([{"key": RATE, "values": [1], "log": [1.0, 2.0], "num": 2}], {}, ["one of", "has values and log"]),
        ([{"choices": {"a": {}}}], {}, ["name"]),
        ([axis(RATE, 1), axis(RATE, 2)], {}, ["learning_rate"]),
        ([axis(RATE, 1), {"name": "fix", "choices": {"a": {RATE: 2}}}], {}, [RATE, "'fix'"]),
        ([{"name": "outcome", "choices": {"a": {RATE: 2}}}], {}, ["axes.outcome"]),
        (
            [axis(RATE, 1, 2), axis("data.n", 5)],
            {"zip": [["learning_rate", "n"]]},
            ["zip", "same number", "{'learning_rate': 2, 'n': 1}"],
        ),
        ([axis(RATE, 1, 2)], {"zip": [["learning_rat"]]}, ["zip", "did you mean `learning_rate`?"]),
        ([axis(RATE, 1, 2)], {"zip": [["learning_rate"], ["learning_rate"]]}, ["zip", "named twice"]),
        ([], {"where": "n > 1"}, ["where", "names no axis"]),
        ([axis(RATE, 1, 2)], {"where": "learning_rat > 1"}, ["where", "did you mean `learning_rate`?"]),
    ],
)
def test_an_impossible_axis_is_refused_before_anything_runs(axes: list, options: dict, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make_sweep(TREE, axes, **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_combination_that_cannot_be_is_told_with_a_way_out() -> None:
    plan = Plan(make_sweep(TREE, [axis("model.hidden", [], [3]), axis("model.norm", "none", "layer")], name="s"))
    with pytest.raises(InputError) as error:
        list(plan.variants())
    assert "model.norm" in str(error.value)
    kept = Plan(
        make_sweep(
            TREE,
            [axis("model.hidden", [], [3]), axis("model.norm", "none", "layer")],
            where="hidden != 'none' or norm == 'none'",
        )
    )
    assert len(list(kept.variants())) == 3


def test_a_bundle_that_leaves_a_number_out_leaves_it_to_the_config() -> None:
    choices = {"slow": {RATE: 0.001}, "as it is": {}, "heavy": {RATE: 0.1, "optimizer.momentum": 0.9}}
    plan = Plan(make_sweep(TREE, [{"name": "fix", "choices": choices}]))
    assert [each.config.optimizer.learning_rate for each in plan.variants()] == [0.001, 0.01, 0.1]
    momenta = Plan(make_sweep(TREE, [axis("optimizer.momentum", None, 0.9)]))
    assert [each.config.optimizer.momentum for each in momenta.variants()] == [None, 0.9]


def test_a_format_that_one_choice_alone_sets_is_the_config_s_in_the_others() -> None:
    choices = {"fine": {"training.dtype": "float64"}, "short": {"training.batch_size": 4}}
    epsilon = axis("optimizer.eps", 1e-3, 1e-40)  # which is 0 in float32, and a program of its own there
    tree = TREE | {"optimizer": {"kind": "adam"}}
    plan = Plan(make_sweep(tree, [{"name": "fix", "choices": choices}, epsilon]))
    assert [each.config.training.dtype for each in plan.variants()] == ["float64"] * 2 + ["float32"] * 2
    fine = Plan(
        make_sweep(
            tree | {"training": {"epochs": 5, "dtype": "float64"}}, [{"name": "fix", "choices": choices}, epsilon]
        )
    )
    assert fine.variant_count == 2


def test_seeds_of_63_bits_and_rates_per_layer_reach_their_lanes() -> None:
    tree = TREE | {"model": {"hidden": [2]}, "optimizer": {"layer_learning_rates": [0.25, 0.5]}}
    seeds, rates = axis("training.seed", 2**62 + 1, 3), axis("optimizer.layer_learning_rates.1", 1.0, 0.1)
    plan = Plan(make_sweep(tree, [seeds, rates]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(4)))
    assert lanes.seed.tolist() == [2**62 + 1, 2**62 + 1, 3, 3]
    assert lanes.learning_rates.tolist() == [[0.25, 1.0], [0.25, 0.1]] * 2
    assert lanes.starts(np.array([3, 0]))["seeds"].tolist() == [3, 2**62 + 1]


def test_the_floor_of_a_cell_is_that_of_its_rows_and_its_delta() -> None:
    tree = TREE | {"data": {"kind": "square", "n": 5}, "loss": {"kind": "huber"}}
    plan = Plan(make_sweep(tree, [axis("data.n", 5, 9, 6), axis("loss.delta", 2.0, 0.5)]))
    found = np.zeros(6)
    for lanes in plan.lanes(plan.grid.cells(np.arange(6))):
        found[lanes.position] = lanes.numbers["floor"]
    rows = [load_rows(build_config(tree, {"data.n": n})) for n in (5, 9, 6)]
    assert found.tolist() == [affine_floor(each, "huber", delta) for each in rows for delta in (2.0, 0.5)]
    assert len(set(found)) == 6
    for floor in (0, 7.5):
        given = Plan(make_sweep(tree | {"outcome": {"floor": floor}}, []))
        assert given.lanes(given.grid.cells(np.arange(1)))[0].numbers["floor"].tolist() == [floor]


@pytest.mark.parametrize(
    ("batch", "training", "steps"),
    [(8, {"epochs": 5}, (3, 15)), (10, {"epochs": 5}, (2, 10)), (32, {"epochs": 5}, (1, 5)), (8, {"steps": 7}, (3, 7))],
)
def test_a_budget_counts_the_short_last_batch(batch: int, training: dict, steps: tuple[int, int]) -> None:
    variant = Plan(make_sweep(TREE | {"training": training | {"batch_size": batch}}, [])).variant(0)
    assert (variant.steps_per_epoch, variant.steps) == steps


def test_a_budget_is_told_that_an_int32_cannot_count() -> None:
    def plan(**training: int) -> Plan:
        return Plan(make_sweep(TREE | {"training": training}, []))

    assert plan(steps=2**31 - 1).variant(0).steps == 2**31 - 1
    with pytest.raises(InputError, match=r"training\.epochs: .*\(got '2,147,483,648 updates'\)"):
        plan(epochs=2**30, batch_size=10).variant(0)


@pytest.mark.parametrize(("key", "value"), [("training.stop_above", 3.0), ("training.stop_converged", True)])
def test_stopping_needs_the_loss_over_all_rows(key: str, value: object) -> None:
    settings = {"training.batch_size": 4, key: value}
    with pytest.raises(InputError, match=f"{key}: needs the loss over all rows .*\\(got {value}\\)"):
        make_variant(build_config(TREE, settings))
    assert make_variant(build_config(TREE, settings | {"record.full_loss": True})).program.stops


def test_an_impossible_combination_names_what_it_arises_with(tmp_path: Path) -> None:
    axes = [axis("model.hidden", [], [3]), axis("training.seed", 1), axis("optimizer.layer_learning_rates", [0.1])]
    with pytest.raises(InputError) as error:
        list(Plan(make_sweep(TREE, axes, file=tmp_path / "s.toml")).variants())
    assert "it arises with {'model.hidden': [3], 'optimizer.layer_learning_rates': [0.1]}" in error.value.mend
    assert "exclude it with `where`" in error.value.mend
    assert error.value.file == tmp_path / "s.toml"
    with pytest.raises(InputError) as error:
        list(Plan(make_sweep(TREE, [axis("model.norm", "none", "layer")])).variants())
    assert "it arises" not in error.value.mend  # what mends it is known


def test_a_condition_that_excludes_every_cell_is_told(tmp_path: Path) -> None:
    plan = Plan(make_sweep(TREE, [axis(RATE, 0.1)], where="learning_rate > 1", file=tmp_path / "s.toml"))
    with pytest.raises(InputError, match=r"s\.toml: where: excludes every cell \(got 'learning_rate > 1'\)"):
        plan.variants()


def test_ten_million_cells_cost_nothing_to_plan_and_to_decode() -> None:
    keys = (RATE, "model.init_scale", "optimizer.momentum")
    axes = [{"key": key, "log": [1e-6, 1.0], "num": 216} for key in keys]
    tracemalloc.start()
    plan = Plan(make_sweep(TREE, axes))
    assert plan.grid.size == 216**3 > 10_000_000
    (lanes,) = plan.lanes(plan.grid.cells(np.array([0, 216, 216**3 - 1])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # bytes; one byte per cell would be 10 million
    labels = plan.grid.axes[0].labels
    np.testing.assert_array_equal(lanes.learning_rates[:, 0], labels[[0, 0, 215]])
    np.testing.assert_array_equal(lanes.numbers["init_scale"], labels[[0, 1, 215]])
    np.testing.assert_array_equal(lanes.numbers["momentum"], labels[[0, 0, 215]])


def test_programs_of_a_mixed_grid_share_cells_by_their_settings() -> None:
    plan = Plan(
        make_sweep(TREE, [axis("training.batch_size", 1, 32), axis(RATE, 0.1, 0.2), axis("training.seed", 1, 2)])
    )
    batches = plan.lanes(plan.grid.cells(np.array([7, 0, 5, 2])))
    by_batch = {lanes.program.batch: lanes for lanes in batches}
    assert by_batch[1].position.tolist() == [1, 3]
    assert by_batch[1].learning_rates.ravel().tolist() == [0.1, 0.2]
    full = by_batch[32]
    assert full.position.tolist() == [0, 2]
    assert full.learning_rates.ravel().tolist() == [0.2, 0.1]
    assert full.seed.tolist() == [2, 2]


CONFIG = '[data]\nkind = "line"\nn = 20\n[training]\nepochs = 5\n'
SWEEP = """
config = "../configs/c.toml"
where = "learning_rate > 0.01"
[[axes]]
key = "optimizer.learning_rate"
log = [0.001, 1.0]
num = 4
[record]
full_loss = true
"""
MAP = '[[maps]]\nfile = "map.png"\nx = "learning_rate"\ny = "learning_rate"\n'


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    for folder, text in (("configs/c.toml", CONFIG), ("sweeps/s.toml", SWEEP)):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        (tmp_path / folder).write_text(text)
    return tmp_path / "sweeps" / "s.toml"


def test_a_sweep_file_is_a_config_and_its_axes(sweep_file: Path) -> None:
    sweep = load_sweep(sweep_file)
    assert (sweep.name, sweep.grid.size, sweep.tree["data"]["n"]) == ("s", 4, 20)
    assert sweep.tree["record"] == {"full_loss": True}
    assert rows(sweep) == [(pytest.approx(0.1),), (1.0,)]


def test_overrides_change_axes_and_settings(sweep_file: Path) -> None:
    sweep = load_sweep(sweep_file, ["axes.learning_rate.num=7", "data.n=9", "axes.learning_rate.log=[0.01, 1]"])
    assert sweep.grid.size == 7
    assert sweep.grid.axes[0].labels[0] == 0.01
    assert sweep.tree["data"]["n"] == 9
    for form in ("values=[1, 2]", "range=[1, 3]", "linear=[1, 2]"):  # the ends of the last keep a `num` of 2
        num = ["axes.learning_rate.num=2"] if "linear" in form else []
        (made,) = load_sweep(sweep_file, [*num, f"axes.optimizer.learning_rate.{form}"]).grid.axes
        assert made.labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("axes.momentum.num=3", ["axes.momentum", "learning_rate"]),
        ("axes.learning_rate.number=3", ["number", "did you mean `num`?"]),
        ("data.m=3", ["data.m"]),
        ("training.batch_size=0", ["s.toml: training.batch_size"]),
        ("axes.num=3", ["--set axes.num", "expects axes.AXIS.FIELD", "got 3"]),
        ("axes=[]", ["axes", "in the file alone", "as in axes.learning_rate.num=64"]),
        ("axes.learnin_rate.num=3", ["axes.learnin_rate", "did you mean `learning_rate`?"]),
        ("maps=[]", ["maps", "in the file alone"]),
    ],
)
def test_a_wrong_override_is_refused(override: str, words: list[str], sweep_file: Path) -> None:
    with pytest.raises(InputError) as error:
        load_sweep(sweep_file, [override])
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SWEEP.replace("[[axes]]", "[[axis]]"), ["axis", "did you mean `axes`?"]),
        (
            SWEEP.replace("c.toml", "cc.toml"),
            ["s.toml: config: names no file (got '../configs/cc.toml')", "did you mean `c.toml`?"],
        ),
        (SWEEP.replace("true", '"yes"'), ["s.toml: record.full_loss", "true or false"]),
        (SWEEP + MAP.replace("map.png", "map.gif"), ["maps, item 1, file"]),
        (SWEEP + MAP.replace("map.png", "map.png.txt"), ["maps, item 1, file"]),
        (SWEEP + MAP + MAP.replace('x = "learning_rate"', 'x = "rate"'), ["maps, item 2: names no axis (got 'rate')"]),
        (
            SWEEP + MAP.replace('y = "learning_rate"', 'y = "learning_rat"'),
            ["maps, item 1", "did you mean `learning_rate`?"],
        ),
        (SWEEP + MAP + 'facet = ["n"]\n', ["maps, item 1: names no axis (got 'n')"]),
        (SWEEP + MAP + "select = { n = 3 }\n", ["maps, item 1: names no axis (got 'n')"]),
        (
            SWEEP + MAP + 'value = "convergd"\n',
            ["maps, item 1: can be drawn by no such value", "did you mean `converged`?"],
        ),
        (SWEEP.replace('config = "../configs/c.toml"\n', ""), ["config", "is missing"]),
        (CONFIG, ["this is a config", "nanmap run"]),
        (SWEEP.replace("num = 4", 'num = "4"'), ["num"]),
        (SWEEP + MAP + MAP.replace('x = "learning_rate"', ""), ["maps, item 2, x: is missing", "add `x = …`"]),
        (
            SWEEP + MAP + 'facets = ["n"]',
            ["maps, item 1, facets", "did you mean `facet`?", "allowed: file, kind, x, y, facet"],
        ),
    ],
)
def test_a_wrong_sweep_file_is_refused_by_name(text: str, words: list[str], sweep_file: Path) -> None:
    sweep_file.write_text(text)
    with pytest.raises(InputError) as error:
        load_sweep(sweep_file)
    assert all(word in str(error.value) for word in (*words, "s.toml")), str(error.value)


WHOLE = SWEEP.replace("num = 4", 'num = 4\n[[axes]]\nkey = "data.n"\nrange = [5, 9]\nname = "rows"') + MAP


def test_everything_that_a_sweep_file_says_is_in_the_sweep(sweep_file: Path) -> None:
    sweep_file.write_text(
        'title = "Rates"\nzip = [["rows", "learning_rate"]]\n' + WHOLE + MAP.replace("png", "pdf") + 'value = "nan"\n'
    )
    sweep = load_sweep(sweep_file)
    assert (sweep.title, sweep.zip, sweep.where) == ("Rates", (("rows", "learning_rate"),), "learning_rate > 0.01")
    assert [(each.file, each.value) for each in sweep.maps] == [("map.png", None), ("map.pdf", "nan")]
    assert sweep.grid.shape == (4,)
    told = sweep.describe()
    assert told == {
        "name": "s",
        "title": "Rates",
        "config": {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}, "record": {"full_loss": True}},
        "axes": sweep.axes,
        "zip": [["rows", "learning_rate"]],
        "where": "learning_rate > 0.01",
    }
    assert [table["key"] for table in sweep.axes] == [RATE, "data.n"]


def test_overrides_reach_the_sweeps_own_keys_its_named_axes_and_what_it_records(sweep_file: Path) -> None:
    sweep_file.write_text(WHOLE)
    sweep = load_sweep(sweep_file, ["where=rows > 7", "axes.rows.range=[6, 10]", "record.full_loss=false", "title=T"])
    assert (sweep.title, len(rows(sweep)), sweep.tree["record"]) == ("T", 8, {"full_loss": False})
    assert sorted({row[1] for row in rows(sweep)}) == [8, 9]
    whole = load_sweep(sweep_file, ["where="])
    assert (whole.where, len(rows(whole))) == (None, 16)


def test_files_that_a_config_or_an_axis_names_are_found_beside_the_config(sweep_file: Path) -> None:
    configs = sweep_file.parents[1] / "configs"
    (configs / "c.toml").write_text(CONFIG.replace('"line"\nn = 20', '"csv"\ntarget = "y"\npath = "rows.csv"'))
    axes = '[[axes]]\nkey = "data.path"\nvalues = ["a.csv", "b.csv"]\n[[axes]]\nname = "start"\n'
    axes += '[axes.choices]\none = { "model.init" = "file", "model.init_file" = "w.npz" }\ntwo = {}\n'
    sweep_file.write_text('config = "../configs/c.toml"\n' + axes)
    sweep = load_sweep(sweep_file)
    assert sweep.tree["data"]["path"] == str(configs / "rows.csv")
    paths, starts = sweep.grid.axes
    assert [each["data.path"] for each in paths.settings] == [str(configs / "a.csv"), str(configs / "b.csv")]
    assert starts.settings[0]["model.init_file"] == str(configs / "w.npz")
    with pytest.raises(InputError, match=r"data\.path: expects a text \(got 3\)"):
        load_sweep(sweep_file, ["axes.data.path.values=[3]"])
    sweep_file.write_text('config = "../configs/c.toml"\n[[axes]]\nkey = "model.init_file"\nvalues = ["w.npz"]\n')
    assert load_sweep(sweep_file).axes[0]["values"] == [str(configs / "w.npz")]
    sweep_file.write_text('config = "../configs/c.toml"\n[[axes]]\nkey = "data.path"\nvalues = 3\n')
    with pytest.raises(InputError, match=r"values: expects a list \(got 3\)"):
        load_sweep(sweep_file)
    sweep_file.write_text('config = "../configs/c.toml"\n' + axes.replace('"b.csv"', "4"))
    with pytest.raises(InputError, match=r"data\.path: expects a text \(got 4\)"):
        load_sweep(sweep_file)


def test_a_config_that_cannot_be_read_is_named_and_not_the_sweep(sweep_file: Path) -> None:
    config = sweep_file.parents[1] / "configs" / "c.toml"
    config.write_text("[data\n")
    with pytest.raises(InputError, match=r"c\.toml: not valid TOML"):
        load_sweep(sweep_file)
    config.write_text(CONFIG.replace("20", '"x"'))
    with pytest.raises(InputError, match=r"c\.toml: data\.n: expects a whole number"):
        load_sweep(sweep_file, ["training.epochs=4"])
    config.write_text('config = "d.toml"\n')
    with pytest.raises(InputError, match=r"s\.toml: config: names a sweep, not a config"):
        load_sweep(sweep_file)


def test_values_are_validated_each_against_its_own_field(sweep_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wholes, axes = [], []
    whole, spec = Config.model_validate, AxisSpec.model_validate
    monkeypatch.setattr(Config, "model_validate", lambda tree: wholes.append(tree) or whole(tree))
    monkeypatch.setattr(AxisSpec, "model_validate", lambda table: axes.append(table) or spec(table))
    sweep = load_sweep(sweep_file, ["axes.learning_rate.num=1000"])
    assert sweep.grid.size == 1000
    assert len(wholes) == 2  # the config as it stands, and with the first value of every axis
    assert len(axes) == 1


def test_a_wrong_config_is_told_whatever_the_axes_vary() -> None:
    tree = TREE | {"model": {"init": "glorot"}}
    for axes in ([], [axis(RATE, 0.1)]):
        with pytest.raises(InputError, match=r"model\.init"):
            make_sweep(tree, axes)
    assert make_sweep(tree, [axis("model.init", "zeros", "ones")]).grid.size == 2


@pytest.mark.parametrize("value", [2**63, 10**400])
def test_numbers_beyond_the_machine_are_told_or_drawn_as_floats(value: int) -> None:
    with pytest.raises(InputError, match=r"training\.seed: must be less than"):
        make_sweep(TREE, [axis("training.seed", 1, value)])
    if value == 2**63:
        assert make_sweep(TREE, [axis(RATE, value)]).grid.axes[0].labels.tolist() == [2.0**63]


def test_the_ends_of_a_log_axis_may_be_tiny() -> None:
    assert make_sweep(TREE, [{"key": RATE, "log": [1e-200, 1e-190], "num": 2}]).grid.axes[0].labels[0] == 1e-200


def test_an_axis_that_layer_rates_would_replace_is_refused() -> None:
    tree = TREE | {"model": {"hidden": [2]}, "optimizer": {"layer_learning_rates": [0.1, 0.2]}}
    with pytest.raises(InputError, match="set twice"):
        make_sweep(tree, [axis(RATE, 0.5)])


def test_axes_of_whole_numbers_hold_whole_numbers_once_each() -> None:
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 1e3}}
    axes = [
        {"key": "training.batch_size", "log": [1, 8], "num": 7},
        {"key": "training.seed", "values": [1e3, 2, 7.0]},
        {"key": "data.n", "linear": [2, 4], "num": 3},
    ]
    sweep = make_sweep(tree, axes)
    assert [axis.labels.tolist() for axis in sweep.grid.axes] == [[1, 2, 3, 4, 6, 8], [1000, 2, 7], [2, 3, 4]]
    assert all(axis.labels.dtype == np.int64 for axis in sweep.grid.axes)
    assert next(iter(Plan(sweep).variants())).config.training.epochs == 1000
    with pytest.raises(InputError, match="expects a whole number"):
        make_sweep(tree, [{"key": "training.batch_size", "values": [1.5]}])


def test_a_swept_setting_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 3\n')
    axes = '[[axes]]\nkey = "training.batch_size"\nvalues = [1, 2]\n'
    axes += '[[axes]]\nname = "scaling"\n[axes.choices]\nas_it_is = {}\nraw = {"data.scale_inputs" = "none"}\n'
    (tmp_path / "s.toml").write_text(f'config = "c.toml"\n{axes}')
    with pytest.raises(InputError, match="the axis `batch_size` goes over it") as told:
        load_sweep(tmp_path / "s.toml", ["training.batch_size=4"])
    assert told.value.mend == "change the axis: --set 'axes.batch_size.values=[4]'"
    with pytest.raises(InputError, match="choices of the axis `scaling` set it"):
        load_sweep(tmp_path / "s.toml", ["data.scale_inputs=standard"])
    assert load_sweep(tmp_path / "s.toml", ["axes.batch_size.values=[4]"]).grid.size == 2
    (tmp_path / "s.toml").write_text(f'config = "c.toml"\n{axes}'.replace("values", 'name = "batch"\nvalues'))
    with pytest.raises(InputError, match="the axis `batch` goes over it") as told:
        load_sweep(tmp_path / "s.toml", ["training.batch_size=4"])
    assert told.value.mend == "change the axis: --set 'axes.batch.values=[4]'"


def test_a_sweep_made_anew_keeps_all_that_is_not_asked_to_change() -> None:
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
    axes = [
        {"key": "optimizer.learning_rate", "log": [0.01, 1], "num": 3},
        {"key": "optimizer.momentum", "values": [0.0, 0.5, 0.9]},
    ]
    maps = (MapSpec(file="map.png", x="learning_rate", y="momentum"),)
    beside = {"title": "T", "zip": (("learning_rate", "momentum"),), "where": "momentum < 0.9", "maps": maps}
    sweep = make_sweep(tree, axes, name="both", file=Path("both.toml"), refining={"num": 9}, **beside)
    other_axes, other_tree = (
        [axes[0], {**axes[1], "values": [0.1, 0.2, 0.3]}],
        {**tree, "data": {**tree["data"], "n": 7}},
    )
    for made, changed in ((sweep.with_axes(other_axes), {"axes"}), (sweep.with_config(other_tree), {"tree"})):
        for name in {each.name for each in fields(sweep)} - {"grid"}:
            assert (getattr(made, name) == getattr(sweep, name)) == (name not in changed), name
    assert sweep.with_axes(other_axes).grid.axes[1].labels.tolist() == [0.1, 0.2, 0.3]
