"""`nanmap verify`: whether a run folder is what was written, and comes out again."""

from pathlib import Path
from typing import Annotated

import typer

from nanmap.cli.app import FAILED, AllowPython, Device, app
from nanmap.cli.waiting import waiting


@app.command(epilog="Example:  nanmap verify results/keras_line --sample 64")
def verify(
    run: Annotated[Path, typer.Argument(help="A run folder (results/<sweep>).", show_default=False)],
    sample: Annotated[int, typer.Option(min=0, help="Cells to train again, drawn at random; 0 for none.")] = 16,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="That they are drawn with; another one each time unless given.", show_default=False),
    ] = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
    allow_python: AllowPython = False,
) -> None:
    """Look at every file of a run, and train some of its cells again. Exits 1 if anything differs.

    Shards and pictures are held against the SHA-256 of their receipts, manifests against their own hash, trained rows
    against the stored ones: bit for bit on the backend and with the versions of the run, else by their outcome.
    Nothing in the folder is changed; the same sweep run again makes anew what is damaged.
    """
    from nanmap.cli.json_text import json_text
    from nanmap.engine.devices import set_up

    set_up(device)
    from nanmap import api

    with waiting(f"looking at {run}"):
        found = api.verify(run, sample=sample, seed=seed, allow_python=allow_python)
    print(json_text(found.to_dict()) if as_json else found)
    if not found.ok:
        raise typer.Exit(FAILED)
