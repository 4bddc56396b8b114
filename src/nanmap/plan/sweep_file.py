"""The tables of a sweep's file as they stand."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nanmap.config.base import NotNegative, Number, Settings, Whole, require
from nanmap.results.places import LETTERS, is_plain

Ends = Annotated[tuple[Number, Number], Field(strict=False)]
PICTURES = (".png", ".svg", ".pdf")


class MapSpec(Settings):
    """One `[[maps]]` table: the arguments of `nanmap map`."""

    file: str
    kind: Literal["map", "lines"] = "map"
    x: str
    y: str | None = None
    facet: Annotated[tuple[str, ...], Field(strict=False)] = ()
    lines: str | None = None
    value: str | None = None
    select: Any = Field(default_factory=dict)
    zoom: dict[str, Ends] = Field(default_factory=dict)
    title: str | None = None
    width: Any = None
    height: Any = None
    font_size: Number | None = None
    cmap: str | None = None
    limits: Ends | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        """What one kind of picture needs, the other does not have."""
        if self.kind == "map":
            require(self.y is not None, "y", 'a map needs a vertical axis; kind = "lines" draws a number up the side')
            require(self.lines is None, "lines", 'is for kind = "lines"; the panels of a map are its facet')
        else:
            require(self.y is None, "y", "the value goes up the side of lines; name its column with value")
            require(not self.facet, "facet", 'is for maps; lines = "axis" has a line for each of its values')
            require(self.cmap is None, "cmap", "is for maps; lines have colours of their own")
        return self

    @model_validator(mode="after")
    def _either(self) -> Self:
        """What may be of several types, which one validator per type would tell badly."""
        chosen = self.select if isinstance(self.select, list) else [self.select]
        told = 'expects values by axis as in { init = ["normal"] }, a condition as a text, or a list of both'
        require(all(isinstance(each, dict | str) for each in chosen), "select", told)
        for name in ("width", "height"):
            length = getattr(self, name)
            fits = length is None or (isinstance(length, str | int | float) and not isinstance(length, bool))
            require(fits, name, 'expects a length such as "86mm", or a number of inches')
        return self

    @property
    def axes(self) -> tuple[str, ...]:
        """The columns of axes that it names, conditions aside."""
        chosen = self.select if isinstance(self.select, list) else [self.select]
        names = [name for each in chosen if isinstance(each, dict) for name in each]
        return tuple(each for each in (self.x, self.y, *self.facet, self.lines, *names, *self.zoom) if each)

    @model_validator(mode="after")
    def _picture(self) -> Self:
        require(self.file.endswith(PICTURES), "file", f"`{self.file}` ends in none of {', '.join(PICTURES)}")
        require(is_plain(self.file), "file", f"`{self.file}` is no name of a file in RUN/maps: {LETTERS}")
        return self


class RefineSpec(Settings):
    """The table `[refine]`: a map that is trained where it changes, and filled in elsewhere."""

    num: Annotated[Whole, Field(ge=3, le=100_000, description="values along each of the two axes in the end")]
    axes: Annotated[tuple[str, str], Field(strict=False)] | None = Field(
        None, description="columns of the two axes, of `log` or `linear`; those that there are if absent"
    )
    value: str | None = Field(None, description="column of numbers that is looked at, beside outcome and cause")
    tolerance: NotNegative | None = Field(
        None, description="how far its numbers may be apart, in decades for a column that is drawn in the logarithm"
    )
    audit: Annotated[Whole, Field(ge=0, le=1_000_000)] = Field(
        1000, description="cells that were filled in, drawn at random and trained, to tell how many are wrong"
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        require(
            (self.value is None) == (self.tolerance is None), "tolerance", "`value` and `tolerance` are given together"
        )
        require(self.axes is None or len(set(self.axes)) == 2, "axes", "names two different axes")
        return self


class SweepFile(Settings):
    """A sweep's file as it stands, before its axes are looked at."""

    config: str
    title: str = ""
    axes: list[dict[str, Any]] = Field(default_factory=list)
    zip: list[list[str]] = Field(default_factory=list)
    where: str | None = None
    record: dict[str, Any] = Field(default_factory=dict)
    refine: dict[str, Any] | None = None
    maps: list[MapSpec] = Field(default_factory=list)
