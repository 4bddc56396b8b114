"""The update that made a NaN, repeated: which operation did, in which part, and whether the parameters were infinite before."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.runs.replay import _watched
from nanmap.runs.single import train_one

INF, NAN = np.inf, np.nan
LINE = {"kind": "line", "start": 1, "n": 20, "slope": 0.5}


@pytest.mark.parametrize(
    ("function", "numbers", "told"),
    [
        (lambda a, b: a * b, (0.0, INF), "0 · ∞"),
        (lambda a, b: a - b, (INF, INF), "∞ − ∞"),
        (lambda a, b: a + b, (INF, -INF), "∞ − ∞"),
        (lambda a, b: a / b, (0.0, 0.0), "0 / 0"),
        (lambda a, b: a / b, (INF, -INF), "∞ / ∞"),
        (lambda a, b: jnp.sqrt(a) + b, (-1.0, 0.0), "a root or a logarithm of a negative number"),
        (lambda a, b: jnp.sum(jnp.stack([a, b])), (INF, -INF), "∞ − ∞"),
        (lambda a, b: jnp.cumsum(jnp.stack([a, b])), (INF, -INF), "∞ − ∞"),
        (lambda a, b: jnp.stack([a, 1.0]) @ jnp.stack([b, 1.0]), (0.0, INF), "0 · ∞ in a product of matrices"),
        (lambda a, b: jnp.stack([a, 1.0]) @ jnp.stack([b, 1.0]), (INF, 0.0), "0 · ∞ in a product of matrices"),
        (lambda a, b: jnp.stack([a, b]) @ jnp.ones(2), (INF, -INF), "∞ − ∞ in a product of matrices"),
        (lambda a, b: jax.jit(lambda c: c * b)(a) - 1, (0.0, INF), "0 · ∞"),
        (lambda a, b: jnp.where(a > 0, a / b, a), (0.0, 0.0), None),  # made, but not taken
        (lambda a, b: jnp.sin(a * b), (1e30, 1e30), "`sin`"),
        (lambda a, b: a * b, (1e30, 1e30), None),  # an infinity is none
        (lambda a, b: a * b, (2.0, NAN), None),  # was one before
        (lambda a, b: ((a - a) / b, a / b), (1.0, 0.0), "0 / 0"),
    ],
)
def test_the_operation_that_made_a_nan_is_named(function: Callable[..., Any], numbers: tuple, told: str | None) -> None:
    arguments = [jnp.float32(number) for number in numbers]
    found, made = _watched(function, *arguments)
    assert found == told
    jax.tree.map(np.testing.assert_array_equal, made, function(*arguments))


@pytest.mark.parametrize(
    ("tree", "told"),
    {
        "grown until it overflowed": (
            {"data": LINE, "optimizer": {"learning_rate": 0.1}, "training": {"steps": 300}},
            r"step \d+ made the first NaN where the step was added to the parameters: ∞ − ∞; parameters were infinite before it",
        ),
        "single rows, in the second epoch": (
            {"data": LINE, "optimizer": {"learning_rate": 0.1}, "training": {"steps": 300, "batch_size": 1}},
            r"step \d+ made the first NaN where the step was added to the parameters: ∞ − ∞; parameters were infinite before it",
        ),
        "no eps": (
            {
                "data": LINE, "model": {"hidden": [2], "init": "zeros"}, "training": {"steps": 3},
                "optimizer": {"kind": "adam", "eps": 0.0},
            },
            r"step 0 made the first NaN in the optimizer's step: 0 / 0",
        ),
    }.values(),
)  # fmt: skip
def test_a_report_tells_where_its_nan_came_from(tree: dict, told: str, engine) -> None:
    report = train_one(build_config(tree), engine=engine)
    (sentence,) = [each for each in report.evidence if "first NaN" in each]
    assert re.fullmatch(told, sentence), sentence
    assert f"step {report.row['first_nan_step']} made" in sentence


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_without_an_epsilon_a_row_tells_an_overflow_from_nothing_over_nothing(kind: str, npz, tmp_path, engine) -> None:
    """Four kernels of 3e13 in a row: outputs stay small, as inputs are, and the gradient of the first overflows."""
    inputs = np.linspace(1, 2, 8)[:, None]
    paths = {npz(x=scale * inputs, y=[1.0] * 8): scale for scale in (0.0, 1e-20)}
    tree = {
        "data": {"kind": "npz", "path": next(iter(paths))},
        "model": {"hidden": [1, 1, 1], "activation": "linear"},
        "loss": {"kind": "mae"},
        "optimizer": {"kind": kind},
        "training": {"steps": 3},
    }
    axes = {"data.path": list(paths), "model.init_scale": [1.0, 3e13], "optimizer.eps": [0.0, 1e-7]}
    rows = nanmap.sweep(tree, axes, out=tmp_path, engine=engine).to_pandas().itertuples()
    told = {(paths[row.path], row.init_scale, row.eps): (row.first_nan_step, row.cause) for row in rows}
    assert told[0.0, 1.0, 0.0] == (0, "nan_without_inf")  # inputs of 0: the kernels have no gradient
    assert told[1e-20, 3e13, 0.0] == told[1e-20, 3e13, 1e-7] == (0, "blown_up_at_once")
    assert np.isnan(told[0.0, 1.0, 1e-7][0])


@pytest.mark.parametrize(
    ("optimizer", "key"),
    [
        ({"kind": "adam", "b1": 0.99999999}, "b1"),
        ({"kind": "nadam", "b2": 0.99999999}, "b2"),
        ({"schedule": "inverse_time", "decay": -0.5}, "decay"),
    ],
)
def test_a_correction_or_a_schedule_that_divides_by_0_is_no_overflow(optimizer: dict, key: str, engine) -> None:
    """1 − bᵗ is 0 where b rounds to 1; 1 + decay·t is 0 at t = 2, and the gradient of a perfect start is 0 as well."""
    data = {"kind": "line", "n": 8, "slope": 0.0} if key == "decay" else LINE
    tree = {"data": data, "model": {"init": "zeros"}, "optimizer": optimizer, "training": {"steps": 20}}
    report = train_one(build_config(tree), engine=engine)
    assert (report.outcome, report.cause, report.row["first_inf_step"]) == ("nan", "nan_without_inf", None)
    usual = {"b1": 0.9, "b2": 0.999, "decay": 0.0}
    assert report.remedy == {f"optimizer.{key}": usual[key]}
    other = train_one(build_config(tree | {"optimizer": optimizer | {key: usual[key]}}), engine=engine)
    assert other.row["first_nan_step"] is None


@pytest.mark.parametrize("tree", [{"data": LINE, "training": {"steps": 3}}, {"data": LINE, "training": {"steps": 70}}])
def test_without_a_nan_nothing_is_repeated(tree: dict, engine) -> None:
    report = train_one(build_config(tree), engine=engine)
    assert report.row["first_nan_step"] is None
    assert not any("first NaN" in each for each in report.evidence)
