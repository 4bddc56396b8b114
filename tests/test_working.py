"""What a finished sweep says works, from rows whose ends are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from handmade import write_run
from nanmap.analysis import best_cell, what_works, working

RATE = {"key": "optimizer.learning_rate", "values": [0.001, 0.01, 0.1, 1.0, 10.0]}
SEED = {"key": "training.seed", "range": [0, 3]}
NETWORK = {
    "data": {"kind": "line", "n": 20},
    "model": {"hidden": [2]},
    "training": {"epochs": 10},
}
INIT = {"key": "model.init", "values": ["zeros", "normal", "uniform"]}


def ended(good: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "outcome": np.where(good, "converged", "nan").astype(object).ravel(),
        "loss_final": np.arange(good.size) * 1.0,
    }


def test_the_longest_run_of_rates_at_which_all_starts_converge(tmp_path: Path) -> None:
    good = np.zeros((3, 5, 3), bool)
    good[1, 0] = good[1, 2:4] = True
    good[1, 1, :2] = True  # two of three starts
    good[2, 4, 1] = True
    folder = write_run(tmp_path, [INIT, RATE, SEED], ended(good))
    working, never = what_works(folder)
    assert [each.sentence() for each in working] == [
        "converged in 3 of 3 starts at rates 0.1 to 1 (init = normal)",
        "converged in 1 of 3 starts at 10 (init = uniform)",
    ]
    assert working[0].cell == 1 * 15 + 2 * 3  # the middle rate's least loss
    assert working[1].cell == 2 * 15 + 4 * 3 + 1  # the start that converged
    assert never == ["init = zeros"]


def test_neighbours_are_those_by_size_in_whatever_order_a_file_has_them(tmp_path: Path) -> None:
    rates, batches = np.array([0.001, 1.0, 0.1, 0.01]), np.array([1, 64, 4, 16, 2])
    good = (rates < 0.5) & np.isin(batches, [4, 16])[:, None]
    axes = [{"key": "training.batch_size", "values": batches.tolist()}, RATE | {"values": rates.tolist()}]
    (working,), never = what_works(write_run(tmp_path, axes, ended(good)))
    assert (working.sentence(), working.count) == ("converged at rates 0.001 to 0.1 (batch_size = 4 or 16)", 3)
    assert never == ["batch_size = 1 or 2", "batch_size = 64"], "not 1 to 64: 4 and 16 do"


def test_settings_of_which_the_same_is_true_are_told_together(tmp_path: Path) -> None:
    good = np.zeros((4, 5), bool)
    good[:3, 1:3] = True
    batch = {"key": "training.batch_size", "values": [1, 2, 4, 8]}
    working, never = what_works(write_run(tmp_path, [batch, RATE], ended(good)))
    assert [each.sentence() for each in working] == ["converged at rates 0.01 to 0.1 (batch_size = 1 to 4)"]
    assert never == ["batch_size = 8"]
    good[3], good[1] = good[0], False
    working, never = what_works(write_run(tmp_path / "gap", [batch, RATE], ended(good)))
    assert [each.sentence() for each in working] == [
        "converged at rates 0.01 to 0.1 (batch_size = 1)",
        "converged at rates 0.01 to 0.1 (batch_size = 4 or 8)",
    ], "what stands between may not be among them"
    assert never == ["batch_size = 2"]
    good[:3] = False
    _, never = what_works(write_run(tmp_path / "row", [batch, RATE], ended(good)))
    assert never == ["batch_size = 1 to 4"]


def sentences(path: Path, axes: list[dict], good: np.ndarray, **more: Any) -> list[str]:
    return [each.sentence() for each in what_works(write_run(path, axes, ended(good), **more))[0]]


def test_the_share_of_starts_comes_before_the_number_of_rates_and_three_settings_are_told(tmp_path: Path) -> None:
    good = np.zeros((5, 5, 4), bool)
    good[0, 1:4, :3] = True  # three of four starts at three rates
    good[1, 2, :2] = True  # both starts that there are
    good[2, 0] = good[3, 3:] = good[4, 1, 0] = True
    batch = {"key": "training.batch_size", "values": [1, 2, 4, 8, 16]}
    seeds = {"key": "training.seed", "range": [0, 4]}
    assert sentences(tmp_path, [batch, RATE, seeds], good, where="batch_size != 2 or seed < 2") == [
        "converged in 4 of 4 starts at rates 1 to 10 (batch_size = 8)",
        "converged in 2 of 2 starts at 0.1 (batch_size = 2)",
        "converged in 4 of 4 starts at 0.001 (batch_size = 4)",
    ]


def test_only_settings_that_converge_alike_are_told_together(tmp_path: Path) -> None:
    batch = {"key": "training.batch_size", "values": [1, 2]}
    good = np.zeros((2, 5, 3), bool)
    good[0, 1:3] = good[1, 2:4] = True
    assert sentences(tmp_path / "rates", [batch, RATE, SEED], good) == [
        "converged in 3 of 3 starts at rates 0.01 to 0.1 (batch_size = 1)",
        "converged in 3 of 3 starts at rates 0.1 to 1 (batch_size = 2)",
    ]
    good[1] = good[0]
    good[1, :, 0] = False
    assert sentences(tmp_path / "starts", [batch, RATE, SEED], good) == [
        "converged in 3 of 3 starts at rates 0.01 to 0.1 (batch_size = 1)",
        "converged in 2 of 3 starts at rates 0.01 to 0.1 (batch_size = 2)",
    ]


def test_names_are_told_together_whatever_stands_between(tmp_path: Path) -> None:
    good = np.zeros((3, 5), bool)
    good[[0, 2], 3] = True
    assert sentences(tmp_path, [INIT, RATE], good) == ["converged at 1 (init = zeros or uniform)"]


def test_the_cell_is_that_of_the_middle_rate_and_falling_rates_are_told_from_low_to_high(tmp_path: Path) -> None:
    rates = {"key": "optimizer.learning_rate", "values": [10.0, 1.0, 0.1, 0.01]}
    (found,), _ = what_works(write_run(tmp_path, [rates], ended(np.array([False, True, True, True]))))
    assert (found.sentence(), found.cell, found.count) == ("converged at rates 0.01 to 1", 2, 3)


def test_what_is_zipped_with_the_rate_or_with_the_seed_is_no_setting_and_no_start(tmp_path: Path) -> None:
    momentum = {"key": "optimizer.momentum", "values": [0.1, 0.2, 0.3, 0.4, 0.5]}
    good = np.array([False, True, True, False, False])
    zipped = [["learning_rate", "momentum"]]
    assert sentences(tmp_path / "rate", [RATE, momentum], good, zip=zipped) == ["converged at rates 0.01 to 0.1"]
    sizes, seeds = {"key": "data.n", "values": [4, 8]}, {"key": "training.seed", "values": [5, 6]}
    run = write_run(
        tmp_path / "seed", [sizes, seeds, RATE], ended(np.stack([good, np.zeros(5, bool)])), zip=[["n", "seed"]]
    )
    (found,), never = what_works(run)
    assert found.sentence() == "converged at rates 0.01 to 0.1 (n = 4, seed = 5)"
    assert never == ["n = 8"]


def test_of_more_settings_than_are_looked_at_the_largest_shares_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells [settings, rates, starts]: all of one rate, half of all rates, all of two rates, nothing."""
    good = np.zeros((4, 3, 2), np.int8)
    good[0, 1] = good[2, 1:] = good[1, :, 0] = 1
    groups = np.arange(24).reshape(4, 3, 2)
    assert working._foremost(groups, good.ravel()) == [0, 1, 2]
    monkeypatch.setattr(working, "LOOKED_AT", 2)
    assert working._foremost(groups, good.ravel()) == [0, 2]
    monkeypatch.setattr(working, "LOOKED_AT", 1)
    assert working._foremost(groups, good.ravel()) == [2]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.123456, "0.1235"), (7, "7"), (True, "True"), ((1, 2), "1 or 2"), ((3, 1, 2), "1 to 3"), ((True, False), "True or False"),
        (("a", "b", "c", "d"), "a or b or c or d"), (("a", "b", "c", "d", "e"), "a, … or e"),
    ],
)  # fmt: skip
def test_a_few_values_are_told_and_of_many_the_ends(value: Any, told: str) -> None:
    assert working._shown(value) == told


