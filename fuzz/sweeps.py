"""Sweeps with odd axes, conditions, zips and maps."""

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.cases import Case
from fuzz.settings import BASES, dry, write_base
from fuzz.words import KEYS, NUMBERS, ODD_KEYS, any_value, damaged, document
from nanmap.plan import load_sweep
from nanmap.plan.sweep import Sweep

# Keys of which most axes are, so that many sweeps are whole.
LIKELY = (
    *("optimizer.learning_rate", "training.seed", "training.batch_size", "optimizer.momentum", "model.init", "data.n"),
    *("model.init_scale", "data.seed", "training.steps", "optimizer.kind", "training.dtype", "outcome.ratio"),
)
RANGED = ("training.seed", "data.seed", "training.batch_size", "data.n", "training.steps")
SPACED = ("optimizer.learning_rate", "optimizer.momentum", "outcome.ratio", "model.init_scale")
CONFIGS = ("", ".", "missing.toml", "sweep.toml", "/dev/zero", "../b/config.toml")
ENDS = (
    0,
    1,
    -1,
    2,
    10,
    0.1,
    1e-3,
    0.9,
    1e-30,
    10**6,
    10**9,
    10**12,
    2**31,
    2**63,
    -5,
    1e308,
    float("nan"),
    float("inf"),
)
COUNTS = (1, 2, 3, 5, 16, 1000, 10**5, 10**7, 10**7 + 1, 0, -1, 1.5, "3", True)
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
NAMES = (
    "x.png",
    "map.svg",
    "a b.pdf",
    "../x.png",
    "/tmp/x.png",
    "x",
    ".png",
    "a/b.png",
    "é.png",
    "x" * 300 + ".png",
    "CON.png",
)
COUNTED = 4096  # cells that are counted one by one, beside the command


def sweep_case(rng: random.Random, folder: Path) -> Case:
    """A sweep's file; half of them nearly as people write them."""
    mild = rng.random() < 0.5
    write_base(folder, rng.choice(BASES))
    many = (
        rng.choice((1, 2, 3)) if mild else rng.choices((0, 1, 2, 3, 4, 33, 60, 200), (3, 20, 30, 20, 10, 1, 1, 0.3))[0]
    )
    tree: dict[str, Any] = {"config": "config.toml" if mild or rng.random() < 0.9 else rng.choice(CONFIGS)}
    keys = rng.sample(LIKELY, many) if mild else [_key(rng, number) for number in range(many)]
    axes = [_numbered(rng, key) if mild else _axis(rng, key) for key in keys]
    names = [axis.get("name") or _column(str(axis.get("key", ""))) for axis in axes]
    if rng.random() < 0.5:
        tree["where"] = _joined(rng, names, 3) if mild else _where(rng, names)
    if rng.random() < (0.02 if mild else 0.1):
        tree["zip"] = rng.choice(
            ([names[:2]], [names], [["missing", *names[:1]]], [[]], [1], "x", [names[:1], names[:1]])
        )
    if not mild and rng.random() < 0.05:
        tree[rng.choice(("title", "record", "axis", "x"))] = any_value(rng)
    if axes:
        tree["axes"] = axes
    if not mild and rng.random() < 0.15:
        tree["maps"] = [{"file": rng.choice(NAMES), "x": rng.choice((*names, "x")), "y": rng.choice((*names, "y"))}]
    text = document(tree).encode("utf-8", "surrogatepass")
    whole = mild or rng.random() < 0.8
    (folder / "sweep.toml").write_bytes(text if whole else damaged(rng, text))
    return Case("sweep", dry(folder), truth=lambda: _wrong(load_sweep(folder / "sweep.toml"), tree) if whole else None)


def _column(key: str) -> str:
    table, _, last = key.rpartition(".")
    return table if last == "kind" else last or "x"


def _key(rng: random.Random, number: int) -> str:
    if number >= 4 and rng.random() < 0.9:
        return f"optimizer.layer_learning_rates.{number}"
    return rng.choice(LIKELY if rng.random() < 0.8 else KEYS if rng.random() < 0.8 else ODD_KEYS)


def _axis(rng: random.Random, key: str) -> dict[str, Any]:
    """An axis that is odd in one way or another."""
    if rng.random() < 0.4:
        return _numbered(rng, key)
    table: dict[str, Any] = {"key": key}
    form = rng.choices(("values", "log", "linear", "range", "choices", "none"), (40, 20, 15, 15, 6, 2))[0]
    if form == "values":
        table["values"] = [any_value(rng, key) for _ in range(rng.choice((1, 2, 2, 3, 8, 0)))]
    elif form in ("log", "linear"):
        table |= {form: rng.choices(ENDS, k=rng.choice((2, 2, 1, 3))), "num": rng.choice(COUNTS)}
    elif form == "range":
        table[form] = rng.choices(ENDS, k=rng.choice((2, 3, 1)))
    elif form == "choices":
        labels = rng.sample(["a", "b", "c d", "é", ""], 2)
        name = rng.choice(("n", "fix", "a b", ""))
        table = {"name": name, "choices": {each: {key: any_value(rng, key)} for each in labels}}
    if rng.random() < 0.05:
        table[rng.choice(("num", "name", "key", "x", "values"))] = any_value(rng)
    return table


