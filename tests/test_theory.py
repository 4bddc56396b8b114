"""Every prediction against something that does not know it: an exact recursion, an enumeration, or the engine itself."""

import sys
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.data import load_rows
from nanmap.plan import Plan, make_sweep
from nanmap.theory import closed_form, predict
from nanmap.theory.facts import Forecaster
from nanmap.theory.linear import LinearProblem, linear_problem
from nanmap.theory.minibatches import (
    in_order_edge,
    lyapunov_exponents,
    mean_square_edge,
    sufficient_rate,
    typical_edge,
)
from nanmap.theory.overflow import initial_errors, overflow_steps
from nanmap.theory.predict import (
    CLIPPING,
    COARSE,
    DATA,
    FLAT,
    FULL_BATCH,
    GROWING_MOMENTUM,
    ILL_CONDITIONED,
    IN_ORDER,
    LAYERS,
    LOSS,
    MINIBATCH,
    MOMENTUM,
    NEAR_ONE,
    NONLINEAR,
    RULE,
    SCHEDULE,
    TOO_LARGE,
    _Descent,
    _mean_square,
    _typical,
)

rng = np.random.default_rng(11)
X = rng.standard_normal((12, 2)) * [1.0, 0.8]
PROBLEM = LinearProblem(np.hstack([X, np.ones((12, 1))]), X @ [[2.0], [-1.0]] + 0.3, 2.0)
GROWING = LinearProblem(np.stack([np.arange(20.0), np.ones(20)], axis=1), np.zeros((20, 1)), 2.0)


