"""Where pixels end and what stands along an axis: coordinates, ticks, labels, the axis of values."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from nanmap.analysis import Kind, Shown
from nanmap.errors import InputError
from nanmap.plot.coordinates import borders, centres, coordinate, from_scale, to_scale
from nanmap.plot.labels import label_of, text_width, wrapped
from nanmap.plot.names import name_axis
from nanmap.plot.ticks import GAP, SIZE, fit_labels, set_up
from nanmap.plot.ticks import LINE as LINE_HEIGHT
from nanmap.plot.value_axis import ValueAxis, make_value_axis
from nanmap.results.columns import column_named
from pictures import LOSS, SKILL, STEP, numbers, small_ticks

NAN = np.nan


def shown(scale: str, *labels: Any) -> Shown:
    """An axis that shows these labels."""
    kind = object if isinstance(labels[0], str) else None
    axis: Any = SimpleNamespace(labels=np.array(labels, kind), column="x")
    return Shown(axis, np.arange(len(labels)), scale)


class TestCoordinates:
    @pytest.mark.parametrize(
        ("axis", "ends"),
        [
            (shown("values", "a", "b", "c"), [-0.5, 0.5, 1.5, 2.5]),
            (shown("values", 7, 1), [-0.5, 0.5, 1.5]),
            (shown("linear", 1, 2, 3), [0.5, 1.5, 2.5, 3.5]),
            (shown("linear", 0.0, 1.0, 3.0), [-0.5, 0.5, 2.0, 4.0]),
            (shown("log", 1.0, 100.0), [0.1, 10.0, 1000.0]),
            (shown("log", -100.0, -1.0), [-1000.0, -10.0, -0.1]),
        ],
    )
    def test_pixels_end_halfway_and_as_far_outside(self, axis: Shown, ends: list[float]):
        np.testing.assert_allclose(borders(axis), ends)
        assert len(centres(axis)) == len(axis)
        assert ((borders(axis)[:-1] < centres(axis)) & (centres(axis) < borders(axis)[1:])).all()
        np.testing.assert_allclose(from_scale(axis, to_scale(axis, borders(axis))), ends)

    @pytest.mark.parametrize(
        ("axis", "values", "places"),
        [
            (shown("log", 1.0, 100.0), [0.11, 999.0, 0.09, 1001.0], [0.11, 999.0, NAN, NAN]),
            (shown("linear", 1, 2), [0.6, 2.4, 0.4, 2.6], [0.6, 2.4, NAN, NAN]),
            (shown("values", 1, 100), [1, 10, 100, 0.9, 101], [0, 0.5, 1, NAN, NAN]),
            (shown("values", 100.0, 1.0), [1, 10, 100, 0.9, 101], [1, 0.5, 0, NAN, NAN]),
            (shown("values", 1.0, 100.0, 10.0), [1, 10], [NAN, NAN]),  # between which two would it be
            (shown("values", 0.0, 1.0), [0.5, 1], [NAN, NAN]),
            (shown("values", "a", "b"), [0, 1], [NAN, NAN]),
        ],
    )
    def test_a_value_stands_where_the_axis_has_it_or_nowhere(
        self, axis: Shown, values: list[float], places: list[float]
    ):
        np.testing.assert_allclose(coordinate(axis, np.array(values)), places)


def axis_of(shown_axis: Shown, inches: float, which: str = "x", scale: float = 1.0) -> Axes:
    """A panel with this axis, so long."""
    axes = Figure().subplots()
    set_up(axes, which, shown_axis, fit_labels(shown_axis, which, inches, scale))
    return axes


def told(axis: Shown, inches: float, which: str = "x") -> tuple[list[float], list[str], list[float]]:
    """Places and labels of its ticks, and the places of those that have none."""
    axes = axis_of(axis, inches, which)
    drawn = getattr(axes, f"{which}axis")
    major = drawn.get_majorticklocs()
    labels = [drawn.get_major_formatter()(place, number) for number, place in enumerate(major)]
    return list(major), labels, small_ticks(axes, which)


class TestTicks:
    def test_labels_of_numbers_that_do_not_fit_are_left_out_and_keep_their_ticks(self):
        axis = shown("values", *range(100, 112))
        each = text_width("100", SIZE) + GAP
        assert told(axis, 12.1 * each)[:2] == ([*range(12)], [str(100 + n) for n in range(12)])
        major, labels, minor = told(axis, 11.9 * each)
        assert (major, labels) == ([*range(0, 12, 2)], [str(100 + n) for n in range(0, 12, 2)])
        assert sorted([*major, *minor]) == [*range(12)]
        assert told(axis, 12.1 * LINE_HEIGHT, "y")[0] == [*range(12)]
        assert told(axis, 11.9 * LINE_HEIGHT, "y")[0] == [*range(0, 12, 2)]

    @pytest.mark.parametrize(("inches", "angle"), [(3.1, 0), (1.2, 35), (0.6, 90)])
    def test_names_that_do_not_fit_are_turned(self, inches: float, angle: int):
        axis = shown("values", "glorot_uniform", "he_normal", "zeros")
        labels = fit_labels(axis, "x", inches)
        wide = text_width("glorot_uniform", SIZE)
        up = {0: LINE_HEIGHT, 35: wide * 0.5736 + LINE_HEIGHT * 0.8192, 90: wide}[angle]
        assert (labels.step, labels.angle) == (1, angle)
        assert labels.room == pytest.approx(up + GAP, abs=1e-3)
        assert axis_of(axis, inches).get_xticklabels()[0].get_rotation() == angle
        assert fit_labels(axis, "x", 2 * inches, 2.0).angle == angle

    @pytest.mark.parametrize(
        ("ends", "inches", "powers"), [((-4, 4), 4.0, range(-4, 5)), ((-4, 4), 2.0, range(-4, 5, 2))]
    )
    def test_powers_of_ten_every_so_many_that_their_labels_fit(self, ends: tuple[int, int], inches: float, powers):
        axis = shown("log", *np.logspace(*ends, 9))
        major, labels, minor = told(axis, inches)
        np.testing.assert_allclose(major, [10.0**power for power in powers])
        assert labels == [f"$\\mathdefault{{10^{{{power}}}}}$" for power in powers]
        assert not set(major) & set(minor)
        fine = 1 + 8 * (inches == 4.0)  # between powers that are far enough apart
        assert sum(1 < place < 10 for place in minor) == fine - 1

    @pytest.mark.parametrize(
        "axis",
        [
            shown("log", *np.logspace(-4, 1, 30)),
            shown("log", *np.logspace(-14, 2, 30)),  # so close that they touch
            shown("values", *range(40)),
        ],
    )
    @pytest.mark.parametrize("which", ["x", "y"])
    def test_small_ticks_are_drawn_as_matplotlib_draws_its_own(self, which: str, axis: Shown):
        pictures = []
        for own in (True, False):
            axes = axis_of(axis, 6.0 if axis.scale == "log" else 3.0, which)
            places = small_ticks(axes, which)
            if own:
                axes.artists[0].remove()
                getattr(axes, f"{which}axis").set_minor_locator(FixedLocator(places))
            assert len(places) >= 20
            assert not axes.lines
            canvas = FigureCanvasAgg(axes.figure)
            canvas.draw()
            pictures.append(np.array(canvas.buffer_rgba()))
        assert (pictures[0] == pictures[1]).all()
        axes.artists[0].remove()
        canvas.draw()
        assert (np.array(canvas.buffer_rgba()) != pictures[0]).any()

    @pytest.mark.parametrize("which", ["x", "y"])
    def test_small_ticks_alone_have_their_room(self, which: str):
        axes = axis_of(shown("log", 0.0025, 0.003, 0.0037), 4.0, which)
        axis = getattr(axes, f"{which}axis")
        assert (len(axes.artists), len(axis.get_majorticklocs())) == (0, 0)
        np.testing.assert_allclose(axis.get_minorticklocs(), [0.003, 0.004])
        assert not any(axis.get_minor_formatter()(place, 0) for place in axis.get_minorticklocs())

    def test_negative_rates_have_their_sign(self):
        major, labels, _ = told(shown("log", *-np.logspace(2, 0, 5)), 4.0)
        np.testing.assert_allclose(sorted(major), [-100, -10, -1])
        assert labels[0] == "$\\mathdefault{−10^{0}}$"

    @pytest.mark.parametrize(
        ("labels", "inches", "which", "expected"),
        [
            ((2.0, 3.0, 4.5), 4.0, "x", ["2", "5"]),
            ((0.03, 0.06), 4.0, "x", ["0.05"]),
            ((20.0, 40.0, 80.0), 4.0, "y", ["20", "50", "100"]),
        ],
    )
    def test_an_axis_with_one_power_of_ten_or_none_has_numbers_between(
        self, labels: tuple[float, ...], inches: float, which: str, expected: list[str]
    ):
        assert told(shown("log", *labels), inches, which)[1] == expected

    @pytest.mark.parametrize(("which", "inches"), [("x", 0.5), ("x", 0.8), ("y", 0.3), ("y", 0.5)])
    def test_numbers_between_powers_do_not_touch(self, which: str, inches: float):
        axis = shown("log", 3.0, 9.0, 27.0)
        places, labels, _ = told(axis, inches, which)
        assert labels[0] == "2"
        assert set(labels) < {"2", "5", "10", "20"}
        decade = inches / np.log10(borders(axis)[-1] / borders(axis)[0])
        sizes = np.array([text_width(label, SIZE) if which == "x" else LINE_HEIGHT for label in labels])
        assert (np.diff(decade * np.log10(places)) >= (sizes[1:] + sizes[:-1]) / 2 + GAP - 1e-9).all()

    def test_whole_numbers_have_whole_ticks(self):
        assert all(place == round(place) for place in told(shown("linear", 1, 2, 3), 4.0)[0])
        assert any(place != round(place) for place in told(shown("linear", 1.0, 2.0, 3.0), 4.0)[0])


class TestLabels:
    def test_lines_are_as_full_as_they_fit_and_a_long_word_has_one_of_its_own(self):
        text = "one two three a_word_that_is_far_too_long_for_any_line four"
        lines = wrapped(text, 0.9).split("\n")
        assert " ".join(lines) == text
        assert lines == ["one two three", "a_word_that_is_far_too_long_for_any_line", "four"]
        assert max(text_width(line, 9) for line in (lines[0], lines[2])) <= 0.9
        assert wrapped("far_too_long for", 0.1) == "far_too_long\nfor"
        just = text_width("one two three", 9) + 1e-6
        assert wrapped("one two three", just) == "one two three"
        assert wrapped("one two three", just, 9, "bold") == "one two\nthree"

    def test_lines_are_as_full_as_word_by_word(self):
        text = "a he_normal, budget: 1,000 updates · =\u00a0x 8 of 12 starts glorot_uniform ± i illustrated"
        words = text.split(" ")
        for first in range(len(words)):
            some = words[first:] + words[:first]
            for inches in (0.05, 0.7, 1.3, 2.9, 9.0):
                lines = [""]
                for word in some:
                    longer = f"{lines[-1]} {word}".strip()
                    if lines[-1] and text_width(longer, 9) > inches:
                        lines.append(word)
                    else:
                        lines[-1] = longer
                assert wrapped("  ".join(some), inches) == "\n".join(lines)
        assert wrapped("", 1.0) == wrapped(" ", 1.0) == ""

    @pytest.mark.parametrize(
        ("column", "name"),
        [
            ("learning_rate", "learning rate (learning_rate)"),
            ("learning_rate_1", "learning rate of layer 1 (learning_rate_1)"),
            ("learning_rate_decay", "learning_rate_decay"),
            ("advice", "advice"),
        ],
    )
    def test_axes_are_named_in_words_with_their_column(self, column: str, name: str):
        assert name_axis(column) == name

    def test_whole_numbers_have_all_their_digits_and_others_six(self):
        values = (1234567, -12, 0.123456789, 1234567.0, -1e-7, True, np.float64(0.5))
        assert [label_of(each) for each in values] == [
            "1234567",
            "−12",
            "0.123457",
            "1.23457e6",
            "−1e−7",
            "true",
            "0.5",
        ]


class TestValueAxis:
    def axis(self, *values: float, column: Any = LOSS, alive: Any = True, best: Any = None) -> ValueAxis:
        middle = numbers([*values])
        far = numbers([1e30] * len(values))  # the worst runs may leave the picture
        first = middle if best is None else numbers(best)
        return make_value_axis([first, middle, far], column, np.broadcast_to(alive, len(values)), None)

    def test_a_logarithm_has_a_margin_of_6_percent_and_a_tenth_of_a_decade_at_least(self):
        axis = self.axis(1, 1e4, 1e5)
        assert (axis.scale, axis.low, axis.high) == ("log", pytest.approx(10**-0.3), pytest.approx(10**5.3))
        axis = self.axis(2, 2)
        assert (axis.low, axis.high) == pytest.approx((2 * 10**-0.1, 2 * 10**0.1))
        assert self.axis(10, 10, best=[1e-3, 10]).low < 1e-3
        assert (self.axis(0, 0).low, self.axis(0, 0).high) == (0.1, 10)

    def test_what_diverged_sets_no_end_unless_all_did(self):
        for column, value in ((LOSS, 1e9), (SKILL, -50.0)):
            near = self.axis(0.5, value, column=column, alive=[True, False])
            far = self.axis(0.5, value, column=column, alive=[False, False])
            assert -1.2 < near.low < near.high < 1.2
            assert far.low < near.low or far.high > 1e9
        assert self.axis(0.5, 1e9, column=column_named("sharpness"), alive=[True, False]).high > 1e9

    def test_most_losses_set_the_upper_end_and_the_best_the_lower(self):
        axis = self.axis(1e-9, *np.geomspace(1, 9, 200), *[1e9] * 2)
        assert axis.low < 1e-9
        assert axis.high < 100

    def test_a_share_shows_0_and_1_and_no_less_than_minus_1(self):
        assert (self.axis(0.5, column=SKILL).low, self.axis(0.5, column=SKILL).high) == pytest.approx((-0.06, 1.06))
        axis = self.axis(-70, 0.5, column=SKILL)
        assert (axis.scale, axis.low, axis.high) == ("linear", pytest.approx(-1.12), pytest.approx(1.12))

    @pytest.mark.parametrize(
        ("values", "scale", "low"), [([0, 5], "symlog", 0), ([1, 5], "log", 10**-0.1), ([1, 1], "log", 10**-0.1)]
    )
    def test_steps_start_at_0_where_it_occurs(self, values: list[float], scale: str, low: float):
        axis = self.axis(*values, column=STEP, best=values)
        assert axis.scale == scale
        assert axis.low == pytest.approx(low, rel=0.01)

    def test_what_is_at_an_end_is_inside_and_what_is_past_it_is_drawn_past_it(self):
        axis = ValueAxis("log", 1.0, 100.0)
        given = numbers([0.5, 1, 100, 101, NAN, 1e9], [*[Kind.NUMBER] * 4, Kind.NAN, Kind.NUMBER])
        assert axis.past(given, 1).tolist() == [False, False, False, True, False, True]
        assert axis.past(given, -1).tolist() == [True, False, False, False, False, False]
        np.testing.assert_allclose(axis.inside(given), [0.5, 1, 100, 101, NAN, 1000])
        assert [str(getattr(kind, "name", kind)) for kind in axis.marks(given)] == ["NAN", "above"]
        assert [axis.label(end) for end in (0, 1)] == ["1", "100"]
        np.testing.assert_allclose(ValueAxis("linear", 0, 2).inside(numbers([-9, 9])), [-2, 4])

    @pytest.mark.parametrize(
        ("high", "inches", "labels", "small"),
        [(100, 3.0, ["1", "2", "5", "10", "20", "50", "100"], True), (5000, 3.0, None, True), (1e5, 3.0, None, False)],
    )
    def test_ticks_are_numbers_in_few_decades_and_small_ones_in_some(
        self, high: float, inches: float, labels: list[str] | None, small: bool
    ):
        axes = Figure(figsize=(6, 6)).subplots()
        ValueAxis("log", 1.0, high).set_up(axes, inches)
        ticks = [each for each in axes.yaxis.get_majorticklocs() if 1 <= each <= high]
        said = [axes.yaxis.get_major_formatter()(each, 0) for each in ticks]
        assert labels is None or said == labels
        assert any(1 < each < high for each in axes.yaxis.get_minorticklocs()) is small
        assert not any(axes.yaxis.get_minor_formatter()(each, 0) for each in axes.yaxis.get_minorticklocs())

    def test_there_are_as_many_powers_of_ten_as_have_room(self):
        counts = []
        for inches in (0.9, 6.0):
            axes = Figure(figsize=(6, 6)).subplots()
            ValueAxis("log", 1e-8, 1e8).set_up(axes, inches)
            counts.append(sum(1e-8 <= each <= 1e8 for each in axes.yaxis.get_majorticklocs()))
        assert counts[0] <= 4 < 8 < counts[1]

    @pytest.mark.parametrize(("limits", "fits"), [((1, 2), True), ((0, 2), False), ((-1, 2), False)])
    def test_limits_of_a_logarithm_are_positive(self, limits: tuple[float, float], fits: bool):
        given = [numbers([1, 2])] * 3
        if fits:
            assert make_value_axis(given, LOSS, np.ones(2, bool), limits) == ValueAxis("log", *limits)
        else:
            with pytest.raises(InputError, match="both must be positive"):
                make_value_axis(given, LOSS, np.ones(2, bool), limits)
        assert make_value_axis(given, SKILL, np.ones(2, bool), limits).scale == "linear"
