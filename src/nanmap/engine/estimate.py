"""What a sweep will cost, told before it starts: an estimate from counts, never from a timing."""

from dataclasses import dataclass

import numpy as np

from nanmap.engine.local import LocalEngine
from nanmap.engine.one_kernel import is_one_kernel
from nanmap.engine.widths import flops_per_update, groups_per_call, lane_bytes
from nanmap.plan import Plan
from nanmap.training.program import Program

COMPILE_SECONDS = 1.2  # per program, one core, cold cache; measured 0.6 to 1.8 over the shipped sweeps
# Updates of small programs are bounded by the loop around them, those of larger ones by arithmetic.
# Fitted to the shipped sweeps on one core of an AMD EPYC (Zen 4), and to two networks on an NVIDIA H200.
LOOP_SECONDS = {"cpu": 3e-6, "gpu": 5e-5}
KERNEL_LOOP_SECONDS = 5e-7  # where the loop is one kernel
FLOPS_PER_SECOND = {"cpu": 20e9, "gpu": 5e12}
NORM_SLOWDOWN = 5  # sums over the units of a row vectorise badly; measured 2 to 6 on relu_double
BYTES_PER_ROW = 30  # of a Parquet row, compressed; measured 17 to 33 over the shipped sweeps


@dataclass(frozen=True)
class Estimate:
    """Counts and expectations of a sweep."""

    cells: int
    excluded: int
    programs: int
    variants: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    widths: dict[Program, int]

    def sentence(self) -> str:
        """One line."""
        without = f" ({self.excluded:,} excluded)" if self.excluded else ""
        return f"{self.cells:,} trainings{without}, {self.programs} program{'s' * (self.programs != 1)}, about {_time(self.seconds)} if nothing dies early"

    def details(self) -> list[str]:
        """Memory, disk, and the programs."""
        lines = [
            f"memory: about {self.memory_bytes / 2**20:,.0f} MiB on the devices, whatever the size of the grid",
            f"disk: about {max(self.disk_bytes / 2**20, 0.1):,.1f} MiB of Parquet",
        ]
        for program, width in self.widths.items():
            lines.append(f"program: {program.sentence()}; {width} cells side by side")
        return lines


def estimate(plan: Plan, engine: LocalEngine) -> Estimate:
    """Expected cost of a sweep on an engine's devices."""
    grid = plan.grid
    cells = sum(map(len, grid.chunks()))
    variants = list(plan.variants())
    each = cells / max(1, len(variants))
    devices = len(engine.devices)
    widths = {variant.program: engine.width(variant.program) for variant in variants}
    seconds = COMPILE_SECONDS * len(widths) / devices
    for variant in variants:
        program, width = variant.program, widths[variant.program]
        slowdown = NORM_SLOWDOWN if program.model.normalised else 1
        arithmetic = width * flops_per_update(program) * slowdown / FLOPS_PER_SECOND[engine.backend]
        whole = is_one_kernel(program, engine.backend)
        update = max(KERNEL_LOOP_SECONDS if whole else LOOP_SECONDS[engine.backend], arithmetic)
        seconds += np.ceil(each / width) * variant.steps * update / devices
    # Every program that was compiled keeps the states of a call; one of them at a time has its activations beside.
    states = sum(
        groups_per_call(p, engine.backend, w) * w * (4 * p.model.parameters * 8 + 512) for p, w in widths.items()
    )
    memory = devices * (states + max(w * lane_bytes(p) for p, w in widths.items()))
    return Estimate(
        cells,
        grid.size - cells,
        len(widths),
        len(variants),
        float(seconds),
        memory,
        cells * BYTES_PER_ROW,
        widths,
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
