"""Tables as files: CSV and Parquet with odd columns, odd values and damage."""

import csv
import io
import random
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.cases import Case
from fuzz.settings import dry
from fuzz.words import TEXTS, damaged, document
from nanmap.config.load import load_config
from nanmap.data import load_rows

csv.field_size_limit(10**6)  # of the truth: what Python itself reads
FIELDS = (
    "1",
    "2",
    "0",
    "-1",
    "0.5",
    "1e3",
    "1e-320",
    "1e308",
    "1e999",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "",
    " ",
    "NA",
    "None",
    "true",
)
ODD_FIELDS = (
    *FIELDS,
    "1,5",
    "1.000,5",
    "$3",
    "50 %",
    "2020-01-01",
    "12:30",
    "9" * 400,
    "0x1f",
    "1_0",
    "١",
    '"',
    "'",
    "\0",
    "=1+1",
    "é",
)
NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?(e[+-]?\d{1,2})?")
HEADERS: tuple[list[str], ...] = (["a", "b", "y"],) * 8 + (
    ["a", "a", "y"],
    ["", "b", "y"],
    ["a", "y"],
    ["y"],
    [],
    ["a;b", "y"],
    ["a\tb", "y"],
    ["a b", "é", "y"],
)
SETTINGS: dict[str, tuple[Any, ...]] = {
    "missing": ("error", "drop", "mean", "keep"),
    "categorical": ("onehot", "codes"),
    "target_kind": ("number", "number", "number", "class"),
    "columns": (["a"], ["b"], ["a", "b"], ["x"], [], ["y"], ["a", "a"]),
    "validation_split": (0.0, 0.5, 0.99),
}


def write_config(rng: random.Random, folder: Path, kind: str, path: str) -> dict[str, Any]:
    """A config that reads a file, and a sweep over it; returns its `[data]`."""
    data: dict[str, Any] = {"kind": kind, "path": path} | ({} if kind == "npz" else {"target": "y"})
    for name, values in SETTINGS.items():
        if rng.random() < 0.2 and not (kind == "npz" and name in ("columns", "categorical")):
            data[name] = rng.choice(values)
    tree: dict[str, Any] = {"data": data, "training": {"steps": 2}}
    if data.get("target_kind") == "class":
        tree["loss"] = {"kind": "softmax_cross_entropy"}
    if rng.random() < 0.3:
        tree["model"] = {"hidden": [3]}
    (folder / "config.toml").write_text(document(tree))
    (folder / "sweep.toml").write_text('config = "config.toml"\n')
    return data


def csv_case(rng: random.Random, folder: Path) -> Case:
    """A CSV file."""
    mild = rng.random() < 0.4
    header = HEADERS[0] if mild else rng.choice(HEADERS)
    width, numbers = len(header), mild or rng.random() < 0.5
    rows = [
        [_number(rng) if numbers else rng.choice(FIELDS if rng.random() < 0.9 else ODD_FIELDS) for _ in range(width)]
        for _ in range(rng.choice((0, 2, 3, 12, 12, 40)))
    ]
    if rows and rng.random() < 0.05:
        rng.choice(rows)[:1] = rng.choice(([], ["1", "2"], ["9" * 131_073], ["x" * 131_073], ['"']))
    held = io.StringIO()
    csv.writer(held, lineterminator=rng.choice(("\n", "\r\n", "\r"))).writerows([header, *rows])
    content = held.getvalue().encode(rng.choice(("utf-8",) * 8 + ("utf-16", "latin-1", "utf-8-sig")), "replace")
    (folder / "table.csv").write_bytes(content if rng.random() < 0.7 else damaged(rng, content))
    data = write_config(rng, folder, "csv", "table.csv")

    def truth() -> str | None:
        found = list(
            csv.reader(io.StringIO((folder / "table.csv").read_bytes().decode("utf-8-sig", "replace"), newline=""))
        )
        return _same_numbers(folder, data, found[0], [row for row in found[1:] if row])

    return Case("csv", dry(folder), truth=truth)


