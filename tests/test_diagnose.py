"""A diagnosis from one end to the other, on lines whose edge is known; its parts beside single trainings and NumPy."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import nanmap
from nanmap.config import build_config
from nanmap.config.load import with_settings
from nanmap.data import Rows, load_rows
from nanmap.data.given import give, with_arrays
from nanmap.data.sampled import sample_of
from nanmap.diagnosis.answer import Criterion
from nanmap.diagnosis.bench import Ask, Bench
from nanmap.diagnosis.categories import names_in_numbers
from nanmap.diagnosis.columns import far_from_standard, labels_as_numbers, moments
from nanmap.diagnosis.counted import first_tensor_of
from nanmap.diagnosis.intake import looked_at
from nanmap.diagnosis.limits import skills_of_references
from nanmap.diagnosis.patient import Patient
from nanmap.diagnosis.remedies import _clips, remedies
from nanmap.diagnosis.root_causes import RootCause
from nanmap.diagnosis.verdict import Signs, causes_of
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.outcomes import Outcome
from nanmap.plan import make_variant
from nanmap.training.optimizers import make_optimizer

LINE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "optimizer": {"learning_rate": 0.01},
    "training": {"epochs": 300},
}
RATE = "optimizer.learning_rate"
ENGINE = LocalEngine()


def edge_of_line() -> float:
    """2/λmax of y = w·x + b on x = 1 … 20 under the mean squared error, in NumPy."""
    columns = np.stack([np.arange(1, 21.0), np.ones(20)], axis=1)
    return 2 / np.linalg.eigvalsh(2 * columns.T @ columns / 20)[-1]


def diagnosed(settings: dict[str, Any] | None = None, **keywords: Any) -> Any:
    return nanmap.diagnose(with_settings(LINE, settings or {}), engine=ENGINE, budget=1e9, **keywords)


@pytest.fixture(scope="module")
def too_fast() -> Any:
    return diagnosed()


def test_a_rate_above_the_edge_is_told_with_its_factor(too_fast: Any) -> None:
    assert too_fast.cause == "rate_above_edge"
    assert too_fast.outcome is Outcome.NAN
    assert too_fast.edge.predicted == pytest.approx(edge_of_line(), rel=1e-9)
    assert too_fast.edge.ratio == pytest.approx(1, abs=5e-3)
    assert too_fast.edge.factor == pytest.approx(0.01 / edge_of_line(), rel=5e-3)


def test_the_fix_works_from_starts_that_nobody_used(too_fast: Any) -> None:
    fix = too_fast.fix
    assert list(fix.trial.changes) == [RATE]
    assert fix.reaches
    assert fix.trial.changes[RATE] < edge_of_line() / 2 * 1.01
    assert fix.rates.low < fix.trial.changes[RATE] < fix.rates.high < edge_of_line()
    assert fix.trial.successes.starts == 256
    assert fix.trial.successes.interval[0] >= 0.95
    used = range(*too_fast.spent.seeds["choice"])
    for seed in (7_000, 8_000, 9_000):
        assert seed not in used
        assert seed not in range(*too_fast.spent.seeds["fresh"])
        assert nanmap.run(fix.config, engine=ENGINE, training_seed=seed).outcome is Outcome.CONVERGED


def test_what_else_works_and_what_does_not_are_told(too_fast: Any) -> None:
    assert ("scale inputs",) in [each.remedies for each in too_fast.others]
    vain = {each.remedies: each for each in too_fast.in_vain}
    assert vain["scale targets",].successes.count == 0
    assert any("number format" in each.sentence for each in too_fast.ruled_out)  # float64 grows as well


def test_losses_on_their_way_are_those_of_single_trainings(too_fast: Any) -> None:
    steps, losses = too_fast.after.steps, too_fast.after.losses
    assert steps[0] == 0
    assert steps[-1] == 300
    assert losses.shape == (16, len(steps))
    config = too_fast.fix.config.model_copy(
        update={"training": too_fast.fix.config.training.model_copy(update={"seed": 100_003})}
    )
    row = nanmap.run(config, engine=ENGINE).row
    assert losses[3, -1] == row["loss_final"]
    assert losses[3, 0] == row["loss_initial"]
    assert losses[3, list(steps).index(150)] == row["loss_at_50"]
    assert np.isnan(too_fast.before.losses[:, -1]).all()


def test_the_map_has_the_fix_on_its_side(too_fast: Any) -> None:
    drawn = too_fast.map
    line = drawn.remedies.index("as it is")
    works = drawn.successes[line] == drawn.starts
    assert works.any()
    assert (drawn.rates[works] < edge_of_line()).all()
    assert (drawn.outcomes[line][drawn.rates > 0.01] == "nan").all()


def test_the_first_tensor_is_that_of_the_settings_own_start(too_fast: Any) -> None:
    assert too_fast.first_tensor.name == "loss"
    assert too_fast.first_tensor == nanmap.run(too_fast.config, engine=ENGINE).first_tensor


@pytest.mark.parametrize(
    ("tree", "settings"),
    {
        "the fourth start, the first three last longer": (
            {"model": {"hidden": [3]}, "optimizer": {"learning_rate": 3.0}, "training": {"steps": 25, "seed": 1}},
            {"training_seed": 4},
        ),
        "a line that starts where it should end, so that others are drawn": (
            {"model": {"init": "ones"}, "optimizer": {"learning_rate": 9.0}, "training": {"steps": 90}},
            {"init": "glorot_uniform"},
        ),
    }.values(),
)
def test_the_first_tensor_is_that_of_the_first_start_that_has_one(tree: dict, settings: dict) -> None:
    tree = {"data": {"kind": "line", "n": 8, "slope": 1.0}, **tree}
    bench = Bench(build_config(tree), False, ENGINE)
    first = bench.own_seed.start
    (ends,) = bench.train([Ask({}, range(first, first + 4))])
    found = first_tensor_of(Patient(bench, bench.own_start().with_more(ends) if bench.varied else ends))
    assert found is not None
    assert found == nanmap.run(tree, engine=ENGINE, **settings).first_tensor
    assert nanmap.run(tree, engine=ENGINE).first_tensor is None


def test_a_training_with_which_nothing_is_wrong_is_left_alone() -> None:
    answer = diagnosed({RATE: 0.002})
    assert answer.first_tensor is None
    assert answer.cause == "nothing_wrong"
    assert answer.fix is None
    assert not answer.others
    assert answer.happening.successes.interval[0] >= 0.95


def test_the_wrong_sign_is_told_before_all_else() -> None:
    answer = diagnosed({RATE: -0.002})
    assert answer.cause == "wrong_sign"
    assert answer.fix.trial.changes == {RATE: pytest.approx(0.002)}


def test_a_missing_value_is_trained_on_and_told() -> None:
    x = np.arange(40.0) / 20 - 1
    x[7] = np.nan
    answer = nanmap.diagnose(
        x=x, y=2 * np.nan_to_num(x) + 1, learning_rate=0.1, epochs=100, batch_size=64, engine=ENGINE, budget=1e9
    )
    assert answer.cause == "nan_in_data"
    assert answer.also == ()
    assert answer.happening.first_bad.median == 0
    assert dict(answer.fix.trial.changes) == {"data.missing": "mean"}
    assert answer.fix.reaches
    assert "1 of 40 rows" in answer.evidence[0].sentence


@pytest.mark.long
def test_targets_that_have_nothing_to_do_with_the_inputs_are_told() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    answer = nanmap.diagnose(x=x, y=y, learning_rate=5.0, epochs=20, batch_size=256, engine=ENGINE, budget=1e9)
    assert answer.cause == "labels_say_nothing"
    assert answer.also == ("rate_above_edge",)
    with_rows = nanmap.run(answer.config, engine=ENGINE).case  # the answer holds the arrays that it is about
    line, near = skills_of_references(with_rows.rows, "mse", 1.0)
    fitted = np.linalg.lstsq(np.hstack([x, np.ones((200, 1))]), y, rcond=None)[0]
    left = np.sum((y - np.hstack([x, np.ones((200, 1))]) @ fitted) ** 2) / np.sum((y - y.mean()) ** 2)
    assert line == pytest.approx(1 - left * 199 / 196)
    assert near < 0.05


def test_all_targets_equal_are_told_before_a_training_that_converges() -> None:
    answer = nanmap.diagnose(x=np.linspace(-1, 1, 40), y=np.full(40, 3.0), learning_rate=0.1, epochs=100, engine=ENGINE)
    assert answer.cause == "labels_say_nothing"
    assert "all targets are 3" in answer.evidence[0].sentence


def test_what_a_bench_trains_is_what_a_run_trains() -> None:
    config = build_config(with_settings(LINE, {"model.init": "normal"}))
    bench = Bench(config, False, ENGINE)
    (ends,) = bench.train([Ask({"data.scale_inputs": "standard"}, range(5, 8), (0.01, 0.3))])
    scaled = with_settings(
        LINE, {"model.init": "normal", "data.scale_inputs": "standard", RATE: 0.3, "training.seed": 6}
    )
    row = nanmap.run(scaled, engine=ENGINE).row
    assert ends["loss_final"][1, 1] == row["loss_final"]
    assert ends["outcome"][1, 1] == row["outcome"]
    assert ends["skill"].shape == (2, 3)


def test_layers_rates_are_moved_together() -> None:
    bench = Bench(build_config(with_settings(LINE, {"optimizer.layer_learning_rates": [0.01]})), False, ENGINE)
    assert bench.settings({}, 0.002) == {"optimizer.layer_learning_rates": [pytest.approx(0.002)]}


def test_a_start_that_is_always_the_same_is_varied_for_a_line_only() -> None:
    ones = Bench(build_config(with_settings(LINE, {"model.init": "ones"})), False, ENGINE)
    assert ones.varied
    (ends,) = ones.train([Ask({}, range(3))])
    assert len(set(ends["loss_initial"][0].tolist())) == 3
    net = {"model.init": "ones", "model.hidden": [3], "training.batch_size": 99}
    alike = Bench(build_config(with_settings(LINE, net)), False, ENGINE)
    assert not alike.varied
    assert not alike.draws({})
    assert alike.draws({"model.init": "he_normal"})


def test_columns_that_are_worth_scaling() -> None:
    nothing, large, shifted, tiny, constant = (
        np.array([-1, 1.0]),
        np.array([-9, 9.0]),
        np.array([7, 8.0]),
        np.array([-0.01, 0.01]),
        np.array([5, 5.0]),
    )
    assert far_from_standard(np.stack([nothing, large, shifted, tiny, constant], axis=1)).tolist() == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_targets_that_may_be_labels() -> None:
    labels = np.arange(60.0)[:, None] % 3
    assert labels_as_numbers(labels)
    assert not labels_as_numbers(labels + 0.5)
    assert not labels_as_numbers(np.arange(60.0)[:, None])


def test_remedies_are_those_that_the_settings_leave_room_for() -> None:
    names = lambda **over: [each.name for each in remedies(_patient(over))]  # noqa: E731
    assert "scale inputs" in names()
    assert "scale inputs" not in names(**{"data.scale_inputs": "standard"})
    assert "momentum" in names(**{"optimizer.momentum": 0.99})
    assert "momentum" not in names(**{"optimizer.momentum": 0.5})
    assert "full batch" in names(**{"training.batch_size": 4})
    assert "full batch" not in names()


def _patient(settings: dict[str, Any]) -> Patient:
    bench = Bench(build_config(with_settings(LINE, settings)), False, ENGINE)
    return Patient(bench, bench.train([Ask({}, range(2))])[0])


@pytest.mark.parametrize(("partly", "more"), [(False, {}), (True, {"data.missing": "mean"})])
def test_a_column_without_any_number_is_left_out(partly: bool, more: dict[str, str], tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(8.0), "b": np.nan, "c": np.arange(8.0) % 3, "y": np.arange(8.0)})
    frame.loc[2:2, "c"] = np.nan if partly else 1
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    data = {"kind": "csv", "path": str(tmp_path / "gaps.csv"), "target": "y", "missing": "keep"}
    bench = Bench(build_config({"data": data, "training": {"epochs": 1}}), False, ENGINE)
    found = remedies(Patient(bench, bench.train([Ask({}, range(2))])[0]))
    assert found[0].changes == {"data.columns": ["a", "c"], **more}
    assert [each.name for each in found if each.repairs] == ["leave out empty columns"]


def test_shuffled_targets_are_those_of_other_rows() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(24, 1)), rng.normal(size=24)
    skills = []
    for targets, shuffled in ((y, True), (y[np.random.default_rng(0).permutation(24)], False)):
        given = give(x, targets)  # which are kept as long as somebody holds them
        tree = with_arrays({"optimizer": {"learning_rate": 0.1}, "training": {"epochs": 9}}, given)
        bench = Bench(build_config(tree), False, ENGINE)
        skills.append(bench.train([Ask({}, range(3), shuffled=shuffled)])[0]["skill"])
    assert np.array_equal(*skills)
    assert not np.array_equal(skills[0], bench.train([Ask({}, range(3), shuffled=True)])[0]["skill"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"x": [1.0], "y": [2.0], "epochs": 5}, "single row"),
        ({"x": [1.0, 1.0, 1.0], "y": [1.0, 2.0, 3.0], "epochs": 5}, "constant"),
        ({"x": [], "y": [], "epochs": 5}, "no rows"),
        ({"x": {"a": [1, 2], "b": [3, 4]}, "y": "c", "epochs": 5}, "no column of x"),
        ({"x": [1, 2, 3], "y": ["a", "b", "c"], "epochs": 5}, "text"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "epochs": 1_000_000_000}, "would take about"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "epochs": 5, "budget": -1}, "positive"),
        ({"x": [1, 2, 3], "y": [1, 2, 3], "epochs": 5, "success": "converged"}, "positive"),
        ({"cell": 3}, "cell and its run"),
        ({"cell": 3, "of": "nowhere", "config": {}}, "beside a config"),
    ],
)
def test_what_cannot_be_diagnosed_is_told(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        nanmap.diagnose(**given)


def test_more_columns_than_rows_are_noted() -> None:
    x = np.random.default_rng(0).normal(size=(6, 9))
    answer = nanmap.diagnose(x=x, y=x[:, 0], learning_rate=0.1, epochs=50, engine=ENGINE, budget=1e9)
    assert any("9 columns and 6 rows" in note for note in answer.notes)


def test_success_may_be_a_skill() -> None:
    assert Criterion(0.5).skill == 0.5
    answer = diagnosed({RATE: 1e-5, "training.epochs": 20}, success=0.5)
    assert str(answer.criterion) == "skill of 0.5 or more"


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_no_setting_can_repair_is_told_without_a_search(value: float) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    if np.isnan(value):
        x[:] = value
    x[3, 1] = value
    answer = nanmap.diagnose(x=x, y=np.arange(40.0), epochs=3, batch_size=64, engine=ENGINE)
    assert answer.cause == ("nan_in_data" if np.isnan(value) else "infinity_in_data")
    assert answer.fix is None
    assert "repair these values" in answer.limit.sentence


@pytest.mark.long
def test_a_value_beyond_the_number_format_is_an_infinity_that_scaling_mends() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    x[3, 0] = 1e308
    answer = nanmap.diagnose(x=x, y=x[:, 1], epochs=100, learning_rate=0.1, batch_size=64, engine=ENGINE, budget=1e9)
    assert (answer.cause, answer.also) == (
        "infinity_in_data",
        ("unscaled_inputs",),
    )  # although no line sees the second column beside it
    assert sum("1e+308 in row 4" in each.sentence for each in answer.evidence) == 1
    assert answer.fix.trial.changes == {"data.scale_inputs": "standard"}
    assert moments(x)[1][0] == pytest.approx(1e308 * (np.sqrt(39) / 40))


def test_a_slip_of_the_pen_is_told_with_its_row_and_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    x[3, 0] = 1e308
    answer = nanmap.diagnose(x=x, y=1e307 * x[:, 1], epochs=3, batch_size=64, engine=ENGINE, budget=0.5)
    said = [each.sentence for each in answer.evidence]
    assert any("1 value of the inputs is infinite, or beyond 3.4e+38" in each for each in said)
    assert any("is 1e+308 in row 4, and at most" in each for each in said)
    assert not any("no missing and no infinite value" in each.sentence for each in answer.ruled_out)
    assert not [each for each in recwarn if issubclass(each.category, RuntimeWarning)]


def test_a_slip_in_the_target_is_told_without_a_search() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    y = x[:, 0].copy()
    y[7] = 1e308
    answer = nanmap.diagnose(x=x, y=y, epochs=3, batch_size=64, engine=ENGINE)
    assert (answer.cause, answer.fix, answer.map) == ("infinity_in_data", None, None)
    assert any("the target is 1e+308 in row 8, and from" in each.sentence for each in answer.evidence)
    assert "mend them, or leave out their rows" in answer.limit.sentence


def test_in_two_layers_no_gradient_fades_on_its_way() -> None:
    """Leaky units and a longer training mend it: it is slow, and nobody measured a gradient that fades."""
    bench = Bench(build_config(with_settings(LINE, {"model.hidden": [3], RATE: 1e-4})), False, ENGINE)
    (ends,) = bench.train([Ask({}, range(32))])
    signs = Signs(Patient(bench, ends), ends, Patient(bench, ends).case(), None)
    assert RootCause.VANISHING_GRADIENT not in causes_of(["leaky units"], signs)
    assert np.isnan(signs.gradient_ratio)


def test_a_target_among_the_inputs_is_refused_and_a_copy_of_it_noted(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(12, 2))
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(tmp_path / "t.csv", index=False)
    data = {"kind": "csv", "path": str(tmp_path / "t.csv"), "target": "b", "columns": ["a", "b"]}
    with pytest.raises(InputError, match="among the inputs"):
        nanmap.diagnose({"data": data, "training": {"epochs": 3}})
    answer = nanmap.diagnose(x=rows, y=rows[:, 1], epochs=200, learning_rate=0.2, batch_size=64, engine=ENGINE)
    assert any("x[1] is the target itself" in note for note in answer.notes)


def test_of_very_many_rows_some_are_looked_at(tmp_path: Path) -> None:
    rows = np.arange(60_000.0).reshape(-1, 3)
    frame = pd.DataFrame(rows, columns=["a", "b", "y"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    drawn = np.sort(np.random.default_rng(0).choice(20_000, 500, replace=False))
    for kind in ("csv", "parquet"):
        settings = {
            "data": {"kind": kind, "path": str(tmp_path / f"t.{kind}"), "target": "y"},
            "training": {"epochs": 3},
        }
        sample = sample_of(build_config(settings).data, None, 500, 1500)
        assert (sample.rows, sample.total) == (500, 20_000)
        assert np.array_equal(sample.given.inputs[0].values, rows[drawn, 0])
    np.savez(tmp_path / "t.npz", x=rows[:, :2], y=rows[:, 2])
    npz = build_config({"data": {"kind": "npz", "path": str(tmp_path / "t.npz")}, "training": {"epochs": 3}})
    sample = sample_of(npz.data, None, 500, 1000)
    assert (sample.rows, sample.total) == (500, 20_000)
    assert np.array_equal(sample.given.inputs, rows[drawn, :2])
    assert np.array_equal(np.ravel(sample.given.targets), rows[drawn, 2])
    seen = looked_at(npz, None)
    assert (seen.whole, seen.notes) == (None, ())  # 20,000 are looked at
    sample = sample_of(build_config(settings).data, give(rows[:, :2], rows[:, 2]), 500, 1500)
    assert np.array_equal(sample.given.inputs, rows[drawn, :2])
    assert sample_of(build_config(settings).data, None, 20_000, 1500) is None
    assert sample_of(build_config(settings).data, None, 500, 10**6) is None


def _shops(rng: np.random.Generator, rows: int = 240) -> pd.DataFrame:
    """Sales that hang on the shop, whose number says nothing, and a little on its size."""
    shop, size = rng.integers(0, 8, rows), rng.normal(size=rows)
    return pd.DataFrame({"shop": shop, "size": size, "sales": rng.permutation(8)[shop] / 4 + 0.1 * size})


@pytest.mark.long
def test_whole_numbers_that_act_as_names_are_made_columns() -> None:
    frame = _shops(np.random.default_rng(2))
    answer = nanmap.diagnose(
        x=frame, y="sales", learning_rate=0.02, epochs=300, batch_size=512, success=0.9, engine=ENGINE, budget=1e9
    )
    assert answer.cause == "codes_for_categories"
    assert answer.fix.trial.changes["data.categories"] == ["shop"]
    assert answer.fix.reaches
    hot = np.hstack([pd.get_dummies(frame["shop"]), frame[["size"]]]).astype(float)
    left = frame["sales"] - hot @ np.linalg.lstsq(hot, frame["sales"], rcond=None)[0]
    assert answer.fix.skill.median <= 1 - np.mean(left**2) / frame["sales"].var(ddof=0) + 1e-6


def test_whole_numbers_that_are_quantities_stay_what_they_are() -> None:
    rng = np.random.default_rng(2)
    rooms = rng.integers(1, 9, 200).astype(float)
    rows = Rows(
        rooms[:, None],
        3 * rooms[:, None] + rng.normal(size=(200, 1)),
        rooms[:0, None],
        rooms[:0, None],
        features=("rooms",),
    )
    assert names_in_numbers(rows) == []


def test_numbers_may_be_said_to_be_names() -> None:
    frame = pd.DataFrame({"shop": [12, 5, 12], "size": [1.0, 2.0, 3.0]})
    given = give(frame, [1.0, 2.0, 3.0])
    rows = load_rows(build_config(with_arrays({"data": {"categories": ["shop"]}, "training": {"epochs": 1}}, given)))
    assert rows.features == ("shop=5", "shop=12", "size")
    assert rows.inputs[:, :2].tolist() == [[0, 1], [1, 0], [0, 1]]
    with pytest.raises(InputError, match="no such input column"):
        nanmap.run(x=frame, y=[1.0, 2.0, 3.0], epochs=1, categories=["shops"])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ["clip by norm", "clip by value"])
def test_bounds_beside_a_clip_change_no_gradient_not_even_an_infinite_one(name: str, dtype: str) -> None:
    """They stand in one program; entries of 16 bits overflow easily, and a bound would make a number of them."""
    tree: dict = {"data": {"kind": "line", "n": 9}, "training": {"steps": 1, "dtype": dtype}}
    patient = SimpleNamespace(config=build_config(tree), share=lambda *_: 1.0)
    (remedy,) = [each for each in _clips(patient) if each.name == name]
    for gradient in ([np.inf, 1.0], [40_000.0, -3.0]):
        moved = []
        for changes in (remedy.changes, {**remedy.changes, **remedy.beside}):
            program = make_variant(build_config(with_settings(tree, changes))).program
            with np.errstate(over="ignore"):
                numbers = {key.split(".")[1]: jnp.asarray(np.float32(bound)) for key, bound in changes.items()}
            grads = [{"kernel": jnp.asarray(gradient, dtype)}]
            rule = make_optimizer(program, numbers, jnp.ones(1))
            moved.append(np.asarray(rule.update(grads, rule.init(grads), grads)[0][0]["kernel"]))
        np.testing.assert_array_equal(*moved)
