"""A new outcome and a new column are one entry each: a copy of the package with such entries stores, counts and draws them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nanmap

ENTRIES = {
    "outcomes.py": {
        '    PROGRESSING = "progressing"': '    SWINGING = "swinging", "the loss returned to where it began", 35, "#12ab34"\n',
        "            Outcome.PROGRESSING: falling,\n": "            Outcome.SWINGING: first == final,\n",
    },
    "results/columns.py": {
        '    Column(\n        "steps_run",\n': (
            '    Column("loss_swing", pa.float64(), Unit.LOSS, "How far the loss swings.", Missing.NAN,\n'
            '           (Reason.ENDED_BY_NAN,), label="swing of the loss", better="low"),\n'
        ),
    },
}
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from matplotlib.colors import to_hex
from handmade import write_run
from nanmap.analysis import to_xarray
from nanmap.outcomes import Outcome, classify
from nanmap.plot import draw_map

never, no = np.full(3, -1), np.zeros(3, bool)
columns = {"first_inf_step": never, "first_nan_step": np.array([-1, -1, 4]), "rate": np.ones(3), "loss_floor": np.zeros(3)}
columns |= {"loss_initial": np.ones(3), "loss_late": np.ones(3), "loss_final": np.array([0.0, 1.0, np.nan])}
columns |= dict.fromkeys(("ends_infinite", "dead_at_end", "dead_at_init", "data_nan", "float16", "single_rows"), no)
outcomes, _ = classify(columns, 0.05)
axes = [{"key": "training.batch_size", "values": [1]}, {"key": "optimizer.learning_rate", "values": [1.0, 2.0, 3.0]}]
facts = {"outcome": outcomes.astype(object), "loss_swing": np.array([1.0, 7.0, np.nan])}
folder = write_run(Path(sys.argv[1]), axes, facts)
told = {"classified": outcomes.tolist(), "stored": to_xarray(folder).outcome.values[0].tolist()}
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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the enlarged package says."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "nanmap"
    shutil.copytree(Path(nanmap.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, entries in ENTRIES.items():
        text = (package / name).read_text(encoding="utf-8")
        for place, entry in entries.items():
            assert text.count(place) == 1, place
            text = text.replace(place, entry + place)
        (package / name).write_text(text, encoding="utf-8")
    paths = os.pathsep.join([str(folder), str(Path(__file__).parent)])
    command = [sys.executable, "-c", SCRIPT, str(folder / "run")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_outcome_is_classified_stored_and_drawn(told: dict) -> None:
    assert told["classified"] == told["stored"] == ["converged", "swinging", "nan"]
    assert told["outcome"]["pixels"][1] == "#12ab34"
    legend = ["converged  1 · 33 %", "swinging  1 · 33 %", "nan  1 · 33 %"]  # from good to bad
    assert told["outcome"]["legend"] == legend
    assert told["swinging"]["bar"] == ["share of runs that ended as “swinging”"]
    white, dark = told["swinging"]["pixels"][0], told["swinging"]["pixels"][1]
    assert white == told["swinging"]["pixels"][2] != dark


def test_a_column_is_stored_and_drawn_with_its_label_and_its_nan(told: dict) -> None:
    assert told["loss_swing"]["bar"] == ["swing of the loss"]
    assert told["loss_swing"]["legend"] == ["NaN: 1 training · 33 %"]
    assert told["loss_swing"]["pixels"][2] == nanmap.Outcome.NAN.colour
