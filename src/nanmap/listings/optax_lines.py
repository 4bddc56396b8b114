"""A training as a program in JAX and optax."""

from collections.abc import Iterator

from nanmap.config.code import is_own
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import Config, OptimizerSettings
from nanmap.data import Rows
from nanmap.listings.own import OwnNetwork
from nanmap.listings.own_jax import own_forward, own_imports, own_start
from nanmap.listings.rows import imports, row_lines
from nanmap.listings.words import file_name, number, rate_factor, updates, updates_per_epoch

EPSILON = {"layer": 1e-3, "batch": 1e-3, "rms": 1e-6}
STARTS = {
    "normal": "jax.nn.initializers.normal(1.0)",
    "uniform": "jax.nn.initializers.uniform(2.0)",  # from 0 to 2; shifted where it is drawn
    "torch_linear": 'jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")',
}
ACTIVATIONS = {
    "tanh": "jnp.tanh",
    "softsign": "jax.nn.soft_sign",
    "leaky_relu": "partial(jax.nn.leaky_relu, negative_slope=0.2)",
    "gelu": "partial(jax.nn.gelu, approximate=False)",
}
LOSSES = {
    "mse": "((output - y) ** 2).mean()",
    "half_mse": "((output - y) ** 2).mean() / 2",
    "mae": "jnp.abs(output - y).mean()",
    "huber": "optax.huber_loss(output, y, delta={delta}).mean()",
    "softmax_cross_entropy": "optax.softmax_cross_entropy(output, y).mean()",
    "sigmoid_cross_entropy": "optax.sigmoid_binary_cross_entropy(output, y).mean()",
}
NAMES = {"rho": "decay", "momentum": "momentum", "b1": "b1", "b2": "b2", "eps": "eps", "weight_decay": "weight_decay"}


def unsaid_in_optax(config: Config) -> str | None:
    """A setting that the program has no words for."""
    return "model.bias_init" if config.model.bias_init not in (None, "zeros", "ones") else None


def optax_program(config: Config, rows: Rows, own: OwnNetwork) -> str:
    """The program: `listing` tells more."""
    first = ["from functools import partial", ""] if "partial" in _activations(config) else []
    theirs = is_own(config.model.kind)
    modules = ["import jax", "import jax.numpy as jnp", *imports(config, rows), "import optax"]
    parts = [
        [*first, *modules, *(own_imports(own) if theirs else ())],
        [*_format(config), *row_lines(config, rows), *_kept_as(config, rows, own)],
        [*(own_start(config, own) if theirs else _start(config, rows))],
        ["", *(own_forward(own) if theirs else _forward(config)), "", "", *_loss(config, own), ""],
        [*_optimizer(config, rows), "state = optimizer.init(params)", ""],
        [*(UPDATE if own.plain else UPDATE_WITH_STATE), ""],
        _loop(config, rows, own),
    ]
    return "\n".join("\n".join([*part, ""]) for part in parts).rstrip() + "\n"


UPDATE = [
    "@jax.jit",
    "def update(params, state, x, y):",
    "    gradient = jax.grad(loss_of)(params, x, y)",
    "    steps, state = optimizer.update(gradient, state, params)",
    "    return optax.apply_updates(params, steps), state",
]
UPDATE_WITH_STATE = [
    "@jax.jit",
    "def update(params, kept, state, x, y, key):",
    "    gradient, kept = jax.grad(loss_of, has_aux=True)(params, kept, x, y, key, True)",
    "    steps, state = optimizer.update(gradient, state, params)",
    "    return optax.apply_updates(params, steps), kept, state",
]


def _format(config: Config) -> list[str]:
    return ['jax.config.update("jax_enable_x64", True)'] if config.training.dtype == "float64" else []


def _kept_as(config: Config, rows: Rows, own: OwnNetwork) -> list[str]:
    dtype = config.training.dtype
    wide = "float64" if dtype == "float64" else "float32"
    tokens = is_own(config.model.kind) and rows.input_form is not None and rows.input_form.whole
    lines = [f'x, y = jnp.asarray(x, "{"int32" if tokens else dtype}"), jnp.asarray(y, "{wide}")']
    if own.answer is not None and own.answer != rows.targets.shape[1:]:
        lines.append(f"y = y.reshape({', '.join(['len(y)', *map(str, own.answer)])})")
    return lines


