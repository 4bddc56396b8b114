"""Predictions against the engine: edges of minibatch descent, sharpness of networks, the step of the overflow."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nanmap.config import build_config
from nanmap.data import load_rows
from nanmap.plan import Plan, make_sweep
from nanmap.theory import closed_form, linear_problem
from nanmap.theory.facts import _catapult
from nanmap.theory.minibatches import mean_square_edge, typical_edge
from nanmap.theory.sharpness import _largest, lanczos
from oracles import random_layers

rng = np.random.default_rng(21)
X = np.linspace(-1.5, 1.5, 16)[:, None]  # a well-conditioned line: λ₂/λ₁ = 0.85
Y = 0.7 * X - 0.2
BATCHES = [1, 4, 15]


def line(path: str, **training: Any) -> dict[str, Any]:
    return {
        "data": {"kind": "npz", "path": path},
        "model": {"init": "normal", "bias_init": "normal"},
        "training": {"dtype": "float64", **training},
    }


def losses(columns, tree: dict[str, Any], rates: np.ndarray, seeds: int) -> dict[str, np.ndarray]:
    """The engine's facts, `[rates, seeds]`."""
    axes = [
        {"key": "training.seed", "range": [0, seeds]},
        {"key": "optimizer.learning_rate", "values": rates.tolist()},
    ]
    return {name: values.reshape(seeds, -1).T for name, values in columns(tree, axes).items() if values.ndim == 1}


@pytest.mark.parametrize(
    ("batch", "order"),
    [(1, "shuffle"), (3, "shuffle"), (15, "shuffle"), (1, "replacement"), (4, "replacement")],
)
def test_typical_runs_turn_where_the_lyapunov_exponent_does(batch: int, order: str, npz, columns) -> None:
    """The median run of 12: the logarithm of its loss falls below the edge and rises above."""
    tree = line(npz(x=X, y=Y), steps=1000, batch_size=batch, order=order)
    config = build_config(tree)
    predicted = typical_edge(linear_problem(config, load_rows(config)), batch, order == "replacement")
    rates = predicted * np.array([0.95, 1.05])
    found = losses(columns, tree, rates, 12)
    with np.errstate(divide="ignore"):
        drift = np.median(np.log(found["loss_final"] / found["loss_initial"]), axis=1)
    blown = (found["first_inf_step"] >= 0).mean(axis=1)
    assert drift[0] < 0
    assert drift[1] > 0 or blown[1] > 0.5


@pytest.mark.parametrize("batch", BATCHES)
def test_the_mean_over_many_runs_follows_the_recursion_whose_edge_is_the_mean_square_one(
    batch: int, npz, columns
) -> None:
    """Second moments are heavy-tailed, so: 3,072 runs, a short horizon, and the exact recursion beside them.

    The recursion says what the mean loss over all draws is after `steps` updates; its spectral radius is 1 at the
    predicted edge. The runs' mean must agree with it at the edge to within its own scatter.
    """
    steps, seeds = 2, 3072
    tree = line(npz(x=X, y=Y), steps=steps, batch_size=batch, order="replacement")
    tree["model"] = {"init": "zeros"}
    config = build_config(tree)
    problem = linear_problem(config, load_rows(config))
    edge = mean_square_edge(problem, batch, True)
    step = lambda moment, rate: _second_moment(problem.columns, moment, rate, batch)  # noqa: E731
    matrix = lambda rate: np.stack([step(unit.reshape(2, 2), rate).ravel() for unit in np.eye(4)], axis=1)  # noqa: E731
    assert max(abs(np.linalg.eigvals(matrix(0.95 * edge)))) < 1 < max(abs(np.linalg.eigvals(matrix(1.05 * edge))))
    found = losses(columns, tree, np.array([edge]), seeds)
    final = found["loss_final"][0]
    moment = np.outer([0.7, -0.2], [0.7, -0.2])  # of θ₀ − θ*, from θ₀ = 0
    for _ in range(steps):
        moment = step(moment, edge)
    expected = np.einsum("ni,ij,nj->n", problem.columns, moment, problem.columns).mean()
    scatter = final.std() / np.sqrt(seeds)
    assert final.mean() == pytest.approx(expected, abs=4 * scatter)
    assert scatter < 0.05 * expected


