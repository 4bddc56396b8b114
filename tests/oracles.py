"""Independent answers to hold the engine against: plain NumPy loops, optax in a Python loop, closed forms.

Nothing here imports nanmap. Networks are lists of `{"kernel": [inputs, units], "bias": [units]}`, rows lie on the
major axis: everything is written the textbook way, not the engine's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

Layers = list[dict[str, np.ndarray]]
HIDDEN = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


def random_layers(widths: Sequence[int], seed: int, scale: float = 0.5) -> Layers:
    """Kernels and biases that no initialiser of nanmap drew."""
    rng = np.random.default_rng(seed)
    return [
        {"kernel": scale * rng.standard_normal((a, b)), "bias": 0.1 * rng.standard_normal(b)}
        for a, b in pairwise(widths)
    ]


def flat(layers: Layers) -> dict[str, np.ndarray]:
    """The names that an init file and `params` use."""
    return {f"layers.{index}.{name}": values for index, layer in enumerate(layers) for name, values in layer.items()}


# ---- batches -------------------------------------------------------------------------------------------------------


def sliced(order: np.ndarray, batch: int) -> list[np.ndarray]:
    """One epoch: consecutive slices of an order, the last one possibly short."""
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def epoch_means(losses: Sequence[float], batches: Sequence[np.ndarray], per_epoch: int) -> list[float]:
    """Mean batch loss of each epoch, weighted by rows."""
    sizes = np.array([len(rows) for rows in batches], float)
    spans = [slice(start, start + per_epoch) for start in range(0, len(losses), per_epoch)]
    return [float(np.sum(np.array(losses)[span] * sizes[span]) / sizes[span].sum()) for span in spans]


# ---- plain NumPy training ------------------------------------------------------------------------------------------


def forward(
    layers: Layers, x: np.ndarray, activation: str = "tanh"
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Outputs, the inputs of every layer, and its pre-activations."""
    inputs, pre = [x], []
    for index, layer in enumerate(layers):
        pre.append(inputs[-1] @ layer["kernel"] + layer["bias"])
        inputs.append(pre[-1] if index == len(layers) - 1 else HIDDEN[activation][0](pre[-1]))
    return inputs[-1], inputs[:-1], pre


def mse_and_gradient(
    layers: Layers, x: np.ndarray, y: np.ndarray, activation: str = "tanh", clip_output: float | None = None
) -> tuple[float, Layers]:
    """Mean squared error over rows and outputs, and its gradient by hand-written back-propagation."""
    output, inputs, pre = forward(layers, x, activation)
    error = output - y
    back = 2 * error / error.size
    if clip_output is not None:
        back = np.clip(back, -clip_output, clip_output)
    grads: Layers = []
    for index in reversed(range(len(layers))):
        if index < len(layers) - 1:
            back = back * HIDDEN[activation][1](pre[index])
        grads.insert(0, {"kernel": inputs[index].T @ back, "bias": back.sum(axis=0)})
        back = back @ layers[index]["kernel"].T
    return float(np.mean(error**2)), grads


def train_sgd(
    layers: Layers,
    x: np.ndarray,
    y: np.ndarray,
    batches: Iterable[np.ndarray],
    rate: float,
    activation: str = "tanh",
    **options: Any,
) -> tuple[Layers, list[float]]:
    """Stochastic gradient descent on the given batches of rows: the final layers and each batch's loss before its update."""
    losses = []
    for rows in batches:
        loss, grads = mse_and_gradient(layers, x[rows], y[rows], activation, **options)
        losses.append(loss)
        layers = [
            {name: layer[name] - rate * grad[name] for name in layer} for layer, grad in zip(layers, grads, strict=True)
        ]
    return layers, losses


def float32_line(
    x: np.ndarray, y: np.ndarray, kernel: float, bias: float, rate: float, steps: int
) -> dict[str, int | None]:
    """First steps at which full-batch gradient descent on a line meets an infinity and a NaN, every operation in float32."""
    f = np.float32
    x, y, a, b, n, rate = x.astype(f), y.astype(f), f(kernel), f(bias), f(len(x)), f(rate)
    first: dict[str, int | None] = {"inf": None, "nan": None}
    with np.errstate(all="ignore"):
        for step in range(steps):
            error = a * x + b - y
            values = [np.sum(error * error, dtype=f) / n]
            back = f(2) * error / n
            a, b = a - rate * np.sum(back * x, dtype=f), b - rate * np.sum(back, dtype=f)
            for name, test in (("inf", np.isinf), ("nan", np.isnan)):
                if first[name] is None and any(test(value) for value in (*values, a, b)):
                    first[name] = step
            if first["nan"] is not None:
                break
    return first


