"""The tables of a sweep's file as they stand, and what is said when they are wrong."""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from nanmap.config.base import Settings
from nanmap.config.explain import first_fault
from nanmap.errors import InputError, did_you_mean


class MapSpec(Settings):
    """One `[[maps]]` table: the arguments of `nanmap map`."""

    file: Annotated[str, Field(pattern=r"\.(png|svg|pdf)$")]
    x: str
    y: str
    facet: Annotated[tuple[str, ...], Field(strict=False)] = ()
    value: str = "outcome"
    select: dict[str, Any] = Field(default_factory=dict)


class SweepFile(Settings):
    """A sweep's file as it stands, before its axes are looked at."""

    config: str
    title: str = ""
    axes: list[dict[str, Any]] = Field(default_factory=list)
    zip: list[list[str]] = Field(default_factory=list)
    where: str | None = None
    record: dict[str, Any] = Field(default_factory=dict)
    maps: list[MapSpec] = Field(default_factory=list)


def explained(error: ValidationError, label: str, model: type[Settings]) -> InputError:
    """The first fault of a table as an InputError; `label` is put before the key, `model` tells what is allowed."""
    first = first_fault(error)
    inner = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    key = ".".join(filter(None, (label, inner)))
    if first["type"] == "inconsistent":
        told = first["ctx"]
        return InputError(told["problem"], key=".".join(filter(None, (key, told["key"]))), mend=told["mend"] or None)
    if first["type"] == "extra_forbidden":
        known = list((MapSpec if inner.startswith("maps.") else model).model_fields)
        return InputError("unknown key", key=key, allowed=known, mend=did_you_mean(inner.rpartition(".")[2], known))
    if first["type"] == "missing":
        return InputError("is missing", key=key)
    return InputError(first["msg"].replace("Input should be", "must be"), key=key, value=first.get("input"))
