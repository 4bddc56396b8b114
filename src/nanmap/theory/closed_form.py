"""Critical learning rates in closed form: where one mode of curvature λ turns from shrinking to growing.

All follow from the eigenvalues of the update on a quadratic, a 2 × 2 companion matrix under momentum, and are exact there.
NaN where momentum grows by itself, so that no small rate is stable.
"""

from math import inf, nan


def gradient_descent(sharpness: float) -> float:
    """2/λ: classical.

    >>> gradient_descent(4.0)
    0.5
    """
    return 2 / sharpness


def heavy_ball(sharpness: float, momentum: float) -> float:
    """2(1 + β)/λ, for the form m = β·m + g, θ −= η·m of PyTorch and optax (Polyak 1964), and −1 < β < 1.

    >>> heavy_ball(4.0, 0.5)
    0.75
    """
    return 2 * (1 + momentum) / sharpness if abs(momentum) < 1 else nan


def nesterov(sharpness: float, momentum: float) -> float:
    """(2 + 2β)/((1 + 2β)λ), for optax's form θ −= η·(g + β·m) and −1 ≤ β ≤ 1; below plain descent, unlike the heavy ball.

    There an eigenvalue passes −1, which none does from β = −½ down. A pair of them leaves the circle at (1 − 1/β)/λ where
    β is negative; the lower of the two holds.

    >>> nesterov(4.0, 0.5), nesterov(4.0, -0.5)
    (0.375, 0.75)
    """
    if abs(momentum) > 1:
        return nan
    single = (2 + 2 * momentum) / ((1 + 2 * momentum) * sharpness) if momentum > -0.5 else inf
    pair = (1 - 1 / momentum) / sharpness if momentum < 0 else inf
    return min(single, pair)


def adam(preconditioned_sharpness: float, b1: float = 0.9) -> float:
    """(2 + 2β₁)/((1 − β₁)·λmax(P⁻¹H)), with the preconditioner P = √v̂ + ε held fixed; 38/λmax at β₁ = 0.9.

    Cohen et al., arXiv 2207.14484. P moves with the gradients, so full-batch Adam *settles* where its preconditioned
    sharpness is near this: passing the bound does not mean divergence, and no map draws it as an edge.

    >>> round(adam(1.0), 9)
    38.0
    """
    return (2 + 2 * b1) / ((1 - b1) * preconditioned_sharpness)


def descent(sharpness: float, momentum: float = 0.0, nesterov_form: bool = False) -> float:
    """The bound of the rule at hand: plain descent, heavy ball or Nesterov."""
    if not momentum:
        return gradient_descent(sharpness)
    return nesterov(sharpness, momentum) if nesterov_form else heavy_ball(sharpness, momentum)
