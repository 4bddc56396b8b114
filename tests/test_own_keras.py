"""A Keras model as a network of the user's own, held against Keras's own `fit`, in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("keras") is None, reason="Keras is not installed: pip install 'nanmap[keras]'"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("keras")
    script = Path(__file__).with_name("own_keras.py")
    environment = os.environ | {"KERAS_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(folder)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return answers


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_losses_of_every_epoch_are_those_of_fit(found: dict[str, Any], kind: str) -> None:
    assert len(found[kind]["fit"]) == 6
    tolerance = {"sgd": 1e-6, "adam": 2e-5}[kind]  # Adam divides gradients by themselves: what rounds shows
    assert found[kind]["nanmap"] == pytest.approx(found[kind]["fit"], rel=tolerance)


def test_weights_have_the_same_names_however_many_models_were_made(found: dict[str, Any]) -> None:
    norm = [f"batch_normalization.{name}" for name in ("beta", "gamma")]
    layers = ["conv2d.kernel", *(f"{layer}.{name}" for layer in ("dense", "dense_1") for name in ("bias", "kernel"))]
    running = [f"state/batch_normalization.moving_{name}" for name in ("mean", "variance")]
    assert found["names"] == sorted([*norm, *layers, *running])


def test_a_model_that_is_given_starts_at_its_present_weights(found: dict[str, Any]) -> None:
    assert found["given"] == pytest.approx([found["present"]] * 2, rel=1e-6)


def test_each_seed_drops_other_units(found: dict[str, Any]) -> None:
    for kind in ("dropout", "given dropout"):
        one, again, other = found[kind]
        assert one == again != other
