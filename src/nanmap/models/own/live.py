"""The functions of a user's network while the process lives: made by its factory, their trees as named arrays, traced once.

JAX is imported within the functions: a plan is made where nobody may need it.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from nanmap.config.code import Code
from nanmap.errors import InputError, did_you_mean
from nanmap.models.base import Array, Form
from nanmap.models.own.adapters import adapted
from nanmap.models.own.end import End
from nanmap.models.own.frameworks import Again
from nanmap.models.own.interface import Adapted, Tree
from nanmap.models.own.source import fault, function_of, source_digest, told
from nanmap.models.own.sown import sown_arrays

KEY = "model.kind"
Arrays = dict[str, Array]
STATE = "state/"  # before the names of a state's arrays


class Leaf(NamedTuple):
    """An array of a tree.

    Attributes:
        name: the way to it, dotted.
        shape: as the house holds it.
        dtype: its own; None for a float, which is of the training's.
        implementation: of a typed key of random numbers, which is held as its numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None
    implementation: str | None = None


@dataclass(frozen=True, eq=False)
class Live:
    """A network that can be called.

    Attributes:
        adapted: its functions.
        rewrite: whether its convolutions become products of patches.
        end: what is done to its outputs.
        parameters, state: the arrays of its two trees, in the trees' own order.
        structures: of the two trees.
        again: whether its factory takes a key.
    """

    adapted: Adapted
    source: str
    rows: tuple[int, Form]
    rewrite: bool
    end: End
    parameters: tuple[Leaf, ...]
    state: tuple[Leaf, ...]
    structures: tuple[Any, Any]
    again: bool

    @property
    def trained(self) -> tuple[Leaf, ...]:
        """The floats among the parameters."""
        return tuple(leaf for leaf in self.parameters if leaf.dtype is None)

    @property
    def kept(self) -> tuple[Leaf, ...]:
        """All other arrays."""
        return (*(leaf for leaf in self.parameters if leaf.dtype is not None), *self.state)

    def draw(self, seeds: Sequence[int]) -> tuple[Arrays, Arrays]:
        """Initial arrays by name on the host `[seeds, …]`, floats in float32: what is trained, and the rest."""
        import jax

        on_host = jax.default_device(jax.local_devices(backend="cpu")[0])
        with jax.enable_x64(False), on_host, told(self.source, KEY, "while it drew its parameters"):
            drawn = [jax.tree.map(np.asarray, self._drawn(seed)) for seed in seeds]
        return jax.tree.map(lambda *each: np.stack(each), *drawn)

    def _drawn(self, seed: int) -> tuple[Arrays, Arrays]:
        if self.adapted.draw is None:
            return self._start(key_of(seed))
        return self.flat(*self.adapted.draw(seed, zeros(*self.rows)))

    @property
    def _start(self) -> Any:
        return _compiled_start(self)

    def start(self, key: Array) -> tuple[Arrays, Arrays]:
        """What `init` gives for a key, as the house holds it."""
        parameters, state = self.adapted.init(key, zeros(*self.rows))
        return self.flat(parameters, state)

    def flat(self, parameters: Tree, state: Tree) -> tuple[Arrays, Arrays]:
        """Two trees as named arrays: what is trained, and the rest."""
        import jax

        mine = _named(self.parameters, jax.tree.leaves(parameters))
        rest = _named(self.state, jax.tree.leaves(state))
        trained = {leaf.name: mine.pop(leaf.name) for leaf in self.trained}
        return trained, mine | rest

    def run(
        self, arrays: Arrays, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Arrays]:
        """One pass.

        Args:
            arrays: all of both trees.
            x: rows on the first axis.
            numbers, key, training: as `apply` takes them.

        Returns:
            The outputs, and the state's arrays after the pass.
        """
        output, after, _ = self._passed(arrays, x, numbers, key, training, sown=False)
        return output, after

    def sow(
        self, arrays: Arrays, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Arrays, Arrays]:
        """One pass, and beside what `run` returns the arrays that are to be watched, by name."""
        output, after, aux = self._passed(arrays, x, numbers, key, training, sown=True)
        return output, after, sown_arrays(self.source, aux)

    def _passed(
        self,
        arrays: Arrays,
        x: Array,
        numbers: Mapping[str, Array],
        key: Array | None,
        training: bool,
        *,
        sown: bool,
    ) -> tuple[Array, Arrays, Tree]:
        import jax

        parameters, state = (
            jax.tree.unflatten(structure, [_as_held(leaf, arrays[leaf.name]) for leaf in leaves])
            for structure, leaves in zip(self.structures, (self.parameters, self.state), strict=True)
        )
        output, after, *aux = _pass(self, training, jax.default_backend(), sown)(parameters, state, x, numbers, key)
        made = _named(self.state, jax.tree.leaves(after))
        return output, {name: value.astype(arrays[name].dtype) for name, value in made.items()}, aux[0] if aux else {}


