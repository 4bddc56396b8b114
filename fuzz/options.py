"""Odd options: of maps, comparisons, single cells and windows."""

import random
import shutil
from pathlib import Path

from fuzz.cases import Case
from fuzz.folders import small_run
from fuzz.settings import LINE, dry, write_base
from fuzz.words import TEXTS, damaged, document

AXES = ("learning_rate", "init", "seed", "x", "", "é", "Learning_Rate")
COLUMNS = (
    "outcome",
    "cause",
    "converged",
    "loss_final",
    "skill",
    "first_nan_step",
    "cell",
    "x",
    "",
    "nan",
    "measure",
    "stopped_by",
)
LENGTHS = (
    "3in",
    "86mm",
    "8.6cm",
    "245pt",
    "0",
    "-1in",
    "nanin",
    "inf",
    "1e9in",
    "1e-9in",
    "3 in",
    "in",
    "3furlong",
    "１in",
)
PAIRS = (
    "0:1",
    "1:0",
    "1e-3:1",
    "nan:1",
    "0:inf",
    "-inf:inf",
    "0:0",
    "1",
    ":",
    "a:b",
    "1:2:3",
    "1e308:-1e308",
    "0:1e-320",
    "-1:1",
)
SELECTS = (
    "init=zeros",
    "init=x",
    "learning_rate < 0.1",
    "learning_rate=0.001",
    "not " * 100 + "1 < 2",
    "=",
    "seed",
    "x=1",
    "init=[zeros]",
    "init=[",
    "seed=0,1",
    "1 < 2",
    "learning_rate > 1e9",
)
SETS = (
    "outcome.ratio=0.1",
    "outcome.ratio=nan",
    "outcome.ratio=1e400",
    "outcome.floor=affine",
    "outcome.floor=inf",
    "data.n=3",
    "x",
    "outcome.rising=0",
)
NAMES = (
    "x.png",
    "x.svg",
    "x.pdf",
    "x",
    "x.gif",
    "../x.png",
    "sub/x.png",
    "a" * 300 + ".png",
    "\udcff.png",
    "é.png",
    "x.PNG",
    ".png",
    "-x.png",
)
KINDS = {
    "--x": AXES,
    "--y": AXES,
    "--facet": AXES,
    "--lines": AXES,
    "--value": COLUMNS,
    "--kind": ("map", "lines", "x"),
    "--select": SELECTS,
    "--zoom": (*tuple(f"learning_rate={pair}" for pair in PAIRS), "init=0:1", "x=0:1", "learning_rate", "=0:1"),
    "--set": SETS,
    "--theme": ("light", "dark", "x"),
    "--title": TEXTS,
    "--width": LENGTHS,
    "--height": LENGTHS,
    "--font-size": ("9", "0", "-1", "nan", "1e9", "x"),
    "--cmap": ("viridis", "jet", "x", ""),
    "--limits": PAIRS,
}


def options_case(rng: random.Random, folder: Path) -> Case:
    """A command with options that somebody mistyped."""
    kind = rng.random()
    if kind < 0.25:
        write_base(folder, LINE)
        axes = [
            {"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 5},
            {"key": "training.seed", "range": [0, 9]},
        ]
        (folder / "sweep.toml").write_text(document({"config": "config.toml", "axes": axes}))
        zooms = [
            f"{rng.choice(('learning_rate', 'seed', 'x'))}={rng.choice((*PAIRS, '0.01:0.1', '2:4', '2.5:2.6'))}"
            for _ in range(rng.choice((1, 1, 2)))
        ]
        return Case("options", dry(folder, *(word for each in zooms for word in ("--zoom", each))))
    run = folder / "run"
    shutil.copytree(small_run(), run)
    if kind < 0.5:
        words = [
            "--of",
            str(run) if rng.random() < 0.9 else str(folder),
            "--cell",
            rng.choice(("0", "5", "6", "-1", "x", str(2**63), "9" * 30, "1.0", "")),
        ]
        asked = [
            word
            for _ in range(rng.randrange(3))
            for word in ("--predict", rng.choice(("1", "x", "nan", "1,2", "", '"', "1e999", "inf", ",", "-1")))
        ]
        return Case("options", ["run", *words, *asked, "--device", "cpu"], run)
    given: dict[str, str] = {}
    if rng.random() < 0.7:
        given |= {"--x": "learning_rate", "--y": "init"}
    for option in rng.sample(list(KINDS), rng.randrange(4)):
        given[option] = rng.choice(KINDS[option])
    words = [word for pair in given.items() for word in pair]
    if rng.random() < 0.5:
        words += ["--out", str(run / "maps" / rng.choice(NAMES))]
    if rng.random() < 0.05:
        words.append(damaged(rng, b"--value").decode("utf-8", "replace").replace("\0", ""))
    return Case("options", ["map", str(run), *words], run)