def radius(matrix: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def turn(grows: Any, low: float, high: float) -> float:
    """Where a monotone test turns true, by bisection."""
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if grows(middle) else (middle, high)
    return float(np.sqrt(low * high))


def companion(step: float, momentum: float, nesterov: bool) -> np.ndarray:
    """The update of one mode and of the momentum's trace in optax's form; `step` is the rate times the curvature."""
    own, carried = (step * (1 + momentum), step * momentum**2) if nesterov else (step, step * momentum)
    return np.array([[1 - own, -carried], [1, momentum]])


class TestBounds:
    @pytest.mark.parametrize("momentum", [-0.99, -0.9, -0.6, -0.5, -0.4, -1 / 3, -0.2, 0.0, 0.5, 0.9, 0.99])
    def test_momentum_by_its_companion_matrix(self, momentum: float):
        curvature = 3.7
        heavy, nesterov = (
            turn(lambda rate, form=form: radius(companion(rate * curvature, momentum, form)) > 1, 1e-4, 1e3)
            for form in (False, True)
        )
        assert closed_form.heavy_ball(curvature, momentum) == pytest.approx(heavy, rel=1e-9)
        assert closed_form.nesterov(curvature, momentum) == pytest.approx(nesterov, rel=1e-9)
        assert closed_form.descent(curvature, momentum, True) == pytest.approx(nesterov, rel=1e-9)

    @pytest.mark.parametrize("momentum", [-3.0, -1.1, -1.0, 1.0, 1.1, 3.0])
    @pytest.mark.parametrize("form", [False, True])
    def test_momentum_that_no_small_rate_is_stable_with_has_no_bound(self, momentum: float, form: bool):
        """At exactly 1 the heavy ball swings for ever, and Nesterov's form still comes to rest."""
        stable = radius(companion(1e-3, momentum, form)) < 1 - 1e-6
        assert stable == (form and abs(momentum) == 1)
        found = closed_form.descent(2.0, momentum, form)
        assert np.isfinite(found) == stable
        if stable:
            turned = turn(lambda rate: radius(companion(2 * rate, momentum, form)) > 1 + 1e-12, 1e-3, 1e3)
            assert found == pytest.approx(turned, rel=1e-9)

    @pytest.mark.parametrize("b1", [0.0, 0.5, 0.9])
    def test_adam_with_its_preconditioner_held_fixed(self, b1: float):
        hessian = rng.standard_normal((4, 4))
        hessian = hessian @ hessian.T
        scale = np.array([0.5, 2.0, 1.0, 0.1])  # P

        def grows(rate: float) -> bool:
            moment = np.hstack([(1 - b1) * hessian, b1 * np.eye(4)])  # m ← b1·m + (1 − b1)·g
            moved = np.hstack([np.eye(4), np.zeros((4, 4))]) - rate * moment / scale[:, None]
            return radius(np.vstack([moved, moment])) > 1

        sharpness = float(np.linalg.eigvals(hessian / scale[:, None]).real.max())
        assert closed_form.adam(sharpness, b1) == pytest.approx(turn(grows, 1e-4, 1e4), rel=1e-9)


class TestMeanSquare:
    @pytest.mark.parametrize("batch", [1, 2, 3, 5])
    @pytest.mark.parametrize("replacement", [False, True])
    def test_by_enumerating_every_batch(self, batch: int, replacement: bool):
        problem = LinearProblem(PROBLEM.columns[:6], PROBLEM.targets[:6], 2.0)
        batches = list(product(range(6), repeat=batch) if replacement else combinations(range(6), batch))
        hessians = [2 * problem.columns[list(b)].T @ problem.columns[list(b)] / batch for b in batches]

        def grows(rate: float) -> bool:
            steps = np.eye(3) - rate * np.array(hessians)
            return radius(np.einsum("bij,bkl->ikjl", steps, steps).reshape(9, 9) / len(steps)) > 1

        found = mean_square_edge(problem, batch, replacement)
        assert found == pytest.approx(turn(grows, found / 3, found * 3), rel=1e-9)
        assert sufficient_rate(problem, batch) <= found * (1 + 1e-12)

    def test_of_many_parameters_without_writing_the_matrix(self):
        columns = rng.standard_normal((60, 20))
        few = mean_square_edge(LinearProblem(columns[:, :16], columns[:, :1], 1.0), 7, False)
        hessians = np.einsum("ni,nj->nij", columns, columns)
        mean = hessians.mean(axis=0)
        p = (60 - 7) / (7 * 59)
        moments = np.einsum("nij,nkl->ikjl", hessians, hessians).reshape(400, 400) / 60
        d = (1 - p) * np.kron(mean, mean) + p * moments
        c = (np.kron(mean, np.eye(20)) + np.kron(np.eye(20), mean)) / 2
        expected = 2 / float(np.linalg.eigvals(np.linalg.solve(c, d)).real.max())
        assert mean_square_edge(LinearProblem(columns, columns[:, :1], 1.0), 7, False) == pytest.approx(
            expected, rel=1e-6
        )
        assert few > expected  # a part of the parameters is steeper in no direction

    def test_all_rows_at_once_are_gradient_descent(self):
        assert mean_square_edge(PROBLEM, 12, False) == pytest.approx(2 / PROBLEM.sharpness, rel=1e-12)

    def test_a_column_that_repeats_another_changes_nothing(self):
        doubled = np.hstack([X[:, :1], X[:, :1]]) / np.sqrt(2)
        one, two = (LinearProblem(columns, X[:, :1], 2.0) for columns in (X[:, :1], doubled))
        for edge in (lambda p: mean_square_edge(p, 3, False), lambda p: in_order_edge(p, 3)):
            assert edge(two) == pytest.approx(edge(one), rel=1e-6)
        assert typical_edge(two, 3, False) == pytest.approx(typical_edge(one, 3, False), rel=0.02)

    def test_columns_that_depend_on_each_other_count_once(self):
        """A category of two in two columns beside a bias: one direction moves nothing, and rounding must not make it grow."""
        kind = np.arange(12) % 3 == 0
        columns = np.stack([X[:, 0], kind, ~kind, np.ones(12)], axis=1).astype(float)
        left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
        one, two = (LinearProblem(each, X[:, :1], 2.0) for each in (left[:, :3] * sizes[:3], columns))
        for edge in (lambda p: mean_square_edge(p, 3, False), lambda p: in_order_edge(p, 3)):
            assert edge(two) == pytest.approx(edge(one), rel=1e-6)


class TestTypical:
    def test_one_parameter_drawn_one_row_at_a_time_is_a_mean_of_logarithms(self):
        columns = np.array([[0.5], [1.0], [1.7], [2.0]])
        problem = LinearProblem(columns, columns, 2.0)
        rates = np.array([0.2, 0.35, 0.6])
        expected = np.log(np.abs(1 - rates * 2 * columns**2)).mean(axis=0)
        np.testing.assert_allclose(lyapunov_exponents(problem, rates, 1, True), expected, atol=0.02)
        edge = turn(lambda rate: np.log(np.abs(1 - rate * 2 * columns**2)).mean() > 0, 0.3, 3.0)
        assert typical_edge(problem, 1, True) == pytest.approx(edge, rel=0.02)

    def test_shuffled_passes_of_two_rows_are_a_product_over_both_orders(self):
        columns = np.array([[1.0, 0.2], [0.3, 1.5]])
        problem = LinearProblem(columns, columns[:, :1], 2.0)
        steps = lambda rate: [np.eye(2) - rate * 2 * np.outer(row, row) for row in columns]  # noqa: E731
        generator = np.random.default_rng(5)

        def grows(rate: float) -> bool:
            one, two = steps(rate)
            vector, total = np.ones(2), 0.0
            for coin in generator.random(4000) < 0.5:
                vector = one @ two @ vector if coin else two @ one @ vector
                total += np.log(np.linalg.norm(vector))
                vector = vector / np.linalg.norm(vector)
            return total > 0

        found = typical_edge(problem, 1, False)
        assert found == pytest.approx(turn(grows, found / 1.5, found * 1.5), rel=0.03)

    def test_growth_that_comes_and_goes_within_an_octave_is_found(self):
        """Rows of curvature 1 and 5.9, each once in a pass: it grows from 0.53 to 0.64, and not again below 1.17."""
        columns = np.sqrt([[0.5], [2.95]])
        first = np.roots([5.9, -6.9, 2]).min()
        assert typical_edge(LinearProblem(columns, columns, 2.0), 1, False) == pytest.approx(first, rel=1e-3)

    @pytest.mark.parametrize("momentum", [0.9, 0.97, -0.97])
    def test_equal_batches_turn_where_full_batch_descent_does(self, momentum: float):
        problem = LinearProblem(np.ones((4, 1)), np.ones((4, 1)), 2.0)
        assert typical_edge(problem, 2, False, momentum) == pytest.approx(2 * (1 + momentum) / 2.0, rel=0.02)

    def test_of_equal_batches_the_growth_is_exact(self):
        problem = LinearProblem(np.ones((5, 1)), np.ones((5, 1)), 2.0)
        rates = np.array([0.2, 0.9, 1.3])
        for replacement in (False, True):  # of five rows by two: a last batch of one
            found = lyapunov_exponents(problem, rates, 2, replacement)
            np.testing.assert_allclose(found, np.log(np.abs(1 - 2 * rates)), rtol=1e-9)

    def test_the_edge_is_where_the_growth_passes_zero(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(
            "nanmap.theory.minibatches.lyapunov_exponents", lambda _, rates, *__: np.log(rates / 1.2345)
        )
        assert typical_edge(PROBLEM, 2, False) == pytest.approx(1.2345, rel=1e-9)

    def test_a_short_last_batch_is_the_mean_of_its_own_rows(self):
        """Three rows by two: each pass is a pair and a single row, whichever they are."""
        columns, rate = np.array([[0.5], [1.0], [2.0]]), 0.3
        steps = lambda rows: np.log(np.abs(1 - rate * 2 * (columns[list(rows)] ** 2).mean()))  # noqa: E731
        passes = [steps({0, 1, 2} - {single}) + steps({single}) for single in range(3)]
        (found,) = lyapunov_exponents(LinearProblem(columns, columns, 2.0), np.array([rate]), 2, False)
        assert found == pytest.approx(np.mean(passes) / 2, abs=0.02)

    @pytest.mark.parametrize("batch", [1, 2, 5, 10])
    def test_a_typical_run_survives_where_the_mean_square_explodes(self, batch: int):
        assert typical_edge(GROWING, batch, True) > mean_square_edge(GROWING, batch, True)


class TestInOrder:
    @pytest.mark.parametrize("batch", [1, 5, 7])
    @pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.6, False), (0.6, True)])
    def test_by_multiplying_one_pass(self, batch: int, momentum: float, nesterov: bool):
        found = in_order_edge(PROBLEM, batch, momentum, nesterov)

        def passed(rate: float) -> np.ndarray:
            whole = np.eye(6)
            for start in range(0, 12, batch):
                rows = PROBLEM.columns[start : start + batch]
                hessian = 2 * rows.T @ rows / len(rows)
                trace = np.hstack([hessian, momentum * np.eye(3)])
                gradient = np.hstack([hessian, np.zeros((3, 3))])
                step = gradient + momentum * trace if nesterov else trace
                whole = np.vstack([np.hstack([np.eye(3), np.zeros((3, 3))]) - rate * step, trace]) @ whole
            return whole

        assert radius(passed(found * (1 - 1e-5))) < 1 < radius(passed(found * (1 + 1e-5)))

    def test_growth_between_two_rates_that_shrink_is_found(self):
        """Rows of curvature 1 and 5.83: a pass grows from 0.578 to 0.594, between two rates of the first look."""
        columns = np.sqrt([[0.5], [2.915]])
        first = np.roots([5.83, -6.83, 2]).min()
        assert in_order_edge(LinearProblem(columns, columns, 2.0), 1) == pytest.approx(first, rel=1e-5)

    def test_is_not_trusted_where_rounding_decides(self):
        wide = np.stack([np.arange(100.0), np.ones(100)], axis=1)
        problem = LinearProblem(wide, wide[:, :1], 1.0)
        assert np.isnan(in_order_edge(problem, 1))
        assert np.isfinite(in_order_edge(LinearProblem(wide / [99, 1], wide[:, :1], 1.0), 1))


