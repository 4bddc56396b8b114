"""The two seams, each proven by a second implementation: a network that is no MLP, and an engine in another process."""

import ast
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nanmap.engine
import nanmap.models
import plain_engine
from nanmap.config import build_config
from nanmap.config.settings import ModelSettings
from nanmap.edges import find_edges
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.models import Model
from nanmap.models.base import Pass
from nanmap.plan import Plan, make_sweep, notices
from nanmap.plot import draw_map
from nanmap.runs.single import train_one
from nanmap.runs.sweep import train_sweep
from nanmap.training.start import start
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

    def draw(self, settings, seeds):
        drawn = [np.random.default_rng(seed).standard_normal((2, self.features)) for seed in seeds]
        a, b = np.stack(drawn, axis=1).astype(np.float32)
        return [{"a": a, "b": b}], [{}]

    def forward(self, parameters, state, x, mask, *, numbers, layout, training=False):
        (layer,) = parameters
        return Pass((numbers["gain"] * (layer["a"] @ x) * (layer["b"] @ x))[None, :], state)


@dataclass(frozen=True)
class Linear(Model):
    """y = w x from w = 1: linear, and none of its arrays is called as an MLP's."""

    def shapes(self):
        return [{"w": (self.outputs, self.features)}], [{}]

    def draw(self, settings, seeds):
        return [{"w": np.ones((len(seeds), self.outputs, self.features), np.float32)}], [{}]

    def forward(self, parameters, state, x, mask, *, numbers, layout, training=False):
        return Pass(parameters[0]["w"] @ x, state)

    def linear_columns(self, inputs):
        return inputs

    def linear_parameters(self, parameters):
        return [parameters[0]["w"]]

    def seeded(self, settings):
        return False


@dataclass(frozen=True)
class Silent(Linear):
    """The same, without its parameters in the order of its columns."""

    def linear_parameters(self, parameters):
        return None


@dataclass(frozen=True)
class Gated(Model):
    """y = (a · x + b) c + d in two layers, trees of arrays both, and a count of the passes as state."""

    def shapes(self):
        return [{"in": {"a": (self.features,)}, "shift": ((),)}, [(self.outputs,), (self.outputs,)]], [
            {"n": {"all": ()}},
            [],
        ]

    def draw(self, settings, seeds):
        DRAWN.extend(seeds)
        one = np.ones((len(seeds), self.outputs), np.float32)
        return [{"in": {"a": np.ones((len(seeds), self.features))}, "shift": (one[:, 0],)}, [one, one]], [
            {"n": {"all": 0 * one[:, 0]}},
            [],
        ]

    def forward(self, parameters, state, x, mask, *, numbers, layout, training=False):
        first, (factor, offset) = parameters
        inner = first["in"]["a"] @ x + first["shift"][0]
        return Pass(
            factor[:, None] * inner[None, :] + offset[:, None], [{"n": {"all": state[0]["n"]["all"] + training}}, []]
        )

    def may_keep(self, settings):
        return False


DRAWN: list[int] = []


def stand_in(monkeypatch: pytest.MonkeyPatch, model: type[Model], kind: str = "mlp") -> None:
    """Has a network made wherever a config names a kind."""
    monkeypatch.setitem(nanmap.models.MODELS, kind, lambda settings, features, outputs: model(features, outputs))


@pytest.fixture
def bilinear(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, Bilinear)


def of_kind(kind: str) -> dict:
    """TREE with a kind that the list of kinds lacks: settings that are made already are not validated again."""
    return TREE | {"model": ModelSettings().model_copy(update={"kind": kind})}


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


@pytest.mark.parametrize(("model", "forecast"), [(Linear, True), (Silent, False)])
def test_theory_asks_a_linear_model_for_its_columns_and_its_parameters(
    model: type[Model], forecast: bool, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = full_batch(900) | {"model": {"bias": False, "init": "ones"}, "optimizer": {"learning_rate": 3.0}}
    mlp = train_one(build_config(tree), engine=engine).row
    stand_in(monkeypatch, model)
    other = train_one(build_config(tree), engine=engine).row
    for name in ("sharpness", "predicted_gd", "loss_initial"):
        assert other[name] == pytest.approx(mlp[name], rel=1e-12), name
    assert mlp["overflow_step_predicted"] == pytest.approx(mlp["first_inf_step"], abs=3)
    assert other["overflow_step_predicted"] == (mlp["overflow_step_predicted"] if forecast else None)


def test_rates_per_layer_are_as_many_as_the_network_says(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, Gated, "gated")
    axes = [{"key": f"optimizer.layer_learning_rates.{layer}", "values": [0.1, 0.2]} for layer in range(3)]
    plan = Plan(make_sweep(of_kind("gated"), axes[:2]))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(4)))
    assert lanes.learning_rates.tolist() == [[0.1, 0.1], [0.1, 0.2], [0.2, 0.1], [0.2, 0.2]]
    rates = {"optimizer": {"layer_learning_rates": [0.1, 0.2]}}
    assert next(Plan(make_sweep(of_kind("gated") | rates, [])).variants()).learning_rates == (0.1, 0.2)
    for wrong in (axes[:1], axes):
        with pytest.raises(InputError, match="one rate per layer: this model has 2") as error:
            next(Plan(make_sweep(of_kind("gated"), wrong, file=Path("some.toml"))).variants())
        assert (error.value.key, error.value.value) == ("optimizer.layer_learning_rates", [0.1] * len(wrong))
        assert str(error.value.file) == "some.toml"
        assert "give 2" in (error.value.mend or "")


