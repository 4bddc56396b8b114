"""What is trained. A task is cut from a sweep of nanmap's, so that everybody trains the same cells from the same start.

Everybody also names a task by the same few plain values (`Task.build(**spec)`), which travel between processes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nanmap.config import read_toml
from nanmap.plan import Lanes, Plan, Variant, make_sweep
from nanmap.training.program import Program

CONFIGS = Path(__file__).parents[1] / "configs"

# Axes of each grid, the slower one first; a whole grid has `side` positions on each.
AXES: dict[str, list[dict[str, Any]]] = {
    "fractal_tanh": [
        {"key": "optimizer.layer_learning_rates.1", "log": [1e-3, 1e6]},
        {"key": "optimizer.layer_learning_rates.0", "log": [1e-3, 1e6]},
    ],
    "relu_double": [
        {"key": "training.seed"},
        {"key": "optimizer.learning_rate", "log": [1e-9, 1e-3]},
    ],
    "square_sgd": [
        {"key": "model.init_scale", "linear": [0.5, 1.5]},
        # Beyond 2/(99² + 1) an update on the last sample expands, and rounding errors with it.
        {"key": "optimizer.learning_rate", "log": [1e-8, 2e-4]},
    ],
}


@dataclass(frozen=True)
class Task:
    """Cells of one grid, and how long each is trained.

    Attributes:
        workload: name of the config.
        plan: the whole grid.
        cells: the cells of this task.
    """

    workload: str
    plan: Plan
    cells: np.ndarray

    @classmethod
    def build(cls, workload: str, side: int, take: int | None = None, settings: dict[str, Any] | None = None) -> "Task":
        """The task of a specification.

        Args:
            workload: name of a config.
            side: positions on each of the two axes.
            take: how many cells, spread evenly over the grid; all of them if None.
            settings: settings laid over the config, such as `training.steps`.
        """
        tree = read_toml(CONFIGS / f"{workload}.toml")
        for key, value in (settings or {}).items():
            table, name = key.split(".")
            tree[table][name] = value
            if name == "steps":
                tree[table].pop("epochs", None)
        axes = [{**axis, "range": [0, side]} if len(axis) == 1 else {**axis, "num": side} for axis in AXES[workload]]
        plan = Plan(make_sweep(tree, axes, name=workload))
        # Half a stride in, so that a few cells are not all at the border of the grid.
        take = min(take or plan.grid.size, plan.grid.size)
        cells = ((np.arange(take) + 0.5) * plan.grid.size / take).astype(np.int64)
        return cls(workload, plan, cells)

    @cached_property
    def lanes(self) -> Lanes:
        """The cells with all their numbers."""
        (lanes,) = self.plan.lanes(self.plan.grid.cells(self.cells))
        return lanes

    @property
    def variant(self) -> Variant:
        """What all cells share."""
        (variant,) = self.plan.variants()
        return variant

    @property
    def program(self) -> Program:
        """Shapes, batch and precision."""
        return self.variant.program

    @property
    def dtype(self) -> str:
        """Of everything that is trained."""
        return self.program.dtype

    @property
    def steps(self) -> int:
        """Updates per training."""
        return self.variant.steps

    @property
    def work(self) -> int:
        """Updates of the whole task."""
        return len(self.cells) * self.steps

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs `[rows, features]` and targets `[rows, outputs]`."""
        return self.variant.rows.inputs.astype(self.dtype), self.variant.rows.targets.astype(self.dtype)

    @cached_property
    def learning_rates(self) -> np.ndarray:
        """Learning rates, `[cells, layers]`."""
        return self.lanes.learning_rates.astype(self.dtype)

    def weights(self) -> list[np.ndarray]:
        """Initial parameters of every cell, `[cells, …]` each: the first kernel, its bias if any, the second kernel."""
        lanes, model = self.lanes, self.variant.config.model
        seeds, of_seed = np.unique(lanes.seed, return_inverse=True)
        found = []
        for layer in lanes.program.model.draw(model, seeds)[0]:
            for name, drawn in layer.items():
                values = drawn[of_seed].astype(np.float64)
                if name == "kernel":
                    values *= lanes.numbers["init_scale"][:, None, None]
                found.append(values.astype(self.dtype))
        return found


def forward(activation: Callable, workload: str, weights: Any, x: Any) -> Any:
    """Outputs `[rows, 1]` of one network, as anybody would write it.

    Args:
        activation: the hidden activation of the array library in use: tanh or ReLU.
        workload: which network.
        weights: its parameters, in the order of `Task.weights`; what else a contender kept comes after them.
        x: `[rows, features]`.
    """
    if workload == "fractal_tanh":  # 16–16–1, no biases, mean-field scaling
        first, second = weights
        return activation(math.sqrt(2) * (x @ first) / math.sqrt(16)) @ second / 16
    if workload == "relu_double":  # 1–128–1, ReLU on both layers
        first, bias, second, bias2 = weights
        return activation(activation(x @ first + bias) @ second + bias2)
    kernel, bias, *_ = weights  # square_sgd: a line
    return x @ kernel + bias


def final_losses(task: Task, weights: Sequence[np.ndarray]) -> list[float]:
    """Loss over all training rows of every cell with these parameters, in float64."""
    x, y = task.variant.rows.inputs, task.variant.rows.targets
    factor = 0.5 if task.workload == "square_sgd" else 1.0
    activation = np.tanh if task.workload == "fractal_tanh" else relu
    losses: list[float] = []
    with np.errstate(all="ignore"):
        for start in range(0, len(task.cells), 256):
            some = [np.asarray(each[start : start + 256], np.float64) for each in weights]
            some = [each[:, None] if each.ndim == 2 else each for each in some]  # biases, beside `[cells, rows, units]`
            outputs = forward(activation, task.workload, some, x)
            losses += (factor * np.mean((outputs - y) ** 2, axis=(1, 2))).tolist()
    return losses


def relu(z: np.ndarray) -> np.ndarray:
    """In NumPy."""
    return np.maximum(z, 0)
