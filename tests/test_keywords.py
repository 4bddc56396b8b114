"""Settings as keywords: short names, values that Python has for them, and the same words for a mistake as after `--set`."""

import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.api import sweeping
from nanmap.config import build_config
from nanmap.config.keys import known_keys
from nanmap.errors import InputError
from nanmap.grid.keywords import Keywords, full_key, keyword_names, keyword_settings
from nanmap.grid.shorthand import axis_tables
from nanmap.plan import Plan, make_sweep

TREE = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
LEFT_OUT = {"sha256"}  # which nobody sets


def test_every_setting_has_a_keyword_that_type_checkers_know() -> None:
    names = keyword_names()
    assert sorted(names.values()) == sorted(known_keys())
    assert set(typing.get_type_hints(Keywords)) == set(names) - LEFT_OUT, "write it into Keywords, grid/keywords.py"


def test_no_keyword_is_a_parameter_as_well() -> None:
    for function in (nanmap.run, nanmap.sweep, nanmap.edge):
        own = set(function.__kwdefaults__ or {}) | set(function.__code__.co_varnames[: function.__code__.co_argcount])
        assert not own & set(keyword_names())


def test_a_keyword_is_the_short_name_of_its_setting() -> None:
    assert full_key("learning_rate") == "optimizer.learning_rate"
    assert [full_key(name) for name in ("optimizer", "loss", "data")] == ["optimizer.kind", "loss.kind", "data.kind"]
    assert full_key("data_seed") == "data.seed"
    assert full_key("optimizer.layer_learning_rates.1") == "optimizer.layer_learning_rates.1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"learnign_rate": 0.1}, r"learnign_rate: no such setting\s+mend: did you mean `learning_rate`\?"),
        ({"lr": 0.1}, "lr: no such setting\\s+mend: did you mean `learning_rate`"),
        ({"hidden_layer_sizes": [3]}, "did you mean `hidden`"),
        ({"otu": "here"}, "otu: no such setting\\s+mend: did you mean `out`"),
        ({"zzz": 1}, r"zzz: no such setting\s+mend: docs/reference.md lists the settings"),
        ({"seed": 1}, r"seed: is the name of 2 settings\s+allowed: data_seed, training_seed\s+mend: training_seed=…"),
        (
            {"training": {"epochs": 3}},
            r"training: is a table of settings\s+mend: name one of its settings, as in batch_size=…",
        ),
        ({"metrics": ["accuracy"]}, "metrics: no such setting\\s+mend: accuracy is reported by itself"),
        ({"optimizer.learning_rat": 1}, "optimizer.learning_rat: no such setting[\\s\\S]*`optimizer.learning_rate`"),
        ({"epochs": 3, "steps": 4}, "steps: is given in two ways\\s+mend: give the budget as epochs or as steps"),
        ({"epochs": 3, "training.epochs": 4}, "training.epochs: is set twice"),
    ],
)
def test_a_keyword_that_is_none_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        keyword_settings(given, ["out", "fresh"])


def test_values_may_be_numpy_s() -> None:
    given = {
        "learning_rate": np.float32(0.5),
        "hidden": np.array([3, 4]),
        "epochs": np.int64(7),
        "bias": np.bool_(False),
    }
    settings = keyword_settings(given)
    config = build_config(TREE, settings)
    assert (config.optimizer.learning_rate, config.model.hidden) == (0.5, (3, 4))
    assert (config.training.epochs, config.model.bias) == (7, False)