def _number(rng: random.Random) -> str:
    return str(rng.choice((rng.randrange(-9, 10), round(rng.uniform(-1, 1), 3), rng.randrange(10**6))))


def _same_numbers(folder: Path, data: dict[str, Any], header: list[str], rows: list[list[str]]) -> str | None:
    """Where a table holds plain numbers alone, the training sees these, and no others."""
    whole = all(len(row) == len(header) and all(NUMBER.fullmatch(each) for each in row) for row in rows)
    if not whole or data.get("target_kind") == "class":
        return None
    columns = data.get("columns", [name for name in header if name != "y"])
    expected = np.array([[float(row[header.index(name)]) for name in (*columns, "y")] for row in rows])
    return compare(folder, expected[:, :-1], expected[:, -1:])


def compare(folder: Path, inputs: np.ndarray, targets: np.ndarray) -> str | None:
    """What is wrong with the rows that a config reads."""
    rows = load_rows(load_config(folder / "config.toml"))
    found = np.concatenate([rows.inputs, rows.val_inputs]), np.concatenate([rows.targets, rows.val_targets])
    for name, seen, wanted in zip(("inputs", "targets"), found, (inputs, targets), strict=True):
        if seen.shape != wanted.shape or not np.allclose(seen, wanted, rtol=1e-14, atol=0, equal_nan=True):
            return f"{name} are {seen.tolist()!s:.80}, and were {wanted.tolist()!s:.80}"
    return None


def parquet_case(rng: random.Random, folder: Path) -> Case:
    """A Parquet file."""
    count = rng.choice((0, 2, 5, 20, 20))
    names = rng.choice((["a", "b", "y"],) * 6 + (["a", "y"], ["y"], ["a", "a", "y"], ["é", "", "y"]))
    columns = [_column(rng, count) for _ in names]
    table = pa.Table.from_arrays(columns, names=names)
    held = io.BytesIO()
    pq.write_table(table, held, write_page_checksum=True, compression=rng.choice(("none", "zstd", "snappy")))
    content, whole = held.getvalue(), rng.random() < 0.6
    (folder / "rows.parquet").write_bytes(content if whole else damaged(rng, content))
    data = write_config(rng, folder, "parquet", "rows.parquet")

    def truth() -> str | None:
        plain = all(pa.types.is_floating(each.type) or pa.types.is_integer(each.type) for each in columns)
        if not whole or not plain or any(each.null_count for each in columns) or data.get("target_kind") == "class":
            return None  # a footer has no checksum: what is damaged there may be anything
        values = {
            name: each.to_numpy(zero_copy_only=False).astype(float) for name, each in zip(names, columns, strict=True)
        }
        chosen = data.get("columns", [name for name in names if name != "y"])
        expected = np.array([values[name] for name in (*chosen, "y")]).T
        if data.get("missing") in ("drop", "mean") and np.isnan(expected).any():
            return None
        return compare(folder, expected[:, :-1], expected[:, -1:])

    return Case("parquet", dry(folder), truth=truth)


def _column(rng: random.Random, count: int) -> pa.Array:
    if rng.random() < 0.7:
        kind = rng.choice((pa.float64(), pa.int64(), pa.float32(), pa.int8(), pa.uint64()))
        return pa.array([rng.randrange(100) for _ in range(count)], kind)
    values: tuple[Any, ...] = rng.choice(
        (
            (1.5, None, float("nan")),
            (float("inf"), 1.0),
            (True, False),
            (True, None),
            ("a", "b"),
            ("1", "2"),
            TEXTS[:12],
            (date(2020, 1, 1),),
            (datetime(2020, 1, 1),),
            (time(1),),
            (timedelta(1),),
            (Decimal("1.5"), Decimal("2")),
            (b"x", b"y"),
            ([1, 2], [3]),
            ({"a": 1},),
            (None,),
            (2**60 + 1, 3),
        )
    )
    made = pa.array([rng.choice(values) for _ in range(count)])
    return made.dictionary_encode() if pa.types.is_string(made.type) and rng.random() < 0.3 else made
