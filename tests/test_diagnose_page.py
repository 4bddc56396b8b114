"""The page of a diagnosis: its words are those of the answer, its map is trained anew, and nothing on it is markup."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade_answer import NAMES, handmade
from nanmap import api
from nanmap.analysis import load_grid
from nanmap.config import build_config
from nanmap.diagnosis import lines_of, told
from nanmap.diagnosis.answer import Evidence
from nanmap.diagnosis.pages import explored, write_report
from nanmap.diagnosis.picture import title_of
from nanmap.errors import InputError
from nanmap.plan import Plan
from nanmap.results.folder import RunFolder
from nanmap.runs.sweep import train_sweep
from pages import Opened
from test_report import ODD, read


def held_in(file: Path) -> dict[str, Any]:
    """A page's data."""
    (text,) = [text for _, text in read(file.read_text()).texts if text.startswith('{"format"')]
    return dict(json.loads(text))


def test_the_map_of_the_page_is_what_its_remedies_do(tmp_path: Path, engine: Any) -> None:
    folder = RunFolder(tmp_path / "run")
    train_sweep(Plan(explored(handmade())), folder.path, engine=engine)
    grid, rows = load_grid(folder.read_manifest()), next(folder.tables()).to_pandas()
    assert [axis.column for axis in grid.axes] == ["remedy", "learning_rate", "seed"]
    assert sorted(set(rows.remedy)) == sorted(NAMES)
    assert {0.01, 0.005} <= set(rows.learning_rate)  # as it is, and the fix's, beside those of the map
    x = np.arange(1.0, 21.0)
    for remedy, inputs in (("as it is", x), ("scale inputs", (x - x.mean()) / x.std())):
        design = np.stack([inputs, np.ones(20)], axis=1)
        critical = 20 / np.linalg.eigvalsh(design.T @ design)[-1]  # 2/λmax of a mean of squares
        mine = rows[rows.remedy == remedy]
        assert set(mine[mine.learning_rate > 1.1 * critical].outcome) <= {"nan", "inf", "diverged"}
        assert not set(mine[mine.learning_rate < 0.9 * critical].outcome) & {"nan", "inf", "diverged"}
    assert rows[rows.remedy == "as it is"].groupby("learning_rate").loss_initial.nunique().min() > 1  # starts are drawn


def test_where_layers_have_rates_of_their_own_the_page_has_the_fix_beside_the_settings() -> None:
    layered = {"optimizer.layer_learning_rates": [0.01]}
    fix = handmade().fix
    assert fix is not None
    slower = {"optimizer.layer_learning_rates": [0.005]}
    answer = handmade(
        config=build_config(handmade().config.model_dump(exclude_unset=True), layered),
        fix=replace(fix, trial=replace(fix.trial, changes=slower)),
    )
    remedy, seed = explored(answer).grid.axes
    assert (remedy.column, remedy.labels.tolist()) == ("remedy", ["as it is", "learning rate"])
    assert [each["optimizer.layer_learning_rates"] for each in remedy.settings] == [[0.01], [0.005]]
    assert seed.column == "seed"


def test_a_page_holds_the_words_the_picture_and_the_programs(tmp_path: Path, engine: Any) -> None:
    answer = handmade(map=None, evidence=(Evidence(ODD),))
    document = held_in(write_report(answer, tmp_path / "why.html", engine=engine))
    words = [(part["title"], tuple(part["sentences"])) for part in document["said"] if part["sentences"]]
    assert words == [tuple(section) for section in told(answer)]
    assert document["title"] == "nan: the learning rate is above the edge of what this loss's curvature allows"
    (picture,) = [part["picture"] for part in document["said"] if part["picture"]]
    assert picture[0].startswith("data:image/png;base64,iVBOR")
    assert picture[1] == title_of(answer)
    texts = dict(pair for part in document["said"] for pair in part["texts"])
    assert texts["the patch of the config"] == "[optimizer]\nlearning_rate = 0.005"
    for each in lines_of(answer):
        assert texts[f"in {each.title}, as a whole program"] == each.text
    assert not [text for text in map(str, document["provenance"]) if "nanmap-" in text]  # of a folder that is gone
    assert document["runs"][0]["why_not"]


def test_a_browser_shows_the_words_and_opens_the_programs(tmp_path: Path, browser: Any, engine: Any) -> None:
    file = write_report(handmade(map=None, evidence=(Evidence(ODD),)), tmp_path / "why.html", engine=engine)
    opened = Opened(browser, file.as_uri())
    assert opened.text("#said section:nth-of-type(2) h2") == "why"
    assert ODD.replace("\u2028", "") in opened.text("#said section:nth-of-type(2)").replace("\u2028", "")
    assert opened.value("document.querySelector('#said img').naturalWidth") > 500
    opened.page.click("#said summary >> text=in Keras")
    assert "keras" in opened.text("#said details[open] pre")
    assert opened.messages == []


def test_a_remedy_that_takes_a_setting_out_takes_it_out_of_the_config_on_the_page(
    tmp_path: Path, browser: Any, engine: Any
) -> None:
    tree = handmade().config.model_dump(exclude_unset=True)
    config = build_config(tree, {"optimizer.momentum": 0.9})
    fix = handmade().fix
    assert fix is not None
    plain = {"optimizer.momentum": None, "optimizer.learning_rate": 0.002}
    fixed = replace(fix, trial=replace(fix.trial, changes=plain, remedies=("no momentum", "learning rate")))
    file = write_report(handmade(config=config, fix=fixed, map=None), tmp_path / "why.html", engine=engine)
    opened = Opened(browser, file.as_uri())
    cells = {remedy: opened.value(f"tomlOf({4 * place})") for place, remedy in enumerate(("as it is", "without"))}
    assert "momentum = 0.9" in cells["as it is"]
    assert "momentum" not in cells["without"]
    assert "learning_rate = 0.002" in cells["without"]


def test_a_page_is_asked_for_by_its_name(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nstart = 1\nn = 20\n[training]\nepochs = 500\n')
    asked: list[Any] = []
    monkeypatch.setattr(api, "diagnose", lambda **given: asked.append(given) or handmade(map=None))
    refused = command("diagnose", "line.toml", "--report", "why.pdf", cwd=tmp_path)
    assert (refused.returncode, asked) == (2, [])  # before anything is trained
    assert "--report: a page is a file of HTML (got 'why.pdf'" in refused.stderr
    done = command("diagnose", "line.toml", "--report", "new/why.html", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["cause"] == "rate_above_edge"
    assert held_in(tmp_path / "new/why.html")["title"].startswith("nan: ")
    with pytest.raises(InputError, match="a page is a file of HTML"):
        write_report(handmade(), tmp_path / "why.png")
