"""As a program, with failing_disk.c preloaded: sweeps while each change of the run folder in turn is refused. Says what came of it."""

import ctypes
import errno
import json
import sys
from pathlib import Path

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import RunFolderError
from nanmap.results.checks import faults_of
from nanmap.results.folder import RunFolder
from test_kills import CELLS, content
from watch import sweep_of

made: list[int] = []  # changes that each sweep asked for


def disk() -> ctypes.CDLL:
    """What is preloaded."""
    found = ctypes.CDLL(None)
    found.fail_at.argtypes = (ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int)
    found.changes.restype = ctypes.c_long
    return found


def sweep(out: Path, engine: LocalEngine, fails_at: int = 0, code: int = 0, lasting: bool = False) -> str:
    """What was told of a failure; nothing where there was none."""
    disk().fail_at(str(out).encode(), fails_at, code, lasting)
    try:
        nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
    except RunFolderError as error:
        return str(error)
    finally:
        made.append(disk().changes())
        disk().fail_at(b"", 0, 0, 0)
    return ""


def main(folder: Path) -> None:
    """A line of JSON: how many changes were refused, and what was wrong afterwards."""
    folder.mkdir()
    engine, wrong, tried = LocalEngine(), [], 0
    sweep(folder / "whole", engine)
    whole = content(folder / "whole")
    for code, lasting in ((errno.ENOSPC, True), (errno.EIO, False), (errno.EDQUOT, True)):
        for nth in range(1, made[0] + 1):
            out, tried = folder / f"{code} {nth}", tried + 1
            told = sweep(out, engine, nth, code, lasting)
            left = {name: each for name, each in content(out).items() if name.startswith("cells")}
            if not told and content(out) != whole:  # a folder that is there need not be made
                wrong.append(f"{out.name}: nothing was told")
            if not left.items() <= whole.items():
                wrong.append(f"{out.name}: other rows are seen")
            wrong += [f"{out.name}: {each}" for each in faults_of(RunFolder(out)) if each.file.suffix == ".parquet"]
            if sweep(out, engine) or content(out) != whole or list(faults_of(RunFolder(out))):
                wrong.append(f"{out.name}: does not go on")
    print(json.dumps({"changes": made[0], "tried": tried, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
