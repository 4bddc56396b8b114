"""For a person who waits: a progress bar where lines are typed, results that show themselves, the obvious axes of a map."""

import base64
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import nanmap
from nanmap.api import sweeping
from nanmap.errors import InputError
from nanmap.outcomes import Outcome
from nanmap.plot.files import ShownFigure
from nanmap.runs.observer import Observer
from nanmap.runs.progress import Progress, _can_draw, watched

TREE = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
RATES = {"learning_rate": [0.01, 0.1, 1e3]}
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def result(engine, tmp_path_factory: pytest.TempPathFactory) -> nanmap.Result:
    axes = {"batch_size": [1, 2, 5], "training_seed": [0, 1], **RATES}
    return nanmap.sweep(TREE, axes, out=tmp_path_factory.mktemp("run") / "grid", name="a<b", engine=engine)


def test_a_bar_is_shown_where_lines_are_typed_and_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "ps1", raising=False)
    observer = Observer()
    for wanted, given, shown in (
        (None, None, False),
        (False, None, False),
        (True, None, True),
        (None, observer, False),
    ):
        with watched(wanted, given, "grid", "cells") as told:
            assert isinstance(told, Progress) is shown
            assert shown or told is given
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    for wanted, given, shown in ((None, None, True), (False, None, False), (None, observer, False)):
        with watched(wanted, given, "grid", "cells") as told:
            assert isinstance(told, Progress) is shown
    with pytest.raises(InputError, match="progress: an observer is told already"), watched(True, observer, "a", "b"):
        pass


