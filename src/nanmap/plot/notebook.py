"""What a notebook shows of a run: its counts of outcomes, and the obvious picture. Nothing external."""

import base64
from collections import Counter
from html import escape

from nanmap.errors import InputError, RunFolderError
from nanmap.outcomes import Outcome
from nanmap.plot.files import ShownFigure
from nanmap.plot.kinds import draw
from nanmap.results.folder import RunFolder

EDGE = "edge_learning_rate"
SHOWN_EDGES = 20


def as_html(folder: RunFolder) -> str | None:
    """A run in a cell of a notebook; None where there is nothing to show yet."""
    try:
        counts = Counter(text for table in folder.tables(["outcome"]) for text in table["outcome"].to_pylist())
        name = str(folder.read_manifest()["sweep"].get("title") or folder.read_manifest()["sweep"]["name"])
    except RunFolderError:
        return _edges(folder)
    told = " &nbsp; ".join(
        f'<span style="color:{each.colour}" title="{escape(each.sentence)}">■</span> {counts[each]:,} {each}'
        for each in Outcome.by_severity()
        if counts[each]
    )
    total = sum(counts.values())
    place = "a temporary folder, which goes with this result; out=… keeps one" if folder.temporary else str(folder.path)
    lines = [f"<b>{escape(name)}</b>: {total:,} training{'s' * (total != 1)} in {escape(place)}", told]
    try:
        figure = draw(folder, "map", x=None, y=None)
    except InputError:
        figure = None  # no axis, or none that a picture can show
    picture = ""
    if isinstance(figure, ShownFigure):
        data = base64.b64encode(figure._repr_png_()).decode()
        picture = f'<img alt="what became of each training" style="max-width:100%" src="data:image/png;base64,{data}">'
    return f"<div>{'<br>'.join(lines)}<br>{picture}</div>"


def _edges(folder: RunFolder) -> str | None:
    """The table of a folder that has edges alone, as far as the edge."""
    try:
        rows = folder.edge_rows().to_pandas()
    except RunFolderError:
        return None
    shown = rows.columns[: list(rows.columns).index(EDGE) + 1]
    return str(rows[shown].to_html(max_rows=SHOWN_EDGES, index=False, border=0))
