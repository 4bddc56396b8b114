"""How many lanes of a group share the order of their rows. It changes the last bits, so it is a function of program and backend.

Where rows are shuffled every seed has an order of its own. So a group is made of blocks: lanes of a block read the same rows at
the same time, and stay idle where their seed has no cell left. Chosen by what an update takes with each, docs/performance.md.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nanmap.models.base import Array
from nanmap.training.batches import order_of, rows_at
from nanmap.training.program import Program
from nanmap.training.state import Batch, Lane, State, Task

Update = Callable[[Lane, Task, State, Batch, Array], Any]  # of one cell, or of all lanes
BatchAt = Callable[[Array], Batch]  # from a step to the rows of its update

# Lanes of a block, by the operations of an update for each number that is taken from a row: the more they are, the less does
# taking rows for each lane weigh. A line in blocks of 1 takes 3 to 7 times as long, in blocks of 16 1.2 to 1.6 times.
LANES_FROM = {500: 1, 20: 4, 0: 16}
ORDER_NUMBERS = 1 << 22  # of all blocks' orders: 16 MiB
BLOCKS = Batch(0, 0, None, None)  # axes of a batch in which blocks differ


class Orders(NamedTuple):
    """The orders of a group's blocks of lanes.

    Attributes:
        keys: of those that differ, uint32 `[blocks, 2]`.
        count: how many do. An order is made once, however many blocks have it; a loop bound, so it touches no bit.
        which: of each block, an index into `keys`.
    """

    keys: Array
    count: Array
    which: Array


def lanes_together(program: Program, backend: str, width: int) -> int:
    """Lanes of a block: all of a group where cells have one order, or draw; and on a GPU, where nothing else was tried."""
    if program.order == "sequential" or backend != "cpu" or program.model.exact:
        return width
    model = program.model
    worth = model.flops / (model.features + model.outputs)
    lanes = next(lanes for least, lanes in LANES_FROM.items() if worth >= least)
    while width % (2 * lanes) == 0 and width // lanes * program.rows > ORDER_NUMBERS:
        lanes *= 2
    return lanes if width % lanes == 0 else width


def by_blocks(update_each: Update, products: bool, blocks: int) -> Update:
    """Updates of lanes in blocks, each block with a batch of its own.

    Args:
        products: whether there are products of matrices: XLA makes those of a block as one. Other operations are faster over all
            lanes at once, each with rows of its own.
    """
    update_block = jax.vmap(update_each, in_axes=(0, None, 0, None, None))
    update_blocks = jax.vmap(update_block, in_axes=(0, None, 0, BLOCKS, None))
    update_lanes = jax.vmap(update_each, in_axes=(0, None, 0, BLOCKS, None))

    def cut(leaf: Array) -> Array:
        return leaf.reshape(blocks, -1, *leaf.shape[1:])

    def join(leaf: Array) -> Array:
        return leaf.reshape(-1, *leaf.shape[2:])

    def update_all(lanes: Lane, task: Task, state: State, batch: Batch, step: Array) -> Any:
        if products:
            lanes, state = jax.tree.map(cut, (lanes, state))
            return jax.tree.map(join, update_blocks(lanes, task, state, batch, step))
        together = len(lanes.learning_rates) // blocks
        x, y = (jnp.repeat(rows, together, axis=0) for rows in (batch.x, batch.y))
        return update_lanes(lanes, task, state, batch._replace(x=x, y=y), step)

    return update_all


def rows_of_blocks(program: Program, task: Task, orders: Orders, epoch: Array) -> BatchAt:
    """Rows of an update for each block."""

    def fill(index: Array, made: Array) -> Array:
        order = order_of(program, task._replace(order_key=orders.keys[index]), epoch)
        return jax.lax.dynamic_update_index_in_dim(made, order, index, 0)

    made = jax.lax.fori_loop(0, orders.count, fill, jnp.zeros((len(orders.keys), program.rows), jnp.int32))
    rows_of_all = jax.vmap(partial(rows_at, program, task), in_axes=(0, None), out_axes=BLOCKS)
    return partial(rows_of_all, made[orders.which])
