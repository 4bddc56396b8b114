"""What a manifest says of when a run was made and by which commands, and where a page shows it."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import nanmap
from handmade import RATE, write_run
from nanmap.plan import make_sweep
from nanmap.report.document import make_document
from nanmap.results.made import MOST, described, with_now

LINE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
BATCH = {"key": "training.batch_size", "values": [2, 5]}


@pytest.mark.parametrize(
    ("program", "kept"),
    [
        ("/usr/bin/nanmap", True),
        ("nanmap.exe", True),
        ("/lib/nanmap/__main__.py", True),
        ("/home/me/train.py", False),
        ("/home/me/__main__.py", False),
        ("", False),
        ("-c", False),
    ],
)
def test_only_nanmaps_own_command_is_kept(program: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words given to another program are nobody's business: a password may be among them."""
    monkeypatch.setattr(sys, "argv", [program, "sweep", "my sweep.toml", "\udcff"])
    before = datetime.now(UTC).replace(microsecond=0)
    (made,) = with_now([])
    assert before <= datetime.fromisoformat(made["began"]) <= datetime.now(UTC)
    assert made["arguments"] == (["sweep", "my sweep.toml", "?"] if kept else None)


def test_of_many_the_first_and_the_last_are_kept() -> None:
    made: list[dict[str, Any]] = [{"began": str(number), "arguments": []} for number in range(MOST)]
    again = with_now(made)
    assert [each["began"] for each in again[:-1]] == ["0", *map(str, range(2, MOST))]
    assert len(with_now(again)) == MOST


def test_each_command_into_a_folder_is_said_and_none_changes_what_the_run_is(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = []
    for arguments, axes, options in (
        (["sweep", "a.toml"], [BATCH], {}),
        (["sweep", "a.toml", "--again"], [BATCH], {}),
        (["sweep", "b.toml", "--extend"], [BATCH | {"values": [2, 3, 5]}], {"extend": True}),
        (["sweep", "b.toml", "--fresh"], [BATCH], {"fresh": True}),
    ):
        monkeypatch.setattr(sys, "argv", ["nanmap", *arguments])
        result = nanmap.sweep(make_sweep(LINE, axes), out=tmp_path, engine=engine, **options)
        hashes.append((result.manifest["hash"], [each["arguments"][1:] for each in result.manifest["made"]]))
    (one, first), (two, second), (_, third), (four, fresh) = hashes
    assert one == two == four
    assert first == [["a.toml"]]
    assert second == [["a.toml"], ["a.toml", "--again"]]
    assert third == [*second, ["b.toml", "--extend"]]
    assert fresh == [["b.toml", "--fresh"]]


def test_the_page_shows_commands_quoted_and_no_others(tmp_path: Path) -> None:
    made = [
        {"began": "2026-01-31T23:59:01+00:00", "arguments": ["sweep", "a b.toml", "; rm -rf ~"]},
        {"began": "2026-02-01T00:00:00+00:00", "arguments": None},
        {"began": "2026-02-01T00:01:00+00:00", "arguments": ["sweep", "a\u202eb"]},
    ]
    told = make_document(write_run(tmp_path, [RATE], made=made))["provenance"]
    assert [text for heading, text in told if heading == "made"] == [
        "2026-01-31 23:59 UTC: nanmap sweep 'a b.toml' '; rm -rf ~'",
        "2026-02-01 00:00 UTC: from Python",
        "2026-02-01 00:01 UTC: a command with control characters, which is not shown",
    ]
    assert described([]) == []
