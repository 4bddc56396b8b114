"""Corners where two features meet: axes that overlap, ragged tables, files of one name, never against NaN."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import nanmap
from handmade import AT_REST
from nanmap.analysis import load_grid, make_view, take_medians
from nanmap.config import build_config
from nanmap.config.settings import ModelSettings
from nanmap.data import load_rows
from nanmap.errors import InputError
from nanmap.grid.where import parse_where
from nanmap.models.mlp import MLP
from nanmap.models.mlp.forward import living_units
from nanmap.outcomes import MARKS, classify
from nanmap.plan import Plan, make_sweep
from nanmap.training.assessment import _dead

LINE: dict[str, Any] = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 2}}


def axis(key: str, *values: Any) -> dict[str, Any]:
    return {"key": key, "values": list(values)}


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            [axis("training.steps", 3, 5), axis("training.epochs", 1, 2)],
            "training.epochs: is set twice (got ['steps', 'epochs'])",
        ),
        (
            [axis("optimizer.learning_rate", 0.1, 1), axis("optimizer.layer_learning_rates.0", 0.1, 1)],
            "optimizer.layer_learning_rates.0: is set twice (got ['learning_rate', 'learning_rate_0'])",
        ),
        (
            [axis("model.init", "zeros"), {"name": "start", "choices": {"a": {"model.init": "ones"}}}],
            "model.init: is set twice (got ['init', 'start'])",
        ),
    ],
)
def test_two_axes_never_set_the_same_thing(axes: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError) as error:
        make_sweep(LINE, axes)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("beside", [0, 2])  # rows that do not count
@pytest.mark.parametrize("kind", ["relu", "relu6", "tanh"])
def test_a_layer_is_dead_where_every_unit_is_flat_on_every_row(kind: str, beside: int) -> None:
    model = MLP.of(ModelSettings(hidden=(2, 2), activation=kind), 1, 1)
    layers = [[[-1.0, 0.0, -2.0], [-1.0, 1.0, -1.0]], [[-1.0, -1.0, 0.0], [-3.0, -1.0, -1.0]], [[-1.0, -1.0, -1.0]]]
    seen = [jnp.pad(jnp.array(layer), ((0, 0), (0, beside)), constant_values=9) for layer in layers]
    share, dead = _dead(living_units(model, seen, jnp.arange(3 + beside) < 3 if beside else None))
    assert float(share) == pytest.approx(np.nan if kind == "tanh" else 3 / 4, nan_ok=True)
    assert bool(dead) == (kind != "tanh")


def test_one_bundle_may_choose_between_epochs_and_steps() -> None:
    budget = {"name": "budget", "choices": {"a": {"training.epochs": 1}, "b": {"training.steps": 7}}}
    plan = Plan(make_sweep(LINE, [budget]))
    assert [variant.steps for variant in plan.variants()] == [1, 7]


def test_rows_longer_than_the_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("x,y\n1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="line 2 has 3 values, the header 2"):
        load_rows(build_config(LINE | {"data": {"kind": "csv", "path": str(path), "target": "y"}}))


def test_files_of_the_same_name_in_two_folders_are_both_watched(tmp_path: Path, engine) -> None:
    paths = [tmp_path / folder / "d.csv" for folder in ("a", "b")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(f"x,y\n1,{number}\n2,3\n3,5\n")
    tree = LINE | {"data": {"kind": "csv", "path": str(paths[0]), "target": "y"}}
    sweep = make_sweep(tree, [axis("data.path", *map(str, paths))])
    nanmap.sweep(sweep, out=tmp_path / "run", engine=engine)
    paths[0].write_text("x,y\n1,7\n2,3\n3,5\n")
    with pytest.raises(InputError, match=r"the content of a/d\.csv changed"):
        nanmap.sweep(sweep, out=tmp_path / "run", engine=engine)


def test_coming_back_from_an_infinite_start_is_not_convergence() -> None:
    losses = dict(zip(MARKS, (np.inf, 4e34, 3.5e34, 3e34, 2.5e34), strict=True))
    facts = AT_REST | losses | {"first_inf_step": 0, "loss_constant": 1e36, "ratio": 0.01}
    outcome, _ = classify({name: np.array([value]) for name, value in facts.items()})
    assert outcome[0] == "progressing"


def test_a_finished_run_keeps_what_its_manifest_says(tmp_path: Path, engine) -> None:
    sweep = make_sweep(LINE, [axis("training.seed", 0, 1)], title="with a tpyo")
    first = nanmap.sweep(sweep, out=tmp_path, engine=engine).manifest
    again = nanmap.sweep(make_sweep(LINE, [axis("training.seed", 0, 1)], title="without"), out=tmp_path, engine=engine)
    assert again.manifest["compilations"] == first["compilations"]
    assert again.manifest["timings"]["wall_seconds"] >= first["timings"]["wall_seconds"]
    assert again.manifest["sweep"]["title"] == "without"


@pytest.mark.parametrize("text", ["rate != '0.1'", "batch == '4'", "rate in ['a']", "init < 3"])
def test_where_never_compares_numbers_with_texts(text: str) -> None:
    columns = {"rate": np.array([0.1]), "batch": np.array([4]), "init": np.array(["ones"], object)}
    with pytest.raises(InputError, match="compares a number with a text"):
        parse_where(text, columns)(columns)


@pytest.mark.parametrize(
    ("text", "expected"), [(" 1 < 2 or rate < 0.05", [True, True]), ("0 < 0.05 < rate", [False, True])]
)
def test_where_mixes_constants_and_columns(text: str, expected: list[bool]) -> None:
    columns = {"rate": np.array([0.01, 0.1])}
    assert np.broadcast_to(parse_where(text, columns)(columns), 2).tolist() == expected


def test_never_is_the_best_first_nan_step(tmp_path: Path, engine) -> None:
    tree = LINE | {"training": {"steps": 600, "batch_size": 32}, "model": {"init": "zeros"}}
    rates = {"calm": {"optimizer.learning_rate": 1e-4}, "wild": {"optimizer.learning_rate": 1.0}}
    for choices, expected in ((["calm", "wild"], True), (["calm", "calm2", "wild"], False)):
        made = {name: rates[name.rstrip("2")] for name in choices}
        sweep = make_sweep(tree, [axis("training.seed", 0), axis("data.seed", 0), {"name": "rate", "choices": made}])
        result = nanmap.sweep(sweep, out=tmp_path / str(len(choices)), engine=engine)
        view = make_view(load_grid(result.manifest), "training_seed", "data_seed")
        medians = take_medians(result.folder, view, "first_nan_step")
        assert np.isfinite(medians.values).all() == expected
