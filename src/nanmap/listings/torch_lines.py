"""A training as a program in PyTorch."""

from collections.abc import Iterator
from itertools import pairwise

from nanmap.config.code import is_own
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import Config
from nanmap.data import Rows
from nanmap.listings.own import OwnNetwork, network_lines
from nanmap.listings.rows import imports, row_lines
from nanmap.listings.words import file_name, number, rate_factor, updates, updates_per_epoch

RULES = {
    "sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "amsgrad": "Adam", "adamax": "Adamax", "nadam": "NAdam",
    "radam": "RAdam", "rmsprop": "RMSprop", "adagrad": "Adagrad",
}  # fmt: skip
ACTIVATIONS = {
    "relu": "nn.ReLU()", "relu6": "nn.ReLU6()", "leaky_relu": "nn.LeakyReLU(0.2)", "elu": "nn.ELU()", "selu": "nn.SELU()",
    "gelu": "nn.GELU()", "silu": "nn.SiLU()", "tanh": "nn.Tanh()", "sigmoid": "nn.Sigmoid()",
    "softplus": "nn.Softplus()", "softsign": "nn.Softsign()",
}  # fmt: skip
NORMS = {
    "layer": "nn.LayerNorm({units}, eps=1e-3)",
    "rms": "nn.RMSNorm({units}, eps=1e-6)",
    "batch": "nn.BatchNorm1d({units}, eps=1e-3, momentum=0.01)",
}
STARTS = {
    "zeros": "zeros_(layer.weight)",
    "ones": "ones_(layer.weight)",
    "normal": "normal_(layer.weight)",
    "uniform": "uniform_(layer.weight, -1, 1)",
    "glorot_uniform": "xavier_uniform_(layer.weight)",
    "glorot_normal": "xavier_normal_(layer.weight)",
    "he_uniform": 'kaiming_uniform_(layer.weight, nonlinearity="relu")',
    "he_normal": 'kaiming_normal_(layer.weight, nonlinearity="relu")',
    "lecun_uniform": 'kaiming_uniform_(layer.weight, nonlinearity="linear")',
    "lecun_normal": 'kaiming_normal_(layer.weight, nonlinearity="linear")',
    "orthogonal": "orthogonal_(layer.weight)",
}
LOSSES = {
    "mse": "nn.MSELoss()",
    "half_mse": "lambda output, y: nn.functional.mse_loss(output, y) / 2",
    "mae": "nn.L1Loss()",
    "huber": "nn.HuberLoss(delta={delta})",
    "softmax_cross_entropy": "nn.CrossEntropyLoss()",
    "sigmoid_cross_entropy": "nn.BCEWithLogitsLoss()",
}


def unsaid_in_torch(config: Config) -> str | None:
    """A setting that PyTorch has no words for."""
    optimizer, model = config.optimizer, config.model
    if optimizer.kind not in RULES:
        return f'optimizer.kind = "{optimizer.kind}"'
    return "model.bias_init" if model.bias_init not in (None, "zeros", "ones") else None


def torch_program(config: Config, rows: Rows, own: OwnNetwork) -> str:
    """The program: `listing` tells more."""
    parts = [
        [*imports(config, rows), "import torch", "from torch import nn", "", "torch.manual_seed(0)"],
        [*row_lines(config, rows), *_kept_as(config)],
        [*_model(config, rows), *_start(config)],
        [*_optimizer(config, rows), _loss(config)],
        _loop(config, rows),
    ]
    return "\n".join("\n".join([*part, ""]) for part in parts).rstrip() + "\n"


def _kept_as(config: Config) -> list[str]:
    dtype = config.training.dtype
    wide = "float64" if dtype == "float64" else "float32"
    return [f"x, y = torch.tensor(x, dtype=torch.{dtype}), torch.tensor(y, dtype=torch.{wide})"]


def _model(config: Config, rows: Rows) -> Iterator[str]:
    model, dtype = config.model, config.training.dtype
    if is_own(model.kind):
        yield from network_lines(config)
        return
    sizes = [rows.inputs.shape[1], *model.hidden, rows.targets.shape[1]]
    yield "model = nn.Sequential("
    for index, (inputs, units) in enumerate(pairwise(sizes)):
        last = index == len(model.hidden)
        kind = model.output_activation if last else model.activation
        layers = [f"nn.Linear({inputs}, {units}{'' if model.bias else ', bias=False'})"]
        layers += [NORMS[model.norm].format(units=units)] if model.norm != "none" and not last else []
        layers += [ACTIVATIONS[kind]] if kind != "linear" else []
        yield f"    {', '.join(layers)},"
    yield f"){'' if dtype == 'float32' else f'.to(torch.{dtype})'}"


