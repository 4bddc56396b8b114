"""The file that a picture is written to."""

import io
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from nanmap.errors import InputError

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 200
SCREEN = 110  # dots per inch in a notebook


class ShownFigure(Figure):
    """A figure that a notebook shows by itself, also where matplotlib was never set up for it."""

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        self.savefig(held, format="png", dpi=SCREEN)
        return held.getvalue()


def checked(out: str | Path | None) -> Path | None:
    """The file, if one is asked for.

    Raises:
        InputError: no picture has such a name.
    """
    if out is not None and Path(out).suffix.lower() not in SUFFIXES:
        raise InputError("cannot write this kind of picture", key="out", value=str(out), allowed=SUFFIXES)
    return None if out is None else Path(out)


def write(figure: Figure, path: Path | None) -> None:
    """Writes the picture, if it has a file; its folder is made."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # the same picture is the same file
        figure.savefig(path, dpi=DPI, metadata=undated.get(path.suffix.lower()))
    FigureCanvasBase(figure)  # a figure that is kept lets go of its pixels
