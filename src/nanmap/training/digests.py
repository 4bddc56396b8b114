"""What tells two versions of the user's own loss or optimizer apart: their source, and what becomes of it when it is traced."""

import jax
import numpy as np

from nanmap.models.base import Array, is_shape
from nanmap.training.losses import batch_loss, exact_loss
from nanmap.training.optimizers import make_optimizer
from nanmap.training.own_code import LOSS, OPTIMIZER, digest_of
from nanmap.training.program import Program


def digest_of_loss(program: Program) -> str:
    """Of the loss of a batch of outputs."""
    model = program.model
    if model.exact:
        (_, form), shape = model.row_forms(), model.answer_shape
        output = jax.ShapeDtypeStruct((program.batch, *shape), "float32")
        target = jax.ShapeDtypeStruct((program.batch, *form.shape), form.dtype or "float32")
        return digest_of(
            program.loss, LOSS, lambda o, t, d: exact_loss(program.loss, o, t, d), output, target, _scalar()
        )
    rows = jax.ShapeDtypeStruct((model.outputs, program.batch), "float32")

    def mean(output: Array, target: Array, delta: Array) -> Array:
        return batch_loss(program.loss, output, target, delta, np.float32(program.batch), None)

    return digest_of(program.loss, LOSS, mean, rows, rows, _scalar())


def digest_of_optimizer(program: Program) -> str:
    """Of one update of all parameters."""
    shapes, _ = program.model.shapes()
    layers = jax.tree.map(lambda shape: jax.ShapeDtypeStruct(shape, "float32"), shapes, is_leaf=is_shape)
    numbers = {name: _scalar() for name in program.numbers}

    def update(numbers: dict[str, Array], rates: Array, grads: list, layers: list) -> tuple:
        rule = make_optimizer(program, numbers, rates)
        return rule.update(grads, rule.init(layers), layers)

    rates = jax.ShapeDtypeStruct((program.model.layers,), "float32")
    return digest_of(program.optimizer, OPTIMIZER, update, numbers, rates, layers, layers)


def _scalar() -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((), "float32")