def _second_moment(columns: np.ndarray, moment: np.ndarray, rate: float, batch: int) -> np.ndarray:
    """E (I − ηH_b) M (I − ηH_b), b drawn with replacement: by the moments of a mean of independent matrices."""
    each = 2 * np.einsum("ni,nj->nij", columns, columns)
    mean = each.mean(axis=0)
    squared = np.einsum("nij,jk,nkl->il", each, moment, each) / len(each)
    spread = squared / batch + (1 - 1 / batch) * mean @ moment @ mean
    return moment - rate * (mean @ moment + moment @ mean) + rate**2 * spread


class TestSharpness:
    TREE: ClassVar = {
        "data": {"kind": "gaussian", "n": 24, "features": 3},
        "model": {"hidden": [5], "activation": "tanh", "init": "normal", "gain": 1.3},
        "optimizer": {"learning_rate": 0.05},
        "training": {"steps": 3000, "batch_size": 24, "dtype": "float64"},
        "record": {"sharpness": True},
    }

    def test_is_the_largest_eigenvalue_of_the_whole_hessian(self, grid) -> None:
        (row,) = grid(self.TREE | {"training": self.TREE["training"] | {"steps": 1}}, []).to_pylist()
        config = build_config(self.TREE)
        rows = load_rows(config)
        with jax.enable_x64(True):
            from nanmap.training.program import program_of

            layers = [
                {name: each[0] for name, each in layer.items()}
                for layer in program_of(config, rows).model.draw(config.model, np.array([0]))[0]
            ]
            flat, rebuild = jax.flatten_util.ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), layers))

            def loss(vector: jax.Array) -> jax.Array:
                first, second = rebuild(vector)
                hidden = jnp.tanh(1.3 * (rows.inputs @ first["kernel"] + first["bias"]))
                return jnp.mean((hidden @ second["kernel"] + second["bias"] - rows.targets) ** 2)

            dense = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(flat))
        assert row["sharpness"] == pytest.approx(dense[-1], rel=1e-9)
        assert row["predicted_catapult"] == pytest.approx(2 / dense[-1], rel=1e-9)
        assert row["predicted_gd"] is None

    @pytest.mark.parametrize(("beside", "resolved"), [([1.0, 0.5, 1e-3], True), ([1.0, 0.5, 2.0], False)])
    def test_one_that_lanczos_has_not_resolved_is_none(self, beside: list[float], resolved: bool) -> None:
        """The residual is the last entry beside the diagonal times the last one of the eigenvector."""
        matrix = np.diag([3.0, 2.0, 1.0]) + np.diag(beside[:2], 1) + np.diag(beside[:2], -1)
        (found,) = _largest(np.array([[3.0, 2.0, 1.0]]), np.array([beside]))
        assert found == (
            pytest.approx(np.linalg.eigvalsh(matrix)[-1]) if resolved else pytest.approx(np.nan, nan_ok=True)
        )

    @pytest.mark.parametrize(("share", "resolved"), [(0.009, True), (0.011, False)])
    def test_a_residual_of_more_than_a_hundredth_is_not_resolved(self, share: float, resolved: bool) -> None:
        last = np.linalg.eigh(np.array([[3.0, 1.0], [1.0, 2.0]]))[1][1, 1]
        top = (5 + 5**0.5) / 2
        (found,) = _largest(np.array([[3.0, 2.0]]), np.array([[1.0, share * top / abs(last)]]))
        assert found == pytest.approx(top if resolved else np.nan, nan_ok=True)

    def test_where_all_curvature_is_negative_so_is_the_largest(self) -> None:
        """A space that is exhausted after two vectors: what stands behind them is no part of it."""
        (found,) = _largest(np.array([[-3.0, -2.0, 7.0]]), np.array([[1.0, 0.0, 5.0]]))
        assert found == pytest.approx((-5 + 5**0.5) / 2)

    def test_what_is_not_finite_is_no_sharpness_and_spoils_no_other(self) -> None:
        diagonal = np.array([[3.0, 2.0], [np.nan, 2.0], [3.0, 2.0]])
        beside = np.array([[1.0, 0.0], [1.0, 0.0], [np.inf, 0.0]])
        assert _largest(diagonal, beside) == pytest.approx([(5 + 5**0.5) / 2, np.nan, np.nan], nan_ok=True)

    @pytest.mark.parametrize(
        ("optimizer", "rate"),
        [({}, 0.5), ({"momentum": 0.9}, None), ({"kind": "adam"}, None), ({"clip_norm": 1.0}, None)],
    )
    def test_a_catapult_is_predicted_for_plain_descent_alone(self, optimizer: dict, rate: float | None) -> None:
        plan = Plan(make_sweep(self.TREE | {"optimizer": optimizer}, []))
        (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
        (found,) = _catapult(lanes, np.array([0]), np.array([4.0]))
        assert found == pytest.approx(np.nan if rate is None else rate, nan_ok=True)

    def test_under_batch_norm_it_is_that_of_the_training_loss(self, grid) -> None:
        """Moments of the rows themselves, differentiated too, over what is trained: no running statistics."""
        tree = self.TREE | {"model": self.TREE["model"] | {"norm": "batch"}}
        (row,) = grid(tree | {"training": self.TREE["training"] | {"steps": 1}}, []).to_pylist()
        config = build_config(tree)
        rows = load_rows(config)
        with jax.enable_x64(True):
            from nanmap.models.norm import EPSILON
            from nanmap.training.program import program_of

            layers = [
                {name: each[0] for name, each in layer.items()}
                for layer in program_of(config, rows).model.draw(config.model, np.array([0]))[0]
            ]
            flat, rebuild = jax.flatten_util.ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, float), layers))

            def loss(vector: jax.Array) -> jax.Array:
                first, second = rebuild(vector)
                z = rows.inputs @ first["kernel"] + first["bias"]
                z = (z - z.mean(axis=0)) / jnp.sqrt(z.var(axis=0) + EPSILON["batch"])
                hidden = jnp.tanh(1.3 * (z * first["scale"] + first["offset"]))
                return jnp.mean((hidden @ second["kernel"] + second["bias"] - rows.targets) ** 2)

            dense = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(flat))
        assert row["sharpness"] == pytest.approx(dense[-1], rel=1e-9)

    def test_training_brings_it_to_the_edge_of_stability(self, grid) -> None:
        """Cohen et al., arXiv 2103.00065: full-batch descent settles where λmax ≈ 2/η."""
        tree = self.TREE | {"optimizer": {"learning_rate": 0.3}}
        rows = grid(tree, [{"key": "training.seed", "range": [0, 6]}]).to_pylist()
        finals = [row["sharpness_final"] for row in rows if row["outcome"] != "nan"]
        assert len(finals) >= 3
        assert np.median(finals) == pytest.approx(2 / 0.3, rel=0.15)

    def test_only_the_start_where_only_that_is_asked_for(self, grid) -> None:
        tree = self.TREE | {"record": {"sharpness": "start"}, "training": self.TREE["training"] | {"steps": 2}}
        (row,) = grid(tree, []).to_pylist()
        assert row["sharpness"] > 0
        assert row["sharpness_final"] is None

    def test_of_a_run_that_met_a_nan_is_missing_at_the_end(self, grid) -> None:
        (row,) = grid(self.TREE | {"optimizer": {"learning_rate": 1e6}, "model": {"hidden": [4]}}, []).to_pylist()
        assert row["outcome"] == "nan"
        assert row["sharpness"] > 0
        assert row["sharpness_final"] is None

    def test_a_cell_alone_has_the_bits_of_a_cell_in_a_crowd(self, grid) -> None:
        tree = self.TREE | {"training": self.TREE["training"] | {"steps": 5}}
        crowd = grid(tree, [{"key": "training.seed", "range": [0, 20]}]).to_pylist()
        alone = grid(tree, [{"key": "training.seed", "values": [17]}]).to_pylist()
        assert [crowd[17][name] for name in ("sharpness", "sharpness_final")] == [
            alone[0][name] for name in ("sharpness", "sharpness_final")
        ]

    def test_lanczos_stops_in_an_exhausted_space(self) -> None:
        with jax.enable_x64(True):
            diagonal, beside = lanczos(lambda v: jnp.array([3.0, 3.0, 1.0, 1.0, 1.0]) * v, 5, "float64")
            diagonal, beside = np.asarray(diagonal), np.asarray(beside)
        assert beside[1] < 1e-12
        top = np.linalg.eigvalsh(np.diag(diagonal[:2]) + np.diag(beside[:1], 1) + np.diag(beside[:1], -1))
        np.testing.assert_allclose(top, [1, 3], atol=1e-12)


