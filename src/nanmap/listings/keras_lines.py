"""A training as a program in Keras."""

from collections.abc import Iterator

from nanmap.config.code import is_own
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import Config
from nanmap.data import Rows
from nanmap.listings.own import OwnNetwork, network_lines
from nanmap.listings.rows import imports, row_lines
from nanmap.listings.words import file_name, number, rate_factor, updates, updates_per_epoch

RULES = {
    "sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "amsgrad": "Adam", "adamax": "Adamax", "nadam": "Nadam",
    "rmsprop": "RMSprop", "adagrad": "Adagrad", "lion": "Lion",
}  # fmt: skip
NORMS = {
    "layer": "keras.layers.LayerNormalization()",
    "rms": "keras.layers.RMSNormalization()",
    "batch": "keras.layers.BatchNormalization()",
}
LOSSES = {
    "mse": '"mse"',
    "half_mse": "lambda y, output: keras.ops.mean((output - y) ** 2, axis=-1) / 2",
    "mae": '"mae"',
    "huber": "keras.losses.Huber({delta})",
    "softmax_cross_entropy": "keras.losses.CategoricalCrossentropy(from_logits=True)",
    "sigmoid_cross_entropy": "keras.losses.BinaryCrossentropy(from_logits=True)",
}
UNDONE = {"softmax_cross_entropy": "softmax", "sigmoid_cross_entropy": "sigmoid"}  # of a loss of probabilities
VARIANCES = {  # of Keras's VarianceScaling: scale, mode, distribution
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "truncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "truncated_normal"),
    "torch_linear": (1 / 3, "fan_in", "uniform"),
}


def unsaid_in_keras(config: Config) -> str | None:
    """A setting that Keras has no words for."""
    optimizer, model, training = config.optimizer, config.model, config.training
    clips = [name for name in ("clip_value", "clip_norm") if getattr(optimizer, name) is not None]
    scheduled = optimizer.schedule != "constant" or optimizer.warmup_steps > 0
    biases = model.bias_init not in (None, "zeros", "ones") or (model.init == "torch_linear" and not model.bias_init)
    return next(
        (
            told
            for holds, told in (
                (optimizer.kind not in RULES, f'optimizer.kind = "{optimizer.kind}"'),
                (optimizer.layer_learning_rates is not None, "a learning rate per layer"),
                (len(clips) > 1, "optimizer.clip_value beside clip_norm"),
                (scheduled and optimizer.momentum is not None, "a schedule beside momentum as nanmap has it"),
                (
                    is_own(model.kind) and optimizer.clip_output_gradient is not None,
                    "optimizer.clip_output_gradient of a network of your own",
                ),
                (
                    model.undo not in ("none", UNDONE.get(config.loss.kind)),
                    f'model.undo = "{model.undo}" under loss.kind = "{config.loss.kind}"',
                ),
                (training.order == "replacement", 'training.order = "replacement"'),
                (model.bias and biases, "these initial biases"),
            )
            if holds
        ),
        None,
    )


def keras_program(config: Config, rows: Rows, own: OwnNetwork) -> str:
    """The program: `listing` tells more."""
    dtype = config.training.dtype
    parts = [
        ["import keras", *imports(config, rows), "", "keras.utils.set_random_seed(0)"],
        [*([f'keras.config.set_floatx("{dtype}")'] if dtype != "float32" else []), *row_lines(config, rows)],
        [*_clip(config), *_rate(config, rows), *_model(config, rows), *_start(config)],
        [*_compiled(config, rows), *_fit(config, rows)],
    ]
    return "\n".join("\n".join([*part, ""]) for part in parts).rstrip() + "\n"


def _clip(config: Config) -> Iterator[str]:
    """The gradient of the loss with respect to the output, bounded on its way back."""
    bound = config.optimizer.clip_output_gradient
    if bound is None:
        return
    yield "@keras.ops.custom_gradient"
    yield "def clipped(output):"
    yield "    def back(*_, upstream=None):"
    yield f"        return keras.ops.clip(_[-1] if upstream is None else upstream, -{number(bound)}, {number(bound)})"
    yield ""
    yield "    return output, back"
    yield ""
    yield ""


def _rate(config: Config, rows: Rows) -> Iterator[str]:
    factor = rate_factor(config, updates(config, rows.n), "keras.ops")
    if factor is None:
        return
    yield "class Rate(keras.optimizers.schedules.LearningRateSchedule):"
    yield "    def __call__(self, step):"
    yield '        step = keras.ops.cast(step, "float32")'
    shown = factor.replace("keras.ops.pi", "np.pi")
    yield f"        return {number(config.optimizer.learning_rate)} * {shown}"
    yield ""
    yield ""


