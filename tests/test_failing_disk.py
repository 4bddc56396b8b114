"""A disk that is full, over its quota or broken, from each change of a run folder on: told, and nothing is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="the library to preload is compiled here")
def test_each_change_that_the_system_refuses_is_told_and_costs_nothing(tmp_path: Path, tries) -> None:
    """By the C library itself, whoever calls it: opening, writing (half of it is written), flushing, moving, making folders."""
    library = tmp_path / "failing_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "failing_disk.c", "-ldl"], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library)}
    command = [sys.executable, str(HERE / "failing_disk.py"), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    tries(told["tried"], told["tried"])
    assert told["wrong"] == []
    assert told["changes"] > 60
