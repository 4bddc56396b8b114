"""A pass over all rows, in pieces where all at once would take too much room. What is made of a piece adds up."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nanmap.models.base import Array
from nanmap.training.program import ROW_BLOCK, Program
from nanmap.training.state import Task

# What a pass over all rows may take of the cells that are passed together. Beyond it rows are cut, which changes last digits.
MOST_BYTES = {"cpu": 2 * 2**30, "gpu": 32 * 2**30}
PIECES_OF_MOST = 16  # a piece takes a sixteenth of that


class Piece(NamedTuple):
    """Some rows: `x` `[features, rows]`, `y` `[outputs, rows]`, which of them count (None = all), how many of all rows do."""

    x: Array
    y: Array
    mask: Array | None
    n: Array


def pass_bytes(program: Program, cells: int, rows: int) -> int:
    """What a pass of so many cells over so many rows takes: two arrays per layer."""
    return 2 * cells * rows * program.model.activations * program.item_bytes


def rows_at_once(program: Program, cells: int, backend: str) -> int | None:
    """Rows of a piece, a function of shapes alone; None where a pass of so many cells takes all rows at once.

    So it does of an `exact` model, too, whose rows may see each other.
    """
    most = MOST_BYTES[backend]
    rows = program.passed_rows
    if program.model.exact or pass_bytes(program, cells, rows) <= most:
        return None
    fitting = most // PIECES_OF_MOST // pass_bytes(program, cells, ROW_BLOCK)
    return int(max(1, fitting)) * ROW_BLOCK


def all_of(program: Program, x: Array, y: Array, n: Array) -> Piece:
    """All rows, of which the first `n` are real."""
    return Piece(x, y, None if program.model.exact else rows_mask(x.shape[1], n), n)


def assessed_of(program: Program, task: Task) -> Piece:
    """The training rows that an assessment passes: all, or the sample of them."""
    rows = task.assessed or task
    return all_of(program, rows.x, rows.y, rows.n)


def rows_mask(rows: int, n: Array) -> Array:
    """Which of `rows` padded rows are real."""
    return jnp.arange(rows) < n


def summed(
    rows: Piece, at_once: int | None, make: Callable[[Piece], Any], add: Callable[[Any, Any], Any] = jnp.add
) -> Any:
    """What is made of all rows: at once, or the sum over pieces of `at_once` rows.

    Args:
        rows: all of them.
        make: of a piece, arrays.
        add: of two such; zeros must be the neutral ones.
    """
    if at_once is None or rows.x.shape[1] <= at_once:
        return make(rows)
    count = -(-rows.x.shape[1] // at_once)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(make, _cut(rows, at_once, 0)))
    return jax.lax.fori_loop(0, count, lambda index, so_far: add(so_far, make(_cut(rows, at_once, index))), nothing)


def _cut(rows: Piece, size: int, index: Array | int) -> Piece:
    """One of the pieces. The last one ends with the rows, and leaves out what the one before it had."""
    begins = index * size
    start = jnp.minimum(begins, rows.x.shape[1] - size)
    place = start + jnp.arange(size)
    x, y = (jax.lax.dynamic_slice_in_dim(each, start, size, 1) for each in (rows.x, rows.y))
    return Piece(x, y, (place >= begins) & (place < rows.n), rows.n)
