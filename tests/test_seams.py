"""The two seams, each proven by a second implementation: a network that is no MLP, and an engine in another process."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nanmap.models
from nanmap.config import build_config
from nanmap.edges import find_edges
from nanmap.engine import LocalEngine
from nanmap.models import Model
from nanmap.models.base import Pass
from nanmap.plan import Plan, make_sweep
from nanmap.runs.single import train_one
from nanmap.runs.sweep import train_sweep
from plain_engine import PlainEngine

TREE = {
    "data": {"kind": "gaussian", "n": 24, "features": 3, "validation_split": 0.25},
    "training": {"batch_size": 5, "epochs": 6, "dtype": "float64"},
}
RATES = {"key": "optimizer.learning_rate", "values": [0.01, 0.3, 30.0]}
SEEDS = {"key": "training.seed", "values": [0, 1]}


@dataclass(frozen=True)
class Bilinear(Model):
    """y = gain · (a · x)(b · x): no layer of the MLP's, no kernel, no bias."""

    numbers = ("gain",)

    def shapes(self):
        return [{"a": (self.features,), "b": (self.features,)}], [{}]

    def draw(self, settings, seed):
        a, b = np.random.default_rng(seed).standard_normal((2, self.features)).astype(np.float32)
        return [{"a": a, "b": b}], [{}]

    def forward(self, parameters, state, x, mask, *, numbers, layout, training=False):
        (layer,) = parameters
        return Pass((numbers["gain"] * (layer["a"] @ x) * (layer["b"] @ x))[None, :], state)


@pytest.fixture
def bilinear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nanmap.models.MODELS, "mlp", lambda settings, features, outputs: Bilinear(features, outputs))


def losses_by_hand(rate: float, seed: int, gain: float, steps: int) -> tuple[float, float]:
    """Full-batch descent on the bilinear model in NumPy: the loss before it, and after."""
    plan = Plan(make_sweep(full_batch(steps), [RATES]))
    (variant,) = plan.variants()
    x, y = variant.rows.inputs, variant.rows.targets[:, 0]
    a, b = np.random.default_rng(seed).standard_normal((2, x.shape[1])).astype(np.float32).astype(float)
    losses = []
    for _ in range(steps + 1):
        error = gain * (x @ a) * (x @ b) - y
        losses.append(np.mean(error**2))
        pull = 2 * gain * error / len(x)
        a, b = a - rate * (pull * (x @ b)) @ x, b - rate * (pull * (x @ a)) @ x
    return losses[0], losses[-1]


def full_batch(steps: int) -> dict:
    return TREE | {"training": {"batch_size": 32, "steps": steps, "dtype": "float64"}}


def test_a_sweep_of_a_network_that_is_no_mlp_is_what_numpy_makes_of_it(
    bilinear: None, engine: LocalEngine, tmp_path: Path
) -> None:
    axes = [
        {"key": "model.gain", "values": [0.5, 1.5]},
        {"key": "optimizer.learning_rate", "values": [1e-3, 0.02]},
        SEEDS,
    ]
    table = train_sweep(Plan(make_sweep(full_batch(40), axes)), tmp_path / "run", engine=engine).dataset().to_table()
    assert table.num_rows == 8
    for row in table.to_pylist():
        first, last = losses_by_hand(row["learning_rate"], row["seed"], row["gain"], 40)
        assert row["loss_initial"] == pytest.approx(first, rel=1e-12)
        assert row["loss_final"] == pytest.approx(last, rel=1e-9)
        assert row["predicted_gd"] is None
        assert row["dead_fraction"] is None


def test_a_network_that_is_no_mlp_is_one_program_and_sweeps_its_numbers(bilinear: None) -> None:
    plan = Plan(make_sweep(TREE, [{"key": "model.gain", "values": [1.0, 2.0]}, RATES]))
    (program,) = {variant.program for variant in plan.variants()}
    assert program.model == Bilinear(3, 1)
    assert program.numbers[0] == "gain"
    assert "Bilinear" in program.model.identity


