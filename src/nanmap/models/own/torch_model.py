"""Modules of PyTorch by way of torchax, with a start for every seed. Imports neither unless the program did, or asks for it."""

import copy
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import Any

import numpy as np

from nanmap.errors import InputError
from nanmap.models.own.interface import Adapted, Array, Tree
from nanmap.models.own.likeness import code_of, settings_of
from nanmap.models.own.memory import ModelInMemory, hold

KEY = "model.kind"
EXTRA = "pip install 'nanmap[torch]'"
FLOATS = "torch.float32"
PREFIX = "module."
RESETS = ("reset_parameters", "_reset_parameters")  # how PyTorch's modules draw their parameters
Remade = Callable[[int], Any]
Arrays = dict[str, np.ndarray]
# While a module is traced, other threads find it in training, and tracers in place of its parameters and buffers.
_TRACING = RLock()


def of_torch(module: Any, remade: Remade, present: tuple[Arrays, Arrays] | None = None) -> Adapted:
    """A PyTorch module as two functions.

    Parameters that need a gradient are trained, other parameters and buffers are the state; the key of an update feeds dropout.

    Args:
        module: `forward` takes a batch and gives one tensor, rows first.
        remade: makes another one, drawn from what PyTorch's generator says.
        present: what seed 0 starts from; if None, it draws as well.

    Raises:
        InputError: torchax cannot be imported, or would do otherwise than PyTorch.
    """
    _torchax()
    check_module(module)

    def init(key: Array, x: Array) -> tuple[Tree, Tree]:
        """Of the shapes alone: `draw` has the values, which PyTorch draws on the host."""
        import jax

        return jax.tree.map(jax.numpy.zeros_like, values_of(module))

    def draw(seed: int, x: Array) -> tuple[Tree, Tree]:
        if seed == 0 and present is not None:
            return present
        with drawn_from(seed):
            return values_of(remade(seed))

    def run(
        parameters: Tree, state: Tree, x: Array, numbers: Mapping[str, Array], key: Array | None, training: bool
    ) -> tuple[Array, Tree]:
        check_format(parameters)
        output, buffers = _called(module, parameters | state, x, key, training)
        return output, {name: buffers.get(name, value) for name, value in state.items()} if training else state

    what = f"a PyTorch {type(module).__name__}"
    return Adapted(init, run, what, frozenset({"training", "key"}), "torchax", draw=draw, stamp=_stamp(module))


def held_torch(module: Any) -> ModelInMemory:
    """A module in memory, with the weights that it has now: seed 0 starts from them, every other one draws anew."""
    check_module(module)
    present = values_of(module)

    def drawn(seed: int) -> Any:
        with _TRACING:
            made = copy.deepcopy(module)
        for name, part in made.named_modules():
            reset = next((getattr(part, each) for each in RESETS if hasattr(part, each)), None)
            if reset is not None:
                reset()
            elif list(part.parameters(recurse=False)):
                problem = f"`{name or type(part).__name__}` has parameters and no `reset_parameters`, by which seed {seed} would draw them"
                mend = "write one, or give a factory, which is called anew: model=build"
                raise InputError(problem, key="training.seed", mend=mend)
        return made

    found = hashlib.sha256(_told(module).encode())
    for part in present:
        for name, values in part.items():
            found.update(f"{name} {values.dtype} {values.shape} ".encode() + np.ascontiguousarray(values).tobytes())
    name = re.sub(r"\W", "_", type(module).__name__).lower()
    return hold(ModelInMemory(name, found.hexdigest(), lambda: of_torch(module, drawn, present), module))


def _told(module: Any) -> str:
    """What a module is made of, without its weights. What it prints of itself leaves much out, the heads of an attention among it."""
    import torch

    leave = vars(torch.nn.Module())
    parts = (
        f"{name} {type(part).__qualname__} {code_of(type(part), 'torch')} {settings_of(part, leave)}"
        for name, part in module.named_modules()
    )
    return "\n".join([repr(module), *parts])


def values_of(module: Any) -> tuple[Arrays, Arrays]:
    """Its parameters that are trained, and everything else it holds, by PyTorch's names, on the host."""
    trained: Arrays = {}
    kept: Arrays = {}
    with _TRACING:
        for name, each in module.named_parameters():
            (trained if each.requires_grad else kept)[name] = each.detach().cpu().numpy().copy()
        for name, each in module.named_buffers():
            kept[name] = each.detach().cpu().numpy().copy()
    return trained, kept


