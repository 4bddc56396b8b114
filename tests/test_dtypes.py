"""Training in 16 bits: every operation rounds as NumPy's does with ml_dtypes, and ends badly in ways of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from jax.sharding import SingleDeviceSharding

from nanmap.config import build_config
from nanmap.config.choices import OptimizerKind, names
from nanmap.engine.vmapped import build, group_shapes
from nanmap.engine.xla_options import xla_options
from nanmap.plan import Plan, make_sweep, make_variant
from nanmap.results.columns import COLUMNS
from nanmap.training.optimizers import make_optimizer
from oracles import flat, random_layers, sliced

DTYPES = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
N, BATCH, STEPS, RATE = 21, 8, 9, 0.05
rng = np.random.default_rng(23)
X, Y = rng.standard_normal((N, 3)), 2 * rng.standard_normal((N, 2))
LAYERS = random_layers([3, 6, 2], seed=24)


def tree_of(npz, dtype: str, x: np.ndarray = X, y: np.ndarray = Y, layers: Any = LAYERS, **tables: Any) -> dict:
    model = {"hidden": [len(layer["bias"]) for layer in layers[:-1]], "activation": "relu", "init": "file"}
    training = {"steps": STEPS, "batch_size": BATCH, "order": "sequential", "dtype": dtype}
    return {
        "data": {"kind": "npz", "path": npz(x=x, y=y)} | tables.get("data", {}),
        "model": model | {"init_file": npz(**flat(layers))} | tables.get("model", {}),
        "optimizer": {"learning_rate": RATE} | tables.get("optimizer", {}),
        "training": training | tables.get("training", {}),
    }


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products are summed in float32 and rounded once."""
    return (a.astype(np.float32) @ b.astype(np.float32)).astype(a.dtype)


def slopes(layers: list, x: np.ndarray, y: np.ndarray) -> tuple[float, list[dict[str, np.ndarray]]]:
    """Loss in float32 and gradients of a network with one relu layer, each operation rounded to the layers' dtype."""
    first, second = layers
    kind = first["kernel"].dtype
    z = product(x, first["kernel"]) + first["bias"]
    hidden = np.maximum(z, kind.type(0))
    error = (product(hidden, second["kernel"]) + second["bias"]).astype(np.float32) - y
    back = (2 * error / np.float32(error.size)).astype(kind)
    below = np.where(z > 0, product(back, second["kernel"].T), kind.type(0))
    grads = [
        {"kernel": product(inputs.T, slope), "bias": slope.astype(np.float32).sum(axis=0).astype(kind)}
        for inputs, slope in ((x, below), (hidden, back))
    ]
    return float(np.mean(error**2)), grads


def batches() -> list[np.ndarray]:
    return (sliced(np.arange(N), BATCH) * STEPS)[:STEPS]


def trained(rule: optax.GradientTransformation, dtype: str, steps: int) -> list[dict[str, np.ndarray]]:
    """Parameters moved by optax, one operation after the other, with Python numbers for hyperparameters."""
    kind = DTYPES[dtype]
    layers = [{name: values.astype(kind) for name, values in layer.items()} for layer in LAYERS]
    state = rule.init(jax.tree.map(jnp.asarray, layers))
    for rows in batches()[:steps]:
        _, grads = slopes(layers, X[rows].astype(kind), Y[rows].astype(np.float32))
        moves, state = rule.update(jax.tree.map(jnp.asarray, grads), state, jax.tree.map(jnp.asarray, layers))
        layers = jax.tree.map(np.asarray, optax.apply_updates(layers, moves))
    return layers


def parameters(report, expected: list) -> tuple[np.ndarray, np.ndarray]:
    """Trained and expected parameters, one after the other, in float32, which a report gives 16-bit numbers in."""
    assert {values.dtype for values in report.params.values()} == {np.dtype(np.float32)}
    wanted = flat(expected)
    assert set(report.params) == set(wanted)
    return tuple(
        np.concatenate([np.asarray(values[name], np.float32).ravel() for name in wanted])
        for values in (report.params, wanted)
    )


