"""`nanmap edge`: a bar while rows are searched, then what was found, beside what was predicted."""

from typing import TYPE_CHECKING, Annotated

import typer

from nanmap.cli.app import AllowPython, Device, RunOut, Set, SweepPath, app, planned
from nanmap.cli.lines import say

if TYPE_CHECKING:
    import pandas as pd

COMPARED = {"predicted_gd": "the full-batch bound", "predicted_typical": "the edge of a typical run"}


@app.command(epilog="Example:  nanmap edge sweeps/keras_line.toml --set axes.n.range=[8,41] --out results/keras_line")
def edge(
    sweep: SweepPath,
    out: RunOut = None,
    set_: Set = None,
    along: Annotated[
        str | None, typer.Option(metavar="AXIS", help="The axis of rates, where there are several.", show_default=False)
    ] = None,
    tolerance: Annotated[float, typer.Option(help="How far the edge may be from the truth, relative.")] = 1e-4,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Search again, replacing the edges that are there.")] = False,
    allow_python: AllowPython = False,
) -> None:
    """Measure the critical learning rate along every other axis.

    Each combination of the other axes is a row of RUN/edges: the rate at which training turns unstable, found by
    bisection between the ends of the sweep's axis of learning rates. Maps of RUN show the edges from then on.
    """
    plan = planned(sweep, set_, device, allow_python=allow_python)
    from nanmap import api
    from nanmap.cli.progress import Progress

    with Progress(plan.sweep.name, "edges") as progress:
        result = api.edge(plan, out=out, along=along, tolerance=tolerance, fresh=fresh, observer=progress)
    told = result.folder.read_edges_manifest() or {}
    cost = f", at the cost of {told.get('columns_of_a_map', 0.0):.1f} columns of a map" if progress.rows else ""
    for line in (progress.summary() + cost, *describe(result.edge())):
        say(line)
    print(f"rows: {result.folder.edges.path}")


def describe(edges: "pd.DataFrame") -> list[str]:
    """What a table of edges says, in a few lines."""
    known = edges.edge_learning_rate.dropna()
    span = f", from {known.min():.4g} to {known.max():.4g}" if len(known) else ""
    lines = [f"edges: {len(known):,} of {len(edges):,} rows{span}"]
    for name, count in edges.note[edges.note != ""].astype(str).value_counts().items():
        lines.append(f"  {count:,} rows: {name}")
    if edges.reentrant.any():
        lines.append(f"  {edges.reentrant.sum():,} rows are reentrant: stable again above the edge")
    for column, words in COMPARED.items():
        ratio = (edges.edge_learning_rate / edges[column]).dropna()
        if len(ratio):
            low, middle, high = ratio.quantile([0, 0.5, 1])
            spread = f"{low:.6g} to {high:.6g}"
            several = f" in the median of {len(ratio):,} rows, {spread}" if len(ratio) > 1 else ""
            lines.append(f"measured / {words}: {middle:.6g}{several}")
    return lines
