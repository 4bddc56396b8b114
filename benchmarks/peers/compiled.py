"""`square_sgd` as a loop in C, compiled when the benchmark runs: the floor that any program on this machine stands on."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.tasks import Task

COMPILERS = ("cc", "gcc", "clang")
SOURCE = Path(__file__).with_name("line.c")
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-shared", "-fPIC")
PIECE = 1024  # cells that a core takes at a time


def line(task: Task, threads: int, records: bool) -> Callable[[], Sequence[np.ndarray]]:
    """Sample by sample, 64 cells side by side, all cores at work.

    Args:
        task: cells of `square_sgd`.
        threads: how many.
        records: whether the sum of the losses and the first infinity and NaN are kept as well.
    """
    x, y = (np.ascontiguousarray(each[:, 0]) for each in task.rows)
    kernel, bias = task.weights()
    rate = np.ascontiguousarray(task.learning_rates[:, 0])
    epochs = task.steps // task.variant.steps_per_epoch
    train = _library()[f"train_{task.dtype}"]
    pieces = [slice(start, start + PIECE) for start in range(0, len(rate), PIECE)]

    def run() -> Sequence[np.ndarray]:
        a, b = kernel[:, 0, 0].copy(), bias[:, 0].copy()
        first_inf, first_nan, total = np.empty((3, len(a)), a.dtype)

        def one(some: slice) -> None:
            arrays = (x, y, a[some], b[some], rate[some], first_inf[some], first_nan[some], total[some])
            train(*map(ctypes.c_long, (len(a[some]), len(x), epochs)), records, *(each.ctypes for each in arrays))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, pieces))
        return a[:, None, None], b[:, None]

    return run


def _library() -> ctypes.CDLL:
    folder = Path(tempfile.mkdtemp(prefix="nanmap-bench-"))
    compiler = next(filter(None, map(shutil.which, COMPILERS)))
    subprocess.run([compiler, *FLAGS, "-o", str(folder / "line.so"), str(SOURCE), "-lm"], check=True)
    return ctypes.CDLL(str(folder / "line.so"))
