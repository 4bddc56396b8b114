"""Values that settings may be given: some that fit, most that do not, and how TOML writes them."""

import json
import math
import random
from contextlib import suppress
from functools import cache
from typing import Any

from nanmap.config.explain import check_values
from nanmap.config.keys import allowed_names, known_keys
from nanmap.errors import InputError

NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 5, 7, 16, 100, 0.0, -0.0, 0.1, 0.5, 0.9, 0.999999, 1.0, 1.5, 2.0, -0.1, 1e-8, 1e-320, 5e-324),
    *(1e308, -1e308, math.inf, -math.inf, math.nan, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63)),
    *(10**8, 10**8 + 1, 10**12, 10**30, 10**400, -(10**400)),
)
TEXTS = (
    *("", " ", "nan", "inf", "true", "none", "auto", "0", "1e3", "é", "ß", "²", "٣", "\u202e", "\x7f", "\t", "\n"),
    *("a" * 300, "a" * 5000, "../x", "/", ".", "..", "~", "x/../../y", "'", '"', "`", "$(x)", "{x}", "%s", "{0}", "*"),
    *("python:x.py:f", "python:os:system", "held:x", "relu", "adam", "mse", "float64", "range", "line", "csv", "npz"),
    *("table.csv", "arrays.npz", "rows.parquet", "missing.csv", "/dev/zero", "/dev/stdin", "/proc/self/mem"),
)
RAW = (
    *("1" * 5000, "[" * 3000, "[" * 60 + "]" * 60, "{a = 1}", "{}", "[]", "[[]]", "[{}]", "1979-05-27", "07:32:00"),
    *("1979-05-27T07:32:00Z", "0xff", "0o7", "0b1", "1_000", "+nan", "-inf", "1e", ".5", "5.", "--1", "tru", "'", '"'),
    *(
        "'''",
        "[1,",
        "[1 2]",
        "=",
        "#",
        "{a=1",
        "a.b",
        "1e999",
        "-1e999",
        "1e-999",
        "0x" + "f" * 300,
        "0x" + "f" * 6000,
        "\\",
        "None",
    ),
)
MOST_FLOAT = 2**1023
KEYS = tuple(known_keys())
ODD_KEYS = (
    *("", ".", "a", "a.b", "data", "data.", ".n", "data.n.x", "model.hidden.0", "optimizer.layer_learning_rates.0"),
    *("optimizer.layer_learning_rates.²", "optimizer.layer_learning_rates.9999", "optimizer.layer_learning_rates.-1"),
    *("optimizer.layer_learning_rates.99999999", "model.numbers.x", "model.arguments.x", "model.arguments.a b", "é.é"),
    *("optimizer.group_rates.*", "optimizer.lr", "training.lr", "data.N", "axes", "axes.x", "axes.learning_rate.num"),
    *(
        "axes.learning_rate.values",
        "axes.learning_rate.log",
        "axes.learning_rate.key",
        "axes..",
        "where",
        "zip",
        "maps",
    ),
    *("config", "title", "record", "x" * 3000, "data.n ", " data.n"),
)


def any_value(rng: random.Random, key: str = "", depth: int = 2, fitting: float = 0.65) -> Any:
    """A value for a key: so often one that may stand there; else a number, a text, or a list or a table of such."""
    choice = rng.random()
    if key in KEYS and choice < fitting:
        return rng.choice(_fitting(key))
    if choice < 0.75 or not depth:
        return rng.choice(NUMBERS[: rng.choice((12, 22, len(NUMBERS)))])
    if choice < 0.8:
        return rng.random() < 0.5
    if choice < 0.9:
        return rng.choice(TEXTS)
    if choice < 0.97:
        count = rng.choice((0, 1, 2, 3, 300 if depth == 2 else 1))
        return [any_value(rng, depth=depth - 1) for _ in range(count)]
    return {rng.choice(("a", "b", "é", "a b", "")): any_value(rng, depth=depth - 1) for _ in range(rng.randrange(3))}


@cache
def _fitting(key: str) -> list[Any]:
    """Values that may stand at a key, alone."""
    found = []
    for value in (
        *(allowed_names(key) or ()),
        *NUMBERS,
        True,
        False,
        *TEXTS[-14:-3],
        [],
        [3],
        [2, 4],
        ["a"],
        [0.1, 0.2],
        {},
        {"a": 1.0},
    ):
        with suppress(InputError):
            check_values(key, [value])
            found.append(value)
    return found or [None]


def toml(value: Any) -> str:
    """A value as TOML writes it.

    >>> toml([1, -math.inf, {"a": "é"}])
    '[1, -inf, {"a" = "é"}]'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(part)}" for key, part in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]"


def document(tree: dict[str, Any]) -> str:
    """Tables of settings as a TOML file has them; a list of tables as `[[…]]`."""
    lines = [f"{toml(key)} = {toml(value)}" for key, value in tree.items() if not _is_table(value)]
    for key, value in tree.items():
        for table in value if isinstance(value, list) else [value]:
            if _is_table(value):
                lines.append(f"[[{toml(key)}]]" if isinstance(value, list) else f"[{toml(key)}]")
                lines += [f"{toml(name)} = {toml(part)}" for name, part in table.items()]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
    )


def same(found: Any, given: Any) -> bool:
    """Whether what was understood is what was given: true is no 1, NaN is NaN, a list may be a tuple, 1e3 may be 1000."""
    if isinstance(found, bool) or isinstance(given, bool):
        return found is given
    if isinstance(found, int | float) and isinstance(given, int | float):
        nearest = given if isinstance(found, int) or abs(given) > MOST_FLOAT else float(given)
        return found == nearest or (found != found and given != given)
    if isinstance(found, list | tuple) and isinstance(given, list | tuple):
        return len(found) == len(given) and all(map(same, found, given))
    if isinstance(found, dict) and isinstance(given, dict):
        return found.keys() == given.keys() and all(same(found[key], given[key]) for key in given)
    return type(found) is type(given) and found == given


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Some bytes flipped, lost, put in or put twice; or cut off; or nothing left."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        place, kind = rng.randrange(len(found) + 1), rng.randrange(7)
        if kind == 0:
            del found[place:]
        elif kind == 1:
            del found[place : place + rng.choice((1, 2, 20))]
        elif kind == 2:
            found[place:place] = rng.choice(
                (b"\0", b"\xff", b"\n", b'"', b"[", b"]", b"=", b",", b"9" * 40, b"\xef\xbb\xbf")
            )
        elif kind == 3:
            found[place:place] = found[place : place + rng.choice((1, 10, 200))]
        elif place < len(found):
            found[place] = found[place] ^ (1 << rng.randrange(8)) if kind < 6 else rng.randrange(256)
    return bytes(found) if rng.random() < 0.98 else b""
