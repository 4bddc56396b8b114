"""When may rows stand beside each other? What of a manifest must be equal for a folder to be continued, and what need not."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nanmap.config.code import code_file, is_held, with_file
from nanmap.results.columns import VERSION

IDENTITY = ("sweep", "data", "shard_cells", "backend", "widths", "schema", "versions")
UNHASHED = ("search",)  # part of what edges are, but never of their hash: folders that have edges have it so
FILE_SETTINGS = ("path", "init_file")
SAID_ONLY = ("title", "name")  # of a sweep; change no row
ARRAYS = "sweep.config.data.sha256"
VERSIONS = ("nanmap", "jax", "jaxlib", "optax", "numpy")  # any of them may change a bit


def identity_hash(manifest: Mapping[str, Any]) -> str:
    """What stands for the identity of a run in its manifest and in every shard, 32 hexadecimal digits."""
    return hashlib.sha256(_canonical(_identity(manifest)).encode()).hexdigest()[:32]


def is_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether rows of the one manifest may stand beside rows of the other."""
    return all(old.get(key) == new.get(key) for key in ("hash", *UNHASHED))


class _Said(BaseModel):
    """What entries of a manifest are made of; of those that are not named here nobody asks anything."""

    model_config = ConfigDict(strict=True, extra="allow")


class _SweepSaid(_Said):
    name: str = ""
    title: str = ""
    config: dict[str, dict[str, Any]] = {}
    axes: list[dict[str, Any]] = []
    zip: list[list[str]] = []
    where: str | None = None
    refine: dict[str, Any] | None = None


class _TimingsSaid(_Said):
    wall_seconds: float = Field(ge=0, allow_inf_nan=False)


class _MadeSaid(_Said):
    began: str
    arguments: list[str] | None


class _ManifestSaid(_Said):
    sweep: _SweepSaid
    schema_: int = Field(VERSION, alias="schema", le=VERSION)
    hash: str | None = None
    versions: dict[str, str] = {}
    data: list[str] = []
    widths: dict[str, int] = {}
    programs: dict[str, str] = {}
    models: dict[str, list[str]] = {}
    narrowed: dict[str, list[int]] = {}
    timings: _TimingsSaid | None = None
    made: list[_MadeSaid] = []
    maps: list[dict[str, Any]] = []
    shards: list[str] = []
    backend: str | None = None
    device: str | None = None
    shard_cells: Annotated[int, Field(ge=1)] | None = None
    compilations: int = 0


def what_is_wrong(manifest: Mapping[str, Any]) -> str | None:
    """Why a manifest cannot be what was written; None where nothing speaks against it."""
    try:
        _ManifestSaid.model_validate(manifest)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        return f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    # Of older schemas the hash had other parts.
    newest, hashed = manifest.get("schema") == VERSION, identity_hash({**manifest, "schema": VERSION})
    if "hash" not in manifest and all(key in manifest for key in IDENTITY):
        return "its hash is gone"
    if "hash" in manifest and (manifest["hash"] == hashed) != newest:
        return "what it says was run is not what its hash says"
    return None


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Which settings differ between two manifests, shortly."""
    before, after = (_identity(each) | {key: each.get(key) for key in UNHASHED} for each in (old, new))
    changes = list(dict.fromkeys(_change(*each) for each in _differences("", before, after)))
    return "; ".join(changes[:4]) + (f" and {len(changes) - 4} more" if len(changes) > 4 else "")


def is_of_arrays(manifest: Mapping[str, Any]) -> bool:
    """Whether a run trains on what a program in Python gave."""
    return (manifest["sweep"]["config"].get("data") or {}).get("sha256") is not None


def _change(key: str, was: Any, now: Any) -> str:
    if key == ARRAYS and None not in (was, now):
        return "x or y are other arrays"
    if is_held(was) and is_held(now):
        return "the model is another one, or has other weights"
    if key.startswith("data.") and isinstance(now, str):
        return f"the content of {now.rpartition(' ')[0]} changed"
    if key.startswith("widths.") and None in (was, now):
        return "code that the network is made of changed"
    if key.startswith("widths."):
        return f"cells side by side in a program were {_short(was)}, now {_short(now)}"
    setting = key.removeprefix("sweep.").removeprefix("config.")
    return f"{setting} was {_short(was)}, now {_short(now)}"


def _identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for rows to be the same."""
    found = {key: manifest.get(key) for key in IDENTITY}
    sweep = found["sweep"] or {}
    return found | {"sweep": {key: value for key, value in sweep.items() if key not in SAID_ONLY}}


def _differences(key: str, old: Any, new: Any) -> Iterable[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _differences(f"{key}.{name}" if key else name, old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{key}.{index}", a, b)
    elif old != new:
        yield key, old, new


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """What files are called wherever their folder may stand: by their names alone, so far as these tell them apart.

    >>> file_names(["/home/me/one/a.csv", "/home/me/two/b.csv"])
    {'/home/me/one/a.csv': 'a.csv', '/home/me/two/b.csv': 'b.csv'}
    >>> file_names(["/home/me/one/rows.csv", "/home/me/two/rows.csv"])
    {'/home/me/one/rows.csv': 'one/rows.csv', '/home/me/two/rows.csv': 'two/rows.csv'}
    """
    places = {path: Path(os.path.abspath(path)) for path in paths}
    files = set(places.values())
    if len({file.name for file in files}) == len(files):
        return {path: file.name for path, file in places.items()}
    shared = os.path.commonpath([file.parent for file in files])
    return {path: file.relative_to(shared).as_posix() for path, file in places.items()}


def _canonical(value: Any) -> str:
    """JSON with sorted keys; files by their `file_names`, their content has `data`."""
    names = file_names(_files_in(value))

    def bare(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: names[part] if _is_file(key, part) else bare(part) for key, part in item.items()}
        if (file := code_file(item)) is not None:
            return with_file(item, names[file])
        return [bare(part) for part in item] if isinstance(item, list) else item

    return json.dumps(bare(value), sort_keys=True, ensure_ascii=False)


def _files_in(value: Any) -> Iterator[str]:
    """The files that settings name, as they name them."""
    if (file := code_file(value)) is not None:
        yield file
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from [part] if _is_file(key, part) else _files_in(part)


def _is_file(key: str | int, part: Any) -> bool:
    return isinstance(part, str) and str(key).rpartition(".")[2] in FILE_SETTINGS