RULES = {
    "sgd": ({}, lambda: optax.sgd(RATE)),
    "momentum": ({"kind": "sgd", "momentum": 0.9}, lambda: optax.sgd(RATE, momentum=0.9)),
    "adam": ({"kind": "adam", "eps": 1e-3}, lambda: optax.adam(RATE, eps=1e-3)),
    "rmsprop": ({"kind": "rmsprop", "eps": 1e-3}, lambda: optax.rmsprop(RATE, decay=0.9, eps=1e-3)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RULES)
def test_each_operation_rounds_to_16_bits(name: str, dtype: str, npz, train) -> None:
    settings, make = RULES[name]
    ulp = float(ml_dtypes.finfo(DTYPES[dtype]).eps)
    for steps in (1, STEPS):  # after one step a sum in another order may have moved a parameter or two to its neighbour
        report = train(tree_of(npz, dtype, optimizer=settings, training={"steps": steps}))
        ours, wanted = parameters(report, trained(make(), dtype, steps))
        np.testing.assert_allclose(ours, wanted, rtol=4 * ulp, atol=4 * ulp)
        assert steps > 1 or (ours == wanted).mean() > 0.94


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [1, 3])
def test_the_gradient_of_one_input_is_summed_in_float32_and_rounded_once(units: int, dtype: str, npz, train) -> None:
    """Like that of several inputs, where it is no product of matrices: few rows, or a thin network."""
    kind, x = DTYPES[dtype], np.arange(1.0, 17)[:, None]
    kernel, rate = np.full((1, units), 0.96484375), 2.0**-6
    layers = [{"kernel": kernel, "bias": np.zeros(units)}]
    settings = {
        "model": {"hidden": []},
        "optimizer": {"learning_rate": rate},
        "training": {"steps": 1, "batch_size": 16},
    }
    report = train(tree_of(npz, dtype, x, x.repeat(units, 1) / 2, layers, **settings))
    error = (x.astype(kind) * kernel.astype(kind)).astype(np.float32) - np.float32(x / 2)
    back = (2 * error / np.float32(error.size)).astype(kind).astype(np.float32)
    moved = {"kernel": (x.astype(np.float32) * back).sum(axis=0)[None], "bias": back.sum(axis=0)}
    for name, gradient in moved.items():
        step = kind(rate) * gradient.astype(kind)
        wanted = (layers[0][name].astype(kind) - step).astype(np.float32)
        np.testing.assert_array_equal(report.params[f"layers.0.{name}"], wanted)


def test_a_gradient_overflows_where_it_is_too_large_and_not_on_the_way_there(npz, train) -> None:
    """In float16, whose numbers end at 65504: 40,000 twice and as often less."""
    x, layers = np.array([[200.0], [200.0], [-200.0], [-200.0]]), [{"kernel": np.zeros((1, 1)), "bias": np.zeros(1)}]
    settings = {"model": {"hidden": []}, "training": {"steps": 1, "batch_size": 4}}
    report = train(tree_of(npz, "float16", x, np.full((4, 1), -400.0), layers, **settings))
    assert report.row["first_inf_step"] is None
    assert report.params["layers.0.kernel"] == 0


@pytest.mark.parametrize("kind", names(OptimizerKind))
def test_every_optimizer_keeps_its_state_in_16_bits(kind: str) -> None:
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": {"kind": kind}, "training": {"steps": 1}}
    program = make_variant(build_config(tree | {"training": {"steps": 1, "dtype": "bfloat16"}})).program
    groups, states = group_shapes(program, 2, 1, SingleDeviceSharding(jax.devices()[0]))
    floats = {leaf.dtype for leaf in jax.tree.leaves(states.optimizer) if leaf.shape[2:]}
    assert floats <= {jnp.dtype("bfloat16")}
    build(program).lower(np.int32(1), groups, states)  # a loop whose state changes its dtype cannot be traced


@pytest.mark.parametrize("dtype", [*DTYPES, "float32"])
def test_a_long_gradient_is_shortened_in_float32_and_rounded_once(dtype: str) -> None:
    kind, bound = DTYPES.get(dtype, np.float32), np.float32(3)
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": {"clip_norm": 3.0}, "training": {"steps": 1, "dtype": dtype}}
    rule = make_optimizer(make_variant(build_config(tree)).program, {"clip_norm": jnp.asarray(bound)}, jnp.ones(1))
    gradient = np.linspace(1e4, 6e4, 8).astype(kind)
    layers = [{"kernel": jnp.asarray(gradient)}]
    (moves,), _ = rule.update(layers, rule.init(layers), layers)
    wide = gradient.astype(np.float32)
    norm = np.sqrt((wide * wide).sum())
    assert norm > np.finfo(np.float16).max > wide.max()
    np.testing.assert_array_equal(-np.asarray(moves["kernel"]), (wide / norm * bound).astype(kind), strict=True)


