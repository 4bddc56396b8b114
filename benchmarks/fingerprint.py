"""Are the rows of two versions the same? Sweeps, edges and single trainings of both, compared column by column, to the bit.

`python -m benchmarks.fingerprint ../before .` trains with the packages of two checkouts in turn and prints every column
that differs; it exits 1 if one does. Takes some minutes. Columns that only one of them has are no difference.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RATES = {"key": "optimizer.learning_rate", "log": [1e-3, 30], "num": 7}
SEEDS = {"key": "training.seed", "range": [0, 5]}
MOST_SEEDS = 10  # of a shipped sweep that has more
NET = {
    "data": {"kind": "gaussian", "n": 37, "features": 3, "validation_split": 0.2},
    "model": {"hidden": [8, 5], "activation": "tanh"},
    "training": {"batch_size": 8, "epochs": 12},
}
RULES = ["sgd", "adam", "adamw", "amsgrad", "adamax", "nadam", "radam", "adabelief", "rmsprop", "adagrad", "lion"]
DRAWS = [
    "zeros",
    "ones",
    "normal",
    "uniform",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "lecun_uniform",
]
SETTINGS: dict[str, dict[str, Any]] = {
    "heavy ball": {"optimizer.momentum": 0.9},
    "nesterov": {"optimizer.momentum": 0.9, "optimizer.nesterov": True},
    "clip value": {"optimizer.clip_value": 0.1},
    "clip norm": {"optimizer.clip_norm": 0.5},
    "clip output": {"optimizer.clip_output_gradient": 0.01},
    "warm-up": {"optimizer.warmup_steps": 5, "optimizer.schedule": "cosine"},
    "decay": {"optimizer.schedule": "inverse_time", "optimizer.decay": 0.1},
    "stop above": {"training.stop_above": 3.0},
    "stop converged": {"training.stop_converged": True},
    "huber": {"loss.kind": "huber"},
    "mae": {"loss.kind": "mae"},
    "replacement": {"training.order": "replacement"},
    "sequential": {"training.order": "sequential"},
    "full batch": {"training.batch_size": 64},
    "layer rates": {"optimizer.layer_learning_rates": [0.1, 0.2, 0.3]},
    "ntk": {"model.parametrization": "ntk", "model.gain": 1.4},
}
# Beside what is shipped: something of everything that a setting may say.
SMALL: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "optimizers": (NET, [{"key": "optimizer.kind", "values": RULES}, RATES, SEEDS]),
    "norms": (
        NET,
        [
            {"key": "model.norm", "values": ["none", "layer", "rms", "batch"]},
            {"key": "training.dtype", "values": ["float32", "float64", "bfloat16", "float16"]},
            RATES,
            SEEDS,
        ],
    ),
    "initialisers": (NET, [{"key": "model.init", "values": [*DRAWS, "orthogonal", "torch_linear"]}, RATES, SEEDS]),
    "settings": (
        NET | {"record": {"sharpness": True, "full_loss": True}},
        [{"name": "setting", "choices": SETTINGS}, SEEDS],
    ),
}


def rows(package: Path, folder: Path) -> dict[str, dict[str, str]]:
    """A digest of every column of every table that a checkout's package writes, by table and column."""
    environment = {**os.environ, "PYTHONPATH": str(package / "src")}
    command = [sys.executable, __file__, "--train", str(folder)]
    subprocess.run(command, env=environment, check=True)
    found: dict[str, dict[str, str]] = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
    return found


def _train(folder: Path) -> None:
    """In a process of its own, with the package that is to be looked at."""
    import jax

    jax.config.update("jax_num_cpu_devices", 2)
    import nanmap

    digests = {}
    for name, sweep in _sweeps():
        print(name, file=sys.stderr, flush=True)
        nanmap.sweep(sweep, out=folder / name)
        digests[name] = _digests(folder / name / "cells")
        if name.startswith(("square_sgd", "norms")):
            nanmap.edge(sweep, out=folder / name)
            digests[f"edges of {name}"] = _digests(folder / name / "edges")
    (folder / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def _sweeps() -> Iterator[tuple[str, Any]]:
    import nanmap
    from nanmap.plan import make_sweep

    for name, (tree, axes) in SMALL.items():
        yield name, make_sweep(tree, axes)
    shipped = Path(__file__).parents[1] / "sweeps"
    for file in sorted(shipped.rglob("*.toml")):
        loaded: Any = nanmap.load(file)
        cut = [
            f"axes.seed.range=[{start}, {start + MOST_SEEDS}]"
            for axis in loaded.axes
            if axis.get("key") == "training.seed" and "range" in axis
            for start, stop in [axis["range"][:2]]
            if stop - start > MOST_SEEDS
        ]
        yield "_".join(file.relative_to(shipped).with_suffix("").parts), nanmap.load(file, cut)


def _digests(folder: Path) -> dict[str, str]:
    import pyarrow.dataset as ds

    table = ds.dataset([str(file) for file in sorted(folder.glob("part-*.parquet"))]).to_table()
    return {name: hashlib.sha256(_bytes(table[name].combine_chunks())).hexdigest() for name in table.column_names}


def _bytes(column: Any) -> bytes:
    """Every value to the bit, and which are missing."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return "\0".join(str(each) for each in column.to_pylist()).encode()
    missing = column.is_null().to_numpy(zero_copy_only=False).tobytes()
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return bytes(missing + filled.to_numpy(zero_copy_only=False).tobytes())


def main(before: Path, after: Path) -> int:
    """Compares two checkouts."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = (rows(package.resolve(), Path(folder) / name) for name, package in (("a", before), ("b", after)))
    wrong = [f"{table}: {name}" for table in old for name in old[table] if old[table][name] != new[table].get(name)]
    compared = sum(map(len, old.values()))
    print(
        *wrong, f"{compared - len(wrong)} of {compared} columns in {len(old)} tables are the same to the bit", sep="\n"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        Path(sys.argv[2]).mkdir(parents=True)
        _train(Path(sys.argv[2]))
    elif len(sys.argv) == 3:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
    else:
        sys.exit("usage: python -m benchmarks.fingerprint BEFORE AFTER")
