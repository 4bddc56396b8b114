"""A loss and an optimizer of the user's own, and rates of groups of parameters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from own_loops import close, plain_loop

SOURCE = """
import jax
import jax.numpy as jnp
import optax


def net():
    def init(key, x):
        one, two = jax.random.split(key)
        return {"body": {"w": jax.random.normal(one, (x.shape[1], 4)) / 2, "b": jnp.zeros(4)},
                "head": {"w": jax.random.normal(two, (4, 2)) / 2}}

    def apply(parameters, x):
        return jnp.tanh(x @ parameters["body"]["w"] + parameters["body"]["b"]) @ parameters["head"]["w"]

    return init, apply


def quartic(outputs, targets):
    return jnp.sum((outputs - targets) ** 4, axis=1)


def careful(learning_rate, momentum=0.5, b1=0.25):
    return optax.chain(optax.clip(0.5), optax.trace(momentum), optax.scale(1 + b1), optax.scale_by_learning_rate(learning_rate))


def mean(outputs, targets):
    return jnp.mean((outputs - targets) ** 4)


def without_rate(momentum):
    return optax.sgd(0.1, momentum)


def hungry(learning_rate, patience):
    return optax.sgd(learning_rate)


def nothing(learning_rate):
    return learning_rate
"""
N = 19


def loaded() -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(SOURCE, found)
    return found


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "code.py").write_text(SOURCE)
    rng = np.random.default_rng(4)
    np.savez(folder / "rows.npz", x=rng.standard_normal((N, 3)), y=rng.standard_normal((N, 2)))
    return {
        "data": {"kind": "npz", "path": str(folder / "rows.npz")},
        "model": {"kind": code(folder, "net")},
        "optimizer": {"learning_rate": 0.1},
        "training": {"batch_size": 8, "epochs": 3},
    }


def code(folder: Path | dict[str, Any], name: str) -> str:
    place = Path(folder["data"]["path"]).parent if isinstance(folder, dict) else folder
    return f"python:{place / 'code.py'}:{name}"


def rows(given: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    with np.load(given["data"]["path"]) as file:
        return file["x"].astype(np.float32), file["y"].astype(np.float32)


def ends_of(report: Any) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, values in report.params.items():
        layer, array = name.split(".")
        parts.setdefault(layer, {})[array] = values
    return parts


def test_a_loss_of_each_row(given: dict[str, Any], engine: LocalEngine) -> None:
    mine, (x, y) = loaded(), rows(given)
    init, apply = mine["net"]()
    loss = lambda p, s, x, y, key: (mine["quartic"](apply(p, x), y).mean(), s)  # noqa: E731
    ends, _, losses = plain_loop(init(jax.random.key(0), x), loss, optax.sgd(0.003), x, y)
    asked = given | {"loss": {"kind": code(given, "quartic")}, "optimizer": {"learning_rate": 0.003}}
    report = nanmap.run(asked, engine=engine, allow_python=True)
    jax.tree.map(close, ends_of(report), ends)
    close([each.last_loss for each in report.epochs], losses[2::3])
    close(report.row["loss_final"], loss(ends, None, x, y, None)[0])
    assert report.row["loss_constant"] is None or np.isnan(report.row["loss_constant"])


def test_a_loss_of_each_row_for_dense_layers(given: dict[str, Any], engine: LocalEngine) -> None:
    squares = given | {"model": {"hidden": [4], "activation": "tanh"}}
    (Path(given["data"]["path"]).parent / "squares.py").write_text(
        "import jax.numpy as jnp\n\ndef squares(outputs, targets):\n    return jnp.mean((outputs - targets) ** 2, axis=1)\n"
    )
    kind = code(given, "squares").replace("code.py", "squares.py")
    own = nanmap.run(squares | {"loss": {"kind": kind}}, engine=engine, allow_python=True)
    known = nanmap.run(squares, engine=engine)
    for name, values in own.params.items():
        close(values, known.params[name])
    close(own.row["loss_final"], known.row["loss_final"])


def test_an_optimizer_is_handed_the_numbers_that_are_set(given: dict[str, Any], lone_engine: LocalEngine) -> None:
    mine, (x, y) = loaded(), rows(given)
    init, apply = mine["net"]()
    loss = lambda p, s, x, y, key: (jnp.mean((apply(p, x) - y) ** 2), s)  # noqa: E731
    kind = code(given, "careful")
    before = lone_engine.compilations
    for momentum in (0.5, 0.9):
        rule = mine["careful"](0.1, momentum)
        ends, _, losses = plain_loop(init(jax.random.key(0), x), loss, rule, x, y)
        asked = given | {"optimizer": {"kind": kind, "learning_rate": 0.1, "momentum": momentum}}
        report = nanmap.run(asked, engine=lone_engine, allow_python=True)
        jax.tree.map(close, ends_of(report), ends)
        close([each.last_loss for each in report.epochs], losses[2::3])
    assert lone_engine.compilations == before + 1


def test_groups_of_parameters_have_rates_of_their_own(
    given: dict[str, Any], lone_engine: LocalEngine, tmp_path: Path
) -> None:
    mine, (x, y) = loaded(), rows(given)
    init, apply = mine["net"]()
    loss = lambda p, s, x, y, key: (jnp.mean((apply(p, x) - y) ** 2), s)  # noqa: E731
    labels = {"body": {"w": "w", "b": "b"}, "head": {"w": "rest"}}
    before = lone_engine.compilations
    axes = {"optimizer.learning_rate": [0.01, 0.1], "optimizer.group_rates.body.*": [0.2, 0.3]}
    asked = given | {"optimizer": {"group_rates": {"*.b": 0.05, "body.*": 0.2}}}
    result = nanmap.sweep(asked, axes, out=tmp_path / "run", engine=lone_engine, allow_python=True)
    assert lone_engine.compilations == before + 1
    for row in result.to_pandas().itertuples():
        rates = {"w": row.learning_rate_body, "b": 0.05, "rest": row.learning_rate}
        rule = optax.multi_transform({name: optax.sgd(rate) for name, rate in rates.items()}, labels)
        floats = jax.tree.map(jnp.asarray, init(jax.random.key(0), x))
        ends = in_turn(floats, loss, rule, x, y)
        close(row.loss_final, loss(ends, None, x, y, None)[0])


def in_turn(parameters: Any, loss: Callable[..., Any], rule: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """`plain_loop` for a rule that knows the parameters' tree."""
    masked = optax.GradientTransformation(rule.init, rule.update)
    return plain_loop(parameters, loss, masked, x, y)[0]


