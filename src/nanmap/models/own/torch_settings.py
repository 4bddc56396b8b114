"""What an optimizer and a loss of PyTorch say, as nanmap's settings; what these cannot say is refused by name."""

from collections.abc import Mapping
from typing import Any

from nanmap.errors import InputError
from nanmap.models.own.end import SOFTMAX
from nanmap.models.own.memory import HeldTables
from nanmap.models.own.torch_model import held_torch, is_torch

# By PyTorch's class: nanmap's name, and of each argument what it is called here. Left out are rules that differ in more than
# rounding: RMSprop and Adagrad add their epsilon elsewhere, NAdam has another schedule of its momentum.
OPTIMIZERS: dict[str, tuple[str, dict[str, str]]] = {
    "SGD": ("sgd", {"momentum": "momentum", "nesterov": "nesterov"}),
    "Adam": ("adam", {"eps": "eps"}),
    "AdamW": ("adamw", {"eps": "eps", "weight_decay": "weight_decay"}),
    "Adamax": ("adamax", {"eps": "eps"}),
}
# Arguments that change the rule, each with the value at which it does nothing. Others are about how it is computed.
IDLE: dict[str, Any] = {"dampening": 0, "weight_decay": 0, "amsgrad": False, "maximize": False}

# By the names of the class and of the function.
LOSSES = {
    "MSELoss": "mse",
    "mse_loss": "mse",
    "L1Loss": "mae",
    "l1_loss": "mae",
    "HuberLoss": "huber",
    "huber_loss": "huber",
    "CrossEntropyLoss": "softmax_cross_entropy",
    "cross_entropy": "softmax_cross_entropy",
    "BCEWithLogitsLoss": "sigmoid_cross_entropy",
    "binary_cross_entropy_with_logits": "sigmoid_cross_entropy",
}
LOSS_IDLE: dict[str, Any] = {
    "reduction": "mean",
    "weight": None,
    "pos_weight": None,
    "label_smoothing": 0.0,
    "ignore_index": -100,  # which is no class
}
MEND = "train it with settings of nanmap's: nanmap.run(model=module, optimizer=…, loss=…)"


def from_torch(module: object, *, optimizer: object, loss: object) -> HeldTables:
    """The training of a plain PyTorch loop, rows in their order, as settings for `run` and `sweep`.

    It starts at the weights that the module has now; with any other `training.seed` than 0 they are drawn anew, by the
    `reset_parameters` of its parts. The module itself is left as it is, and the optimizer begins without a past.

    Args:
        module: its `forward` takes a batch and gives one tensor, rows first.
        optimizer: of `torch.optim`, over all parameters of the module that need a gradient.
        loss: a module of `torch.nn`, or a function of `torch.nn.functional`.

    Returns:
        Tables of settings, `model`, `optimizer`, `loss` and `training`. Held for as long as the caller holds them: no folder keeps a module.

    Raises:
        InputError: it is no such module, or the optimizer or the loss is one that nanmap has no setting for.
    """
    if not is_torch(module):
        raise InputError("is no module of PyTorch", key="module", value=type(module).__name__)
    held = held_torch(module)
    read = loss_settings(loss)
    classes = {"class_axis": 1} if read["kind"] == SOFTMAX else {}
    tables = {
        "model": {"kind": held.kind} | classes,
        "optimizer": optimizer_settings(module, optimizer),
        "loss": read,
        "training": {"order": "sequential"},
    }
    return HeldTables(held, tables)


def optimizer_settings(module: Any, optimizer: Any) -> dict[str, Any]:
    """The table `[optimizer]` of an optimizer of PyTorch."""
    name = type(optimizer).__name__
    if name not in OPTIMIZERS or not _of_torch(type(optimizer)):
        problem = "is an optimizer that nanmap has no setting for"
        raise InputError(problem, key="optimizer", value=name, allowed=OPTIMIZERS, mend=MEND)
    kind, arguments = OPTIMIZERS[name]
    if len(optimizer.param_groups) != 1:
        mend = "one group here; optimizer.group_rates = { 'pattern' = rate } gives parameters rates of their own"
        raise InputError(
            "has several groups of parameters", key="optimizer", value=len(optimizer.param_groups), mend=mend
        )
    (given,) = optimizer.param_groups
    if "initial_lr" in given:
        mend = 'give it without one; optimizer.schedule = "cosine" and others are nanmap\'s'
        raise InputError("has a scheduler, which nanmap does not call", key="optimizer", value=name, mend=mend)
    trained = {id(each): key for key, each in module.named_parameters() if each.requires_grad}
    left = [key for number, key in trained.items() if number not in set(map(id, given["params"]))]
    if left:
        mend = f"requires_grad_(False) for what is not trained, or {name}(module.parameters(), …)"
        raise InputError(f"does not train `{left[0]}`, which needs a gradient", key="optimizer", value=name, mend=mend)
    for argument, idle in IDLE.items():
        if argument not in arguments and given.get(argument, idle) != idle:
            problem = f"`{name}` is given {argument}, which nanmap has no setting for"
            raise InputError(problem, key=f"optimizer.{argument}", value=given[argument], mend=MEND)
    found = {setting: given[argument] for argument, setting in arguments.items()}
    if not found.get("momentum", True):  # PyTorch's 0 is none
        found = {}
    if "betas" in given:
        found |= dict(zip(("b1", "b2"), map(float, given["betas"]), strict=True))
    return {"kind": kind, "learning_rate": float(given["lr"])} | found


def loss_settings(loss: Any) -> dict[str, Any]:
    """The table `[loss]` of a loss of PyTorch, as a module or as a function."""
    is_module = is_torch(loss)
    name = type(loss).__name__ if is_module else getattr(loss, "__name__", type(loss).__name__)
    if name not in LOSSES or not _of_torch(type(loss) if is_module else loss):
        raise InputError("is a loss that nanmap has no setting for", key="loss", value=name, allowed=LOSSES, mend=MEND)
    given: Mapping[str, Any] = (
        {each: getattr(loss, each, idle) for each, idle in LOSS_IDLE.items()} if is_module else {}
    )
    for argument, value in given.items():
        if value is not LOSS_IDLE[argument] and value != LOSS_IDLE[argument]:
            problem = f"`{name}` is given {argument}, which nanmap has no setting for"
            raise InputError(problem, key=f"loss.{argument}", value=value, mend=MEND)
    return {"kind": LOSSES[name]} | ({"delta": float(getattr(loss, "delta", 1.0))} if LOSSES[name] == "huber" else {})


def _of_torch(made: Any) -> bool:
    """Whether a class or a function is PyTorch's own, and not one of the user's by the same name."""
    return made.__module__.startswith("torch.")
