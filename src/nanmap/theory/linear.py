"""What is exact about linear models with a squared loss: their Hessian is the same at every parameter."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from nanmap.config import Config
from nanmap.config.code import is_own
from nanmap.config.losses import loss_entry
from nanmap.data import Rows
from nanmap.models import Model, model_of

NULL = 1e-12  # eigenvalues below this share of the largest count as none


@dataclass(frozen=True, eq=False)
class LinearProblem:
    """A linear model with a squared loss, as columns of the parameters of one output.

    Attributes:
        columns: float64 `[n, d]`: inputs times the parametrization's factor, and a 1 for the bias.
        targets: float64 `[n, outputs]`.
        curvature: second derivative of the loss with respect to one output, divided by the number of outputs.
    """

    columns: np.ndarray
    targets: np.ndarray
    curvature: float

    @property
    def n(self) -> int:
        """Training rows."""
        return len(self.columns)

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues `[d]`, ascending, and eigenvectors `[d, d]` of the Hessian `c/n · Σ x̃ x̃ᵀ` of one output."""
        with np.errstate(over="ignore", invalid="ignore"):  # steeper than floats hold: its sharpness is no number then
            values, vectors = np.linalg.eigh(self.columns.T @ self.columns * (self.curvature / self.n))
        return values, vectors

    @property
    def sharpness(self) -> float:
        """λmax of the training loss."""
        return float(self.spectrum[0][-1])

    @cached_property
    def active(self) -> np.ndarray:
        """The columns in the Hessian's eigenbasis, without its null space, in which nothing ever moves: `[n, rank]`."""
        values, vectors = self.spectrum
        return self.columns @ vectors[:, values > NULL * values[-1]]

    @cached_property
    def optimum(self) -> np.ndarray:
        """Parameters `[d, outputs]` of least loss; of several the smallest."""
        return np.linalg.lstsq(self.columns, self.targets, rcond=None)[0]


def linear_problem(config: Config, rows: Rows) -> LinearProblem | None:
    """The problem that a config poses, or None where the model or the loss makes it another one.

    The same object for equal settings, so that what is computed from it can be kept.

    >>> from nanmap.config import build_config
    >>> from nanmap.data import load_rows
    >>> tree = {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"epochs": 1}}
    >>> config = build_config(tree)
    >>> round(2 / linear_problem(config, load_rows(config)).sharpness, 6)  # the critical rate of gradient descent
    0.006931
    """
    curvature = loss_entry(config.loss.kind).curvature
    if curvature is None or is_own(config.model.kind):  # nobody knows what is in a network of the user's own
        return None
    model = model_of(config.model, rows.inputs.shape[1], rows.targets.shape[1])
    return _make_problem(rows, model, curvature)


@lru_cache(maxsize=4096)
def _make_problem(rows: Rows, model: Model, curvature: float) -> LinearProblem | None:
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return None
    columns = model.linear_columns(rows.inputs)
    if columns is None:
        return None
    return LinearProblem(columns, rows.targets, curvature / rows.targets.shape[1])


def is_linear(config: Config, rows: Rows) -> bool:
    """Whether the outputs are a linear combination of columns, whatever the loss."""
    if is_own(config.model.kind):
        return False
    return model_of(config.model, rows.inputs.shape[1], rows.targets.shape[1]).linear_columns(rows.inputs) is not None
