"""`nanmap diagnose`: what the library is asked, what is printed of its answer, and what is refused. Nothing is trained here."""

import json
import shlex
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handmade_answer import NAMES, handmade
from nanmap import api
from nanmap.config import build_config
from nanmap.config.choices import LEARNING_RATE
from nanmap.config.load import with_settings
from nanmap.data.sampled import sample_of
from nanmap.diagnosis import RootCause, as_object, config_of, lines_of, told
from nanmap.diagnosis.answer import Criterion, Ending, Evidence, Quantiles, RateRange, Share, Trial
from nanmap.diagnosis.intake import looked_at
from nanmap.diagnosis.picture import draw
from nanmap.diagnosis.told import change, value_of
from nanmap.errors import InputError
from nanmap.outcomes import Cause, Outcome


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the library was asked last; it answers by hand."""
    given: dict[str, Any] = {}

    def diagnose(**keywords: Any) -> Any:
        given.clear()
        given.update(keywords)
        return handmade()

    monkeypatch.setattr(api, "diagnose", diagnose, raising=False)
    return given


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nstart = 1\nn = 20\n[training]\nepochs = 500\n')
    (tmp_path / "house.csv").write_text("size,price\n1,2\n2,4\n")
    return tmp_path


def test_a_config_is_asked_about_under_what_is_typed_beside_it(folder: Path, command: Any, asked: Any) -> None:
    done = command("diagnose", "line.toml", "--set", "data.n=9", "--learning-rate", "0.1", "--budget", "5", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert asked["config"].data.n == 9
    assert (asked["learning_rate"], asked["budget"], asked["success"]) == (0.1, 5, None)
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("try: ")]
    assert shlex.split(line)[1:] == [
        *("nanmap", "run", "line.toml", "--set", "data.n=9", "--set", "optimizer.learning_rate=0.1"),
        *("--set", "optimizer.learning_rate=0.005"),
    ]


def test_a_file_is_asked_about_with_settings_as_options(folder: Path, command: Any, asked: Any) -> None:
    words = "--data house.csv --target price --hidden 5,3 --learning-rate=-0.5 --batch-size 32 --nesterov true --n 7"
    done = command("diagnose", *words.split(), "--success", "0.9", "--set", "data.missing=mean", cwd=folder)
    assert done.returncode == 0, done.stderr
    settings = {name: value for name, value in asked.items() if name not in ("observer", "allow_python", "progress")}
    assert settings == {
        "data": "csv", "path": str(folder / "house.csv"), "target": "price", "hidden": [5, 3], "learning_rate": -0.5,
        "batch_size": 32, "nesterov": True, "n": 7, "success": 0.9, "data.missing": "mean",
    }  # fmt: skip
    assert "try:" not in done.stdout  # there is no config to name: the whole of it is shown
    shown = done.stdout.partition("the config with it\n\n")[2].partition("\nin Keras")[0]
    assert tomllib.loads(shown)["optimizer"] == {"learning_rate": 0.005}


def test_of_a_part_of_the_rows_the_programs_are_of_all(tmp_path: Path) -> None:
    """A training looks at some rows of a large file; what is printed reads the file, and makes as many updates as all its rows ask for."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", x=rng.normal(size=(30_000, 20)), y=rng.normal(size=30_000))
    data = {"kind": "npz", "path": str(tmp_path / "t.npz"), "missing": "keep"}
    seen = looked_at(build_config({"data": data, "training": {"epochs": 2, "batch_size": 100}}), None)
    assert seen.given is not None
    assert len(seen.given.inputs) == 20_000
    assert "a pass over them has 200 updates in place of 300" in seen.notes[0]
    tree, fix = seen.config.model_dump(exclude_unset=True), handmade().fix
    assert fix is not None
    scaled = {"data.scale_inputs": "standard"}
    trial = replace(fix.trial, changes=scaled)
    fixed = replace(fix, trial=trial, config=build_config(tree, scaled))
    answer = handmade(config=seen.config, fix=fixed, whole=seen.whole)
    told = config_of(answer).data
    assert (told.kind, told.path, told.scale_inputs, told.sha256) == ("npz", data["path"], "standard", None)
    (text,) = [each.text for each in lines_of(answer) if each.framework == "optax"]
    assert f'np.load("{data["path"]}")' in text
    assert "for step in range(600):" in text
    assert "x_mean" in text


