"""Cells of a run folder trained again, as the run trained them: to hold the rows that are stored against the rows that come out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nanmap.analysis import differences
from nanmap.data.given import KIND
from nanmap.engine import Engine
from nanmap.engine.machine import what_differs
from nanmap.plan import Plan, make_sweep
from nanmap.results.columns import make_table
from nanmap.results.folder import RunFolder
from nanmap.results.identity import VERSIONS
from nanmap.results.manifest import installed
from nanmap.results.receipts import machines_of
from nanmap.runs.complete import complete_rows
from nanmap.runs.filling import Shard, trained
from nanmap.runs.resume import pinned_widths
from nanmap.theory.facts import Forecaster

Row = dict[str, Any]
FEW = 4  # columns that are told


@dataclass(frozen=True)
class Held:
    """A row that was trained again, held against the stored one.

    Attributes:
        apart: columns whose values are not the same to the last bit: as stored, and as they came out.
        other_bits: why last digits may differ, so that the outcome alone counts; None where every bit counts.
    """

    apart: dict[str, tuple[Any, Any]]
    other_bits: str | None

    @classmethod
    def of(cls, stored: Row, again: Row, other_bits: str | None) -> "Held":
        """Compares two rows."""
        return cls(differences(stored, again), other_bits)

    @property
    def same_outcome(self) -> bool:
        """Whether the training ended the same way."""
        return "outcome" not in self.apart

    @property
    def ok(self) -> bool:
        """Whether the row came out again, as far as that can be asked for."""
        return not self.apart if self.other_bits is None else self.same_outcome

    def told(self) -> str:
        """What is not the same, in words."""
        names = [*self.apart] if self.other_bits is None else ["outcome"]
        words = [f"{name} was {_shown(was)}, is {_shown(now)}" for name in names for was, now in [self.apart[name]]]
        return "; ".join(words[:FEW]) + (f" and {len(words) - FEW} more" if len(words) > FEW else "")

    def sentence(self) -> str:
        """Whether the stored row came out again."""
        if self.ok and not self.apart:
            return "the stored row came out again, bit for bit"
        if self.other_bits is None:
            return f"the stored row is another one: {self.told()}"
        end = "ended the same way" if self.ok else f"ended otherwise: {self.told()}"
        return f"the stored row {end}; last digits may differ: {self.other_bits}"


def _shown(value: Any) -> str:
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def plan_of(folder: RunFolder, allow_python: bool = False) -> Plan:
    """The plan of the sweep that a run folder holds.

    Raises:
        InputError: this is no run folder, or its settings name code that may not be imported.
    """
    told = folder.read_manifest()["sweep"]
    tree = dict(told.get("config") or {})
    data = tree.get("data") or {}
    if data.get("kind") == KIND and data.get("sha256"):
        tree["data"] = {**data, "path": str(folder.input_file(data["sha256"]))}  # wherever the folder stands now
    sweep = make_sweep(
        tree,
        told.get("axes") or [],
        name=str(told.get("name") or folder.path.name),
        zip=told.get("zip") or (),
        where=told.get("where"),
    )
    return Plan(sweep, allow_python)


def as_before(folder: RunFolder, plan: Plan, engine: Engine) -> None:
    """Begins a run of the engine with the widths that the folder's rows were trained with: others change the last bits.

    On another backend bits differ anyway, and its widths would only take time there.
    """
    other = folder.read_manifest().get("backend") != engine.backend
    engine.begin(pinned_widths(folder.cells, (variant.program for variant in plan.variants()), fresh=other))


def train_again(plan: Plan, engine: Engine, cells: np.ndarray) -> dict[int, Row]:
    """The rows of some cells, by their number, each as a sweep would write it, without its number and its axes.

    Args:
        plan: of their sweep.
        engine: trains.
        cells: numbers of cells that stay, ascending.
    """
    chosen = plan.grid.cells(cells)
    shard, forecaster = Shard(0, chosen, plan.lanes(chosen)), Forecaster()
    for _, lanes, index, facts in trained(engine, [shard]):
        shard.put(lanes.position[index], complete_rows(lanes, index, facts, forecaster))
    rows = make_table(cells, {}, shard.columns, {}).to_pylist()
    return {row.pop("cell"): row for row in rows}


def other_bits(folder: RunFolder, cell: int, engine: Engine) -> str | None:
    """Why the last digits of a row that the engine trains may be others than those of the stored one; None where they may not.

    Args:
        folder: of the run; what made the shard of a cell, its receipt says.
        cell: which.
        engine: trains now.
    """
    manifest = folder.read_manifest()
    receipt = folder.cells.receipts.read(folder.cells.file(cell // manifest["shard_cells"]).name)
    machines = machines_of(receipt or {}, manifest.get("machine") or {})
    was = manifest.get("versions") or {}
    pairs = {
        "backend": (manifest.get("backend"), engine.backend),
        **{name: (was.get(name), installed(name)) for name in VERSIONS},
    }
    told = [f"{name} was {a}, is {b}" for name, (a, b) in pairs.items() if a not in (b, None)]
    wrong = dict.fromkeys(what_differs(each, engine.machine) for each in machines)
    told += [f"this machine is another one: {each}" for each in wrong if each]
    told += ["a device ran out of memory and took fewer cells side by side"] if manifest.get("narrowed") else []
    return "; ".join(told) or None