class TestAdam:
    def test_the_preconditioned_sharpness_settles_at_the_bound(self) -> None:
        """Cohen et al., arXiv 2207.14484: λmax(P⁻¹H) ≈ 38/η under full-batch Adam. Not a divergence: the loss falls."""
        rate, steps, b2 = 3e-3, 6000, 0.99
        generator = np.random.default_rng(0)
        x, y = generator.standard_normal((32, 4)), generator.standard_normal((32, 1))
        rule = optax.adam(rate, b2=b2, eps=1e-7)
        with jax.enable_x64(True):
            flat, rebuild = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, random_layers([4, 24, 1], 3)))

            def loss(vector: jax.Array) -> jax.Array:
                one, two = rebuild(vector)
                hidden = jnp.tanh(x @ one["kernel"] + one["bias"])
                return jnp.mean((hidden @ two["kernel"] + two["bias"] - y) ** 2)

            def step(_: int, carry: tuple) -> tuple:
                vector, state = carry
                update, state = rule.update(jax.grad(loss)(vector), state)
                return vector + update, state

            end, state = jax.jit(lambda carry: jax.lax.fori_loop(0, steps, step, carry))((flat, rule.init(flat)))
            scale = np.sqrt(np.asarray(state[0].nu) / (1 - b2**steps)) + 1e-7
            hessian = np.asarray(jax.jit(jax.hessian(loss))(end))
            fell = float(loss(end)) / float(loss(flat))
        sharpness = float(np.linalg.eigvals(hessian / scale[:, None]).real.max())
        assert fell < 0.3
        assert rate == pytest.approx(closed_form.adam(sharpness), rel=0.3)


