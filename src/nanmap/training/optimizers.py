"""Update rules from optax, built inside the program from numbers of the lane: sweeping them compiles nothing."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from nanmap.config.code import is_code
from nanmap.config.optimizers import OPTIMIZERS
from nanmap.models.base import Array, Numbers
from nanmap.training.own_code import own_rule
from nanmap.training.program import Program

Transformation = Callable[[Program, Numbers], optax.GradientTransformation]
ADAGRAD_START = 0.1  # Keras's initial accumulator


class Rule(NamedTuple):
    """One optimizer: the direction of its step, and what follows once the step has its length.

    What it reads and what it is called stands under the same name in `config/optimizers.py`.
    """

    direction: Transformation
    after_rate: Transformation | None = None


def make_optimizer(program: Program, numbers: Numbers, learning_rates: Array) -> optax.GradientTransformation:
    """The update rule of one lane.

    Args:
        numbers: hyperparameters as scalars.
        learning_rates: learning rate of each layer at this step, `[layers]`, schedule included.
    """
    parts = []
    if program.clip_value:
        parts.append(optax.stateless(lambda grads, _: jax.tree.map(lambda g: _clip(g, numbers["clip_value"]), grads)))
    if program.clip_norm:
        parts.append(optax.stateless(lambda grads, _: _clip_norm(grads, numbers["clip_norm"])))
    if is_code(program.optimizer):
        handed = {name: numbers[name] for name in program.handed}
        return optax.chain(*parts, own_rule(program.optimizer, handed, learning_rates))
    rule = RULES[program.optimizer]
    parts.append(rule.direction(program, numbers))
    decay = numbers["weight_decay"] if program.weight_decay else OPTIMIZERS[program.optimizer].weight_decay
    if decay is not None:
        parts.append(optax.add_decayed_weights(decay))
    parts.append(optax.stateless(lambda steps, _: _descend(steps, learning_rates)))
    if rule.after_rate is not None:
        parts.append(rule.after_rate(program, numbers))
    return optax.chain(*parts)


def _momentum(program: Program, numbers: Numbers) -> optax.GradientTransformation:
    return optax.trace(numbers["momentum"], nesterov=program.nesterov) if program.momentum else optax.identity()


def _moments(rule: Callable, **fixed: bool) -> Transformation:
    return lambda program, numbers: rule(b1=numbers["b1"], b2=numbers["b2"], eps=numbers["eps"], **fixed)


RULES = {
    "sgd": Rule(_momentum),
    "adam": Rule(_moments(optax.scale_by_adam)),
    "adamw": Rule(_moments(optax.scale_by_adam)),
    "nadam": Rule(_moments(optax.scale_by_adam, nesterov=True)),
    "amsgrad": Rule(_moments(optax.scale_by_amsgrad)),
    "adamax": Rule(_moments(optax.scale_by_adamax)),
    "radam": Rule(_moments(optax.scale_by_radam)),
    "adabelief": Rule(_moments(optax.scale_by_belief)),
    "rmsprop": Rule(lambda program, numbers: optax.scale_by_rms(decay=numbers["rho"], eps=numbers["eps"]), _momentum),
    "adagrad": Rule(lambda program, numbers: optax.scale_by_rss(ADAGRAD_START, eps=numbers["eps"])),
    "lion": Rule(lambda program, numbers: optax.scale_by_lion(b1=numbers["b1"], b2=numbers["b2"])),
}


def _descend(steps: list, learning_rates: Array) -> list:
    return [
        jax.tree.map(lambda leaf, rate=learning_rates[index]: -rate.astype(leaf.dtype) * leaf, layer)
        for index, layer in enumerate(steps)
    ]


def _clip(gradient: Array, bound: Array) -> Array:
    bound = bound.astype(gradient.dtype)
    return jnp.clip(gradient, -bound, bound)


def _clip_norm(grads: list, bound: Array) -> list:
    """Scaled in at least float32 and rounded once: a norm may pass the largest float16 where no gradient does.

    Nor do squares that leave float32 at either end make a norm of inf or 0: there the gradient is measured by its largest entry.
    """
    wide = jax.tree.map(lambda g: g.astype(jnp.promote_types(g.dtype, jnp.float32)), grads)
    norm = _norm(wide)
    least = jnp.sqrt(jnp.finfo(norm.dtype).tiny) * 1e8  # above it no square that counts is rounded away
    largest = jnp.stack([jnp.abs(g).max(initial=0) for g in jax.tree.leaves(wide)]).max()
    far = (jnp.isinf(norm) | (norm < least)) & jnp.isfinite(largest) & (largest > 0)
    unit = jnp.where(far, jnp.maximum(largest / 64, jnp.finfo(norm.dtype).tiny), 1)  # 1 / unit is a normal number, too
    wide = jax.tree.map(lambda w: w / unit, wide)
    norm = jnp.where(far, _norm(wide), norm)
    inside = jnp.where(far, norm * unit, norm) < bound
    return jax.tree.map(lambda g, w: jnp.where(inside, g, ((w / norm) * bound).astype(g.dtype)), grads, wide)


def _norm(tree: list) -> Array:
    return jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(tree)))