# ---- optax, alone, in a Python loop --------------------------------------------------------------------------------


def train_optax(
    rule: optax.GradientTransformation, layers: Layers, x: np.ndarray, y: np.ndarray, batches: Iterable[np.ndarray]
) -> Layers:
    """A tanh network trained in float64 on mean squared error by JAX's gradients and a complete optax optimizer."""

    @jax.jit
    def step(params: list, state: Any, x: jax.Array, y: jax.Array) -> tuple[list, Any]:
        updates, state = rule.update(jax.grad(_mse)(params, x, y), state, params)
        return optax.apply_updates(params, updates), state

    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, layers)
        state = jax.jit(rule.init)(params)
        for rows in batches:
            params, state = step(params, state, x[rows], y[rows])
        return jax.tree.map(np.asarray, params)


def _mse(layers: list, x: jax.Array, y: jax.Array) -> jax.Array:
    for layer in layers[:-1]:
        x = jnp.tanh(x @ layer["kernel"] + layer["bias"])
    return jnp.mean((x @ layers[-1]["kernel"] + layers[-1]["bias"] - y) ** 2)


# ---- closed forms --------------------------------------------------------------------------------------------------


def critical_rates(curvature: float, momentum: float) -> dict[str, float]:
    """Largest stable learning rate on a quadratic, from the companion matrix of each rule, |momentum| below 1."""
    return {
        "plain": 2 / curvature,
        "heavy_ball": 2 * (1 + momentum) / curvature,
        "nesterov": min(_nesterov_bounds(momentum)) / curvature,
    }


def _nesterov_bounds(momentum: float) -> Iterator[float]:
    """Where an eigenvalue passes −1, and where a pair of them leaves the circle: trace and determinant of the matrix."""
    if momentum > -0.5:
        yield (2 + 2 * momentum) / (1 + 2 * momentum)
    if momentum < 0:
        yield 1 + 1 / abs(momentum)


def sohl_dickstein(losses: np.ndarray) -> float:
    """The measure of arXiv 2402.06184, section 2, as its notebook computes it (the select done right)."""
    v = np.where(np.isfinite(losses), losses, 1e6)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = np.where(v == v[0], 1, np.clip(v / v[0], None, 1e6))  # a loss of 0 that stays does not change
        return -float(v.sum()) if v[-20:].mean() < 1 else float((1 / v).sum())


# ---- outcomes, cell by cell ----------------------------------------------------------------------------------------


def outcome_of(row: Mapping[str, Any]) -> str:
    """The outcome table, read from top to bottom for one cell."""
    losses = losses_of(row)
    first, final, c = losses[0], losses[4], float(row["loss_constant"])
    lowest = min((each for each in losses if not np.isnan(each)), default=np.inf)
    if row["first_nan_step"] >= 0:
        return "nan"
    if row["ends_infinite"]:
        return "inf"
    if final <= enough_of(row) or row["stopped_by"] == "stop_converged":
        return "converged"
    if row["dead_layer"]:
        return "dead"
    rebound = row["rebound"] * lowest
    if (final > c and final > rebound) or row["stopped_by"] == "stop_above":
        return "diverged"
    if is_rising(row) and (final > row["rising"] * first or final > rebound):
        return "diverged"
    if final < row["falling"] * losses[3] and final <= lowest:
        return "progressing"
    return "stalled"


