"""The axes of a run that one looks at first."""

from nanmap.config.choices import LEARNING_RATE
from nanmap.errors import InputError
from nanmap.grid import Grid


def obvious_axes(grid: Grid) -> tuple[str, str | None]:
    """Columns for the bottom and the side of a map: learning rates along the bottom, the first other axis up the side.

    Returns:
        None for the side of a grid that has a single axis.

    Raises:
        InputError: there is no axis.
    """
    dimensions = grid.dimensions
    if not dimensions:
        raise InputError("a single training has no axis to draw along", key="x", mend="Result.to_pandas() has its row")
    rate = next((n for n, axes in enumerate(dimensions) if any(axis.key == LEARNING_RATE for axis in axes)), None)
    across = len(dimensions) - 1 if rate is None else rate
    up = next((n for n in range(len(dimensions)) if n != across), None)
    return dimensions[across][0].column, None if up is None else dimensions[up][0].column