class TestOverflow:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_the_first_infinity_comes_at_the_forecast_step(self, dtype: str, grid) -> None:
        tree = {
            "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
            "model": {"init": "glorot_uniform"},
            "training": {"steps": 600, "batch_size": 32, "dtype": dtype},
        }
        axes = [
            {"key": "training.seed", "range": [0, 5]},
            {"key": "optimizer.learning_rate", "log": [0.002, 30.0], "num": 30},
        ]
        rows = grid(tree, axes).to_pylist()
        steps = [(row["first_inf_step"], row["overflow_step_predicted"]) for row in rows]
        both = [(seen, told) for seen, told in steps if seen is not None and told is not None]
        assert len(both) > 60
        assert all(abs(seen - told) <= 1 for seen, told in both)
        assert sum((seen is None) != (told is None) for seen, told in steps) <= 2, "only at the very end of the budget"

    def test_the_keras_thread_overflows_where_it_says(self, grid) -> None:
        tree = {
            "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
            "model": {"init": "ones", "init_scale": -1.27277},
            "training": {"epochs": 500, "batch_size": 32},
        }
        (row,) = grid(tree, []).to_pylist()
        assert row["first_inf_step"] == row["overflow_step_predicted"] == 63

    def test_of_several_outputs_the_sum_over_all_of_them_overflows(self, npz, plainly) -> None:
        """Growing by 1.1 a step, the sum over one of the ten alone would last for ln 10/(2 ln 1.1) = 12 steps more."""
        tree = {
            "data": {"kind": "npz", "path": npz(x=np.ones((4, 1)), y=np.zeros((4, 10)))},
            "model": {"bias": False, "init": "ones"},
            "optimizer": {"learning_rate": 10.5},  # λ = 2/10
            "training": {"steps": 600, "batch_size": 4},
        }
        row = plainly(tree).row
        assert row["overflow_step_predicted"] == pytest.approx(row["first_inf_step"], abs=1)

    @pytest.mark.parametrize("tables", [{"optimizer": {"kind": "adam"}}, {"training": {"steps": 50, "batch_size": 4}}])
    def test_nothing_is_forecast_where_the_growth_is_unknown(self, tables: dict[str, Any], grid) -> None:
        tree = {"data": {"kind": "line", "n": 20}, "training": {"steps": 50, "batch_size": 20}} | tables
        tree["optimizer"] = tree.get("optimizer", {}) | {"learning_rate": 10.0}
        (row,) = grid(tree, []).to_pylist()
        assert row["overflow_step_predicted"] is None
