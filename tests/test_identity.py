"""When rows may stand beside each other: each part of a run's identity counts, nothing else does, and what differs is named."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from nanmap.results.identity import describe_changes, file_names, identity_hash, is_same
from nanmap.results.manifest import installed, make_manifest

CONFIG = {
    "data": {"kind": "csv", "path": "/here/a b.csv", "target": "price"},
    "training": {"steps": 30},
    "model": {"init_file": "/here/start.npz"},
}
SWEEP = {"config": CONFIG, "axes": [{"key": "training.seed", "values": [0, 1]}], "name": "line", "title": "A line"}
BEGUN: dict[str, Any] = {
    "sweep": SWEEP,
    "data": ["a b.csv 0f3a"],
    "shard_cells": 4,
    "backend": "cpu",
    "widths": {"ea97": 8},
    "schema": 3,
    "versions": {"nanmap": "0.2.0", "jax": "0.7"},
    "search": {"tolerance": 1e-4},
    "device": "a processor",
    "complete": True,
}


def manifest(change: dict[str, Any]) -> dict[str, Any]:
    whole = BEGUN | change
    return whole | {"hash": identity_hash(whole)}


def config(**tables: Any) -> dict[str, Any]:
    return {"sweep": SWEEP | {"config": CONFIG | tables}}


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "a number": (config(training={"steps": 31}), "training.steps was 30, now 31"),
    "a name among the data": (
        config(data=CONFIG["data"] | {"target": "a size"}),
        'data.target was "price", now "a size"',
    ),
    "a new setting": (config(loss={"delta": 0}), 'loss was absent, now {"delta": 0}'),
    "one that is 0": (config(training={"steps": 0}), "training.steps was 30, now 0"),
    "an axis": (
        {"sweep": SWEEP | {"axes": [{"key": "training.seed", "values": [0, 2]}]}},
        "axes.0.values.1 was 1, now 2",
    ),
    "a longer axis": (
        {"sweep": SWEEP | {"axes": [{"key": "training.seed", "values": [0, 1, 2]}]}},
        "axes.0.values was [0, 1], now [0, 1, 2]",
    ),
    "a long value": (config(training={"steps": "x" * 50}), f'training.steps was 30, now "{"x" * 36}…'),
    "the rows": ({"data": ["a b.csv 0f3b"]}, "the content of a b.csv changed"),
    "the shards": ({"shard_cells": 8}, "shard_cells was 4, now 8"),
    "the backend": ({"backend": "gpu"}, 'backend was "cpu", now "gpu"'),
    "a width": ({"widths": {"ea97": 4}}, "cells side by side in a program were 8, now 4"),
    "the columns": ({"schema": 4}, "schema was 3, now 4"),
    "a version": ({"versions": {"nanmap": "0.2.0", "jax": "0.8"}}, 'versions.jax was "0.7", now "0.8"'),
    "the search": ({"search": {"tolerance": 0.01}}, "search.tolerance was 0.0001, now 0.01"),
}


@pytest.mark.parametrize("part", OTHER)
def test_rows_of_another_identity_are_others_and_what_differs_is_named(part: str) -> None:
    change, said = OTHER[part]
    assert not is_same(manifest({}), manifest(change))
    assert describe_changes(manifest({}), manifest(change)) == said


def test_what_went_is_told_like_what_came_and_the_widths_of_many_programs_once() -> None:
    more = manifest(config(loss={"delta": 0}) | {"widths": {"ea97": 4, "51c0": 4}})
    both = manifest({"widths": {"ea97": 8, "51c0": 8}})
    assert describe_changes(more, both) == (
        'loss was {"delta": 0}, now absent; cells side by side in a program were 4, now 8'
    )


@pytest.mark.parametrize(("length", "told"), [(38, f'"{"x" * 38}"'), (39, f'"{"x" * 36}…')])
def test_a_value_is_told_up_to_forty_characters(length: int, told: str) -> None:
    assert describe_changes(manifest({"backend": None}), manifest({"backend": "x" * length})) == (
        f"backend was absent, now {told}"
    )


def test_the_hash_is_that_of_the_sorted_settings_with_files_by_name() -> None:
    """Written out: another one would leave the folders of before without their rows."""
    data = {"kind": "csv", "path": "a b.csv", "target": "price"}
    settings = {"data": data, "training": {"steps": 30}, "model": {"init_file": "start.npz"}}
    told = {name: value for name, value in BEGUN.items() if name not in ("search", "device", "complete")}
    told["sweep"] = {"config": settings, "axes": [{"key": "training.seed", "values": [0, 1]}]}
    text = json.dumps(told, sort_keys=True)
    assert identity_hash(BEGUN) == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_a_choice_s_file_counts_by_its_name() -> None:
    def choosing(folder: str) -> dict[str, Any]:
        axis = {
            "name": "rows",
            "choices": {"few": {"data.path": f"{folder}/few.csv"}, "many": {"data.path": f"{folder}/many.csv"}},
        }
        return manifest({"sweep": SWEEP | {"axes": [axis]}})

    assert is_same(choosing("/here"), choosing("/there"))


@pytest.mark.parametrize(
    "change",
    [
        {"sweep": SWEEP | {"name": "other"}},
        {"sweep": SWEEP | {"title": "Another"}},
        config(data=CONFIG["data"] | {"path": "/there/a b.csv"}),
        config(model={"init_file": "/there/start.npz"}),
        {"device": "another"},
        {"complete": False},
        {"sweep": dict(reversed(SWEEP.items()))},
    ],
)
def test_what_changes_no_row_is_the_same_identity(change: dict[str, Any]) -> None:
    assert is_same(manifest({}), manifest(change))


@pytest.mark.parametrize(
    ("changes", "told", "more"), [(3, 3, ""), (4, 4, ""), (5, 4, " and 1 more"), (7, 4, " and 3 more")]
)
def test_of_many_changes_four_are_named_and_the_others_counted(changes: int, told: int, more: str) -> None:
    old, new = ({f"k{number}": value for number in range(changes)} for value in (1, 2))
    said = describe_changes(manifest(config(model=old)), manifest(config(model=new)))
    assert said == "; ".join(f"model.k{number} was 1, now 2" for number in range(told)) + more


def test_files_have_the_names_of_their_places_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = str(tmp_path / "one" / "a.csv"), "two/../two/a.csv"
    assert file_names([here, there]) == {here: "one/a.csv", there: "two/a.csv"}
    assert file_names([here, "one/a.csv"]) == {here: "a.csv", "one/a.csv": "a.csv"}
    assert file_names([here, "one/a.csv", "two/b.csv"]) == {here: "a.csv", "one/a.csv": "a.csv", "two/b.csv": "b.csv"}


def test_a_manifest_names_the_versions_that_may_change_a_bit() -> None:
    made = make_manifest({"sweep": {}})
    assert made["versions"] == {name: version(name) for name in ("nanmap", "jax", "jaxlib", "optax", "numpy")}
    assert installed("no-such-package") == "not installed"
    assert made["complete"] is False
    assert made["hash"] == identity_hash(made)


def test_a_manifest_is_what_its_file_will_hold() -> None:
    assert make_manifest({"sweep": {"axes": ({"values": (1, 2)},)}})["sweep"] == {"axes": [{"values": [1, 2]}]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        make_manifest({"sweep": {}, "shard_cells": float("nan")})
