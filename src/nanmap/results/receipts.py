"""What nanmap wrote into a part of a run folder: of each file its SHA-256, apart from it, so that neither goes with the other."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nanmap.errors import told_of
from nanmap.results.files import Replacing, sha256_of
from nanmap.results.places import content_of, file_within, is_plain, within
from nanmap.results.sealed import is_unchanged, sealed

Machine = Mapping[str, str]


def made_on(machine: Machine, others: Iterable[Machine] = ()) -> dict[str, Any]:
    """What a receipt says of where rows come from: the machine that made the shard, and others whose rows were taken over.

    >>> made_on({"platform": "cpu"}, [{"platform": "cpu"}, {"platform": "gpu"}])
    {'machine': {'platform': 'cpu'}, 'others': [{'platform': 'gpu'}]}
    """
    kept: list[Machine] = []
    kept += [dict(each) for each in others if each != machine and each not in kept]
    return {"machine": dict(machine)} | ({"others": kept} if kept else {})


def machines_of(receipt: Mapping[str, Any], else_on: Machine) -> list[Machine]:
    """The machines that rows of a shard come from; `else_on` where its receipt does not say so."""
    machine, others = receipt.get("machine"), receipt.get("others")
    found = [machine, *(others if isinstance(others, list) else [])]
    return [each for each in found if isinstance(each, dict)] or [else_on]


class Receipts:
    """The receipts of a part, in `receipts/<part>` of the run folder; folders of earlier versions have none.

    Args:
        part: the folder whose files they are of.
    """

    def __init__(self, part: Path) -> None:
        self.part, self.root = part, part.parent
        self.folder = self.root / "receipts" / part.name

    def write(self, name: str, sha256: str, facts: Mapping[str, Any] | None = None) -> None:
        """Says what the file of this name holds."""
        told = {"file": f"{self.part.name}/{name}", "sha256": sha256, **(facts or {})}
        with Replacing(self.root, self.file(name)) as file:
            file.write(sealed(told))

    def read(self, name: str) -> dict[str, Any] | None:
        """What is said of a file; None if nothing is, and no word if it cannot be read or is not as it was written."""
        place = file_within(self.root, self.file(name))
        try:
            content = content_of(place)
            told = json.loads(content)
            whole = isinstance(told, dict) and is_unchanged(content) is not False
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            return {}
        return told if whole else {}

    def fits(self, name: str) -> bool | None:
        """Whether the file is what was written, to the byte; None where no receipt says what that was."""
        told, file = self.read(name), file_within(self.root, self.part / name)
        return None if told is None else file.is_file() and sha256_of(file) == told.get("sha256")

    def names(self) -> list[str]:
        """The files that there are receipts of."""
        found = (path.name.removesuffix(".json") for path in self.folder.glob("*.json"))
        return sorted(filter(is_plain, found))

    def refuse_strangers(self) -> None:
        """Raises as `file_within`, if a receipt is no file of the run folder."""
        within(self.root, self.folder)
        for name in self.names():
            file_within(self.root, self.file(name))

    def unchanged(self) -> list[Path]:
        """The files that are as they were written."""
        return [self.part / name for name in self.names() if self.fits(name)]

    def remove_with(self, files: list[Path]) -> None:
        """Removes files of the part and their receipts, and the folder if none is left in it."""
        for file in files:
            self.remove(file.name)
            with told_of(file):
                file.unlink()
        if files and not any(self.part.iterdir()):
            self.part.rmdir()

    def remove(self, name: str) -> None:
        """Forgets a file."""
        file = file_within(self.root, self.file(name))
        with told_of(file):
            file.unlink(missing_ok=True)

    def file(self, name: str) -> Path:
        """Where the receipt of a file stands."""
        return self.folder / f"{name}.json"
