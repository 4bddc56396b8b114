"""`square_sgd` as a loop in C, compiled when the benchmark runs: the floor that any program on this machine stands on."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.tasks import Task

COMPILERS = ("cc", "gcc", "clang")
SOURCE = Path(__file__).with_name("line.c")
FLAGS = ("-O3", "-march=native", "-fno-trapping-math", "-fno-math-errno", "-shared", "-fPIC")
PIECE = 1024  # cells that a core takes at a time; fewer where there are not enough for every core


def line(task: Task, lanes: int, threads: int, records: bool) -> Callable[[], Sequence[np.ndarray]]:
    """Sample by sample, `lanes` cells side by side, all cores at work.

    Args:
        task: cells of `square_sgd`.
        lanes: how many a loop of the compiled program goes over.
        threads: how many.
        records: whether the sum of the losses and the first infinity and NaN (-1: never) are kept as well.
    """
    x, y = (np.ascontiguousarray(each[:, 0]) for each in task.rows)
    kernel, bias = task.weights()
    rate = np.ascontiguousarray(task.learning_rates[:, 0])
    epochs = task.steps // task.variant.steps_per_epoch
    train = _library(lanes)[f"train_{task.dtype}"]
    piece = max(1, min(PIECE, -(-len(rate) // threads)))
    pieces = [slice(start, start + piece) for start in range(0, len(rate), piece)]

    def run() -> Sequence[np.ndarray]:
        a, b = kernel[:, 0, 0].copy(), bias[:, 0].copy()
        kept = [np.empty_like(a) for _ in range(3 if records else 0)]  # total, first infinity, first NaN

        def one(some: slice) -> None:
            arrays = [x, y, *(each[some] for each in (a, b, rate, *kept))]
            sizes = map(ctypes.c_long, (len(a[some]), len(x), epochs))
            train(*sizes, records, *(each.ctypes for each in arrays), *[None] * (3 - len(kept)))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, pieces))
        return a[:, None, None], b[:, None], *kept

    return run


@cache
def _library(lanes: int) -> ctypes.CDLL:
    compiler = next(filter(None, map(shutil.which, COMPILERS)))
    with tempfile.TemporaryDirectory(prefix="nanmap-bench-") as folder:  # once it is loaded nobody needs the file
        library = Path(folder) / "line.so"
        subprocess.run([compiler, *FLAGS, f"-DLANES={lanes}", "-o", str(library), str(SOURCE), "-lm"], check=True)
        return ctypes.CDLL(str(library))
