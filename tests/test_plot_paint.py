"""Which colours pixels have: kinds of values, colormaps, the runner-up, names and numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import LogNorm, SymLogNorm, to_hex

from handmade import BATCH, RATE, SEED, write_run
from nanmap.analysis import Kind
from nanmap.errors import InputError
from nanmap.plot import kinds
from nanmap.plot.colormaps import checked_limits, find_colormap, make_colouring
from nanmap.plot.paint import alive_pixels, checked_column, paint
from nanmap.plot.paint_numbers import describe_kinds, describe_rank, paint_numbers
from nanmap.plot.painted import Painting, extension
from nanmap.plot.runner_up import expand
from nanmap.plot.theme import SEQUENTIAL, THEMES, to_bytes
from nanmap.results.columns import column_named
from pictures import LOSS, SKILL, STEP, numbers, settings_of

NAN, INF = np.nan, np.inf


class TestKinds:
    def test_an_option_is_passed_on_where_it_was_given_and_a_title_may_be_empty(self, monkeypatch: pytest.MonkeyPatch):
        passed: list[Any] = []
        for name in ("draw_map", "draw_lines"):
            monkeypatch.setattr(kinds, name, lambda *given, **options: passed.append((given[1:], options)))
        folder: Any = None
        kinds.draw(folder, "map", x="a", y="b", facet=(), title="", value=None, select=[], limits=(0, 1))
        kinds.draw(folder, "lines", x="a", y=None, facet=(), cmap=None, lines="c", title=None)
        assert passed == [(("a", "b"), {"title": "", "select": [], "limits": (0, 1)}), (("a",), {"lines": "c"})]
        with pytest.raises(InputError, match=r"facet: is for the other kind of picture \(got 'c, d'\)"):
            kinds.draw(folder, "lines", x="a", y=None, facet=("c", "d"))

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("lines", {"limits": (0, 1)}, None),  # of loss_final, which is a number
            ("map", {"limits": (0, 1)}, "limits: is for numbers; `outcome`"),
            ("map", {"limits": (0, 1), "value": "cause"}, "limits: is for numbers; `cause`"),
            ("map", {"limits": (0, 1), "value": "converged"}, None),
            ("map", {"limits": (1, 0), "value": "r2"}, "limits: the first must be below"),
            ("map", {"cmap": "viridis"}, r"cmap: is for numbers; `outcome` .* \(got 'viridis'\)"),
            ("map", {"cmap": "viridis", "value": "r2", "facet": "x"}, None),
            ("map", {"width": "1mm"}, "width: "),
            ("lines", {"height": "1mm"}, "height: "),
            ("lines", {"font_size": 1}, "font_size: "),
        ],
    )
    def test_looks_that_cannot_be_had_are_told_before_there_is_anything(
        self, kind: str, options: dict[str, Any], said: str | None
    ):
        if said is None:
            kinds.check_look(kind, options)
        else:
            with pytest.raises(InputError, match=said):
                kinds.check_look(kind, options)


class TestColours:
    @pytest.mark.parametrize("limits", [(1, 1), (2, 1), (False, True), (1, INF), (1,), (1, 2, 3), 3, "12", ("1", "2")])
    def test_limits_that_are_no_two_ascending_numbers_are_refused(self, limits: Any):
        with pytest.raises(InputError, match="limits: "):
            checked_limits(limits)

    @pytest.mark.parametrize("limits", [(0, 1), [0, 1], np.array([0, 1])])
    def test_limits_are_two_numbers_in_whatever_holds_them(self, limits: Any):
        assert checked_limits(limits) == (0, 1)

    def test_a_colormap_is_known_by_any_name_that_matplotlib_has(self):
        with pytest.raises(InputError, match=r"viridis, cividis[\s\S]*did you mean `twilight`"):
            find_colormap("twiligt", THEMES["light"])

    def test_arrows_point_to_the_ends_beyond_which_there_are_numbers(self):
        cases = [(True, True), (True, False), (False, True), (False, False)]
        assert [extension(*case) for case in cases] == ["both", "min", "max", "neither"]

    def test_colours_are_rounded_to_bytes(self):
        assert to_bytes("#0b5fa5").tolist() == [0x0B, 0x5F, 0xA5, 255]
        assert to_bytes("0.5").tolist() == [128, 128, 128, 255]


class TestRunnerUp:
    def painted(self, *shares: float) -> Painting:
        """Two rows of white pixels with black runners-up."""
        share = np.reshape(shares, (2, -1))
        white = np.full((*share.shape, 4), 255, np.uint8)
        black = np.zeros_like(white) + np.array([0, 0, 0, 255], np.uint8)
        return Painting(white, np.ones(share.shape), core=black, core_share=share)

    def test_a_core_is_square_in_the_middle_and_as_large_as_its_share(self):
        shares = (0, 0.25, 4 / 9, 0, 0, 1 / 36)
        image = expand(self.painted(*shares), (), 12)
        assert image.shape == (2 * 12, 3 * 12, 4)
        for (row, column), share in zip(np.ndindex(2, 3), shares, strict=True):
            black = image[row * 12 :, column * 12 :][:12, :12, 0] == 0
            assert black.mean() == pytest.approx(share)
            np.testing.assert_array_equal(black, black[::-1, ::-1])
            np.testing.assert_array_equal(black, black.T)
            assert black.sum() == black.any(axis=0).sum() ** 2

    def test_without_room_colours_are_mixed_by_the_share(self):
        image = expand(self.painted(0, 0.25, 0.4, 0, 0, 0.5), (), 1)
        assert image[..., 0].tolist() == [[255, 191, 153], [255, 255, 127]]


def colours(painting: Painting) -> list[str]:
    return [to_hex(each[:3] / 255) if each[3] else "" for each in painting.image.reshape(-1, 4)]


class TestPaint:
    def test_pixels_are_alive_in_which_half_of_the_runs_are(self, tmp_path: Path):
        ends = [["converged", "nan"], ["stalled", "dead"], ["dead", "dead"], ["inf", "nan"], ["progressing"] * 2]
        two = {"key": "training.seed", "range": [0, 2]}
        folder = write_run(
            tmp_path, [BATCH, RATE, two], {"outcome": np.tile(np.ravel(ends), 3)}, shard_cells=10, lost=(2,)
        )
        alive = alive_pixels(folder, settings_of(folder).view)
        assert alive.tolist() == [[True, True, False, False, True]] * 2 + [[False] * 5]

    def test_limits_of_losses_alone_come_from_what_is_alive(self, tmp_path: Path):
        facts = {"outcome": np.tile(["converged", "converged", "diverged", "nan", "inf"], 3).astype(object)}
        for name, ends in (("loss_final", (1.0, 10.0)), ("sharpness", (1.0, 1e9))):
            folder = write_run(tmp_path / name, [BATCH, RATE], facts | {name: np.tile([1.0, 10.0, 1e9, NAN, NAN], 3)})
            bar = paint(folder, settings_of(folder), name, make_colouring(THEMES["light"])).bar
            assert (bar.norm.vmin, bar.norm.vmax) == pytest.approx(ends)

    @pytest.mark.parametrize(
        ("limits", "extend"),
        [(None, "neither"), ((0.25, 0.9), "both"), ((0.0, 0.75), "max"), ((0.25, 1.0), "min"), ((0.0, 1.0), "neither")],
    )
    def test_a_share_past_the_limits_has_the_colour_of_the_end_and_an_arrow(
        self, tmp_path: Path, limits: tuple[float, float] | None, extend: str
    ):
        outcomes = np.where(np.arange(5)[:, None] > np.arange(4), "converged", "nan").ravel().astype(object)
        folder = write_run(tmp_path, [RATE, SEED, BATCH], {"outcome": np.repeat(outcomes, 3)}, where="batch_size != 4")
        found = paint(folder, settings_of(folder), "converged", make_colouring(THEMES["light"], None, limits))
        low, high = limits or (0, 1)
        shares = np.clip((np.arange(5) / 4 - low) / (high - low), 0, 1)
        wanted = [to_hex(np.array(SEQUENTIAL(share, bytes=True)[:3]) / 255) for share in shares]
        assert colours(found) == [*wanted, *[""] * 5, *wanted]
        assert found.bar.extend == extend
        assert (found.bar.ticks is None) == (limits is not None)

    def test_names_are_counted_among_the_trainings_there_are(self, tmp_path: Path):
        outcomes = np.tile(["converged", "converged", "dead", "nan", "nan"], 3).astype(object)
        folder = write_run(tmp_path, [BATCH, RATE], {"outcome": outcomes}, where="batch_size != 4")
        found = paint(folder, settings_of(folder), "outcome", make_colouring(THEMES["light"]))
        assert [text for _, text in found.legend] == ["converged  4 · 40 %", "dead  2 · 20 %", "nan  4 · 40 %"]
        assert (found.note, found.core) == ("", None)

    def test_the_share_of_the_runner_up_is_its_own(self, tmp_path: Path):
        outcomes = np.tile(["nan", "nan", "dead", "inf"], 15).astype(object)
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes}, where="batch_size != 4 or seed == 0")
        found = paint(folder, settings_of(folder), "outcome", make_colouring(THEMES["light"]))
        assert found.core_share.tolist() == [[0.25] * 5, [0.0] * 5, [0.25] * 5]
        assert found.note == "colour: the most common outcome (of equal ones the worse)"

    def test_the_accuracy_of_some_networks_is_drawn_among_others_without(self, tmp_path: Path):
        losses = {"key": "loss.kind", "values": ["mse", "sigmoid_cross_entropy"]}
        folder = write_run(tmp_path, [losses, BATCH, RATE], {"accuracy": 0.5})
        assert checked_column("accuracy", settings_of(folder)).name == "accuracy"
        with pytest.raises(InputError, match="exact equalities"):
            checked_column("accuracy", settings_of(folder, select={"loss": "mse"}))


PLAIN = make_colouring(THEMES["light"])


class TestPaintNumbers:
    def ends(self, *values: float, column: Any = LOSS, **options: Any) -> tuple[float, float]:
        norm = paint_numbers(numbers([*values]), column, make_colouring(THEMES["light"], **options)).bar.norm
        return norm.vmin, norm.vmax

    def test_dark_is_good(self):
        dark, light = (to_hex(np.array(SEQUENTIAL(end, bytes=True)[:3]) / 255) for end in (1.0, 0.0))
        assert colours(paint_numbers(numbers([1, 100]), LOSS, PLAIN)) == [dark, light]
        assert colours(paint_numbers(numbers([0, 1]), SKILL, PLAIN)) == [light, dark]
        assert colours(paint_numbers(numbers([3, 100]), STEP, PLAIN)) == [light, dark]

    def test_what_is_past_the_bad_end_is_counted_over_all_runs_and_past_the_good_one_as_good_as_the_end(self):
        at = make_colouring(THEMES["light"], None, (1.0, 100.0))
        found = paint_numbers(numbers([0.5, 1, 100, 101], every=[0.5, 1, 100, 101, 1234, 5000]), LOSS, at)
        least, end, most, beyond = colours(found)
        assert least == end != most != beyond
        assert found.bar.extend == "both"
        assert found.legend == [(beyond, "above 100: 3 trainings · 75 %")]
        at = make_colouring(THEMES["light"], None, (0.25, 0.75))
        found = paint_numbers(numbers([0.2, 0.25, 0.75, 0.8]), SKILL, at)
        beyond, end, most, over = colours(found)
        assert beyond != end != most == over
        assert found.legend == [(beyond, "below 0.25: 1 training · 25 %")]
        assert found.bar.ticks is None

    @pytest.mark.parametrize(
        ("values", "extend", "told"),
        [
            ([0, 1], "neither", []),
            ([-0.1, 1], "min", ["below 0, worse than a constant answer: 1 training · 50 %"]),
            ([-INF, 0.5], "neither", ["infinite: 1 training · 50 %"]),
        ],
    )
    def test_a_skill_is_coloured_from_0_to_1(self, values: list[float], extend: str, told: list[str]):
        kinds = [Kind.NUMBER if np.isfinite(value) else Kind.INF for value in values]
        found = paint_numbers(numbers(values, kinds), SKILL, PLAIN)
        assert found.bar.extend == extend
        assert [text for _, text in found.legend] == told

    def test_ends_of_losses(self):
        assert self.ends(1, 5, 20) == (1, 20)
        assert self.ends(3, 3) == (1.5, 6)
        assert self.ends(0, -2, 3, 30) == (3, 30)
        assert self.ends(0, 0) == (0, 1)
        many = [*np.geomspace(1, 9, 200)]
        assert self.ends(0.2, *many, 50) == (0.2, 50)  # within ten times of most: nothing is cut off for little
        low, high = self.ends(*[1e-9] * 2, *many, *[1e9] * 2)
        assert (low, high) == pytest.approx((many[2], many[-3]), rel=0.05)
        assert self.ends(1e-9, *many, 1e9, column=column_named("sharpness")) == (1e-9, 1e9)

    @pytest.mark.parametrize(
        ("values", "kind", "ends"),
        [
            ([1, 50], LogNorm, (1, 50)),
            ([0, 50], SymLogNorm, (0, 50)),
            ([1], LogNorm, (1, 2)),
            ([0], SymLogNorm, (0, 2)),
        ],
    )
    def test_ends_of_steps(self, values: list[float], kind: type, ends: tuple[float, float]):
        norm = paint_numbers(numbers(values), STEP, PLAIN).bar.norm
        assert type(norm) is kind
        assert (norm.vmin, norm.vmax) == ends
        assert self.ends(*values, column=STEP, limits=(5, 20)) == (5, 20)

    @pytest.mark.parametrize(("limits", "mend"), [((0, 1), "1e-6:1"), ((-2, 0), None), ((-2, -1), None)])
    def test_limits_of_a_logarithm_are_positive(self, limits: tuple[float, float], mend: str | None):
        with pytest.raises(InputError, match="so both must be positive") as caught:
            self.ends(1, 2, limits=limits)
        assert caught.value.mend == mend

    def test_what_is_alive_sets_the_ends_where_anything_is(self):
        given = numbers([1, 10, 1e6])
        for alive, most in (([True, True, False], 10), ([False] * 3, 1e6)):
            assert paint_numbers(given, LOSS, PLAIN, np.array(alive)).bar.norm.vmax == most

    def test_ranks_part_good_from_bad_and_are_deepest_at_the_edge(self):
        given = numbers([-100, -50, -4, -3, -2, 0, 1, 2, 7, 50])
        bar = paint_numbers(given, column_named("measure"), PLAIN).bar
        spots = ["−100", "−50", "−4", "−3", "−2", "0", "1", "2", "7", "50"]
        assert bar.tick_labels == spots
        assert bar.ticks == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1])
        one = paint_numbers(numbers([-5]), column_named("measure"), PLAIN).bar
        assert (one.ticks, one.tick_labels) == (pytest.approx([0.4]), ["−5"])

    def test_shares_are_told_in_percent_unless_limits_are_asked_for(self):
        accuracy = column_named("accuracy")
        assert paint_numbers(numbers([0.2, 0.5]), accuracy, PLAIN).bar.tick_labels[1] == "25 %"
        asked = make_colouring(THEMES["light"], None, (0.2, 0.6))
        assert paint_numbers(numbers([0.2, 0.5]), accuracy, asked).bar.ticks is None

    def test_kinds_are_told_with_their_rank_where_runs_share_a_pixel(self):
        kinds = [Kind.NUMBER, Kind.NAN, Kind.MISSING, Kind.EMPTY]
        given = numbers([1, NAN, NAN, NAN], kinds)
        assert describe_rank(given, STEP) == ", with “never” ranked first and “NaN” ranked last"
        assert describe_rank(given, SKILL).startswith(", with “NaN”, “")
        assert describe_rank(numbers([1]), STEP) == ""
        assert describe_kinds(given, STEP)[Kind.MISSING] == "never: 1 training · 33 %"
        assert paint_numbers(given, STEP, PLAIN).note == ""  # one run each
        assert paint_numbers(replace(given, rows=np.array([1, 2, 1, 0])), STEP, PLAIN).note.startswith(
            "colour: the med"
        )