def test_a_cell_is_asked_about(folder: Path, command: Any, asked: Any) -> None:
    done = command("diagnose", "--cell", "3", "--of", "run", "--allow-python", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (asked["cell"], asked["of"], asked["allow_python"]) == (3, Path("run"), True)
    assert "try:  nanmap run --cell 3 --of run --allow-python --set optimizer.learning_rate=0.005\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "CONFIG: is missing"),
        ("line.toml --cell 3 --of run", "--cell: is given beside CONFIG"),
        ("line.toml --data house.csv", "--data: is given beside CONFIG"),
        ("--cell 3", "--of: --cell needs it"),
        ("--of run", "--cell: --of needs it"),
        ("--data house.xlsx", "--data: cannot be read as rows (got 'house.xlsx')\n  allowed: .csv, .parquet, .npz"),
        ("line.toml --learnign-rate 1", "--learnign-rate: no such option, and no such setting\n  mend: did you mean `--learning-rate`?"),
        ("line.toml --epochs", "--epochs: needs a value"),
        ("line.toml --programs cobol", "--programs: no such program (got 'cobol')"),
        ("line.toml --out picture.bmp", "--out: cannot write this kind of picture (got 'picture.bmp')"),
        ("keras_lin.toml", "keras_lin.toml: no such file"),
        ("line.toml --set data.m=1", "line.toml: --set data.m: no such setting"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_trained(
    words: str, told: str, folder: Path, command: Any, asked: Any
) -> None:
    done = command("diagnose", *words.split(), cwd=folder)
    assert done.returncode == 2
    assert f"nanmap: {told}" in done.stderr
    assert not asked
    assert done.stdout == ""


def test_an_error_of_the_library_names_the_option(folder: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose(**keywords: Any) -> Any:
        raise InputError("name the column to predict", key="data.target")

    monkeypatch.setattr(api, "diagnose", diagnose, raising=False)
    assert "nanmap: --target: name the column" in command("diagnose", "--data", "house.csv", cwd=folder).stderr
    assert "nanmap: data.target: name the column" in command("diagnose", "line.toml", cwd=folder).stderr


def test_an_item_of_a_list_goes_by_its_option(folder: Path, command: Any) -> None:
    words = "--data house.csv --target price --epochs 5 --hidden 4,five"
    done = command("diagnose", *words.split(), cwd=folder)
    assert "nanmap: --hidden item 2: expects a whole number (got 'five')" in done.stderr


def test_a_mend_names_what_was_typed(folder: Path, command: Any) -> None:
    (folder / "texts.csv").write_text("size,kind\n" + "1,a\n2,b\n" * 5)
    done = command("diagnose", *["--data", "texts.csv", "--target", "kind", "--epochs", "5"], cwd=folder)
    assert "--target-kind class" in done.stderr
    assert "data.target_kind" not in done.stderr


def test_no_skill_is_more_than_perfect() -> None:
    with pytest.raises(InputError, match="success: is more than a perfect answer has"):
        api.diagnose({}, success=1.5)


def test_json_is_one_object_with_the_names_that_scripts_rely_on(folder: Path, command: Any, asked: Any) -> None:
    done = command("diagnose", "line.toml", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert asked["observer"] is None  # a bar or a line would be in the way
    assert (found["outcome"], found["cause"]) == ("nan", "rate_above_edge")
    assert found["evidence"] == ["the rate 0.01 is 1.44 times the critical one"]
    assert found["edge"] == {"measured": 0.006961, "predicted": 0.006962, "ratio": pytest.approx(0.99986, abs=1e-4)}
    assert found["fix"] == [{"key": "optimizer.learning_rate", "value": 0.005}]
    first = {"name": "loss", "step": 63, "value": "inf", "largest_before": 3.2e38, "largest_in": "activation:layers.0"}
    assert found["first_tensor"] == first
    assert (found["success_rate"], found["success_interval"][1]) == (1, 1)
    assert 0.97 < found["success_interval"][0] < 0.98
    assert found["seeds"] == {"now": [0, 128], "choice": [128, 256], "fresh": [256, 384]}
    assert tomllib.loads(found["patch"]) == {"optimizer": {"learning_rate": 0.005}}


def test_no_number_is_no_obstacle_to_json() -> None:
    from nanmap.cli.json_text import json_text

    wild = Trial(("clip by norm",), {"optimizer.clip_norm": float("inf")}, Share(0, 16), Outcome.NAN, float("nan"))
    found = json.loads(json_text(as_object(handmade(edge=None, in_vain=(wild,)))))
    assert found["edge"] == {"measured": None, "predicted": None, "ratio": None}
    assert found["in_vain"][0]["changes"] == [{"key": "optimizer.clip_norm", "value": "inf"}]


def words_of(answer: Any) -> dict[str, str]:
    return {section.title: "\n".join(section.sentences) for section in told(answer)}


def test_the_words_hold_the_figures() -> None:
    said = words_of(handmade())
    assert list(said) == [
        "what happens", "why", "ruled out", "the smallest fix", "what else works", "often advised, and not enough here",
    ]  # fmt: skip
    assert "of 128 starts 120 end nan, 8 inf: a NaN" in said["what happens"]
    assert "step 63 (10 % to 90 %: 60 to 66) of 500" in said["what happens"]
    assert "the first tensor that is not finite is loss (the loss of the update): inf in step 63" in said["why"]
    assert "optimizer.learning_rate = 0.005 (it was 0.01)" in said["the smallest fix"]
    assert "128 of 128 starts (100 %; 95 % interval 97.1–100 %)" in said["the smallest fix"]
    assert (
        "the rate 0.005 is 1.39 times below the critical one, 0.006961 measured, 0.006962 predicted (2/λmax)"
        in said["the smallest fix"]
    )
    assert "at least from 0.0001 to 0.0068" in said["the smallest fix"]
    assert "works from 3 of 16 starts; most end stalled, skill 0.2" in said["often advised, and not enough here"]


def test_beside_the_rates_that_work_stands_what_ends_them() -> None:
    whole = handmade()
    rates = RateRange(1e-4, 1e-3, below=Outcome.PROGRESSING, above=Outcome.STALLED)
    fix = replace(whole.fix, rates=rates)
    told_of = lambda **more: words_of(handmade(fix=fix, **more))["the smallest fix"]  # noqa: E731
    nearly = replace(rates, above=Outcome.CONVERGED)
    assert "of larger ones too few converge" in words_of(handmade(fix=replace(fix, rates=nearly)))["the smallest fix"]
    assert told_of().endswith(
        "from 0.0001 to 0.001; of smaller ones most end progressing, of larger ones most end stalled"
    )
    noisy = told_of(happening=replace(whole.happening, steps_per_epoch=20))  # the measured edge is 7 times above
    assert "most end stalled: not too large for the curvature, but each update goes by" in noisy


def test_a_slow_training_beside_a_broken_one_is_not_called_sound() -> None:
    said = words_of(handmade(also=(RootCause.TOO_SLOW,)))["why"]
    assert "also: the steps are too small" in said
    assert "nothing is broken" not in said


def test_where_nothing_is_wrong_nothing_is_mended() -> None:
    happening = replace(handmade().happening, successes=Share(127, 128), skill=Quantiles(0.9, 0.95, 0.99, 128))
    answer = handmade(
        fix=None, after=None, cause=RootCause.NOTHING_WRONG, happening=happening, others=(), in_vain=(), ruled_out=()
    )
    said = words_of(answer)
    assert list(said) == ["what happens", "why", "nothing to mend"]
    assert "127 of 128 starts (99.2 %; 95 % interval 95.7–99.9 %)" in said["nothing to mend"]
    assert lines_of(answer) == []
    assert as_object(answer)["success_rate"] == 127 / 128


def test_the_best_there_is_is_called_so_with_what_limits_it() -> None:
    fix = handmade().fix
    assert fix is not None
    best = replace(fix, reaches=False, trial=replace(fix.trial, successes=Share(40, 128)))
    limit = Evidence("a network of twice as many units reaches no more")
    said = words_of(handmade(fix=best, limit=limit, criterion=Criterion(skill=0.9)))
    assert said["the best there is"].endswith("a network of twice as many units reaches no more")
    assert "a skill of 0.9 is asked for" in said["what happens"]
    said = words_of(handmade(fix=None, limit=limit))
    assert said["no fix in reach"].startswith("success (converged): 0 of 128 starts")


def test_a_search_that_was_cut_short_says_so() -> None:
    short = replace(handmade().spent, cut_short=True)
    assert words_of(handmade(spent=short))["to be known"].startswith("the budget ended the search after 6 s")


def test_a_start_that_is_never_drawn_has_no_interval() -> None:
    happening = replace(handmade().happening, successes=Share(0, 1, drawn=False))
    assert words_of(handmade(happening=happening))["what happens"].startswith("it ends nan: a NaN appeared")


def test_a_setting_that_is_taken_away_is_said_so() -> None:
    config = handmade().config
    assert change("optimizer.momentum", None, config) == "no optimizer.momentum (it was not set)"
    assert value_of(config, "model.hidden") == ()
    assert value_of(config, "optimizer.group_rates.attention.*") is None


def test_programs_mark_what_the_fix_changes() -> None:
    for each in lines_of(handmade()):
        assert "0.005" in each.text
        assert each.text.count("# was: ") == 1


def test_one_program_is_printed_if_one_is_asked_for(folder: Path, command: Any, asked: Any) -> None:
    told = command("diagnose", "line.toml", "--programs", "torch", cwd=folder).stdout
    assert "in PyTorch" in told
    assert "in Keras" not in told
    assert (
        "in "
        not in command("diagnose", "line.toml", "--programs", "none", cwd=folder)
        .stdout.partition("try:")[2]
        .partition("trainings")[0]
    )


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_picture_is_written(suffix: str, folder: Path, command: Any, asked: Any) -> None:
    done = command("diagnose", "line.toml", "--out", f"new/picture{suffix}", cwd=folder)
    assert done.stdout.endswith(f"picture: new/picture{suffix}\n")
    assert (folder / f"new/picture{suffix}").stat().st_size > 5000


def test_the_picture_shows_what_the_answer_holds() -> None:
    answer = handmade()
    losses, remedies = draw(answer).axes
    assert [label.get_text() for label in remedies.get_yticklabels()] == list(NAMES)
    assert losses.get_yscale() == "log"
    (image,) = remedies.get_images()
    pixels = np.asarray(image.get_array())
    assert pixels.shape == (4, 17, 3)
    assert (pixels[0] != pixels[3]).any(axis=1).sum() == 7  # rates that only scaled inputs bear
    marks = {line.get_label(): line.get_xydata()[0] for line in remedies.get_lines()}
    assert marks["the rate as it is"] == pytest.approx([-2, 0])
    assert marks["the fix"] == pytest.approx([np.log10(0.005), 0])


def test_a_rate_below_zero_stands_left_of_all_others() -> None:
    climbing = build_config(with_settings(handmade().config.model_dump(exclude_unset=True), {LEARNING_RATE: -0.01}))
    _, remedies = draw(handmade(config=climbing)).axes
    marks = {line.get_label(): line.get_xydata()[0] for line in remedies.get_lines()}
    assert marks["the rate as it is: -0.01"] == pytest.approx([remedies.get_xlim()[0], 0])


def test_long_names_of_remedies_do_not_touch() -> None:
    found = handmade().map
    long = " + ".join(["fill missing values", "scale inputs", "scale targets"])
    _, remedies = draw(handmade(map=replace(found, remedies=(*NAMES[:3], long)))).axes
    figure = remedies.figure
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in remedies.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))


def test_the_picture_bears_nan_everywhere() -> None:
    before = handmade().before
    lost = replace(before, losses=np.full_like(before.losses, np.nan))
    happening = replace(handmade().happening, loss_constant=float("nan"), loss_floor=float("nan"))
    answer = handmade(before=lost, after=None, fix=None, map=None, happening=happening)
    (panel,) = draw(answer).axes
    assert panel.get_xlabel() == "updates"


def test_what_happens_is_the_commonest_outcome_whatever_its_causes() -> None:
    causes = (
        (Outcome.CONVERGED, Cause.NONE, 50),
        (Outcome.NAN, Cause.OVERFLOW, 40),
        (Outcome.NAN, Cause.BLOWN_UP_AT_ONCE, 38),
    )
    happening = replace(handmade().happening, endings=tuple(Ending(*each) for each in causes))
    answer = replace(handmade(), happening=happening)
    assert as_object(answer)["outcome"] == "nan"
    assert told(answer)[0].sentences[0] == f"of 128 starts 78 end nan, 50 converged: {Outcome.NAN.sentence}"


def test_figures_of_some_starts_say_of_how_many() -> None:
    figures = {"skill": Quantiles(0.9, 0.9, 0.9, 3), "loss_final": Quantiles(2.0, 2.0, 2.0, 3)}
    answer = replace(handmade(), happening=replace(handmade().happening, **figures))
    sentences = told(answer)[0].sentences
    assert "2 at the end (of those 3 that have one); " in sentences[2]
    assert sentences[3].startswith("skill 0.9 (of those 3 that have one): 0 is")
    assert "that have one" not in sentences[1]


@pytest.mark.parametrize("end", ["\n", ""])
def test_the_last_row_of_a_file_counts_whether_its_line_is_ended_or_not(end: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n" + "\n".join(f"{row},{2 * row}" for row in range(50)) + end)
    data = build_config({"data": {"kind": "csv", "path": str(path), "target": "y"}, "training": {"epochs": 1}}).data
    seen = sample_of(data, None, 10, 10)
    assert seen is not None
    assert seen.total == 50
