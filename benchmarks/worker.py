"""A process that measures: one per contender, so that the thread pools of JAX and PyTorch do not meet.

It is told what to do in lines of JSON and answers in lines of JSON. Only one worker is ever at work.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "KERAS_BACKEND": "jax"}


class WorkerError(RuntimeError):
    """What went wrong in a worker, with its traceback."""


class Worker:
    """The near end of a worker: `call` runs a function there and returns what it returns."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the worker
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=os.environ | QUIET,
        )

    def call(self, action: str, **arguments: Any) -> Any:
        """Does one thing in the worker and waits for it.

        Raises:
            WorkerError: it failed, or the process died.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.errors.seek(0)
            raise WorkerError(f"the worker died with exit status {self.process.wait()}\n{self.errors.read()[-4000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """Ends the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Pool:
    """Workers by name, started when they are first asked for."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    def __getitem__(self, name: str) -> Worker:
        if name not in self.workers:
            self.workers[name] = Worker()
        return self.workers[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends them all."""
        while self.workers:
            self.workers.popitem()[1].close()


class Actions:
    """What a worker can do. Prepared trainings are kept by a key."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}
        self.runs: dict[str, Callable] = {}
        self.results: dict[str, Any] = {}

    def prepare(self, key: str, function: str, task: dict[str, Any], settings: dict[str, Any]) -> dict[str, int]:
        """Sets a contender up for a task; returns how many cells and updates the task has."""
        from benchmarks.tasks import Task

        self.tasks[key] = Task.build(**task)
        self.runs[key] = _find(function)(self.tasks[key], **settings)
        return {"cells": len(self.tasks[key].cells), "updates": int(self.tasks[key].work)}

    def run(self, key: str) -> float:
        """Seconds of one run."""
        self.results.pop(key, None)
        gc.collect()
        start = time.perf_counter()
        self.results[key] = self.runs[key]()
        return time.perf_counter() - start

    def losses(self, key: str) -> dict[str, list[float]]:
        """Final losses of the last run, and initial ones where nanmap tells them."""
        from benchmarks.tasks import final_losses

        result = self.results[key]
        if isinstance(result, dict):
            return {"initial": result["loss_initial"].tolist(), "final": result["loss_final"].tolist()}
        return {"final": final_losses(self.tasks[key], result)}

    def forget(self, key: str) -> None:
        """Frees what was prepared."""
        for kept in (self.tasks, self.runs, self.results):
            kept.pop(key, None)

    def ask(self, function: str, **arguments: Any) -> Any:
        """Any function of the contenders that returns plain values."""
        return _find(function)(**arguments)


def _find(name: str) -> Callable:
    """`notebook:loop` is the function `loop` of `benchmarks.peers.notebook`."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)


def main() -> None:
    """Answers until its input ends. Whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    actions = Actions()
    for line in sys.stdin:
        arguments = json.loads(line)
        try:
            answer = {"value": getattr(actions, arguments.pop("action"))(**arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