def _model(config: Config, rows: Rows) -> Iterator[str]:
    model = config.model
    if is_own(model.kind):
        yield from network_lines(config)
        return
    yield "model = keras.Sequential("
    yield "    ["
    yield f"        keras.Input(({rows.inputs.shape[1]},)),"
    units = [*model.hidden, rows.targets.shape[1]]
    for index, count in enumerate(units):
        last = index == len(model.hidden)
        kind = model.output_activation if last else model.activation
        inputs = rows.inputs.shape[1] if index == 0 else units[index - 1]
        apart = model.norm != "none" and not last
        yield f"        {_dense(config, count, inputs, 'linear' if apart else kind)},"
        if apart:
            yield f"        {NORMS[model.norm]},"
            yield from ([f'        keras.layers.Activation("{kind}"),'] if kind != "linear" else [])
    if config.optimizer.clip_output_gradient is not None:
        yield "        keras.layers.Lambda(clipped),"
    yield "    ]"
    yield ")"


def _dense(config: Config, units: int, inputs: int, kind: str) -> str:
    model = config.model
    told = [str(units), *([f'"{kind}"'] if kind != "linear" else [])]
    told += [] if model.bias else ["use_bias=False"]
    if (start := _initialiser(config)) is not None:
        told.append(f"kernel_initializer={start}")
    if model.bias and model.bias_init not in (None, "zeros"):
        told.append(f'bias_initializer="{model.bias_init}"')
    return f"keras.layers.Dense({', '.join(told)})"


def _initialiser(config: Config) -> str | None:
    """None for Keras's own, and for weights that are set behind."""
    model = config.model
    scale, kind = model.init_scale, model.init
    if kind == "file" or (kind == "glorot_uniform" and scale == 1):
        return None
    if kind in VARIANCES:
        if scale == 1 and kind != "torch_linear":
            return f'"{kind}"'
        factor, mode, family = VARIANCES[kind]
        return f'keras.initializers.VarianceScaling({number(factor * scale**2)}, "{mode}", "{family}")'
    called = {
        "zeros": "Constant(0)",
        "ones": f"Constant({number(scale)})",
        "normal": f"RandomNormal(stddev={number(abs(scale))})",
        "uniform": f"RandomUniform(-{number(abs(scale))}, {number(abs(scale))})",
        "orthogonal": f"Orthogonal({number(scale)})",
    }[kind]
    return f"keras.initializers.{called}"


def _start(config: Config) -> Iterator[str]:
    model = config.model
    if is_own(model.kind):
        return
    if model.init == "file":
        arrays = ["kernel", *(["bias"] if model.bias else [])]
        each = ", ".join(f'file[f"layers.{{i}}.{name}"]' for name in arrays)
        yield "dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]"
        yield f"with np.load({file_name(model.init_file)}) as file:"
        yield "    for i, layer in enumerate(dense):"
        yield f"        layer.set_weights([{each}])"
    if model.init_offset:
        yield f"model.layers[0].kernel.assign_add(keras.ops.full_like(model.layers[0].kernel, {number(model.init_offset)}))"


def _compiled(config: Config, rows: Rows) -> Iterator[str]:
    settings = config.optimizer
    entry = optimizer_entry(settings.kind)
    scheduled = rate_factor(config, 1, "keras.ops") is not None
    told = ["Rate()" if scheduled else number(settings.learning_rate)]
    words = {
        "b1": f"beta_1={number(settings.b1)}",
        "b2": f"beta_2={number(entry.b2 if settings.b2 is None else settings.b2)}",
        "eps": f"epsilon={number(settings.eps)}",
        "rho": f"rho={number(settings.rho)}",
        "momentum": f"momentum={number(settings.momentum)}" if settings.momentum is not None else "",
        "nesterov": "nesterov=True" if settings.nesterov else "",
        "weight_decay": f"weight_decay={number(settings.weight_decay)}" if settings.weight_decay is not None else "",
    }
    usual = {"beta_1=0.9", "epsilon=1e-07", "rho=0.9", "beta_2=0.999" if settings.kind != "lion" else "beta_2=0.99"}
    told += [words[name] for name in entry.reads if words.get(name) and words[name] not in usual]
    if settings.kind == "amsgrad":
        told.append("amsgrad=True")
    for name, bound in (("clipvalue", settings.clip_value), ("global_clipnorm", settings.clip_norm)):
        told += [f"{name}={number(bound)}"] if bound is not None else []
    yield f"optimizer = keras.optimizers.{RULES[settings.kind]}({', '.join(told)})"
    loss = LOSSES[config.loss.kind].format(delta=number(config.loss.delta))
    if config.model.undo != "none":  # which is what Keras takes an output for
        loss = loss.replace("from_logits=True", "")
    yield f"model.compile(optimizer, {loss})"


def _fit(config: Config, rows: Rows) -> Iterator[str]:
    training, n = config.training, rows.n
    per_epoch, total = updates_per_epoch(config, n), updates(config, n)
    told = ["x", "y", f"batch_size={training.batch_size}", f"epochs={-(-total // per_epoch)}"]
    if training.order == "sequential":
        told.append("shuffle=False")
    if len(rows.val_inputs):
        told.append("validation_data=(x_val, y_val)")
    whole = "" if total % per_epoch == 0 else f"  # {total} updates, rounded up to whole passes"
    yield f"model.fit({', '.join(told)}, verbose=2){whole}"
    yield "print(model.evaluate(x, y, verbose=0))"