def test_keywords_go_over_a_config(engine, tmp_path: Path) -> None:
    expected = nanmap.run({**TREE, "optimizer": {"learning_rate": 0.05}}, engine=engine).row
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nsteps = 9\n')
    for config in (TREE, build_config(TREE), tmp_path / "c.toml"):
        assert nanmap.run(config, learning_rate=0.05, epochs=3, engine=engine).row == expected
    assert nanmap.run(data="line", n=5, learning_rate=0.05, epochs=3, engine=engine).row == expected
    assert "epochs" in TREE["training"]
    assert nanmap.run(TREE, **{"optimizer.learning_rate": 0.05}, engine=engine).row == expected


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that a sweep or a search is asked for; nothing is trained."""
    found: list[Plan] = []
    for name in ("train_sweep", "find_edges"):
        monkeypatch.setattr(sweeping, name, lambda plan, out, **options: found.append(plan))
    return found


def test_keywords_go_over_a_sweep_in_any_form(plans: list[Plan], tmp_path: Path) -> None:
    rates = {"learning_rate": [0.01, 0.1]}
    made = make_sweep(TREE, axis_tables(rates), title="T", where="learning_rate > 0.05")
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nsteps = 9\n')
    (tmp_path / "s.toml").write_text(
        'config = "c.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [0.01, 0.1]\n'
    )
    nanmap.sweep(TREE, rates, epochs=4, batch_size=2)
    nanmap.sweep(made, epochs=4, batch_size=2)
    nanmap.sweep(Plan(made), epochs=4, batch_size=2)
    nanmap.sweep(tmp_path / "s.toml", epochs=4, batch_size=2)
    nanmap.edge(made, epochs=4, batch_size=2)
    nanmap.sweep(axes=rates, data="line", n=5, epochs=4, batch_size=2)
    for plan in plans:
        assert plan.sweep.tree == {"data": {"kind": "line", "n": 5}, "training": {"epochs": 4, "batch_size": 2}}
        assert [axis.key for axis in plan.grid.axes] == ["optimizer.learning_rate"]
    assert [plan.sweep.where for plan in plans] == [None, made.where, made.where, None, made.where, None]
    assert plans[1].sweep.title == "T"
    assert made.tree == TREE


def test_without_a_config_axes_may_give_what_is_needed(plans: list[Plan]) -> None:
    nanmap.sweep(axes={"epochs": [1, 2], "n": [3, 4]}, data="line")
    assert [variant.config.training.epochs for variant in plans[0].variants()] == [1, 1, 2, 2]


def test_keywords_alone_leave_no_folder_behind(engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = nanmap.sweep(axes={"learning_rate": [0.01, 0.1]}, data="line", n=5, epochs=3, engine=engine)
    assert len(result.to_pandas()) == 2
    assert list(tmp_path.iterdir()) == []


def test_axes_go_by_the_same_names() -> None:
    short = {"learning_rate": nanmap.log(1e-3, 1, 4), "hidden": [[3], [4]], "budget": {"short": {"epochs": 1}}}
    assert axis_tables(short) == [
        {"key": "optimizer.learning_rate", "log": [1e-3, 1], "num": 4},
        {"key": "model.hidden", "values": [[3], [4]]},
        {"name": "budget", "choices": {"short": {"training.epochs": 1}}},
    ]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nanmap.run(TREE, learning_rat=0.1), "learning_rat: no such setting[\\s\\S]*`learning_rate`"),
        (lambda: nanmap.run(TREE, predcit=[[1]]), "predcit: no such setting[\\s\\S]*`predict`"),
        (
            lambda: nanmap.sweep(TREE, {"epochs": [1]}, shard_cels=1),
            "shard_cels: no such setting[\\s\\S]*`shard_cells`",
        ),
        (lambda: nanmap.edge(TREE, {"epochs": [1]}, tolerence=1), "tolerence: no such setting[\\s\\S]*`tolerance`"),
        (lambda: nanmap.run(TREE, learning_rate="fast"), r"optimizer.learning_rate: expects a number \(got 'fast'\)"),
        (lambda: nanmap.run(TREE, optimizer="rmsprp"), "optimizer.kind: is none of[\\s\\S]*did you mean `rmsprop`"),
        (lambda: nanmap.run(TREE, batch_size=0), "training.batch_size: must be greater than or equal to 1"),
        (lambda: nanmap.run(epochs=3), r"data: is missing: there is nothing to train on[\s\S]*x=… and y=…"),
        (lambda: nanmap.run(data="line", n=5), "training.epochs: give the budget"),
        (lambda: nanmap.run(Plan(make_sweep(TREE, [])), epochs=3), "training.epochs: a plan has its rows and settings"),
        (
            lambda: nanmap.sweep(TREE, {"epochs": [1, 2]}, epochs=3),
            r"training.epochs: the axis `epochs` goes over it \(got 3\)",
        ),
        (
            lambda: nanmap.sweep(make_sweep(TREE, axis_tables({"epochs": [1, 2]})), epochs=3),
            "the axis `epochs` goes over it",
        ),
        (lambda: nanmap.sweep(TREE, {"data.kind": ["line"]}, x=[1], y=[1]), "data.kind: the axis `data` goes over it"),
        (
            lambda: nanmap.sweep(TREE, {"learnin_rate": [1]}),
            "axes.learnin_rate: no such setting[\\s\\S]*`learning_rate`",
        ),
        (lambda: nanmap.sweep(TREE, {"seed": [1]}), "axes.seed: is the name of 2 settings"),
        (lambda: nanmap.sweep(TREE, {"b": {"one": {"epoch": 1}}}), "axes.b: epoch: no such setting[\\s\\S]*`epochs`"),
    ],
)
def test_a_mistake_with_keywords_is_told(call, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        call()
    assert list(tmp_path.iterdir()) == []
