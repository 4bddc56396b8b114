"""The pages on the four threads: they say what was measured, and what was measured can be measured again."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade_answer import handmade
from make_pages import main, sources
from measured import THREADS
from measured.common import PRINTED, ROOT
from measured.diagnosed import diagnosed
from rendering import FOLDER, TEMPLATES, load_results, page, pages, plain, shown, to_json

RESULTS = load_results()
PAGES = pages(RESULTS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_its_template_with_the_measured_figures(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path], "run `make threads`"


def test_an_answer_is_told_as_far_as_a_page_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nanmap.diagnose", lambda config, **asked: handmade(), raising=False)
    told = diagnosed("keras_line")
    assert (told["endings"], told["cause"], told["rates"]) == ("nan 120, inf 8", "rate_above_edge", [1e-4, 0.0068])
    assert told.keys() == RESULTS["keras_line"]["diagnosis"].keys()


def test_every_page_has_its_other_language() -> None:
    names = {path.name for path in PAGES}
    assert names == {f"{name}{suffix}" for name in ("README", *THREADS) for suffix in (".md", ".zh.md")}


def figures_named(template: Path) -> set[str]:
    return {name.strip() for name in re.findall(r"\{\{([^|}]+)", template.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("name", ["README", *THREADS])
def test_both_languages_show_the_same_figures(name: str) -> None:
    english, chinese = (figures_named(TEMPLATES / f"{name}{suffix}") for suffix in (".md", ".zh.md"))
    assert english == chinese


def test_results_are_of_the_configs_and_sweeps_that_are_there() -> None:
    assert RESULTS["sources"] == sources(), "run `make threads`"


@pytest.mark.parametrize("argument", ["--check", "no_such_folder"])
def test_what_is_no_folder_of_runs_is_refused(
    argument: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("make_pages.measure", lambda runs: pytest.fail("it trains"))
    with pytest.raises(SystemExit) as left:
        main([argument])
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert "usage:" in told
    assert argument in told


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_of_a_page_are_there(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", PAGES[path])
    assert targets
    for target in targets:
        assert (path.parent / target).exists(), target


def test_named_configs_are_there() -> None:
    for text in PAGES.values():
        for name in re.findall(r"configs/[\w/]+\.(?:toml|csv)", text):
            assert (ROOT / name).exists(), name


def test_the_posted_program_on_the_page_prints_what_the_page_says(capsys) -> None:
    for name in ("square_sgd.md", "square_sgd.zh.md"):
        (program,) = re.findall(r"```python\n(.*?)```", PAGES[FOLDER / name], re.DOTALL)
        with np.errstate(all="ignore"):
            exec(program, {"np": np})
        printed = [float(line) for line in capsys.readouterr().out.split()]
        np.testing.assert_equal(printed[:4], PRINTED["square_sgd"]["posted"]["values"])


# ---- what the pages say in words -----------------------------------------------------------------------------------


def everyone(share: dict[str, int]) -> bool:
    return share["successes"] == share["runs"]


def test_square_sgd_words() -> None:
    found = RESULTS["square_sgd"]["sweep"]
    assert {name for name, share in found["near"].items() if share["successes"]} == {"scaled inputs"}
    assert everyone(found["near"]["scaled inputs"])
    assert everyone(found["finite"]["answer, GD"]), "the answers do not explode"


def test_keras_line_words() -> None:
    ran, found = RESULTS["keras_line"]["run"], RESULTS["keras_line"]["sweep"]
    assert found["first_unstable"] == ran["first_unstable_predicted"] == ran["last_stable_predicted"] + 1 == 17
    assert everyone(found["right"]["SGD(0.005)"])
    assert found["right"]["Adam(0.001)"]["successes"] < found["right"]["SGD(0.0001)"]["successes"]
    assert found["edge"]["last_good"] < 1 < found["edge"]["first_bad"] < found["edge"]["spacing"]
    assert found["right_rates"]["Adam"][1] == 1, "the largest rate that was tried"
    assert found["growth"]["worst"] < 1e-9


def test_tabular_mlp_words() -> None:
    found = RESULTS["tabular_mlp"]["sweep"]
    assert found["smallest"] == [["missing", "inputs", "targets"]]
    # Without one of these it does not work; the gradients of a raw target let one start in a hundred through.
    assert [name for name, share in found["without"].items() if share["successes"] <= 2] == [
        "missing",
        "inputs",
        "targets",
    ]
    alone = {name: share["outcomes"] for name, share in found["alone"].items() if name != "missing"}
    assert all(set(outcomes) == {"nan"} for outcomes in alone.values())
    assert set(found["with_missing"]["inputs"]["outcomes"]) == {"nan"}
    assert found["on_top"]["onehot"]["r2"] > found["smallest_share"]["r2"] > found["on_top"]["rate"]["r2"]
    windows = {name for name, rates in found["sure_rates"].items() if rates}
    assert windows == {"inputs and target, off", "inputs and target, ±1", "inputs, ±1"}


def test_relu_double_words() -> None:
    ran, found = RESULTS["relu_double"]["run"], RESULTS["relu_double"]["sweep"]
    assert found["posted"]["dead_at_init"] + found["posted"]["blown_up_then_dead"] == found["posted"]["runs"]
    assert not any(everyone(share) for share in found["alone"].values()), "no single change works every time"
    assert {tuple(each) for each in found["smallest"]} == {
        ("x = 1…750", "linear", "128", "SGD(0.000001)"),
        ("x = 1…750", "linear", "128", "Adam(0.01)"),
        ("x = 1…9", "linear", "128", "SGD(0.01)"),
        ("x ~ N(0, 1)", "linear", "128", "SGD(0.01)"),
    }
    assert found["adam"]["later"] == found["adam"]["dead_at_init"] == 0, "what fails under fix (c) is alive"
    assert found["rates"]["relu"] is None
    assert [len(ran["log"]["rows"]), ran["log"]["rows"][0]] == [1, 99_999]
    for figure in ("posted_log", "posted_log_validation"):
        solved = ran["log"][figure]
        assert solved["solved"] == pytest.approx(1, abs=1e-4)
        assert solved["printed"] == pytest.approx(solved["answer_1"], rel=1e-9)
        assert solved["printed"] != pytest.approx(solved["answer_0"], rel=1e-6)
    assert all(each["accuracy"] == each["perfect"] == 0 for each in ran["accuracy"].values())


# ---- the mechanism -------------------------------------------------------------------------------------------------


def test_a_page_with_an_unknown_figure_is_not_written(tmp_path: Path) -> None:
    template = tmp_path / "keras_line.md"
    template.write_text("{{ sweep:right:SGD(0.02) | share }}", encoding="utf-8")
    with pytest.raises(KeyError, match=r"SGD\(0.02\)"):
        page(template, RESULTS)


def test_infinities_and_nan_survive_the_results_file() -> None:
    kept = {"a": [math.inf, -math.inf, math.nan], "b": np.float64(0.1), ("c", 1): None}
    assert '"inf"' in to_json(kept)
    assert plain(kept) == {"a": ["inf", "-inf", "nan"], "b": 0.1, "c, 1": None}
    assert RESULTS["square_sgd"]["run"]["divided_loop"][-1] == math.inf


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        ([[1, 0.5, None], [2000, math.inf, "nan"]], "rows", "| 1 | 0.5 | – |\n| 2,000 | inf | nan |"),
        (-0.00001, ".3f", "0.000"),
        (-0.00102, ".3f", "−0.001"),
        ([[0.0069314706, -2.5]], "rows4", "| 0.006931 | −2.5 |"),
        (0.8, "percent", "80 %"),
        ([1.0459468182137518e37], "full", "1.0459468182137518e+37"),
        ({"successes": 0, "runs": 1000}, "of", "1000 次中 0 次"),
    ],
)
def test_figures_in_words(value: Any, style: str, text: str) -> None:
    from rendering import WORDS

    assert shown(value, style, WORDS["zh"]).replace("1,000", "1000") == text