LINE = {
    "data": {"kind": "line", "n": 20, "scale_inputs": "standard"},
    "training": {"steps": 50, "batch_size": 4},
}


def predicted(**tables: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    tree = {name: LINE.get(name, {}) | tables.get(name, {}) for name in LINE | tables}
    config = build_config(tree)
    return {name: (np.isfinite(each.rate), each.absent) for name, each in predict(config, load_rows(config)).items()}


class TestWhatHolds:
    def test_minibatches_have_both_curves_and_full_batches_one(self):
        assert predicted() == {"gd": (False, MINIBATCH), "mean_square": (True, ""), "typical": (True, "")}
        full = predicted(training={"batch_size": 20})
        assert full == {"gd": (True, ""), "mean_square": (False, FULL_BATCH), "typical": (False, FULL_BATCH)}

    def test_batches_in_order_are_not_drawn(self):
        found = predicted(training={"order": "sequential"})
        assert found["mean_square"] == (False, IN_ORDER)
        assert found["typical"] == (True, "")

    def test_momentum_has_no_mean_square_formula(self):
        found = predicted(optimizer={"momentum": 0.5})
        assert found["mean_square"] == (False, MOMENTUM)
        assert found["typical"] == (True, "")

    @pytest.mark.parametrize(("momentum", "factor"), [(0.0, 1.0), (0.5, 1.5), (None, 1.9)])
    def test_the_momentum_of_an_axis_takes_the_place_of_the_configs(self, momentum: float | None, factor: float):
        config = build_config(LINE | {"optimizer": {"momentum": 0.9}, "training": {"steps": 50, "batch_size": 20}})
        rate = predict(config, load_rows(config), momentum)["gd"].rate
        assert rate == pytest.approx(factor, rel=1e-9)  # 2(1 + β)/λ: of a column of variance 1 under mse λ is 2

    @pytest.mark.parametrize(
        ("tables", "reason"),
        [
            ({"model": {"hidden": [3]}}, NONLINEAR),
            ({"model": {"output_activation": "relu"}}, NONLINEAR),
            ({"loss": {"kind": "mae"}}, LOSS),
            ({"optimizer": {"kind": "adam"}}, RULE),
            ({"optimizer": {"clip_value": 1.0}}, CLIPPING),
            ({"optimizer": {"clip_norm": 1.0}}, CLIPPING),
            ({"optimizer": {"clip_output_gradient": 1.0}}, CLIPPING),
            ({"optimizer": {"schedule": "cosine"}}, SCHEDULE),
            ({"optimizer": {"warmup_steps": 1}}, SCHEDULE),
            ({"training": {"dtype": "bfloat16"}}, COARSE),
            ({"model": {"hidden": [3]}, "optimizer": {"kind": "adam"}}, NONLINEAR),
            ({"optimizer": {"layer_learning_rates": [0.1]}}, LAYERS),
        ],
    )
    def test_nothing_else_is_predicted(self, tables: dict[str, Any], reason: str):
        assert set(predicted(**tables).values()) == {(False, reason)}

    @pytest.mark.parametrize("batch", [1, 4, 20])
    @pytest.mark.parametrize("order", ["shuffle", "replacement", "sequential"])
    @pytest.mark.parametrize("scale", [0.0, 1e-200, 1e-160, 1e160])
    def test_no_rate_is_critical_where_the_loss_is_flat_or_steeper_than_floats_hold(
        self, scale: float, order: str, batch: int, npz
    ):
        data = {"kind": "npz", "path": npz(x=scale * X[:, :1], y=X[:, :1])}
        training = {"steps": 3, "batch_size": batch, "order": order}
        config = build_config({"data": data, "model": {"bias": False}, "training": training})
        found = predict(config, load_rows(config)).values()
        assert {(np.isfinite(each.rate), each.absent) for each in found} == {(False, FLAT)}

    @pytest.mark.parametrize("batch", [4, 20])
    @pytest.mark.parametrize(("momentum", "nesterov"), [(1.1, False), (1.1, True), (1.0, False), (-1.0, False)])
    def test_no_rate_is_critical_with_momentum_that_grows_by_itself(self, momentum: float, nesterov: bool, batch: int):
        found = predicted(
            optimizer={"momentum": momentum, "nesterov": nesterov},
            training={"batch_size": batch, "order": "replacement"},
        )
        assert set(found.values()) == {(False, GROWING_MOMENTUM)}

    @pytest.mark.parametrize("order", ["shuffle", "replacement", "sequential"])
    @pytest.mark.parametrize("nesterov", [False, True])
    def test_of_negative_momentum_a_typical_edge_is_found(self, nesterov: bool, order: str):
        """Beside a single long run of the updates: it shrinks below the edge and grows above."""
        tables = {"optimizer": {"momentum": -0.9, "nesterov": nesterov}, "training": {"batch_size": 5, "order": order}}
        config = build_config({name: LINE.get(name, {}) | tables.get(name, {}) for name in LINE | tables})
        rows = load_rows(config)
        columns, edge = linear_problem(config, rows).columns, predict(config, rows)["typical"].rate
        orders = {"shuffle": lambda: rng.permutation(20), "sequential": lambda: np.arange(20)}
        draw = orders.get(order, lambda: rng.integers(20, size=20))
        growth = []
        for rate in (0.9 * edge, 1.1 * edge):
            state, total = np.ones((2, 2)), 0.0  # the error and the momentum's trace
            for batch in np.concatenate([draw().reshape(4, 5) for _ in range(500)]):
                gradient = 2 * columns[batch].T @ (columns[batch] @ state[0]) / 5
                trace = -0.9 * state[1] + gradient
                state = np.stack([state[0] - rate * (gradient - 0.9 * trace if nesterov else trace), trace])
                total += np.log(np.linalg.norm(state))
                state /= np.linalg.norm(state)
            growth.append(total)
        assert growth[0] < 0 < growth[1]

    @pytest.mark.parametrize("array", ["x", "y"])
    def test_rows_with_nan_are_no_problem_of_regression(self, array: str, npz):
        arrays = {"x": X.copy(), "y": X[:, :1].copy()}
        arrays[array][0, 0] = np.nan
        path = npz(**arrays)
        data = {"kind": "npz", "path": path, "missing": "keep"}
        tree = {"data": data, "training": {"steps": 1, "batch_size": 64}}
        config = build_config(tree)
        assert {each.absent for each in predict(config, load_rows(config)).values()} == {DATA}
        assert linear_problem(config, load_rows(config)) is None

    @pytest.mark.parametrize(
        ("n", "batch", "momentum", "nesterov"),
        [(20, 1, 0.9, False), (20, 3, 0.95, False), (20, 1, 0.99, True), (7, 1, 0.9, False), (20, 1, 0.99, False)],
    )
    def test_in_order_with_momentum_the_first_unstable_rate_is_found(self, n, batch, momentum: float, nesterov: bool):
        """Momentum resonates with the order far below the rates that plain descent bears: against powers of a pass."""
        columns = np.stack([np.arange(1.0, n + 1), np.ones(n)], axis=1)
        edge = in_order_edge(LinearProblem(columns, columns[:, :1], 2.0), batch, momentum, nesterov)

        def radius(rate: float) -> float:
            made = np.eye(4)
            for rows in (columns[start : start + batch] for start in range(0, n, batch)):
                hessian, zero, one = 2 * rows.T @ rows / len(rows), np.zeros((2, 2)), np.eye(2)
                trace = np.block([hessian, momentum * one])  # of the error and the trace before
                step = np.hstack([hessian, zero]) + momentum * trace if nesterov else trace
                made = np.vstack([np.hstack([one, zero]) - rate * step, trace]) @ made
            return float(np.abs(np.linalg.eigvals(made)).max())

        assert radius(0.98 * edge) < 1 < radius(1.02 * edge)
        assert all(radius(rate) < 1 for rate in np.geomspace(edge / 50, 0.98 * edge, 60))

    @pytest.mark.parametrize(("n", "batch", "small"), [(1600, 16, 0.01), (160, 16, 0.01), (320, 32, 0.1), (64, 8, 0.1)])
    def test_in_order_batches_that_differ_much_have_an_edge(self, n: int, batch: int, small: float):
        """One parameter, one batch of ones among batches of small rows: a pass multiplies by Π(1 − η·h)."""
        column = np.r_[np.ones(batch), np.full(n - batch, small)][:, None]
        edge = in_order_edge(LinearProblem(column, column, 2.0), batch)
        passed = lambda rate: (1 - 2 * rate) * (1 - 2 * rate * small**2) ** (n / batch - 1)  # noqa: E731
        assert abs(passed(0.99 * edge)) < 1 < abs(passed(1.01 * edge))

    def test_with_momentum_a_typical_edge_of_small_batches_is_found(self):
        """Of 2,000 runs over 1,300 passes, simulated by another program, the mean growth is 0 at 0.0546."""
        column = np.array([-2.477, -1.673, -1.722, 0.297, -3.625, 0.622, -0.914])[:, None]
        found = typical_edge(LinearProblem(column, column, 2.0), 2, False, 0.9)
        assert found == pytest.approx(0.0546, rel=0.02)

    def test_badly_scaled_rows_in_order_say_that_rounding_decides(self):
        found = predicted(
            data={"n": 100, "scale_inputs": "none"},
            training={"order": "sequential", "batch_size": 1, "dtype": "float64"},
        )
        assert found["typical"] == (False, ILL_CONDITIONED)

    @pytest.mark.parametrize(("order", "replacement"), [("shuffle", False), ("replacement", True)])
    def test_each_way_to_draw_has_the_curves_of_its_own(self, order: str, replacement: bool):
        """Two of three rows at once: without replacement the spread of the batches is a quarter of that of single rows."""
        tree = LINE | {"data": LINE["data"] | {"n": 3}, "training": {"steps": 5, "batch_size": 2, "order": order}}
        config = build_config(tree)
        rows = load_rows(config)
        found, columns = predict(config, rows), linear_problem(config, rows).columns
        picked = product(range(3), repeat=2) if replacement else combinations(range(3), 2)
        steps = lambda rate: [  # noqa: E731
            np.eye(2) - rate * columns[list(rows)].T @ columns[list(rows)] for rows in picks
        ]
        picks = list(picked)
        edge = turn(lambda rate: radius(np.mean([np.kron(s, s) for s in steps(rate)], axis=0)) > 1, 0.1, 10.0)
        assert found["mean_square"].rate == pytest.approx(edge, rel=1e-9)
        problem = linear_problem(config, rows)
        assert (
            found["typical"].rate == typical_edge(problem, 2, replacement) != typical_edge(problem, 2, not replacement)
        )

    @pytest.mark.parametrize(
        ("columns", "rows", "order", "momentum", "mean_square", "typical"),
        [
            (64, 99, "shuffle", 0.0, "", ""),
            (65, 99, "shuffle", 0.0, TOO_LARGE, TOO_LARGE),
            (65, 99, "sequential", 0.0, IN_ORDER, TOO_LARGE),
            (1, 8192, "sequential", 0.0, IN_ORDER, ""),
            (1, 8193, "sequential", 0.0, IN_ORDER, TOO_LARGE),
            (1, 8193, "shuffle", 0.0, "", ""),
            (1, 9, "shuffle", 0.99, MOMENTUM, ""),
            (1, 9, "replacement", 0.995, MOMENTUM, NEAR_ONE),
            (1, 9, "shuffle", -0.995, MOMENTUM, NEAR_ONE),
            (1, 9, "sequential", 0.995, IN_ORDER, ""),
        ],
    )
    def test_what_would_take_too_long_is_left_out_and_no_more(
        self,
        columns: int,
        rows: int,
        order: str,
        momentum: float,
        mean_square: str,
        typical: str,
        monkeypatch: pytest.MonkeyPatch,
    ):
        for name in ("mean_square_edge", "typical_edge", "in_order_edge"):
            monkeypatch.setattr(sys.modules[_typical.__module__], name, lambda *_: 1.0)
        problem = LinearProblem(np.ones((rows, columns)), np.ones((rows, 1)), 2.0)
        setting = _Descent(False, 2, order, momentum, False, "float64")
        found = _mean_square(problem, setting), _typical(problem, setting)
        assert [each.absent for each in found] == [mean_square, typical]
        assert [np.isfinite(each.rate) for each in found] == [not mean_square, not typical]

    def test_momentum_very_near_to_one_is_not_simulated(self):
        shuffled = {"order": "shuffle", "batch_size": 4}
        assert predicted(optimizer={"momentum": 0.995}, training=shuffled)["typical"] == (False, NEAR_ONE)

    def test_float32_trusts_less_than_float64(self):
        tables = {"data": {"n": 60, "scale_inputs": "none"}}
        found = [
            predicted(**tables, training={"order": "sequential", "batch_size": 1, "dtype": dtype})["typical"][0]
            for dtype in ("float64", "float32")
        ]
        assert found == [True, False]


class TestOverflow:
    PROBLEM = LinearProblem(np.ones((1, 1)), np.zeros((1, 1)), 2.0)  # λ = 2: at a rate of 1.5 the error doubles

    @pytest.mark.parametrize(("steps", "forecast"), [(65, 64), (64, np.nan)])
    def test_an_overflow_after_the_budget_is_none(self, steps: int, forecast: float):
        """c² 4ᵗ passes 2¹²⁸ at t = 64, the 65th update."""
        found = overflow_steps(self.PROBLEM, np.ones((1, 1)), np.array([1.5]), "float32", steps)
        assert found.tolist() == pytest.approx([forecast], nan_ok=True)

    def test_a_loss_that_is_infinite_at_the_start_overflows_at_once(self):
        assert overflow_steps(self.PROBLEM, np.array([[1e30]]), np.array([1.5]), "float32", 9).tolist() == [0]

    @pytest.mark.parametrize(("error", "step"), [(0.9, 65), (1.1, 64)])
    def test_the_step_is_the_first_whose_loss_is_too_large(self, error: float, step: int):
        found = overflow_steps(self.PROBLEM, np.array([[error]]), np.array([1.5]), "float32", 99)
        assert found.tolist() == [step]
        assert error**2 * 4.0**step >= 2.0**128 > error**2 * 4.0 ** (step - 1)

    def test_the_initial_error_is_measured_from_the_optimum_over_all_outputs(self):
        targets = np.hstack([PROBLEM.targets, -2 * PROBLEM.targets])
        problem = LinearProblem(PROBLEM.columns, targets, 1.0)
        kernel, bias = rng.standard_normal((4, 2, 2)), rng.standard_normal((4, 2, 1))
        best = np.linalg.solve(problem.columns.T @ problem.columns, problem.columns.T @ targets)
        vectors = np.linalg.eigh(problem.columns.T @ problem.columns)[1]
        expected = [
            np.linalg.norm((np.hstack([k, b]) - best.T) @ vectors, axis=0) for k, b in zip(kernel, bias, strict=True)
        ]
        np.testing.assert_allclose(initial_errors(problem, [kernel, bias]), expected, rtol=1e-12)

    @pytest.mark.parametrize(
        ("eigenvalues", "start"),
        [([2.0, 2.0], [0.0, 1.0]), ([2.0, 2.0], [1.0, 0.0]), ([2.0, 2.0], [3.0, 4.0]), ([2.0, 1.9], [1e-12, 1.0])],
    )
    @pytest.mark.parametrize("rate", [1.06, 1.5, 3.0, -0.1])
    def test_a_double_eigenvalue_or_a_start_without_an_error_along_the_top_one(self, eigenvalues, start, rate: float):
        """Against the recursion itself: descent on ½ Σ λ p², one row per parameter."""
        columns = np.diag(np.sqrt(np.array(eigenvalues) * 2))
        problem = LinearProblem(columns, np.zeros((2, 1)), 1.0)
        errors = initial_errors(problem, [np.array([[start]])])
        found = overflow_steps(problem, errors, np.array([rate]), "float64", 100_000)[0]
        p, step = np.array(start), 0
        with np.errstate(over="ignore"):
            while np.isfinite(((columns @ p / np.sqrt(2)) ** 2).sum()):
                p, step = p - rate * np.array(eigenvalues) * p, step + 1
        assert found == step


def test_each_loss_has_a_sharpness_of_its_own() -> None:
    tree = {
        "data": {"kind": "line", "n": 5},
        "model": {"hidden": [2], "activation": "tanh"},
        "training": {"steps": 3, "dtype": "float64"},
    }
    plan = Plan(make_sweep(tree, [{"key": "loss.kind", "values": ["mse", "half_mse"]}]))
    forecaster = Forecaster(always=True)
    whole, half = (
        forecaster.columns(lanes, np.arange(1))["sharpness"][0] for lanes in plan.lanes(plan.grid.cells(np.arange(2)))
    )
    assert half == pytest.approx(whole / 2, rel=1e-9)


def test_a_sweep_whose_first_rows_are_flat_has_a_forecast_for_the_others() -> None:
    """A single row scaled to 0 without a bias moves nothing: no column of theory has a number but its sharpness of 0."""
    tree = {
        "data": {"kind": "square", "scale_inputs": "standard"},
        "model": {"bias": False},
        "training": {"steps": 3, "dtype": "float64"},
    }
    plan = Plan(make_sweep(tree, [{"key": "data.n", "values": [1, 2, 3]}]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(3)))
    found = Forecaster().columns(lanes, np.arange(3))
    assert found["sharpness"].tolist() == [0, pytest.approx(2), pytest.approx(2)]
    assert found["predicted_gd"].tolist() == [pytest.approx(np.nan, nan_ok=True), pytest.approx(1), pytest.approx(1)]
    assert np.isnan([found["predicted_catapult"][0], found["overflow_step_predicted"][0]]).all()
