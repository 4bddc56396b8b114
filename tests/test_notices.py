"""What is told before a run although it is allowed: idle settings, numbers lost in rounding, batches of one row."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from nanmap.config.choices import OUTPUT_RANGES, DtypeKind, names
from nanmap.config.formats import FORMATS, rounds_to_one, rounds_to_zero
from nanmap.config.keys import known_keys
from nanmap.config.losses import LOSSES, LossEntry
from nanmap.config.optimizers import OPTIMIZERS, OptimizerEntry
from nanmap.config.settings import ModelSettings
from nanmap.models.mlp import MLP
from nanmap.models.mlp.forward import ACTIVATIONS
from nanmap.plan import Plan, make_sweep, notices
from nanmap.plan.no_effect import ACTS
from nanmap.plan.precision import resolves
from nanmap.plan.reach import beyond_reach

LINE = {"kind": "line", "n": 40}
NET = {"hidden": [3]}


def said(axes: list | None = None, **tables: Any) -> str:
    tree = {"data": LINE, "training": {"epochs": 1, "batch_size": 8}} | tables
    return "\n".join(notices(Plan(make_sweep(tree, axes or []))))


# Per setting: tables in which it does nothing, words of the reason, and what gives it an effect.
IDLE: dict[str, tuple[dict, str, dict]] = {
    "model.activation": ({"model": {"activation": "tanh"}}, "no hidden layer", {"model": {"activation": "tanh"} | NET}),
    "model.gain": ({"model": {"gain": 2.0}}, "no hidden layer", {"model": {"gain": 2.0} | NET}),
    "model.bias_init": (
        {"model": {"bias_init": "ones", "bias": False}}, "no biases", {"model": {"bias_init": "ones"}}),
    "model.init_scale": (
        {"model": {"init": "zeros", "init_scale": 2.0}, "training": {"epochs": 1, "batch_size": 8}},
        "stay zeros", {"model": {"init": "ones", "init_scale": 2.0}}),
    "loss.delta": ({"loss": {"delta": 2.0}}, "`mse`", {"loss": {"kind": "huber", "delta": 2.0}}),
    "optimizer.learning_rate": (
        {"optimizer": {"learning_rate": 0.1, "layer_learning_rates": [0.1]}}, "layer_learning_rates",
        {"optimizer": {"learning_rate": 0.1}}),
    **{
        f"optimizer.{name}": ({"optimizer": {name: 0.5}}, "`sgd`", {"optimizer": {name: 0.5, "kind": kind}})
        for name, kind in (("b1", "adam"), ("b2", "lion"), ("eps", "adagrad"), ("rho", "rmsprop"))
    },
    "optimizer.decay": (
        {"optimizer": {"decay": 0.1}}, "`constant`", {"optimizer": {"decay": 0.1, "schedule": "inverse_time"}}),
    "training.order": (
        {"training": {"epochs": 1, "batch_size": 40, "order": "shuffle"}}, "all rows",
        {"training": {"epochs": 1, "batch_size": 8, "order": "shuffle"}}),
    "training.seed": (
        {"model": {"init": "ones"}, "training": {"epochs": 1, "batch_size": 40, "seed": 1}}, "nothing is drawn",
        {"model": {"init": "ones", "bias_init": "normal"}, "training": {"epochs": 1, "batch_size": 40, "seed": 1}}),
    "data.slope": ({"data": {"kind": "square", "n": 40, "slope": 2.0}}, "`square`", {"data": LINE | {"slope": 2.0}}),
    "data.features": ({"data": LINE | {"features": 2}}, "`line`", {"data": {"kind": "gaussian", "n": 40, "features": 2}}),
    "data.inputs": ({"data": {"kind": "gaussian", "n": 40, "inputs": "normal"}}, "`gaussian`", {"data": LINE | {"inputs": "range"}}),
    "data.start": ({"data": LINE | {"inputs": "normal", "start": 1.0}}, "`normal`", {"data": LINE | {"start": 1.0}}),
    "data.stop": (
        {"data": LINE | {"inputs": "normal", "stop": 9.0}}, "`normal`", {"data": LINE | {"inputs": "linspace", "stop": 9.0}}),
    "data.step": ({"data": LINE | {"inputs": "normal", "step": 2.0}}, "`normal`", {"data": LINE | {"step": 2.0}}),
    "data.seed": ({"data": LINE | {"seed": 1}}, "no row is drawn", {"data": LINE | {"seed": 1, "inputs": "normal"}}),
    **{
        f"data.{name}": ({"data": LINE | {name: value}}, "`line`", {})
        for name, value in {"path": "x.csv", "sha256": "0f", "target": "y", "columns": ["a"], "categorical": "codes", "missing": "drop"}.items()
    },
}  # fmt: skip
FILE_ONLY = ("data.n", "data.scale_targets", "data.categories")  # need a file to be idle; below


@pytest.mark.parametrize("key", IDLE)
def test_a_setting_without_effect_is_named_with_its_value_and_the_reason(key: str) -> None:
    idle, why, acting = IDLE[key]
    table, name = key.split(".")
    (line,) = [line for line in said(**idle).splitlines() if line.startswith(f"{key} = ")]
    value = idle[table][name]
    shown = f"{value:g}" if isinstance(value, float) else value
    assert line.startswith(f"{key} = {shown} has no effect: ")
    assert why in line
    assert key not in said(**acting)


def test_the_table_of_effects_is_tested_whole_and_names_settings_that_exist() -> None:
    others = {key for key in (*IDLE, *FILE_ONLY) if not key.startswith("model.")}
    assert others == set(ACTS) <= set(known_keys())


def test_what_an_mlp_says_of_its_settings_is_tested_whole_and_it_reads_them_all() -> None:
    settings = ModelSettings(bias=False, init="zeros")
    mlp = MLP.of(settings, 1, 1)
    idle = {f"model.{name}" for name in ModelSettings.model_fields if mlp.why_idle(name, settings)}
    assert idle == {key for key in IDLE if key.startswith("model.")}
    refused = {"arguments", "numbers", "rewrite", "undo", "class_axis"}  # by the config
    assert {"kind", *refused, *mlp.reads} == set(ModelSettings.model_fields)


def test_a_new_optimizer_or_loss_acts_as_its_entry_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIMIZERS, "mine", OptimizerEntry("Mine", ("b1", "b2", "eps")))
    monkeypatch.setitem(LOSSES, "mine", LossEntry(reads=("delta",)))
    mine = SimpleNamespace(kind="mine")
    variant: Any = SimpleNamespace(config=SimpleNamespace(optimizer=mine, loss=mine))
    acting = ("optimizer.b1", "optimizer.b2", "optimizer.eps", "loss.delta")
    assert all(ACTS[key][0](variant) for key in acting)
    assert not ACTS["optimizer.rho"][0](variant)


def test_an_axis_without_effect_is_told_and_one_that_acts_somewhere_is_not() -> None:
    axis = {"key": "optimizer.b1", "values": [0.5, 0.9]}
    assert "optimizer.b1 = 0.5, 0.9 has no effect: `sgd` has no such number" in said([axis])
    assert said([axis, {"key": "optimizer.kind", "values": ["sgd", "adam"]}]) == ""


FULL = {"epochs": 1, "batch_size": 40, "seed": 1}
# What acts, though something like it does not: nothing is told of it.
ACTING: dict[str, dict[str, Any]] = {
    "training.seed draws the order": {
        "model": {"init": "ones"},
        "training": {"epochs": 1, "batch_size": 8, "seed": 1},
    },
    "training.seed draws the rows of each batch": {
        "model": {"init": "ones"},
        "training": {"epochs": 1, "batch_size": 8, "seed": 1, "order": "replacement"},
    },
    "training.seed draws the start": {"model": {"init": "normal"}, "training": FULL},
    "optimizer.decay of the exponential": {"optimizer": {"decay": 0.1, "schedule": "exponential"}},
    "data.start of linspace": {"data": LINE | {"inputs": "linspace", "start": 1.0, "stop": 9.0}},
    "data.n of noise": {"data": {"kind": "gaussian", "n": 40, "seed": 1}},
    "data.slope of a line": {"data": LINE | {"slope": 0.0}},
    "a rate of zero": {"optimizer": {"learning_rate": 0.0}},
    "a batch of all rows": {"training": {"epochs": 1, "batch_size": 40}},
    "averages that the rule does not keep": {"training": {"epochs": 1, "batch_size": 8, "dtype": "bfloat16"}},
    "weight decay of Lion": {"optimizer": {"kind": "lion", "weight_decay": 0.1, "b1": 0.9, "b2": 0.99}},
}


@pytest.mark.parametrize("case", ACTING)
def test_what_acts_is_not_told(case: str) -> None:
    assert said(**ACTING[case]) == ""


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"loss": {"delta": 2.0}}, "loss.delta = 2 has no effect: `mse` has no threshold; `huber` has"),
        ({"optimizer": {"rho": 0.5}}, "optimizer.rho = 0.5 has no effect: `sgd` has no such number; `rmsprop` has"),
        ({"optimizer": {"b1": 0.5}}, "optimizer.b1 = 0.5 has no effect: `sgd` has no such number"),
        (
            {"optimizer": {"decay": 0.12345, "schedule": "cosine"}},
            "optimizer.decay = 0.1235 has no effect: the schedule `cosine` has no decay; `inverse_time` and "
            "`exponential` have",
        ),
        (
            {"data": {"kind": "gaussian", "n": 40, "start": 1.0}},
            "data.start = 1 has no effect: `range` inputs of `gaussian` data have no such setting",
        ),
        (
            {"data": LINE | {"inputs": "linspace", "stop": 9.0, "step": 2.0}},
            "data.step = 2 has no effect: `linspace` inputs of `line` data have no such setting",
        ),
    ],
)
def test_the_reason_names_what_has_no_such_setting_and_what_has(tables: dict, line: str) -> None:
    assert said(**tables) == line


def test_values_of_an_axis_are_told_once_each_and_at_most_four() -> None:
    def told(*values: float) -> str:
        choices = {f"{number}": {"optimizer.b1": value} for number, value in enumerate(values)}
        return said([{"name": "fix", "choices": choices | {"none": {}}}]).partition(" has no effect")[0]

    assert told(0.5, 0.9, 0.5) == "optimizer.b1 = 0.5, 0.9"
    assert told(0.1, 0.2, 0.3, 0.4) == "optimizer.b1 = 0.1, 0.2, 0.3, 0.4"
    assert told(0.1, 0.2, 0.3, 0.4, 0.5) == "optimizer.b1 = 0.1, 0.2, 0.3, 0.4, …"


@pytest.mark.parametrize(
    ("key", "values", "tables", "why"),
    [
        ("optimizer.kind", ["sgd", "rmsprop"], {"optimizer": {"b1": 0.5}}, "`sgd, rmsprop` has no such number"),
        ("loss.kind", ["mse", "mae"], {"loss": {"delta": 2.0}}, "`mse, mae` has no threshold"),
        ("data.kind", ["line", "square"], {"data": LINE | {"features": 2}}, "`line, square` data has no such"),
        ("data.inputs", ["normal", "range"], {"data": LINE | {"path": "x.csv"}}, "`line` data has no such"),
        (
            "optimizer.schedule",
            ["constant", "cosine"],
            {"optimizer": {"decay": 0.1}},
            "schedule `constant, cosine` has",
        ),
        (
            "data.inputs",
            ["normal", "linspace"],
            {"data": LINE | {"stop": 9.0, "step": 2.0}},
            "`normal, linspace` inputs",
        ),
    ],
)
def test_of_several_that_have_no_such_setting_each_is_named_once(
    key: str, values: list, tables: dict, why: str
) -> None:
    scalings = {"key": "data.scale_inputs", "values": ["none", "standard"]}
    (line,) = said([{"key": key, "values": values}, scalings], **tables).splitlines()
    assert f" has no effect: {'the ' * (key == 'optimizer.schedule')}{why}" in line


def test_a_reason_of_several_networks_is_told_once() -> None:
    scalings = {"key": "data.scale_inputs", "values": ["none", "standard"]}
    assert said([scalings], model={"activation": "tanh"}).count("no hidden layer") == 1


def test_an_axis_of_one_value_is_told_too() -> None:
    assert said([{"key": "optimizer.b1", "values": [0.5]}]).startswith("optimizer.b1 = 0.5 has no effect")


def test_rows_that_are_spaced_are_not_drawn() -> None:
    spaced = LINE | {"inputs": "linspace", "stop": 9.0, "seed": 1}
    assert said(data=spaced).startswith("data.seed = 1 has no effect: no row is drawn at random")


def test_negative_numbers_that_are_no_rates_are_no_ascent() -> None:
    momenta = {"key": "optimizer.momentum", "values": [-0.5, 0.5]}
    assert said([momenta], optimizer={"learning_rate": 0.1}) == ""
    assert "ascent" in said([momenta], optimizer={"learning_rate": -0.1})


def test_a_setting_of_networks_that_one_of_them_reads_is_not_told() -> None:
    hidden = {"key": "model.hidden", "values": [[], [3]]}
    assert said([hidden], model={"activation": "tanh"}) == ""
    assert "model.activation = tanh has no effect" in said(model={"activation": "tanh"})


def test_settings_of_tables_are_told_of_arrays_and_act_on_tables(npz, tmp_path: Path) -> None:
    import pandas as pd

    common = {"missing": "drop", "columns": ["a"], "target": "y", "categorical": "codes", "categories": ["a"]}
    arrays = said(data={"kind": "npz", "path": npz(x=np.ones((40, 1)), y=np.ones(40))} | common)
    idle = [line.partition(" = ")[0] for line in arrays.splitlines()]
    assert idle == ["data.target", "data.columns", "data.categorical", "data.categories"]
    pd.DataFrame({"a": np.arange(40.0), "y": np.arange(40.0)}).to_parquet(tmp_path / "rows.parquet")
    assert said(data={"kind": "parquet", "path": str(tmp_path / "rows.parquet")} | common) == ""


def test_a_start_from_a_file_draws_nothing(npz) -> None:
    model = {"init": "file", "init_file": npz(**{"layers.0.kernel": np.ones((1, 1)), "layers.0.bias": np.zeros(1)})}
    assert "training.seed = 1 has no effect: nothing is drawn" in said(model=model, training=FULL)


def test_the_smallest_batch_that_is_larger_than_the_rows_is_told() -> None:
    batches = {"key": "training.batch_size", "values": [8, 64, 50]}
    assert said([batches]) == "batch size 50 is larger than the 40 training rows: full batch, as in Keras"


@pytest.mark.parametrize(
    ("rates", "axes", "told"),
    [
        ({"learning_rate": -0.1}, {"optimizer.learning_rate": [0.1, 0.2]}, False),
        ({"learning_rate": 0.1}, {"optimizer.learning_rate": [0.0, 0.1]}, False),
        ({"learning_rate": 0.1}, {"optimizer.learning_rate": [-0.1, -0.2]}, True),
        ({"learning_rate": 0.1}, {"optimizer.learning_rate": [0.1, -0.1]}, True),
        ({"layer_learning_rates": [-0.1, 0.1]}, {"optimizer.layer_learning_rates.1": [0.1]}, True),
        ({"layer_learning_rates": [0.1, 0.1]}, {"optimizer.layer_learning_rates.1": [0.1, -0.1]}, True),
        ({"layer_learning_rates": [0.1, 0.1]}, {"optimizer.layer_learning_rates.1": [0.1, 0.2]}, False),
        ({"layer_learning_rates": [0.1, -0.1]}, {}, True),
    ],
)
def test_ascent_is_told_of_the_rates_that_cells_have(rates: dict, axes: dict, told: bool) -> None:
    tables = [{"key": key, "values": values} for key, values in axes.items()]
    found = said(tables, optimizer=rates, model=NET if "layer_learning_rates" in rates else {})
    assert found == ("a negative learning rate is gradient ascent: it climbs the loss" if told else "")


def test_defaults_that_nobody_wrote_are_not_told() -> None:
    assert said() == ""


def test_settings_of_files_are_told_where_classes_or_files_make_them_idle(npz) -> None:
    path = npz(x=np.ones((40, 1)), y=np.arange(40) % 2)
    data = {"kind": "npz", "path": path, "target_kind": "class", "scale_targets": "standard", "n": 3}
    told = said(data=data, loss={"kind": "sigmoid_cross_entropy"})
    assert "data.scale_targets = standard has no effect: classes are encoded as 0 and 1" in told
    assert "data.n = 3 has no effect: `npz` data has no such setting" in told


@pytest.mark.parametrize("dtype", names(DtypeKind))
def test_formats_are_those_of_ieee_754_and_of_bfloat16(dtype: str) -> None:
    info, kind = ml_dtypes.finfo(dtype), np.dtype(dtype).type
    largest, normal, smallest, below_one = FORMATS[dtype]
    assert largest == float(info.max)
    assert normal == float(info.tiny)
    assert smallest == float(info.smallest_subnormal)
    assert kind(below_one) < 1 == kind((3 + below_one) / 4)
    for value in (smallest * 0.49, smallest * 0.5, smallest * 0.51):
        assert rounds_to_zero(value, dtype) == (value > 0 and float(kind(value)) == 0)
    for value in (below_one, *(1 - (1 - below_one) * share for share in (0.51, 0.5, 0.49))):
        assert rounds_to_one(value, dtype) == (value < 1 and float(kind(value)) == 1)


ADAM = {"kind": "adam"}


@pytest.mark.parametrize(
    ("dtype", "optimizer", "words"),
    [
        ("float16", ADAM | {"eps": 1e-8}, ["optimizer.eps = 1e-08 is 0 in float16", "6e-08", "NaN", "eps = 1e-04"]),
        ("float16", ADAM, ["optimizer.eps = 1e-07 is below 6.1e-05", "steps become huge", "eps = 1e-04"]),
        ("float16", {"kind": "rmsprop", "eps": 1e-9}, ["optimizer.eps = 1e-09 is 0"]),
        ("float16", ADAM | {"eps": 1e-4}, []),
        ("float16", ADAM | {"eps": 2.0**-14}, []),  # the smallest that is held with all digits
        ("bfloat16", ADAM | {"b2": 0.99}, []),
        ("bfloat16", ADAM, ["optimizer.b2 = 0.999 is 1 in bfloat16", "0.9961", "never forgets"]),
        ("bfloat16", {"momentum": 0.999}, ["optimizer.momentum = 0.999 is 1"]),
        ("bfloat16", {"momentum": 0.99999}, ["optimizer.momentum = 0.99999 is 1 in bfloat16"]),
        ("bfloat16", ADAM | {"b1": 0.999, "b2": 0.9}, ["optimizer.b1 = 0.999 is 1 in bfloat16", "b1 = 0.9961 or less"]),
        ("bfloat16", {"kind": "rmsprop", "rho": 0.999}, ["optimizer.rho = 0.999 is 1 in bfloat16"]),
        ("bfloat16", ADAM | {"b2": 0.9, "eps": 1e-39}, ["optimizer.eps = 1e-39 is 0 in bfloat16", "down to 1.2e-38"]),
        ("float32", ADAM | {"eps": 0.0}, []),
        ("float16", {"learning_rate": -1e-8}, ["optimizer.learning_rate = -1e-08 is 0 in float16", "ascent"]),
        ("float16", {"learning_rate": 1e-8}, ["optimizer.learning_rate = 1e-08 is 0 in float16", "nothing moves"]),
        ("float32", ADAM | {"eps": 1e-8}, []),
        ("float32", ADAM | {"eps": 1e-50}, ["optimizer.eps = 1e-50 is 0 in float32"]),
        ("float32", ADAM | {"eps": 1e-39}, ["optimizer.eps = 1e-39 is 0 in float32", "1.2e-38", "NaN"]),
        ("float64", ADAM | {"eps": 1e-310}, ["optimizer.eps = 1e-310 is below 2.2e-308", "steps become huge"]),
    ],
)
def test_numbers_that_a_format_loses_are_told_with_the_mend(dtype: str, optimizer: dict, words: list[str]) -> None:
    told = said(optimizer=optimizer, training={"epochs": 1, "batch_size": 8, "dtype": dtype})
    assert all(word in told for word in words), told
    assert bool(told) == bool(words), told


def test_numbers_along_an_axis_are_looked_at_too() -> None:
    training = {"epochs": 1, "batch_size": 8, "dtype": "float16"}
    axis = {"key": "optimizer.eps", "log": [1e-9, 1e-2], "num": 4}
    assert "optimizer.eps = 1e-09 is 0 in float16" in said([axis], optimizer=ADAM, training=training)
    axis = {"key": "optimizer.eps", "values": [1e-2, 1e-6, 1e-3]}
    assert "optimizer.eps = 1e-06 is below 6.1e-05" in said([axis], optimizer=ADAM, training=training)
    dtypes = {"key": "training.dtype", "values": ["float32", "float16"]}
    assert "steps become huge" in said([dtypes], optimizer=ADAM)


def test_the_largest_average_and_the_first_lost_rate_of_an_axis_are_told() -> None:
    training = {"epochs": 1, "batch_size": 8, "dtype": "bfloat16"}
    axis = {"key": "optimizer.b2", "values": [0.9, 0.999, 0.99]}
    assert "optimizer.b2 = 0.999 is 1 in bfloat16" in said([axis], optimizer=ADAM, training=training)
    rates = {"key": "optimizer.learning_rate", "values": [0.1, 1e-9, 1e-8]}
    half = training | {"dtype": "float16"}
    assert said([rates], training=half).startswith("optimizer.learning_rate = 1e-09 is 0 in float16")
    both = [{"key": f"optimizer.layer_learning_rates.{layer}", "values": [0.1, 1e-8][: layer + 1]} for layer in (0, 1)]
    told = said(both, optimizer={"layer_learning_rates": [0.1, 0.1]}, model=NET, training=half)
    assert "optimizer.learning_rate = 1e-08 is 0" in told
    layers = {"layer_learning_rates": [0.1, 1e-8]}
    assert "optimizer.learning_rate = 1e-08 is 0" in said(optimizer=layers, model=NET, training=half)


def test_rows_reach_as_far_as_their_largest_finite_number(npz) -> None:
    training = {"epochs": 1, "batch_size": 8, "dtype": "float16"}
    x = np.array([[-7e4], [np.inf], [np.nan], [1.0]] * 3)
    data = {"kind": "npz", "path": npz(x=x, y=np.full(12, np.nan)), "missing": "keep"}
    told = said(data=data, training=training)
    assert told.startswith("the inputs reach 7e+04, float16 ends at 65504: they become infinite")
    assert "the targets" not in told
    edge = {"kind": "npz", "path": npz(x=np.full((12, 1), 65504.0), y=np.full(12, -65505.0))}
    told = said(data=edge, training=training)
    assert "the inputs" not in told
    assert told.endswith('no output can reach them; scale them with data.scale_targets = "standard"')


def test_rows_beyond_a_format_are_told() -> None:
    training = {"epochs": 1, "batch_size": 8, "dtype": "float16"}
    told = said(data=LINE | {"step": 3000.0, "slope": 1.0}, training=training)
    assert "the inputs reach 1.17e+05, float16 ends at 65504: they become infinite" in told
    assert 'data.scale_inputs = "standard"' in told
    assert "the targets reach 1.17e+05, float16 ends at 65504: no output can reach them" in told


@pytest.mark.parametrize(
    ("batch", "n", "order", "told"),
    [
        (1, 40, "shuffle", True),
        (3, 40, "shuffle", True),
        (3, 40, "replacement", False),
        (3, 40, "sequential", True),
        (8, 40, "shuffle", False),
        (64, 1, "shuffle", True),
        (40, 40, "shuffle", False),
    ],
)
def test_batches_of_one_row_under_batch_norm_are_told(batch: int, n: int, order: str, told: bool) -> None:
    training = {"epochs": 1, "batch_size": batch, "order": order}
    tables = {"data": LINE | {"n": n}, "training": training}
    found = said(model={"norm": "batch"} | NET, **tables)
    assert ("variance" in found) == told
    assert (f"{batch} leaves one of {n} rows for the last" in found) == (told and min(batch, n) > 1)
    assert "variance" not in said(model={"norm": "layer"} | NET, **tables)


def test_every_batch_size_along_an_axis_is_looked_at() -> None:
    batches = {"key": "training.batch_size", "values": [8, 3]}
    assert "training.batch_size = 3 leaves one of 40 rows" in said([batches], model={"norm": "batch"} | NET)


@pytest.mark.parametrize(
    ("targets", "dtype", "told_apart"),
    [
        ([1024, 1032], "float16", True),  # 1 apart there, and a standard deviation of 4
        ([1024, 1031], "float16", False),
        ([-1024, -1032], "float16", True),
        ([-1024, -1031], "float16", False),
        ([1016, 1023], "float16", True),  # half as far apart below 1024
        ([2.0**24, 2.0**24 + 16], "float32", True),
        ([2.0**24, 2.0**24 + 14], "float32", False),
        ([7, 7], "float16", True),
        ([1024, 1025, np.nan], "float16", True),
        ([[2048, 1024], [2051, 1027]], "float16", False),  # far apart as outputs, not as rows
    ],
)
def test_targets_are_told_apart_by_four_steps_of_their_format(targets: list, dtype: str, told_apart: bool) -> None:
    given = np.array(targets, float).reshape(len(targets), -1)
    assert resolves(given, dtype) is told_apart
    if np.isfinite(given).all() and np.ptp(given) > 0:
        steps = given.std(axis=0) / np.spacing(np.abs(given).max(axis=0).astype(dtype)).astype(float)
        assert (steps >= 4).any() == told_apart


@pytest.mark.parametrize(("columns", "told_apart"), [((0, 1), True), ((0, 0), False), ((1, 1), True)])
def test_targets_are_told_apart_where_one_output_s_are(columns: tuple[int, int], told_apart: bool) -> None:
    spread = np.arange(5.0)[:, None]
    kinds = (1e9 + spread, spread)  # float32 has steps of 64 at 10⁹
    assert resolves(np.hstack([kinds[each] for each in columns]), "float32") is told_apart


@pytest.mark.parametrize(
    ("activation", "targets", "told"),
    [
        ("relu", [0.0, 7.0], None), ("relu", [-1.5, 7.0], "from 0 on, and a target is -1.5"),
        ("relu6", [0.0, 6.5], "from 0 to 6, and a target is 6.5"), ("tanh", [-1.0, 1.0], None),
        ("tanh", [1.5, -3.0], "from -1 to 1, and a target is -3"), ("sigmoid", [0.5, np.nan], None),
        ("softsign", [2.0, 0.0], "from -1 to 1, and a target is 2"), ("linear", [-1e9, 1e9], None),
        ("leaky_relu", [-5.0, 1.0], None), ("elu", [-1.0, 5.0], None), ("elu", [-1.1, 5.0], "from -1 on"),
    ],
)  # fmt: skip
def test_targets_that_no_output_reaches_are_told(activation: str, targets: list, told: str | None, npz) -> None:
    data = {"kind": "npz", "path": npz(x=np.arange(2.0)[:, None], y=np.array(targets)), "missing": "keep"}
    line = said(data=data, model={"output_activation": activation})
    assert ("no output can reach it" in line) == (told is not None)
    assert (told or "") in line


def test_of_several_scalings_the_farthest_target_is_told(npz) -> None:
    data = {"kind": "npz", "path": npz(x=np.arange(3.0)[:, None], y=np.array([0.0, -4.0, 1.0]))}
    axes = [{"key": "data.scale_targets", "values": ["standard", "none", "minmax"]}]
    assert said(axes, data=data, model={"output_activation": "relu"}).count("a target is -4: no output") == 1


def test_of_several_targets_out_of_reach_the_farthest_is_told_with_four_digits() -> None:
    slopes = {"key": "data.slope", "values": [-1.0, -1.23, -1.1]}  # of inputs up to 39
    assert "a target is -47.97: no output" in said([slopes], model={"output_activation": "relu"})


def test_what_activations_reach_is_what_they_give() -> None:
    z = jnp.linspace(-60.0, 60.0, 100_001)
    for name, activation in ACTIVATIONS.items():
        low, high = OUTPUT_RANGES.get(name, (-np.inf, np.inf))
        given = np.asarray(activation(z))
        ends = [given.min(), given.max()]
        open_ended = [-np.inf if ends[0] < -9 else ends[0], np.inf if ends[1] > 9 else ends[1]]
        assert open_ended == pytest.approx([low, high], abs=0.02), name


@pytest.mark.parametrize(
    ("activation", "targets", "missed"),
    [
        ("relu", [1.0, -1.0, -3.0, 2.0], -3.0),
        ("relu6", [7.0, -2.0], -2.0),
        ("relu6", [9.0, -2.0], 9.0),
        ("tanh", [0.5, -2.0, 1.5], -2.0),
        ("sigmoid", [0.0, 1.0], None),
        ("linear", [-9.0], None),
        ("relu", [np.nan, -1.0, np.inf], -1.0),
        ("tanh", [np.nan, 0.5], None),
    ],
)
def test_the_target_that_is_farthest_out_of_reach_is_found(
    activation: str, targets: list[float], missed: float | None
) -> None:
    model, rows = SimpleNamespace(output_activation=activation), SimpleNamespace(targets=np.array(targets)[:, None])
    config, program = SimpleNamespace(model=model), SimpleNamespace(classifies=False)
    assert beyond_reach(SimpleNamespace(config=config, program=program, rows=rows)) == missed
