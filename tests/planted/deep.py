"""Ten hidden layers of 16 units."""

from . import rows
from .planted import Planted
from .trees import TEN, Tree, arrays, classes, tree


def large(rate: float, steps: int) -> Tree:
    """Tanh layers whose kernels are 20 times too large."""
    return tree(rate, steps, model_hidden=TEN, model_activation="tanh", model_init_scale=20.0)


DEEP: tuple[Planted, ...] = (
    arrays(
        "ten sigmoid layers",
        rows.waves(),
        tree(0.1, 1000, model_hidden=TEN, model_activation="sigmoid"),
        "stalled",
        "vanishing_gradient",
        "losses 0.783, 0.782, 0.782, 0.782, 0.782; C 0.782; spread 2.47e-07; gradients 9.15e-06, 1.89",
    ),
    arrays(
        "ten sigmoid layers, noisy rows",
        rows.explained(0.6),
        tree(0.03, 1000, model_hidden=TEN, model_activation="sigmoid"),
        "stalled",
        "vanishing_gradient",
        "losses 1, 1, 1, 1, 1; C 1; spread 2.5e-07; gradients 8.71e-06, 2.46",
    ),
    classes(
        "ten sigmoid layers, two classes",
        rows.halves(),
        tree(0.1, 1000, model_hidden=TEN, model_activation="sigmoid"),
        "stalled",
        "vanishing_gradient",
        "losses 0.692, 0.688, 0.688, 0.688, 0.688; C 0.688; spread 4.87e-07; gradients 4.39e-06, 1.85",
    ),
    arrays(
        "large tanh kernels, rate 0.3",
        rows.waves(),
        large(0.3, 15),
        "diverged",
        "exploding_gradient",
        "losses 1.19e+03, 1.03e+07, 1.14e+13, 2.74e+14, 3.93e+17; C 0.782; spread 3.11e+08; gradients 1.03e+03, 0",
    ),
    arrays(
        "large tanh kernels, rate 0.2",
        rows.waves(),
        large(0.2, 20),
        "diverged",
        "exploding_gradient",
        "losses 1.19e+03, 8.26e+04, 1.88e+09, 9.04e+10, 6.69e+12; C 0.782; spread 2.92e+06; gradients 1.03e+03, 0",
    ),
    arrays(
        "large tanh kernels, noisy rows, rate 0.3",
        rows.explained(0.6),
        large(0.3, 15),
        "diverged",
        "exploding_gradient",
        "losses 1.25e+03, 1.39e+09, 7.1e+17, 5.64e+19, 3.55e+23; C 1; spread 2.2e+11; gradients 1.35e+03, 0",
    ),
    arrays(
        "ten tanh layers by Adam",
        rows.waves(),
        tree(0.003, 1000, model_hidden=TEN, model_activation="tanh", optimizer_kind="adam"),
        "converged",
        "",
        "losses 0.569, 0.00102, 0.000503, 0.000323, 0.000266; C 0.782",
    ),
)
