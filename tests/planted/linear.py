"""Lines through 20 raw points, full batch, kernel 1 at the start: figures of a plain NumPy loop in float32."""

from typing import Any

from .planted import Planted


def line(slope: float, rate: float, steps: int) -> dict[str, Any]:
    """SGD on y = slope * x, x = 0 … 19."""
    return {
        "data": {"kind": "line", "n": 20, "slope": slope},
        "model": {"init": "ones"},
        "optimizer": {"learning_rate": rate},
        "training": {"batch_size": 32, "steps": steps},
    }


def planted(slope: float, rate: float, steps: int, outcome: str, cause: str, why: str) -> Planted:
    """The line, named by its numbers."""
    name = f"line of slope {slope:g} at rate {rate:g}, {steps} updates"
    return Planted(name, line(slope, rate, steps), outcome, cause, why)


LINEAR: tuple[Planted, ...] = (
    planted(2.0, 0.1, 1000, "nan", "overflow", "NaN; first infinite batch loss at step 13"),
    planted(3.0, 0.1, 1000, "nan", "overflow", "NaN; first infinite batch loss at step 13"),
    planted(0.5, 0.1, 1000, "nan", "overflow", "NaN; first infinite batch loss at step 13"),
    planted(1e25, 0.1, 1000, "nan", "start_not_finite", "NaN; first infinite batch loss at step 0"),
    planted(2e25, 0.1, 1000, "nan", "start_not_finite", "NaN; first infinite batch loss at step 0"),
    planted(3e25, 0.1, 1000, "nan", "start_not_finite", "NaN; first infinite batch loss at step 0"),
    planted(2.0, 1000000.0, 1000, "nan", "blown_up_at_once", "NaN; first infinite batch loss at step 3"),
    planted(3.0, 1000000.0, 1000, "nan", "blown_up_at_once", "NaN; first infinite batch loss at step 3"),
    planted(0.5, 1000000.0, 1000, "nan", "blown_up_at_once", "NaN; first infinite batch loss at step 3"),
    planted(2.0, -0.01, 1000, "nan", "gradient_ascent", "NaN; first infinite batch loss at step 33"),
    planted(0.5, -0.01, 1000, "nan", "gradient_ascent", "NaN; first infinite batch loss at step 33"),
    planted(3.0, -0.01, 1000, "nan", "gradient_ascent", "NaN; first infinite batch loss at step 32"),
    planted(
        2.0,
        0.00815,
        200,
        "diverged",
        "steps_too_large",
        "losses at the marks 123.5, 1.719e+04, 3.323e+05, 8.919e+05, 2.394e+06; C 133",
    ),
    planted(
        0.5,
        0.00815,
        200,
        "diverged",
        "steps_too_large",
        "losses at the marks 30.88, 4298, 8.309e+04, 2.23e+05, 5.984e+05; C 8.312",
    ),
    planted(
        3.0,
        0.00815,
        200,
        "diverged",
        "steps_too_large",
        "losses at the marks 494, 6.877e+04, 1.329e+06, 3.568e+06, 9.575e+06; C 299.2",
    ),
    planted(
        2.0,
        -0.0001,
        200,
        "diverged",
        "gradient_ascent",
        "losses at the marks 123.5, 1.673e+04, 3.18e+05, 8.489e+05, 2.266e+06; C 133",
    ),
    planted(
        0.5,
        -0.0001,
        200,
        "diverged",
        "gradient_ascent",
        "losses at the marks 30.88, 4182, 7.951e+04, 2.122e+05, 5.664e+05; C 8.312",
    ),
    planted(
        3.0,
        -0.0001,
        200,
        "diverged",
        "gradient_ascent",
        "losses at the marks 494, 6.691e+04, 1.272e+06, 3.395e+06, 9.062e+06; C 299.2",
    ),
    planted(2.0, 1e-07, 1000, "stalled", "too_slow", "losses at the marks 123.5, 120.5, 118.7, 118.1, 117.5; C 133"),
    planted(0.5, 1e-07, 1000, "stalled", "too_slow", "losses at the marks 30.88, 30.12, 29.67, 29.52, 29.38; C 8.312"),
    planted(3.0, 1e-07, 1000, "stalled", "too_slow", "losses at the marks 494, 481.9, 474.7, 472.4, 470.1; C 299.2"),
    planted(2.0, 1e-13, 1000, "stalled", "no_movement", "losses at the marks 123.5, 123.5, 123.5, 123.5, 123.5; C 133"),
    planted(
        0.5, 1e-13, 1000, "stalled", "no_movement", "losses at the marks 30.88, 30.88, 30.88, 30.88, 30.88; C 8.312"
    ),
    planted(3.0, 1e-13, 1000, "stalled", "no_movement", "losses at the marks 494, 494, 494, 494, 494; C 299.2"),
    planted(
        2.0,
        1.5e-06,
        1000,
        "progressing",
        "budget_too_short",
        "losses at the marks 123.5, 85.07, 68.02, 63.13, 58.6; C 133",
    ),
    planted(
        0.5,
        1.5e-06,
        1000,
        "progressing",
        "budget_too_short",
        "losses at the marks 30.88, 21.27, 17.01, 15.78, 14.65; C 8.312",
    ),
    planted(
        3.0,
        1.5e-06,
        1000,
        "progressing",
        "budget_too_short",
        "losses at the marks 494, 340.3, 272.1, 252.5, 234.4; C 299.2",
    ),
    planted(
        2.0, 2.5e-07, 1000, "progressing", "too_slow", "losses at the marks 123.5, 116.1, 111.8, 110.4, 109.1; C 133"
    ),
    planted(
        0.5, 2.5e-07, 1000, "progressing", "too_slow", "losses at the marks 30.88, 29.02, 27.95, 27.61, 27.27; C 8.312"
    ),
    planted(
        3.0, 2.5e-07, 1000, "progressing", "too_slow", "losses at the marks 494, 464.2, 447.3, 441.7, 436.3; C 299.2"
    ),
    planted(
        2.0, 0.005, 1000, "converged", "", "losses at the marks 123.5, 0.0001084, 2.171e-05, 1.27e-05, 7.433e-06; C 133"
    ),
    planted(
        0.5,
        0.005,
        1000,
        "converged",
        "",
        "losses at the marks 30.88, 2.71e-05, 5.428e-06, 3.176e-06, 1.858e-06; C 8.312",
    ),
    planted(
        3.0,
        0.005,
        1000,
        "converged",
        "",
        "losses at the marks 494, 0.0004336, 8.685e-05, 5.082e-05, 2.973e-05; C 299.2",
    ),
    planted(1.0, 0.005, 1000, "converged", "good_start", "losses at the marks 0, 0, 0, 0, 0; C 33.25"),
    planted(1.0, 1e-05, 1000, "converged", "good_start", "losses at the marks 0, 0, 0, 0, 0; C 33.25"),
    planted(1.0, 0.001, 1000, "converged", "good_start", "losses at the marks 0, 0, 0, 0, 0; C 33.25"),
)