def refused(tree: dict[str, Any], *words: str) -> None:
    with pytest.raises(InputError) as error:
        nanmap.run(tree, allow_python=True)
    for word in words:
        assert word in str(error.value)


def test_faults_are_told(given: dict[str, Any]) -> None:
    refused(given | {"loss": {"kind": code(given, "mean")}}, "loss.kind", "gives [] for 8 rows", "no jnp.mean")
    rule = lambda name, **more: given | {"optimizer": {"kind": code(given, name), **more}}  # noqa: E731
    refused(
        rule("without_rate", momentum=0.9),
        "optimizer.kind",
        "takes no `learning_rate`",
        "def without_rate(learning_rate",
    )
    refused(rule("hungry"), "asks for `patience`", "give it a default")
    refused(rule("nothing"), "optimizer.kind", "allowed: an optax.GradientTransformation")
    refused(rule("careles"), "names no function of it", "did you mean `careful`?")
    refused(
        given | {"optimizer": {"group_rates": {"boddy.*": 1.0}}}, "group_rates.boddy.*", "fits no parameter", "head.w"
    )
    refused(given | {"optimizer": {"group_rates": {"body.*": 1.0, "*.b": 1.0}}}, "an earlier pattern took")
    mlp = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 1}, "optimizer": {"group_rates": {"a": 1.0}}}
    refused(mlp, "optimizer.group_rates", "layer_learning_rates")


def test_groups_with_rates_of_their_own_have_no_single_rate_to_catapult_at(given: dict[str, Any]) -> None:
    asked = given | {"training": {"batch_size": N, "steps": 1}, "record": {"sharpness": "start"}}
    plain = nanmap.run(asked, allow_python=True).row
    assert plain["predicted_catapult"] == pytest.approx(2 / plain["sharpness"])
    parted = nanmap.run(asked, allow_python=True, **{"optimizer.group_rates": {"body.*": 1e-6}}).row
    assert parted["sharpness"] == pytest.approx(plain["sharpness"]), "of the same start"
    assert parted["predicted_catapult"] is None
