"""Models of Keras 3 on JAX: by their stateless form, with a start for every seed. Imports no Keras of itself: the caller did."""

import hashlib
import inspect
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nanmap.errors import InputError
from nanmap.models.own.interface import Adapted, Array, Tree
from nanmap.models.own.likeness import code_of
from nanmap.models.own.memory import ModelInMemory, hold

KEY = "model.kind"
BACKEND = 'KERAS_BACKEND=jax in the environment, or os.environ["KERAS_BACKEND"] = "jax" before `import keras`'
FLOATS = "float32"
Remade = Callable[[int], Any]  # the model as another seed starts it
Arrays = dict[str, np.ndarray]


def of_keras(model: Any, remade: Remade, present: "Weights | None" = None) -> Adapted:
    """A Keras model as two functions.

    Trainable variables are the parameters, all others the state: running statistics, and the counters of seed generators,
    each of which begins elsewhere with another seed.

    Args:
        model: of Keras 3, on JAX.
        remade: makes another one, drawn from what Python's and NumPy's generators say.
        present: what seed 0 starts from; if None, it draws as well.

    Raises:
        InputError: it is of another Keras, or does what nanmap's trainings do not.
    """
    check_backend()
    takes = inspect.signature(model.call).parameters

    def init(key: Array, x: Array) -> tuple[Tree, Tree]:
        """Of the shapes alone: `draw` has the values, which Keras draws on the host."""
        import jax

        with jax.ensure_compile_time_eval():
            weights = Weights.of(built(model, x))
        check_variables(model)
        return jax.tree.map(jax.numpy.zeros_like, (weights.trained, weights.kept))

    def draw(seed: int, x: Array) -> tuple[Tree, Tree]:
        if seed == 0 and present is not None:
            return present.trained, present.kept
        with drawn_from(seed):
            weights = Weights.of(built(remade(seed), x))
        return weights.trained, weights.reseeded(seed)

    def run(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree]:
        trained, kept = names_of(model)
        check_format(parameters)
        flags = {"training": training} if "training" in takes else {}
        values = [parameters[name] for name in trained], [state[name] for name in kept]
        output, after, losses = model.stateless_call(*values, x, return_losses=True, **flags)
        check_losses(model, losses)
        check_mask(output)
        return output, dict(zip(kept, after, strict=True)) if training else state

    what = f"a Keras {'model' if type(model).__name__ in ('Sequential', 'Functional') else type(model).__name__}"
    return Adapted(init, run, what, frozenset({"training"}), "keras", draw=draw, stamp=architecture(model))


def held_keras(model: Any) -> ModelInMemory:
    """A model in memory, with the weights that it has now: seed 0 starts from them, every other one draws anew.

    Raises:
        InputError: its weights are not made yet, or it is of another Keras.
    """
    check_backend()
    if not model.built:
        mend = "give it an input, as in keras.Sequential([keras.Input((3,)), …]), or call it once on some rows"
        raise InputError("has no weights yet", key="model", value=type(model).__name__, mend=mend)
    check_variables(model)
    weights, name = Weights.of(model), _plain_name(model)

    def cloned(seed: int) -> Any:
        import keras

        try:
            return keras.models.clone_model(model)
        except Exception as error:
            mend = (
                'a factory draws it anew: model.kind = "python:file.py:factory"; or let get_config say how it is made'
            )
            problem = f"Keras cannot copy it to draw other weights for seed {seed}: {_first_line(error)}"
            raise InputError(problem, key="training.seed", mend=mend) from None

    own = "".join(code_of(type(part), "keras") for part in (model, *model._flatten_layers(include_self=False)))
    found = hashlib.sha256(f"{architecture(model)}{own}".encode())
    for key, values in (*weights.trained.items(), *weights.kept.items()):
        found.update(f"{key} {values.dtype} {values.shape} ".encode() + np.ascontiguousarray(values).tobytes())
    return hold(ModelInMemory(name, found.hexdigest(), lambda: of_keras(model, cloned, weights), model))


class Weights:
    """The values of a model's variables by name, on the host: what is trained, and the rest."""

    def __init__(self, trained: Arrays, kept: Arrays, generators: Sequence[str]) -> None:
        self.trained, self.kept, self.generators = trained, kept, generators

    @classmethod
    def of(cls, model: Any) -> "Weights":
        """As they are now."""
        names = names_of(model)
        lists = model.trainable_variables, model.non_trainable_variables
        trained, kept = (
            {name: np.array(each.value) for name, each in zip(*pair, strict=True)}
            for pair in zip(names, lists, strict=True)
        )
        pairs = zip(names[1], lists[1], strict=True)
        return cls(trained, kept, [name for name, each in pairs if each.name == "seed_generator_state"])

    def reseeded(self, seed: int) -> Arrays:
        """The rest, with every generator at a place of the seed's own: also one whose seed the code fixes."""
        return self.kept | {
            name: self.kept[name] + np.array([seed & 0xFFFFFFFF, 0], self.kept[name].dtype) for name in self.generators
        }


