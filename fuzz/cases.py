"""What a case is, and the kinds there are."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Truth = Callable[[], str | None]


def _unknown() -> str | None:
    """Nothing is known of what should have come out."""
    return None


@dataclass(frozen=True)
class Case:
    """One call of the command.

    Attributes:
        kind: what was made odd.
        arguments: of the command.
        out: the run folder; the one place where it may write. None where it may write nowhere.
        truth: asked where the command took it all: what is wrong with what it understood, if anything is.
    """

    kind: str
    arguments: list[str]
    out: Path | None = None
    truth: Truth = _unknown


Maker = Callable[[random.Random, Path], Case]


def makers() -> dict[str, tuple[Maker, int]]:
    """By kind: what makes a case in a folder, and how many of a hundred are so."""
    from fuzz import arrays, folders, options, settings, sweeps, tables

    return {
        "config": (settings.config_case, 20),
        "set": (settings.set_case, 20),
        "sweep": (sweeps.sweep_case, 24),
        "csv": (tables.csv_case, 10),
        "parquet": (tables.parquet_case, 8),
        "npz": (arrays.npz_case, 8),
        "folder": (folders.folder_case, 6),
        "options": (options.options_case, 6),
    }


def make_case(seed: int, number: int, folder: Path, only: str | None = None) -> Case:
    """The case of this number, its files written into a folder that is there and empty."""
    rng = random.Random(f"{seed} {number}")
    kinds = makers()
    kind = only or rng.choices(list(kinds), [share for _, share in kinds.values()])[0]
    return kinds[kind][0](rng, folder)
