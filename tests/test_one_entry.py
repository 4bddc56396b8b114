"""Where to add things, as docs/architecture.md has it, done: a copy of the package with one entry more of each kind uses them all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nanmap

# Per file of the package what is put before a text that stands in it once; "" puts it at the end of the file.
ENTRIES = {
    "outcomes/verdicts.py": {
        '    PROGRESSING = "progressing"': '    SWINGING = "swinging", "the loss returned to where it began", 35, "#12ab34", True\n',
    },
    "outcomes/classify.py": {
        "            Outcome.PROGRESSING: trend.falling,\n": "            Outcome.SWINGING: trend.first == trend.final,\n",
    },
    "results/columns.py": {
        '    Column(\n        "steps_run",\n': (
            '    Column("loss_swing", pa.float64(), Unit.LOSS, "How far the loss swings.", Missing.NAN,\n'
            '           (Reason.ENDED_BY_NAN,), label="swing of the loss", better="low"),\n'
        ),
    },
    "engine/facts.py": {
        '        "loss_floor": lanes.numbers["floor"][cells],\n': '        "loss_swing": abs(final - initial),\n'
    },
    "config/initialisers.py": {
        '    "zeros": ': '    "tenths": InitialiserEntry("constant", lambda fan_in, fan_out: 0.1),\n'
    },
    "config/optimizers.py": {'    "sgd": ': '    "signs": OptimizerEntry("Sign descent", ()),\n'},
    "training/optimizers.py": {
        '    "sgd": ': '    "signs": Rule(lambda program, numbers: optax.stateless(lambda g, _: jax.tree.map(jnp.sign, g))),\n'
    },
    "config/losses.py": {'    "mse": ': '    "quartic": LossEntry(),\n'},
    "training/losses.py": {'    "mse": ': '    "quartic": lambda output, target, delta: (output - target) ** 4,\n'},
    "data/references/values.py": {
        '    "mse": ': '    "quartic": lambda output, target, delta: (output - target) ** 4,\n'
    },
    "config/choices.py": {'"mlp"]': '"shift", '},
    "models/__init__.py": {
        '"mlp": MLP.of': '"shift": lambda settings, features, outputs: Shift(features, outputs), ',
        "MODELS: dict": "from nanmap.models.shift import Shift\n\n",
    },
    "models/shift.py": {
        "": """from dataclasses import dataclass
import numpy as np
from nanmap.models.base import Model, Pass

@dataclass(frozen=True)
class Shift(Model):
    def shapes(self):
        return [{"b": ()}, {"c": ()}], [{}, {}]

    def draw(self, settings, seeds):
        zeros = np.zeros(len(seeds), np.float32)
        return [{"b": zeros + np.float32(0.5)}, {"c": zeros}], [{}, {}]

    def forward(self, parameters, state, x, mask, *, numbers, layout, training=False):
        return Pass(x + parameters[0]["b"] + parameters[1]["c"], state)
"""
    },
    "cli/greet.py": {
        "": """from nanmap.cli.app import app

@app.command(epilog="Example:  nanmap greet")
def greet() -> None:
    "Say hello."
    print("hello")
"""
    },
}
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from matplotlib.colors import to_hex
from handmade import AT_REST, write_run
from nanmap.analysis import to_xarray
from nanmap.edges.probe import BROKEN
from nanmap.outcomes import Outcome, classify
from nanmap.plot import draw_map

known = {name: np.full(3, value) for name, value in AT_REST.items()}
known |= {"first_nan_step": np.array([-1, -1, 4]), "loss_final": np.array([0.0, 1.0, np.nan])}
outcomes, causes = classify(known)
axes = [{"key": "training.batch_size", "values": [1]}, {"key": "optimizer.learning_rate", "values": [1.0, 2.0, 3.0]}]
facts = {"outcome": outcomes.astype(object), "loss_swing": np.array([1.0, 7.0, np.nan])}
folder = write_run(Path(sys.argv[1]), axes, facts)
told = {"causes": causes.tolist(), "past the edge": [str(each) for each in BROKEN], "classified": outcomes.tolist(), "stored": to_xarray(folder).outcome.values[0].tolist()}
for value in ("outcome", "swinging", "loss_swing"):
    figure = draw_map(folder, "learning_rate", "batch_size", value=value)
    image = np.asarray(figure.axes[0].images[0].get_array())[0]
    told[value] = {
        "pixels": [to_hex(point[:3] / 255) for point in image],
        "legend": [text.get_text() for legend in figure.legends for text in legend.get_texts()],
        "bar": [axes.get_ylabel().replace("\\n", " ") for axes in figure.axes[1:]],
    }
print(json.dumps(told))
"""