@pytest.mark.parametrize("size", [1e25, 3e37, 1e-25])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gradient_whose_square_leaves_float32_is_shortened_too(size: float, dtype: str) -> None:
    kind, bound = DTYPES.get(dtype, np.float32), np.float32(1e-27)
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": {"clip_norm": 3.0}, "training": {"steps": 1, "dtype": dtype}}
    rule = make_optimizer(make_variant(build_config(tree)).program, {"clip_norm": jnp.asarray(bound)}, jnp.ones(1))
    layers = [{"kernel": jnp.asarray((np.linspace(1, 9, 8) * size).astype(kind)), "bias": jnp.asarray([0.0], kind)}]
    (moves,), _ = rule.update(layers, rule.init(layers), layers)
    exact = np.asarray(layers[0]["kernel"]).astype(np.longdouble)
    wanted = exact / np.sqrt((exact * exact).sum()) * 1e-27
    np.testing.assert_allclose(
        -np.asarray(moves["kernel"]).astype(float), wanted.astype(float), rtol=2e-2 if dtype == "bfloat16" else 1e-6
    )
    assert np.isnan(
        np.asarray(
            rule.update(
                [{"kernel": layers[0]["kernel"], "bias": jnp.asarray([np.inf], kind)}], rule.init(layers), layers
            )[0][0]["bias"]
        )
    )


def line(dtype: str, rate: float = 0.01, kernel: float = 1.0, **tables: Any) -> dict:
    """One unit without a bias on y = 0: the gradient of ½ output² is known by heart."""
    return {
        "data": {"kind": "line", "start": 1, "n": 1, "slope": 0.0} | tables.get("data", {}),
        "model": {"init": "ones", "init_scale": kernel, "bias": False} | tables.get("model", {}),
        "loss": {"kind": "half_mse"},
        "optimizer": {"learning_rate": rate} | tables.get("optimizer", {}),
        "training": {"steps": 3, "batch_size": 1, "dtype": dtype} | tables.get("training", {}),
    }


def test_losses_are_summed_in_float32(train) -> None:
    report = train(line("float16", 0.0, 100.0, data={"step": 1e-6, "n": 1000}, training={"batch_size": 1000}))
    assert report.row["loss_initial"] == pytest.approx(100**2 / 2, rel=2e-3)  # their sum is 5 million, a square 10,000


def test_a_squared_error_beyond_float16_is_no_infinity_but_an_output_is(train) -> None:
    assert train(line("float16", 0.0, 1000.0)).row["loss_final"] == 500_000
    report = train(line("float16", 0.0, 1000.0, data={"start": 100}))  # the output is 100,000
    assert (report.outcome, report.cause) == ("nan", "float16_range")
    assert train(line("bfloat16", 0.0, 1000.0, data={"start": 100})).outcome != "nan"


def test_a_gradient_beyond_float16_is_an_infinity_while_the_loss_is_finite(train) -> None:
    report = train(line("float16", 1e-6, 300.0, data={"start": 20}))  # output 6,000, gradient 20 · 6,000 = 120,000
    assert (report.row["first_inf_step"], report.row["loss_initial"]) == (0, 18e6)
    assert report.cause == "float16_range"
    assert np.isfinite(train(line("bfloat16", 1e-6, 300.0, data={"start": 20})).row["loss_final"])


def test_adam_in_float16_stands_still_once_a_squared_gradient_overflows(train) -> None:
    adam = {"kind": "adam", "eps": 1e-3}
    report = train(line("float16", 4.0, 300.0, optimizer=adam))  # 300² > 65504: the second moment is infinite
    assert (report.outcome, report.cause) == ("stalled", "no_movement")
    for dtype in ("bfloat16", "float32"):
        assert train(line(dtype, 4.0, 300.0, optimizer=adam)).row["loss_final"] < 300**2 / 2


@pytest.mark.parametrize(
    ("dtype", "eps", "ends"),
    [("float16", 1e-8, "nan"), ("float16", 1e-4, ""), ("bfloat16", 1e-8, ""), ("float32", 1e-39, "nan")],
)
def test_an_epsilon_that_rounds_to_zero_is_a_nan_where_a_gradient_is_zero(dtype, eps, ends, train) -> None:
    # The row x = 0 has no gradient: Adam divides 0 by 0 + eps.
    report = train(line(dtype, 0.01, data={"start": 0}, optimizer={"kind": "adam", "eps": eps}))
    assert (report.outcome == "nan") == (ends == "nan")
    assert ends == "" or (report.cause, report.row["first_nan_step"]) == ("nan_without_inf", 0)


@pytest.mark.parametrize(
    ("kind", "dtype", "divides"),
    [
        ("adam", "float32", [False, True, True]),
        ("rmsprop", "float16", [True, True, True]),
        ("adam", "float64", [False, False, True]),
        ("lion", "float32", [False, False, False]),
    ],
)
def test_an_epsilon_that_acts_as_zero_is_another_program(kind: str, dtype: str, divides: list[bool]) -> None:
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": {"kind": kind}, "training": {"steps": 1, "dtype": dtype}}
    for axes in ([("optimizer.eps", EPSILONS)], [("training.dtype", ["bfloat16", dtype]), ("optimizer.eps", EPSILONS)]):
        plan = Plan(make_sweep(tree, [{"key": key, "values": values} for key, values in axes]))
        lanes = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)[-len(EPSILONS) :]))
        told = np.concatenate([np.full(len(each), each.program.may_divide_by_zero) for each in lanes])
        eps = np.concatenate([each.numbers["eps"] for each in lanes])
        assert dict(zip(eps, told, strict=True)) == dict(zip(EPSILONS, divides, strict=True))


