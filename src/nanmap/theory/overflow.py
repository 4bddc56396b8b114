"""When will it overflow? Above the edge the error grows along each eigenvector by a known factor per step."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from nanmap.theory.linear import LinearProblem

DIRECTIONS = 32  # eigenvectors of the largest eigenvalues, along which errors grow fastest


def initial_errors(problem: LinearProblem, blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Distance of the initial parameters from the optimum along the top eigenvectors, over all outputs `[cells, directions]`.

    Args:
        problem: the linear problem.
        blocks: the parameters of the problem's columns, `[cells, outputs, columns]` each, side by side.
    """
    top = problem.spectrum[1][:, -DIRECTIONS:]
    borders = np.cumsum([block.shape[-1] for block in blocks])[:-1]
    first, *others = (block.astype(float) @ part for block, part in zip(blocks, np.split(top, borders), strict=True))
    along = sum(others, first - problem.optimum.T @ top)
    with np.errstate(over="ignore"):  # targets of 1e200 are an infinite distance away
        return np.sqrt((along**2).sum(axis=-2))


def overflow_steps(
    problem: LinearProblem, errors: np.ndarray, rates: np.ndarray, dtype: str, steps: np.ndarray | int
) -> np.ndarray:
    """The step at which the loss of full-batch gradient descent overflows `[cells]`; NaN where it does not.

    Along an eigenvector the error grows by r = |1 − ηλ| per step and its part of the loss, ½λc² with the initial error c, by
    r². The sum over the rows overflows before their mean: at the first step t with n·Σ ½λc²r²ᵗ beyond the largest float. The
    parameters overflow at about twice that. The top eigenvector alone would do but where the eigenvalue is double, as it is
    with one standardised input and a bias, or where the start is no error along it.

    Args:
        problem: the linear problem.
        errors: c `[cells, directions]`, as `initial_errors` gives it.
        rates: learning rates `[cells]`.
        dtype: the training's number format; losses are summed in it.
        steps: the budget; later overflows do not happen.

    >>> columns = np.ones((1, 1))
    >>> problem = LinearProblem(columns, np.zeros((1, 1)), 2.0)
    >>> overflow_steps(problem, np.ones((2, 1)), np.array([0.5, 1.5]), "float32", 500)  # r = 0 and r = 2
    array([nan, 64.])
    """
    eigenvalues = problem.spectrum[0][-DIRECTIONS:]
    with np.errstate(all="ignore"):
        growth = 2 * np.log(np.abs(1 - rates[:, None] * eigenvalues))
        parts = np.log(eigenvalues * errors**2 / 2)
    room = np.log(float(jnp.finfo(dtype).max)) - np.log(problem.n * problem.targets.shape[1])

    def beyond(step: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            logs = np.where(step[:, None] > 0, parts + step[:, None] * growth, parts)
            return np.logaddexp.reduce(np.where(np.isnan(logs), -np.inf, logs), axis=1) >= room

    # A sum of exponentials is convex: below the largest float at first and beyond it at the end, it passes it once.
    low = np.zeros(len(rates))
    high = np.where(beyond(low), 0.0, steps)
    happens = beyond(high) & (growth > 0).any(axis=1)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        passed = beyond(middle)
        low, high = np.where(passed, low, middle), np.where(passed, middle, high)
    return np.where(happens & (high < steps), high, np.nan)
