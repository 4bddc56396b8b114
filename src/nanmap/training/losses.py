"""Losses of one batch: a sum over rows first, then the division, as Keras does; reduced in at least float32."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from nanmap.models.base import Array

Pointwise = Callable[[Array, Array, Array], Array]


def _softmax(output: Array, target: Array, delta: Array) -> Array:
    return -target * jax.nn.log_softmax(output, axis=0) * output.shape[0]  # a sum over classes, not a mean


# What is known of each stands under the same name in `config/losses.py`.
POINTWISE: dict[str, Pointwise] = {
    "mse": lambda output, target, delta: (output - target) ** 2,
    "half_mse": lambda output, target, delta: 0.5 * (output - target) ** 2,
    "mae": lambda output, target, delta: jnp.abs(output - target),
    "huber": lambda output, target, delta: optax.losses.huber_loss(output, target, delta=delta),
    "softmax_cross_entropy": _softmax,
    "sigmoid_cross_entropy": lambda output, target, delta: optax.losses.sigmoid_binary_cross_entropy(output, target),
}


def batch_loss(kind: str, output: Array, target: Array, delta: Array, count: Array, mask: Array | None) -> Array:
    """Mean loss over the rows that count and over the outputs.

    Args:
        output, target: `[outputs, rows]`.
        delta: Huber's threshold.
        count: number of rows that count.
        mask: which rows count, or None for all.
    """
    wide = jnp.promote_types(output.dtype, jnp.float32)
    output, target = output.astype(wide), target.astype(wide)
    if mask is not None:  # before the loss: the gradient of a masked infinity would be NaN
        output, target = jnp.where(mask, output, 0), jnp.where(mask, target, 0)
    each = POINTWISE[kind](output, target, delta.astype(wide))
    if mask is not None:
        each = jnp.where(mask, each, 0)
    return jnp.sum(each) / (count.astype(wide) * output.shape[0])


def loss_and_gradient(
    kind: str, output: Array, target: Array, delta: Array, count: Array, mask: Array | None, clip: Array | None
) -> tuple[Array, Array]:
    """`batch_loss`, and its gradient with respect to the outputs, `[outputs, rows]`.

    Args:
        clip: bound on each entry of that gradient (`clip_output_gradient`), or None; the clips of the parameters'
            gradient (`clip_value`, `clip_norm`) stand with the optimizers.
    """
    loss, gradient = jax.value_and_grad(lambda output: batch_loss(kind, output, target, delta, count, mask))(output)
    return loss, gradient if clip is None else jnp.clip(gradient, -clip, clip)


def correct_rows(output: Array, target: Array, mask: Array | None) -> Array:
    """How many of the rows that count are classified right, float32.

    Keras's accuracies: one output says yes above the logit 0, a probability of one half; of several the largest wins,
    and the first of equals.

    Args:
        output, target: logits and classes `[outputs, rows]`.
        mask: which rows count, or None for all.
    """
    if output.shape[0] == 1:
        right = (output[0] > 0) == (target[0] > 0.5)
    else:
        right = jnp.argmax(output, axis=0) == jnp.argmax(target, axis=0)
    return jnp.sum((right if mask is None else right & mask).astype(jnp.float32))