def cause_of(row: Mapping[str, Any], outcome: str) -> str:
    """The cause table, read from top to bottom for one cell that came to this outcome."""
    first, half, eighty, ninety, final = losses = losses_of(row)
    lowest = min((each for each in losses if not np.isnan(each)), default=np.inf)
    enough, floor, handicap = enough_of(row), float(row["loss_floor"]), row["handicap"]
    if outcome in ("nan", "inf"):
        return str(row["broken_by"])
    if outcome == "converged" and handicap == "precision":
        return "precision"
    if outcome == "converged":
        if is_rising(row) and final > row["rebound"] * lowest and final > 1e-6 * row["loss_constant"]:
            return "rising"
        return "good_start" if first <= enough else ""
    if outcome == "dead":
        return "dead_at_init" if row["dead_at_init"] else "blown_up_then_dead" if final > first else "killed"
    if outcome == "diverged":
        if handicap in ("gradient_ascent", "single_rows"):
            return str(handicap)
        if row["gradient_ratio_initial"] >= 1e3 and row["layers"] > 2:
            return "exploding_gradient"
        before = [each for each in (half, eighty, ninety) if not np.isnan(each)]
        if goes_up_and_down(row) and final < max(before) and final <= 100 * row["loss_constant"]:
            return "bouncing"
        return "rebounded" if final <= first else "steps_too_large"
    with np.errstate(all="ignore"):
        after, before = np.float64(final - floor), np.float64(ninety - floor)
        tail = Fraction(int(row["steps_run"]) - int(row["steps_run"] * Fraction(9, 10)), max(int(row["steps_run"]), 1))
        needed = float(tail) * np.log(after / (enough - floor)) / np.log(before / after)
        late, early = np.float64(ninety - final), np.float64(eighty - ninety)
        rest = 0 < late < 0.9 * early and final - late**2 / (early - late) > enough
    if outcome == "progressing":
        return "too_slow" if needed > 10 else "budget_too_short"
    if handicap in ("gradient_ascent", "precision"):
        return str(handicap)
    if len(set(losses)) == 1 and not was_lower_between(row):
        return "no_movement"
    if handicap == "single_rows":
        return "single_rows"
    if min(first, final) > 1.1 * lowest and final - lowest > (first - lowest) / 2:
        return "rebounded"
    alike = row["output_spread"] < 0.01 and final > 0.97 * row["loss_constant"] and not was_lower_between(row)
    if (
        row["layers"] > 2
        and not row["output_spread"] > 100
        and (row["gradient_ratio"] <= 1e-3 or (alike and row["gradient_ratio_initial"] <= 1e-3))
    ):
        return "vanishing_gradient"
    if alike:
        return "constant_answer"
    if goes_up_and_down(row):
        return "bouncing"
    if falls_at_each_mark(row) and half - final > 1e-6 * final and not rest:
        return "too_slow" if needed > 10 else "budget_too_short"
    return "plateau"


def goes_up_and_down(row: Mapping[str, Any]) -> bool:
    """Whether the loss went up in its last half."""
    _, half, eighty, ninety, final = losses_of(row)
    up, down = row["rising"], row["falling"]
    return was_lower_between(row) or bool(
        final > up * ninety or ninety > up * eighty or eighty > up * half or (ninety < down * eighty and final > ninety)
    )


def was_lower_between(row: Mapping[str, Any]) -> bool:
    """Whether some loss between the marks was below all of them."""
    lowest = min((each for each in losses_of(row) if not np.isnan(each)), default=np.inf)
    return bool(row["loss_best"] < row["falling"] * lowest)


def falls_at_each_mark(row: Mapping[str, Any]) -> bool:
    """Whether each loss is below the one before; marks at one update count are one."""
    counts = [int(row["steps_run"] * Fraction(part, 10)) for part in (0, 5, 8, 9, 10)]
    distinct = list(dict(zip(counts, losses_of(row), strict=True)).values())
    return all(later < earlier for earlier, later in pairwise(distinct))


def losses_of(row: Mapping[str, Any]) -> list[float]:
    """The five losses."""
    return [float(row[name]) for name in ("loss_initial", "loss_at_50", "loss_at_80", "loss_at_90", "loss_final")]


def enough_of(row: Mapping[str, Any]) -> float:
    """At which loss a cell has converged."""
    c, f, ratio = float(row["loss_constant"]), float(row["loss_floor"]), row["ratio"]
    return float(f + ratio * (ratio * c if np.isnan(c - f) else max(c - f, ratio * c)))


def is_rising(row: Mapping[str, Any]) -> bool:
    """Whether the loss rose twice in a row; of marks at one update count the later ones are the same."""
    losses = losses_of(row)
    counts = [int(row["steps_run"] * Fraction(part, 10)) for part in (0, 5, 8, 9)]
    distinct = [loss for count, loss in dict(zip(counts, losses[:4], strict=True)).items()][-2:]
    return all(later > row["rising"] * earlier for earlier, later in pairwise([*distinct, losses[4]]))
