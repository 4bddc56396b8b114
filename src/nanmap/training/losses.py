"""Losses of one batch: a sum over rows first, then the division, as Keras does; reduced in at least float32."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from nanmap.config.code import is_code
from nanmap.models.base import Array
from nanmap.training.own_code import own_loss

Pointwise = Callable[[Array, Array, Array], Array]


def _softmax(output: Array, target: Array, delta: Array) -> Array:
    return -target * jax.nn.log_softmax(output, axis=0) * output.shape[0]  # a sum over classes, not a mean


def _absolute(output: Array, target: Array, delta: Array) -> Array:
    error = output - target
    return error * jnp.sign(error)  # JAX's `abs` has slope 1 at 0, which would move what fits exactly


# What is known of each stands under the same name in `config/losses.py`.
POINTWISE: dict[str, Pointwise] = {
    "mse": lambda output, target, delta: (output - target) ** 2,
    "half_mse": lambda output, target, delta: 0.5 * (output - target) ** 2,
    "mae": _absolute,
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
    if is_code(kind):
        each = own_loss(kind, output.T, target.T)
        output, each = each.reshape(len(each), -1).T, each.reshape(len(each), -1).T
    else:
        each = POINTWISE[kind](output, target, delta.astype(wide))
    if mask is not None:
        each = jnp.where(mask, each, 0)
    return jnp.sum(each) / (count.astype(wide) * output.shape[0])


def exact_loss(kind: str, output: Array, target: Array, delta: Array, logarithms: bool = False) -> Array:
    """Mean loss over rows and whatever axes follow them, none of them padded.

    Args:
        output: `[rows, …]`; logits with the classes on their last axis.
        target: of the same shape; or labels, whole numbers without that axis.
        delta: Huber's threshold.
        logarithms: whether the outputs are logarithms of shares, and not logits.
    """
    wide = jnp.promote_types(output.dtype, jnp.float32)
    output, delta = output.astype(wide), delta.astype(wide)
    if is_code(kind):
        return jnp.mean(own_loss(kind, output, target))
    if kind == "softmax_cross_entropy":
        return jnp.mean(_cross_entropy(output if logarithms else jax.nn.log_softmax(output), target))
    return jnp.mean(POINTWISE[kind](output, target.astype(wide), delta))


def _cross_entropy(shares: Array, target: Array) -> Array:
    """`[rows, …]` of logarithms of shares. Labels select: a share of 0 times a logarithm of −∞ would be a NaN."""
    if target.ndim == shares.ndim:
        return -jnp.sum(target * shares, -1)
    return -jnp.sum(jnp.where(target[..., None] == jnp.arange(shares.shape[-1]), shares, 0), -1)


def loss_and_gradient(mean: Callable[[Array], Array], output: Array, clip: Array | None) -> tuple[Array, Array]:
    """A mean loss, and its gradient with respect to the outputs, in their shape.

    Args:
        mean: of the outputs.
        output: what it is taken at.
        clip: bound on each entry of that gradient (`clip_output_gradient`), or None; the clips of the parameters'
            gradient (`clip_value`, `clip_norm`) stand with the optimizers.
    """
    loss, gradient = jax.value_and_grad(mean)(output)
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


def exact_correct_rows(output: Array, target: Array) -> Array:
    """`correct_rows` of outputs `[rows, …]`; of rows with several answers the share of these."""
    if target.ndim < output.ndim:
        right = jnp.argmax(output, -1) == target
    elif output.ndim == 1 or output.shape[-1] == 1:
        right = (output > 0) == (target > 0.5)
    else:
        right = jnp.argmax(output, -1) == jnp.argmax(target, -1)
    right = right.astype(jnp.float32).reshape(len(output), -1)
    return jnp.sum(right) / right.shape[1]
