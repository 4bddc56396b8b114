"""What a network of the user's own has watched: dead units, and the first tensor that is not finite, by its own names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.models.own.sown import living
from nanmap.plan import make_variant

rng = np.random.default_rng(11)
X, Y = rng.standard_normal((24, 3)), rng.standard_normal((24, 1))
SOURCE = """
import jax
import jax.numpy as jnp
import nanmap


def _start(key, x):
    return {"w": jax.random.normal(key, (x.shape[1], 4)), "b": jnp.asarray([9.0, 0.0, -99.0, -99.0]), "v": jnp.full((4, 1), 0.1)}


def _both(parameters, x, name="relu_1"):
    inner = jax.nn.relu(x @ parameters["w"] + parameters["b"])
    return inner @ parameters["v"], {name: inner, "logits": x @ parameters["w"]}


def plain():
    return _start, lambda parameters, x: _both(parameters, x)[0]


def sowing(name="relu_1"):
    return _start, lambda parameters, x: _both(parameters, x, name)


def nested():
    return _start, lambda parameters, x: (_both(parameters, x)[0], {"block": {"relu": _both(parameters, x)[1]["relu_1"]}})


def full():
    def apply(parameters, state, x):
        output, aux = _both(parameters, x)
        return output, state, aux

    return nanmap.Model(lambda key, x: (_start(key, x), {}), apply)


def overflowing():
    def apply(parameters, x):
        logits = x @ parameters["w"] * 1e38 * 1e5
        after = jnp.tanh(logits - logits)
        return after @ parameters["v"], {"a_later_one": after, "logits": logits}

    return _start, apply


def wrong():
    return _start, lambda parameters, x: (_both(parameters, x)[0], {"relu": 3.5})
"""


@pytest.fixture
def tree(tmp_path: Path, npz) -> Callable[..., dict[str, Any]]:
    (tmp_path / "net.py").write_text(SOURCE)

    def of(factory: str, **model: Any) -> dict[str, Any]:
        return {
            "data": {"kind": "npz", "path": npz(x=X, y=Y)},
            "model": {"kind": f"python:{tmp_path / 'net.py'}:{factory}"} | model,
            "training": {"steps": 6, "batch_size": 8},
        }

    return of


def trained(tree: dict[str, Any], engine: LocalEngine) -> Any:
    return nanmap.run(tree, allow_python=True, engine=engine)


@pytest.mark.parametrize("factory", ["sowing", "full", "nested"])
def test_units_that_are_flat_on_every_row_are_counted(factory: str, tree, lone_engine) -> None:
    report = trained(tree(factory), lone_engine)
    inner = X @ report.params["w"] + report.params["b"]
    assert report.row["dead_fraction"] == np.mean((inner <= 0).all(axis=0)) == 0.5
    assert not report.row["dead_layer"]


def test_a_network_whose_units_all_died_is_dead(tree, lone_engine) -> None:
    made = tree("sowing") | {"optimizer": {"learning_rate": 0.3}, "training": {"steps": 30, "batch_size": 24}}
    report = trained(made, lone_engine)
    assert (report.outcome, report.cause, report.row["dead_fraction"]) == ("dead", "killed", 1.0)


def test_what_is_watched_changes_no_bit_of_the_training(tree, lone_engine) -> None:
    plain, sowing = (trained(tree(each), lone_engine) for each in ("plain", "sowing"))
    for name, values in plain.params.items():
        np.testing.assert_array_equal(sowing.params[name], values)
    assert sowing.row["loss_final"] == pytest.approx(plain.row["loss_final"], rel=1e-6)
    assert plain.row["dead_fraction"] is None


def test_what_is_sown_is_part_of_what_a_network_is_and_what_is_not_says_nothing(tree) -> None:
    def of(factory: str, **model: Any) -> Any:
        return make_variant(build_config(tree(factory, **model))).program

    plain, one, other = of("plain"), of("sowing"), of("sowing", arguments={"name": "tanh_1"})
    assert (plain.model.sown, one.model.sown, other.model.sown) == ((), ("logits", "relu_1"), ("logits", "tanh_1"))
    assert len({plain.key, one.key, other.key}) == 3
    assert "sown" not in plain.model.identity


def test_the_first_tensor_that_is_not_finite_goes_by_its_own_name(tree, lone_engine) -> None:
    """In the order of their computation, which the names do not have."""
    first = trained(tree("overflowing"), lone_engine).first_tensor
    assert (first.name, first.value, first.step) == ("activation:logits", "inf", 0)


def test_an_aux_that_holds_no_array_is_refused(tree, lone_engine) -> None:
    with pytest.raises(InputError, match=r"has `relu` watched, which is no array but float 3.5"):
        trained(tree("wrong"), lone_engine)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("relu", [[0, 1.0], [0, -1]], [[False, True]]),
        ("relu6_2.0", [[0, np.nan], [0, -1]], [[False, True]]),
        ("relu_of_places", [[[0, 1.0], [2, 0]], [[0, 0], [-1, -1]]], [[True, True]]),
        ("relu_scalar", [0.0, -1.0], [[False]]),
        ("tanh", [[-1.0, -1.0]], []),
        ("relu.logits", [[-1.0, -1.0]], []),
    ],
)
def test_a_unit_lives_that_is_above_zero_anywhere(name: str, values: Any, expected: Any) -> None:
    assert [each.tolist() for each in living({name: np.asarray(values)})] == expected
