"""Rows through the network of one cell, forth and back: outputs, their loss, its gradient."""

from functools import partial

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layers, Pass
from nanmap.training.losses import batch_loss, correct_rows, exact_correct_rows, exact_loss, loss_and_gradient
from nanmap.training.pieces import Piece, summed
from nanmap.training.program import Program
from nanmap.training.state import Batch, Lane, State, Task

UPDATES = 0xFFFFFFFF  # folded into a seed's key before a step is: its small numbers may be what `init` splits off


def pass_back(program: Program, lane: Lane, state: State, batch: Batch) -> tuple[Array, Array, Layers, Layers]:
    """The batch's loss, the outputs, the gradient with respect to the parameters, and what is not trained afterwards."""

    def run(parameters: Layers) -> tuple[Array, Layers]:
        passed = forward(
            program, lane, parameters, state.model_state, batch.x, batch.mask, training=True, key=batch.key
        )
        return passed.output, passed.state

    output, pull_back, model_state = jax.vjp(run, state.parameters, has_aux=True)
    clip = lane.numbers["clip_output_gradient"] if program.clip_output_gradient else None
    mean = partial(mean_loss, program, lane, target=batch.y, count=batch.count, mask=batch.mask)
    loss, output_gradient = loss_and_gradient(mean, output, clip)
    return loss, output, pull_back(output_gradient)[0], model_state


def full_loss(
    program: Program,
    lane: Lane,
    parameters: Layers,
    model_state: Layers,
    rows: Piece,
    at_once: int | None = None,
    *,
    training: bool = False,
) -> Array:
    """Loss over all rows that count; while `training`, batch norm takes their statistics, not the running ones.

    Args:
        at_once: rows that are passed together, None for all.
    """

    def share(piece: Piece) -> Array:
        output = forward(program, lane, parameters, model_state, piece.x, piece.mask, training=training).output
        return mean_loss(program, lane, output, piece.y, piece.n, piece.mask)

    return jnp.asarray(summed(rows, at_once, share))


def mean_loss(program: Program, lane: Lane, output: Array, target: Array, count: Array, mask: Array | None) -> Array:
    """Mean over the rows that count and over the outputs."""
    delta = lane.numbers["delta"]
    if program.model.exact:
        return exact_loss(program.loss, output, target, delta, program.model.logarithms)
    return batch_loss(program.loss, output, target, delta, count, mask)


def forward(
    program: Program,
    lane: Lane,
    parameters: Layers,
    model_state: Layers,
    x: Array,
    mask: Array | None,
    *,
    training: bool = False,
    key: Array | None = None,
) -> Pass:
    """Rows through the network; while `training` as an update has it: with the batch's own statistics, and its key."""
    keyed = {"key": key} if program.model.keyed else {}
    return program.model.forward(
        parameters, model_state, x, mask, numbers=lane.numbers, layout=program.layout, training=training, **keyed
    )


def correct(program: Program, output: Array, target: Array, mask: Array | None) -> Array:
    """How many of the rows that count are classified right."""
    return exact_correct_rows(output, target) if program.model.exact else correct_rows(output, target, mask)


def with_key(program: Program, task: Task, batch: Batch, step: Array) -> Batch:
    """The batch with the key of its update, where the model draws: a function of the seed and the step."""
    if not program.model.keyed:
        return batch
    seed = jax.random.wrap_key_data(jnp.asarray(task.order_key))
    return batch._replace(key=jax.random.fold_in(jax.random.fold_in(seed, UPDATES), step))
