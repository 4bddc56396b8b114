"""Are the rows of two versions the same? Sweeps, edges and single trainings of both, compared column by column, to the bit.

`python -m benchmarks.fingerprint ../before .` trains with the packages of two checkouts in turn and prints every column
that differs; it exits 1 if one does. Takes a quarter of an hour on two cores. Columns, optimizers and initialisers that only one of them has are
no difference.
"""

import argparse
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
CODE = "python:"  # what names some of it in a config
MEASURED = ("square_sgd", "batch_norm")  # whose edges are measured, too
MOST_SEEDS = 10  # of a shipped sweep that has more
NET: dict[str, Any] = {
    "data": {"kind": "gaussian", "n": 37, "features": 3, "validation_split": 0.2},
    "model": {"hidden": [8, 5], "activation": "tanh"},
    "training": {"batch_size": 8, "epochs": 12},
}
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
NAMES = """
import json
from nanmap.config.initialisers import INITIALISERS
from nanmap.config.optimizers import OPTIMIZERS
print(json.dumps({"optimizer.kind": [*OPTIMIZERS], "model.init": [name for name in INITIALISERS if name != "file"]}))
"""
Names = dict[str, list[str]]


def small(names: Names) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Beside what is shipped: something of everything that a setting may say."""
    return {
        "optimizers": (NET, [{"key": "optimizer.kind", "values": names["optimizer.kind"]}, RATES, SEEDS]),
        "norms": (
            NET,
            [
                {"key": "model.norm", "values": ["none", "layer", "rms", "batch"]},
                {"key": "training.dtype", "values": ["float32", "float64", "bfloat16", "float16"]},
                RATES,
                SEEDS,
            ],
        ),
        "batch_norm": (NET | {"model": NET["model"] | {"norm": "batch"}}, [RATES, SEEDS]),
        "initialisers": (NET, [{"key": "model.init", "values": names["model.init"]}, RATES, SEEDS]),
        "settings": (
            NET | {"record": {"sharpness": True, "full_loss": True}},
            [{"name": "setting", "choices": SETTINGS}, SEEDS],
        ),
    }


def names_of_both(before: Path, after: Path) -> Names:
    """The optimizers and initialisers that both packages have; those of the later one where the earlier has no lists."""
    lists: Names = json.loads(_run(after, "-c", NAMES, text=True, stdout=subprocess.PIPE, check=True).stdout)
    asked = _run(before, "-c", NAMES, text=True, capture_output=True, check=False)
    earlier: Names = json.loads(asked.stdout) if asked.returncode == 0 else lists
    return {key: [name for name in lists[key] if name in earlier[key]] for key in lists}


def rows(package: Path, folder: Path, names: Names) -> dict[str, dict[str, str]]:
    """A digest of every column of every table that a checkout's package writes, by table and column."""
    _run(package, __file__, "--train", str(folder), json.dumps(names), check=True)
    found: dict[str, dict[str, str]] = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
    return found


def _run(package: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Python with the package of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(package / "src")}
    return subprocess.run([sys.executable, *arguments], env=environment, **how)


def _train(folder: Path, names: Names) -> None:
    """In a process of its own, with the package that is to be looked at."""
    import jax

    jax.config.update("jax_num_cpu_devices", 2)
    import nanmap

    digests = {}
    for name, sweep in _sweeps(names):
        print(name, file=sys.stderr, flush=True)
        nanmap.sweep(sweep, out=folder / name)
        digests[name] = _digests(folder / name / "cells")
        if name in MEASURED:
            nanmap.edge(sweep, out=folder / name)
            digests[f"edges of {name}"] = _digests(folder / name / "edges")
    digests["single trainings"] = _single()
    (folder / "digests.json").write_text(json.dumps(digests), encoding="utf-8")


def _sweeps(names: Names) -> Iterator[tuple[str, Any]]:
    import nanmap
    from nanmap.plan import make_sweep

    for name, (tree, axes) in small(names).items():
        yield name, make_sweep(tree, axes)
    shipped = Path(__file__).parents[1] / "sweeps"
    for file in _without_code(shipped):
        loaded: Any = nanmap.load(file)
        cut = [
            f"axes.seed.range=[{start}, {start + MOST_SEEDS}]"
            for axis in loaded.axes
            if axis.get("key") == "training.seed" and "range" in axis
            for start, stop in [axis["range"][:2]]
            if stop - start > MOST_SEEDS
        ]
        yield "_".join(file.relative_to(shipped).with_suffix("").parts), nanmap.load(file, cut)


def _without_code(folder: Path) -> list[Path]:
    """Files but those of networks of the user's own, whose frameworks may not be there."""
    return [file for file in sorted(folder.rglob("*.toml")) if "own" not in file.parts and CODE not in file.read_text()]


def _single() -> dict[str, str]:
    """A digest of what every shipped config's training tells: its end, the losses of its epochs, its parameters."""
    import nanmap

    configs = Path(__file__).parents[1] / "configs"
    found: dict[str, str] = {}
    for file in _without_code(configs):
        report: Any = nanmap.run(file)
        told = [str(report.outcome), str(report.cause), *map(repr, report.epochs)]
        told += [f"{name} {values.tobytes().hex()}" for name, values in sorted((report.params or {}).items())]
        found[str(file.relative_to(configs))] = hashlib.sha256("\n".join(told).encode()).hexdigest()
    return found


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
    names = names_of_both(before, after)
    with tempfile.TemporaryDirectory() as folder:
        old, new = (rows(package, Path(folder) / name, names) for name, package in (("a", before), ("b", after)))
    wrong = [f"{table}: {name}" for table in old for name in old[table] if old[table][name] != new[table].get(name)]
    compared = sum(map(len, old.values()))
    print(
        *wrong, f"{compared - len(wrong)} of {compared} columns in {len(old)} tables are the same to the bit", sep="\n"
    )
    return int(bool(wrong))


def checkout(text: str) -> Path:
    """The folder of a checkout; without a package in it, the one that is installed would be compared with itself."""
    if not (Path(text) / "src" / "nanmap").is_dir():
        raise argparse.ArgumentTypeError(f"no checkout: {text} has no folder src/nanmap")
    return Path(text).resolve()


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The two checkouts."""
    parser = argparse.ArgumentParser("python -m benchmarks.fingerprint", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=checkout, help="a checkout of the earlier version, as of `git worktree add`")
    parser.add_argument("after", type=checkout, help="one of the later version")
    return parser.parse_args(given)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:  # the process of `rows`
        Path(sys.argv[2]).mkdir(parents=True)
        _train(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        sys.exit(main(**vars(arguments())))
