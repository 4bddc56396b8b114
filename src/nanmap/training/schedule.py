"""The learning rate over a training: schedules and warm-up, as a factor on each layer's rate."""

import jax.numpy as jnp

from nanmap.models.base import Array, Numbers
from nanmap.training.program import Program


def scheduled(program: Program, numbers: Numbers, step: Array, steps: Array) -> Array:
    """Factor on the learning rate at `step` of `steps`, before any update at that step.

    `inverse_time` is Keras's old `decay`: 1 / (1 + decay·step). Warm-up rises linearly over `warmup_steps` and
    then hands over to the schedule, which counts from step 0.
    """
    wide = numbers["decay"].dtype
    t, total = step.astype(wide), jnp.maximum(steps, 1).astype(wide)
    factor = {
        "constant": lambda: jnp.ones((), wide),
        "inverse_time": lambda: 1 / (1 + numbers["decay"] * t),
        "exponential": lambda: jnp.exp(-numbers["decay"] * t),
        "cosine": lambda: 0.5 * (1 + jnp.cos(jnp.pi * t / total)),
        "linear": lambda: 1 - t / total,
    }[program.schedule]()
    if program.warmup:
        factor = factor * jnp.minimum(1, (t + 1) / numbers["warmup_steps"])
    return factor
