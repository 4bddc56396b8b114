"""What the file of a picture is called: what is drawn over which axes, and what sets it apart from that of all rows."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

SIGNS = {
    "<=": " le ",
    ">=": " ge ",
    "!=": " ne ",
    "==": "=",
    "<": " lt ",
    ">": " gt ",
}  # that a file's name may not have
LONGEST = 180  # most systems allow 255 bytes


def file_name(x: str, y: str | None, kind: str, what: Mapping[str, Any], thresholds: Mapping[str, Any]) -> str:
    """The name, in letters, digits and what is harmless among files.

    Args:
        x: the horizontal axis.
        y: the vertical one of a map.
        kind: of picture.
        what: the options that say which rows are drawn: `value`, `facet`, `lines`, `select`, `zoom`; those that are given.
        thresholds: those of outcomes that are judged by anew.
    """
    value = what.get("value") or ("outcome" if kind == "map" else "loss_final")
    parts = [value, x, y or ""] if kind == "map" else [kind, value, x]
    parts += [*([what["lines"]] if "lines" in what else []), *what.get("facet", ())]
    select = what.get("select", [])
    told: dict[str, Any] = {}
    for each in (*select, thresholds):
        told |= each if isinstance(each, Mapping) else {}
    parts += [
        f"{name}={'+'.join(map(str, value)) if isinstance(value, list) else value}" for name, value in told.items()
    ]
    parts += [_spelled(each) for each in select if isinstance(each, str)]
    parts += [f"{name}={low}..{high}" for name, (low, high) in what.get("zoom", {}).items()]
    name = re.sub(r"[^\w.=+-]+", "-", "_".join(parts))
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{_short(name, 8)}"
    return name + ".png"


def _spelled(condition: str) -> str:
    """In words; with what stands for its brackets and quotes, which two conditions may differ in alone."""
    text = " ".join(condition.split())
    mark = f"-{_short(text, 4)}" if re.search(r"[^\w\s.<>=!+-]", text) else ""
    for sign, word in SIGNS.items():
        text = text.replace(sign, word)
    return re.sub(r"\s*=\s*", "=", text).strip() + mark


def _short(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]