TRAININGS = """
import json, sys
from pathlib import Path
import nanmap
from nanmap.plan import Plan, make_sweep, notices

def tree(**tables):
    data = {"kind": "line", "n": 4, "start": 1}
    training = {"steps": 3, "batch_size": 4, "dtype": "float64"}
    return {"data": data, "training": training, "optimizer": {"learning_rate": 0.25}, **tables}

def params(**tables):
    report = nanmap.run(tree(**tables))
    return {name: values.ravel().tolist() for name, values in report.params.items()} | {
        "loss": report.row["loss_initial"], "swing": report.row["loss_swing"], "end": report.row["loss_final"]}

zeros = {"init": "zeros", "bias": False}
plan = Plan(make_sweep(tree(optimizer={"kind": "signs", "learning_rate": 0.25}), []))
print(json.dumps({
    "signs": params(model=zeros, optimizer={"kind": "signs", "learning_rate": 0.25}),
    "tenths": params(model={"init": "tenths"}, training={"steps": 1, "batch_size": 4}, optimizer={"learning_rate": 0.0}),
    "quartic": params(model=zeros, loss={"kind": "quartic"}, optimizer={"learning_rate": 0.0}),
    "shift": params(model={"kind": "shift"}, optimizer={"layer_learning_rates": [0.5, 0.0]}),
    "notices": notices(plan),
}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the enlarged package."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "nanmap"
    shutil.copytree(Path(nanmap.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, entries in ENTRIES.items():
        text = (package / name).read_text(encoding="utf-8") if (package / name).exists() else ""
        for place, entry in entries.items():
            assert text.count(place) == 1, (name, place)
            text = text.replace(place, entry + place)
        (package / name).write_text(text, encoding="utf-8")
    return folder


def run_in(copy: Path, *command: str) -> str:
    """What a program prints that uses the enlarged package."""
    paths = os.pathsep.join([str(copy), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(copy: Path) -> dict:
    """What the enlarged package stores and draws."""
    return json.loads(run_in(copy, "-c", SCRIPT, str(copy / "run")))


@pytest.fixture(scope="module")
def trained(copy: Path) -> dict:
    """What the enlarged package trains."""
    return json.loads(run_in(copy, "-c", TRAININGS))


def test_an_outcome_is_classified_stored_and_drawn(told: dict) -> None:
    assert told["classified"] == told["stored"] == ["converged", "swinging", "nan"]
    assert told["causes"] == ["", "", "overflow"]  # no other outcome's
    assert "swinging" in told["past the edge"]
    assert told["outcome"]["pixels"][1] == "#12ab34"
    legend = ["converged  1 · 33 %", "swinging  1 · 33 %", "nan  1 · 33 %"]  # from good to bad
    assert told["outcome"]["legend"] == legend
    assert told["swinging"]["bar"] == ["share of runs: swinging"]
    white, dark = told["swinging"]["pixels"][0], told["swinging"]["pixels"][1]
    assert white == told["swinging"]["pixels"][2] != dark


def test_a_column_is_stored_and_drawn_with_its_label_and_its_nan(told: dict) -> None:
    assert told["loss_swing"]["bar"] == ["swing of the loss (loss_swing)"]
    assert told["loss_swing"]["legend"] == ["above 2: 1 training · 33 %", "NaN: 1 training · 33 %"]
    assert told["loss_swing"]["pixels"][2] == nanmap.Outcome.NAN.colour


def test_an_initialiser_draws(trained: dict) -> None:
    assert trained["tenths"]["layers.0.kernel"] == pytest.approx([0.1])


def test_an_optimizer_trains_and_none_of_its_settings_is_told_to_be_idle(trained: dict) -> None:
    assert trained["signs"]["layers.0.kernel"] == [0.75]  # three steps of a quarter, whatever the gradient
    assert trained["notices"] == []


def test_a_loss_is_trained_on(trained: dict) -> None:
    assert trained["quartic"]["loss"] == (1 + 2**4 + 3**4 + 4**4) / 4


def test_a_model_trains(trained: dict) -> None:
    assert trained["shift"]["layers.0.b"] == [0.0]  # y = x needs no shift, and a step of a half on b² finds that
    assert trained["shift"]["layers.1.c"] == [0.0]
    assert trained["shift"]["end"] == 0.0


def test_a_column_is_filled_by_a_training(trained: dict) -> None:
    assert trained["signs"]["swing"] == trained["signs"]["loss"] - trained["signs"]["end"]


def test_a_command_is_there_by_its_file(copy: Path) -> None:
    assert "hello" in run_in(copy, "-m", "nanmap", "greet")
    assert "Say hello." in run_in(copy, "-m", "nanmap", "--help")


def test_the_page_names_the_files(copy: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in ENTRIES:
        place = "a file in `models/`" if name.startswith("models/") else "a file in `cli/`" if "cli/" in name else name
        assert place in page, name