def test_of_a_map_on_which_every_pixel_is_a_setting_the_best_are_found(tmp_path: Path) -> None:
    """Rates of the layers are settings of their own; only some of so many are looked at one by one."""
    layers = [{"key": f"optimizer.layer_learning_rates.{n}", "log": [1e-3, 1.0], "num": 60} for n in (0, 1)]
    good = np.zeros((60, 60), bool)
    good[17, 40:43] = True
    working, _ = what_works(write_run(tmp_path, layers, ended(good), config=NETWORK))
    low, high = (f"{10 ** (-3 + 3 * n / 59):.4g}" for n in (40, 42))
    assert [each.sentence() for each in working] == [
        f"converged (learning_rate_0 = {10 ** (-3 + 3 * 17 / 59):.4g}, learning_rate_1 = {low} to {high})"
    ]
    assert working[0].cell == 17 * 60 + 41


def test_excluded_cells_are_no_starts(tmp_path: Path) -> None:
    good = np.ones((5, 3), bool)
    folder = write_run(tmp_path, [RATE, SEED], ended(good), where="seed < 2")
    (only,), _ = what_works(folder)
    assert only.sentence() == "converged in 2 of 2 starts at rates 0.001 to 10"


def test_nothing_works_where_nothing_converged(tmp_path: Path) -> None:
    for axes in ([RATE], [INIT, RATE]):
        cells = 5 * 3 ** (len(axes) - 1)
        assert what_works(write_run(tmp_path / str(cells), axes, ended(np.zeros(cells, bool)))) == ([], [])