@lru_cache(maxsize=128)
def _pass(found: Live, training: bool, backend: str, sown: bool) -> Callable[..., Any]:
    """`apply`, in training or not, as it is fastest on a backend; with what it sows, or without."""
    from nanmap.models.own.rewriting import rewritten

    def run(parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None) -> Any:
        apply = found.adapted.sow if sown and found.adapted.sow else found.adapted.apply
        output, *rest = apply(parameters, state, x, numbers, key, training)
        return found.end.of(output), *rest

    return rewritten(run) if found.rewrite and backend == "cpu" else run


class Traced(NamedTuple):
    """What a network does to rows.

    Attributes:
        answer: shape of the outputs of a row.
        text: its functions as XLA is given them, constants included.
        flops: of an update.
        keyed: whether a pass in training draws from its key.
        otherwise: whether a pass in training does anything else than one outside.
        sown: names of what is to be watched.
    """

    answer: tuple[int, ...]
    text: str
    flops: int
    keyed: bool
    otherwise: bool
    sown: tuple[str, ...]


@lru_cache(maxsize=64)
def live(source: str, arguments: str, sha: str, batch: int, inputs: Form, rewrite: bool, end: End) -> Live:
    """The network of a factory, made once.

    Args:
        source: as `model.kind` names it.
        arguments: of the factory, as JSON.
        sha: of its source: a file that changed is read again.
        batch, inputs: how many rows an update sees, and how they lie.
        rewrite: whether its convolutions become products of patches.
        end: what is done to its outputs.
    """
    import jax

    if source_digest(source, KEY) != sha:
        raise InputError("changed while it was trained", file=Code.of(source).place, key=KEY)
    made, again = _made(source, json.loads(arguments))

    def remade(seed: int) -> Any:
        return again(key_of(seed)) if again else _made(source, json.loads(arguments))[0]

    with told(source, KEY, "while its network was looked at"):
        found = adapted(made, again, remade)
    if found is None:
        raise fault(
            source,
            KEY,
            f"returned {_article(type(made).__name__)}, which is no network",
            allowed="a pair (init, apply), a nanmap.Model, an Equinox module, a Flax module, a Keras model, a torch.nn.Module",
        )
    with told(source, KEY, "while it was initialised"):
        trees = jax.eval_shape(lambda x: found.init(jax.random.key(0), x), zeros(batch, inputs))
    if not (isinstance(trees, tuple) and len(trees) == 2):
        raise fault(source, KEY, "`init` returns no pair", mend="init(key, x) → (parameters, state)")
    (parameters, one), (state, other) = (jax.tree_util.tree_flatten_with_path(tree) for tree in trees)
    leaves = tuple(_leaf("", *each) for each in parameters), tuple(_leaf(STATE, *each) for each in state)
    if not any(leaf.dtype is None for leaf in leaves[0]):
        mend = "arrays of floats are trained, whole numbers are not: jnp.zeros(3) instead of jnp.zeros(3, int)"
        raise fault(source, KEY, "has no parameters that are floats: nothing would be trained", mend=mend)
    return Live(found, source, (batch, inputs), rewrite, end, *leaves, (one, other), again is not None)


def probe(found: Live, names: Sequence[str]) -> Traced:
    """Traces a network in training and outside of it, and compiles nothing.

    Raises:
        InputError: its outputs do not go with its rows, or its state changes.
    """
    import jax
    import jax.numpy as jnp

    def shape_of(leaf: Leaf) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype or "float32")

    trained, kept = ({leaf.name: shape_of(leaf) for leaf in some} for some in (found.trained, found.kept))
    numbers = {name: jax.ShapeDtypeStruct((), "float32") for name in names}
    x, seed = jax.eval_shape(lambda: zeros(*found.rows)), jax.ShapeDtypeStruct((), "uint32")
    shapes = trained, kept, x, numbers, seed

    def forth(
        trained: Arrays, kept: Arrays, x: Array, numbers: Mapping[str, Array], seed: Array, training: bool = True
    ) -> tuple[Array, Arrays]:
        key = jax.random.key(seed) if training else None
        return _checked(found, found.run(trained | kept, x, numbers, key, training))

    def forth_and_back(trained: Arrays, *rest: Any) -> Any:
        output, pull_back, after = jax.vjp(lambda trained: forth(trained, *rest), trained, has_aux=True)
        return output, after, pull_back(jnp.ones_like(output))

    output, _ = jax.eval_shape(forth, *shapes)
    inside, drawn = _needed(forth, *shapes)
    outside, _ = _needed(partial(forth, training=False), *shapes)
    lowered = jax.jit(forth_and_back).lower(*shapes)
    start = jax.jit(lambda seed: found.start(jax.random.key(seed))).lower(seed)
    cost = lowered.cost_analysis() or {}
    text = f"{start.as_text()}\n{lowered.as_text()}{found.adapted.stamp}"
    sow = partial(_outside, found)
    sown = tuple(jax.eval_shape(sow, *shapes[:-1])) if found.adapted.sow else ()
    text += f"{sown}{jax.jit(sow).lower(*shapes[:-1]).as_text()}" if sown else ""
    return Traced(output.shape[1:], text, int(cost.get("flops", 0)), drawn, inside != outside, sown)


