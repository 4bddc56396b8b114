"""Is a run folder what was written, and does it come out again? Every file is looked at, and a random sample is trained anew."""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow.compute as pc

from nanmap.analysis import differences, load_grid
from nanmap.data.given import read_given
from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.plan import Plan
from nanmap.results.checks import Fault, faults_of, notes_of, parts_of
from nanmap.results.columns import INFERRED
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint
from nanmap.results.receipts import Receipts
from nanmap.runs.again import Held, Row, as_before, other_bits, plan_of, train_again

NOT_TRAINED = "no cell can be trained again"
SAMPLE = 16  # rows: if more than a sixth were others, nineteen samples in twenty would hold one


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        folder: the run.
        looked_at: how many of what were looked at: `shards`, `rows`, `pictures`, `arrays`.
        faults: files that are not as they were written, and rows that did not come out again.
        notes: what a reader should know beside them.
        trained: numbers of the cells that were trained again.
        seed: that they were drawn with.
        by: `bits`, or `outcome` where the backend, versions or the machine of some of these cells are others than the run's.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
    >>> _ = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
    >>> nanmap.verify("results/line").ok
    True
    """

    folder: Path
    looked_at: dict[str, int]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    trained: tuple[int, ...]
    seed: int
    by: str

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "run": str(self.folder),
            "ok": self.ok,
            "looked_at": self.looked_at,
            "faults": [{"file": str(each.file), "problem": each.problem, "mend": each.mend} for each in self.faults],
            "notes": list(self.notes),
            "trained_again": list(self.trained),
            "seed": self.seed,
            "compared_by": self.by,
        }

    def __str__(self) -> str:
        counts = ", ".join(_counted(count, name) for name, count in self.looked_at.items() if count)
        lines = [*map(str, self.faults), *(f"note: {each}" for each in self.notes)]
        if self.trained:
            came = "bit for bit" if self.by == "bits" else "with the same outcome"
            cells = f"{_counted(len(self.trained), 'cells')} drawn with --seed {self.seed}"
            held = self.ok or not any("cell " in each.problem for each in self.faults)
            lines.append(f"trained again: {cells}" + (f"; every row came out {came}" if held else ""))
        found = _counted(len(self.faults), "faults") if self.faults else "all as written"
        mends = dict.fromkeys(f"  mend: {each.mend}" for each in self.faults if each.mend)
        return "\n".join([*lines, f"{self.folder}: {counts or 'no rows yet'}: {found}", *mends])


@runtime_checkable
class InFolder(Protocol):
    """What says where its rows are, as a result does."""

    @property
    def path(self) -> Path:
        """The run folder."""


def verify(
    run: "str | Path | InFolder",
    *,
    sample: int = SAMPLE,
    seed: int | None = None,
    engine: Engine | None = None,
    allow_python: bool = False,
) -> Verification:
    """Whether a run folder is what was written, and comes out again: every file is looked at, some cells are trained anew.

    Args:
        run: a result, or a run folder. Nothing in it is changed; a sweep may be writing there.
        sample: how many cells to train again, drawn at random; 0 for none.
        seed: that they are drawn with; another one each time if None.
        engine: trains; the devices of this process if None.
        allow_python: import code that the run's settings name.

    Returns:
        What was found: `ok`, `faults` by file, `notes`; `print` shows it as `nanmap verify` does.

    Raises:
        InputError: this is no run folder, or its settings name code that may not be imported.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
    >>> print(nanmap.verify(result, seed=0))
    trained again: 2 cells drawn with --seed 0; every row came out bit for bit
    results/line: 1 shard, 2 rows: all as written
    """
    for key, value in {"sample": sample, "seed": seed}.items():
        if value is not None and (not isinstance(value, int) or value < 0):
            raise InputError("must be a whole number from 0 on", key=key, value=value)
    folder = RunFolder(run.path if isinstance(run, InFolder) else run)
    seed = secrets.randbelow(2**31) if seed is None else seed
    if not parts_of(folder):
        folder.read_manifest()  # says that this is none
    faults, notes = [*faults_of(folder), *_changed_arrays(folder)], notes_of(folder)
    if not any(_is_about_cells(folder, each) for each in faults):
        faults += _missing_rows(folder)
    sampled = Sampled()
    if sample and folder.cells.names():
        if any(_is_about_cells(folder, each) for each in faults):
            notes.append("no cell was trained again: what was damaged must be mended first")
        else:
            plan = plan_of(folder, allow_python)
            sampled = _trained_again(folder, plan, engine or LocalEngine(), sample, seed)
    found = (*faults, *sampled.faults), (*notes, *sampled.notes)
    return Verification(folder.path, _counts(folder), *found, sampled.cells, seed, sampled.by)


def _is_about_cells(folder: RunFolder, fault: Fault) -> bool:
    return folder.cells.path in fault.file.parents or fault.file == folder.cells.manifest_file


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name if count != 1 else name[:-1]}"


def _counts(folder: RunFolder) -> dict[str, int]:
    parts = parts_of(folder)
    pictures = [name for name in Receipts(folder.maps).names() if (folder.maps / name).exists()]
    return {
        "shards": sum(len(part.names()) for part in parts),
        "rows": sum(part.count_rows() for part in parts),
        "pictures": len(pictures),
        "arrays": len(list(folder.input_files())),
    }


def _missing_rows(folder: RunFolder) -> list[Fault]:
    """Of a complete run."""
    manifest = folder.read_manifest() if folder.cells.names() else {}
    if not manifest.get("complete"):
        return []
    grid, rows = load_grid(manifest), folder.cells.count_rows()
    count, exact = grid.count()
    count = count if exact else sum(map(len, grid.chunks()))
    if rows == count:
        return []
    return [Fault(folder.cells.path, f"holds {rows:,} rows, though the run of {count:,} cells is complete")]


def _changed_arrays(folder: RunFolder) -> list[Fault]:
    """Arrays that were given to train on and are not what their name says."""
    found = []
    for file in folder.input_files():
        try:
            read_given(str(file), file.stem)
        except InputError as error:
            found.append(Fault(file, error.problem, error.mend or ""))
    return found


def _drawn(folder: RunFolder, count: int, seed: int) -> dict[int, Row]:
    """Some rows as they are stored, by their cell, ascending."""
    dataset = folder.dataset()
    if INFERRED.name in dataset.schema.names:  # what was filled in was never trained
        dataset = dataset.filter(pc.invert(pc.field(INFERRED.name)))
    total = dataset.count_rows()
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))
    return {row["cell"]: row for row in sorted(dataset.take(chosen).to_pylist(), key=lambda row: row["cell"])}


def _misplaced(plan: Plan, rows: Mapping[int, Row]) -> int | None:
    """The first cell that stands where the grid has another, or none; None where all stand in their place."""
    for cell, row in rows.items():
        start = cell if 0 <= cell < plan.grid.size else 0
        kept = plan.grid.kept(start, start + 1)
        axes = {name: values.tolist()[0] for name, values in kept.columns().items() if len(values)}
        if start != cell or not len(kept) or differences(axes, row):
            return cell
    return None


class Sampled(NamedTuple):
    """What training a sample again gave; see `Verification`."""

    cells: tuple[int, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    by: str = "bits"


def _trained_again(folder: RunFolder, plan: Plan, engine: Engine, sample: int, seed: int) -> Sampled:
    """The sample held against what comes out of its settings, if these can be trained still."""
    manifest = folder.read_manifest()
    try:
        rows = _drawn(folder, sample, seed)
        if not rows:
            return Sampled()
        if (cell := _misplaced(plan, rows)) is not None:
            problem = f"cell {cell} is not of the grid, or its row says other values of the axes"
            return Sampled(faults=(Fault(folder.cells.path, problem),))
        as_before(folder, plan, engine)
        now = set(fingerprint(variant.config for variant in plan.variants()))
        if changed := [entry.rpartition(" ")[0] for entry in manifest.get("data") or () if entry not in now]:
            problem = f"has changed since the run: {NOT_TRAINED}"
            return Sampled(faults=tuple(Fault(Path(each), problem) for each in changed))
        again = train_again(plan, engine, np.array(list(rows)))
    except InputError as error:
        place = f"{error.key}: " if error.key else ""
        return Sampled(faults=(Fault(Path(error.file or folder.path), f"{NOT_TRAINED}: {place}{error.problem}"),))
    held = {cell: Held.of(row, again[cell], other_bits(folder, cell, engine)) for cell, row in rows.items()}
    problems = [f"cell {cell} did not come out again: {each.told()}" for cell, each in held.items() if not each.ok]
    return Sampled(
        tuple(rows),
        tuple(Fault(folder.cells.path, each) for each in problems),
        _loosely(list(held.values())),
        "outcome" if any(each.other_bits for each in held.values()) else "bits",
    )


def _loosely(held: list[Held]) -> tuple[str, ...]:
    """Why the outcome alone of some rows is compared, if it is."""
    whys = Counter(each.other_bits for each in held if each.other_bits)
    return tuple(
        f"outcomes alone are compared{f' of {count} of the {len(held)} cells' * (count < len(held))}, as last digits may differ: {why}"
        for why, count in whys.items()
    )