def _start(config: Config, rows: Rows) -> list[str]:
    sizes = [rows.inputs.shape[1], *config.model.hidden, rows.targets.shape[1]]
    made = _from_file(config, len(sizes) - 1) if config.model.init == "file" else _drawn(config)
    return [f"sizes = {sizes}", *made, *_norms(config)]


def _from_file(config: Config, layers: int) -> Iterator[str]:
    names = ["kernel", *(["bias"] if config.model.bias else [])]
    dtype = config.training.dtype
    each = ", ".join(f'"{name}": jnp.asarray(file[f"layers.{{i}}.{name}"], "{dtype}")' for name in names)
    yield f"with np.load({file_name(config.model.init_file)}) as file:"
    yield f"    params = [{{{each}}} for i in range({layers})]"


def _drawn(config: Config) -> Iterator[str]:
    model, dtype = config.model, config.training.dtype
    scale = "" if model.init_scale == 1 else f"{number(model.init_scale)} * "
    drawn = "start(key, shape)" if dtype == "float32" else f'start(key, shape, "{dtype}")'
    arrays = [f'"kernel": {scale}({drawn} - 1)' if model.init == "uniform" else f'"kernel": {scale}{drawn}']
    arrays += [f'"bias": {_biases(config)}'] if model.bias else []
    yield f"start = {STARTS.get(model.init, f'jax.nn.initializers.{model.init}')}{_called(model.init)}"
    yield from ("", "", "def layer(key, shape):", f"    return {{{', '.join(arrays)}}}", "", "")
    yield "keys = jax.random.split(jax.random.key(0), len(sizes) - 1)"
    yield "params = [layer(key, shape) for key, shape in zip(keys, zip(sizes, sizes[1:]))]"
    if model.init_offset:
        yield f'params[0]["kernel"] += {number(model.init_offset)}'


def _norms(config: Config) -> Iterator[str]:
    norm = config.model.norm
    if norm != "none":
        more = "" if norm == "rms" else ', "offset": jnp.zeros(units)'
        yield "for each, units in zip(params[:-1], sizes[1:]):"
        yield f'    each |= {{"scale": jnp.ones(units){more}}}'


def _called(init: str) -> str:
    """Those of a scale are made by a call."""
    return "" if init in STARTS or init in ("zeros", "ones") else "()"


def _biases(config: Config) -> str:
    model, dtype = config.model, config.training.dtype
    if model.init == "torch_linear" and model.bias_init is None:
        return f'jax.random.uniform(key, shape[1:], "{dtype}", -1, 1) / shape[0] ** 0.5'
    return f"jnp.{model.bias_init or 'zeros'}(shape[1]{'' if dtype == 'float32' else f', {dtype!r}'})"


def _activations(config: Config) -> str:
    model = config.model
    kinds = [model.output_activation, *([model.activation] if model.hidden else [])]
    return " ".join(ACTIVATIONS.get(kind, "") for kind in kinds)


def _forward(config: Config) -> Iterator[str]:
    model = config.model
    yield "def forward(params, x):"
    if model.hidden:
        yield "    for layer in params[:-1]:"
        yield f"        x = {_dense('layer', model.bias)}"
        if model.norm != "none":
            yield f"        x = {_normed(model.norm)}"
        if model.activation != "linear":
            yield f"        x = {_activated(model.activation, 'x')}"
    output = _dense("params[-1]", model.bias)
    if model.output_activation != "linear":
        output = _activated(model.output_activation, output)
    if config.training.dtype in ("float16", "bfloat16"):
        output = f"({output}).astype(jnp.float32)"
    yield f"    return {output}"


def _dense(layer: str, bias: bool) -> str:
    return f'x @ {layer}["kernel"]' + (f' + {layer}["bias"]' if bias else "")


def _normed(norm: str) -> str:
    """Over the units of a row; batch norm over the rows, those of the batch while it trains."""
    if norm == "rms":
        return f'x / jnp.sqrt((x**2).mean(1, keepdims=True) + {EPSILON[norm]}) * layer["scale"]'
    axis = "0" if norm == "batch" else "1, keepdims=True"
    spread = f"jnp.sqrt(x.var({axis}) + {EPSILON[norm]})"
    return f'(x - x.mean({axis})) / {spread} * layer["scale"] + layer["offset"]'


def _activated(kind: str, of: str) -> str:
    return f"{ACTIVATIONS.get(kind, f'jax.nn.{kind}')}({of})"


