"""How closely an edge may be asked for."""

from nanmap.errors import InputError
from nanmap.plan import Plan

TOLERANCES = {"float64": 1e-9}  # the finest that a number format resolves; of others 1e-6
COARSEST, FINEST = 0.1, 1e-6


def check_tolerance(tolerance: float, plan: Plan) -> None:
    """Raises InputError for a tolerance that is coarser than any, or finer than a number format of the plan resolves."""
    for variant in plan.variants():
        dtype = variant.program.dtype
        finest = TOLERANCES.get(dtype, FINEST)
        if not finest <= tolerance <= COARSEST:
            raise InputError(
                "is no tolerance",
                key="--tolerance",
                value=tolerance,
                allowed=f"{finest:g} to {COARSEST:g}, relative, in {dtype}",
            )