@pytest.mark.parametrize("function", ["sweep", "edge"])
def test_sweeps_and_searches_pass_their_progress_on(
    function: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[Any] = []
    for name in ("train_sweep", "find_edges"):
        monkeypatch.setattr(sweeping, name, lambda *given, observer, **options: heard.append(observer))
    getattr(nanmap, function)(TREE, RATES, out=tmp_path, progress=True)
    getattr(nanmap, function)(TREE, RATES, out=tmp_path, progress=False)
    assert isinstance(heard[0], Progress)
    assert (heard[0].name, heard[0].unit) == ("sweep", {"sweep": "cells", "edge": "edges"}[function])
    assert heard[1] is None


def test_a_training_shows_its_epochs_where_somebody_waits(
    engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nanmap.runs.progress._can_draw", lambda: True)
    heard: list[int] = []
    told: dict[str, Any] = {"on_epoch": lambda number, losses: heard.append(number)}
    report = nanmap.run(TREE, progress=True, engine=engine, **told)
    shown = capsys.readouterr().out
    assert "3 of 3 epochs" in shown
    assert f"mean loss {report.epochs[-1].mean_loss:.6g}" in shown
    assert heard == [1, 2, 3]
    monkeypatch.delattr(sys, "ps1", raising=False)
    nanmap.run(TREE, engine=engine)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    nanmap.run(TREE, engine=engine, **told)
    nanmap.run(TREE, engine=engine, progress=False)
    assert capsys.readouterr().out == ""
    nanmap.run(TREE, engine=engine)
    assert "3 of 3 epochs" in capsys.readouterr().out


def test_a_report_shows_its_outcome(engine) -> None:
    report = nanmap.run(TREE, learning_rate=1e30, engine=engine)
    html = report._repr_html_()
    assert f"<b>nan</b>: {report.outcome.sentence}; {report.cause.sentence}" in html
    assert f"loss {report.row['loss_initial']:.6g} → nan in 2 updates" in html
    assert report.outcome.colour in html


def test_a_bar_goes_to_its_end(engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("grid", "cells", bar=True) as progress:
        nanmap.sweep(TREE, RATES, out=tmp_path, engine=engine, observer=progress)
    assert "3 of 3 cells" in capsys.readouterr().out


def test_a_notebook_needs_widgets_for_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert _can_draw()
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert not _can_draw()
    monkeypatch.setitem(sys.modules, "ipywidgets", ModuleType("ipywidgets"))
    assert _can_draw()


def picture_in(html: str | None) -> bytes:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html or "")
    return base64.b64decode(data)


def test_a_result_shows_its_outcomes_and_the_obvious_map(result: nanmap.Result) -> None:
    html = result._repr_html_()
    assert html is not None
    assert picture_in(html).startswith(PNG)
    counts = result.to_pandas().outcome.value_counts()
    for name, count in counts.items():
        assert f"{count} {name}" in html
        assert Outcome(name).colour in html
    assert sum(map(int, re.findall(r"</span> (\d+) ", html))) == 18
    assert "<b>a&lt;b</b>: 18 trainings in " in html
    assert str(result.path) in html
    assert not re.search(r"https?:|<script|<link", html)


def test_a_temporary_folder_is_called_so(engine) -> None:
    html = nanmap.sweep(axes=RATES, data="line", n=5, epochs=3, engine=engine)._repr_html_()
    assert html is not None
    assert "out=… keeps one" in html
    assert picture_in(html).startswith(PNG)  # of lines: there is a single axis


def test_where_there_is_no_picture_there_are_still_counts(engine, tmp_path: Path) -> None:
    html = nanmap.sweep(TREE, {}, out=tmp_path / "one", engine=engine)._repr_html_()
    assert html is not None
    assert "1 training in" in html
    assert "<img" not in html
    assert nanmap.Result(tmp_path / "nowhere")._repr_html_() is None


def test_results_of_results_show_themselves_too(result: nanmap.Result) -> None:
    judged = result.judged(ratio=1e-9)
    html = judged._repr_html_()
    counts = judged.to_pandas().outcome.value_counts()
    assert counts.to_dict() != result.to_pandas().outcome.value_counts().to_dict()
    assert all(f"{count} {name}" in (html or "") for name, count in counts.items())
    assert picture_in(nanmap.concat([result])._repr_html_()).startswith(PNG)


def test_edges_alone_show_their_table(engine, tmp_path: Path) -> None:
    axes = {"n": [4, 6], "learning_rate": nanmap.log(1e-3, 1, 4)}
    edges = nanmap.edge(TREE, axes, out=tmp_path, tolerance=1e-2, engine=engine)
    html = edges._repr_html_() or ""
    assert re.findall(r"<th>(\w+)</th>", html) == ["n", "edge_learning_rate"]
    assert [f"{rate:.6f}" in html for rate in edges.edge().edge_learning_rate] == [True, True]


def axes_of(figure: Figure) -> set[str]:
    """The columns that a picture names beside its axes."""
    texts = [text.get_text() for text in figure.findobj(Text)]
    known = ("learning_rate", "batch_size", "seed")
    return {column for column in known if any(text == column or f"({column})" in text for text in texts)}


def test_the_obvious_axes_are_the_rate_and_the_first_other_one(result: nanmap.Result) -> None:
    figure = result.map()
    assert isinstance(figure, ShownFigure)
    assert figure._repr_png_().startswith(PNG)
    assert axes_of(figure) == {"learning_rate", "batch_size"}
    assert axes_of(result.map(kind="lines")) == {"learning_rate"}
    assert axes_of(result.map("seed", "batch_size")) == {"seed", "batch_size"}


def test_without_a_rate_the_last_axis_runs_along_the_bottom_and_one_axis_makes_lines(engine, tmp_path: Path) -> None:
    two = nanmap.sweep(TREE, {"batch_size": [1, 5], "training_seed": [0, 1]}, out=tmp_path / "two", engine=engine).map()
    assert axes_of(two) == {"seed", "batch_size"}
    one = nanmap.sweep(TREE, RATES, out=tmp_path / "one", engine=engine)
    assert axes_of(one.map()) == {"learning_rate"}
    with pytest.raises(InputError, match="x: a single training has no axis"):
        nanmap.sweep(TREE, {}, out=tmp_path / "none", engine=engine).map()


def test_maps_that_the_sweep_lists_come_first(result: nanmap.Result) -> None:
    before, listed = result.manifest, {"file": "a.png", "kind": "map", "x": "batch_size", "y": "seed"}
    result.folder.write_manifest({**before, "maps": [{"kind": "lines", "x": "learning_rate"}, listed]})
    try:
        assert axes_of(nanmap.Result(result.path).map()) == {"batch_size", "seed"}
    finally:
        result.folder.write_manifest(before)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"y": "batch_size"}, "x: a map needs a horizontal axis"),
        ({"x": "batch_size"}, "y: a map needs a vertical axis"),
    ],
)
def test_half_a_pair_is_told(axes: dict[str, str], said: str, result: nanmap.Result) -> None:
    with pytest.raises(InputError, match=said):
        result.map(**axes)
