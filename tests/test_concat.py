"""Several runs as one: where rows fall, what becomes an axis, what is refused, and that holes stay holes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from handmade import LINE, RATE, write_run
from nanmap.analysis import JoinedFolder, config_of_cell, load_grid, merged
from nanmap.errors import InputError
from nanmap.result import Result
from nanmap.results.folder import RunFolder

SIZES = {"key": "training.batch_size", "values": [1, 4]}
MADE = {"schema": 3, "versions": {"nanmap": "1", "jax": "1"}, "backend": "cpu"}


def axis(key: str, *values: Any, **more: Any) -> dict[str, Any]:
    return {"key": key, "values": list(values), **more}


def rates(*values: float) -> dict[str, Any]:
    return axis("optimizer.learning_rate", *values)


def seeds(*values: int) -> dict[str, Any]:
    return axis("training.seed", *values)


def with_training(**settings: Any) -> dict[str, Any]:
    return LINE | {"training": LINE["training"] | settings}


def run(path: Path, axes: list[dict[str, Any]], loss: Any = 1.0, **more: Any) -> Path:
    """A run whose losses are given, an array over the grid or one value."""
    write_run(path, axes, {"loss_final": loss}, **MADE | more)
    return path


def losses(result: Result, *columns: str) -> list[tuple[Any, ...]]:
    return list(result.to_pandas([*columns, "loss_final"]).itertuples(index=False, name=None))


def test_more_seeds_and_another_window_fall_into_their_places(tmp_path: Path) -> None:
    one = run(tmp_path / "a", [rates(0.1, 0.2), seeds(0, 1)], np.array([1.0, 2, 3, 4]))
    other = run(tmp_path / "b", [seeds(2), rates(0.3, 0.1)], np.array([5.0, np.nan]))
    assert [each.labels.tolist() for each in load_grid(nanmap.concat([other, one]).manifest).axes] == [
        [0, 1, 2],
        [0.1, 0.2, 0.3],
    ]
    joined = nanmap.concat([one, str(other)])
    expected = {(0.1, 0): 1.0, (0.1, 1): 2.0, (0.1, 2): np.nan, (0.2, 0): 3.0, (0.2, 1): 4.0, (0.3, 2): 5.0}
    found = {(rate, seed): loss for rate, seed, loss in losses(joined, "learning_rate", "seed")}
    assert repr(found) == repr(expected), "by number, and numbers ascend"
    grid = joined.to_xarray().loss_final
    assert grid.sel(learning_rate=0.3).values.tolist()[2] == 5.0
    assert np.isnan(grid.sel(learning_rate=0.3).values[:2]).all()
    assert joined.to_xarray().outcome.sel(learning_rate=0.3, seed=0).item() == ""
    assert joined.manifest["joined"] == [str(one), str(other)]
    assert joined.manifest["sweep"]["zip"] == []


def test_a_hole_is_drawn_as_not_trained(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", [RATE, SIZES]), run(tmp_path / "b", [RATE, axis("training.batch_size", 4, 32)])]
    assert len(nanmap.concat(runs).to_pandas()) == 15, "batch 4 of both runs is one"
    joined = nanmap.concat([*runs, run(tmp_path / "c", [rates(100.0), axis("training.batch_size", 1)])])
    figure = joined.map("learning_rate", "batch_size")
    assert "not trained" in [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert any("89 % of cells trained" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    ("config", "column", "values"),
    [
        (with_training(dtype="float64"), "dtype", ["float32", "float64"]),
        (with_training(seed=3), "seed", [0, 3]),
        (with_training(epochs=70), "epochs", [10, 70]),
        (LINE | {"optimizer": {"kind": "adam"}}, "optimizer", ["sgd", "adam"]),
        (LINE | {"model": {"hidden": [4, 2]}}, "hidden", ["none", "4-2"]),
    ],
)
def test_a_setting_in_which_runs_differ_becomes_an_axis(
    config: dict, column: str, values: list, tmp_path: Path
) -> None:
    joined = nanmap.concat([run(tmp_path / "a", [rates(0.1)]), run(tmp_path / "b", [rates(0.1)], 2.0, config=config)])
    assert [axis.column for axis in load_grid(joined.manifest).axes] == [column, "learning_rate"]
    assert losses(joined, column) == [(values[0], 1.0), (values[1], 2.0)]


def test_settings_that_change_together_are_walked_together(tmp_path: Path) -> None:
    config = with_training(seed=3) | {"model": {"init_scale": 2.0}}
    runs = [run(tmp_path / "a", [RATE]), run(tmp_path / "b", [RATE], config=config)]
    grid = load_grid(nanmap.concat(runs).manifest)
    assert (grid.shape, [axis.column for axis in grid.axes]) == ((2, 5), ["init_scale", "seed", "learning_rate"])
    runs.append(run(tmp_path / "c", [RATE], config=with_training(seed=4)))
    grid = load_grid(nanmap.concat(runs).manifest)
    assert (grid.shape, [axis.column for axis in grid.axes]) == ((2, 3, 5), ["init_scale", "seed", "learning_rate"])


def test_only_a_grid_that_every_run_fills_is_complete(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a", [rates(0.1, 0.2), seeds(0)]), run(tmp_path / "b", [rates(0.1, 0.2), seeds(0, 1)])
    less = run(tmp_path / "c", [rates(0.1), seeds(2)])
    assert [nanmap.concat(runs).manifest["complete"] for runs in ([one, two], [one, less])] == [True, False]


def test_a_setting_that_one_run_varies_and_another_fixes_is_one_axis(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [RATE, seeds(0, 1)]), run(tmp_path / "b", [RATE], config=with_training(seed=5))
    assert nanmap.concat([other, one]).to_pandas().seed.value_counts().to_dict() == {0: 5, 1: 5, 5: 5}


def test_choices_are_one_axis_where_they_stand_for_the_same(tmp_path: Path) -> None:
    def budgets(**choices: int) -> dict[str, Any]:
        return {"name": "budget", "choices": {name: {"training.epochs": epochs} for name, epochs in choices.items()}}

    one, two = run(tmp_path / "a", [budgets(short=3), RATE]), run(tmp_path / "b", [budgets(long=9), RATE])
    assert nanmap.concat([one, two]).to_pandas().budget.astype(str).value_counts().to_dict() == {"short": 5, "long": 5}
    fixed = run(tmp_path / "c", [RATE, seeds(1)], config=with_training(epochs=9))
    assert set(nanmap.concat([fixed, one, two]).to_pandas().query("seed == 1").budget) == {"long"}
    with pytest.raises(InputError, match=r"axes\.budget: stands for other settings in .*d than in .*a \(got 'short'\)"):
        nanmap.concat([one, run(tmp_path / "d", [budgets(short=4), RATE])])
    with pytest.raises(InputError, match=r"has no choice with the settings of .*e,"):
        nanmap.concat([one, run(tmp_path / "e", [RATE], config=with_training(epochs=5))])


def test_zipped_axes_stay_zipped_where_each_value_has_one_partner(tmp_path: Path) -> None:
    momentum = {"key": "optimizer.momentum"}
    zipped = {"zip": [["learning_rate", "momentum"]]}
    one = run(tmp_path / "a", [rates(0.1, 0.2), momentum | {"values": [0.5, 0.6]}], np.array([1.0, 2.0]), **zipped)
    two = run(tmp_path / "b", [rates(0.3, 0.1), momentum | {"values": [0.7, 0.5]}], np.array([3.0, 1.0]), **zipped)
    three = run(tmp_path / "c", [rates(0.1, 0.2), momentum | {"values": [0.6, 0.9]}], np.array([4.0, 5.0]), **zipped)
    joined = nanmap.concat([one, two])
    assert load_grid(joined.manifest).shape == (3,)
    assert losses(joined, "learning_rate", "momentum") == [(0.1, 0.5, 1.0), (0.2, 0.6, 2.0), (0.3, 0.7, 3.0)]
    assert len(load_grid(nanmap.concat([one, three]).manifest).shape) == 2


@pytest.mark.parametrize(
    ("values", "zipped", "shape"),
    [
        (([0.3], [0.5]), True, (3, 2)),  # a momentum of 0.5 with two rates
        (([0.2], [0.7]), True, (2, 3)),  # a rate of 0.2 with two momenta
        (([0.3], [0.7]), True, (3,)),
        (([0.3], [0.7]), False, (3, 3)),  # a run in which each goes by itself
    ],
)
def test_axes_walk_together_where_they_do_in_each_run_and_no_value_has_two_partners(
    values: tuple, zipped: bool, shape: tuple, tmp_path: Path
) -> None:
    together = {"zip": [["learning_rate", "momentum"]]}
    one = run(tmp_path / "a", [rates(0.1, 0.2), axis("optimizer.momentum", 0.5, 0.6)], **together)
    other = run(
        tmp_path / "b", [rates(*values[0]), axis("optimizer.momentum", *values[1])], **together if zipped else {}
    )
    assert load_grid(nanmap.concat([one, other]).manifest).shape == shape


@pytest.mark.parametrize("most", [5, 6])
def test_runs_whose_grid_would_be_too_large_are_refused(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged, "MOST_CELLS", most)
    runs = [run(tmp_path / "a", [rates(0.1, 0.2), seeds(0, 1)]), run(tmp_path / "b", [rates(0.1), seeds(2)])]
    if most < 6:
        with pytest.raises(InputError, match="too many settings"):
            nanmap.concat(runs)
    else:
        assert len(nanmap.concat(runs).to_pandas()) == 5


def test_axes_over_epochs_and_over_updates_are_refused(tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [axis("training.epochs", 1, 2)]), run(tmp_path / "b", [axis("training.steps", 5)])
    with pytest.raises(InputError, match=r"training\.steps: is set by the axis `training\.epochs` of .*a and by"):
        nanmap.concat([one, other])


@pytest.mark.parametrize(
    ("one", "other", "column", "values"),
    [
        (seeds(2), seeds(10, 1), "seed", [1, 2, 10]),
        (axis("model.bias", True), axis("model.bias", False), "bias", [True, False]),
        (axis("model.init", "zeros"), axis("model.init", "normal"), "init", ["zeros", "normal"]),
        (axis("training.seed", 4, name="draw"), axis("training.seed", 3, name="draw"), "draw", [3, 4]),
    ],
)
def test_numbers_ascend_and_other_values_come_as_the_runs_do(
    one: dict, other: dict, column: str, values: list, tmp_path: Path
) -> None:
    joined = nanmap.concat([run(tmp_path / "a", [one]), run(tmp_path / "b", [other])])
    (found,) = load_grid(joined.manifest).axes
    assert (found.column, found.labels.tolist()) == (column, values)


def test_axes_of_one_name_go_by_their_whole_keys(tmp_path: Path) -> None:
    one = run(tmp_path / "a", [axis("optimizer.learning_rate", 0.1, name="pace"), seeds(0)])
    other = run(tmp_path / "b", [axis("optimizer.momentum", 0.5, name="pace"), seeds(1)])
    columns = [each.column for each in load_grid(nanmap.concat([one, other]).manifest).axes]
    assert columns == ["optimizer_learning_rate", "seed", "optimizer_momentum"]


def test_a_cell_is_looked_for_in_the_folder_that_holds_it(tmp_path: Path) -> None:
    one = run(tmp_path / "a", [rates(0.1, 0.2, 0.3), seeds(0)], where="learning_rate != 0.1")
    two, three = run(tmp_path / "b", [rates(0.1, 0.3), seeds(1)]), run(tmp_path / "c", [rates(0.2), seeds(1)])
    folder = nanmap.concat([nanmap.concat([one, two]), three]).folder
    found = {cell: folder.source(cell) for cell in (2, 4, 1, 5, 3)}
    assert {cell: (source.path, number) for cell, (source, number) in found.items()} == {
        2: (one, 1), 4: (one, 2), 1: (two, 0), 5: (two, 1), 3: (three, 0)
    }  # fmt: skip
    with pytest.raises(InputError, match="no run has a row of this cell"):
        folder.source(0)


def test_rows_that_several_runs_have_are_kept_once(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(n), [rates(*values)]) for n, values in enumerate([(0.1,), (0.2,), (0.1, 0.2)])]
    joined = nanmap.concat(runs)
    assert losses(joined, "learning_rate") == [(0.1, 1.0), (0.2, 1.0)]
    assert joined.manifest["complete"]
    runs.append(run(tmp_path / "unfinished", [rates(0.1)], complete=False))
    assert not nanmap.concat(runs).manifest["complete"]


def test_a_choice_s_file_is_the_same_by_its_content(tmp_path: Path) -> None:
    def of_choices(name: str, folder: str, seed: int, content: str = "11") -> Path:
        choices = {"name": "rows", "choices": {"few": {"data.path": f"{folder}/few.csv"}}}
        config = {"data": {"kind": "csv", "target": "y"}, "training": {"epochs": 1, "seed": seed}}
        return run(tmp_path / name, [choices], config=config, data=[f"few.csv {content}"])

    one = of_choices("a", "/one", 0)
    assert nanmap.concat([one, of_choices("b", "/two", 1)]).to_pandas().rows.tolist() == ["few", "few"]
    with pytest.raises(InputError, match="other contents"):
        nanmap.concat([one, of_choices("c", "/one", 1, "22")])


@pytest.mark.parametrize(("wrong", "more"), [(3, "); they differ"), (4, ") and 1 more; they differ")])
def test_of_many_rows_that_are_not_the_same_three_are_named(wrong: int, more: str, tmp_path: Path) -> None:
    axes = [rates(*range(1, 8))]
    runs = [run(tmp_path / "a", axes, 1.0), run(tmp_path / "b", axes, np.where(np.arange(7) < wrong, 2.0, 1.0))]
    with pytest.raises(InputError) as told:
        nanmap.concat(runs)
    assert told.value.problem.count("and cell") == 3
    assert more in told.value.problem


def test_rows_are_other_ones_where_any_of_their_values_is(tmp_path: Path) -> None:
    axes = [rates(0.1, 0.2, 0.3)]
    one, other = run(tmp_path / "a", axes, np.array([1.0, 2.0, 3.0])), tmp_path / "b"
    write_run(
        other, axes, {"loss_final": np.array([1.0, 9.0, 3.0]), "outcome": ["converged", "converged", "dead"]}, **MADE
    )
    with pytest.raises(InputError) as told:
        nanmap.concat([one, other])
    cells = "cell 1 and cell 1 (learning_rate = 0.2); cell 2 and cell 2 (learning_rate = 0.3)"
    assert told.value.problem.endswith(f"{cells}; they differ in outcome, loss_final")


def test_what_manifests_say_is_put_together(tmp_path: Path) -> None:
    told = [
        {"models": {"mlp": ["a line"]}, "rows": "20 rows", "data": ["x.csv 11"]},
        {"models": {"mlp": ["a net", "a line"]}, "rows": "20 rows", "data": ["w.csv 22", "x.csv 11"]},
        {"models": {"other": ["a tree"]}, "rows": "9 rows"},
    ]
    runs = [run(tmp_path / str(seed), [seeds(seed)], **more) for seed, more in enumerate(told)]
    two, three = (nanmap.concat(runs[:count]).manifest for count in (2, 3))
    assert (two["models"], two["rows"], two["data"]) == (
        {"mlp": ["a line", "a net"]},
        "20 rows",
        ["w.csv 22", "x.csv 11"],
    )
    assert (three["models"], three["rows"]) == ({"mlp": ["a line", "a net"], "other": ["a tree"]}, None)


def test_a_title_stays_where_all_runs_have_it_and_names_come_once(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(seed), [seeds(seed)]) for seed in range(3)]
    folders = [Result(each).folder for each in runs]
    for folder, (name, title) in zip(folders, [("line", "A"), ("line", "A"), ("other", "B")], strict=True):
        manifest = folder.read_manifest()
        folder.write_manifest(manifest | {"sweep": manifest["sweep"] | {"name": name, "title": title}})
    told = [nanmap.concat(runs[:count]).manifest["sweep"] for count in (2, 3)]
    assert [(each["name"], each["title"]) for each in told] == [("line", "A"), ("line + other", "")]


def test_the_same_row_twice_is_kept_once_and_another_row_is_refused(tmp_path: Path) -> None:
    hostile = np.array([np.nan, 0.0, np.inf])
    one, same = (run(tmp_path / name, [rates(0.1, 0.2, 0.3)], hostile) for name in "ab")
    assert repr(losses(nanmap.concat([one, same, one]))) == repr([(nan,) for nan in hostile.tolist()])
    other = run(tmp_path / "c", [rates(0.2, 0.3), seeds(0)], np.array([-0.0, 1.0]))
    with pytest.raises(InputError) as told:
        nanmap.concat([one, other])
    assert "cell 1 and cell 0 (learning_rate = 0.2, seed = 0); cell 2 and cell 1 (" in str(told.value)
    assert "they differ in loss_final" in str(told.value)
    assert f"nanmap compare {one} {other}" in str(told.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"schema": 2}, r"version of the columns is 3 in .*a and 2 in .*b[\s\S]*mend: train the older one again"),
        ({"versions": {"nanmap": "2"}}, "version of nanmap is 1 in"),
        (
            {"config": LINE | {"outcome": {"ratio": 0.5}}},
            r"outcome\.ratio: [\s\S]*0\.05 in[\s\S]*judged\(ratio=0\.05\)",
        ),
        ({"config": LINE | {"record": {"full_loss": True}}}, r"record\.full_loss: the runs record other things"),
        ({"config": LINE | {"training": {"steps": 10, "batch_size": 32}}}, "counts epochs and another updates"),
    ],
)
def test_runs_that_cannot_stand_beside_each_other_are_refused(more: dict, said: str, tmp_path: Path) -> None:
    one, other = run(tmp_path / "a", [RATE, seeds(0)]), run(tmp_path / "b", [RATE, seeds(1)], **more)
    alike = run(tmp_path / "alike", [RATE, seeds(2)])
    for runs in ([one, other], [one, alike, other]):
        with pytest.raises(InputError, match=said):
            nanmap.concat(runs)


def test_runs_judged_alike_are_put_together(tmp_path: Path) -> None:
    one = run(tmp_path / "a", [RATE, seeds(0)])
    other = run(tmp_path / "b", [RATE, seeds(1)], config=LINE | {"outcome": {"ratio": 0.5}})
    joined = nanmap.concat([Result(one).judged(ratio=0.5), other])
    assert len(joined.to_pandas()) == 10
    assert joined.judged(ratio=0.1).judged(rising=2.0).manifest["judged"] == {"ratio": 0.1, "rising": 2.0}
    assert joined.judged(ratio=0.1).to_pandas().cell.tolist() == list(range(10))


def test_a_file_is_the_same_by_its_content_wherever_it_stands(tmp_path: Path) -> None:
    def of_file(name: str, path: str, content: bytes, seed: int) -> Path:
        config = {"data": {"kind": "csv", "path": path, "target": "y"}, "training": {"epochs": 1, "seed": seed}}
        data = [f"{Path(path).name} {hashlib.sha256(content).hexdigest()}"]
        return run(tmp_path / name, [RATE], config=config, data=data)

    one, moved = of_file("a", "/one/cars.csv", b"1", 0), of_file("b", "/two/cars.csv", b"1", 1)
    assert [axis.column for axis in load_grid(nanmap.concat([one, moved]).manifest).axes] == ["seed", "learning_rate"]
    with pytest.raises(InputError, match=r"the file cars\.csv has other contents in"):
        nanmap.concat([one, of_file("c", "/one/cars.csv", b"2", 1)])
    other = of_file("d", "/one/trucks.csv", b"2", 0)
    assert nanmap.concat([one, other]).to_pandas().path.unique().tolist() == ["/one/cars.csv", "/one/trucks.csv"]


@pytest.mark.parametrize("more", [{"versions": {"nanmap": "1", "jax": "2"}}, {"backend": "gpu"}, {"widths": {"p": 8}}])
def test_what_may_change_last_digits_is_told(more: dict, tmp_path: Path) -> None:
    one = run(tmp_path / "a", [RATE, seeds(0)], widths={"p": 4})
    other = run(tmp_path / "b", [RATE, seeds(1)], **{"widths": {"p": 4}, **more})
    with pytest.warns(UserWarning, match="the last digits may differ"):
        nanmap.concat([one, other])


DIGITS = "the last digits may differ, and near a chaotic boundary the outcome"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, []),
        ({"backend": "gpu"}, ["backend is cpu in {a}, gpu in {b}"]),
        *(
            ({"versions": {"nanmap": "1", "jax": "1", name: "2"}}, [f"{name} is {was} in {{a}}, 2 in {{b}}"])
            for name, was in (("jax", 1), ("jaxlib", None), ("optax", None), ("numpy", None))
        ),
        ({"widths": {"p": 8, "q": 2}}, ["{b} trained other numbers of cells side by side"]),
        ({"widths": {"q": 2}}, []),
    ],
)
def test_of_what_may_change_last_digits_each_run_s_own_is_named(more: dict, told: list[str], tmp_path: Path) -> None:
    a = run(tmp_path / "a", [RATE, seeds(0)], widths={"p": 4})
    b = run(tmp_path / "b", [RATE, seeds(1)], **{"widths": {"p": 4}, **more})
    notes = JoinedFolder([RunFolder(a), RunFolder(b)]).notes
    assert notes == [f"{each.format(a=a, b=b)}: {DIGITS}" for each in told]


@pytest.mark.parametrize(("apart", "told"), [(3e-13, True), (3e-12, False)])
@pytest.mark.parametrize("value", [0.3, 3e5])
def test_values_are_almost_equal_up_to_a_few_roundings(value: float, apart: float, told: bool, tmp_path: Path) -> None:
    """Whichever is the larger, and whatever stands beside them."""
    for name, factor in (("above", 1 + apart), ("below", 1 - apart)):
        one = run(tmp_path / f"{name} one", [rates(value, value / 2)])
        two = run(tmp_path / name, [rates(value / 2, 2 * value, value * factor)])
        notes = JoinedFolder([RunFolder(one), RunFolder(two)]).notes
        assert bool(notes) == told
        assert all(f"such as {value!r} and {value * factor!r}" in note for note in notes)


def test_zipped_axes_with_another_between_keep_their_own_values(tmp_path: Path) -> None:
    axes = lambda *at: [rates(0.1, 0.2), seeds(*at), axis("optimizer.momentum", 0.5, 0.6)]  # noqa: E731
    zipped = {"zip": [["learning_rate", "momentum"]]}
    one = run(tmp_path / "a", axes(0, 1), np.arange(4.0), **zipped)
    two = run(tmp_path / "b", axes(2), np.array([8.0, 9.0]), **zipped)
    found = losses(nanmap.concat([one, two]), "learning_rate", "momentum", "seed")
    expected = [
        (0.1, 0.5, 0, 0.0),
        (0.1, 0.5, 1, 1.0),
        (0.1, 0.5, 2, 8.0),
        (0.2, 0.6, 0, 2.0),
        (0.2, 0.6, 1, 3.0),
        (0.2, 0.6, 2, 9.0),
    ]
    assert found == expected


def test_a_file_that_moved_goes_by_the_first_run_s_path(tmp_path: Path) -> None:
    def of_files(name: str, *paths: str) -> Path:
        config = {"data": {"kind": "csv", "target": "y"}, "training": {"epochs": 1}}
        data = [f"{Path(path).name} 11" for path in paths]
        return run(tmp_path / name, [axis("data.path", *paths)], config=config, data=data)

    joined = nanmap.concat([of_files("a", "/one/x.csv", "/one/y.csv"), of_files("b", "/two/z.csv", "/two/x.csv")])
    assert joined.to_pandas().path.tolist() == ["/one/x.csv", "/one/y.csv", "/two/z.csv"]


def test_a_choice_that_switches_a_setting_off_still_does(tmp_path: Path) -> None:
    choices = {"plain": {"optimizer.momentum": None}, "heavy": {"optimizer.momentum": 0.5}}
    config = LINE | {"optimizer": {"momentum": 0.9}}
    runs = [run(tmp_path / str(n), [{"name": "rule", "choices": choices}, seeds(n)], config=config) for n in range(2)]
    folder = nanmap.concat(runs).folder
    assert [config_of_cell(folder, cell).optimizer.momentum for cell in range(4)] == [None, None, 0.5, 0.5]


def test_each_file_that_runs_share_must_be_the_same(tmp_path: Path) -> None:
    one = run(tmp_path / "a", [seeds(0)], data=["x.csv 11", "y.csv 22"])
    other = run(tmp_path / "b", [seeds(1)], data=["w.csv 00", "x.csv 11", "y.csv 33"])
    with pytest.raises(InputError, match=r"the file y\.csv has other contents"):
        nanmap.concat([one, other])


@pytest.mark.parametrize(("floors", "asked"), [(("auto", 0.5), "floor=0.5"), (("affine", "auto"), "floor=…")])
def test_runs_of_other_floors_are_judged_alike_by_one_that_is_a_number(
    floors: tuple, asked: str, tmp_path: Path
) -> None:
    runs = [
        run(tmp_path / str(seed), [seeds(seed)], config=LINE | {"outcome": {"floor": floor}})
        for seed, floor in enumerate(floors)
    ]
    with pytest.raises(InputError, match=r"judged by other thresholds") as told:
        nanmap.concat(runs)
    assert f"judged({asked})" in told.value.mend


def test_the_condition_that_all_runs_share_stays(tmp_path: Path) -> None:
    axes = lambda *values: [rates(0.1, 0.2), seeds(*values)]  # noqa: E731
    runs = [run(tmp_path / str(n), axes(n, n + 1), where="seed < 2 or learning_rate > 0.1") for n in (0, 2)]
    joined = nanmap.concat(runs)
    assert joined.manifest["sweep"]["where"] == "seed < 2 or learning_rate > 0.1"
    assert len(joined.to_pandas()) == load_grid(joined.manifest).kept(0, 8).numbers.size == 6
    assert joined.manifest["complete"]
    other = run(tmp_path / "b", axes(5), where="learning_rate > 0.1")
    assert nanmap.concat([*runs, other]).manifest["sweep"]["where"] is None


@pytest.mark.parametrize("runs", ["results/a", [], [3], Result("a")], ids=str)
def test_what_are_no_runs_is_told(runs: Any) -> None:
    with pytest.raises(InputError, match="expects a"):
        nanmap.concat(runs)


def test_edges_stay_with_their_run(tmp_path: Path) -> None:
    joined = nanmap.concat([run(tmp_path / "a", [RATE])])
    with pytest.raises(InputError, match="no edges"):
        joined.edge()


def test_axes_that_set_the_same_are_refused(tmp_path: Path) -> None:
    bundle = {"name": "start", "choices": {"first": {"training.seed": 0}}}
    with pytest.raises(InputError, match=r"training\.seed: is set by the axis `start` of .*a and by `training\.seed`"):
        nanmap.concat([run(tmp_path / "a", [bundle, RATE]), run(tmp_path / "b", [seeds(1), RATE])])


def test_a_budget_that_an_axis_replaces_is_none_in_which_runs_differ(tmp_path: Path) -> None:
    epochs = axis("training.epochs", 1, 2)
    one = run(tmp_path / "a", [epochs], config=LINE | {"training": {"steps": 10, "batch_size": 32}})
    two = run(tmp_path / "b", [axis("training.epochs", 2, 3)])
    assert load_grid(nanmap.concat([one, two]).manifest).shape == (3,)


@pytest.mark.parametrize("order", [("long", "counted"), ("counted", "long")])
@pytest.mark.parametrize("budget", [{"epochs": 10}, {"steps": 7}])
def test_a_cell_of_joined_runs_has_the_budget_of_its_choice(order: tuple, budget: dict, tmp_path: Path) -> None:
    known = {"long": {"training.epochs": 9}, "counted": {"training.steps": 4}}
    axis, config = {"name": "budget", "choices": {name: known[name] for name in order}}, LINE | {"training": budget}
    joined = nanmap.concat([run(tmp_path / str(seed), [axis, seeds(seed)], config=config) for seed in range(2)])
    found = [config_of_cell(joined.folder, cell).training for cell in range(4)]
    budgets = {"long": (9, None), "counted": (None, 4)}
    assert [(each.epochs, each.steps, each.seed) for each in found] == [
        (*budgets[name], seed) for name in order for seed in range(2)
    ]


def test_an_axis_that_one_run_has_whole_keeps_its_order_and_scale(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a", [RATE, seeds(3, 1)]), run(tmp_path / "b", [rates(1e-3), seeds(1)])
    rate, seed = load_grid(nanmap.concat([two, one]).manifest).axes
    assert (rate.scale, seed.labels.tolist()) == ("log", [3, 1])


def test_values_that_differ_in_their_last_digits_are_told(tmp_path: Path) -> None:
    above = float(np.nextafter(0.3, 1))
    one, two = run(tmp_path / "a", [rates(0.1, 0.3)]), run(tmp_path / "b", [rates(above, 0.1, 0.2)])
    with pytest.warns(UserWarning, match=r"1 values of learning_rate in .* such as 0\.3 and 0\.30000000000000004"):
        assert len(nanmap.concat([one, two]).to_pandas()) == 4
    assert nanmap.compare(two, one).differs["axis learning_rate, equal but for the last digits: 1"] == (
        "0.30000000000000004",
        "0.3",
    )
