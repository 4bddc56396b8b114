"""A Keras 3 model as two pure functions, by its stateless form. It must run on Keras's JAX backend."""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from nanmap.errors import InputError
from nanmap.models.own.interface import Adapted, Array, Tree

SEEDS = "seed_generator_state"  # variables of Keras's dropout: each training gets its own


def of_keras(model: Any, anew: Callable[[], Any] | None) -> Adapted:
    """Its variables by name: what it trains, and what it does not, the states of its generators of random numbers among these.

    Where the factory makes a new model each time, a seed is Keras's own, `keras.utils.set_random_seed`, and the model is made
    under it; one that is given keeps its present weights.

    Raises:
        InputError: Keras runs on another backend, or the model does not know the shape of its inputs.
    """
    import keras

    if keras.backend.backend() != "jax":
        mend = 'os.environ["KERAS_BACKEND"] = "jax" before Keras is imported'
        raise InputError(
            "Keras runs on another backend", key="model.kind", value=keras.backend.backend(), allowed="jax", mend=mend
        )
    if not model.built:
        mend = "begin it with keras.Input(shape=(…)), or call model.build((None, …))"
        raise InputError("the Keras model is not built: it has no weights yet", key="model.kind", mend=mend)
    trained, kept = (_names(each) for each in (model.trainable_variables, model.non_trainable_variables))

    def arrays(made: Any, key: Array) -> tuple[Tree, Tree]:
        state = {name: variable.value for name, variable in zip(kept, made.non_trainable_variables, strict=True)}
        for number, name in enumerate(name for name in kept if SEEDS in name):
            state[name] = jax.random.key_data(jax.random.fold_in(key, number)).astype(state[name].dtype)
        return {name: each.value for name, each in zip(trained, made.trainable_variables, strict=True)}, state

    def drawn(seed: int) -> tuple[Tree, Tree]:
        assert anew is not None
        with _seeded(seed):
            made = anew()
        return arrays(made, jax.random.key(seed % 2**32))

    def run(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree]:
        weights, others = [parameters[name] for name in trained], [state[name] for name in kept]
        output, after = model.stateless_call(weights, others, x, training=training)
        return output, dict(zip(kept, after, strict=True)) if training else state

    again = anew is not None and anew() is not model
    return Adapted(
        lambda key, x: arrays(model, key),
        run,
        "a Keras model",
        frozenset({"training"}),
        "keras",
        seeded=again or any(SEEDS in name for name in kept),
        drawn=drawn if again else None,
    )


def _names(variables: Sequence[Any]) -> list[str]:
    """The variables' names, the same however many models were made before: Keras counts its layers on from model to model."""
    counts: dict[str, int] = {}
    layers: dict[str, str] = {}
    found = []
    for variable in variables:
        *folders, last = variable.path.split("/")
        layer = "/".join(folders)
        if layer not in layers:
            plain = re.sub(r"_\d+$", "", folders[-1]) if folders else "model"
            counts[plain] = counts.get(plain, -1) + 1
            layers[layer] = f"{plain}_{counts[plain]}" if counts[plain] else plain
        found.append(f"{layers[layer]}.{last}")
    return found


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Keras's seed, which is Python's and NumPy's as well; these are put back."""
    import keras

    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    keras.utils.set_random_seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
