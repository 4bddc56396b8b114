"""Critical learning rates of minibatch descent on a linear model with a squared loss.

The error of the parameters obeys e ← (I − η·H_b)·e + noise, with H_b the mean Hessian of the batch. Three questions have
three answers: is its second moment bounded (mean square), does a typical run come to rest (Lyapunov exponent), and, where
the batches come in a fixed order, does one pass shrink it (spectral radius).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy  # its parts are loaded where they are first used

from nanmap.theory.linear import LinearProblem

DENSE = 16  # up to this many parameters the d² × d² matrix is written out
REPLICAS, STEPS, ALIGNING = 192, 320, 80  # 46,080 counted updates: the edge of a line comes out to about 1 %
SETTLING = 0.3  # momentum settles over 1/(1 − |β|) updates: with it, so many times as many are made and left out
NEAREST_ONE = 0.99  # momentum up to which that is affordable: some seconds for a prediction
NORMALISED = 4  # updates between two normalisations: few enough that nothing overflows
PIECES, OCTAVES = 8, 9  # into so many pieces a bracket is cut; so far above the lowest rate a search goes
MOST_PARAMETERS, MOST_BATCHES = 64, 4096  # beyond, a prediction would cost more than the trainings it explains
AGREEMENT = 0.01  # an edge that the arithmetic moves by more is not trusted


def mean_square_edge(problem: LinearProblem, batch: int, replacement: bool) -> float:
    """The rate up to which the second moment of the error stays bounded, for independent batches.

    η = 2/λmax(C⁺D), C = ½(H⊕H), D = (1 − p)·H⊗H + p·mean(hᵢ⊗hᵢ), with hᵢ the Hessian of a row and
    p = (n − B)/(B(n − 1)), or 1/B with replacement within the batch: Mulayoff & Michaeli, COLT 2024. In the eigenbasis of
    H the operator is made symmetric, C^(−½) D C^(−½), so its largest eigenvalue is well-conditioned.

    >>> columns = np.stack([np.arange(20.0), np.ones(20)], axis=1)
    >>> problem = LinearProblem(columns, columns[:, :1], 2.0)
    >>> [round(mean_square_edge(problem, batch, replacement=False), 8) for batch in (1, 2, 3, 4, 20)]
    [0.00437787, 0.00576186, 0.00644006, 0.00684261, 0.00804943]
    """
    n = problem.n
    p = 1 / batch if replacement else (n - batch) / (batch * max(n - 1, 1))
    rows = problem.active
    size = rows.shape[1]
    values = problem.spectrum[0][-size:]
    root = np.sqrt((values[:, None] + values[None, :]) / 2)
    weight = p * problem.curvature**2 / n

    def apply(flat: np.ndarray) -> np.ndarray:
        moment = flat.reshape(size, size) / root
        moved = (1 - p) * values[:, None] * moment * values
        along = np.einsum("ni,ij,nj->n", rows, moment, rows)
        return ((moved + weight * (rows.T * along) @ rows) / root).ravel()

    if size <= DENSE:
        matrix = np.stack([apply(unit) for unit in np.eye(size * size)])
        return float(2 / np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
    operator = scipy.sparse.linalg.LinearOperator((size * size, size * size), matvec=apply, dtype=np.float64)
    start = np.eye(size).ravel()  # the leading eigenvector is a positive matrix: never orthogonal to this one
    return float(
        2 / scipy.sparse.linalg.eigsh(operator, k=1, which="LA", v0=start, tol=1e-8, return_eigenvectors=False)[0]
    )


def sufficient_rate(problem: LinearProblem, batch: int) -> float:
    """2B/(max‖hᵢ‖ + (B − 1)λ): below it the mean square is bounded. Ma, Bassily & Belkin, arXiv 1712.06559."""
    largest = problem.curvature * float((problem.columns**2).sum(axis=1).max())
    return 2 * batch / (largest + (batch - 1) * problem.sharpness)


def typical_edge(
    problem: LinearProblem, batch: int, replacement: bool, momentum: float = 0.0, nesterov: bool = False
) -> float:
    """The rate at which the Lyapunov exponent of the updates turns positive: a typical run then grows.

    A Monte Carlo estimate from fixed seeds, of shuffled passes (the last short batch kept) or of independent draws, as
    the training at hand does it; the same batches at every rate. It lies above `mean_square_edge`: rare bad batches
    can make the mean square explode while a typical run comes to rest. NaN if no rate is found.
    """
    low = _lowest_rate(problem, batch, momentum) / 2
    steepest = problem.curvature * float((problem.columns**2).sum(axis=1).max())
    below = _octaves_below(low, steepest, momentum)

    def growth(rates: np.ndarray) -> np.ndarray:
        return lyapunov_exponents(problem, rates, batch, replacement, momentum, nesterov)

    # Growth may come and go within an octave: up to the first one that ends in it, all are cut.
    octaves = low * 2.0 ** np.arange(-below, OCTAVES)
    end = int(np.argmax(growth(octaves) > 0))
    found = _first_growth(growth, low * 2.0 ** (np.arange(-below * PIECES, (end - below) * PIECES + 1) / PIECES), 1)
    if found is None:
        return float("nan")
    (low, high), (left, right) = found
    return float(low * (high / low) ** (-left / (right - left)))


def _first_growth(
    growth: Callable[[np.ndarray], np.ndarray], rates: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Two neighbouring rates, the growth at the lower one not above 0 and at the higher one above it, and these growths.

    Between rates that shrink growth may rise and fall again: in the first round what stands beside a maximum is cut, too.

    Args:
        growth: at rates `[rates]`.
        rates: ascending, from one that shrinks on.
        rounds: how often the bracket is cut into `PIECES`.
    """
    known = growth(rates)
    for round in range(rounds + 1):
        first = int(np.argmax(known > 0))
        if not (known > 0).any() or first == 0:
            return None
        rates, known = rates[: first + 1], known[: first + 1]
        if round == rounds:
            break
        cut = _beside_maxima(known) if round == 0 else [first - 1]
        inner = np.concatenate([np.geomspace(rates[at], rates[at + 1], PIECES + 1)[1:-1] for at in cut])
        rates, known = np.append(rates, inner), np.append(known, growth(inner))
        order = np.argsort(rates)
        rates, known = rates[order], known[order]
    return rates[-2:], known[-2:]