def names_of(model: Any) -> tuple[list[str], list[str]]:
    """Names of the trainable and of the other variables, in Keras's order: `dense.kernel`, the same in every process.

    Keras numbers layers over the life of a process (`dense_7`); here they count within their model.
    """
    plain, taken = _plain_names(model), set()

    def name_of(variable: Any) -> str:
        parts = [plain.get(part, part) for part in variable.path.split("/")]
        parts = parts[1:] if len(parts) > 1 and parts[0] == plain.get(model.name, model.name) else parts
        name = ".".join(parts)
        number = 1
        while name in taken:
            number += 1
            name = f"{'.'.join(parts)}_{number}"
        taken.add(name)
        return name

    return [name_of(each) for each in model.trainable_variables], [
        name_of(each) for each in model.non_trainable_variables
    ]


def architecture(model: Any) -> str:
    """What a model is made of, as text: without weights, without how it was compiled, the same in every process."""
    plain = _plain_names(model)

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if key not in ("compile_config", "build_config")}
        if isinstance(part, list):
            return [bare(value) for value in part]
        return plain.get(part, part) if isinstance(part, str) else part

    try:
        told = json.loads(model.to_json())
    except Exception:  # a class of the user's own need not say how it is made: what it does is traced
        return type(model).__qualname__
    return json.dumps(bare(told), sort_keys=True)


def built(model: Any, x: Array) -> Any:
    """The model with its weights made, for rows like those of `x`."""
    if not model.built:
        import keras

        model(keras.Input(batch_shape=(None, *x.shape[1:]), dtype=str(x.dtype)))
    return model


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """What `keras.utils.set_random_seed` does, for a while: Keras asks Python's generator for the seeds that nobody gave."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def check_backend() -> None:
    """Raises InputError for a Keras that does not compute with JAX."""
    import keras

    if int(keras.__version__.partition(".")[0]) < 3:
        mend = "pip install 'nanmap[keras]', which is Keras 3"
        raise InputError("is a model of an older Keras, which has no JAX", key=KEY, value=keras.__version__, mend=mend)
    if keras.backend.backend() != "jax":
        problem = "is a Keras model on another backend, which JAX cannot train"
        raise InputError(problem, key=KEY, value=keras.backend.backend(), allowed="jax", mend=BACKEND)


def check_variables(model: Any) -> None:
    """Raises InputError for what an optimizer of nanmap's would leave out, and for other formats than float32."""
    for each in model.variables:
        if re.match("float|bfloat", str(each.dtype)) and str(each.dtype) != FLOATS:
            mend = f'keras.config.set_floatx("{FLOATS}") before the model is made'
            raise InputError(f"`{each.path}` is {each.dtype}", key=KEY, allowed=FLOATS, mend=mend)
    for each in model.trainable_variables:
        if each.constraint is not None:
            problem = f"`{each.path}` has a constraint ({type(each.constraint).__name__}), which would not act"
            raise InputError(problem, key=KEY, mend="leave it out")


def check_format(parameters: Tree) -> None:
    """Raises InputError where a training's format is none of Keras's: its variables would round it off unsaid."""
    wrong = next((str(each.dtype) for each in parameters.values() if str(each.dtype) != FLOATS), None)
    if wrong:
        problem = f"a Keras model computes in the format it was made in, and that is {FLOATS}"
        raise InputError(problem, key="training.dtype", value=wrong, mend=f'training.dtype = "{FLOATS}"')


def check_losses(model: Any, losses: Sequence[Any]) -> None:
    """Raises InputError for losses that a model adds to the one of its outputs, as regularizers do."""
    if losses:
        owners = [
            layer.name
            for layer in model._flatten_layers()
            if any(value is not None for name, value in vars(layer).items() if name.endswith("_regularizer"))
        ]
        problem = f"adds losses of its own ({', '.join(owners) or 'add_loss'}), which would not be minimised"
        raise InputError(problem, key=KEY, mend='leave them out; optimizer.kind = "adamw" has weight_decay')


def check_mask(output: Any) -> None:
    """Raises InputError for outputs some of which Keras's losses would leave out."""
    mask_of = getattr(sys.modules.get("keras.src.backend"), "get_keras_mask", None)  # which Keras does not export
    if mask_of is not None and mask_of(output) is not None:
        problem = "its outputs are masked (mask_zero, Masking), and nanmap's losses count all of them"
        raise InputError(problem, key=KEY, mend="leave the mask out, or end it before the outputs")


def _plain_names(model: Any) -> dict[str, str]:
    """Of the names that Keras made up, those that count within this model; in the order of its layers."""
    found: dict[str, str] = {}
    count: dict[str, int] = {}
    for layer in _parts(model):
        stem = snake(type(layer).__name__)
        if layer.name not in found and re.fullmatch(rf"{stem}(_\d+)?", layer.name):
            number = count[stem] = count.get(stem, -1) + 1
            found[layer.name] = f"{stem}_{number}" if number else stem
    return found


def _parts(model: Any) -> Iterator[Any]:
    """The model, its layers within each other, and their generators of random numbers."""
    for layer in model._flatten_layers():
        yield layer
        yield from getattr(layer, "_seed_generators", ())


def snake(name: str) -> str:
    """As Keras spells the name of a class in that of a layer."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _plain_name(model: Any) -> str:
    return re.sub(r"\W", "_", _plain_names(model).get(model.name, model.name))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


def is_keras(made: Any) -> bool:
    """Whether it is a model, or a layer, of a Keras that the program has imported."""
    ancestors = type(made).__mro__
    return "keras" in sys.modules and any(
        each.__module__.split(".")[0] in ("keras", "tf_keras") and each.__name__ == "Model" for each in ancestors
    )
