"""From `[data]` settings to the training and validation rows of a training."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nanmap.config import Config, Data
from nanmap.config.choices import FILE_KINDS
from nanmap.config.load import file_stamp
from nanmap.data.scaling import fit_scaling
from nanmap.data.tables import read_arrays, read_table
from nanmap.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """What one training sees, after encoding, splitting and scaling.

    Attributes:
        inputs, targets: training rows, float64 `[n, features]` and `[n, outputs]`.
        val_inputs, val_targets: validation rows, possibly none.
        report: one sentence per thing done to a column.
        input_scaling, target_scaling: shift and divisor of each column; `scaled · divisor + shift` leads back.
    """

    inputs: np.ndarray
    targets: np.ndarray
    val_inputs: np.ndarray
    val_targets: np.ndarray
    report: tuple[str, ...] = ()
    input_scaling: tuple[np.ndarray, np.ndarray] = field(default=(np.zeros(1), np.ones(1)))
    target_scaling: tuple[np.ndarray, np.ndarray] = field(default=(np.zeros(1), np.ones(1)))

    @property
    def n(self) -> int:
        """Number of training rows."""
        return len(self.inputs)


def load_rows(config: Config) -> Rows:
    """The rows of a config; the same object for equal data settings.

    Raises:
        InputError: the file, a column or a value cannot be trained on.

    >>> from nanmap.config import build_config
    >>> tree = {"data": {"kind": "line", "start": 1, "n": 3, "slope": 0.5}, "training": {"epochs": 1}}
    >>> load_rows(build_config(tree)).targets.ravel()
    array([0.5, 1. , 1.5])
    """
    return _load(config.data, config.loss.kind == "softmax_cross_entropy", file_stamp(config.data.path))


@lru_cache(maxsize=4096)
def _load(data: Data, one_hot: bool, stamp: tuple[int, int] | None) -> Rows:
    """`stamp` tells a file that changed since it was read from the one that was read."""
    inputs, targets, report = _raw(data, one_hot)
    if data.missing == "drop":
        whole = ~(np.isnan(inputs).any(axis=1) | np.isnan(targets).any(axis=1))
        inputs, targets = inputs[whole], targets[whole]
        report += [f"dropped {np.sum(~whole)} rows with missing values"] if not whole.all() else []
    n = int(np.floor(len(inputs) * (1 - data.validation_split)))
    if n < 1:
        raise InputError(
            "no training rows are left", file=data.path, key="data", mend="use more rows or a smaller validation_split"
        )
    inputs, targets = inputs.astype(float), targets.astype(float)
    if data.missing == "mean":
        report += _fill_with_means(data, inputs, n)
    shift_x, scale_x = fit_scaling(inputs[:n], data.scale_inputs)
    shift_y, scale_y = fit_scaling(targets[:n], data.scale_targets if data.target_kind == "number" else "none")
    inputs, targets = (inputs - shift_x) / scale_x, (targets - shift_y) / scale_y
    return Rows(inputs[:n], targets[:n], inputs[n:], targets[n:], tuple(report), (shift_x, scale_x), (shift_y, scale_y))


def _raw(data: Data, one_hot: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    if data.kind == "npz":
        return read_arrays(data)
    if data.kind in FILE_KINDS:
        return read_table(data, one_hot)
    rng = np.random.default_rng(data.seed)
    if data.kind == "gaussian":
        n = data.n or 0
        return rng.standard_normal((n, data.features)), rng.standard_normal((n, 1)), []
    x = _axis(data, rng)[:, None]
    return x, x**2 + 2 if data.kind == "square" else data.slope * x, []


def _axis(data: Data, rng: np.random.Generator) -> np.ndarray:
    if data.inputs == "normal":
        return rng.standard_normal(data.n)
    if data.inputs == "linspace":
        return np.linspace(data.start, data.stop or 0.0, data.n or 0)
    if data.n is not None:
        return data.start + data.step * np.arange(data.n)
    return np.arange(data.start, data.stop, data.step)


def _fill_with_means(data: Data, inputs: np.ndarray, n: int) -> list[str]:
    """Fills gaps in place with the column means of the training rows; returns what was done."""
    gaps = np.isnan(inputs)
    if not gaps.any():
        return []
    seen = (~gaps[:n]).sum(axis=0)
    if (seen == 0).any():
        raise InputError("a column has no value in any training row", file=data.path, key="data.missing", value="mean")
    means = np.where(gaps[:n], 0.0, inputs[:n]).sum(axis=0) / seen
    inputs[gaps] = np.broadcast_to(means, inputs.shape)[gaps]
    return [f"filled {gaps.sum()} missing values with the mean of their column"]
