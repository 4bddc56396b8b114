"""The manifest: what was run and with what, as it is written beside the rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nanmap.config import Config
from nanmap.config.code import code_file
from nanmap.results.columns import VERSION
from nanmap.results.identity import VERSIONS, file_names, identity_hash


def make_manifest(identity: Mapping[str, Any], frameworks: Iterable[str] = ()) -> dict[str, Any]:
    """A manifest before the run: the identity, its hash, and the versions beside it; those of `frameworks` among them."""
    manifest: dict[str, Any] = {
        "schema": VERSION,
        "versions": {name: installed(name) for name in (*VERSIONS, *frameworks)},
        **_plain(identity),
    }
    manifest["hash"] = identity_hash(manifest)
    manifest |= {"complete": False, "made": []}
    return manifest


def fingerprint(configs: Iterable[Config]) -> list[str]:
    """Name and SHA-256 of every file that the configs read."""
    paths = {
        path
        for config in configs
        for path in (
            config.data.path,
            config.model.init_file,
            *(code_file(each.kind) for each in (config.model, config.loss, config.optimizer)),
        )
        if path
    }
    names = file_names(paths)
    return sorted(f"{names[path]} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}" for path in paths)


def installed(package: str) -> str:
    """The version of a package, which may be run from its checkout."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False))
