"""From what is given to what is trained: the plan of a sweep, and the folder that its rows go to."""

from pathlib import Path

from nanmap.api.over import Given, Over, written_tables
from nanmap.config import build_config
from nanmap.errors import InputError
from nanmap.grid.shorthand import Axes, axis_tables
from nanmap.plan import Plan, Sweep, load_sweep, make_sweep
from nanmap.results.folder import RunFolder


def made_plan(
    given: Given | None,
    axes: Axes | None,
    over: Over,
    name: str | None = None,
    where: str | None = None,
    allow_python: bool = False,
) -> Plan:
    """The plan of the sweep that is given, or that a config and axes make."""
    if isinstance(given, Plan):
        allow_python = allow_python or given.allow_python
    if axes is not None:
        return Plan(_made(given, axes, over, name, where), allow_python)
    for key, value in {"name": name, "where": where}.items():
        if value is not None:
            raise InputError("is for a config with axes; a sweep has its own", key=key, value=value)
    if isinstance(given, Plan) and not over:
        return given
    if isinstance(given, Plan | Sweep):
        return Plan(_laid_over(_sweep_of(given), over), allow_python)
    if isinstance(given, str | Path):
        return Plan(_laid_over(load_sweep(given, arrays=over.arrays), over), allow_python)
    raise InputError("a config alone is no sweep", key="axes", mend="give axes, or train it with nanmap.run(config)")


def _made(given: Given | None, axes: Axes, over: Over, name: str | None, where: str | None) -> Sweep:
    if isinstance(given, Plan | Sweep):
        file = _sweep_of(given).file
        raise InputError("this sweep has axes of its own", file=file, key="axes", mend="give its config instead")
    tree, file = written_tables(given, over)
    tables = axis_tables(axes)
    if given is not None:  # a config must be whole; of keywords axes may be a part
        build_config(tree, file=file)
    made = make_sweep(tree, tables, name=name or (file.stem if file else "sweep"), where=where)
    _refuse_swept(made, over)
    return made


def _laid_over(sweep: Sweep, over: Over) -> Sweep:
    """The sweep under what goes over its config."""
    if not over:
        return sweep
    _refuse_swept(sweep, over)
    return sweep.with_config(over.laid(sweep.tree, sweep.file))


def _refuse_swept(sweep: Sweep, over: Over) -> None:
    """A setting that an axis goes over has no one value, and arrays are no axis."""
    given = dict(over.settings) | ({"data.kind": ..., "data.path": ...} if over.arrays else {})
    for axis in sweep.grid.axes:
        for key in given.keys() & set(axis.keys):
            problem = f"the axis `{axis.column}` goes over it"
            mend = "leave out the axis, or what was given beside it"
            raise InputError(problem, file=sweep.file, key=key, value=given[key], mend=mend)


def is_for_now(given: Given | None, over: Over) -> bool:
    """Whether results have no name to go by: those of arrays, or of keywords alone, without a file."""
    has_file = isinstance(given, str | Path) or (isinstance(given, Plan | Sweep) and _sweep_of(given).file is not None)
    return not has_file and (over.arrays is not None or given is None)


def _sweep_of(given: Plan | Sweep) -> Sweep:
    return given.sweep if isinstance(given, Plan) else given


def chosen_folder(out: str | Path | None, sweep: Sweep, keep: bool) -> RunFolder:
    """Where the rows go; without `out` either by the sweep's name or into a folder that goes with its result."""
    if out is None and not keep:
        return RunFolder.for_now()
    return RunFolder(out if out is not None else Path("results") / sweep.name)
