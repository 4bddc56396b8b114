"""Every optimizer is optax's: the engine's parameters against the public factory, run alone in a Python loop, in float64."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nanmap.config import build_config
from nanmap.config.choices import OptimizerKind, ScheduleKind, names
from nanmap.config.optimizers import FLAGS, OPTIMIZERS
from nanmap.config.settings import OptimizerSettings
from nanmap.plan import Plan, make_sweep, make_variant
from nanmap.training.lane_numbers import NUMBERS
from nanmap.training.optimizers import RULES as TRANSFORMATIONS
from nanmap.training.optimizers import make_optimizer
from oracles import flat, random_layers, sliced, train_optax

# Optax's own clip_by_global_norm uses a name that optax has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated")

N, FEATURES, HIDDEN, STEPS, EPS = 12, 3, 4, 9, 1e-7
RATE = 0.05
rng = np.random.default_rng(5)
X, Y = rng.standard_normal((N, FEATURES)), rng.standard_normal((N, 1))
LAYERS = random_layers([FEATURES, HIDDEN, 1], seed=6)


def wide(step: Any) -> Any:
    return jnp.asarray(step, jnp.float64)


MOMENTS = {"b1": 0.85, "b2": 0.97, "eps": 1e-5}
RULES: dict[str, tuple[dict[str, Any], Callable[[], optax.GradientTransformation]]] = {
    "sgd": ({}, lambda: optax.sgd(RATE)),
    "sgd momentum": ({"kind": "sgd", "momentum": 0.8}, lambda: optax.sgd(RATE, momentum=0.8)),
    "sgd nesterov": (
        {"kind": "sgd", "momentum": 0.8, "nesterov": True},
        lambda: optax.sgd(RATE, momentum=0.8, nesterov=True),
    ),
    "adam": ({}, lambda: optax.adam(RATE, eps=EPS)),
    "adam moments": ({"kind": "adam"} | MOMENTS, lambda: optax.adam(RATE, **MOMENTS)),
    "adamw": ({}, lambda: optax.adamw(RATE, eps=EPS, weight_decay=0.004)),
    "adamw decay": ({"kind": "adamw", "weight_decay": 0.3}, lambda: optax.adamw(RATE, eps=EPS, weight_decay=0.3)),
    "amsgrad": (MOMENTS, lambda: optax.amsgrad(RATE, **MOMENTS)),
    "adamax": (MOMENTS, lambda: optax.adamax(RATE, **MOMENTS)),
    "nadam": (MOMENTS, lambda: optax.nadam(RATE, **MOMENTS)),
    "radam": (MOMENTS, lambda: optax.radam(RATE, **MOMENTS)),
    "adabelief": (MOMENTS, lambda: optax.adabelief(RATE, **MOMENTS)),
    "rmsprop": ({}, lambda: optax.rmsprop(RATE, decay=0.9, eps=EPS)),
    "rmsprop momentum": (
        {"kind": "rmsprop", "momentum": 0.7, "rho": 0.8},
        lambda: optax.rmsprop(RATE, decay=0.8, eps=EPS, momentum=0.7),
    ),
    "adagrad": ({"eps": 1e-6}, lambda: optax.adagrad(RATE, initial_accumulator_value=0.1, eps=1e-6)),
    "lion": ({}, lambda: optax.lion(RATE, weight_decay=0.0)),
    "lion decay": ({"kind": "lion", "weight_decay": 0.2}, lambda: optax.lion(RATE, weight_decay=0.2)),
}

# The step arrives as int32; dividing it by an integer would give float32, so it is widened first.
SCHEDULES: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "constant": ({}, lambda t: RATE),
    "inverse_time": ({"decay": 0.3}, lambda t: RATE / (1 + 0.3 * wide(t))),
    "exponential": ({"decay": 0.3}, lambda t: RATE * jnp.exp(-0.3 * wide(t))),
    "cosine": ({}, lambda t: optax.cosine_decay_schedule(RATE, STEPS)(wide(t))),
    "linear": ({}, lambda t: optax.linear_schedule(RATE, 0.0, STEPS)(wide(t))),
}


def tree_of(path: tuple[str, str], optimizer: dict[str, Any], **training: Any) -> dict[str, Any]:
    data, start = path
    return {
        "data": {"kind": "npz", "path": data},
        "model": {"hidden": [HIDDEN], "activation": "tanh", "init": "file", "init_file": start},
        "optimizer": {"learning_rate": RATE} | optimizer,
        "training": {"steps": STEPS, "batch_size": N, "order": "sequential", "dtype": "float64"} | training,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    data, start = (str(tmp_path_factory.mktemp("arrays") / name) for name in ("data.npz", "start.npz"))
    np.savez(data, x=X, y=Y)
    np.savez(start, **flat(LAYERS))
    return data, start


def assert_same_parameters(
    params: dict[str, np.ndarray], expected: list[dict[str, np.ndarray]], rtol: float = 1e-12
) -> None:
    for name, values in flat(expected).items():
        size = np.abs(values).max()
        np.testing.assert_allclose(params[name], values, rtol=rtol, atol=rtol * size, err_msg=name)


def full_batches(steps: int = STEPS) -> list[np.ndarray]:
    return [np.arange(N)] * steps


def test_every_optimizer_and_schedule_of_the_config_stands_in_these_tables() -> None:
    assert {name.split()[0] for name in RULES} == set(names(OptimizerKind))
    assert set(SCHEDULES) == set(names(ScheduleKind))


def test_an_optimizer_has_an_entry_and_a_transformation() -> None:
    entries, rules = set(OPTIMIZERS), set(TRANSFORMATIONS)
    assert not rules - entries, f"add {rules - entries} to OPTIMIZERS in nanmap/config/optimizers.py"
    assert not entries - rules, f"add {entries - rules} to RULES in nanmap/training/optimizers.py"


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimizer_reads_what_its_entry_says_and_nothing_else(kind: str) -> None:
    class Seen(dict):
        def __missing__(self, name: str) -> Any:
            self[name] = jnp.float32(0.5)
            return self[name]

    entry = OPTIMIZERS[kind]
    flags = {name: name in entry.reads for name in FLAGS}
    optimizer = {"kind": kind, "nesterov": flags["nesterov"]} | {
        name: 0.5 for name in ("momentum", "weight_decay") if flags[name]
    }
    tree = {"data": {"kind": "line", "n": 4}, "optimizer": optimizer, "training": {"steps": 1}}
    program, numbers = make_variant(build_config(tree)).program, Seen()
    rule = make_optimizer(program, numbers, jnp.ones(1))
    weights = [{"kernel": jnp.ones((1, 1))}]
    rule.update(weights, rule.init(weights), weights)
    assert set(numbers) == set(entry.reads) - {"nesterov"}
    assert set(numbers) <= set(program.numbers)
    assert set(entry.reads) <= set(OptimizerSettings.model_fields)
    assert set(entry.numbers) <= set(NUMBERS)


# As keras.optimizers has them in Keras 3.
KERAS_DEFAULTS: dict[str, dict[str, float]] = {
    **{each: {"b1": 0.9, "b2": 0.999, "eps": 1e-7} for each in ("adam", "adamw", "amsgrad", "adamax", "nadam")},
    "rmsprop": {"rho": 0.9, "eps": 1e-7},
    "adagrad": {"eps": 1e-7},
    "lion": {"b1": 0.9, "b2": 0.99},
}


def variants_of(optimizer: dict[str, Any], axes: list[dict[str, Any]] | None = None) -> Plan:
    tree = {"data": {"kind": "line", "n": 4}, "optimizer": optimizer, "training": {"steps": 1}}
    return Plan(make_sweep(tree, axes or []))


def cells_of(optimizer: dict[str, Any], axes: list[dict[str, Any]], number: str) -> list[float]:
    plan = variants_of(optimizer, axes)
    found = np.full(plan.grid.size, np.nan)
    for lanes in plan.lanes(plan.grid.cells(np.arange(plan.grid.size))):
        found[lanes.position] = lanes.numbers[number]
    return found.tolist()


@pytest.mark.parametrize("kind", KERAS_DEFAULTS)
def test_the_defaults_are_those_of_keras(kind: str) -> None:
    numbers = variants_of({"kind": kind}).variant(0).numbers
    assert {name: numbers[name] for name in OPTIMIZERS[kind].numbers} == KERAS_DEFAULTS[kind]


def test_a_default_follows_the_optimizer_and_an_explicit_value_stands_above_it() -> None:
    kinds = {"key": "optimizer.kind", "values": ["adam", "lion"]}
    assert cells_of({}, [kinds], "b2") == [0.999, 0.99]
    assert cells_of({"b2": 0.999}, [kinds], "b2") == [0.999, 0.999]
    assert cells_of({}, [kinds, {"key": "optimizer.b2", "values": [0.5, 0.999]}], "b2") == [0.5, 0.999] * 2
    bundle = {"a": {"optimizer.kind": "lion", "optimizer.b2": 0.999}, "b": {"optimizer.kind": "lion"}, "c": {}}
    assert cells_of({"kind": "adam"}, [{"name": "rule", "choices": bundle}], "b2") == [0.999, 0.99, 0.999]


def test_a_number_that_is_absent_on_an_axis_is_off_there() -> None:
    axis = {"key": "optimizer.momentum", "values": [None, 0.9]}
    for values in ([None, 0.9], [0.9, None]):
        plan = variants_of({}, [axis | {"values": values}])
        assert [each.program.momentum for each in plan.variants()] == [value is not None for value in values]
    assert cells_of({"kind": "lion"}, [{"key": "optimizer.b2", "values": [None, 0.9]}], "b2") == [0.99, 0.9]


def test_the_numbers_of_a_program_stand_in_the_order_that_its_cache_knows() -> None:
    always, moments = ("gain", "delta", "decay"), ("b1", "b2", "eps")
    expected = {"sgd": (), "rmsprop": ("rho", "eps"), "adagrad": ("eps",), "lion": ("b1", "b2")}
    for kind in OPTIMIZERS:
        tree = {"data": {"kind": "line", "n": 4}, "optimizer": {"kind": kind}, "training": {"steps": 1}}
        assert make_variant(build_config(tree)).program.numbers == (*always, *expected.get(kind, moments))


@pytest.mark.parametrize("name", RULES)
def test_optimizer_walks_with_optax(name: str, files, plainly) -> None:
    settings, make = RULES[name]
    report = plainly(tree_of(files, {"kind": name.split()[0]} | settings))
    assert_same_parameters(report.params, train_optax(make(), LAYERS, X, Y, full_batches()))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_gives_the_rate_of_its_formula_at_every_step(name: str, files, plainly) -> None:
    settings, schedule = SCHEDULES[name]
    report = plainly(tree_of(files, {"kind": "adam", "schedule": name} | settings))
    assert_same_parameters(report.params, train_optax(optax.adam(schedule, eps=EPS), LAYERS, X, Y, full_batches()))


def test_warm_up_rises_linearly_and_hands_over(files, plainly) -> None:
    report = plainly(tree_of(files, {"schedule": "inverse_time", "decay": 0.1, "warmup_steps": 4}))
    schedule = lambda t: RATE / (1 + 0.1 * wide(t)) * jnp.minimum(1, (wide(t) + 1) / 4)  # noqa: E731
    assert_same_parameters(report.params, train_optax(optax.sgd(schedule), LAYERS, X, Y, full_batches()))


@pytest.mark.parametrize(
    ("kind", "settings", "clip"),
    [
        ("sgd", {"clip_value": 0.05}, lambda: optax.clip(0.05)),
        ("sgd", {"clip_norm": 0.3}, lambda: optax.clip_by_global_norm(0.3)),
        (
            "adam",
            {"clip_value": 0.2, "clip_norm": 0.3},
            lambda: optax.chain(optax.clip(0.2), optax.clip_by_global_norm(0.3)),
        ),
    ],
    ids=["value", "norm", "both"],
)
def test_clipping_acts_on_the_gradient_before_the_rule(kind: str, settings, clip, files, plainly) -> None:
    rule = {"sgd": optax.sgd(RATE), "adam": optax.adam(RATE, eps=EPS)}[kind]
    report = plainly(tree_of(files, {"kind": kind} | settings))
    clipped = train_optax(optax.chain(clip(), rule), LAYERS, X, Y, full_batches())
    assert_same_parameters(report.params, clipped)
    free = flat(train_optax(rule, LAYERS, X, Y, full_batches()))
    assert any(np.abs(free[name] - values).max() > 1e-3 for name, values in flat(clipped).items()), (
        "the bound never acted"
    )


def test_momentum_runs_on_across_short_batches_and_epochs(files, train) -> None:
    report = train(tree_of(files, {"kind": "adam"}, batch_size=5, steps=7))
    batches = (sliced(np.arange(N), 5) * 3)[:7]
    assert_same_parameters(report.params, train_optax(optax.adam(RATE, eps=EPS), LAYERS, X, Y, batches))


def test_layer_rates_replace_the_learning_rate(files, plainly) -> None:
    report = plainly(tree_of(files, {"layer_learning_rates": [0.03, 0.2]}))
    rule = optax.multi_transform({"first": optax.sgd(0.03), "second": optax.sgd(0.2)}, ["first", "second"])
    assert_same_parameters(report.params, train_optax(rule, LAYERS, X, Y, full_batches()))


def test_a_negative_rate_climbs(files, plainly) -> None:
    report = plainly(tree_of(files, {"learning_rate": -RATE}))
    assert_same_parameters(report.params, train_optax(optax.sgd(-RATE), LAYERS, X, Y, full_batches()))
    assert report.row["loss_final"] > report.row["loss_initial"]
    assert report.cause == "gradient_ascent"


def test_swept_hyperparameters_act_as_written_ones(files, grid, train) -> None:
    axes = [{"key": f"optimizer.{name}", "values": [value, value / 2]} for name, value in MOMENTS.items()]
    axes += [{"key": "optimizer.clip_norm", "values": [0.3, 50.0]}, {"key": "optimizer.decay", "values": [0.0, 0.2]}]
    table = grid(tree_of(files, {"kind": "adam", "schedule": "inverse_time", "clip_norm": 1.0}), axes)
    for row in table.slice(3).to_pylist()[::7]:
        settings = {name: row[name] for name in (*MOMENTS, "clip_norm", "decay")}
        report = train(tree_of(files, {"kind": "adam", "schedule": "inverse_time"} | settings))
        assert report.row["loss_final"] == row["loss_final"]
        schedule = lambda t, decay=row["decay"]: RATE / (1 + decay * wide(t))  # noqa: E731
        rule = optax.chain(
            optax.clip_by_global_norm(row["clip_norm"]), optax.adam(schedule, **{name: row[name] for name in MOMENTS})
        )
        assert_same_parameters(report.params, train_optax(rule, LAYERS, X, Y, full_batches()))
