"""Pictures for print: as wide as was asked for, legible at that width, in colours that leave NaN and infinity alone."""

import re
import struct
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from handmade import BATCH, RATE, SEED, write_run
from nanmap.errors import InputError
from nanmap.outcomes import Outcome
from nanmap.plot import draw_map
from nanmap.plot.colormaps import APART, BEYOND, SAFE, beyond, find_colormap
from nanmap.plot.paper import make_paper
from nanmap.plot.theme import SEQUENTIAL, THEMES
from nanmap.results.folder import RunFolder
from pictures import collide, head_of, lab, legend_of, linear, panels_of, pixels, written

NAN, INF = np.nan, np.inf
ONE_BATCH = {"key": "training.batch_size", "values": [32]}
COLUMN = {"width": "3.4in", "font_size": 8}  # of a paper


def draw(folder: RunFolder, **options: Any):
    return draw_map(folder, "learning_rate", "batch_size", **options)


def mixed(tmp_path: Path, **options: Any) -> RunFolder:
    """Every outcome, losses of all sizes, and a curve."""
    rng = np.random.default_rng(0)
    facts = {
        "outcome": rng.choice(list(Outcome), 120).astype(object),
        "loss_final": rng.choice([1.0, 1e-3, 1e12, NAN, INF], 120),
        "skill": rng.choice([0.9, 0.1, -3.0, NAN], 120),
        "predicted_typical": 0.01,
    }
    start = {"key": "model.init", "values": ["zeros", "glorot_uniform"]}
    return write_run(tmp_path, [start, BATCH, RATE, SEED], facts, shard_cells=120, **options)


class TestPaper:
    @pytest.mark.parametrize(
        ("length", "inches"),
        [("3.4in", 3.4), ("86mm", 86 / 25.4), ("8.6 cm", 8.6 / 2.54), ("245pt", 245 / 72), (3.4, 3.4), (".5e", None)],
    )
    def test_lengths_have_units_and_numbers_are_inches(self, length: str | float, inches: float | None):
        if inches is None:
            with pytest.raises(InputError, match=r"width: has another unit"):
                make_paper(width=length)
        else:
            assert make_paper(width=length).width == pytest.approx(inches)

    @pytest.mark.parametrize(
        "options",
        [
            {}, {"value": "loss_final"}, {"facet": "init"}, {"title": ""},
            {"value": "skill", "facet": "init", "zoom": {"learning_rate": (3e-3, 3e-2)}},
        ],
    )  # fmt: skip
    def test_a_picture_is_as_wide_as_a_column_and_all_of_it_can_be_read(self, tmp_path: Path, options: dict[str, Any]):
        figure = draw(mixed(tmp_path), **COLUMN, **options)
        assert figure.get_size_inches()[0] == 3.4
        boxes = written(figure)
        width, height = figure.bbox.size
        assert not [text for text, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0]
        assert not [(a[0].get_text(), b[0].get_text()) for a, b in combinations(boxes, 2) if collide(a, b)]
        assert {8, 8 * 8.5 / 9} <= {text.get_fontsize() for text, _ in boxes}

    def test_where_a_bar_is_low_it_is_named_by_its_column_alone(self, tmp_path: Path):
        folder = mixed(tmp_path)
        sizes: tuple[dict[str, Any], ...] = ({**COLUMN, "height": "3in", "title": ""}, {"height": "7in"})
        narrow, wide = (draw(folder, value="skill", **size).axes[-1].get_ylabel() for size in sizes)
        assert narrow == "skill"
        assert "share of the constant answer's loss" in wide.replace("\n", " ")

    def test_the_files_have_that_width_too(self, tmp_path: Path):
        folder = mixed(tmp_path / "run")
        for suffix in ("png", "pdf"):
            draw(folder, **COLUMN, height="100mm", title="", out=tmp_path / f"map.{suffix}")
        assert struct.unpack(">I", (tmp_path / "map.png").read_bytes()[16:20]) == (680,)
        box = re.search(rb"/MediaBox \[ *([\d. ]+)\]", (tmp_path / "map.pdf").read_bytes())
        assert [float(part) for part in box[1].split()] == pytest.approx([0, 0, 3.4 * 72, 100 / 25.4 * 72])

    def test_an_empty_title_leaves_out_all_the_text_above(self, tmp_path: Path):
        head = head_of(draw(mixed(tmp_path), title=""))
        assert head == "batch size: rows per update (batch_size) learning rate (learning_rate)"

    def test_no_core_is_told_of_where_there_was_no_room_for_one(self, tmp_path: Path):
        rates = {"key": "optimizer.learning_rate", "log": [1e-3, 10.0], "num": 120}
        outcomes = np.tile(["converged", "converged", "nan", "nan", "nan"], 72)
        folder = write_run(tmp_path, [BATCH, rates, {**SEED, "range": [0, 1]}], {"outcome": outcomes}, shard_cells=400)
        assert not any("core" in text for text in legend_of(draw(folder)))
        folder = write_run(
            tmp_path / "b", [ONE_BATCH, rates, SEED], {"outcome": np.resize(outcomes, 480)}, shard_cells=480
        )
        assert any("tint: the runner-up" in text for text in legend_of(draw(folder, **COLUMN)))

    @pytest.mark.parametrize(("key", "other"), [("width", {}), ("height", {"title": ""})])
    def test_a_legend_without_room_is_told_and_the_mend_is_enough(
        self, tmp_path: Path, key: str, other: dict[str, Any]
    ):
        folder = mixed(tmp_path)
        with pytest.raises(InputError, match=f"{key}: too") as caught:
            draw(folder, **{key: "1.7in"}, **other)
        length = re.search(r"mend: ([\d.]+in)", str(caught.value))[1]
        figure = draw(folder, **{key: length}, **other)
        size = figure.bbox.size
        assert all((box.min >= 0).all() and (box.max <= size).all() for _, box in written(figure))

    @pytest.mark.parametrize(
        ("options", "problem", "mend"),
        [
            ({"width": "3.4"}, "width: has no unit (got '3.4')", "mend: 3.4in"),
            ({"width": "86 parsec"}, "width: has another unit", "86mm"),
            ({"width": "3,4in"}, "width: no length of a sheet", "mend: 3.4in"),
            ({"height": 900}, "height: no length of a sheet (got 900)", "mend: 60in"),
            ({"width": "1in"}, "width: too narrow for what is on it (got '1in')", "or a smaller font"),
            ({"width": "5in", "height": "1in"}, "height: too low for what is on it", "empty title"),
            ({"font_size": 0}, "font_size: no size of a text (got 0)", "4 to 40 points"),
        ],
    )
    def test_what_no_sheet_has_is_told(self, tmp_path: Path, options: dict[str, Any], problem: str, mend: str):
        with pytest.raises(InputError) as caught:
            draw(write_run(tmp_path, [BATCH, RATE]), **options)
        assert problem in str(caught.value)
        assert mend in str(caught.value)