def _outside(found: Live, trained: Arrays, kept: Arrays, x: Array, numbers: Mapping[str, Array]) -> Arrays:
    """What a pass outside of training sows."""
    return found.sow(trained | kept, x, numbers, None, training=False)[2]


def _needed(function: Callable[..., Any], *shapes: Any) -> tuple[str, bool]:
    """The operations that a function's results hang on, as text, and whether these hang on its last argument."""
    import jax
    from jax.interpreters.partial_eval import dce_jaxpr

    jaxpr = jax.make_jaxpr(function)(*shapes).jaxpr
    needed, used = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return re.sub("0x[0-9a-f]+", "", str(needed)), used[-1]


def key_of(seed: int) -> Array:
    """`jax.random.key(seed)`, for seeds that 32 bits do not hold as well."""
    import jax

    return jax.random.wrap_key_data(jax.numpy.asarray([seed >> 32, seed & 0xFFFFFFFF], np.uint32))


def zeros(rows: int, form: Form) -> Array:
    """Rows without content."""
    import jax.numpy as jnp

    return jnp.zeros((rows, *form.shape), form.dtype or "float32")


@lru_cache(maxsize=64)
def _compiled_start(found: Live) -> Any:
    import jax

    return jax.jit(found.start)


def _made(source: str, arguments: dict[str, Any]) -> tuple[Any, Again | None]:
    """What the factory returns, and where it takes a `key` how to call it with another one."""
    import jax

    code, factory = Code.of(source), function_of(source, KEY)
    try:
        signature: inspect.Signature | None = inspect.signature(factory)
    except (TypeError, ValueError):  # of some compiled functions nobody knows
        signature = None
    known = [name for name in (signature.parameters if signature else arguments) if name != "key"]
    keyed = signature is not None and "key" in signature.parameters
    open_ended = signature and any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    for name in arguments:
        if name not in known and not open_ended:
            raise InputError(
                f"is no argument of `{code.name}`",
                file=code.place,
                key=f"model.arguments.{name}",
                allowed=known or "none",
                mend=did_you_mean(name, known),
            )
    for each in signature.parameters.values() if signature else ():
        named = each.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if named and each.default is inspect.Parameter.empty and each.name not in (*arguments, "key"):
            mend = f"add it to the config: [model.arguments] {each.name} = …"
            raise InputError(f"is missing: `{code.name}` asks for it", key=f"model.arguments.{each.name}", mend=mend)
    with told(source, KEY, "while it made the network"):
        if not keyed:
            return factory(**arguments), None
        again = lambda key: factory(**arguments, key=key)  # noqa: E731
        return again(jax.random.key(0)), again


def _checked(found: Live, made: tuple[Array, Arrays]) -> tuple[Array, Arrays]:
    """Outputs and state of a pass, as they have to be."""
    output, after = made
    rows = found.rows[0]
    if not hasattr(output, "shape") or not output.shape or output.shape[0] != rows:
        shape = list(getattr(output, "shape", ())) or type(output).__name__
        raise fault(
            found.source, KEY, f"gives {shape} for {rows} rows", mend="outputs have the rows on their first axis"
        )
    for leaf in found.state:
        now = after[leaf.name].shape
        if now != leaf.shape:
            name = leaf.name.removeprefix(STATE)
            problem = f"its state `{name}` changes its shape from {list(leaf.shape)} to {list(now)}"
            raise fault(found.source, KEY, problem, mend="a state keeps its shape from one update to the next")
    return output, after


def _leaf(prefix: str, path: tuple, value: Any) -> Leaf:
    import jax
    import jax.numpy as jnp

    name = prefix + (jax.tree_util.keystr(path, simple=True, separator=".") or "value")
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        data = jax.eval_shape(jax.random.key_data, value)
        return Leaf(name, data.shape, str(data.dtype), str(jax.random.key_impl(value)))
    floats = jnp.issubdtype(value.dtype, jnp.floating)
    return Leaf(name, value.shape, None if floats else str(value.dtype))


def _as_held(leaf: Leaf, value: Array) -> Array:
    """An array as the network has it."""
    import jax

    return value if leaf.implementation is None else jax.random.wrap_key_data(value, impl=leaf.implementation)


def _named(leaves: Sequence[Leaf], values: Sequence[Any]) -> dict[str, Array]:
    """Arrays as the house holds them."""
    import jax
    import jax.numpy as jnp

    if len(leaves) != len(values):
        raise ValueError(f"the state has {len(values)} arrays after a pass, and {len(leaves)} before it")
    return {
        leaf.name: jax.random.key_data(value) if leaf.implementation else jnp.asarray(value)
        for leaf, value in zip(leaves, values, strict=True)
    }


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