def _beside_maxima(known: np.ndarray) -> list[int]:
    """The last interval between rates, and those on both sides of a maximum of what is known at them."""
    top = np.flatnonzero((known[1:-1] > known[:-2]) & (known[1:-1] >= known[2:])) + 1
    return sorted({*(top - 1).tolist(), *top.tolist(), len(known) - 2})


def _lowest_rate(problem: LinearProblem, batch: int, momentum: float) -> float:
    """A rate below the edges of plain descent, and below those that negative momentum brings down as it does 2(1 + β)/λ."""
    return sufficient_rate(problem, batch) * min(1.0, 1 + momentum)


def _octaves_below(low: float, steepest: float, momentum: float) -> int:
    """How many octaves below a rate a search must begin, so that whatever batches come an update contracts there.

    Descent does below 2/h, h the largest curvature of a batch. Momentum adds steps up to 1/(1 − |β|) of them, and where batches
    differ it resonates: unstable rates were seen down to 1.6·(1 − β)/h.
    """
    safe = 2 / steepest * ((1 - abs(momentum)) / 8 if momentum else 1.0)
    return max(0, math.ceil(math.log2(low / safe))) if safe > 0 else 0


def lyapunov_exponents(
    problem: LinearProblem,
    rates: np.ndarray,
    batch: int,
    replacement: bool,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> np.ndarray:
    """Mean growth of the logarithm of the error per update `[rates]`, once it has found its direction."""
    rng = np.random.default_rng(0)
    times = max(1, math.ceil(SETTLING / (1 - abs(momentum))))
    steps, aligning = STEPS * times, ALIGNING * times
    error = np.repeat(rng.standard_normal((REPLICAS, problem.active.shape[1], 1)), len(rates), axis=2)
    velocity = np.zeros_like(error)
    total = np.zeros(len(rates))
    for step, hessians in enumerate(_drawn_hessians(problem, batch, replacement, rng, steps), 1):
        error, velocity = _advance(error, velocity, hessians, rates, momentum, nesterov)
        if step % NORMALISED == 0:
            size = np.sqrt((error**2 + (rates * velocity) ** 2).sum(axis=1, keepdims=True))
            size = np.maximum(size, np.finfo(float).tiny)
            error, velocity = error / size, velocity / size
            total += np.log(size[:, 0]).mean(axis=0) if step > aligning else 0
    return total / (steps - aligning)


def in_order_edge(
    problem: LinearProblem, batch: int, momentum: float = 0.0, nesterov: bool = False, dtype: str = "float64"
) -> float:
    """The first rate at which one pass over the rows in their order, (I − η·H_b)…(I − η·H_1), has spectral radius 1.

    NaN where the answer is not to be trusted: where the product taken in `dtype` puts the edge elsewhere than in extended
    precision. On badly scaled rows a pass first contracts and then expands, and rounding decides what is left.
    """
    exact = _in_order(problem, batch, momentum, nesterov, np.longdouble)
    rounded = _in_order(problem, batch, momentum, nesterov, np.dtype(dtype).type)
    return exact if abs(rounded - exact) <= AGREEMENT * exact else float("nan")


def _in_order(problem: LinearProblem, batch: int, momentum: float, nesterov: bool, kind: Any) -> float:
    low = _lowest_rate(problem, batch, momentum) / 4
    starts = range(0, problem.n, batch)
    steepest = max(_batch_sharpness(problem, start, batch) for start in starts)
    rates = low * 2.0 ** (np.arange(-8 * _octaves_below(low, steepest, momentum), 96) / 8)
    rounding = (
        8 * max(np.finfo(kind).eps, np.finfo(float).eps) * len(starts)
    )  # a pass at a small rate is nearly the identity

    def growth(rates: np.ndarray) -> np.ndarray:
        return _pass_radius(problem, rates, batch, momentum, nesterov, kind) - (1 + rounding)

    found = _first_growth(growth, rates, 5)
    return float("nan") if found is None else float(np.sqrt(found[0].prod()))


def _batch_sharpness(problem: LinearProblem, start: int, batch: int) -> float:
    """λmax of a batch in order."""
    rows = problem.active[start : start + batch]
    return problem.curvature / len(rows) * float(np.linalg.norm(rows, 2)) ** 2


def _pass_radius(
    problem: LinearProblem, rates: np.ndarray, batch: int, momentum: float, nesterov: bool, kind: Any
) -> np.ndarray:
    """Spectral radius of one pass in order `[rates]`, multiplied in the given precision."""
    active = problem.active
    # In the parameters that are trained, so that their rounding is met; a null space would have radius 1 at any rate.
    columns = (problem.columns if active.shape == problem.columns.shape else active).astype(kind)
    size = columns.shape[1]
    unit = np.broadcast_to(np.eye(2 * size, dtype=kind), (len(rates), 2 * size, 2 * size))
    error, velocity = unit[:, :size].copy(), unit[:, size:].copy()  # `[rates, d, 2d]`: a pass from each unit vector
    steps = rates.astype(kind)[:, None, None]
    with np.errstate(all="ignore"):  # far above the edge a pass overflows
        for start in range(0, problem.n, batch):
            rows = columns[start : start + batch]
            hessian = (rows.T @ rows) * kind(problem.curvature) / kind(len(rows))
            error, velocity = _advance(error, velocity, hessian, steps, kind(momentum), nesterov)
        passed = np.concatenate([error, velocity], axis=1).astype(np.float64)
        if not momentum:  # the velocity is forgotten at every step: only the error's block says anything
            passed = passed[:, :size, :size]
        finite = np.asarray(np.isfinite(passed).all(axis=(1, 2)))
        radius = np.abs(np.linalg.eigvals(np.where(finite[:, None, None], passed, 0))).max(axis=1)
    return np.where(finite, radius, np.inf)


def _advance(
    error: np.ndarray,
    velocity: np.ndarray,
    hessians: np.ndarray,
    steps: np.ndarray,
    momentum: Any,
    nesterov: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """One update of the error and of the momentum's trace, both `[…, d, columns]`, in optax's form."""
    gradient = hessians @ error
    if not momentum:
        return error - steps * gradient, velocity
    velocity = momentum * velocity + gradient
    return error - steps * (gradient + momentum * velocity if nesterov else velocity), velocity


def _drawn_hessians(
    problem: LinearProblem, batch: int, replacement: bool, rng: np.random.Generator, steps: int
) -> Iterator[np.ndarray]:
    """Mean Hessians of the batches of so many updates, `[replicas, d, d]` each."""
    order = np.tile(np.arange(problem.n), (REPLICAS, 1))
    place = problem.n
    for _ in range(steps):
        if replacement:
            chosen = rng.integers(problem.n, size=(REPLICAS, batch))
        else:
            if place >= problem.n:
                order, place = rng.permuted(order, axis=1), 0
            chosen = order[:, place : place + batch]
            place += batch
        rows = problem.active[chosen]
        yield np.swapaxes(rows, 1, 2) @ rows * (problem.curvature / chosen.shape[1])
