"""The library's front door: `load`, `run`, `sweep`, `edge`. The command parses, calls these, and prints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nanmap.config import Config, build_config, load_config, read_toml
from nanmap.edges import edges_to_folder
from nanmap.plan import Sweep, load_sweep
from nanmap.result import Result
from nanmap.runs.single import TrainingReport
from nanmap.runs.single import run as run_one
from nanmap.runs.sweep import sweep_to_folder


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
    """Trains one config, given as such, as a file or as nested tables; options as in `nanmap.runs.single.run`.

    >>> tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3, "batch_size": 1}}
    >>> run(tree).outcome
    <Outcome.CONVERGED: 'converged'>
    """
    if isinstance(config, dict):
        config = build_config(config)
    elif not isinstance(config, Config):
        config = load_config(config)
    return run_one(config, **options)


def sweep(sweep: Sweep | str | Path, out: str | Path | None = None, **options: Any) -> Result:
    """Trains every cell of a sweep into a run folder, `results/<name>` unless told otherwise.

    Options as in `nanmap.runs.sweep.sweep_to_folder`. Cells that have their row already are not trained again.
    """
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    return sweep_to_folder(sweep, out or Path("results") / sweep.name, **options)


def edge(sweep: Sweep | str | Path, out: str | Path | None = None, **options: Any) -> Result:
    """Measures the critical learning rate along every other axis of a sweep, into `results/<name>` unless told otherwise.

    Options as in `nanmap.edges.edges_to_folder`; the table is `Result.edge()`.
    """
    if not isinstance(sweep, Sweep):
        sweep = load_sweep(sweep)
    return edges_to_folder(sweep, out or Path("results") / sweep.name, **options)
