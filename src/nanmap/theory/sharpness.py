"""Sharpness of any model: the largest eigenvalue of the Hessian of the full-batch loss, by Lanczos, matrix-free.

On all rows, never on a minibatch, whose noise would drown it; many cells at once.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nanmap.arrays import Array
from nanmap.data import Rows
from nanmap.model import Layers
from nanmap.plan.program import TRACED_NUMBERS, Program
from nanmap.train import Lane, full_loss

ITERATIONS = 32  # products with the Hessian; each costs about four gradients
CELLS = 16  # cells per call, whatever their number: the same arithmetic for a cell alone and in a crowd
EXHAUSTED = 1e-6  # of the operator's size: the Krylov space is complete, what follows is noise
ACCURACY = 0.01  # an eigenvalue whose residual is a larger share of it is not reported


def sharpness(program: Program, rows: Rows, layers: Layers, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """λmax of the training loss at the given parameters, float64 `[cells]`; NaN where it is no number or not resolved.

    The Hessian-vector product is forward over reverse (Pearlmutter 1994), in the training's number format; the basis is
    kept orthogonal in full, so no eigenvalue appears twice.

    Args:
        program: the model and the loss.
        rows: the training rows.
        layers: parameters as the network holds them, with the cells in front.
        numbers: the lanes' numbers `[cells]`, as the engine takes them.
    """
    x, y = (np.ascontiguousarray(values.T.astype(program.dtype)) for values in (rows.inputs, rows.targets))
    cells = len(numbers["gain"])
    found = []
    with jax.enable_x64(program.dtype == "float64"), jax.default_matmul_precision("highest"):
        for start in range(0, cells, CELLS):
            index = np.minimum(np.arange(start, start + CELLS), cells - 1)
            taken = {name: numbers[name] for name in TRACED_NUMBERS}, layers
            taken = jax.tree.map(lambda leaf, index=index: np.asarray(leaf)[index].astype(program.dtype), taken)
            found += _largest(*(np.asarray(each, float) for each in _compiled(program)(*taken, x, y)))
    return np.array(found[:cells])


def lanczos(product: Any, size: int, dtype: str, iterations: int = ITERATIONS) -> tuple[Array, Array]:
    """The tridiagonal matrix of a symmetric operator in a Krylov space: its diagonal `[k]`, and the entries beside it.

    Args:
        product: the operator, `[size]` to `[size]`.
        size: its dimension.
        dtype: number format.
        iterations: k; at most `size`.

    Returns:
        `[k]` and `[k]`; the last entry beside the diagonal is the residual's size.
    """
    count = min(iterations, size)
    start = jax.random.normal(jax.random.key(0), (size,), dtype)

    def extend(index: Array, carry: tuple) -> tuple:
        basis, diagonal, beside, vector = carry
        basis = basis.at[index].set(vector)
        image = product(vector)
        diagonal = diagonal.at[index].set(vector @ image)
        for _ in range(2):  # twice is enough (Giraud, Langou & Rozložník 2005)
            image = image - basis.T @ (basis @ image)
        length = jnp.linalg.norm(image)
        return basis, diagonal, beside.at[index].set(length), image / jnp.maximum(length, jnp.finfo(dtype).tiny)

    blank = jnp.zeros((count, size), dtype), jnp.zeros(count, dtype), jnp.zeros(count, dtype)
    _, diagonal, beside, _ = jax.lax.fori_loop(0, count, extend, (*blank, start / jnp.linalg.norm(start)))
    return diagonal, beside


@lru_cache(maxsize=256)
def _compiled(program: Program) -> Any:
    def one(numbers: dict[str, Array], layers: Layers, x: Array, y: Array) -> tuple[Array, Array]:
        flat, rebuild = ravel_pytree(layers)
        lane = Lane(numbers, jnp.zeros(program.layers, program.dtype))
        gradient = jax.grad(lambda vector: full_loss(program, lane, rebuild(vector), x, y, jnp.int32(x.shape[1])))
        return lanczos(lambda vector: jax.jvp(gradient, (flat,), (vector,))[1], flat.size, program.dtype)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)))


def _largest(diagonal: np.ndarray, beside: np.ndarray) -> list[float]:
    """Largest eigenvalue of each tridiagonal matrix; NaN where its residual is too large."""
    return [_largest_of(*each) for each in zip(diagonal, beside, strict=True)]


def _largest_of(diagonal: np.ndarray, beside: np.ndarray) -> float:
    if not (np.isfinite(diagonal).all() and np.isfinite(beside).all()):
        return float("nan")
    scale = max(np.abs(diagonal).max(), beside.max(), np.finfo(float).tiny)
    ends = np.flatnonzero(beside < EXHAUSTED * scale)
    size = int(ends[0]) + 1 if len(ends) else len(diagonal)
    matrix = np.diag(diagonal[:size]) + np.diag(beside[: size - 1], 1) + np.diag(beside[: size - 1], -1)
    values, vectors = np.linalg.eigh(matrix)
    residual = beside[size - 1] * abs(vectors[-1, -1])
    return float(values[-1]) if residual <= ACCURACY * abs(values[-1]) else float("nan")
