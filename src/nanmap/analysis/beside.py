"""May the rows of several runs stand beside each other? What is refused, and what is only told."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from nanmap.analysis.run_settings import RunSettings, almost_equal
from nanmap.errors import InputError

REFUSED = ("schema", "nanmap")  # of a manifest and its versions: what a column means may be another thing
TOLD = ("jax", "jaxlib", "optax", "numpy")


def check_beside(runs: Sequence[RunSettings], apart: Mapping[str, list[Any]]) -> None:
    """Whether rows of the runs may stand in one table.

    Args:
        runs: at least one.
        apart: the settings that the runs fix, and not all alike: the value in each run.

    Raises:
        InputError: they are of other versions, read other contents of a file, or differ in what no column can hold.
    """
    _check_versions(runs)
    _check_files(runs)
    _check_nameable(apart, runs)


def _check_versions(runs: Sequence[RunSettings]) -> None:
    """Columns must mean the same."""
    first = runs[0]
    for run in runs[1:]:
        for key in REFUSED:
            was, now = (
                each.manifest.get(key) or (each.manifest.get("versions") or {}).get(key) for each in (first, run)
            )
            if was != now:
                what = "version of the columns" if key == "schema" else f"version of {key}"
                problem = (
                    f"the {what} is {was} in {first.name} and {now} in {run.name}: their rows do not mean the same"
                )
                mend = "train the older one again: nanmap sweep SWEEP --fresh --out RUN; `nanmap compare` takes both"
                raise InputError(problem, key="runs", mend=mend)


def _check_files(runs: Sequence[RunSettings]) -> None:
    """A file's name stands for one content."""
    for one, other in combinations(runs, 2):
        for name in one.digests.keys() & other.digests.keys():
            if one.digests[name] != other.digests[name]:
                problem = f"the file {name} has other contents in {one.name} than in {other.name}"
                mend = "give other data another file name, or train one of the runs again with the same file"
                raise InputError(problem, key="runs", mend=mend)


def _check_nameable(apart: Mapping[str, list[Any]], runs: Sequence[RunSettings]) -> None:
    """What tells the runs apart must be something that trains otherwise, and that a column can hold."""
    for key, values in apart.items():
        table, _, name = key.partition(".")
        told = ", ".join(f"{value!r} in {run.name}" for run, value in zip(runs, values, strict=True))
        if table == "outcome":
            value = next((each for each in values if not isinstance(each, str)), "…")
            mend = f"judge all of them alike, without training: nanmap.Result(run).judged({name}={value})"
            raise InputError(f"the runs are judged by other thresholds: {told}", key=key, mend=mend)
        if table == "record":
            mend = "run the sweeps with the same [record]"
            raise InputError(f"the runs record other things: {told}", key=key, mend=mend)
    if {"training.epochs", "training.steps"} <= apart.keys():
        mend = "train both by one of them, such as training.steps"
        raise InputError("one run counts epochs and another updates", key="training", mend=mend)


def notes_beside(runs: Sequence[RunSettings]) -> list[str]:
    """What may make the last digits of the runs' rows differ, and settings that differ in nothing else."""
    found = []
    for key in ("backend", *TOLD):
        values = [run.manifest.get(key) or (run.manifest.get("versions") or {}).get(key) for run in runs]
        if len(set(values)) > 1:
            found.append(f"{key} is " + ", ".join(f"{v} in {run.name}" for run, v in zip(runs, values, strict=True)))
    widths: dict[str, int] = {}
    for run in runs:
        for program, width in (run.manifest.get("widths") or {}).items():
            if widths.setdefault(program, width) != width and len(found) < len(TOLD) + 1:
                found.append(f"{run.name} trained other numbers of cells side by side")
                break
    told = [f"{each}: the last digits may differ, and near a chaotic boundary the outcome" for each in found]
    for one, other in combinations(runs, 2):
        for name, near in almost_equal(one, other).items():
            problem = f"{len(near)} values of {name} in {one.name} and {other.name} are equal but for their last digits"
            told.append(f"{problem}, such as {near[0][0]!r} and {near[0][1]!r}: they are cells of their own")
    return told
