"""A sweep over a window of its axes, at the resolution that it had: as many values between closer ends."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nanmap.config.keys import takes_whole_numbers
from nanmap.errors import InputError
from nanmap.grid.axes import Axis, AxisSpec, column_names
from nanmap.grid.windows import Windows, checked_windows, inside
from nanmap.plan.sweep import Sweep


def zoomed(sweep: Sweep, zoom: Windows | None) -> Sweep:
    """The sweep over a window: log stays log, linear linear, of single values those within stay.

    Args:
        sweep: as it is.
        zoom: by axis the low and the high end.

    Returns:
        A sweep whose name says the window, so that its folder is another one; the same sweep without a window.

    Raises:
        InputError: an axis is unknown, has no numbers or is zipped, or a window reaches beyond it or holds no value.

    >>> from nanmap.plan import make_sweep
    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> whole = make_sweep(tree, [{"key": "optimizer.learning_rate", "log": [1e-4, 1], "num": 5}], name="rates")
    >>> close = zoomed(whole, {"learning_rate": (1e-3, 1e-1)})
    >>> close.name, close.axes[0]["log"], close.grid.axes[0].labels.round(6).tolist()
    ('rates_learning_rate_0.001_to_0.1', [0.001, 0.1], [0.001, 0.003162, 0.01, 0.031623, 0.1])
    """
    if not zoom:
        return sweep
    try:
        windows = checked_windows(zoom, sweep.grid.axes)
        columns = column_names([AxisSpec.model_validate(table) for table in sweep.axes])
        axes = {axis.column: axis for axis in sweep.grid.axes}
        for column in windows:
            _check_alone(column, sweep)
        tables = [
            _closer(table, axes[column], windows[column]) if column in windows else table
            for column, table in zip(columns, sweep.axes, strict=True)
        ]
    except InputError as error:
        raise error.within(sweep.file) if sweep.file else error from None
    said = [f"{column}_{low:.12g}_to_{high:.12g}" for column, (low, high) in windows.items()]
    return replace(sweep.with_axes(tables), name="_".join([sweep.name, *said]))


def _check_alone(column: str, sweep: Sweep) -> None:
    """Zipped axes are pairs of values; between closer ends one of them would be paired anew."""
    group = next((names for names in sweep.zip if column in names), ())
    if group:
        others = " and ".join(f"`{name}`" for name in group if name != column)
        mend = "change the values of all of them in the file"
        raise InputError(f"is zipped with {others}: they move together", key=f"zoom.{column}", mend=mend)


def _closer(table: Mapping[str, Any], axis: Axis, window: tuple[float, float]) -> dict[str, Any]:
    """An axis's table over a window, in the direction that it had."""
    if table.get("values") is not None:
        kept = inside(axis, window)
        return {**table, "values": [value for value, stays in zip(table["values"], kept, strict=True) if stays]}
    whole = takes_whole_numbers(axis.key or "")
    low, high = _whole(axis, window) if whole else window
    rising = axis.points[-1] >= axis.points[0]
    ends = [low, high] if rising else [high, low]
    form = "log" if table.get("log") is not None else "linear"
    if table.get("range") is None:
        return {**table, form: ends}
    rest = {name: value for name, value in table.items() if name != "range"}
    if whole and high - low < len(axis):
        return {**rest, "range": [low, high + 1] if rising else [high, low - 1, -1]}
    return {**rest, "linear": ends, "num": len(axis)}


def _whole(axis: Axis, window: tuple[float, float]) -> tuple[int, int]:
    """The least and the greatest whole number of a window."""
    low, high = math.ceil(window[0]), math.floor(window[1])
    if low > high:
        value = f"{window[0]:g}:{window[1]:g}"
        raise InputError("holds no whole number", key=f"zoom.{axis.column}", value=value, mend=f"{high}:{low}")
    return low, high