def check_module(module: Any) -> None:
    """Raises InputError for parameters without values or of another format, and for statistics that torchax leaves as they are."""
    import torch

    for name, each in module.named_parameters():
        if isinstance(each, torch.nn.parameter.UninitializedParameter):
            raise InputError(f"`{name}` has no values yet", key="model", mend="call the module once on some rows")
        if each.is_floating_point() and str(each.dtype) != FLOATS:
            raise InputError(f"`{name}` is {each.dtype}", key=KEY, allowed=FLOATS, mend="module.float()")
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.modules.instancenorm._InstanceNorm) and part.track_running_stats:
            problem = f"`{name}` keeps running statistics, which torchax does not update"
            raise InputError(problem, key=KEY, value=type(part).__name__, mend="track_running_stats=False")


def check_format(parameters: Tree) -> None:
    """Raises InputError where a training's format is not the module's."""
    wrong = next((str(each.dtype) for each in parameters.values() if str(each.dtype) != "float32"), None)
    if wrong:
        problem = "a PyTorch module computes in the format it was made in, and that is float32"
        raise InputError(problem, key="training.dtype", value=wrong, mend='training.dtype = "float32"')


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """PyTorch's generator begins with this seed, and is for others what it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def is_torch(made: Any) -> bool:
    """Whether it is a module of a PyTorch that the program has imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(made, torch.nn.Module)


def _stamp(module: Any) -> str:
    import torch

    return f"torch {torch.__version__} {module!r}"


def _called(
    module: Any, arrays: Mapping[str, Array], x: Array, key: Array | None, training: bool
) -> tuple[Array, Tree]:
    """The outputs of a pass, and the buffers after it."""
    import jax
    import torch

    torchax = _torchax()
    view, env = torchax.interop.torch_view, torchax.default_env()
    watched = _watched(module)
    modes = [(part, part.training) for part in watched.modules()]
    with _TRACING, ExitStack() as stack:
        stack.enter_context(env.override_property(prng=jax.random.key(0) if key is None else key))
        stack.enter_context(env)
        statistics = _statistics(module, stack) if training else {}
        try:
            watched.train(training)
            given = {PREFIX + name: view(value) for name, value in arrays.items()}
            output, buffers = torch.func.functional_call(watched, given, (view(x),))
        finally:
            for part, mode in modes:
                part.training = mode
        if not isinstance(output, torch.Tensor):
            problem = f"`forward` gives a {type(output).__name__}"
            raise InputError(problem, key=KEY, value=type(module).__name__, mend="it gives one tensor, rows first")
        return torchax.interop.jax_view((output, buffers | statistics))


def _watched(module: Any) -> Any:
    """A module that gives its buffers as well, as they are after a pass."""
    import torch

    class Watched(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Any) -> Any:
            return self.module(x), dict(self.module.named_buffers())

    return Watched()


def _statistics(module: Any, stack: ExitStack) -> dict[str, Any]:
    """Running statistics of batch norm by name, filled in while a pass is traced: torchax leaves them as they were."""
    import torch

    found: dict[str, Any] = {}
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            handle = part.register_forward_pre_hook(_noted(found, f"{name}." if name else "", part.momentum))
            stack.callback(handle.remove)
            stack.callback(setattr, part, "momentum", part.momentum)
            part.momentum = 0.0  # under None its `forward` asks for the count itself, which a trace does not have
    return found


def _noted(found: dict[str, Any], prefix: str, momentum: float | None) -> Callable[[Any, Any], None]:
    def note(part: Any, given: Any) -> None:
        """As `torch.nn.functional.batch_norm` updates them; the variance is that of a sample."""
        (x,) = given
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = found.get(f"{prefix}num_batches_tracked", part.num_batches_tracked) + 1
        share = 1 / count if momentum is None else momentum
        measured = {"running_mean": x.mean(axes), "running_var": x.var(axes, unbiased=True)}
        for name, value in measured.items():
            before = found.get(prefix + name, getattr(part, name))
            found[prefix + name] = before * (1 - share) + value * share
        found[f"{prefix}num_batches_tracked"] = count

    return note


def _torchax() -> Any:
    """The package, which runs PyTorch's operations as JAX's.

    Raises:
        InputError: it is not there, or not for this PyTorch.
    """
    try:
        import torchax
        import torchax.interop
    except Exception as error:  # of a PyTorch that it does not know it misses names
        import torch

        problem = f"torchax, which runs PyTorch's modules on JAX, cannot be imported beside torch {torch.__version__}: {error}"
        raise InputError(problem, key=KEY, mend=f"{EXTRA} brings the two that fit") from None
    return torchax
