"""The file: scripts and styles inline, each allowed by its hash, and the run's data as text that nothing executes."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nanmap.errors import InputError
from nanmap.report.document import make_document
from nanmap.report.said import Part
from nanmap.results.files import Replacing
from nanmap.results.folder import RunFolder

SUFFIXES = (".html", ".htm")
PARTS = Path(__file__).parent / "page"
STYLES = ("uPlot.min.css", "style.css")
SCRIPTS = (
    "uPlot.iife.min.js",
    "columns.js",
    "grid.js",
    "words.js",
    "colours.js",
    "painting.js",
    "theory.js",
    "ticks.js",
    "picture.js",
    "controls.js",
    "legend.js",
    "link.js",
    "plots.js",
    "again.js",
    "training.js",
    "pinned.js",
    "slices.js",
    "tables.js",
    "said.js",
    "fingers.js",
    "moving.js",
    "main.js",
)


def page(folder: RunFolder, *, title: str | None = None, said: Sequence[str | Part] = ()) -> str:
    """A run as one HTML file, which needs nothing else.

    Args:
        folder: one run, finished or not, or several put together.
        title: in place of the sweep's.
        said: paragraphs and parts to stand before the map.

    Raises:
        InputError: there are too many cells for a page, or a folder's name cannot stand in a command.
    """
    return as_html(make_document(folder, title, said))


def checked(out: str | Path) -> Path:
    """The file that is asked for.

    Raises:
        InputError: no page has such a name.
    """
    path = Path(out)
    if path.suffix.lower() not in SUFFIXES:
        mend = f"for example {path.with_suffix('.html')}" if path.name else None
        raise InputError("a page is a file of HTML", key="out", value=str(out), allowed=SUFFIXES, mend=mend)
    return path


def write_page(path: Path, text: str) -> None:
    """Writes a page in one go: whoever has it open sees the old one or the new one."""
    with Replacing(None, path) as file:
        file.write(text.encode())


def as_html(document: Mapping[str, Any], live: bool = False) -> str:
    """The page around its data.

    Args:
        document: as `make_document` makes it.
        live: whether the page asks the address that it came from for newer data.
    """
    styles, scripts = [part(name) for name in STYLES], [part(name) for name in SCRIPTS]
    inserted = {
        "policy": html.escape(policy(styles, scripts, live)),
        "title": html.escape(str(document["title"] or document["name"])),
        "live": "yes" if live else "no",
        "styles": "\n".join(f"<style>{each}</style>" for each in styles),
        "scripts": "\n".join(f"<script>{each}</script>" for each in scripts),
        "document": as_json(document),
    }
    before, *rest = part("page.html").split("{{")
    pieces = (each.partition("}}") for each in rest)
    return before + "".join(inserted[name.strip()] + after for name, _, after in pieces)


def as_json(document: Mapping[str, Any]) -> str:
    """The data as text that no browser takes for markup."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def policy(styles: Sequence[str], scripts: Sequence[str], live: bool) -> str:
    """What the page may do: run these scripts, and nothing else; a live one asks its own address."""
    rules = {
        "default-src": ["'none'"],
        "script-src": list(map(digest, scripts)),
        "style-src": list(map(digest, styles)),
        "img-src": ["data:"],
        "connect-src": ["'self'" if live else "'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(allowed)}" for name, allowed in rules.items())


def digest(text: str) -> str:
    """How a policy names a script.

    >>> digest("alert(1)")
    "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def part(name: str) -> str:
    """A file of the page, as it stands in the package."""
    return (PARTS / name).read_text(encoding="utf-8")
