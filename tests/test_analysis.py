"""Rows → grids: every value lands where its axes say, and nothing that is no number turns into one."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from handmade import BATCH, RATE, SEED, write_run
from nanmap.analysis import (
    Kind,
    count_outcomes,
    load_grid,
    make_view,
    most_common,
    take_medians,
    take_quantiles,
    to_xarray,
    wilson_interval,
)
from nanmap.errors import InputError
from nanmap.outcomes import MARKS, Outcome
from nanmap.results.columns import COLUMNS, column_named
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Missing

NAN, INF = np.nan, np.inf


SEVERITY = Outcome.by_severity()
NUMERIC = [each for each in COLUMNS if each.type != TEXT]
BETTER = {  # by column, which end of the numbers is the good one
    "high": (
        *("first_inf_step", "first_nan_step", "stopped_step", "steps_run", "overflow_step_predicted"),
        *("skill", "r2", "accuracy", "val_accuracy"),
        *("predicted_gd", "predicted_mean_square", "predicted_typical", "predicted_catapult"),
    ),
    "low": (
        *(*MARKS, "loss_floor", "loss_constant", "loss_best", "val_loss_final", "measure"),
        *("dead_fraction_initial", "dead_fraction", "dead_layer", "dead_at_init", "ends_infinite"),
    ),
    None: ("sharpness", "sharpness_final", "layers", "output_spread", "gradient_ratio", "gradient_ratio_initial"),
}


def view_of(folder: RunFolder, x: str = "learning_rate", y: str = "batch_size", facet: tuple[str, ...] = (), **select):
    return make_view(load_grid(folder.read_manifest()), x, y, facet, select)


def medians_of(tmp_path: Path, runs: list[float], name: str = "loss_final") -> tuple[float, Kind]:
    """The median of one pixel that holds these runs."""
    seeds = {"key": "training.seed", "range": [0, len(runs)]}
    rate = {"key": "optimizer.learning_rate", "values": [0.1]}
    folder = write_run(tmp_path, [rate, {"key": "training.batch_size", "values": [1]}, seeds], {name: np.array(runs)})
    medians = take_medians(folder, view_of(folder), name)
    return medians.values.item(), Kind(medians.kinds.item())


class TestDataset:
    def test_values_stand_at_their_axes(self, tmp_path: Path):
        loss = np.arange(3 * 5 * 4, dtype=float)
        found = to_xarray(write_run(tmp_path, [BATCH, RATE, SEED], {"loss_final": loss}))
        assert found.loss_final.dims == ("batch_size", "learning_rate", "seed")
        assert (
            found.loss_final.sel(batch_size=4, seed=2).sel(learning_rate=10.0, method="nearest") == 1 * 20 + 4 * 4 + 2
        )
        np.testing.assert_array_equal(found.loss_final.values.ravel(), loss)

    def test_variables_and_dataset_say_what_they_are(self, tmp_path: Path):
        found = to_xarray(write_run(tmp_path, [RATE]))
        assert found.attrs == {"name": "handmade"}
        for column in COLUMNS:
            assert found[column.name].attrs == {"unit": column.unit, "meaning": column.meaning}

    def test_nan_inf_and_missing_survive(self, tmp_path: Path):
        losses = np.array([NAN, INF, -INF, 1.0, 2.0])
        steps = np.array([3, -1, 0, -1, -1])
        found = to_xarray(write_run(tmp_path, [RATE], {"loss_final": losses, "first_nan_step": steps}))
        np.testing.assert_array_equal(found.loss_final, losses)
        np.testing.assert_array_equal(found.first_nan_step, [3, NAN, 0, NAN, NAN])

    def test_excluded_and_lost_cells_are_blank(self, tmp_path: Path):
        folder = write_run(
            tmp_path, [BATCH, RATE], {"loss_final": 1.0}, where="batch_size != 4", shard_cells=5, lost=(2,)
        )
        found = to_xarray(folder)
        assert found.outcome.values.tolist() == [["converged"] * 5, [""] * 5, [""] * 5]
        assert np.isnan(found.loss_final.values[1:]).all()

    def test_zipped_axes_share_a_dimension(self, tmp_path: Path):
        axes = [{"key": "data.n", "values": [4, 8, 16]}, RATE, {"key": "model.init_scale", "values": [1.0, 0.5, 0.25]}]
        found = to_xarray(write_run(tmp_path, axes, {"loss_final": np.arange(15.0)}, zip=[["n", "init_scale"]]))
        assert found.loss_final.dims == ("n", "learning_rate")
        assert found.init_scale.dims == ("n",)
        assert found.loss_final.sel(n=8).values.tolist() == [5, 6, 7, 8, 9]

    def test_a_sweep_without_axes_is_a_point(self, tmp_path: Path):
        assert to_xarray(write_run(tmp_path, [], {"loss_final": 2.5})).loss_final.item() == 2.5


class TestView:
    def test_names_the_misspelt_axis_and_the_near_one(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE, SEED])
        with pytest.raises(InputError, match=r"x: no such axis \(got 'learning_rat'\)") as caught:
            view_of(folder, x="learning_rat")
        assert caught.value.allowed == ("batch_size", "learning_rate", "seed")
        assert "did you mean `learning_rate`?" in str(caught.value)

    @pytest.mark.parametrize(
        ("x", "y", "facet", "problem"),
        [
            ("seed", "seed", (), "y: is x already"),
            ("seed", "batch_size", ("seed",), "facet: is x already"),
            ("n", "init_scale", (), "y: is zipped with `n`, which is x"),
        ],
    )
    def test_refuses_axes_that_make_no_plane(
        self, tmp_path: Path, x: str, y: str, facet: tuple[str, ...], problem: str
    ):
        axes = [BATCH, SEED, {"key": "data.n", "values": [4, 8]}, {"key": "model.init_scale", "values": [1.0, 0.5]}]
        folder = write_run(tmp_path, axes, zip=[["n", "init_scale"]])
        with pytest.raises(InputError) as caught:
            view_of(folder, x, y, facet)
        assert problem in str(caught.value)

    def test_selects_one_value_or_several(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE, SEED])
        view = view_of(folder, batch_size=[32, 1], seed="3", learning_rate=[0.01, 0.1, 10])
        assert view.y.labels.tolist() == [1, 32]
        assert view.x.labels.tolist() == pytest.approx([0.01, 0.1, 10])
        assert view.x.scale == "values"  # no longer evenly spaced
        assert [each.labels.tolist() for each in view.fixed] == [[3]]
        assert count_outcomes(folder, view).sum() == 6

    def test_a_value_that_is_not_there(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE])
        with pytest.raises(InputError, match=r"select\.batch_size: is not on the axis \(got 5\)") as caught:
            view_of(folder, batch_size=5)
        assert caught.value.allowed == "1, 4, 32"

    def test_selecting_on_a_zipped_axis_holds_for_its_group(self, tmp_path: Path):
        axes = [{"key": "data.n", "values": [4, 8]}, {"key": "model.init_scale", "values": [1.0, 0.5]}, RATE, BATCH]
        folder = write_run(tmp_path, axes, {"loss_final": np.repeat([1.0, 2.0], 15)}, zip=[["n", "init_scale"]])
        view = view_of(folder, init_scale=0.5)
        assert (take_medians(folder, view, "loss_final").values == 2).all()

    @pytest.mark.parametrize(
        ("axis", "scale", "first"),
        [
            (RATE, "log", 1e-3),
            ({"key": "optimizer.learning_rate", "log": [10.0, 0.1], "num": 4}, "log", 0.1),
            ({"key": "optimizer.learning_rate", "log": [-0.1, -10.0], "num": 4}, "log", -10.0),
            ({"key": "optimizer.learning_rate", "linear": [0.0, 1.0], "num": 3}, "linear", 0.0),
            ({"key": "optimizer.learning_rate", "values": [0.5, 0.1, 0.3]}, "values", 0.5),
            ({"key": "optimizer.learning_rate", "values": [2.0**k for k in range(14)]}, "log", 1.0),
            ({"key": "optimizer.learning_rate", "log": [0.1, 0.2], "num": 1}, "values", 0.1),
            ({"key": "optimizer.learning_rate", "log": [0.1, 0.2], "num": 2}, "log", 0.1),
            ({"key": "optimizer.learning_rate", "linear": [0.1, 0.2], "num": 2}, "linear", 0.1),
            ({"key": "optimizer.learning_rate", "values": [2.0**k for k in range(12)]}, "values", 1.0),
            ({"key": "optimizer.learning_rate", "values": [2.0**-k for k in range(13)]}, "log", 2.0**-12),
            ({"key": "optimizer.learning_rate", "values": [0.1 * k for k in range(13)]}, "linear", 0.0),
            ({"key": "optimizer.learning_rate", "values": [1e-12 * k**2 for k in range(13)]}, "values", 0.0),
        ],
    )
    def test_scales(self, tmp_path: Path, axis: dict, scale: str, first: float):
        view = view_of(write_run(tmp_path, [axis, BATCH]))
        assert (view.x.scale, view.x.labels[0]) == (scale, pytest.approx(first))

    def test_axes_that_no_picture_shows_share_a_pixel_and_zipped_ones_count_once(self, tmp_path: Path):
        axes = [
            {"key": "data.n", "values": [4, 8]},
            {"key": "model.init_scale", "values": [1.0, 0.5]},
            RATE,
            BATCH,
            SEED,
        ]
        folder = write_run(tmp_path, axes, zip=[["n", "init_scale"]])
        view = view_of(folder)
        assert ([each.column for each in view.merged], view.depth) == (["n", "seed"], 8)
        assert (count_outcomes(folder, view)[0] == 8).all()

    def test_facets_stand_in_the_order_in_which_they_are_given(self, tmp_path: Path):
        outcomes = np.where(np.arange(60) == 39, "dead", "converged")  # batch size 4, rate 10, seed 3
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes})
        view = make_view(load_grid(folder.read_manifest()), "learning_rate", facet=("seed", "batch_size"))
        assert np.argwhere(count_outcomes(folder, view)[SEVERITY.index("dead")]).tolist() == [[3, 1, 4]]


class TestOutcomes:
    def test_shares_are_exact(self, tmp_path: Path):
        outcomes = np.full((3, 5, 4), "converged", object)
        outcomes[0, 0] = ["nan", "nan", "nan", "inf"]
        outcomes[2, 4] = ["stalled", "converged", "stalled", "converged"]
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes.ravel()})
        counts = count_outcomes(folder, view_of(folder))
        winner, agreement = most_common(counts)
        assert SEVERITY[winner[0, 0]] == Outcome.NAN
        assert agreement[0, 0] == 0.75
        assert SEVERITY[winner[2, 4]] == Outcome.STALLED  # as common as converged, and worse
        assert agreement[2, 4] == 0.5
        totals = dict(zip(SEVERITY, counts.sum(axis=(1, 2)), strict=True))
        assert totals == {"converged": 54, "progressing": 0, "stalled": 2, "dead": 0, "diverged": 0, "inf": 1, "nan": 3}

    def test_facets_come_first(self, tmp_path: Path):
        outcomes = np.where(np.arange(60) % 4 == 2, "dead", "converged")  # all of seed 2
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"outcome": outcomes})
        winner, _ = most_common(count_outcomes(folder, view_of(folder, facet=("seed",))))
        assert winner.shape == (4, 3, 5)
        assert [SEVERITY[panel[0, 0]] for panel in winner] == ["converged", "converged", "dead", "converged"]

    def test_many_runs_per_pixel_are_counted_without_overflow(self, tmp_path: Path):
        seeds = {"key": "training.seed", "range": [0, 300]}
        folder = write_run(tmp_path, [seeds, RATE, BATCH], shard_cells=10_000)
        assert (count_outcomes(folder, view_of(folder))[0] == 300).all()

    def test_expected_counts_follow_where(self, tmp_path: Path):
        folder = write_run(tmp_path, [BATCH, RATE, SEED], where="batch_size != 4 and (batch_size != 1 or seed == 0)")
        assert view_of(folder).expected()[:, 0].tolist() == [1, 0, 4]


@pytest.mark.parametrize(("successes", "runs"), [(0, 1), (0, 21), (16, 16), (1, 2), (7, 10), (99, 100)])
def test_a_share_lies_two_deviations_from_either_end_of_its_interval(successes: int, runs: int) -> None:
    """Of the deviation that a share at that end has; and rounding leads no end out of 0 to 1."""
    low, high = wilson_interval(successes, runs)
    assert 0 <= low <= successes / runs <= high <= 1
    for end in (low, high):
        assert (end - successes / runs) ** 2 == pytest.approx(1.96**2 * end * (1 - end) / runs, rel=1e-4, abs=1e-15)


class TestMedians:
    @pytest.mark.parametrize(
        ("runs", "value", "kind"),
        [
            ([3.0, 1.0, 2.0], 2.0, Kind.NUMBER),
            ([1.0, 2.0], 1.5, Kind.NUMBER),
            ([1.0, NAN, 2.0], 2.0, Kind.NUMBER),
            ([1.0, NAN], NAN, Kind.NAN),
            ([NAN, 1.0, NAN], NAN, Kind.NAN),
            ([INF, 1.0, 5.0], 5.0, Kind.NUMBER),
            ([INF, 1.0, NAN], NAN, Kind.INF),
            ([INF, INF, NAN, NAN], NAN, Kind.NAN),
            ([1.7e308, 1.7e308], 1.7e308, Kind.NUMBER),
        ],
    )
    def test_of_losses(self, tmp_path: Path, runs: list[float], value: float, kind: Kind):
        found, found_kind = medians_of(tmp_path, runs)
        assert found_kind is kind
        np.testing.assert_equal(found, value)

    def test_never_is_later_than_any_step(self, tmp_path: Path):
        assert medians_of(tmp_path, [7, -1, 5], "first_nan_step") == (7.0, Kind.NUMBER)
        assert medians_of(tmp_path, [7, -1, -1], "first_nan_step")[1] is Kind.MISSING

    def test_of_r2_the_low_end_is_the_bad_one(self, tmp_path: Path):
        assert medians_of(tmp_path, [0.9, 0.5, -INF], "r2") == (0.5, Kind.NUMBER)
        assert medians_of(tmp_path, [0.9, NAN, 0.7], "r2") == (0.7, Kind.NUMBER)
        assert medians_of(tmp_path, [0.9, -INF, -INF], "r2")[1] is Kind.INF

    @pytest.mark.parametrize("name", [each.name for each in NUMERIC])
    def test_what_is_no_number_is_worse_than_the_worst_number(self, tmp_path: Path, name: str):
        """Of 0.9, 0.7 and one more that is worst, the middle one is the worse of the two; steps are whole, and never is best."""
        column = column_named(name)
        assert column.better == next(end for end, names in BETTER.items() if name in names)
        worse = {"high": min, "low": max, None: max}[column.better]
        if column.missing is Missing.NEGATIVE:
            assert medians_of(tmp_path, [9, -1, 7], name) == (9, Kind.NUMBER)
        elif column.type == pa.float64():
            assert medians_of(tmp_path, [0.9, NAN, 0.7], name) == (worse(0.9, 0.7), Kind.NUMBER)

    def test_a_single_run_that_is_no_number_is_none(self, tmp_path: Path):
        assert medians_of(tmp_path, [-INF], "r2")[1] is Kind.INF
        assert medians_of(tmp_path, [NAN], "loss_final")[1] is Kind.NAN
        assert medians_of(tmp_path, [NAN], "r2")[1] is Kind.MISSING

    @pytest.mark.parametrize(
        ("runs", "name", "value", "kind"),
        [
            ([7, -1], "first_nan_step", 7.0, Kind.NUMBER),  # never is the better one of the two
            ([-1, -1], "first_nan_step", NAN, Kind.MISSING),
            ([0.5, NAN], "r2", NAN, Kind.MISSING),
            ([0.5, 0.75, NAN, NAN], "r2", NAN, Kind.MISSING),
        ],
    )
    def test_of_a_number_and_one_that_is_missing_the_worse_is_shown(
        self, tmp_path: Path, runs: list[float], name: str, value: float, kind: Kind
    ):
        found, found_kind = medians_of(tmp_path, runs, name)
        np.testing.assert_equal((found, found_kind), (value, kind))

    @pytest.mark.parametrize(
        ("name", "kinds"),
        [
            ("r2", [Kind.NAN, Kind.MISSING, Kind.MISSING, Kind.NUMBER]),
            ("skill", [Kind.NAN, Kind.INF, Kind.MISSING, Kind.NUMBER]),
            ("sharpness", [Kind.MISSING, Kind.MISSING, Kind.MISSING, Kind.NUMBER]),
        ],
    )
    def test_a_value_that_is_missing_because_the_run_ended_so_counts_as_its_end(
        self, tmp_path: Path, name: str, kinds: list[Kind]
    ):
        """The last one ends infinite, in its parameters: its value is there."""
        facts = {name: np.array([NAN, NAN, NAN, 0.5]), "outcome": np.array(["nan", "inf", "stalled", "inf"], object)}
        folder = write_run(tmp_path, [{"key": "optimizer.learning_rate", "values": [1.0, 2.0, 3.0, 4.0]}], facts)
        view = make_view(load_grid(folder.read_manifest()), "learning_rate")
        medians = take_medians(folder, view, name)
        assert medians.kinds.tolist() == kinds
        assert medians.every.tolist() == [0.5]
        assert medians.tally == {kind: kinds.count(kind) for kind in Kind}

    @pytest.mark.parametrize("name", ["loss_final", "r2"])
    def test_quantiles_are_interpolated_from_the_better_end(self, tmp_path: Path, name: str):
        runs, shares = np.array([0.3, -2.0, 0.9, 0.4, 7.0, 0.5]), (0, 0.1, 0.25, 0.5, 0.7, 1)
        axes = [{"key": "optimizer.learning_rate", "values": [1.0]}, {"key": "training.seed", "range": [0, 6]}]
        folder = write_run(tmp_path, axes, {name: runs})
        found = take_quantiles(folder, make_view(load_grid(folder.read_manifest()), "learning_rate"), name, shares)
        expected = np.quantile(runs, shares if name == "loss_final" else 1 - np.array(shares))
        np.testing.assert_allclose([each.values.item() for each in found], expected, rtol=1e-12)

    def test_excluded_runs_are_no_runs(self, tmp_path: Path):
        losses = np.broadcast_to([1.0, NAN, NAN, NAN], (3, 5, 4)).ravel()
        folder = write_run(tmp_path, [BATCH, RATE, SEED], {"loss_final": losses}, where="batch_size == 4 or seed == 0")
        medians = take_medians(folder, view_of(folder), "loss_final")
        assert medians.kinds[:, 0].tolist() == [Kind.NUMBER, Kind.NAN, Kind.NUMBER]
        assert medians.tally == {Kind.EMPTY: 30, Kind.NUMBER: 15, Kind.INF: 0, Kind.NAN: 15, Kind.MISSING: 0}
        assert medians.rows[:, 0].tolist() == [1, 4, 1]