def test_settings_that_a_network_does_not_read_are_told(bilinear: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"gain": 2.0, "hidden": [4, 4], "norm": "batch", "init": "ones", "kind": "mlp"}
    told = notices(Plan(make_sweep(TREE | {"model": model}, [])))
    assert told == [
        f"model.{name} = {value} has no effect: a `Bilinear` has no such setting"
        for name, value in (("hidden", "[4, 4]"), ("init", "ones"), ("norm", "batch"))
    ]
    monkeypatch.setattr(Bilinear, "reads", ("gain", "init"))
    assert [line.split()[0] for line in notices(Plan(make_sweep(TREE | {"model": model}, [])))] == [
        "model.hidden",
        "model.norm",
    ]


def test_a_network_says_whether_a_seed_draws_it(bilinear: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        return "\n".join(notices(Plan(make_sweep(full_batch(3), [SEEDS]))))

    assert "training.seed" not in told()
    stand_in(monkeypatch, Linear)
    assert "training.seed = 0, 1 has no effect: nothing is drawn at random" in told()


def test_a_map_and_a_manifest_call_a_network_as_it_calls_itself(
    bilinear: None, engine: LocalEngine, tmp_path: Path
) -> None:
    axes = [{"key": "model.gain", "values": [0.5, 1.5]}, RATES, {"key": "data.seed", "values": [0, 1]}]
    folder = train_sweep(Plan(make_sweep(full_batch(2), axes)), tmp_path, engine=engine)
    manifest = folder.read_manifest()
    assert manifest["models"] == {"mlp": ["Bilinear 3–1"]}
    assert [sentence.split(",")[0] for sentence in manifest["programs"].values()] == ["Bilinear 3–1"]
    head = " ".join(text.get_text() for text in draw_map(folder, "learning_rate", "gain").texts)
    assert "Bilinear 3–1 on random numbers" in head
    assert "linear model" not in head


def test_layers_may_be_trees_and_the_state_has_names_too(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, Gated)
    report = train_one(build_config(full_batch(7)), engine=engine)
    assert report.params is not None
    assert {name: values.shape for name, values in report.params.items()} == {
        "layers.0.in.a": (3,),
        "layers.0.shift.0": (),
        "layers.1.0": (1,),
        "layers.1.1": (1,),
        "state.0.n.all": (),
    }
    assert report.params["state.0.n.all"] == 7
    assert Gated(3, 1).parameters == 6


def test_a_network_says_whether_its_draws_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(seed: int) -> int:
        DRAWN.clear()
        for _ in range(2):
            start(Gated(3, 1), [ModelSettings()], np.array([0]), np.array([seed]), {}, "float32")
        return len(DRAWN)

    assert draw(5) == 2
    monkeypatch.setattr(Gated, "may_keep", Model.may_keep)
    assert draw(6) == 1
    assert not Gated(3, 1).may_keep(ModelSettings(init="file", init_file="some.npz"))


@pytest.fixture(scope="module")
def plain() -> Iterator[PlainEngine]:
    made = PlainEngine()
    yield made
    made.elsewhere.shutdown()


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


def test_a_second_engine_takes_nothing_of_the_compiled_one() -> None:
    def taken(file: Path) -> set[str]:
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        modules = {node.module or "" for node in tree if isinstance(node, ast.ImportFrom)}
        return {name for name in modules if name == "nanmap.engine" or name.startswith("nanmap.engine.")}

    folder, found = Path(nanmap.engine.__file__).parent, set()
    new = taken(Path(plain_engine.__file__))
    while new:
        found |= new
        new = set().union(*(taken(folder / f"{name.rpartition('.')[2]}.py") for name in new)) - found
    assert found == {f"nanmap.engine.{name}" for name in ("base", "circumstances", "facts", "task")}


def test_other_rows_are_not_equal() -> None:
    one, other = (
        next(iter(Plan(make_sweep(TREE | {"data": TREE["data"] | {"seed": seed}}, [])).variants())).rows
        for seed in (0, 1)
    )
    assert one != other
