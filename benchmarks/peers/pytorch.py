"""PyTorch: `torch.func.vmap` over many networks at a time, and one training after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.tasks import Task, forward

Weights = Sequence[np.ndarray]


def vmap(task: Task, lanes: int, threads: int) -> Callable[[], Weights]:
    """`torch.func.vmap` over `grad_and_value`, `lanes` networks at a time, without shuffling: full batch only."""
    import torch
    from torch import func

    activation = torch.tanh if task.workload == "fractal_tanh" else torch.relu
    x, y, rates, *initial = _tensors(*task.rows, task.learning_rates, *task.weights())

    def loss(weights: Any, x: Any, y: Any) -> Any:
        return torch.mean((forward(activation, task.workload, weights, x) - y) ** 2)

    gradients = func.vmap(func.grad_and_value(loss), in_dims=(0, None, None))

    @torch.no_grad()
    def chunk(some: slice) -> Sequence[Any]:
        weights, rate = tuple(each[some] for each in initial), rates[some, :, None, None]
        for _ in range(task.steps):
            gradient, _ = gradients(weights, x, y)
            weights = tuple(w - rate[:, i] * g for i, (w, g) in enumerate(zip(weights, gradient, strict=True)))
        return weights

    def run() -> Weights:
        torch.set_num_threads(threads)
        trained = [chunk(slice(start, start + lanes)) for start in range(0, len(task.cells), lanes)]
        return [torch.cat(each).cpu().numpy() for each in zip(*trained, strict=True)]

    return run


def loop(task: Task, threads: int) -> Callable[[], Weights]:
    """One training after the other with autograd and `torch.optim.SGD`."""
    import torch

    activation = torch.tanh if task.workload == "fractal_tanh" else torch.relu
    x, y, *initial = _tensors(*task.rows, *task.weights())
    program, epochs = task.program, task.steps // task.variant.steps_per_epoch

    def batches() -> Any:
        if program.full_batch:
            return [(x, y)]
        order = (
            torch.randperm(len(x), device=x.device)
            if program.order == "shuffle"
            else torch.arange(len(x), device=x.device)
        )
        return [(x[rows], y[rows]) for rows in order.split(program.batch)]

    def one(cell: int) -> Sequence[np.ndarray]:
        weights = [each[cell].clone().requires_grad_() for each in initial]
        rates = np.repeat(task.learning_rates[cell], len(weights) // len(task.learning_rates[cell]))
        groups = [{"params": [w], "lr": float(rate)} for w, rate in zip(weights, rates, strict=True)]
        optimizer = torch.optim.SGD(groups if len(set(rates)) > 1 else weights, lr=float(rates[0]))
        for _ in range(epochs):
            for some_x, some_y in batches():
                optimizer.zero_grad()
                loss = torch.mean((forward(activation, task.workload, weights, some_x) - some_y) ** 2)
                loss.backward()
                optimizer.step()
        return [w.detach().cpu().numpy() for w in weights]

    def run() -> Weights:
        torch.set_num_threads(threads)
        return [np.stack(each) for each in zip(*map(one, range(len(task.cells))), strict=True)]

    return run


def _tensors(*arrays: np.ndarray) -> Sequence[Any]:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return [torch.from_numpy(each).to(device) for each in arrays]
