"""Plans: axes → cells → programs. Decodes a cell number by arithmetic and never holds the grid."""

from nanmap.plan.grid import Grid
from nanmap.plan.load import load_sweep
from nanmap.plan.notices import notices
from nanmap.plan.plan import Lanes, Plan, Variant, make_variant
from nanmap.plan.program import Program, program_of
from nanmap.plan.sweep import Sweep, make_sweep

__all__ = [
    "Grid",
    "Lanes",
    "Plan",
    "Program",
    "Sweep",
    "Variant",
    "load_sweep",
    "make_sweep",
    "make_variant",
    "notices",
    "program_of",
]
