"""Sharpness of any model: the largest eigenvalue of the Hessian of the full-batch loss, by Lanczos, matrix-free.

On all rows, never on a minibatch, whose noise would drown it; many cells at once.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from nanmap.data import Rows
from nanmap.models.base import Array, Layers, Numbers
from nanmap.training.batches import laid_out
from nanmap.training.passes import full_loss
from nanmap.training.pieces import Piece, all_of, rows_at_once, summed
from nanmap.training.program import ROW_BLOCK, Program
from nanmap.training.start import of_floats
from nanmap.training.state import Lane

ITERATIONS = 32  # products with the Hessian; each costs about four gradients
WAYS = 2  # a product with the Hessian keeps the tangents beside the activations, forth and back
CELLS = (
    16  # cells per call, whatever their number: the same arithmetic for a cell alone and in a crowd; one of many rows
)
EXHAUSTED = 1e-6  # of the operator's size: the Krylov space is complete, what follows is noise
ACCURACY = 0.01  # an eigenvalue whose residual is a larger share of it is not reported


def sharpness(
    program: Program, rows: Rows, parameters: Layers, model_state: Layers, numbers: Mapping[str, np.ndarray]
) -> np.ndarray:
    """λmax of the training loss at the given parameters, float64 `[cells]`; NaN where it is no number or not resolved.

    The Hessian-vector product is forward over reverse (Pearlmutter 1994), in the training's number format; the basis is
    kept orthogonal in full, so no eigenvalue appears twice.

    Args:
        program: the model and the loss.
        rows: the training rows.
        parameters, model_state: as the network holds them, with the cells in front.
        numbers: the lanes' numbers `[cells]`, as the engine takes them.
    """
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return np.full(len(numbers["delta"]), np.nan)
    plain = _without_training(program, rows.n)
    x = laid_out(plain.model, rows.inputs, plain.rows, plain.dtype)
    y = laid_out(plain.model, rows.targets, plain.rows, plain.dtype, targets=True)
    cells = len(numbers["delta"])
    found = []
    with jax.enable_x64(program.dtype == "float64"), jax.default_matmul_precision("highest"):
        together = program.model.most_together or CELLS
        together = together if _rows_at_once(plain, together) is None else 1
        at_once = _rows_at_once(plain, together)
        for start in range(0, cells, together):
            index = np.minimum(np.arange(start, start + together), cells - 1)
            taken = {name: numbers[name] for name in plain.numbers}, parameters, model_state
            taken = jax.tree.map(lambda leaf, index=index: of_floats(np.asarray(leaf)[index], program.dtype), taken)
            krylov = _compiled(plain, at_once)(*taken, x, y, np.int32(rows.n))
            found.append(_largest(*(np.asarray(each, float) for each in krylov)))
    return np.concatenate(found)[:cells] if found else np.zeros(0)


def _without_training(program: Program, n: int) -> Program:
    """The program with everything at one value that the loss of all rows does not depend on: compiled once for all."""
    rows = n if program.model.exact else -(-n // ROW_BLOCK) * ROW_BLOCK
    off: Any = {each.name: False for each in fields(program) if each.type is bool}
    return replace(
        program,
        **off | {"full_batch": True},
        optimizer="sgd",
        schedule="constant",
        order="sequential",
        batch=rows,
        rows=rows,
        val_rows=0,
        assessed=0,
    )


def _rows_at_once(program: Program, cells: int) -> int | None:
    """Rows of a piece, None where all fit."""
    return rows_at_once(program, WAYS * cells, "cpu" if jax.default_backend() == "cpu" else "gpu")


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
def _compiled(program: Program, at_once: int | None) -> Any:
    def one(
        numbers: Numbers, parameters: Layers, model_state: Layers, x: Array, y: Array, n: Array
    ) -> tuple[Array, Array]:
        flat, rebuild = ravel_pytree(parameters)
        lane = Lane(numbers, jnp.zeros(program.model.layers, program.dtype))
        training = not program.model.keyed  # what an update draws is drawn anew by every update: left out here

        def product(vector: Array, rows: Piece) -> Array:
            """The Hessian of these rows' share of the loss times a vector."""
            gradient = jax.grad(
                lambda vector: full_loss(program, lane, rebuild(vector), model_state, rows, training=training)
            )
            return jax.jvp(gradient, (flat,), (vector,))[1]

        rows = all_of(program, x, y, n)
        cut = None if program.model.batch_statistics else at_once  # whose statistics are of all rows
        return lanczos(lambda vector: summed(rows, cut, partial(product, vector)), flat.size, program.dtype)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None, None)))


def _largest(diagonal: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Largest eigenvalue of each tridiagonal matrix `[cells, k]`; NaN where its residual is too large."""
    count = diagonal.shape[1]
    finite = (np.isfinite(diagonal) & np.isfinite(beside)).all(axis=1)
    diagonal, beside = (np.where(finite[:, None], each, 0) for each in (diagonal, beside))
    scale = np.maximum(np.abs(diagonal).max(axis=1), beside.max(axis=1))
    ended = beside <= EXHAUSTED * scale[:, None]
    last = np.where(ended.any(axis=1), np.argmax(ended, axis=1), count - 1)
    place = np.arange(count)
    inside = place <= last[:, None]
    matrix = np.zeros((len(diagonal), count, count))
    matrix[:, place, place] = np.where(
        inside, diagonal, -scale[:, None]
    )  # what follows the end must not be the largest
    joined = np.where(place[1:] <= last[:, None], beside[:, :-1], 0)
    matrix[:, place[1:], place[:-1]] = matrix[:, place[:-1], place[1:]] = joined
    values, vectors = np.linalg.eigh(matrix)
    cells = np.arange(len(values))
    residual = beside[cells, last] * np.abs(vectors[cells, last, -1])
    trusted = finite & (residual <= ACCURACY * np.abs(values[:, -1]))
    return np.where(trusted, values[:, -1], np.nan)
