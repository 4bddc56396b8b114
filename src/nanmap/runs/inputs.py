"""Arrays that a program in Python gave stay with the rows that they made: so a cell can be trained again, wherever the folder is."""

from collections.abc import Iterable

from nanmap.data.given import held, read_given
from nanmap.errors import InputError
from nanmap.plan import Variant
from nanmap.results.folder import RunFolder
from nanmap.runs.observer import Observer

MOST_KEPT = 512 * 2**20  # bytes; larger arrays are told by their SHA-256 alone


def keep_inputs(folder: RunFolder, variants: Iterable[Variant], observer: Observer) -> None:
    """Writes the arrays that the variants train on into the folder, and removes those that no manifest there names."""
    folder.forget_inputs()
    for digest in dict.fromkeys(variant.config.data.sha256 for variant in variants):
        given = held(digest)
        if digest is None or given is None or _is_kept(folder, digest):
            continue
        if given.nbytes > MOST_KEPT:
            observer.noticed(
                f"x and y hold {given.nbytes / 2**20:,.0f} MiB, more than the {MOST_KEPT / 2**20:.0f} that are kept with the "
                "rows: to continue this folder, or to train a cell again, give them again"
            )
        else:
            folder.write_input(digest, given.arrays)


def _is_kept(folder: RunFolder, digest: str) -> bool:
    """Whether the arrays stand there as they were written."""
    file = folder.input_file(digest)
    try:
        return file.exists() and bool(read_given(str(file), digest))
    except InputError:
        return False
