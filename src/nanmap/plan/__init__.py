"""Plans: a sweep becomes work. Which program, which rows and which numbers each cell has."""

from nanmap.plan.load import load_sweep
from nanmap.plan.notices import notices
from nanmap.plan.plan import Lanes, Plan
from nanmap.plan.refined import refined
from nanmap.plan.sweep import Sweep, make_sweep
from nanmap.plan.variant import Variant, make_variant
from nanmap.plan.zoom import zoomed

__all__ = [
    "Lanes",
    "Plan",
    "Sweep",
    "Variant",
    "load_sweep",
    "make_sweep",
    "make_variant",
    "notices",
    "refined",
    "zoomed",
]
