"""What a factory returned, found out and made `Adapted`: a pair of functions, a `nanmap.Model`, or a module of a framework."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nanmap.models.own.frameworks import Again, Remade, of_module
from nanmap.models.own.interface import Adapted, Array, Model, Tree, unwatched
from nanmap.models.own.memory import ModelInMemory

GIVEN = ("numbers", "key", "training")


def adapted(made: Any, again: Again | None = None, remade: Remade | None = None) -> Adapted | None:
    """What a factory returned, as the house takes it; None for what is no network.

    Args:
        made: what it returned.
        again: calls it with another key, where it takes one.
        remade: calls it once more, for a seed.
    """
    if isinstance(made, ModelInMemory):
        return made.adapt()
    if isinstance(made, Model):
        return of_model(made)
    if isinstance(made, tuple | list) and len(made) == 2 and all(map(callable, made)):
        return of_pair(*made)
    return of_module(made, again, remade)


def of_pair(init: Callable, apply: Callable) -> Adapted:
    """Two functions without a state."""
    reads = reads_of(apply, GIVEN)

    def start(key: Array, x: Array) -> tuple[Tree, Tree]:
        return init(key, x), {}

    def sow(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree, Tree]:
        made = apply(parameters, x, **_only(reads, numbers, key, training))
        watched = isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], Mapping)
        output, aux = made if watched else (made, {})
        return output, state, aux

    return Adapted(start, unwatched(sow), "a pair (init, apply)", reads, sow=sow)


def of_model(model: Model) -> Adapted:
    """The full form."""
    reads = reads_of(model.apply, GIVEN)

    def sow(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree, Tree]:
        made = model.apply(parameters, state, x, **_only(reads, numbers, key, training))
        if isinstance(made, tuple) and len(made) == 3:
            return made
        output, after = made
        return output, after, {}

    return Adapted(model.init, unwatched(sow), model.title or "a nanmap.Model", reads, sow=sow)


def reads_of(function: Callable, names: tuple[str, ...]) -> frozenset[str]:
    """Which of some keywords a function takes."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return frozenset(names)
    return frozenset(each.name for each in parameters) & frozenset(names)


def _only(reads: frozenset[str], numbers: Mapping[str, Array], key: Array | None, training: bool) -> dict[str, Any]:
    given = {"numbers": dict(numbers), "key": key, "training": training}
    return {name: value for name, value in given.items() if name in reads}
