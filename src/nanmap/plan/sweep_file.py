"""The tables of a sweep's file as they stand."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from nanmap.config.base import Settings, require

PICTURES = (".png", ".svg", ".pdf")


class MapSpec(Settings):
    """One `[[maps]]` table: the arguments of `nanmap map`."""

    file: str
    x: str
    y: str
    facet: Annotated[tuple[str, ...], Field(strict=False)] = ()
    value: str = "outcome"
    select: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _picture(self) -> Self:
        require(self.file.endswith(PICTURES), "file", f"`{self.file}` ends in none of {', '.join(PICTURES)}")
        return self


class SweepFile(Settings):
    """A sweep's file as it stands, before its axes are looked at."""

    config: str
    title: str = ""
    axes: list[dict[str, Any]] = Field(default_factory=list)
    zip: list[list[str]] = Field(default_factory=list)
    where: str | None = None
    record: dict[str, Any] = Field(default_factory=dict)
    maps: list[MapSpec] = Field(default_factory=list)