class TestColormaps:
    @pytest.mark.parametrize("theme", THEMES)
    def test_whatever_colormap_is_taken_no_number_looks_like_nan_or_infinity(self, theme: str):
        look = THEMES[theme]
        found = {}
        for name in matplotlib.colormaps:
            with suppress(InputError):
                found[name] = find_colormap(name, look)
        assert set(SAFE) <= set(found)
        for colormap in found.values():
            numbers = np.array([lab(_linear(colour)) for colour in colormap(np.linspace(0, 1, 24))[:, :3]])
            for mark in (look.nan, look.inf):
                assert np.linalg.norm(numbers - lab(linear(mark)), axis=1).min() >= APART - 0.1

    @pytest.mark.parametrize("theme", THEMES)
    @pytest.mark.parametrize("name", [*SAFE, "Greys", "cool", None])
    def test_past_the_bars_end_is_the_first_colour_that_is_like_no_other(self, name: str | None, theme: str):
        look = THEMES[theme]
        colormap = SEQUENTIAL if name is None else find_colormap(name, look)
        taken = [lab(_linear(colour)) for colour in colormap(np.linspace(0, 1, 32))[:, :3]]
        taken += [lab(linear(each)) for each in (look.nan, look.inf, look.missing, look.background)]
        nearest = [min(np.linalg.norm(lab(linear(each)) - other) for other in taken) for each in BEYOND]
        apart = [colour for colour, distance in zip(BEYOND, nearest, strict=True) if distance >= APART]
        assert beyond(colormap, look) == (apart[0] if apart else BEYOND[int(np.argmax(nearest))])

    def test_a_colormap_is_cut_to_its_longest_part_that_is_apart(self):
        look = THEMES["light"]
        for name in ("magma_r", "nipy_spectral", "inferno", "Greys"):
            whole = matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3]
            marks = [lab(linear(each)) for each in (look.nan, look.inf)]
            far = ["x" if min(np.linalg.norm(lab(_linear(c)) - m) for m in marks) >= APART else " " for c in whole]
            longest = max("".join(far).split(), key=len)
            first = "".join(far).index(longest)
            if 2 * len(longest) < 256:
                with pytest.raises(InputError, match="most of it looks like"):
                    find_colormap(name, look)
            else:
                np.testing.assert_array_equal(find_colormap(name, look).colors, whole[first : first + len(longest)])

    def test_its_first_colour_is_that_of_the_least_number(self, tmp_path: Path):
        losses = np.array([1.0, 10.0, 100.0, INF, NAN])
        folder = write_run(tmp_path, [ONE_BATCH, RATE], {"loss_final": losses})
        (row,) = pixels(draw(folder, value="loss_final", cmap="cividis", limits=(1, 100)), 1, 5)
        ends = find_colormap("cividis", THEMES["light"])(np.array([0.0, 1.0]))
        np.testing.assert_allclose([to_rgb(row[0]), to_rgb(row[2])], ends[:, :3], atol=0.01)
        assert row[3:] == [Outcome.INF.colour, Outcome.NAN.colour]

    @pytest.mark.parametrize(
        ("options", "problem", "mend"),
        [
            ({"cmap": "viridiss", "value": "loss_final"}, "cmap: no such colormap", "did you mean `viridis`?"),
            ({"cmap": "inferno", "value": "loss_final"}, "cmap: most of it looks like", "allowed: viridis, cividis"),
            ({"cmap": "viridis"}, "cmap: is for numbers; `outcome` has a colour for each name", "value converged"),
            ({"limits": (0, 1), "value": "cause"}, "limits: is for numbers; `cause`", "value loss_final"),
            ({"limits": (1, 0), "value": "r2"}, "limits: the first must be below the second (got (1, 0))", ""),
            ({"limits": (NAN, 1), "value": "r2"}, "limits: expects two numbers", "allowed: 0:1"),
            ({"limits": "01", "value": "r2"}, "limits: expects two numbers", "allowed: 0:1"),
            ({"limits": (0, 1), "value": "loss_final"}, "limits: `loss_final` is coloured by its logarithm", "1e-6:1"),
            ({"limits": (0, 1), "value": "measure"}, "limits: ranks have no limits", "leave them out"),
        ],
    )
    def test_mistakes_are_told_with_their_mend(self, tmp_path: Path, options: dict[str, Any], problem: str, mend: str):
        facts = {"loss_final": 1.0, "r2": 0.5, "measure": 1.0}
        with pytest.raises(InputError) as caught:
            draw(write_run(tmp_path, [BATCH, RATE], facts), **options)
        assert problem in str(caught.value)
        assert mend in str(caught.value)


