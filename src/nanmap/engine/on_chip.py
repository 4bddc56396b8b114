"""Updates whose loss and gradient are one GPU kernel instead of a dozen: which programs, and how."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nanmap.models.base import Array, Layers, Layout
from nanmap.models.mlp import MLP
from nanmap.training.losses import POINTWISE
from nanmap.training.program import ROW_BLOCK, Program
from nanmap.training.records import running
from nanmap.training.state import Batch, Lane, State

UNIFORM = ("mse", "half_mse", "mae")  # losses of outputs and targets alone


def is_on_chip(program: Program, backend: str) -> bool:
    """Whether a program's gradient is taken by a kernel of our own."""
    model = program.model
    known = (
        backend == "gpu"
        and program.loss in UNIFORM
        and not program.clip_output_gradient
        and program.batch % ROW_BLOCK == 0
        and program.layout is Layout.ROWS_MINOR
    )
    if not (known and isinstance(model, MLP)):
        return False
    try:
        from nanmap.models.mlp.on_chip import fits
    except ImportError:  # JAX has announced that it will drop this way to write kernels
        return False
    return fits(model, program.dtype)


def loss_and_gradient(
    program: Program, lane: Lane, state: State, batch: Batch, *, rest: bool = False
) -> tuple[Array, Array, Layers, Layers]:
    """In place of `training.passes.pass_back`; nothing of such a program reads the outputs.

    Args:
        rest: leave out what has ended. Its loss and its gradient are 0 then, which nobody looks at.
    """
    from nanmap.models.mlp.on_chip import loss_and_gradient

    model = program.model
    assert isinstance(model, MLP)

    def whole(parameters: Layers) -> Layers:
        gains = [*([lane.numbers["gain"]] * len(model.hidden)), jnp.ones_like(lane.numbers["gain"])]
        factors = [{"kernel": model.factor(index) * gain, "bias": gain} for index, gain in enumerate(gains)]
        return [
            {n: values * by[n] for n, values in layer.items()} for layer, by in zip(parameters, factors, strict=True)
        ]

    layers, pull_back = jax.vjp(whole, state.parameters)
    count, pointwise = jnp.asarray(batch.count, jnp.int32), _without_delta(program.loss)
    walked = jnp.where(running(state.events) | (not rest), count, 0)  # the same kernel either way
    loss, grads = loss_and_gradient(model, layers, batch.x, batch.y, count, walked, pointwise)
    return loss, jnp.zeros_like(batch.y), pull_back(grads)[0], state.model_state


def _without_delta(kind: str) -> Callable[[Array, Array], Array]:
    return lambda output, target: POINTWISE[kind](output, target, None)
