"""`nanmap compare`: what became of the same settings in two runs."""

from pathlib import Path
from typing import Annotated

import typer

from nanmap.cli.app import app


@app.command(epilog="Example:  nanmap compare results/keras_line results/keras_line_float64")
def compare(
    a: Annotated[Path, typer.Argument(help="A run folder (results/<sweep>).", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Compare two runs cell by cell: what changed, and by how much.

    Cells are matched by the settings that an axis of either run goes over, whatever their numbers. What else differs
    between the runs (versions, device, settings, thresholds) is told first.
    """
    from nanmap import result
    from nanmap.cli.json_text import json_text

    comparison = result.compare(a, b)
    print(json_text(comparison.to_dict()) if as_json else comparison)
