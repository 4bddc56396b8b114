"""Configs with odd settings, in the file or by `--set`."""

import random
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

from fuzz.cases import Case
from fuzz.words import KEYS, ODD_KEYS, RAW, any_value, damaged, document, same
from nanmap.config import build_config
from nanmap.config.code import CODE_KEYS
from nanmap.config.load import PATHS, load_config
from nanmap.plan import load_sweep

LINE: dict[str, Any] = {"data": {"kind": "line", "n": 6}, "training": {"steps": 3}}
BASES: tuple[dict[str, Any], ...] = (
    LINE,
    {"data": {"kind": "square", "start": 0, "stop": 5, "step": 1}, "training": {"epochs": 2, "batch_size": 2}},
    {
        "data": {"kind": "gaussian", "n": 20, "features": 3},
        "model": {"hidden": [4, 3], "activation": "tanh"},
        "optimizer": {"kind": "adam", "learning_rate": 0.1},
        "training": {"epochs": 1, "batch_size": 4, "order": "shuffle", "dtype": "float64"},
        "record": {"full_loss": True},
    },
    {"data": {"kind": "csv", "path": "table.csv", "target": "y"}, "model": {"hidden": [5]}, "training": {"steps": 2}},
    {"data": {"kind": "line", "n": 5}, "loss": {"kind": "huber", "delta": 0.5}, "training": {"steps": 3}},
)
ANCHORED = (*PATHS, *CODE_KEYS)  # what names a file is told with its folder


def dry(folder: Path, *more: str) -> list[str]:
    """The command that reads, plans and estimates a sweep, and trains nothing."""
    return ["sweep", str(folder / "sweep.toml"), "--dry-run", "--device", "cpu", *more]


def write_base(folder: Path, tree: dict[str, Any]) -> None:
    """A config, its rows, and a sweep over it without axes."""
    (folder / "table.csv").write_text("a,b,y\n" + "".join(f"{n},{n * n},{n / 2}\n" for n in range(8)))
    (folder / "config.toml").write_text(document(tree), encoding="utf-8", errors="surrogatepass")
    (folder / "sweep.toml").write_text('config = "config.toml"\n')


def config_case(rng: random.Random, folder: Path) -> Case:
    """A config with up to three odd settings, or with damage."""
    tree, changes = deepcopy(rng.choice(BASES)), {}
    mild = rng.random() < 0.5
    for _ in range(rng.randrange(1, 4)):
        key = rng.choice(KEYS if mild or rng.random() < 0.9 else ODD_KEYS)
        table, _, name = key.partition(".")
        value = any_value(rng, key, fitting=1.0 if mild else 0.65)
        if isinstance(tree.setdefault(table, {}), dict):
            tree[table][name] = value
            changes[key] = value
    write_base(folder, tree)
    if not mild and rng.random() < 0.4:
        path = folder / "config.toml"
        path.write_bytes(damaged(rng, path.read_bytes()))
        return Case("config", dry(folder))

    def truth() -> str | None:
        config = load_config(folder / "config.toml")
        return _differing({key: _at(config, key) for key in changes}, changes)

    return Case("config", dry(folder), truth=truth)


def set_case(rng: random.Random, folder: Path) -> Case:
    """Options `--set`, of which some are no settings or no values."""
    write_base(folder, rng.choice(BASES))
    given: dict[str, str] = {}
    mild = rng.random() < 0.5
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(KEYS if mild or rng.random() < 0.7 else ODD_KEYS)
        value = document({"v": any_value(rng, key, fitting=1.0 if mild else 0.65)}).partition("=")[2].strip()
        raw = value if mild or rng.random() < 0.6 else rng.choice(RAW)
        given[key] = (raw if "\n" not in raw else "1").replace("\0", "")
    texts = [f"{key}={text}" for key, text in given.items()]
    if rng.random() < 0.03:
        texts.append(rng.choice(("", "=", "x", "data.n", "=1", "\udcff=1", "data.n=\udcff")))

    def truth() -> str | None:
        tree = load_sweep(folder / "sweep.toml", texts).tree
        config = build_config(tree)
        plain = {key: value for key, value in given.items() if key in KEYS}
        return _differing({key: _at(config, key) for key in plain}, {key: _read(text) for key, text in plain.items()})

    return Case("set", dry(folder, *(word for text in texts for word in ("--set", text))), truth=truth)


def _read(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _at(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = getattr(config, name) if not isinstance(config, dict) else config[name]
    return config


def _differing(found: dict[str, Any], given: dict[str, Any]) -> str | None:
    """The first setting that is another one than was given. A budget that another one replaced is off."""
    for key, value in given.items():
        if key not in ANCHORED and not same(found[key], value):
            return f"{key} was given as {str(value)[:80]!r} and is {str(found[key])[:80]!r}"
    return None
