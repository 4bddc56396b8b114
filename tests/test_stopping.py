"""Ctrl-C, SIGTERM and SIGHUP are heard whenever they come: while JAX is imported, in code that swallows exceptions, in the midst of a sweep."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nanmap import stopping
from nanmap.cli.progress import Progress
from nanmap.engine.crew import Crew

LAST = "nanmap: interrupted; a sweep run again continues where it was\n"
SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
# What each of these processes begins with: a way to send itself the signal, and signals as a terminal leaves them.
BEGIN = """
import gc, os, signal, sys, threading, time
SIGNAL = getattr(signal, sys.argv.pop(1))
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background with it ignored
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup with this one
send = lambda: os.kill(os.getpid(), SIGNAL)
def forever():
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""
COMMAND = "from nanmap.__main__ import main\nmain()\n"
IMPORTED = """
class Sends:
    def find_spec(self, name, *_):
        if name == "jax":
            sys.meta_path.remove(self)
            send()
            forever()
sys.meta_path.insert(0, Sends())
"""
WRITTEN = """
from nanmap.results.shards import Shards
write = Shards.write
def write_and_send(self, *arguments):
    write(self, *arguments)
    Shards.write = write
    send()
Shards.write = write_and_send
"""
# Exceptions that are raised in a callback of the garbage collector are printed and lost.
COLLECTED = """
from nanmap.runs import division
complete_rows = division.complete_rows
def collect(*_):
    gc.callbacks.remove(collect)
    send()
    time.sleep(0)
def collected(*arguments):
    division.complete_rows = complete_rows
    gc.callbacks.append(collect)
    gc.collect()
    return complete_rows(*arguments)
division.complete_rows = collected
"""
STUCK = """
from nanmap import stopping
from nanmap.runs import division
def stuck(*arguments):
    send()
    while stopping._came is None:
        time.sleep(0.01)
    send()
    forever()
division.complete_rows = stuck
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 3\n')
    axis = 'config = "line.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-3, 10]\nnum = 20_000\n'
    (tmp_path / "grid.toml").write_text(axis)
    return tmp_path


ARGUMENTS = ("sweep", "grid.toml", "--out", "out", "--no-maps")


def alone(program: str, name: str, folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """`nanmap sweep` in a process of its own that sends itself this signal."""
    command = [*before, sys.executable, "-c", BEGIN + program + COMMAND, name, *ARGUMENTS]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_a_signal_is_heard_while_jax_is_imported(folder: Path) -> None:
    done = alone(IMPORTED, "SIGINT", folder)
    assert (done.returncode, done.stderr) == (130, LAST)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_sweep_that_is_told_to_stop_says_how_far_it_came_and_continues(name: str, folder: Path, command) -> None:
    done = alone(WRITTEN, name, folder)
    assert (done.returncode, done.stderr) == (SIGNALS[name], LAST)
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["complete"] is False
    shards = sorted(path.name for path in (folder / "out" / "cells").iterdir())
    assert manifest["shards"] == shards
    if name == "SIGINT":
        again = command(*ARGUMENTS, cwd=folder)
        assert "of 20,000 cells are done already" in again.stdout
        assert sorted(pd.read_parquet(folder / "out" / "cells").cell) == list(range(20_000))


def test_a_signal_in_a_callback_of_the_garbage_collector_is_not_lost(folder: Path) -> None:
    done = alone(COLLECTED, "SIGINT", folder)
    assert (done.returncode, done.stderr) == (130, LAST)
    assert json.loads((folder / "out" / "manifest.json").read_text())["complete"] is False


def test_the_second_signal_ends_a_run_that_does_not_listen(folder: Path) -> None:
    done = alone(STUCK, "SIGTERM", folder)
    assert (done.returncode, done.stderr) == (143, LAST)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(folder: Path) -> None:
    done = alone("signal.signal(SIGNAL, signal.SIG_IGN)\n" + WRITTEN, "SIGHUP", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((folder / "out" / "manifest.json").read_text())["complete"] is True


def test_the_library_takes_no_signal_over() -> None:
    program = (
        "import signal\nbefore = [signal.getsignal(n) for n in (2, 15)]\nimport nanmap, nanmap.cli, nanmap.stopping\n"
    )
    program += "nanmap.Result\nassert before == [signal.getsignal(n) for n in (2, 15)]"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture
def came(monkeypatch: pytest.MonkeyPatch):
    return lambda: monkeypatch.setattr(stopping, "_came", int(signal.SIGINT))


def test_whoever_waits_for_results_looks_for_word_to_stop(came) -> None:
    """Though no result ever comes."""
    from threading import Event

    begun, end = Event(), Event()

    def work(worker: int, job: int) -> None:
        begun.set()
        came()
        end.wait()

    try:
        with pytest.raises(KeyboardInterrupt):
            list(Crew(1, work, lambda job: None).run(iter([1])))
        assert begun.is_set()
    finally:
        end.set()


def test_word_that_comes_at_the_very_end_or_between_rows_is_heard(came, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> None:
        with Progress("grid", "cells", bar=False):
            assert stopping._under_way
            came()

    with pytest.raises(KeyboardInterrupt):
        shown()
    assert not stopping._under_way
    monkeypatch.setattr(stopping, "_came", None)
    progress = Progress("grid", "cells", bar=False)
    progress.trained(1)
    came()
    with pytest.raises(KeyboardInterrupt):
        progress.trained(1)


def test_what_is_shown_is_written_out_before_a_command_leaves() -> None:
    program = "from nanmap import stopping\nprint('rows', end='')\nstopping.leave()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (130, "rows", LAST)