def test_its_parameters_are_told_by_name(bilinear: None, engine: LocalEngine) -> None:
    report = train_one(build_config(TREE), engine=engine)
    assert {name: values.shape for name, values in report.params.items()} == {"layers.0.a": (3,), "layers.0.b": (3,)}


def test_its_edge_is_found_by_outcomes(bilinear: None, engine: LocalEngine, tmp_path: Path) -> None:
    rates = {"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 3}
    edges = find_edges(
        Plan(make_sweep(full_batch(60), [rates, SEEDS])), tmp_path / "run", tolerance=0.02, engine=engine
    )
    table = edges.edge_rows().to_pandas()
    assert (table.decided_by == "outcome").all()
    assert table.edge_learning_rate.between(1e-3, 1.0).all()


@pytest.fixture(scope="module")
def plain() -> PlainEngine:
    return PlainEngine()


NETWORK = {"model": {"hidden": [4], "activation": "relu", "norm": "batch"}}


@pytest.mark.parametrize("tree", [TREE, TREE | NETWORK], ids=["line", "network"])
def test_a_sweep_by_an_engine_in_another_process_has_the_same_rows(
    tree: dict, plain: PlainEngine, engine: LocalEngine, tmp_path: Path
) -> None:
    plan = Plan(make_sweep(tree, [{"key": "training.batch_size", "values": [5, 32]}, RATES, SEEDS]))
    ours, theirs = (
        train_sweep(plan, tmp_path / name, engine=each).dataset().to_table().to_pandas()
        for name, each in (("ours", engine), ("theirs", plain))
    )
    assert plain.sent
    assert len(ours) == 12
    for name in ours:
        if ours[name].dtype.kind == "f":
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6, err_msg=name)
        else:
            assert ours[name].tolist() == theirs[name].tolist(), name


def test_a_training_followed_by_the_other_engine_tells_the_same(plain: PlainEngine, engine: LocalEngine) -> None:
    ours, theirs = (train_one(build_config(TREE | NETWORK), engine=each) for each in (engine, plain))
    assert ours.outcome == theirs.outcome
    assert len(ours.epochs) == len(theirs.epochs) == 6
    for one, other in zip(ours.epochs, theirs.epochs, strict=True):
        assert one.mean_loss == pytest.approx(other.mean_loss, rel=1e-9)
        assert one.val_loss == pytest.approx(other.val_loss, rel=1e-9)
    for name, values in ours.params.items():
        np.testing.assert_allclose(values, theirs.params[name], rtol=1e-7, atol=1e-12)


def test_edges_by_the_other_engine_are_the_same(plain: PlainEngine, engine: LocalEngine, tmp_path: Path) -> None:
    rates = {"key": "optimizer.learning_rate", "log": [1e-2, 10.0], "num": 3}
    plan = Plan(make_sweep(TREE, [rates]))
    ours, theirs = (
        find_edges(plan, tmp_path / name, tolerance=0.1, engine=each).edge_rows().to_pandas()
        for name, each in (("ours", engine), ("theirs", plain))
    )
    np.testing.assert_allclose(ours.edge_learning_rate, theirs.edge_learning_rate, rtol=1e-12)


def test_whatever_is_handed_to_an_engine_can_be_pickled_and_is_equal_afterwards() -> None:
    plan = Plan(make_sweep(TREE | NETWORK, [RATES]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(3)))
    again = pickle.loads(pickle.dumps(lanes))
    assert again.program == lanes.program
    assert again.program.key == lanes.program.key
    assert again.variants[0].rows == lanes.variants[0].rows
    assert hash(again.variants[0].rows) == hash(lanes.variants[0].rows)
    assert again.variants[0].rows is not lanes.variants[0].rows


def test_other_rows_are_not_equal() -> None:
    one, other = (
        next(iter(Plan(make_sweep(TREE | {"data": TREE["data"] | {"seed": seed}}, [])).variants())).rows
        for seed in (0, 1)
    )
    assert one != other
