"""Arrays as npz files: odd types and shapes, headers that lie, archives that unpack to more than there is, damage."""

import io
import random
import zipfile
from pathlib import Path

import numpy as np

from fuzz.cases import Case
from fuzz.settings import dry
from fuzz.tables import compare, write_config
from fuzz.words import damaged

KINDS = (
    "f8",
    "f4",
    "f2",
    "i8",
    "i4",
    "u1",
    "u8",
    ">f8",
    "?",
    "c16",
    "M8[D]",
    "m8[s]",
    "U3",
    "S3",
    "O",
    "V4",
    "f8,i4",
    "g",
)
SHAPES = ((6, 2), (6, 1), (6,), (5, 2), (1, 2), (0, 2), (6, 0), (), (6, 2, 2), (2, 6), (1, 1, 1, 1))
LIES = (
    "(1000000000000, 2)",
    "(-6, 2)",
    "(6,)",
    "(6, 9223372036854775807)",
    "('6', 2)",
    "(6.0, 2)",
    "6",
    "()",
    "(" * 200,
)


def npz_case(rng: random.Random, folder: Path) -> Case:
    """An npz file."""
    arrays = {name: _array(rng, name) for name in ("x", "y")}
    if rng.random() < 0.05:
        arrays = {rng.choice(("x", "y", "z", "", "../x")): arrays["x"]}
    held, kind = io.BytesIO(), rng.random()
    if kind < 0.9:
        (np.savez_compressed if rng.random() < 0.3 else np.savez)(held, allow_pickle=True, **arrays)
        content = held.getvalue()
    elif kind < 0.95:
        content = _lying(rng)
    else:
        content = _bomb()
    (folder / "arrays.npz").write_bytes(content if rng.random() < 0.6 else damaged(rng, content))
    data = write_config(rng, folder, "npz", "arrays.npz")

    def truth() -> str | None:
        """What was accepted is what was written, damaged or not: every array has a checksum in its archive."""
        if data.get("missing") in ("drop", "mean") or data.get("target_kind") == "class":
            return None
        x, y = (np.asarray(arrays[name], float) for name in ("x", "y"))
        return compare(folder, x, y.reshape(len(y), -1))

    return Case("npz", dry(folder), truth=truth)


def _array(rng: random.Random, name: str) -> np.ndarray:
    likely = rng.random() < 0.6
    kind, shape = (
        (rng.choice(("f8", "f4", "i8")), SHAPES[0] if name == "x" else SHAPES[rng.choice((1, 2))])
        if likely
        else (rng.choice(KINDS), rng.choice(SHAPES))
    )
    count = int(np.prod(shape))
    if kind in ("V4", "f8,i4"):
        return np.zeros(shape, kind)
    values = np.array([rng.randrange(2 if kind == "?" else 9) for _ in range(count)])
    made = values.astype(kind).reshape(shape)
    if made.dtype.kind == "f" and count and rng.random() < 0.15:
        made.reshape(-1)[rng.randrange(count)] = rng.choice((np.nan, np.inf, -np.inf))
    return made


def _lying(rng: random.Random) -> bytes:
    """An array whose header claims another shape than it has."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {rng.choice(LIES)}, }}"
    header = header.ljust(118) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + np.zeros(12).tobytes()
    return _archive({"x": array, "y": array})


def _bomb() -> bytes:
    """A small file that unpacks to gigabytes: an archive says of each array what its header says, and holds less."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (400000000, 2), }".ljust(118) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    content = bytearray(_archive({"x": array, "y": array}))
    for place in range(len(content) - 4):
        if content[place : place + 4] in (b"PK\x01\x02", b"PK\x03\x04"):
            at = place + (24 if content[place + 2] == 1 else 22)
            content[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    return bytes(content)


def _archive(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return held.getvalue()