def test_the_command_ends_with_it(command, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 200\n')
    axis = '[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [0.02, 0.05, 100.0]\n'
    (tmp_path / "sweep.toml").write_text(f'config = "line.toml"\n{axis}')
    told = command("sweep", "sweep.toml", "--out", "out", cwd=tmp_path).stdout
    assert "works: converged at rates 0.02 to 0.05\n" in told
    assert "best:  nanmap run --cell 0 --of out\n" in told
    again = command("run", "--cell", 0, "--of", "out", cwd=tmp_path)
    assert "outcome: converged" in again.stdout
    only = command(
        "sweep", "sweep.toml", "--out", "bad", "--set", "axes.learning_rate.values=[50.0, 100.0]", cwd=tmp_path
    )
    assert "nothing converged" in only.stdout
    assert "why:  nanmap run --cell 0 --of bad\n" in only.stdout
    assert nanmap.Outcome.NAN in only.stdout


def test_where_nothing_converges_the_largest_skill_is_named(command, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 9\n')
    axis = '[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [100.0, 1e-7, 1e-4, 1e-6]\n'
    (tmp_path / "sweep.toml").write_text(f'config = "line.toml"\n{axis}')
    told = command("sweep", "sweep.toml", "--out", "out", cwd=tmp_path).stdout
    assert "nothing converged" in told
    assert "best:  nanmap run --cell 2 --of out\n" in told


@pytest.mark.parametrize("shard_cells", [4, 12])
def test_the_best_cell_is_that_of_the_largest_skill_and_the_first_of_equals(shard_cells: int, tmp_path: Path) -> None:
    skill = np.array([np.nan, -np.inf, -3.0, -1.0, -0.5, -0.5, np.nan, -2.0, np.inf, -0.5, -9.0, -0.6])
    axes = [{"key": "training.batch_size", "values": [1, 2, 3, 4]}, {"key": "training.seed", "range": [0, 3]}]
    assert best_cell(write_run(tmp_path, axes, {"skill": skill}, shard_cells=shard_cells)) == 4
    nothing = write_run(tmp_path / "none", axes, {"skill": np.full(12, np.nan)}, shard_cells=shard_cells)
    assert best_cell(nothing) is None
