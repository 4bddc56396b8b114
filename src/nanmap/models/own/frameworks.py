"""Modules of Equinox, Flax, Keras and PyTorch as two pure functions. Which framework it is, is told by names: none is imported that was not used."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nanmap.models.own.interface import Adapted, Array, Tree, unwatched
from nanmap.models.own.keras_model import Remade, held_keras, is_keras, of_keras
from nanmap.models.own.memory import HeldTables, ModelInMemory
from nanmap.models.own.torch_model import held_torch, is_torch, of_torch

Again = Callable[[Array], Any]  # calls the factory with another key
ROWS = "batch"  # the axis of an Equinox module's rows, as in Equinox's own examples
WHILE_TRAINING = (
    "train",
    "training",
    "is_training",
)  # arguments of a linen module, and below those that say the contrary
SOWN = "intermediates"  # the collection that `sow` is mostly told
OUTSIDE = ("deterministic", "use_running_average")


def of_module(made: Any, again: Again | None, remade: Remade | None = None) -> Adapted | None:
    """A module of a framework; None for anything else.

    Args:
        made: what the factory returned.
        again: makes another one from a key, where the factory takes one.
        remade: makes another one for a seed, whatever the factory takes.
    """
    module, state = made if _is_stateful_equinox(made) else (made, None)
    if _descends(module, "equinox", "Module"):
        return _of_equinox(module, state, again)
    if _descends(made, "flax.linen", "Module"):
        return _of_linen(made)
    if _descends(made, "flax.nnx", "Module"):
        return _of_nnx(made, again)
    if is_keras(made):
        return of_keras(made, remade or (lambda seed: made))
    if is_torch(made):
        return of_torch(made, remade or (lambda seed: made))
    return None


def in_memory(model: Any) -> ModelInMemory | None:
    """A model of Keras or PyTorch that `model=` was given, found for as long as the caller holds what this returns; None for others."""
    if isinstance(model, HeldTables):
        return model.held
    if is_keras(model):
        return held_keras(model)
    return held_torch(model) if is_torch(model) else None


def _descends(made: Any, package: str, name: str) -> bool:
    """Whether a class of this name in this package is among the ancestors of what was made."""
    ancestors = type(made).__mro__
    return any(f"{each.__module__}.".startswith(f"{package}.") and each.__name__ == name for each in ancestors)


def _is_stateful_equinox(made: Any) -> bool:
    """What `equinox.nn.make_with_state` returns."""
    return isinstance(made, tuple) and len(made) == 2 and _descends(made[1], "equinox", "State")


def _of_equinox(module: Any, state: Any, again: Again | None) -> Adapted:
    """Called with one row, under `vmap` along the axis `batch`; keys, one per row, and state where its call takes them."""
    import equinox as eqx
    import jax

    static = eqx.partition(module, eqx.is_array)[1]
    takes = inspect.signature(type(module).__call__).parameters
    keyed, stateful = "key" in takes, state is not None

    def start(key: Array, x: Array) -> tuple[Tree, Tree]:
        made = (module, state) if again is None else again(key)
        mine, its = made if stateful else (made, {})
        return eqx.filter(mine, eqx.is_array), its

    def run(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree]:
        made = eqx.combine(parameters, static)
        if not training:
            made = eqx.nn.inference_mode(made)
        keys = jax.random.split(key, len(x)) if keyed and key is not None else None
        given = {"numbers": numbers} if "numbers" in takes else {}

        def of_row(x: Array, state: Tree, key: Array | None) -> Any:
            own = given | ({"key": key} if keyed else {})
            return made(x, state, **own) if stateful else (made(x, **own), state)

        mapped = jax.vmap(of_row, in_axes=(0, None, 0), out_axes=(0, None), axis_name=ROWS)
        return mapped(x, state, keys)

    reads = frozenset({"training", *(("key",) if keyed else ()), *given_by(takes)})
    return Adapted(start, run, "an Equinox module", reads, "equinox", seeded=again is not None)


def _of_linen(module: Any) -> Adapted:
    """Variables but `params` are its state; `key` goes to the stream `dropout`."""
    takes = inspect.signature(type(module).__call__).parameters

    def flags(training: bool) -> dict[str, bool]:
        said = dict.fromkeys(WHILE_TRAINING, training) | dict.fromkeys(OUTSIDE, not training)
        return {name: value for name, value in said.items() if name in takes}

    def given(numbers: Mapping[str, Array]) -> dict[str, Any]:
        return {"numbers": numbers} if "numbers" in takes else {}

    def start(key: Array, x: Array) -> tuple[Tree, Tree]:
        variables = dict(module.init(key, x, **flags(False)))
        return variables.pop("params", {}), variables

    def called(parameters: Tree, state: Tree, x: Array, numbers: Any, key: Any, training: bool, mutable: Any) -> Any:
        rngs = {} if key is None else {"rngs": {"dropout": key}}
        variables = {"params": parameters, **state}
        return module.apply(variables, x, **flags(training), **given(numbers), mutable=mutable, **rngs)

    def run(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree]:
        made = called(parameters, state, x, numbers, key, training, list(state) if training else False)
        return (made[0], dict(made[1])) if training else (made, state)

    def sow(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree, Tree]:
        mutable = [*(state if training else ()), SOWN]
        output, made = called(parameters, state, x, numbers, key, training, mutable)
        after = dict(made)
        aux = after.pop(SOWN, {})
        return output, after if training else state, _singles(aux)

    reads = frozenset({"training", "key", *given_by(takes)})
    return Adapted(start, run, "a Flax linen module", reads, "flax", flags=tuple(flags(False)), sow=sow)


def _of_nnx(module: Any, again: Again | None) -> Adapted:
    """Split into parameters, streams of random numbers and the rest; the streams begin anew with the key of each update."""
    import jax
    from flax import nnx

    graph, *templates = nnx.split(module, nnx.Param, nnx.RngState, ...)
    takes = inspect.signature(type(module).__call__).parameters

    def start(key: Array, x: Array) -> tuple[Tree, Tree]:
        made = module if again is None else again(key)
        _, parameters, _, rest = nnx.split(made, nnx.Param, nnx.RngState, ...)
        return nnx.to_pure_dict(parameters), nnx.to_pure_dict(rest)

    def filled(template: Any, values: Tree) -> Any:
        made = jax.tree.map(lambda leaf: leaf, template)
        nnx.replace_by_pure_dict(made, values)
        return made

    def streams(key: Array | None) -> Any:
        """Each key another one, each count from 0; outside of training as they were made."""
        if key is None:
            return templates[1]
        leaves, structure = jax.tree.flatten(templates[1])
        keys = (jax.random.fold_in(key, number) for number in range(len(leaves)))
        is_key = [jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
        return jax.tree.unflatten(
            structure,
            [one if own else jax.numpy.zeros_like(leaf) for one, own, leaf in zip(keys, is_key, leaves, strict=True)],
        )

    def sow(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree, Tree]:
        made = nnx.merge(graph, filled(templates[0], parameters), streams(key), filled(templates[2], state))
        (made.train if training else made.eval)()
        watched = nnx.capture(made, nnx.Intermediate)
        output, aux = watched(x, **({"numbers": numbers} if "numbers" in takes else {}))
        after = nnx.to_pure_dict(nnx.split(made, nnx.Param, nnx.RngState, ...)[3])
        return output, after, _singles(nnx.to_pure_dict(aux))

    reads = frozenset({"training", *(("key",) if jax.tree.leaves(templates[1]) else ()), *given_by(takes)})
    return Adapted(start, unwatched(sow), "a Flax nnx module", reads, "flax", seeded=again is not None, sow=sow)


def _singles(sown: Tree) -> Tree:
    """What Flax's `sow` left: a tuple of what was sown under a name, and where that is one thing this alone."""
    import jax

    one = lambda each: each[0] if isinstance(each, tuple) and len(each) == 1 else each  # noqa: E731
    return jax.tree.map(one, sown, is_leaf=lambda each: isinstance(each, tuple))


def given_by(takes: Mapping[str, Any]) -> tuple[str, ...]:
    """Whether a call takes the numbers of `[model.numbers]`."""
    return ("numbers",) if "numbers" in takes else ()
