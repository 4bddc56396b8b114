"""A loss or an optimizer of the user's own: found by its name, checked, and told apart from its other versions."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from nanmap.config.code import Code
from nanmap.config.optimizers import OWN_NUMBERS
from nanmap.config.settings import OptimizerSettings
from nanmap.models.base import Array, Numbers
from nanmap.models.own.source import fault, function_of, source_digest, told

LOSS, OPTIMIZER, RATE = "loss.kind", "optimizer.kind", "learning_rate"


def own_loss(kind: str, output: Array, target: Array) -> Array:
    """The loss of each row, `[rows, …]`.

    Args:
        kind: as `loss.kind` names it.
        output, target: rows on the first axis.

    Raises:
        InputError: it gives something else, or raises.
    """
    with told(kind, LOSS, "while it was traced"):
        made = function_of(kind, LOSS)(output, target)
    if jnp.shape(made)[:1] != output.shape[:1]:
        raise fault(
            kind,
            LOSS,
            f"gives {list(jnp.shape(made))} for {len(output)} rows",
            mend="it gives the loss of each row, and leaves the mean to nanmap: no jnp.mean over the first axis",
        )
    return jnp.asarray(made)


def own_rule(kind: str, numbers: Numbers, rates: Array) -> optax.GradientTransformation:
    """The user's rule for each layer with its own rate.

    Args:
        kind: as `optimizer.kind` names it.
        numbers: that it is handed.
        rates: `[layers]`.
    """
    factory = function_of(kind, OPTIMIZER)
    with told(kind, OPTIMIZER, "while it made the rule"):
        rules = [factory(**{RATE: rate}, **numbers) for rate in rates]
    wrong = next((rule for rule in rules if not (hasattr(rule, "init") and hasattr(rule, "update"))), None)
    if wrong is not None:
        raise fault(kind, OPTIMIZER, f"returned {type(wrong).__name__}", allowed="an optax.GradientTransformation")

    def begin(layers: list[Any]) -> tuple[Any, ...]:
        return tuple(rule.init(layer) for rule, layer in zip(rules, layers, strict=True))

    def update(grads: list[Any], states: tuple[Any, ...], layers: list[Any] | None = None) -> tuple[Any, Any]:
        each = zip(rules, grads, states, layers or [None] * len(grads), strict=True)
        with told(kind, OPTIMIZER, "while it was traced"):
            steps, after = zip(*(rule.update(*given) for rule, *given in each), strict=True)
        return list(steps), after

    return optax.GradientTransformation(begin, update)


def handed_numbers(optimizer: OptimizerSettings) -> tuple[str, ...]:
    """The numbers that the settings give and the user's rule takes; what they leave out has the rule's own default.

    Raises:
        InputError: it takes no learning rate, or asks for a number that nothing gives.
    """
    code, factory = Code.of(optimizer.kind), function_of(optimizer.kind, OPTIMIZER)
    takes = inspect.signature(factory).parameters
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values())
    if RATE not in takes and not open_ended:
        mend = f"def {code.name}({RATE}, …): return optax.sgd({RATE})"
        raise fault(optimizer.kind, OPTIMIZER, f"takes no `{RATE}`", mend=mend)
    given = [
        name for name in OWN_NUMBERS if name in optimizer.model_fields_set and getattr(optimizer, name) is not None
    ]
    for each in takes.values():
        if each.name not in (RATE, *given) and each.default is inspect.Parameter.empty and each.kind in NAMED:
            known = each.name in OWN_NUMBERS
            mend = (
                f"set optimizer.{each.name}"
                if known
                else "give it a default: only numbers of [optimizer] are handed over"
            )
            problem = f"asks for `{each.name}`, and nothing gives it"
            raise fault(optimizer.kind, OPTIMIZER, problem, allowed=(RATE, *OWN_NUMBERS), mend=mend)
    return tuple(name for name in given if name in takes or open_ended)


NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def digest_of(kind: str, key: str, function: Callable[..., Any], *shapes: Any) -> str:
    """SHA-256 of the source of code, and of what becomes of it when it is traced: what it imports counts as well."""
    text = jax.jit(function).lower(*shapes).as_text()
    return hashlib.sha256(f"{source_digest(kind, key)} {text}".encode()).hexdigest()
