"""The first tensor that is not finite: one training per kind of tensor, each held against the same training in NumPy, tensor by tensor."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.engine import LocalEngine
from nanmap.runs.first_tensor import FirstTensor
from nanmap.runs.single import plan_one, train_one

Tensors = Iterator[tuple[str, Any]]
HIDDEN = {
    "linear": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
}
LOSSES: dict[str, Callable] = {
    "mse": lambda error: (error**2, 2 * error),
    "mae": lambda error: (np.abs(error), np.sign(error)),
}
SAME = np.linspace(1, 2, 4)[:, None]


def rows(batch: int, n: int, steps: int) -> Iterator[slice]:
    starts = [slice(first, min(first + batch, n)) for first in range(0, n, batch)]
    yield from (starts[step % len(starts)] for step in range(steps))


def update(layers: list[dict], moments: list, x: np.ndarray, y: np.ndarray, tree: dict, step: int) -> Tensors:
    """One update in NumPy, told tensor by tensor; the layers are changed in place."""
    activation, slope = HIDDEN[tree["model"].get("activation", "relu")]
    yield from [("data", x), ("data", y), *named("parameter", layers)]
    given, pre = [x], []
    for index, layer in enumerate(layers):
        pre.append(given[-1] @ layer["kernel"] + layer["bias"])
        yield f"activation:layers.{index}", pre[-1]
        given.append(activation(pre[-1]) if index < len(layers) - 1 else pre[-1])
    each, pull = LOSSES[tree["loss"]["kind"]](given[-1] - y)
    yield "loss", each.sum() / each.dtype.type(each.size)
    pull = pull / each.dtype.type(each.size)
    yield "gradient:output", pull
    grads: list[dict] = [{} for _ in layers]
    for index in reversed(range(len(layers))):
        pull = pull if index == len(layers) - 1 else pull * slope(pre[index])
        grads[index] = {"kernel": given[index].T @ pull, "bias": pull.sum(0)}
        yield f"gradient:layers.{index}.bias", grads[index]["bias"]
        yield f"gradient:layers.{index}.kernel", grads[index]["kernel"]
        pull = pull @ layers[index]["kernel"].T
    rate, kind = x.dtype.type(tree["optimizer"].get("learning_rate", 0.01)), tree["optimizer"].get("kind", "sgd")
    for layer, grad, moment in zip(layers, grads, moments, strict=True):
        for name in layer:
            move = grad[name]
            if kind == "adam":
                moment[name] = [0.9 * moment[name][0] + 0.1 * move, 0.999 * moment[name][1] + 0.001 * move**2]
                mean, square = moment[name][0] / (1 - 0.9 ** (step + 1)), moment[name][1] / (1 - 0.999 ** (step + 1))
                move = mean / (np.sqrt(square) + 1e-7)
                yield from (("optimizer", each) for each in moment[name])
            yield "optimizer", rate * move
            layer[name] = (layer[name] - rate * move).astype(x.dtype)
    yield from named("parameter", layers)


def named(kind: str, layers: list[dict]) -> Tensors:
    yield from ((f"{kind}:layers.{i}.{name}", layer[name]) for i, layer in enumerate(layers) for name in layer)


def in_numpy(layers: list[dict], x: np.ndarray, y: np.ndarray, tree: dict) -> FirstTensor | None:
    """The first tensor of the whole training that is not finite."""
    kind = np.dtype(tree["training"].get("dtype", "float32"))
    with np.errstate(all="ignore"):
        x, y = x.astype(kind), y.astype(kind).reshape(len(x), -1)
        layers = [{name: values.astype(kind) for name, values in layer.items()} for layer in layers]
        moments: list[dict] = [
            {name: [np.zeros_like(values)] * 2 for name, values in layer.items()} for layer in layers
        ]
        steps = tree["training"]["steps"]
        for step, some in enumerate(rows(tree["training"].get("batch_size", len(x)), len(x), steps)):
            before = [(-1.0, "")]
            for name, values in update(layers, moments, x[some], y[some], tree, step):
                if not np.isfinite(values).all():
                    while before[-1][1] == name:  # arrays of one tensor
                        before.pop()
                    largest = max(before, key=lambda each: each[0])
                    value = "nan" if np.isnan(values).any() else "inf"
                    return FirstTensor(name, step, value, *(largest if largest[0] >= 0 else (None, None)))
                before.append((float(np.abs(values).max()), name))
    return None


def layers_of(*kernels: Any) -> list[dict]:
    made = [np.array(kernel, float) for kernel in kernels]
    return [{"kernel": kernel, "bias": np.zeros(kernel.shape[1])} for kernel in made]


GROWING = {"loss": {"kind": "mae"}, "optimizer": {"learning_rate": 3e5}}
CASES: dict[str, tuple[str, list[dict], Any, Any, dict]] = {
    "a value that is missing": (
        "data", layers_of([[1.0]]), np.where(np.arange(4)[:, None] == 2, np.nan, SAME), SAME,
        {"model": {}, "loss": {"kind": "mse"}, "training": {"steps": 3}},
    ),
    "a value beyond float32": (
        "data", layers_of([[1.0]]), 1e39 * SAME, SAME,
        {"model": {}, "loss": {"kind": "mse"}, "training": {"steps": 3}},
    ),
    "depth multiplies, whatever the loss": (
        "activation:layers.1", layers_of([[3.0]], [[3.0]], [[3.0]], [[3.0]]), SAME, 0 * SAME + 1,
        GROWING | {"model": {"hidden": [1, 1, 1], "activation": "linear"}, "training": {"steps": 9, "batch_size": 2, "order": "sequential"}},
    ),
    "the square of 1e200": (
        "loss", layers_of([[1.0]]), SAME, 1e200 * SAME,
        {"model": {}, "loss": {"kind": "mse"}, "training": {"steps": 3, "dtype": "float64"}},
    ),
    "0 · ∞ on the way back": (
        "gradient:layers.0.bias", layers_of([[60.0, 60.0]], [[1e25], [-1e25]]), SAME, 1e14 * SAME,
        {"model": {"hidden": [2], "activation": "tanh"}, "loss": {"kind": "mse"}, "training": {"steps": 3}},
    ),
    "a gradient beyond float32": (
        "gradient:layers.1.kernel", layers_of([[1e28]], [[1e-20]]), 4 * SAME, 1e18 * SAME,
        {"model": {"hidden": [1]}, "loss": {"kind": "mse"}, "training": {"steps": 3}},
    ),
    "Adam's second moment": (
        "optimizer", layers_of([[1.0]]), 1e25 * SAME, SAME,
        {"model": {}, "loss": {"kind": "mae"}, "optimizer": {"kind": "adam"}, "training": {"steps": 3}},
    ),
    "a rate that makes the step infinite": (
        "optimizer", layers_of([[1.0]]), 1e10 * SAME, SAME,
        {"model": {}, "loss": {"kind": "mae"}, "optimizer": {"learning_rate": 1e30}, "training": {"steps": 3}},
    ),
    "a step that is finite, and its sum is not": (
        "parameter:layers.0.kernel", layers_of([[3e38]]), [[0.0], [1.0]], [[0.0], [0.0]],
        {"model": {}, "loss": {"kind": "mae"}, "optimizer": {"learning_rate": -2e38}, "training": {"steps": 3}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_first_tensor_is_the_one_that_numpy_meets_first(case: tuple, npz: Callable, engine: LocalEngine) -> None:
    name, layers, x, y, given = case
    flat = {f"layers.{i}.{key}": values for i, layer in enumerate(layers) for key, values in layer.items()}
    tree = {"optimizer": {"learning_rate": 0.01}} | given
    start = {"init": "file", "init_file": npz(**flat)}
    data = {"kind": "npz", "path": npz(x=x, y=y), "missing": "keep"}
    report = train_one(build_config(tree | {"data": data, "model": {**given["model"], **start}}), engine=engine)
    found, expected = report.first_tensor, in_numpy(layers, np.asarray(x), np.asarray(y), tree)
    assert found is not None
    assert expected is not None
    assert (found.name, found.step, found.value, found.largest_in) == (
        name, expected.step, expected.value, expected.largest_in,
    )  # fmt: skip
    assert expected.name == name
    assert found.largest_before == (expected.largest_before and pytest.approx(expected.largest_before, rel=1e-5))


SGD = {"kind": "sgd", "learning_rate": 0.01}
X = np.linspace(-1, 1, 12)[:, None].repeat(2, 1)


def of(tree: dict, engine: LocalEngine, npz: Callable, x: Any = X, y: Any = X[:, :1]) -> Any:
    """The report of a training on arrays."""
    data = {"kind": "npz", "path": npz(x=x, y=y), "missing": "keep"}
    return train_one(build_config({"optimizer": SGD, "data": data} | tree), engine=engine)


def test_variances_of_batch_norm_overflow_where_no_activation_does(engine: LocalEngine, npz: Callable) -> None:
    """(1e25)² is no float32; what is divided by its root is 0. The step, by an infinite rate, comes later."""
    model = {"hidden": [2], "norm": "batch", "init": "glorot_uniform"}
    tree = {"model": model, "loss": {"kind": "mae"}, "training": {"steps": 2}, "optimizer": {"learning_rate": 1e39}}
    found = of(tree, engine, npz, x=1e25 * X).first_tensor
    assert (found.name, found.step, found.value) == ("statistics:layers.0.running_variance", 0, "inf")
    assert (found.largest_in, found.largest_before) == ("data", pytest.approx(1e25))


def test_a_gradient_of_the_outputs_is_looked_at_before_it_is_clipped(engine: LocalEngine, npz: Callable) -> None:
    """In float16 the loss is summed in float32, its gradient 2·5e4 is beyond 65504; the clip makes 2 of it."""
    tree = {
        "model": {"init": "zeros"}, "training": {"steps": 3, "dtype": "float16", "batch_size": 1, "order": "sequential"},
        "optimizer": SGD | {"clip_output_gradient": 2.0, "learning_rate": 6e4},
    }  # fmt: skip
    report = of(tree, engine, npz, y=np.full(12, 5e4))
    assert (report.row["first_inf_step"], report.first_tensor.name) == (0, "gradient:output")


def test_a_loss_that_is_infinite_over_all_rows_alone_is_told_of_the_last_update(
    engine: LocalEngine, npz: Callable
) -> None:
    tree = {"optimizer": SGD | {"learning_rate": 1e20}, "training": {"steps": 1}}
    report = of(tree, engine, npz)
    assert report.row["first_inf_step"] == 0
    assert (report.first_tensor.name, report.first_tensor.largest_in) == ("loss", "activation:layers.0")
    assert report.first_tensor.largest_before == pytest.approx(np.abs(X @ report.params["layers.0.kernel"]).max(), 1e-5)


def test_an_optimizer_that_froze_is_found_within_its_epoch_though_no_row_tells(
    engine: LocalEngine, npz: Callable
) -> None:
    """From row 7 on Adam's second moment is infinite: every later step is 0, and nothing else ever is no number."""
    x = np.ones((12, 1))
    x[7] = 1e25
    tree = {
        "loss": {"kind": "mae"}, "optimizer": {"kind": "adam", "learning_rate": 1e-3}, "model": {"init": "zeros"},
        "training": {"epochs": 3, "batch_size": 1, "order": "sequential"},
    }  # fmt: skip
    report = of(tree, engine, npz, x=x, y=np.ones(12))
    assert (report.row["first_inf_step"], report.row["first_nan_step"]) == (None, None)
    found = report.first_tensor
    assert (found.name, found.step, found.value, found.largest_in) == ("optimizer", 7, "inf", "data")
    assert found.largest_before == pytest.approx(1e25)