def _loss(config: Config, own: OwnNetwork) -> Iterator[str]:
    bound = config.optimizer.clip_output_gradient
    if bound is not None:
        yield "@jax.custom_vjp"
        yield "def clipped(output):"
        yield "    return output"
        yield ""
        yield ""
        yield "def bounded(_, gradient):"
        yield f"    return (jnp.clip(gradient, -{number(bound)}, {number(bound)}),)"
        yield ""
        yield ""
        yield "clipped.defvjp(lambda output: (output, None), bounded)"
        yield ""
        yield ""
    if own.plain:
        yield "def loss_of(params, x, y):"
        yield "    output = forward(params, x)"
    else:
        yield "def loss_of(params, kept, x, y, key=None, training=False):"
        yield "    output, kept = forward(params, kept, x, key, training)"
    if bound is not None:
        yield "    output = clipped(output)"
    if config.model.undo != "none":  # the activation at the network's end
        shares = "jnp.clip(output, 1e-7, 1 - 1e-7)"
        inverse = "jnp.log" if config.model.undo == "softmax" else "jax.scipy.special.logit"
        yield f"    output = {inverse}({shares})  # the {config.model.undo} at the network's end, undone"
    if is_own(config.model.kind) and config.training.dtype in ("float16", "bfloat16"):
        yield "    output = output.astype(jnp.float32)"
    loss = LOSSES[config.loss.kind].format(delta=number(config.loss.delta))
    yield f"    return {loss}{'' if own.plain else ', kept'}"


def _optimizer(config: Config, rows: Rows) -> Iterator[str]:
    settings = config.optimizer
    factor = rate_factor(config, updates(config, rows.n), "jnp")
    rates = settings.layer_learning_rates
    if factor is not None:
        yield f"factor = lambda step: {factor}"
    if rates is None:
        made = _rule(settings, settings.learning_rate, factor)
    else:
        each = ", ".join(f"{index}: {_rule(settings, rate, factor)}" for index, rate in enumerate(rates))
        made = f"optax.partition({{{each}}}, {list(range(len(rates)))})"
    clips = [
        f"optax.{name}({number(bound)})"
        for name, bound in (("clip", settings.clip_value), ("clip_by_global_norm", settings.clip_norm))
        if bound is not None
    ]
    yield f"optimizer = optax.chain({', '.join([*clips, made])})" if clips else f"optimizer = {made}"


def _rule(settings: OptimizerSettings, rate: float, factor: str | None) -> str:
    entry = optimizer_entry(settings.kind)
    shown = number(rate) if factor is None else f"lambda step: {number(rate)} * factor(step)"
    told = [shown]
    if settings.kind == "adagrad":
        told.append("initial_accumulator_value=0.1")
    for name in entry.reads:
        value = getattr(settings, name, None)
        if name == "b2" and value is None:
            value = entry.b2
        if name == "weight_decay" and value is None:
            value = entry.weight_decay or 0.0
        if name in NAMES and value is not None:
            told.append(f"{NAMES[name]}={number(value)}")
    if settings.nesterov:
        told.append("nesterov=True")
    return f"optax.{settings.kind}({', '.join(told)})"


def _loop(config: Config, rows: Rows, own: OwnNetwork) -> list[str]:
    training, n = config.training, rows.n
    size, per_epoch = min(training.batch_size, n), updates_per_epoch(config, n)
    shown, drawn = max(1, updates(config, n) // 10), training.order == "replacement"
    shuffles = drawn or (training.order == "shuffle" and per_epoch > 1)
    lines = ["rng = np.random.default_rng(0)"] if shuffles else []
    order = "np.arange(len(x))" if training.order == "sequential" else "rng.permutation(len(x))"
    lines.append(f"for step in range({updates(config, n)}):")
    if drawn:
        lines.append(f"    rows = rng.integers(len(x), size={training.batch_size})")
    elif per_epoch > 1:
        lines += [
            f"    if step % {per_epoch} == 0:  # a pass begins",
            f"        order = {order}",
            f"    rows = order[step % {per_epoch} * {size} :][:{size}]",
        ]
    given = "x, y" if per_epoch == 1 and not drawn else "x[rows], y[rows]"
    if own.plain:
        lines.append(f"    params, state = update(params, state, {given})")
    else:
        lines.append("    key = jax.random.fold_in(jax.random.key(0), step)")
        lines.append(f"    params, kept, state = update(params, kept, state, {given}, key)")
    loss = "loss_of(params, x, y)" if own.plain else "loss_of(params, kept, x, y)[0]"
    return [
        *lines,
        f"    if (step + 1) % {shown} == 0:",
        f"        print(step + 1, {loss})",
        f'print("at the end", {loss})',
    ]
