"""Where a softmax or a sigmoid stands at the end of a network of the user's own, told by its outputs alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine

ENGINE = LocalEngine()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
LABELS = (X[:, 0] > 0).astype(int)
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
        (jax.nn.softmax, 2, {"y": LABELS, "target_kind": "class", "loss": "softmax_cross_entropy"}, "loss_does_not_fit", SURE),
        (jax.nn.sigmoid, 1, {"y": LABELS, "target_kind": "class", "loss": "sigmoid_cross_entropy"}, "loss_does_not_fit", SURE),
        (jax.nn.sigmoid, 1, {"y": 9 * X[:, 0]}, "target_out_of_reach", "under any parameters, and a target is"),
    ],
)  # fmt: skip
def test_an_end_that_does_not_fit_is_told(end: Any, outputs: int, settings: Any, cause: str, told: str) -> None:
    answer = diagnosed(end, outputs, **settings)
    assert answer.cause == cause
    assert told in answer.evidence[0].sentence
    assert answer.limit == answer.evidence[0]
    assert answer.fix is None


def test_a_network_without_such_an_end_is_searched() -> None:
    answer = diagnosed(lambda x: x, 1, y=X[:, 0], epochs=60, learning_rate=3.0)
    assert answer.cause == "rate_above_edge"
    assert answer.fix.reaches
