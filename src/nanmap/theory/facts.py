"""The columns of a row that come from theory: sharpness, critical rates, the step of the first overflow."""

from collections.abc import Mapping

import jax
import numpy as np

from nanmap.data import Rows
from nanmap.models.base import Layers
from nanmap.plan import Lanes, Variant
from nanmap.theory import PREDICTIONS, linear_problem, predict
from nanmap.theory.closed_form import gradient_descent
from nanmap.theory.overflow import initial_errors, overflow_steps
from nanmap.theory.predict import Prediction, why_not_descent, why_not_linear_descent
from nanmap.theory.sharpness import sharpness
from nanmap.training.start import start


class Forecaster:
    """Predictions for cells, each computed once however many cells share it.

    Args:
        always: compute the initial sharpness of networks even where their config does not ask for it.
    """

    def __init__(self, always: bool = False) -> None:
        self.always = always
        self._starts: dict[tuple, float] = {}

    def columns(
        self, lanes: Lanes, cells: np.ndarray, ends: tuple[Layers, Layers] | None = None
    ) -> dict[str, np.ndarray]:
        """Theory's columns of some cells, float64 `[cells]`; NaN where a prediction does not hold.

        Args:
            lanes: a batch.
            cells: indices into it.
            ends: parameters and model state after the last update, with the cells in front, where they are known.
        """
        initial = self._sharpness(lanes, cells)
        found = {f"predicted_{name}": each for name, each in critical_rates(lanes, cells).items()}
        return {
            "sharpness": initial,
            "sharpness_final": _final_sharpness(lanes, cells, initial, ends),
            **found,
            "predicted_catapult": _catapult(lanes, cells, initial),
            "overflow_step_predicted": _overflow(lanes, cells),
        }

    def _sharpness(self, lanes: Lanes, cells: np.ndarray) -> np.ndarray:
        """λmax at the start: exact on linear models with a squared loss, else by Lanczos where it is asked for."""
        found = np.full(len(cells), np.nan)
        networks: dict[Rows, list[np.ndarray]] = {}
        for variant, mine in _by_variant(lanes, cells):
            problem = linear_problem(variant.config, variant.rows)
            if problem is not None:
                found[mine] = problem.sharpness
            elif self.always or variant.config.record.sharpness:
                networks.setdefault(variant.rows, []).append(mine)
        for rows, places in networks.items():
            mine = np.concatenate(places)
            found[mine] = self._at_start(lanes, rows, cells[mine])
        return found

    def _at_start(self, lanes: Lanes, rows: Rows, cells: np.ndarray) -> np.ndarray:
        models = [lanes.variants[each].config.model for each in lanes.variant[cells]]
        model = lanes.program.model
        named = (*model.numbers, *model.start_numbers, "delta")
        numbers = [lanes.seed[cells].tolist(), *(lanes.numbers[name][cells].tolist() for name in named)]
        shared = rows, lanes.program.model, lanes.program.loss, lanes.program.dtype
        keys = [(*shared, *each) for each in zip(models, *numbers, strict=True)]
        new = {key: cell for key, cell in zip(keys, cells, strict=True) if key not in self._starts}
        if new:
            some = np.array(list(new.values()))
            found = sharpness(lanes.program, rows, *start(**lanes.starts(some)), _numbers(lanes, some))
            self._starts.update(zip(new, found.tolist(), strict=True))
        return np.array([self._starts[key] for key in keys])


def critical_rates(lanes: Lanes, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Predicted critical rates of some cells, `[cells]` per name in `PREDICTIONS`."""
    found = {name: np.full(len(cells), np.nan) for name in PREDICTIONS}
    for variant, mine in _by_variant(lanes, cells):
        momentum = lanes.numbers["momentum"][cells[mine]]
        for value in np.unique(momentum):
            told = predict(variant.config, variant.rows, None if np.isnan(value) else float(value))
            same = mine[np.isnan(momentum) if np.isnan(value) else momentum == value]
            for name, prediction in told.items():
                found[name][same] = prediction.rate
    return found


def reasons(variant: Variant, momentum: float) -> dict[str, Prediction]:
    """The predictions of one cell with the reasons why some are absent."""
    return predict(variant.config, variant.rows, None if np.isnan(momentum) else momentum)


def _by_variant(lanes: Lanes, cells: np.ndarray) -> list[tuple[Variant, np.ndarray]]:
    """The variants of some cells, and where their cells stand among these."""
    variant = lanes.variant[cells]
    return [(lanes.variants[each], np.flatnonzero(variant == each)) for each in np.unique(variant)]


def _numbers(lanes: Lanes, cells: np.ndarray) -> Mapping[str, np.ndarray]:
    return {name: values[cells] for name, values in lanes.numbers.items()}


def _final_sharpness(
    lanes: Lanes, cells: np.ndarray, initial: np.ndarray, ends: tuple[Layers, Layers] | None
) -> np.ndarray:
    """λmax after the last update: that of the start on linear models with a squared loss."""
    found = np.full(len(cells), np.nan)
    for variant, mine in _by_variant(lanes, cells):
        if linear_problem(variant.config, variant.rows) is not None:
            found[mine] = initial[mine]
        elif ends is not None:
            parameters, model_state = jax.tree.map(lambda leaf, mine=mine: leaf[mine], ends)
            found[mine] = sharpness(lanes.program, variant.rows, parameters, model_state, _numbers(lanes, cells[mine]))
    return found


def _without_momentum(lanes: Lanes, cells: np.ndarray) -> np.ndarray:
    """Which cells have none, or one of 0."""
    return np.nan_to_num(lanes.numbers["momentum"][cells]) == 0


def _catapult(lanes: Lanes, cells: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """2/λ₀ of networks in full-batch descent without momentum: above, the loss may rise before it falls."""
    found = np.full(len(cells), np.nan)
    for variant, mine in _by_variant(lanes, cells):
        linear = linear_problem(variant.config, variant.rows) is not None
        plain = not why_not_descent(variant.config) and lanes.program.full_batch
        if plain and not linear:
            positive = np.where((initial[mine] > 0) & _without_momentum(lanes, cells[mine]), initial[mine], np.nan)
            found[mine] = gradient_descent(1.0) / positive
    return found


def _overflow(lanes: Lanes, cells: np.ndarray) -> np.ndarray:
    found = np.full(len(cells), np.nan)
    for variant, mine in _by_variant(lanes, cells):
        problem = linear_problem(variant.config, variant.rows)
        mine = mine[_without_momentum(lanes, cells[mine])]
        if (
            problem is None
            or not len(mine)
            or not lanes.program.full_batch
            or why_not_linear_descent(variant.config, variant.rows)
        ):
            continue
        parameters, _ = start(**lanes.starts(cells[mine]))
        blocks = lanes.program.model.linear_parameters(parameters)
        if blocks is None:
            continue
        errors = initial_errors(problem, blocks)
        learning_rates = lanes.learning_rates[cells[mine], 0]
        found[mine] = overflow_steps(problem, errors, learning_rates, lanes.program.dtype, variant.steps)
    return found