def test_what_stays_finite_has_no_first_tensor(engine: LocalEngine, npz: Callable) -> None:
    assert of({"training": {"steps": 4}}, engine, npz).first_tensor is None


@pytest.mark.parametrize("order", ["shuffle", "replacement"])
def test_a_training_that_is_resumed_has_the_bits_of_one_that_is_followed(
    order: str, engine: LocalEngine, npz: Callable
) -> None:
    tree = {
        "data": {"kind": "npz", "path": npz(x=X, y=X[:, :1])}, "model": {"hidden": [3]}, "optimizer": {"kind": "adam"},
        "training": {"epochs": 4, "batch_size": 5, "order": order},
    }  # fmt: skip
    plan = plan_one(build_config(tree))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
    start, *epochs = engine.follow(lanes)
    first, second, *_ = epochs
    middle = engine.resume(lanes, start, first.stop + 1)
    again = engine.resume(lanes, middle, second.stop)
    for name in ("parameters", "optimizer", "events"):
        jax.tree.map(np.testing.assert_array_equal, getattr(again.state, name), getattr(second.state, name))
    assert not np.array_equal(middle.state.parameters[0]["kernel"], first.state.parameters[0]["kernel"])


def own_net() -> tuple[Callable, Callable]:
    def init(key: Any, x: Any) -> dict:
        return {"inner": {"w": np.zeros((2, 3), np.float32)}, "outer": np.full(3, 1e25, np.float32)}

    return init, lambda parameters, x: (x @ parameters["inner"]["w"]) @ parameters["outer"]


def test_a_network_of_the_users_own_is_told_by_the_names_of_its_tree(engine: LocalEngine) -> None:
    """Outputs are 0, so is the gradient of `outer`; that of `inner.w` is a mean of ±1e15 · 1e25, beyond float32."""
    found = nanmap.run(model=own_net, x=1e15 * X, y=np.ones(12), loss="mae", steps=2, engine=engine).first_tensor
    assert found is not None
    assert (found.name, found.step, found.largest_in) == ("gradient:inner.w", 0, "parameter:outer")
    assert found.largest_before == pytest.approx(1e25)