def _start(config: Config) -> Iterator[str]:
    """Before anything is learned: no gradient is taken of it."""
    model = config.model
    if is_own(model.kind):
        return
    yield "dense = [layer for layer in model if isinstance(layer, nn.Linear)]"
    if model.init == "file":
        yield f"with np.load({file_name(model.init_file)}) as file, torch.no_grad():"
        yield "    for i, layer in enumerate(dense):"
        yield '        layer.weight.copy_(torch.tensor(file[f"layers.{i}.kernel"].T))'
        if model.bias:
            yield '        layer.bias.copy_(torch.tensor(file[f"layers.{i}.bias"]))'
        return
    drawn = [f"nn.init.{STARTS[model.init]}"] if model.init in STARTS else []
    if model.init_scale != 1:
        drawn.append(f"layer.weight.data *= {number(model.init_scale)}")
    if model.bias and (model.init in STARTS or model.bias_init):
        drawn.append(f"nn.init.{model.bias_init or 'zeros'}_(layer.bias)")
    if drawn:
        yield "for layer in dense:"
        yield from (f"    {line}" for line in drawn)
    if model.init_offset:
        yield f"dense[0].weight.data += {number(model.init_offset)}"


def _optimizer(config: Config, rows: Rows) -> Iterator[str]:
    settings = config.optimizer
    entry, rates = optimizer_entry(settings.kind), settings.layer_learning_rates
    if rates is None:
        told = ["model.parameters()", f"lr={number(settings.learning_rate)}"]
    else:
        each = ", ".join(
            f'{{"params": dense[{index}].parameters(), "lr": {number(rate)}}}' for index, rate in enumerate(rates)
        )
        told = [f"[{each}]"]
    b2 = entry.b2 if settings.b2 is None else settings.b2
    decay = entry.weight_decay if settings.weight_decay is None else settings.weight_decay
    words = {
        "b1": f"betas=({number(settings.b1)}, {number(b2)})",
        "eps": f"eps={number(settings.eps)}",
        "rho": f"alpha={number(settings.rho)}",
        "momentum": f"momentum={number(settings.momentum)}" if settings.momentum is not None else "",
        "nesterov": "nesterov=True" if settings.nesterov else "",
        "weight_decay": f"weight_decay={number(decay)}",
    }
    told += [words[name] for name in entry.reads if words.get(name)]
    if settings.kind == "adagrad":
        told.append("initial_accumulator_value=0.1")
    if settings.kind == "amsgrad":
        told.append("amsgrad=True")
    yield f"optimizer = torch.optim.{RULES[settings.kind]}({', '.join(told)})"
    factor = rate_factor(config, updates(config, rows.n), "np")
    if factor is not None:
        yield f"schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: {factor})"


def _loss(config: Config) -> str:
    loss, undo = LOSSES[config.loss.kind].format(delta=number(config.loss.delta)), config.model.undo
    if undo == "none":
        return f"loss_of = {loss}"
    inverse = ".log()" if undo == "softmax" else ".logit()"  # of the activation at the network's end
    return f"loss_of = lambda output, y: {loss}(output.clamp(1e-7, 1 - 1e-7){inverse}, y)"


def _loop(config: Config, rows: Rows) -> Iterator[str]:
    training, settings, n = config.training, config.optimizer, rows.n
    size, per_epoch = min(training.batch_size, n), updates_per_epoch(config, n)
    order = "torch.arange(len(x))" if training.order == "sequential" else "torch.randperm(len(x))"
    total, wide = updates(config, n), training.dtype in ("float16", "bfloat16")
    yield f"for step in range({total}):"
    if training.order == "replacement":
        yield f"    rows = torch.randint(len(x), ({training.batch_size},))"
    elif per_epoch > 1:
        yield f"    if step % {per_epoch} == 0:  # a pass begins"
        yield f"        order = {order}"
        yield f"    rows = order[step % {per_epoch} * {size} :][:{size}]"
    yield "    optimizer.zero_grad()"
    rows_of = "" if per_epoch == 1 and training.order != "replacement" else "[rows]"
    yield f"    output = model(x{rows_of}){'.float()' if wide else ''}"
    if (bound := settings.clip_output_gradient) is not None:
        yield f"    output.register_hook(lambda gradient: gradient.clamp(-{number(bound)}, {number(bound)}))"
    yield f"    loss_of(output, y{rows_of}).backward()"
    if settings.clip_value is not None:
        yield f"    nn.utils.clip_grad_value_(model.parameters(), {number(settings.clip_value)})"
    if settings.clip_norm is not None:
        yield f"    nn.utils.clip_grad_norm_(model.parameters(), {number(settings.clip_norm)})"
    yield "    optimizer.step()"
    if rate_factor(config, total, "np") is not None:
        yield "    schedule.step()"
    yield f"    if (step + 1) % {max(1, total // 10)} == 0:"
    final = f"loss_of(model(x){'.float()' if wide else ''}, y).item()"
    yield f"        print(step + 1, {final})"
    yield f'print("at the end", {final})'
