"""The library's front door: `load`, `run`, `sweep`, `edge`. The command parses, calls these, and prints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nanmap.config import Config, build_config, load_config, read_toml
from nanmap.edges import find_edges
from nanmap.plan import Plan, Sweep, load_sweep
from nanmap.result import Result
from nanmap.runs.single import TrainingReport, train_one
from nanmap.runs.sweep import train_sweep


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config | Sweep:
    """Reads a config, or a sweep if the file has axes.

    Args:
        path: a TOML file.
        overrides: `key=value` texts laid over it.

    Raises:
        InputError: for whatever is wrong in it.
    """
    tree = read_toml(Path(path))
    return load_sweep(path, overrides) if "axes" in tree or "config" in tree else load_config(path, overrides)


def run(config: Config | str | Path | dict[str, Any], **options: Any) -> TrainingReport:
    """Trains one config, given as such, as a file or as nested tables; options as in `nanmap.runs.single.train_one`.

    >>> tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3, "batch_size": 1}}
    >>> run(tree).outcome
    <Outcome.CONVERGED: 'converged'>
    """
    if isinstance(config, dict):
        config = build_config(config)
    elif not isinstance(config, Config):
        config = load_config(config)
    return train_one(config, **options)


def sweep(sweep: Sweep | str | Path, out: str | Path | None = None, **options: Any) -> Result:
    """Trains every cell of a sweep into a run folder, `results/<name>` unless told otherwise.

    Options as in `nanmap.runs.sweep.train_sweep`. Cells that have their row already are not trained again.
    """
    plan = _plan(sweep)
    return Result(train_sweep(plan, out or Path("results") / plan.sweep.name, **options).path)


def edge(sweep: Sweep | str | Path, out: str | Path | None = None, **options: Any) -> Result:
    """Measures the critical learning rate along every other axis of a sweep, into `results/<name>` unless told otherwise.

    Options as in `nanmap.edges.find_edges`; the table is `Result.edge()`.
    """
    plan = _plan(sweep)
    return Result(find_edges(plan, out or Path("results") / plan.sweep.name, **options).path)


def _plan(sweep: Sweep | str | Path) -> Plan:
    return Plan(sweep if isinstance(sweep, Sweep) else load_sweep(sweep))
