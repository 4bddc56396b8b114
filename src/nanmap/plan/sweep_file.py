"""The tables of a sweep's file as they stand."""

from typing import Annotated, Any

from pydantic import Field

from nanmap.config.base import Settings


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
