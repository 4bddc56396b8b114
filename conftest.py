"""The examples in docstrings run in an empty folder: some write files."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _examples_in_an_empty_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        folder: Path = request.getfixturevalue("tmp_path")
        monkeypatch.chdir(folder)
