"""Looking closer: rows chosen by values, conditions and windows; and a sweep trained anew over a window."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import count_outcomes, load_grid, make_view
from nanmap.cli.listed_maps import check_listed
from nanmap.cli.picture_name import file_name
from nanmap.errors import InputError
from nanmap.grid.windows import checked_windows, inside
from nanmap.outcomes import Outcome
from nanmap.plan import load_sweep, make_sweep, zoomed
from nanmap.plot import draw_map
from nanmap.results.folder import RunFolder
from pictures import head_of, legend_of, panels_of, pixels

START = {"key": "model.init", "values": ["zeros", "normal"]}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    outcomes = np.random.default_rng(0).choice(list(Outcome), 120).astype(object)
    return write_run(tmp_path, [START, BATCH, RATE, SEED], {"outcome": outcomes}, shard_cells=50)


CHOICES = (
    ("learning_rate < 0.5 and batch_size >= 4", None, "learning_rate < 0.5 and batch_size >= 4"),
    ({"init": "normal", "seed": [0, 3]}, None, "init == 'normal' and seed in [0, 3]"),
    (
        [{"seed": 1}, "init != 'zeros'", "batch_size in [1, 32]"],
        None,
        "seed == 1 and init != 'zeros' and batch_size != 4",
    ),
    (None, {"learning_rate": (0.01, 1), "seed": (1, 2)}, "0.0099 < learning_rate < 1.01 and 1 <= seed <= 2"),
    ("seed < 2 or batch_size == 1", {"batch_size": (1, 4)}, "(seed < 2 or batch_size == 1) and batch_size <= 4"),
)


@pytest.mark.parametrize(("select", "zoom", "query"), CHOICES)
def test_the_rows_that_are_kept_are_those_of_the_query(folder: RunFolder, select: Any, zoom: Any, query: str) -> None:
    view = make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size", ("init",), select, zoom)
    counts = count_outcomes(folder, view)
    rows = folder.dataset().to_table().to_pandas().query(query)
    assert counts.sum() == len(rows) > 0
    for number, outcome in enumerate(Outcome.by_severity()):
        assert counts[number].sum() == (rows.outcome == outcome).sum()
    assert view.x.labels.tolist() == sorted(rows.learning_rate.unique())
    assert view.y.labels.tolist() == sorted(rows.batch_size.unique())
    assert view.expected().sum() == len(rows)


@pytest.mark.parametrize(
    ("select", "kept"),
    [
        ({"seed": {0, 3}}, {"seed": [0, 3]}),
        ({"seed": np.array([3, 0])}, {"seed": [0, 3]}),
        ({"seed": (1, "2")}, {"seed": [1, 2]}),
        ({"init": "Normal"}, {"init": ["normal"]}),
        ([{"seed": 1}, {"init": "zeros"}], {"seed": [1], "init": ["zeros"]}),
        ({"learning_rate": 0.1000000001}, {"learning_rate": [0.1]}),
        ({"learning_rate": "1E-3"}, {"learning_rate": [0.001]}),
    ],
)
def test_values_may_be_given_in_any_form(folder: RunFolder, select: Any, kept: dict[str, list]) -> None:
    grid = load_grid(folder.read_manifest())
    positions = make_view(grid, "learning_rate", select=select).selection.positions(grid)
    for axis, places in zip(grid.axes, positions, strict=True):
        found, expected = axis.labels[places].tolist(), kept.get(axis.column, axis.labels.tolist())
        assert found == (pytest.approx(expected) if axis.column == "learning_rate" else expected)


@pytest.mark.parametrize(
    ("count", "listed"),
    [(12, ", ".join(map(str, range(12)))), (13, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … 12 (13 values)")],
)
def test_of_many_values_the_first_and_the_last_are_allowed(count: int, listed: str, tmp_path: Path) -> None:
    grid = load_grid(write_run(tmp_path, [RATE, {"key": "training.seed", "range": [0, count]}]).read_manifest())
    with pytest.raises(InputError) as told:
        make_view(grid, "learning_rate", select={"seed": 99})
    assert told.value.allowed == listed


def test_a_condition_over_two_axes_leaves_holes_that_are_told(folder: RunFolder) -> None:
    figure = draw_map(folder, "learning_rate", "batch_size", select="batch_size > learning_rate and seed == 0")
    assert legend_of(figure)[-1] == "excluded by the selection"
    assert "only batch_size > learning_rate and seed == 0" in head_of(figure)
    assert pixels(figure, 3, 5)[0][3:] == ["#dde1e6"] * 2  # rates 1 and 10 of batch size 1


def test_a_window_crops_the_axis(folder: RunFolder) -> None:
    figure = draw_map(folder, "learning_rate", "batch_size", zoom={"learning_rate": (0.01, 1), "seed": (1, 2)})
    np.testing.assert_allclose(panels_of(figure)[0].get_xlim(), [10**-2.5, 10**0.5])
    assert "seed from 1 to 2" in head_of(figure)


@pytest.mark.parametrize(
    ("select", "zoom", "problem", "mend"),
    [
        ("learning_rat < 1", None, "select: names no axis (got 'learning_rat')", "did you mean `learning_rate`?"),
        ("learning_rate <", None, "select: breaks off", "comparisons"),
        ("init < 3", None, "select: `init < 3` compares a number with a text", "comparisons"),
        ("seed > 9", None, "select: leaves no cell (got 'seed > 9')", "seed from 0 to 3"),
        ({"sed": 1}, None, "select: no such axis (got 'sed')", "did you mean `seed`?"),
        ({"learning_rate": 0.100001}, None, "select.learning_rate: is not on the axis (got 0.100001)", "0.001, 0.01"),
        ({"seed": None}, None, "select.seed: is not on the axis", "0, 1, 2, 3"),
        ([3], None, "select: expects values by axis, or a condition (got 3)", "learning_rate < 1e-3"),
        (None, {"sed": (1, 2)}, "zoom: no such axis (got 'sed')", "did you mean `seed`?"),
        (None, {"init": (1, 2)}, "zoom.init: its values are no numbers", "init=zeros"),
        (None, {"seed": 1}, "zoom.seed: expects two numbers", ""),
        (None, {"seed": (2, 1)}, "zoom.seed: its low end must be below its high end (got '2:1')", "seed=1:2"),
        (None, {"seed": (float("nan"), 1)}, "zoom.seed: its low end must be below", ""),
        (None, {"seed": (1, 1)}, "zoom.seed: its low end must be below its high end (got '1:1')", "give a low and a"),
        (None, {"seed": (False, True)}, "zoom.seed: expects two numbers", ""),
        (None, {"learning_rate": (1e-4, 1)}, "zoom.learning_rate: reaches beyond the axis", "0.001 to 10"),
        (None, {"batch_size": (5, 30)}, "zoom.batch_size: holds no value of the axis", "are 4 and 32"),
        (None, "seed", "zoom: expects a window per axis", "learning_rate"),
    ],
)
def test_mistakes_are_told_with_their_mend(folder: RunFolder, select: Any, zoom: Any, problem: str, mend: str) -> None:
    with pytest.raises(InputError) as caught:
        make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size", (), select, zoom)
    assert problem in str(caught.value)
    assert mend in str(caught.value)


def axes_of(*values: float) -> list[Any]:
    return make_sweep(LINE, [{"key": "optimizer.learning_rate", "values": list(values)}]).grid.axes


@pytest.mark.parametrize(
    ("values", "window", "kept"),
    [
        ((0.1, 0.2, 0.3), (0.1, 0.2), [0.1, 0.2]),
        ((0.1, 0.1 + 0.2), (0.2, 0.3), [0.1 + 0.2]),  # which is more than 0.3
        ((0.1 + 0.2, 0.5), (0.3, 0.4), [0.1 + 0.2]),
        ((0.299999999999, 0.5), (0.3, 0.5), [0.299999999999, 0.5]),
        ((-0.1 - 0.2, -0.1), (-0.3, -0.2), [-0.1 - 0.2]),
        ((-0.5, -0.1 - 0.2), (-0.4, -0.3), [-0.1 - 0.2]),
        ((-0.5, -0.299999999999), (-0.4, -0.3), [-0.299999999999]),
        ((0.5, 0.1, 0.3), (0.1, 0.4), [0.1, 0.3]),
    ],
)
def test_ends_of_a_window_are_in_it_as_they_are_written(
    values: tuple[float, ...], window: tuple[float, float], kept: list[float]
) -> None:
    axes = axes_of(*values)
    checked = checked_windows({"learning_rate": window}, axes)
    assert axes[0].labels[inside(axes[0], checked["learning_rate"])].tolist() == kept


def test_a_window_may_be_an_array_and_becomes_plain_numbers() -> None:
    window = checked_windows({"learning_rate": np.array([0.1, 0.5])}, axes_of(0.1, 0.3, 0.5))["learning_rate"]
    assert window == (0.1, 0.5)
    assert [type(end) for end in window] == [float, float]


@pytest.mark.parametrize(
    ("values", "window", "problem", "allowed"),
    [
        ((0.5, 0.1, 0.9), (0.05, 0.5), "zoom.learning_rate: reaches beyond", "0.1 to 0.9"),
        ((0.5, 0.1, 0.9), (0.5, 0.95), "zoom.learning_rate: reaches beyond", "0.1 to 0.9"),
        ((0.123456789, 0.9), (0.123456, 0.5), "zoom.learning_rate: reaches beyond", "0.123456789 to 0.9"),
        ((0.9, 0.1, 0.5, 0.3), (0.35, 0.45), "zoom.learning_rate: holds no value", "next to it are 0.3 and 0.5"),
        ((0.9, 0.1, 0.5, 0.3), (0.6, 0.61), "zoom.learning_rate: holds no value", "next to it are 0.5 and 0.9"),
    ],
)
def test_a_window_without_a_value_or_past_the_ends_is_told_what_there_is(
    values: tuple[float, ...], window: tuple[float, float], problem: str, allowed: str
) -> None:
    axes = axes_of(*values)
    with pytest.raises(InputError) as caught:
        inside(axes[0], checked_windows({"learning_rate": window}, axes)["learning_rate"])
    assert str(caught.value).startswith(problem)
    assert str(caught.value).endswith(allowed)


def test_pictures_of_other_rows_have_other_names() -> None:
    chosen = (
        {},
        {"zoom": {"a": (1, 2)}},
        {"zoom": {"a": (1, 3)}},
        {"select": ["a < 1"]},
        {"select": ["a > 1"]},
        {"select": ["a <= 1"]},
        {"select": ["a < 1 and (b < 1 or c < 1) and d < 1"]},
        {"select": ["a < 1 and b < 1 or c < 1 and d < 1"]},
        {"select": [{"a": [1]}]},
        {"select": [" or ".join(f"abcdefghij < {number}" for number in range(40))]},
        {"select": [" or ".join(f"abcdefghij < {number}" for number in range(41))]},
    )
    names = [file_name("x", "y", "map", what, {}) for what in chosen]
    names += [file_name("x", "y", "map", {}, {"ratio": 0.1}), file_name("x", None, "lines", {"lines": "b"}, {})]
    assert names[0] == "outcome_x_y.png"
    assert names[1] == "outcome_x_y_a=1..2.png"
    assert names[3] == "outcome_x_y_a-lt-1.png"
    assert names[-1] == "lines_loss_final_x_b.png"
    assert len({name.lower() for name in names}) == len(names)
    assert max(map(len, names)) < 200
    assert not any(set(name) & set('<>:"/\\|?* ') for name in names)


TABLES = {  # of an axis and of its window, what becomes of it
    "log": ({"log": [1e-4, 1.0], "num": 9}, (1e-3, 1e-2), {"log": [1e-3, 1e-2], "num": 9}),
    "falling log": ({"log": [-1e-4, -1.0], "num": 5}, (-0.1, -0.01), {"log": [-0.01, -0.1], "num": 5}),
    "linear": ({"linear": [0.0, 1.0], "num": 5}, (0.1, 0.3), {"linear": [0.1, 0.3], "num": 5}),
    "range of what need not be whole": ({"range": [1, 10]}, (2.5, 4.0), {"linear": [2.5, 4.0], "num": 9}),
    "values": ({"values": [0.1, 0.5, 0.3, 0.9]}, (0.1, 0.5), {"values": [0.1, 0.5, 0.3]}),
}
WHOLE = {
    "range": ({"range": [8, 41]}, (10, 20), list(range(10, 21))),
    "falling range": ({"range": [40, 7, -2]}, (9.5, 13), [13, 12, 11, 10]),
    "as many apart as there were values": ({"range": [8, 41, 8]}, (8, 13), [8, 9, 10, 12, 13]),
    "one": ({"range": [8, 41]}, (8.5, 9.5), [9]),
    "wide steps": ({"range": [8, 41, 8]}, (8, 24), [8, 12, 16, 20, 24]),
    "log": ({"log": [1, 1000], "num": 7}, (10, 13), [10, 11, 12, 13]),
    "linear": ({"linear": [1, 101], "num": 6}, (1.5, 12), [2, 4, 6, 8, 10, 12]),
}


@pytest.mark.parametrize(("table", "window", "expected"), TABLES.values(), ids=TABLES)
def test_a_window_is_swept_at_the_resolution_of_the_axis(
    table: dict[str, Any], window: tuple[float, float], expected: dict[str, Any]
) -> None:
    whole = make_sweep(LINE, [SEED, {"key": "optimizer.learning_rate", **table}], name="rates")
    close = zoomed(whole, {"learning_rate": window})
    assert close.axes == [SEED, {"key": "optimizer.learning_rate", **expected}]
    assert close.grid.axes[1].scale == whole.grid.axes[1].scale
    assert close.name == f"rates_learning_rate_{window[0]:g}_to_{window[1]:g}"


@pytest.mark.parametrize(("table", "window", "values"), WHOLE.values(), ids=WHOLE)
def test_of_whole_numbers_each_comes_once(
    table: dict[str, Any], window: tuple[float, float], values: list[int]
) -> None:
    close = zoomed(make_sweep(LINE, [{"key": "data.n", **table}]), {"n": window})
    assert close.grid.axes[0].labels.tolist() == values


@pytest.mark.parametrize(
    ("window", "problem"),
    [
        ({"n": (8.2, 8.7)}, "s.toml: zoom.n: holds no whole number (got '8.2:8.7')\n  mend: 8:9"),
        ({"n": (1, 9)}, "s.toml: zoom.n: reaches beyond the axis (got '1:9')\n  allowed: 8 to 12"),
        ({"init": (1, 2)}, "s.toml: zoom.init: its values are no numbers"),
        ({"batch_size": (2, 3)}, "s.toml: zoom.batch_size: holds no value of the axis"),
        ({"momentum": (0, 0.5)}, "s.toml: zoom.momentum: is zipped with `learning_rate`: they move together"),
        ({"rate": (1, 2)}, "s.toml: zoom: no such axis (got 'rate')"),
    ],
)
def test_what_cannot_be_swept_closer_is_told(window: dict[str, tuple[float, float]], problem: str) -> None:
    momentum = {"key": "optimizer.momentum", "linear": [0.0, 0.9], "num": 5}
    axes = [START, BATCH, {"key": "data.n", "range": [8, 13]}, RATE, momentum]
    sweep = make_sweep(LINE, axes, file=Path("s.toml"), zip=[["learning_rate", "momentum"]])
    with pytest.raises(InputError) as caught:
        zoomed(sweep, window)
    assert str(caught.value).startswith(problem)


def test_a_window_leaves_everything_else_as_it_is() -> None:
    momentum = {"key": "optimizer.momentum", "values": [0.1, 0.2, 0.3]}
    seeds = {"key": "training.seed", "range": [0, 3]}
    whole = make_sweep(
        LINE,
        [RATE, momentum, seeds],
        name="whole",
        title="A title",
        file=Path("s.toml"),
        zip=[["momentum", "seed"]],
        where="seed > 0",
    )
    close = zoomed(whole, {"learning_rate": (0.01, 0.012345678)})
    assert close.name == "whole_learning_rate_0.01_to_0.012345678"
    assert (close.title, close.file, close.zip, close.where) == (whole.title, whole.file, whole.zip, whole.where)
    assert close.grid.shape == (5, 3)
    assert len(close.grid.kept(0, 15)) == 10
    assert zoomed(whole, {}) is zoomed(whole, None) is whole


def test_a_window_has_a_folder_of_its_own_and_never_joins_the_rows_of_the_whole(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    axes = {"optimizer.learning_rate": nanmap.log(1e-3, 10, 5)}
    whole = nanmap.sweep(LINE, axes, name="line", engine=engine)
    close = nanmap.sweep(LINE, axes, name="line", zoom={"learning_rate": (0.01, 0.1)}, engine=engine)
    assert (whole.path, close.path) == (Path("results/line"), Path("results/line_learning_rate_0.01_to_0.1"))
    np.testing.assert_allclose(close.to_pandas().learning_rate, np.geomspace(0.01, 0.1, 5))
    with pytest.raises(InputError, match="holds rows of other settings"):
        nanmap.sweep(LINE, axes, out=whole.path, zoom={"learning_rate": (0.01, 0.1)}, engine=engine)
    np.testing.assert_allclose(whole.to_pandas().learning_rate, np.geomspace(1e-3, 10, 5))


MAPS = """config = "line.toml"
[[axes]]
key = "data.n"
range = [8, 12]
[[axes]]
key = "optimizer.learning_rate"
log = [1e-3, 1]
num = 4
[[maps]]
file = "a.png"
x = "learning_rate"
"""


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('y = "n"\nselect = "learning_rat < 1"', "maps, item 1, select: names no axis (got 'learning_rat')"),
        ('y = "n"\nselect = ["n == \'a\'"]', "maps, item 1, select: `n == 'a'` compares a number with a text"),
        ('y = "n"\nzoom = { n = [1, 9] }', "maps, item 1, zoom.n: reaches beyond the axis"),
        ('y = "n"\nlines = "n"', 'maps, item 1, lines: is for kind = "lines"'),
        ('kind = "lines"\ny = "n"', "maps, item 1, y: the value goes up the side of lines"),
        ('kind = "lines"\nlines = "N"', "maps, item 1: names no axis (got 'N')"),
        ("", "maps, item 1, y: a map needs a vertical axis"),
        (
            'y = "n"\nkind = "heat"',
            "maps, item 1, kind: is none of the allowed values (got 'heat')\n  allowed: 'map' or 'lines'",
        ),
        ('y = "n"\nlimits = [1]', "maps, item 1, limits"),
        ('y = "n"\nselect = [3]', "maps, item 1, select: expects values by axis"),
        ('y = "n"\nwidth = true', "maps, item 1, width: expects a length"),
    ],
)
def test_a_map_that_a_sweep_cannot_draw_is_told_before_it_trains(tmp_path: Path, table: str, problem: str) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    (tmp_path / "s.toml").write_text(MAPS + table)
    with pytest.raises(InputError) as caught:
        load_sweep(tmp_path / "s.toml")
    assert str(caught.value).startswith(f"{tmp_path / 's.toml'}: {problem}")


def test_a_sweep_lists_lines_and_windows(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    lines = 'kind = "lines"\nlines = "n"\nselect = ["n > 8", { n = [9, 10] }]\nzoom = { learning_rate = [0.01, 1] }\nwidth = 4'
    (tmp_path / "s.toml").write_text(MAPS + lines)
    (drawn,) = load_sweep(tmp_path / "s.toml").maps
    assert (drawn.kind, drawn.select, drawn.zoom) == ("lines", ["n > 8", {"n": [9, 10]}], {"learning_rate": (0.01, 1)})


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('width = "3"', "s.toml: maps, item 1, width: has no unit (got '3')"),
        ('cmap = "viridi"\nvalue = "r2"', "s.toml: maps, item 1, cmap: no such colormap (got 'viridi')"),
        ("limits = [0, 1]", "s.toml: maps, item 1, limits: is for numbers; `outcome` has a colour for each name"),
        ("select = { n = 7 }", "s.toml: maps, item 1, select.n: is not on the axis (got 7)"),
        ('height = "3"', "s.toml: maps, item 1, height: has no unit (got '3')"),
        ("font_size = 1", "s.toml: maps, item 1, font_size: no size of a text (got 1.0)"),
        ("zoom = { n = [8.2, 8.7] }", "s.toml: maps, item 1, zoom.n: holds no value of the axis"),
    ],
)
def test_listed_maps_are_looked_at_before_training(tmp_path: Path, table: str, problem: str) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    (tmp_path / "s.toml").write_text(f'{MAPS}y = "n"\n{table}')
    with pytest.raises(InputError) as caught:
        check_listed(load_sweep(tmp_path / "s.toml"))
    assert problem in str(caught.value)


def test_so_are_listed_lines_which_have_limits_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    for table in ('lines = "n"\nlimits = [0.1, 1]', 'lines = "learning_rate"'):
        (tmp_path / "s.toml").write_text(f'{MAPS}kind = "lines"\n{table}')
        if "limits" in table:
            check_listed(load_sweep(tmp_path / "s.toml"))
        else:
            with pytest.raises(InputError, match="maps, item 1, lines: is x already"):
                check_listed(load_sweep(tmp_path / "s.toml"))


def test_what_is_wrong_with_a_listed_map_has_its_own_mend_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    for table, mend in (('width = "3"', "3in"), ("select = { n = 7 }", "mend the map in the file")):
        (tmp_path / "s.toml").write_text(f'{MAPS}y = "n"\n{table}')
        with pytest.raises(InputError) as caught:
            check_listed(load_sweep(tmp_path / "s.toml"))
        assert str(caught.value.mend).startswith(mend)


def test_so_are_those_whose_rows_a_window_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 9\n[training]\nepochs = 2\n')
    (tmp_path / "s.toml").write_text(f'{MAPS}y = "n"\nselect = {{ n = 8 }}')
    sweep = load_sweep(tmp_path / "s.toml")
    check_listed(sweep)
    with pytest.raises(InputError, match=r"maps, item 1, select.n: is not on the axis \(got 8\)[\s\S]*--no-maps"):
        check_listed(zoomed(sweep, {"n": (9, 11)}))


def test_small_numbers_are_told_apart(tmp_path: Path) -> None:
    eps = {"key": "optimizer.eps", "values": [1e-12, 3e-12]}
    config = LINE | {"optimizer": {"kind": "adam", "learning_rate": 0.1}}
    grid = load_grid(write_run(tmp_path, [eps, RATE], config=config).read_manifest())
    assert make_view(grid, "learning_rate", select={"eps": 3.0000001e-12}).selection.positions(grid)[0].tolist() == [1]
    with pytest.raises(InputError, match="not on the axis"):
        make_view(grid, "learning_rate", select={"eps": 2e-12})
