"""Where the parts of a picture stand: files, paper, panels, legends; and that each is made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.transforms import IdentityTransform

from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import View, load_grid, make_view
from nanmap.errors import InputError
from nanmap.plan import make_sweep
from nanmap.plot import kinds
from nanmap.plot.canvas import MeasuringCanvas
from nanmap.plot.coordinates import centres
from nanmap.plot.curves import Curve, find_curves
from nanmap.plot.figure import _draw_curve, _panels, _room, draw_map
from nanmap.plot.files import checked, write
from nanmap.plot.labels import text_width
from nanmap.plot.layout import Panels, Sheet, panel_height
from nanmap.plot.legend import (
    CORE,
    HANDLE,
    TINT,
    CoreHandler,
    CorePatch,
    _columns,
    line_of,
    make_legend,
    place_handles,
    points_of,
    tell_tint,
)
from nanmap.plot.legend import GAP as COLUMN_GAP
from nanmap.plot.painted import Painting
from nanmap.plot.paper import make_paper
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import THEMES
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder

NAN = np.nan


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "date"), [("a.SVG", b"<dc:date>"), ("a.svg", b"<dc:date>"), ("a.PDF", b"/CreationDate")]
    )
    def test_a_picture_holds_no_date_whatever_its_suffix_is_spelled_like(self, tmp_path: Path, name: str, date: bytes):
        path = tmp_path / "some" / "new" / "folder" / name
        write(Figure(figsize=(1, 1)), checked(path), tmp_path / "run")
        assert path.stat().st_size > 100
        assert date not in path.read_bytes()


class TestPaper:
    @pytest.mark.parametrize(
        ("length", "inches"), [(1, 1.0), ("60in", 60.0), ("3.4 IN", 3.4), ("72.5pt", 72.5 / 72), (".1e2", None)]
    )
    def test_a_sheet_is_from_1_to_60_inches(self, length: str | float, inches: float | None):
        if inches is None:
            with pytest.raises(InputError, match="height: no length"):
                make_paper(height=length)
        else:
            assert make_paper(height=length).height == pytest.approx(inches, rel=1e-12)

    @pytest.mark.parametrize(
        ("length", "mend"),
        [("0.9in", "1in"), ("61in", "60in"), ("500", "500mm"), ("30", "30in"), ("20mm", "1in"), (True, "1 to 60")],
    )
    def test_a_length_that_no_sheet_has_is_told_with_the_nearest(self, length: Any, mend: str):
        with pytest.raises(InputError, match="height: ") as caught:
            make_paper(height=length)
        assert mend in str(caught.value)

    @pytest.mark.parametrize("length", ["wide", "-3in", "1e2mm", NAN])
    def test_what_is_no_number_has_no_nearest(self, length: Any):
        with pytest.raises(InputError, match="height: no length of a sheet") as caught:
            make_paper(height=length)
        assert caught.value.mend is None

    @pytest.mark.parametrize("size", [3.9, 40.1, True, "9", NAN])
    def test_text_is_from_4_to_40_points(self, size: Any):
        assert [make_paper(font_size=each).scale for each in (4, 40)] == pytest.approx([4 / 9, 40 / 9])
        with pytest.raises(InputError, match="font_size: no size of a text"):
            make_paper(font_size=size)


def view_of(
    *axes: dict[str, Any], facet: tuple[str, ...] = (), x: str = "learning_rate", y: str = "batch_size"
) -> View:
    return make_view(make_sweep(LINE, [*axes]).grid, x, y, facet)


def seeds(count: int) -> dict[str, Any]:
    return {"key": "training.seed", "range": [0, count]}


class TestPanels:
    @pytest.mark.parametrize(
        ("count", "shape"),
        [
            (1, (1, 1)),
            (2, (1, 2)),
            (3, (1, 3)),
            (4, (2, 2)),
            (5, (2, 3)),
            (6, (2, 3)),
            (7, (2, 4)),
            (8, (2, 4)),
            (9, (3, 3)),
            (30, (8, 4)),
        ],
    )
    def test_panels_of_one_facet_stand_near_a_square(self, count: int, shape: tuple[int, int]):
        panels = _panels(view_of(seeds(count), BATCH, RATE, facet=("seed",)))
        assert (panels.count, panels.shape, panels.free) == (count, shape, True)
        assert panels.names == ("learning rate (learning_rate)", "batch size: rows per update (batch_size)")
        assert panels.with_columns(2).shape == (-(-count // 2), 2)

    def test_two_facets_are_rows_and_columns_to_a_limit(self):
        rows = {"key": "data.n", "range": [8, 13]}
        panels = _panels(view_of(seeds(6), rows, BATCH, RATE, facet=("n", "seed")))
        assert (panels.count, panels.shape, panels.free) == (30, (5, 6), False)
        for axes, facet in (([seeds(7), rows], ("n", "seed")), ([seeds(31)], ("seed",))):
            with pytest.raises(InputError, match="panels are too many to read"):
                _panels(view_of(*axes, BATCH, RATE, facet=facet))

    def test_a_panel_is_square_where_both_axes_are_alike_and_low_where_it_has_few_rows(self):
        rates = {"key": "optimizer.learning_rate", "log": [1e-3, 1], "num": 64}
        scales = {"key": "model.init_scale", "log": [1e-3, 1], "num": 64}
        assert panel_height(view_of(rates, scales, y="init_scale"), (1, 1), 4.9) == 4.9
        few = {**scales, "num": 63}
        assert panel_height(view_of(rates, few, y="init_scale"), (1, 1), 4.9) == pytest.approx(3.9)
        assert panel_height(view_of(rates, few, y="init_scale"), (1, 1), 9.8) == pytest.approx(
            6.6
        )  # no higher than a screen
        assert panel_height(view_of(rates, few, y="init_scale"), (3, 1), 9.8) == pytest.approx(2.2)
        assert panel_height(view_of(rates, few, y="init_scale"), (9, 1), 9.8) == pytest.approx(1.4)
        assert panel_height(view_of(rates, BATCH), (1, 1), 4.9) == pytest.approx(3 * 0.42 + 0.3)
        one = {**BATCH, "values": [8]}
        assert panel_height(view_of(rates, one), (1, 1), 4.9) == pytest.approx(0.9)
        fixes = {"name": "fix", "choices": {f"fix {number}": {"training.seed": number} for number in range(40)}}
        assert panel_height(view_of(rates, fixes, y="fix"), (1, 1), 4.9) == pytest.approx(8.0)  # each has its label

    @pytest.mark.parametrize(
        ("free", "inches", "columns", "width"),
        [
            (True, 5.0, 3, 1.38),
            (True, 3.0, 2, 1.13),
            (True, 1.7, 1, 1.08),
            (False, 3.0, 3, 2.5 / 3 - 0.12),
            (False, 2.3, 3, None),
        ],
    )
    def test_fewer_panels_stand_beside_each_other_where_they_would_be_too_narrow(
        self, free: bool, inches: float, columns: int, width: float | None
    ):
        sheet = Sheet(Figure(), make_paper(inches), bar=False)
        sheet.take()
        panels = Panels(6, (2, 3), free, ("", ""))
        if width is None:
            with pytest.raises(InputError, match=r"width: too narrow[\s\S]*mend: 2.4in, or a smaller font"):
                sheet._across(panels, 0.5)
        else:
            found, each = sheet._across(panels, 0.5)
            assert found.shape == (6 // columns, columns)
            assert each == pytest.approx(width)

    @pytest.mark.parametrize(
        ("inches", "bar", "font", "beside"),
        [
            (None, False, 9, True),
            (None, True, 9, False),
            (5.5, False, 9, True),
            (5.4, False, 9, False),
            (5.4, False, 8, True),
        ],
    )
    def test_a_legend_stands_beside_the_panels_where_there_is_room(
        self, inches: float | None, bar: bool, font: float, beside: bool
    ):
        sheet = Sheet(Figure(), make_paper(inches, None, font), bar)
        assert sheet.beside is beside
        assert sheet.room == (None if beside else pytest.approx((inches or 7.0) - 0.2))

    def test_room_is_that_of_a_pixels_shorter_side(self):
        axes = Figure(figsize=(10, 2), dpi=200).subplots()
        box = axes.get_window_extent()
        batches = {**BATCH, "values": [*range(1, 41)]}
        assert _room(axes, view_of(BATCH, RATE)) == pytest.approx(min(box.width / 5, box.height / 3))
        assert _room(axes, view_of(batches, RATE)) == pytest.approx(box.height / 40)
        rates = {**RATE, "num": 400}
        assert _room(axes, view_of(BATCH, rates)) == pytest.approx(box.width / 400)

    @pytest.mark.parametrize("across", [True, False])
    def test_measured_edges_are_points_in_the_middle_of_their_lines(self, across: bool):
        axes = Figure(figsize=(10, 2), dpi=200).subplots()
        box = axes.get_window_extent()
        batches = {**BATCH, "values": [*range(1, 16)]}
        x, y = ("learning_rate", "batch_size") if across else ("batch_size", "learning_rate")
        view = view_of(batches, RATE, x=x, y=y)
        rates = np.array([1e-9, *np.geomspace(0.01, 1, 14)])  # the first is not on the axis
        _draw_curve(axes, view, Curve("", rates, measured=True), ())
        (points,) = axes.lines
        rate, batch = (points.get_xdata(), points.get_ydata()) if across else (points.get_ydata(), points.get_xdata())
        np.testing.assert_allclose(rate, [NAN, *rates[1:]])
        np.testing.assert_allclose(batch, centres(view.y if across else view.x))
        pitch = (box.height if across else box.width) / 15 * 72 / 200  # points
        assert points.get_markersize() == pytest.approx(np.clip(pitch / 2, 1.6, 4.2))

    def test_a_prediction_is_a_staircase(self):
        axes = Figure().subplots()
        _draw_curve(axes, view_of(BATCH, RATE), Curve("", np.array([0.1, NAN, 1.0])), ())
        (line,) = axes.lines
        np.testing.assert_allclose(line.get_xdata(), [0.1, 0.1, NAN, NAN, 1.0, 1.0])
        np.testing.assert_allclose(line.get_ydata(), [-0.5, 0.5, 0.5, 1.5, 1.5, 2.5])

    def test_places_that_no_panel_needs_are_empty(self, tmp_path: Path):
        folder = write_run(tmp_path, [seeds(5), ONE_BATCH, RATE])
        figure = draw_map(folder, "learning_rate", "batch_size", facet="seed", theme="dark")
        assert [axes.get_title() for axes in figure.axes] == [f"seed = {seed}" for seed in range(5)]
        assert to_hex(figure.get_facecolor()) == THEMES["dark"].background
        turned = {text.get_text(): text.get_rotation() for text in figure.texts}
        assert turned["learning rate (learning_rate)"] == 0
        assert [angle for name, angle in turned.items() if name.endswith("(batch_size)")] == [90]  # reads upwards
        labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
        assert labelled == [False, False, True, True, True]  # nothing stands under the third


ONE_BATCH = {**BATCH, "values": [32]}


class TestLegend:
    @pytest.fixture(autouse=True)
    def _in_a_theme(self) -> Iterator[None]:
        with matplotlib.rc_context(THEMES["light"].rc(9.0)):
            yield

    def made(self, rows: list[int], expected: list[int], **options: Any) -> list[str]:
        painting = Painting(np.zeros((*np.shape(rows), 4), np.uint8), np.array(rows), "a heading", **options)
        figure = Figure()
        curves = [Curve("a prediction", np.ones(1)), Curve("an edge", np.ones(1), measured=True)]
        legend = make_legend(figure, painting, np.array(expected), curves, THEMES["light"], "excluded by `where`", None)
        assert legend.get_title().get_text() == "a heading"
        assert legend.get_title().get_fontweight() == "bold"
        lines = legend.get_lines()
        assert [line.get_marker() for line in lines] == ["None", "o"]
        return [text.get_text() for text in legend.get_texts()][:-2]

    def test_holes_are_told_apart(self):
        assert self.made([4, 2, 0, 0], [4, 4, 4, 4]) == ["not trained"]
        assert self.made([4, 2], [4, 4]) == []  # some runs are there
        assert self.made([4, 0], [4, 0]) == ["excluded by `where`"]
        assert self.made([4, 0, 0], [4, 0, 4]) == ["not trained", "excluded by `where`"]

    def test_colours_come_first_and_a_core_is_explained_until_there_is_no_room(self):
        core = np.zeros((1, 4), np.uint8)
        assert self.made([4], [4], legend=[("#ff0000", "one"), ("#00ff00", "two")], core=core) == ["one", "two", CORE]
        figure = Figure()
        legend = place_handles(figure, [Patch(label="one"), CorePatch(label=CORE)], None)
        tell_tint(legend)
        assert [text.get_text() for text in legend.get_texts()] == ["one", TINT]
        assert place_handles(figure, [], None) is None

    def test_beneath_the_panels_it_has_as_many_columns_as_fit(self):
        one = text_width("wide enough", 9.0) + HANDLE + COLUMN_GAP
        for columns in (1, 2, 3, 4):
            room = columns * one - COLUMN_GAP + 0.01
            assert _columns(["wide enough"] * 9, room, 9.0) == columns
            assert _columns(["wide enough", "x"] * 9, room, 9.0) == columns
        assert _columns(["wide enough"] * 9, 99, 9.0) == 4
        assert _columns(["a"] * 2, 99, 9.0) == 2
        assert _columns(["wide enough"], 0.1, 9.0) == 1

    def test_points_are_as_large_as_the_distance_of_two_lines_allows(self):
        assert [points_of(pitch)["markersize"] for pitch in (1, 6, 20)] == [1.6, 3.0, 4.2]
        assert line_of(Curve("", np.ones(1), (4, 1.6)))["linestyle"] == (0, (4, 1.6))
        assert line_of(Curve("", np.ones(1)))["linestyle"] == "solid"

    def test_the_core_of_the_legend_is_a_quarter_of_its_pixel(self):
        legend: Any = None
        artists = CoreHandler().create_artists(legend, legend, 0.0, 0.0, 8.0, 4.0, 9.0, IdentityTransform())
        outer, inner = (each.get_bbox().bounds for each in artists)
        assert (outer, inner) == ((0, 0, 8, 4), (2, 1, 4, 2))


def counted(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> list[object]:
    """Every call of a method from here on."""
    calls, real = [], getattr(of, name)

    def call(*given: Any, **options: Any) -> Any:
        calls.append(given[0])
        return real(*given, **options)

    monkeypatch.setattr(of, name, call)
    return calls


class TestOnce:
    @pytest.mark.parametrize("options", [{}, {"value": "loss_final"}, {"facet": "seed"}, {"kind": "lines"}], ids=str)
    def test_a_picture_is_laid_out_and_drawn_once_on_one_surface(
        self, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        folder = write_run(tmp_path / "run", [BATCH, RATE, SEED], {"loss_final": np.arange(1.0, 61)})
        drawn, laid_out = counted(monkeypatch, Figure, "draw"), counted(monkeypatch, ConstrainedLayoutEngine, "execute")
        surfaces = counted(monkeypatch, RendererAgg, "__init__")
        y = {} if "kind" in options else {"y": "batch_size"}
        figure = kinds.draw(
            folder, **{"kind": "map", "x": "learning_rate", "y": None, **y, **options, "out": tmp_path / "a.png"}
        )
        assert (len(drawn), len(laid_out)) == (1, 1)
        assert len(surfaces) <= 2  # the empty sheet, on which legends are measured, and the picture
        assert type(figure.canvas) is FigureCanvasBase  # without pixels

    def test_formulas_are_read_once_for_all_pictures(self):
        one, other = (MeasuringCanvas(Figure()).get_renderer() for _ in range(2))
        assert one is not other
        assert one.mathtext_parser is other.mathtext_parser

    def test_curves_read_each_shard_once_and_of_it_what_they_are_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        folder = write_run(
            tmp_path, [BATCH, RATE], {"predicted_gd": 0.1, "predicted_mean_square": 0.2, "sharpness": 1.0}
        )
        asked, real = [], RunFolder.tables

        def tables(self: RunFolder, columns: list[str] | None = None) -> Iterator[pa.Table]:
            asked.append(columns)
            return real(self, columns)

        monkeypatch.setattr(RunFolder, "tables", tables)
        view = make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size")
        assert len(find_curves(folder, ShownSettings(folder.read_manifest(), view))) == 2
        (columns,) = asked
        assert set(columns) == {"cell", "sharpness", *(each.name for each in COLUMNS if each.curve)}