def _numbered(rng: random.Random, key: str) -> dict[str, Any]:
    """An axis as people write them: of numbers, or of values that may stand there."""
    if key in RANGED:
        ends = (1, 3, 8, 100, 10**6, 10**9, 10**12) if key == "training.seed" else (1, 3, 8, 50)
        return {"key": key, "range": sorted(rng.sample(ends, 2))}
    if key not in SPACED or rng.random() < 0.3:
        values = [any_value(rng, key, fitting=1.0) for _ in range(rng.choice((1, 2, 3)))]
        return {
            "key": key,
            "values": rng.sample((0.5, 0.25, 0.125, 0.9), rng.randrange(1, 4)) if key in SPACED else values,
        }
    return {
        "key": key,
        rng.choice(("log", "linear")): rng.sample((0.001, 0.01, 0.1, 0.9), 2),
        "num": rng.choice(COUNTS[:7]),
    }


def _where(rng: random.Random, names: list[str]) -> str:
    """A condition: most are whole."""
    if rng.random() < 0.15:
        odd = (
            "",
            "x",
            "1",
            "not " * 5000 + "1 < 2",
            "(" * 300,
            "a" * 20000,
            "1 < 2 " + "and 1 < 2 " * 3000,
            "x +",
            "\0",
        )
        return rng.choice(
            (*odd, "lambda: 1", "__import__('os')", "x[0] < 1", "f'{x}' == 1", "1 < " + "9" * 5000, "a := 1")
        )
    return _comparison(rng, names) if rng.random() < 0.6 else _joined(rng, names, 3)


def _joined(rng: random.Random, names: list[str], depth: int) -> str:
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return _comparison(rng, names)
    if kind < 0.5:
        return f"not ({_joined(rng, names, depth - 1)})"
    return f"({_joined(rng, names, depth - 1)}) {rng.choice(('and', 'or'))} {_joined(rng, names, depth - 1)}"


def _comparison(rng: random.Random, names: list[str]) -> str:
    name = rng.choice([*names, *names, "x"]) if names else "x"
    if rng.random() < 0.2:
        return f"{name} {rng.choice(('in', 'not in'))} {rng.choice(([1, 2], [0.1], ['zeros'], [10**30], [], [1, 'a'], [True]))}"
    other = rng.choice((*names, *NUMBERS[:22], 10**30, "'zeros'", "'sgd'", "true"))
    chain = f" {rng.choice(OPERATORS)} {rng.choice(NUMBERS[:22])}" if rng.random() < 0.2 else ""
    return f"{name} {rng.choice(OPERATORS)} {other}{chain}"


def _wrong(sweep: Sweep, tree: dict[str, Any]) -> str | None:
    """What of the grid is not as the file says: the values of its axes, or how many cells stay."""
    for axis, table in zip(sweep.grid.axes, _in_order(sweep), strict=True):
        if len(axis) > COUNTED or (expected := _values(table)) is None:
            continue
        if axis.labels.shape != expected.shape or not np.allclose(axis.labels.astype(float), expected, rtol=1e-9):
            return f"axis {axis.column} has other values than {table}"
    if sweep.grid.size > COUNTED:
        return None
    kept, exact = sweep.grid.count()
    counted = _counted(sweep, tree.get("where"))
    return None if exact and kept == counted else f"{kept} cells stay, counted one by one {counted}"


def _in_order(sweep: Sweep) -> list[dict[str, Any]]:
    """The tables of the axes as the grid has them; zipped ones stand together."""
    by_key = {table.get("key") or table["name"]: table for table in sweep.axes}
    return [by_key[axis.key or axis.column] for axis in sweep.grid.axes]


def _values(table: dict[str, Any]) -> np.ndarray | None:
    """What an axis of numbers goes over; None where whole numbers are asked for, or texts."""
    if table.get("range"):
        return np.array(range(*map(int, table["range"])), float)
    if table.get("linear") and table["key"] == "optimizer.learning_rate":
        low, high = table["linear"]
        return np.linspace(low, high, int(table["num"]))
    if table.get("log") and table["key"] == "optimizer.learning_rate":
        low, high = table["log"]
        return np.geomspace(low, high, int(table["num"]))
    return None


def _counted(sweep: Sweep, where: str | None) -> int:
    """The cells that stay, by Python itself."""
    kept = 0
    for places in itertools.product(*(range(len(axes[0])) for axes in sweep.grid.dimensions)):
        names: dict[str, Any] = {"true": True, "false": False}
        for axes, place in zip(sweep.grid.dimensions, places, strict=True):
            names |= {axis.column: axis.labels[place : place + 1].tolist()[0] for axis in axes}
        kept += not where or bool(eval(where.strip(), {"__builtins__": {}}, names))  # of comparisons that were accepted
    return kept
