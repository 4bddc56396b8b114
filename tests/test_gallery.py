"""The gallery of broken trainings: it is what its script makes, its page is what was measured, and what was measured is enough."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import make_configs
from nanmap.analysis import wilson_interval
from nanmap.config import load_config
from nanmap.config.code import is_own
from nanmap.diagnosis import RootCause

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "configs" / "gallery"
PAGES = runpy.run_path(str(ROOT / "docs" / "gallery" / "make_page.py"))
CASES, RESULTS = PAGES["cases"](), PAGES["load_results"]()
HEALTHY = PAGES["HEALTHY"]
BROKEN = [name for name in CASES if CASES[name]["cause"] != HEALTHY]
SOUND = [name for name in CASES if name not in BROKEN]


def test_the_folder_is_what_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_configs, "FOLDER", tmp_path)
    make_configs.main()
    for path in tmp_path.rglob("*.*"):
        assert (FOLDER / path.relative_to(tmp_path)).read_bytes() == path.read_bytes(), path.name
    made = {path.name for path in tmp_path.rglob("*.*")}
    there = {path.name for path in FOLDER.rglob("*.*") if path.suffix in (".toml", ".csv", ".json")}
    assert there == made


def test_there_are_enough_of_every_kind() -> None:
    assert len(BROKEN) >= 24
    assert len(SOUND) >= 6
    causes = {CASES[name]["cause"] for name in BROKEN}
    not_shown = {RootCause.NOTHING_WRONG, RootCause.UNKNOWN, RootCause.UNSCALED_DATA}
    assert causes == {str(cause) for cause in RootCause} - not_shown


@pytest.mark.parametrize("name", CASES)
def test_every_config_can_be_read(name: str) -> None:
    config = load_config(FOLDER / f"{name}.toml")
    assert (config.data.path is None) or Path(config.data.path).is_file()
    assert is_own(config.model.kind) == (str(config.model.kind) != "mlp")


def rows(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / f"{name}.csv")


def test_the_faults_of_the_data_are_in_the_data() -> None:
    """Read with pandas alone: what a case is said to be broken by is there."""
    assert rows("gaps").heat.isna().sum() > 3
    assert rows("gaps_in_target").length.isna().sum() > 2
    assert rows("molecules").heat.max() > np.finfo(np.float32).max
    sound, shuffled = rows("springs"), rows("shuffled")
    inputs = ["load", "age", "heat"]

    def explained(table: pd.DataFrame) -> float:
        x = np.column_stack([table[inputs], np.ones(len(table))])
        left = table.energy - x @ np.linalg.lstsq(x, table.energy, rcond=None)[0]
        return float(1 - left.var() / table.energy.var())

    assert explained(sound) > 0.6
    assert explained(shuffled) < 0.1
    assert rows("constant").energy.nunique() == 1
    assert rows("faint").age.std() < 0.02 * rows("faint").load.std()
    assert rows("flats").rent.mean() > 1e5
    number = rows("shops").shop.str.removeprefix("shop ").astype(float)
    assert abs(np.corrcoef(number, rows("shops").sales)[0, 1]) < 0.5
    assert abs(np.corrcoef(rows("places").place, np.arctan2(rows("places").north, rows("places").east))[0, 1]) < 0.5


def test_the_faults_of_the_settings_are_beyond_what_theory_allows() -> None:
    """λmax of the mean squared loss is twice the largest eigenvalue of the second moments of the inputs beside a 1."""
    sound = rows("springs")[["load", "age", "heat"]].to_numpy()
    x = np.column_stack([sound, np.ones(len(sound))])
    edge = 2 / (2 * np.linalg.eigvalsh(x.T @ x / len(x))[-1])
    rate = {
        name: load_config(FOLDER / f"{name}.toml").optimizer.learning_rate
        for name in ("above_the_edge", "healthy_line")
    }
    assert rate["above_the_edge"] > edge > 5 * rate["healthy_line"]
    wide = np.column_stack([rows("wide").drop(columns="length"), np.ones(96)])
    assert 2 / (2 * np.linalg.eigvalsh(wide.T @ wide / 96)[-1]) > 0.3  # all rows bear the rate of `single_rows`
    assert np.mean(np.abs(1 - 0.3 * 2 * (wide**2).sum(axis=1)) > 1) > 0.9  # and nearly no single one does


def test_the_page_is_what_was_measured() -> None:
    assert (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8") == PAGES["page"](RESULTS), "run `make gallery`"
    stale = [name for name in RESULTS if RESULTS[name]["source"] != PAGES["sources"](name)]
    assert not stale, "run `make gallery`"


def test_what_was_measured_is_enough() -> None:
    """One cause in 24 may be missed, no sound training may be called broken, and a fix holds what is printed of it."""
    broken = [name for name in BROKEN if name in RESULTS]
    wrong = [name for name in broken if not PAGES["right"](name, RESULTS)]
    assert len(wrong) <= len(BROKEN) / 24, wrong
    assert all(PAGES["right"](name, RESULTS) for name in SOUND if name in RESULTS)
    assert [name for name in broken if PAGES["holds"](RESULTS[name]) is False] == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["above_the_edge", "gaps", "codes"])
def test_a_diagnosis_comes_out_again(name: str) -> None:
    again: dict[str, Any] = PAGES["measure"](name)
    assert again["cause"] == RESULTS[name]["cause"]
    assert again["fix"] == RESULTS[name]["fix"]
    assert again["unused"] == RESULTS[name]["unused"]


@pytest.mark.long
@pytest.mark.parametrize("base", make_configs.SOUND)
def test_what_the_cases_are_made_of_is_sound(base: str, tmp_path: Path) -> None:
    """By Wilson's lower bound over 128 starts, as a diagnosis would ask."""
    import nanmap

    tree = make_configs.settings_of({"sound": base}, make_configs.tables())
    if "path" in tree["data"]:
        tree["data"]["path"] = str(FOLDER / tree["data"]["path"])
    rows = nanmap.sweep(tree, {"training.seed": range(128)}, out=tmp_path / base).to_pandas()
    assert wilson_interval(int((rows.outcome == "converged").sum()), 128)[0] >= 0.95