EPSILONS = [1e-8, 1e-39, 0.0]


@pytest.mark.parametrize(
    ("key", "values", "dtype", "divides"),
    [
        ("b2", [0.9, 0.99999999], "float32", [False, True]),
        ("b1", [0.9, 0.99999999], "bfloat16", [False, True]),
        ("b2", [0.9, 0.99999999], "float64", [False, False]),
        ("decay", [-0.5, 0.5], "float32", [True, False]),
    ],
)
def test_an_axis_tells_apart_what_may_divide_by_zero(key: str, values: list, dtype: str, divides: list[bool]) -> None:
    optimizer = {"kind": "adam", "schedule": "inverse_time"}
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": optimizer, "training": {"steps": 1, "dtype": dtype}}
    plan = Plan(make_sweep(tree, [{"key": f"optimizer.{key}", "values": values}]))
    lanes = plan.lanes(plan.grid.cells(np.arange(2)))
    told = {float(value): each.program.may_divide_by_zero for each in lanes for value in each.numbers[key]}
    assert [told[value] for value in values] == divides


def test_a_program_that_may_divide_by_zero_has_a_key_of_its_own() -> None:
    tree = {"data": {"kind": "line", "n": 9}, "optimizer": {"kind": "adam"}, "training": {"steps": 1}}
    programs = [
        make_variant(build_config(tree | {"optimizer": {"kind": "adam", "eps": eps}})).program for eps in (1e-7, 0.0)
    ]
    assert [program.may_divide_by_zero for program in programs] == [False, True]
    assert programs[0].key != programs[1].key


def test_steps_below_half_a_unit_in_the_last_place_are_lost(train) -> None:
    # 256 − 0.5: the next bfloat16 below 256 is 255, a float16 has room for 255.5.
    moved = {dtype: train(line(dtype, 0.5 / 256, 256.0, training={"steps": 1})).params for dtype in DTYPES}
    assert moved["bfloat16"]["layers.0.kernel"].item() == 256.0
    assert moved["float16"]["layers.0.kernel"].item() == 255.5


def test_a_decay_that_rounds_to_one_never_forgets_yet_is_corrected_as_written(train) -> None:
    # 0.999 is 1 in bfloat16, 1 − 0.999 is not 0: the first step of Adam is the rate, as in float32.
    report = train(line("bfloat16", 0.25, optimizer={"kind": "adam"}, training={"steps": 1}))
    assert report.params["layers.0.kernel"].item() == 0.75


AXES = [
    {"key": "optimizer.learning_rate", "values": [0.01, 0.3, 3.0, 1e3, 1e5]},
    {"key": "training.seed", "values": [0, 3]},
]


@pytest.mark.parametrize(("dtype", "norm"), [("bfloat16", "none"), ("float16", "batch"), ("float32", "batch")])
def test_a_cell_has_the_same_bits_in_any_crowd(dtype: str, norm: str, grid, train) -> None:
    tree = {
        "data": {"kind": "gaussian", "n": 21, "features": 3, "validation_split": 0.1},
        "model": {"hidden": [5], "norm": norm},
        "training": {"steps": 9, "batch_size": 4, "dtype": dtype},
        "record": {"full_loss": True},
    }
    facts = [each.name for each in COLUMNS]
    told = lambda row: repr([row[name] for name in facts])  # noqa: E731
    crowd = {(row["learning_rate"], row["seed"]): told(row) for row in grid(tree, AXES).to_pylist()}
    backwards = [{"key": axis["key"], "values": axis["values"][::-1][:3]} for axis in reversed(AXES)]
    for row in grid(tree, backwards, shard_cells=1).to_pylist():
        assert told(row) == crowd[row["learning_rate"], row["seed"]]
    tree["training"]["seed"] = 3
    for rate in (0.01, 0.3):
        alone = train(tree | {"optimizer": {"learning_rate": rate}}).row
        assert repr(alone["loss_final"]) in crowd[rate, 3]
        assert repr(alone["val_loss_final"]) in crowd[rate, 3]
    assert len({each.partition("', '")[0] for each in crowd.values()}) > 1, "all ended alike"


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize(("dtype", "kept"), [("float16", False), ("bfloat16", False), ("float32", None)])
def test_xla_may_skip_no_rounding_to_16_bits(dtype: str, kept: bool | None, backend: str) -> None:
    program = make_variant(build_config(line(dtype))).program
    assert xla_options(program, backend).get("xla_allow_excess_precision") is kept
