"""A softmax or a sigmoid at the end of a network of the user's own, undone, so that what follows is given logits."""

from nanmap.models.own.interface import Array

LEAST = 1e-7  # of a probability, as Keras's losses have it: else one that rounds to 0 has a logarithm of −∞


def undone(kind: str, output: Array) -> Array:
    """Numbers of which the activation gives these outputs.

    Args:
        kind: `softmax`, `sigmoid`, or `none`.
        output: of a network, `[rows, …]`; under `softmax` the classes lie on the last axis.

    Returns:
        In at least float32; the outputs themselves under `none`.
    """
    if kind == "none":
        return output
    import jax.numpy as jnp

    shares = jnp.clip(output.astype(jnp.promote_types(output.dtype, jnp.float32)), LEAST, 1 - LEAST)
    return jnp.log(shares) if kind == "softmax" else jnp.log(shares) - jnp.log1p(-shares)
