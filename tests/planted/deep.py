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
        "{f}",
    ),
    arrays(
        "ten sigmoid layers, noisy rows",
        rows.explained(0.6),
        tree(0.03, 1000, model_hidden=TEN, model_activation="sigmoid"),
        "stalled",
        "vanishing_gradient",
        "{f}",
    ),
    classes(
        "ten sigmoid layers, two classes",
        rows.halves(),
        tree(0.1, 1000, model_hidden=TEN, model_activation="sigmoid"),
        "stalled",
        "vanishing_gradient",
        "{f}",
    ),
    arrays(
        "large tanh kernels, saturated at once", rows.waves(), large(0.05, 200), "stalled", "vanishing_gradient", "{f}"
    ),
    arrays(
        "large tanh kernels, small steps",
        rows.waves(),
        large(0.003, 200),
        "progressing",
        "too_slow",
        "saturated: at this pace far more than ten times as long; {f}",
    ),
    arrays("large tanh kernels, rate 0.3", rows.waves(), large(0.3, 15), "diverged", "exploding_gradient", "{f}"),
    arrays("large tanh kernels, rate 0.2", rows.waves(), large(0.2, 20), "diverged", "exploding_gradient", "{f}"),
    arrays(
        "large tanh kernels, noisy rows, rate 0.3",
        rows.explained(0.6),
        large(0.3, 15),
        "diverged",
        "exploding_gradient",
        "{f}",
    ),
    classes("large tanh kernels, two classes", rows.halves(), large(1.0, 200), "stalled", "vanishing_gradient", "{f}"),
    arrays(
        "ten tanh layers by Adam",
        rows.waves(),
        tree(0.003, 1000, model_hidden=TEN, model_activation="tanh", optimizer_kind="adam"),
        "converged",
        "",
        "{f}",
    ),
)
