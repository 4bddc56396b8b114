"""When will it overflow? Above the edge the error grows along the top eigenvector by a known factor per step."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from nanmap.theory.linear import LinearProblem


def initial_errors(problem: LinearProblem, blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Distance of the initial parameters from the optimum along the top eigenvector, over all outputs `[cells]`.

    Args:
        problem: the linear problem.
        blocks: the parameters of the problem's columns, `[cells, outputs, columns]` each, side by side.
    """
    top = problem.spectrum[1][:, -1]
    borders = np.cumsum([block.shape[-1] for block in blocks])[:-1]
    first, *others = (block.astype(float) @ part for block, part in zip(blocks, np.split(top, borders), strict=True))
    along = sum(others, first - top @ problem.optimum)
    return np.sqrt((along**2).sum(axis=-1))


def overflow_steps(
    problem: LinearProblem, errors: np.ndarray, rates: np.ndarray, dtype: str, steps: np.ndarray | int
) -> np.ndarray:
    """The step at which the loss of full-batch gradient descent overflows `[cells]`; NaN where it does not.

    Along the top eigenvector the error grows by r = |1 − ηλ| per step and the loss by r². The sum over the rows overflows
    before their mean: step = (ln(largest float) − ln(n·L₀))/(2 ln r), with L₀ = ½λc² and c the initial error. The parameters
    overflow at about twice that.

    Args:
        problem: the linear problem.
        errors: c `[cells]`, as `initial_errors` gives it.
        rates: learning rates `[cells]`.
        dtype: the training's number format; losses are summed in it.
        steps: the budget; later overflows do not happen.

    >>> columns = np.ones((1, 1))
    >>> problem = LinearProblem(columns, np.zeros((1, 1)), 2.0)
    >>> overflow_steps(problem, np.ones(2), np.array([0.5, 1.5]), "float32", 500)  # r = 0 and r = 2
    array([nan, 64.])
    """
    sharpness = problem.sharpness
    outputs = problem.targets.shape[1]
    with np.errstate(all="ignore"):
        growth = 2 * np.log(np.abs(1 - rates * sharpness))
        summed = np.log(problem.n * outputs) + np.log(sharpness * errors**2 / 2)
        room = np.log(float(jnp.finfo(dtype).max)) - summed
        step = np.maximum(np.ceil(room / growth), 0)
    return np.where((growth > 0) & (step < steps), step, np.nan)
