"""Run folders whose manifest or rows were damaged or edited, as somebody else may hand them over."""

import json
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.cases import Case
from fuzz.settings import LINE
from fuzz.words import any_value, damaged, document
from nanmap.results.identity import IDENTITY, SAID_ONLY

AXES: list[dict[str, Any]] = [
    {"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 3},
    {"key": "model.init", "values": ["zeros", "ones"]},
]


# What may stand in a column of rows.
ROWS: tuple[list[Any], ...] = (
    [0, 1, 2],
    [-1],
    [2**62],
    [10**6],
    ["a", ""],
    ["converged"],
    [None],
    [1.5, float("nan")],
    [True],
    [[1]],
    [b"x"],
)


@cache
def small_run() -> Path:
    """A small run, trained once in a process."""
    from nanmap.api import sweep
    from nanmap.plan import make_sweep

    folder = Path(tempfile.mkdtemp(prefix="nanmap-fuzz-")) / "run"
    sweep(make_sweep(LINE, AXES, name="sweep"), out=folder)
    return folder


def folder_case(rng: random.Random, folder: Path) -> Case:
    """A run folder, and a command that reads it or goes on with it."""
    run = folder / "run"
    shutil.copytree(small_run(), run)
    (folder / "config.toml").write_text(document(LINE))
    (folder / "sweep.toml").write_text(document({"config": "config.toml", "axes": AXES}))
    file = run / "manifest.json"
    before = json.loads(file.read_text())
    if rng.random() < 0.75:
        file.write_bytes(_changed(rng, before))
    else:
        _change_rows(rng, run)

    def truth() -> str | None:
        """What tells which rows these are is as it was, or the command would not have gone on."""
        now = json.loads(file.read_text())
        changed = [key for key in IDENTITY if _told(now, key) != _told(before, key)]
        return f"{', '.join(changed)} of the manifest were edited, and taken" if changed else None

    kind = rng.random()
    if kind < 0.45:
        shutil.copytree(small_run(), folder / "other")
        words = ["compare", str(run), str(folder / "other")]
    elif kind < 0.75:
        words = ["sweep", str(folder / "sweep.toml"), "--out", str(run), "--no-maps", "--device", "cpu"]
    elif kind < 0.9:
        words = ["run", "--cell", "0", "--of", str(run), "--device", "cpu", "--json"]
    else:
        words = ["map", str(run), "--x", "learning_rate", "--y", "init", "--out", str(run / "maps" / "x.png")]
    return Case("folder", words, run, truth)


def _change_rows(rng: random.Random, run: Path) -> None:
    """Rows that nanmap did not write: other columns, other types, other cells; no receipt says what they were."""
    shutil.rmtree(run / "receipts")
    (shard,) = (run / "cells").glob("*.parquet")
    table = pq.read_table(shard)
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(table.num_columns)
        name = rng.choice(("cell", "outcome", "loss_final", table.column_names[place], table.column_names[place]))
        if name not in table.column_names:
            continue
        place, kind = table.column_names.index(name), rng.randrange(5)
        values: list[Any] = rng.choice(ROWS)
        made = pa.array([rng.choice(values) for _ in range(len(table))])
        if kind == 0:
            table = table.remove_column(place)
        elif kind == 1:
            table = table.append_column(rng.choice((name, "x", "")), made)
        elif kind == 2:
            table = table.slice(0, rng.randrange(len(table) + 1))
        else:
            table = table.set_column(place, name, made)
    pq.write_table(table, shard)


def _told(manifest: dict[str, Any], key: str) -> Any:
    value = manifest.get(key)
    return {name: part for name, part in value.items() if name not in SAID_ONLY} if isinstance(value, dict) else value


def _changed(rng: random.Random, manifest: dict[str, Any]) -> bytes:
    """A manifest with entries edited, bytes damaged, or replaced by what is none."""
    kind = rng.random()
    if kind < 0.6:
        made = json.loads(json.dumps(manifest))
        for _ in range(rng.choice((1, 1, 2))):
            _edit(rng, made)
        return json.dumps(made, indent=2).encode("utf-8", "surrogatepass")
    content = json.dumps(manifest, indent=2).encode()
    if kind < 0.92:
        return damaged(rng, content)
    return rng.choice(
        (b"", b"{}", b"[]", b"null", b"1" * 5000, b"[" * 100_000, b'{"sweep": {}}', b'{"sweep": null}', b"\xff", b"NaN")
    )


def _edit(rng: random.Random, made: Any) -> None:
    """Changes, removes or adds one entry somewhere in nested tables."""
    while True:
        places = list(made) if isinstance(made, dict) else list(range(len(made)))
        if not places:
            return
        place = rng.choice(places)
        inner = made[place]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
            made = inner
            continue
        kind = rng.randrange(4)
        if kind == 0:
            del made[place]
        elif kind == 1 and isinstance(made, dict):
            made[rng.choice(("x", "", "n", "where", "zip"))] = any_value(rng)
        else:
            made[place] = any_value(rng)
        return
