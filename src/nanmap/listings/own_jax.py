"""A network of the user's own in a program of JAX: as functions of its parameters, with a state and keys where it has them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nanmap.config.settings import Config
from nanmap.listings.own import OwnNetwork, network_lines

FLAGS = {"deterministic": "not training", "use_running_average": "not training"}  # else `training`


class Way(NamedTuple):
    """How the networks of a framework are called.

    Attributes:
        made: names of what the factory returns.
        start: lines that make `params` of it, and `kept` of what is not trained.
        forward: the body of `forward(params, x)`, or, of a network with a state, keys or another way to train, of
            `forward(params, kept, x, key, training)`.
        imports: what the program needs for it.
    """

    made: Callable[[OwnNetwork], str]
    start: Callable[[OwnNetwork], Iterator[str]]
    forward: Callable[[OwnNetwork], Iterator[str]]
    imports: tuple[str, ...] = ()


def own_imports(own: OwnNetwork) -> tuple[str, ...]:
    """What the program needs for the network, beside the file of its factory."""
    return way_of(own).imports


def own_start(config: Config, own: OwnNetwork) -> Iterator[str]:
    """Lines after which `params` is where a training starts, and `kept` what is not trained."""
    way, dtype = way_of(own), config.training.dtype
    yield from network_lines(config, way.made(own), "key=jax.random.key(0)" if own.again else "")
    yield from way.start(own)
    if dtype != "float32":
        yield f'params = jax.tree.map(lambda leaf: leaf.astype("{dtype}"), params)'


def own_forward(own: OwnNetwork) -> Iterator[str]:
    """The function that gives outputs."""
    yield "def forward(params, x):" if own.plain else "def forward(params, kept, x, key, training):"
    yield from (f"    {line}" for line in way_of(own).forward(own))


def way_of(own: OwnNetwork) -> Way:
    """How a network is called."""
    return next((way for what, way in WAYS.items() if own.what.startswith(what)), MODEL)


def _given(own: OwnNetwork) -> str:
    """The keywords that its function names. Where nothing hangs on them they may be anything."""
    named = [name for name in ("key", "training") if name in own.reads]
    return "".join(f", {name}={name if not own.plain else {'key': None, 'training': False}[name]}" for name in named)


def _pair_start(own: OwnNetwork) -> Iterator[str]:
    yield "params = init(jax.random.key(0), x)" if own.plain else "params, kept = init(jax.random.key(0), x), {}"


def _pair_forward(own: OwnNetwork) -> Iterator[str]:
    yield f"return apply(params, x{_given(own)}){'[0]' if own.watched else ''}{'' if own.plain else ', kept'}"


def _model_start(own: OwnNetwork) -> Iterator[str]:
    yield "params, kept = network.init(jax.random.key(0), x)"


def _model_forward(own: OwnNetwork) -> Iterator[str]:
    yield f"return network.apply(params, kept, x{_given(own)}){'[0]' if own.plain else '[:2]' if own.watched else ''}"


def _flags(own: OwnNetwork, value: str = "") -> str:
    """Arguments that tell whether it is trained."""
    told = {name: value or FLAGS.get(name, "training") for name in own.flags}
    return "".join(f", {name}={str(name in FLAGS) if each == 'False' else each}" for name, each in told.items())


def _linen_start(own: OwnNetwork) -> Iterator[str]:
    made = f"network.init(jax.random.key(0), x{_flags(own, 'False')})"
    if own.plain:
        yield f'params = {made}["params"]'
        return
    yield f"kept = dict({made})"
    yield 'params = kept.pop("params")'


def _linen_forward(own: OwnNetwork) -> Iterator[str]:
    if own.plain:
        yield f'return network.apply({{"params": params}}, x{_flags(own, "False")})'
        return
    yield 'streams = {} if key is None else {"dropout": key}'
    yield 'variables = {"params": params, **kept}'
    yield f"return network.apply(variables, x{_flags(own)}, rngs=streams, mutable=list(kept))"


def _nnx_start(own: OwnNetwork) -> Iterator[str]:
    yield "graph, params, kept = nnx.split(network, nnx.Param, ...)"


def _nnx_forward(own: OwnNetwork) -> Iterator[str]:
    if own.plain:
        made = "nnx.merge(graph, params, kept)"
        yield f"return nnx.capture({made}, nnx.Intermediate)(x)[0]" if own.watched else f"return {made}(x)"
        return
    yield "network = nnx.merge(graph, params, kept, copy=True)"
    yield "network.train() if training else network.eval()"
    yield "output, _ = nnx.capture(network, nnx.Intermediate)(x)" if own.watched else "output = network(x)"
    yield "return output, nnx.split(network, nnx.Param, ...)[2]"


def _equinox_start(own: OwnNetwork) -> Iterator[str]:
    yield "params, static = eqx.partition(network, eqx.is_inexact_array)"
    if not own.plain and not own.stateful:
        yield "kept = {}"


def _equinox_forward(own: OwnNetwork) -> Iterator[str]:
    """Row by row under `vmap`, with a key each, and one state for all."""
    keyed = "key" in own.reads
    if own.plain:
        yield "network = eqx.combine(params, static)"
        run = "lambda row: network(row, key=None)" if keyed else "network"
        yield f'return jax.vmap({run}, axis_name="batch")(x)'
        return
    yield "network = eqx.nn.inference_mode(eqx.combine(params, static), not training)"
    names = ["row", *(["kept"] if own.stateful else []), *(["key"] if keyed else [])]
    if keyed:
        yield "keys = None if key is None else jax.random.split(key, len(x))"
    called = ", ".join(f"{name}={name}" if name == "key" else name for name in names)
    given = ", ".join({"row": "x", "key": "keys"}.get(name, name) for name in names)
    axes = ", ".join("None" if name == "kept" else "0" for name in names)
    one = f"lambda {', '.join(names)}: network({called})"
    if own.stateful:
        yield f'run = jax.vmap({one}, in_axes=({axes}), out_axes=(0, None), axis_name="batch")'
        yield f"return run({given})"
    else:
        yield f'return jax.vmap({one}, axis_name="batch")({given}), kept'


def _network(own: OwnNetwork) -> str:
    return "network"


MODEL = Way(_network, _model_start, _model_forward)  # a nanmap.Model, which may have any title
WAYS = {
    "a pair": Way(lambda own: "init, apply", _pair_start, _pair_forward),
    "a Flax linen module": Way(_network, _linen_start, _linen_forward),
    "a Flax nnx module": Way(_network, _nnx_start, _nnx_forward, ("from flax import nnx",)),
    "an Equinox module": Way(
        lambda own: "network, kept" if own.stateful else "network",
        _equinox_start,
        _equinox_forward,
        ("import equinox as eqx",),
    ),
}
