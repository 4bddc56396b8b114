"""The file that a picture is written to."""

import io
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from nanmap.errors import InputError
from nanmap.objects import place
from nanmap.results.files import Replacing

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
    if out is not None and place(out).suffix.lower() not in SUFFIXES:
        raise InputError("cannot write this kind of picture", key="out", value=str(out), allowed=SUFFIXES)
    return None if out is None else place(out)


def write(figure: Figure, path: Path | None, run: Path | None = None) -> None:
    """Writes the picture, if it has a file, whole or not at all; its folder is made.

    Args:
        figure: the picture.
        path: its file.
        run: the run folder, which may hold it, if the picture is of a run.
    """
    if path is not None:
        undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}  # the same picture is the same file
        kind, held = path.suffix.lower(), io.BytesIO()
        figure.savefig(held, format=kind[1:], dpi=DPI, metadata=undated.get(kind))
        with Replacing(run if run in path.parents else None, path) as file:
            file.write(held.getbuffer())
    FigureCanvasBase(figure)  # a figure that is kept lets go of its pixels