def _linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


class TestLimits:
    def test_losses_that_diverged_do_not_bleach_the_others(self, tmp_path: Path):
        losses = np.array([1e-3, 1.0, 1e21, INF, NAN])
        outcomes = np.array(["converged", "stalled", "diverged", "inf", "nan"], object)
        folder = write_run(tmp_path, [ONE_BATCH, RATE], {"loss_final": losses, "outcome": outcomes})
        figure = draw(folder, value="loss_final")
        bar = figure.axes[-1]
        assert bar.get_ylim() == pytest.approx((1e-3, 1.0))
        (row,) = pixels(figure, 1, 5)
        assert len(set(row)) == 5
        assert row[2:] == [past(figure), Outcome.INF.colour, Outcome.NAN.colour]
        assert legend_of(figure)[0] == "above 1: 1 training · 20 %"

    def test_where_all_diverged_their_own_losses_set_the_limits(self, tmp_path: Path):
        facts = {"loss_final": np.geomspace(1e3, 1e7, 5), "outcome": "diverged"}
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], facts), value="loss_final")
        assert figure.axes[-1].get_ylim() == pytest.approx((1e3, 1e7))

    def test_a_skill_below_0_is_told_apart_from_nan_and_infinity(self, tmp_path: Path):
        facts = {
            "skill": np.array([1.0, 0.5, -7.0, NAN, NAN]),
            "outcome": np.array(["converged", "stalled", "diverged", "inf", "nan"], object),
        }
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], facts), value="skill")
        (row,) = pixels(figure, 1, 5)
        assert row[2:] == [past(figure), Outcome.INF.colour, Outcome.NAN.colour]
        assert figure.axes[-1].get_ylim() == (0, 1)
        assert legend_of(figure) == [
            "below 0, worse than a constant answer: 1 training · 20 %",
            "infinite: 1 training · 20 %",
            "NaN: 1 training · 20 %",
        ]

    def test_the_limits_that_are_asked_for_hold(self, tmp_path: Path):
        facts = {"skill": np.array([1.0, 0.8, 0.6, 0.4, 0.2])}
        figure = draw(write_run(tmp_path, [ONE_BATCH, RATE], facts), value="skill", limits=(0.5, 0.9))
        assert figure.axes[-1].get_ylim() == (0.5, 0.9)
        (row,) = pixels(figure, 1, 5)
        assert row[3:] == [past(figure)] * 2
        assert legend_of(figure) == ["below 0.5: 2 trainings · 40 %"]


def past(figure) -> str:
    """The colour of what is past the bar's bad end."""
    assert len(panels_of(figure)) == 1
    return beyond(SEQUENTIAL, THEMES["light"])
