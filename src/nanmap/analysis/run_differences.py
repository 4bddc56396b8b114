"""What is not the same of two runs as such: what they were made with, what they fix, and what their axes hold."""

from typing import Any

from nanmap.analysis.merged import differing
from nanmap.analysis.run_settings import RunSettings, almost_equal

FEW = 5  # values that are told one by one

Differences = dict[str, tuple[Any, Any]]  # by what it is called: in the one run and in the other


def run_differences(a: RunSettings, b: RunSettings) -> Differences:
    """What differs between two runs beside their cells, versions first and axes last."""
    one, other = _made_with(a), _made_with(b)
    made = {name: (one.get(name), other.get(name)) for name in {**one, **other}}
    fixed = {key: (values[0], values[1]) for key, values in differing((a, b)).items()}
    # A file of the same name and other content is told by its content.
    found = {name: pair for name, pair in (made | _widths(a, b) | fixed).items() if pair[0] != pair[1]}
    return found | _axes(a, b) | _almost_equal(a, b)


def _made_with(run: RunSettings) -> dict[str, Any]:
    manifest = run.manifest
    return {
        "version of the columns": manifest.get("schema"),
        **{f"version of {name}": version for name, version in (manifest.get("versions") or {}).items()},
        "backend": manifest.get("backend"),
        "device": manifest.get("device"),
        **{f"content of {name}": digest[:12] for name, digest in run.digests.items()},
        "complete": manifest.get("complete"),
        "where": manifest["sweep"].get("where"),
    }


def _widths(a: RunSettings, b: RunSettings) -> Differences:
    """How many cells were trained side by side, of the programs that both runs have with other widths."""
    one, other = (run.manifest.get("widths") or {} for run in (a, b))
    apart = [name for name in one if name in other and one[name] != other[name]]
    told = [", ".join(str(each[name]) for name in apart[:FEW]) + " …" * (len(apart) > FEW) for each in (one, other)]
    return {"cells side by side": (told[0], told[1])}


def _axes(a: RunSettings, b: RunSettings) -> Differences:
    """The axes that do not hold the same values in both."""
    one, other = ({axis.column: axis.labels.tolist() for axis in run.grid.axes} for run in (a, b))
    return {
        f"axis {name}": (_values(one.get(name)), _values(other.get(name)))
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    }


def _values(labels: list[Any] | None) -> str:
    if labels is None:
        return "no axis"
    if len(labels) <= FEW:
        return ", ".join(f"{each:.6g}" if isinstance(each, float) else str(each) for each in labels)
    numbers = all(isinstance(each, int | float) for each in labels)
    return f"{len(labels)} values" + (f", {min(labels):.6g} to {max(labels):.6g}" if numbers else "")


def _almost_equal(a: RunSettings, b: RunSettings) -> Differences:
    return {
        f"axis {name}, equal but for the last digits: {len(near)}": (repr(near[0][0]), repr(near[0][1]))
        for name, near in almost_equal(a, b).items()
    }
