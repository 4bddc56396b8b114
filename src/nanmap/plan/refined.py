"""A sweep whose map refines itself: two of its axes as fine as the target, and where a first look is taken."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from nanmap.config.explain import explained_table
from nanmap.config.keys import takes_whole_numbers
from nanmap.errors import InputError, did_you_mean
from nanmap.grid.axes import AxisSpec, column_names
from nanmap.plan.sweep import Sweep
from nanmap.plan.sweep_file import RefineSpec
from nanmap.results.columns import COLUMNS
from nanmap.results.schema import TEXT

SPACED = ("log", "linear")
ALL = 0  # as a target: every cell of the grid that the file asks for is trained


def refined(sweep: Sweep, num: int | None = None) -> Sweep:
    """The sweep over the fine grid, with what decides which of its cells are trained; the same sweep if nobody asks.

    Args:
        sweep: as its file has it, its two axes as coarse as the first look.
        num: values along each of the two axes, in place of what `[refine]` says; 0 trains all of the grid that it says.

    Raises:
        InputError: there are no two such axes, or a setting of `[refine]` is wrong.

    >>> from nanmap.plan import make_sweep
    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> axes = [{"key": "optimizer.learning_rate", "log": [1e-4, 1], "num": 9}, {"key": "model.init_scale", "linear": [-1, 1], "num": 9}]
    >>> fine = refined(make_sweep(tree, axes), 65)
    >>> fine.grid.shape, fine.refine["from"]
    ((65, 65), [9, 9])
    """
    if sweep.refining is None and not num:
        return sweep
    try:
        spec = _spec(sweep.refining or {}, num)
        columns = column_names([AxisSpec.model_validate(table) for table in sweep.axes])
        tables = dict(zip(columns, sweep.axes, strict=True))
        chosen = _checked(sweep, tables, spec)
        fine = [{**table, "num": spec.num} if column in chosen else table for column, table in tables.items()]
        _check_value(spec)
    except InputError as error:
        raise error.within(sweep.file) if sweep.file else error from None
    made = replace(sweep.with_axes(fine), refining=None)
    if num == ALL:
        return made
    told = {"axes": list(chosen), "from": [tables[name]["num"] for name in chosen], "audit": spec.audit}
    by = {"value": spec.value, "tolerance": spec.tolerance} if spec.value else {}
    return replace(made, refine=told | by)


def _spec(written: Mapping[str, Any], num: int | None) -> RefineSpec:
    try:
        return RefineSpec.model_validate({**written, **({"num": num} if num else {})})
    except ValidationError as error:
        raise explained_table(error, "refine", RefineSpec) from None


def _checked(sweep: Sweep, tables: Mapping[str, Mapping[str, Any]], spec: RefineSpec) -> tuple[str, ...]:
    """The two axes that are refined, in their order."""
    spaced = [name for name, table in tables.items() if any(table.get(form) for form in SPACED)]
    mend = "axes of two numbers with `log` or `linear` are refined; name two of them: refine.axes"
    for name in spec.axes or ():
        if name not in spaced:
            problem = "is no log or linear axis" if name in tables else "names no axis"
            known = did_you_mean(name, spaced) or mend
            raise InputError(problem, key="refine.axes", value=name, allowed=spaced, mend=known)
    chosen = tuple(name for name in spaced if spec.axes is None or name in spec.axes)
    if len(chosen) != 2:
        raise InputError(f"needs two log or linear axes, and there are {len(chosen)}", key="refine", mend=mend)
    for name in chosen:
        if takes_whole_numbers(tables[name].get("key") or ""):
            raise InputError("holds whole numbers, which do not become finer", key=f"axes.{name}", mend=mend)
        if any(name in group for group in sweep.zip):
            raise InputError("is zipped with another axis", key=f"axes.{name}", mend=mend)
        if spec.num < tables[name]["num"]:
            allowed = f"at least {tables[name]['num']}, the num of the axis"
            raise InputError("is coarser than the first look", key="refine.num", value=spec.num, allowed=allowed)
    _check_where(sweep, chosen)
    return chosen


def _check_where(sweep: Sweep, chosen: tuple[str, ...]) -> None:
    """A plane is looked at as a whole or not at all."""
    if any(re.search(rf"\b{name}\b", sweep.where or "") for name in chosen):
        mend = "leave the refined axes out of it"
        raise InputError("leaves out a part of a refined plane", key="where", value=sweep.where, mend=mend)


def _check_value(spec: RefineSpec) -> None:
    numbers = [each.name for each in COLUMNS if each.type != TEXT]
    if spec.value is not None and spec.value not in numbers:
        mend = did_you_mean(spec.value, numbers)
        raise InputError("is no column of numbers", key="refine.value", value=spec.value, allowed=numbers, mend=mend)
