"""Where a softmax or a sigmoid stands at the end of a network of the user's own, told by its outputs alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.models.own.end import End

ENGINE = LocalEngine()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
LABELS = (X[:, 0] > 0).astype(int)
CLASSES = {"y": LABELS, "target_kind": "class"}
SURE = f"costs {-np.log(np.exp(1) / (np.exp(1) + np.exp(0))):.3g}"  # of two classes, where the second softmax is given 1 and 0


def network(end: Any, outputs: int) -> Any:
    """A linear network with something behind it."""

    def ended() -> Any:
        def init(key: Any, x: Any) -> Any:
            return {"w": jax.random.normal(key, (x.shape[1], outputs)) / 2, "b": jnp.zeros(outputs)}

        def apply(parameters: Any, x: Any) -> Any:
            return end(x @ parameters["w"] + parameters["b"])

        return init, apply

    return ended


def diagnosed(end: Any, outputs: int, **settings: Any) -> Any:
    usual = {"learning_rate": 0.1, "epochs": 3, "batch_size": 64, "engine": ENGINE, "budget": 1e9}
    return nanmap.diagnose(network(end, outputs), X, **{**usual, **settings})


@pytest.mark.parametrize(
    ("end", "outputs", "settings", "cause", "told"),
    [
        (jax.nn.softmax, 1, {"y": X[:, 0]}, "loss_does_not_fit", "a softmax of one number is always 1"),
        (jax.nn.softmax, 3, {"y": RNG.normal(size=(40, 3))}, "loss_does_not_fit", "asks for a cross-entropy"),
    ],
)  # fmt: skip
def test_an_end_that_does_not_fit_is_told(end: Any, outputs: int, settings: Any, cause: str, told: str) -> None:
    answer = diagnosed(end, outputs, **settings)
    assert answer.cause == cause
    assert told in answer.evidence[0].sentence
    assert answer.limit == answer.evidence[0]
    assert answer.fix is None


@pytest.mark.parametrize(
    ("end", "outputs", "settings", "cause", "told"),
    [
        pytest.param(jax.nn.softmax, 2, CLASSES | {"loss": "softmax_cross_entropy"}, "loss_does_not_fit", SURE, marks=pytest.mark.long),
        (jax.nn.sigmoid, 1, CLASSES | {"loss": "sigmoid_cross_entropy"}, "loss_does_not_fit", SURE),
        pytest.param(jax.nn.sigmoid, 1, {"y": 2 * X[:, 0]}, "target_out_of_reach", "and a target is", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_a_softmax_or_a_sigmoid_at_the_end_is_taken_out(
    end: Any, outputs: int, settings: Any, cause: str, told: str
) -> None:
    answer = diagnosed(end, outputs, epochs=150, learning_rate=0.5, **settings)
    assert answer.cause == cause
    assert told in answer.evidence[0].sentence
    assert answer.fix.trial.changes["model.undo"] == end.__name__
    assert answer.fix.reaches
    (patch,) = [text for section in nanmap.diagnosis.told(answer) for text in section.sentences if "leave that" in text]
    assert f"without its last {end.__name__}" in patch


@pytest.mark.parametrize(("end", "outputs"), [(jax.nn.softmax, 2), (jax.nn.sigmoid, 1)])
def test_what_is_undone_trains_as_the_network_without_it(end: Any, outputs: int) -> None:
    loss = {jax.nn.softmax: "softmax_cross_entropy", jax.nn.sigmoid: "sigmoid_cross_entropy"}[end]
    settings = {"x": X, "y": LABELS, "target_kind": "class", "loss": loss, "epochs": 20, "engine": ENGINE}
    settings |= {"learning_rate": 0.3, "batch_size": 40}
    undone = nanmap.run(model=network(end, outputs), undo=end.__name__, **settings)
    without = nanmap.run(model=network(lambda x: x, outputs), **settings)
    assert without.row["skill"] > 0.5
    for name in ("loss_initial", "loss_final", "accuracy", "skill"):
        assert undone.row[name] == pytest.approx(without.row[name], rel=1e-4)


def test_a_probability_of_0_has_a_finite_loss_when_it_is_undone() -> None:
    found = End("softmax").of(jnp.array([[0.0, 1.0], [np.nan, 0.5]]))
    np.testing.assert_allclose(found[0], [np.log(1e-7), np.log1p(-1e-7)], atol=1e-6)
    assert np.isnan(found[1, 0])
    assert np.isfinite(End("sigmoid").of(jnp.array([0.0, 1.0], jnp.float16))).all()


def test_only_networks_of_ones_own_have_an_end_to_undo() -> None:
    with pytest.raises(nanmap.InputError, match="is for a network of your own"):
        nanmap.run(x=X, y=X[:, 0], epochs=1, undo="softmax")


def test_a_network_without_such_an_end_is_searched() -> None:
    answer = diagnosed(lambda x: x, 1, y=X[:, 0], epochs=60, learning_rate=3.0)
    assert answer.cause == "rate_above_edge"
    assert answer.fix.reaches
