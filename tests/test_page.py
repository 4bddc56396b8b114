"""The page in a browser: what it shows is what the rows hold, by pointer, by keys and by link."""

import tomllib
from pathlib import Path
from shutil import rmtree
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap.analysis import config_of_cell, count_outcomes, load_grid, make_view, most_common, take_medians
from nanmap.config import build_config
from nanmap.outcomes import Outcome
from nanmap.plot.curves import find_curves
from nanmap.plot.shown_settings import ShownSettings
from nanmap.report import Served
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Missing
from pages import Open, Opened

SEVERITY = Outcome.by_severity()
RNG = np.random.default_rng(7)
AXES = [BATCH, SEED, RATE]  # 3 × 4 × 5 cells
NAMES = RNG.choice(SEVERITY, 60)
ODD = '</script><script>alert("x")</script>&"\'🙂'


def odd_numbers(column: Any, size: int) -> np.ndarray:
    """Numbers of all kinds that a column may hold."""
    if column.type == TEXT:
        return np.array(RNG.choice(column.names.by_severity(), size), object)
    if column.missing is Missing.NEGATIVE:
        return RNG.integers(-3, 100_000, size)
    if "int" in str(column.type):
        return RNG.integers(0, 100_000, size)
    if "bool" in str(column.type):
        return RNG.random(size) < 0.5
    values = RNG.choice([-1.0, 1.0], size) * RNG.lognormal(0, 60, size)
    values[:4] = [0.0, np.inf, -np.inf, np.nan]
    return np.ma.masked_array(values, RNG.random(size) < 0.2) if column.missing is Missing.MASK else values


def small(tmp_path: Path, **facts: Any) -> RunFolder:
    facts = {"outcome": NAMES, "loss_initial": 10.0, "loss_final": RNG.lognormal(0, 3, 60), **facts}
    return write_run(tmp_path / "run", AXES, facts, maps=[], shard_cells=20)


def test_every_number_of_every_column_arrives(opened: Open, tmp_path: Path):
    facts = {each.name: odd_numbers(each, 60) for each in COLUMNS}
    folder = write_run(tmp_path / "run", AXES, facts)
    page = opened(folder)
    told = page.value(
        "() => Object.fromEntries([...page.columns.values()].map((c) => [c.name, Array.from({length: 60}, (_, r) => "
        "c.named ? c.text(r) : [c.stands(r), String(c.value(r))])]))"
    )
    assert set(told) == {each.name for each in COLUMNS}
    for column in COLUMNS:
        stored = [value for each in folder.tables([column.name]) for value in each[column.name].to_pylist()]
        if column.type == TEXT:
            assert told[column.name] == stored
            continue
        for (kind, text), value in zip(told[column.name], stored, strict=True):
            if value is None:
                assert kind == 4
            else:
                number = float(text.replace("Infinity", "inf"))
                assert np.isclose(number, float(value), rtol=2e-6, atol=0, equal_nan=True)
                assert kind == (3 if np.isnan(number) else 2 if np.isinf(number) else 1)


def test_pixels_have_the_colour_of_the_most_common_outcome(opened: Open, tmp_path: Path):
    folder = small(tmp_path)
    page = opened(folder)
    view = make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size")
    winner, _ = most_common(count_outcomes(folder, view))
    expected = [SEVERITY[code].colour for code in winner.ravel()]
    assert page.value("() => Array.from(page.painting.colours, hexOf)") == expected
    corners = page.value(
        """() => {
          const canvas = document.getElementById("map"), all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const dots = new Uint32Array(all.data.buffer), at = (x, y) => toSheet(page.sheet.boxes[0], x + 0.06, y + 0.06).map(Math.round);
          return [[0, 0], [4, 2], [2, 1]].map(([x, y]) => hexOf(dots[(at(x, y)[1] - 1) * canvas.width + at(x, y)[0]]));
        }"""
    )
    assert corners == [SEVERITY[winner[y, x]].colour for x, y in ((0, 0), (4, 2), (2, 1))]


def test_the_runner_up_is_a_core_of_the_area_of_its_share(opened: Open, tmp_path: Path):
    folder = small(tmp_path)
    page = opened(folder)
    counts = count_outcomes(folder, make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size")).astype(
        int
    )
    winner, _ = most_common(counts)
    np.put_along_axis(counts, winner[None], 0, axis=0)
    second, share = most_common(counts)[0], counts.max(axis=0) / 4
    y, x = (int(each) for each in np.unravel_index(share.argmax(), share.shape))
    found = page.value(
        """([x, y]) => {
          const canvas = document.getElementById("map"), all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const dots = new Uint32Array(all.data.buffer), [left, top] = toSheet(page.sheet.boxes[0], x, y + 1).map(Math.round);
          const [right, low] = toSheet(page.sheet.boxes[0], x + 1, y).map(Math.round), seen = {};
          for (let i = left + 1; i < right - 1; i++) for (let j = top + 1; j < low - 1; j++) {
            const colour = hexOf(dots[j * canvas.width + i]);
            seen[colour] = (seen[colour] || 0) + 1 / ((right - left - 2) * (low - top - 2));
          }
          return seen;
        }""",
        [x, y],
    )
    assert 0 < share[y, x] <= 0.5
    assert found[SEVERITY[second[y, x]].colour] == pytest.approx(share[y, x], abs=0.03)
    assert found[SEVERITY[winner[y, x]].colour] == pytest.approx(1 - share[y, x], abs=0.03)


@pytest.mark.parametrize("name", ["loss_final", "first_nan_step", "skill"])
def test_numbers_of_a_pixel_are_those_of_its_median_run(name: str, opened: Open, tmp_path: Path):
    rng = np.random.default_rng(3)
    values = {
        "outcome": rng.choice(["inf", "nan", "converged"], 60),
        "loss_final": np.where(rng.random(60) < 0.3, rng.choice([np.nan, np.inf], 60), rng.lognormal(0, 3, 60)),
        "first_nan_step": rng.integers(-60, 100, 60),
        "skill": np.where(rng.random(60) < 0.6, np.nan, rng.random(60)),
    }
    values["outcome"][[0, 5, 10, 15]] = ["inf", "converged", "converged", "inf"]  # the runs of the first pixel
    values["skill"][[0, 5, 10, 15]] = [np.nan, 0.7, 0.3, np.nan]
    folder = small(tmp_path, **values)
    page = opened(folder, f"#value={name}")
    medians = take_medians(folder, make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size"), name)
    told = page.value(
        "(name) => Array.from({length: 15}, (_, p) => quantile(page.columns.get(name), page.arrangement.rows, "
        "page.arrangement.start[p], page.arrangement.start[p + 1], 0.5)).map(({value, kind}) => [String(value), kind])",
        name,
    )
    for (text, kind), value, expected in zip(told, medians.values.ravel(), medians.kinds.ravel(), strict=True):
        assert kind == expected
        if kind == 1:
            assert np.isclose(float(text), value, rtol=4e-6)


def test_curves_stand_where_the_pictures_have_them(opened: Open, tmp_path: Path):
    bound = np.repeat([0.01, 0.1, 1.0], 20)
    bound[3] = 0.02  # runs of the first line disagree
    folder = small(tmp_path, predicted_gd=bound)
    page = opened(folder)
    view = make_view(load_grid(folder.read_manifest()), "learning_rate", "batch_size")
    (curve,) = find_curves(folder, ShownSettings(folder.read_manifest(), view))
    told = page.value("() => page.curves.map(({rates}) => Array.from(rates, String))")
    assert np.allclose(np.array(told, float), [curve.rates], rtol=4e-6, equal_nan=True)
    assert np.isnan(curve.rates).tolist() == [True, False, False]
    places = page.value("() => page.curves[0].rates.map((rate) => placeAlong(page.arrangement.view.x, rate)).slice(1)")
    assert np.allclose(list(places.values()) if isinstance(places, dict) else places, [2.5, 3.5])


def test_the_config_of_every_cell_is_the_one_that_was_trained(opened: Open, tmp_path: Path):
    axes = [
        {"name": "budget", "choices": {"a few": {"training.epochs": 3}, "many": {"training.steps": 40}}},
        {"key": "optimizer.layer_learning_rates.0", "log": [1e-3, 1.0], "num": 2},
        {"key": "model.init", "values": ["zeros", "he_normal"]},
        {"key": "data.scale_inputs", "values": ["none", "standard"]},
    ]
    config = LINE | {"optimizer": {"layer_learning_rates": [0.1, 0.25]}, "model": {"hidden": [4], "bias": True}}
    folder = write_run(tmp_path, axes, config=config)
    page = opened(folder)
    for cell in range(16):
        tree = tomllib.loads(page.value("(cell) => tomlOf(cell)", cell))
        assert build_config(tree) == config_of_cell(folder, cell)


def test_hover_tells_the_facts_in_words(opened: Open, tmp_path: Path):
    nan = np.arange(60) == 42
    facts = {
        "outcome": np.where(nan, "nan", "converged"),
        "cause": np.where(nan, "overflow", ""),
        "first_inf_step": np.where(nan, 62, -1),
        "first_nan_step": np.where(nan, 63, -1),
        "loss_final": np.where(nan, np.nan, 0.5),
        "predicted_gd": 0.01,
    }
    page = opened(small(tmp_path, **facts), "#x=learning_rate&y=batch_size&one=seed:0")
    page.hover(2, 2)
    words = page.text("#facts")
    assert "batch_size 32, seed 0, learning_rate 0.1" in words
    assert "nan: a NaN appeared" in words
    assert "Cause: overflow: loss or parameters grew step by step" in words
    assert "The loss went from 10 to NaN" in words
    assert "first infinity came at step 62, the first NaN at step 63" in words
    assert "is 10 × 0.01, the rate of “2/λmax (full batch)”" in words


def test_a_click_opens_the_training_with_its_command_and_link(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), "#one=seed:1")
    page.click_pixel(3, 1)
    assert page.text("#training h2") == "Cell 28: batch_size 4, seed 1, learning_rate 1"
    assert page.text("#command") == f"nanmap run --cell 28 --of {tmp_path}/run"
    page.wait_for_function("() => location.hash.includes('cell=28')")
    again = opened(small(tmp_path), page.value("() => linkOf(page.state)"))
    assert again.text("#training h2") == page.text("#training h2")
    assert again.value("() => page.state.cell") == 28


def test_arrow_keys_move_the_cursor_and_say_where_it_is(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path, outcome="stalled"), "#value=outcome&one=seed:2")
    page.focus("#cursor")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.getElementById('spoken').textContent.includes('32')")
    assert page.text("#spoken") == "batch_size 32, seed 2, learning_rate 1: stalled"
    page.keyboard.press("Enter")
    assert page.text("#training h2").startswith("Cell 53:")
    assert page.value("() => document.activeElement.id") == "cursor"


def test_the_legend_filters(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path))
    page.locator("[data-key='outcome:nan']").uncheck()
    kept = int((NAMES != "nan").sum())
    assert page.value("() => page.arrangement.rows.length") == kept
    page.get_by_text("Show all again").click()
    assert page.value("() => page.arrangement.rows.length") == 60


def test_slices_and_siblings_are_those_of_the_rows_that_the_map_shows(opened: Open, tmp_path: Path):
    """Whatever chooses rows: a slider, the legend, an address with a filter by a column that is not coloured."""
    loss = np.where(np.arange(60) % 5 == 4, np.nan, np.arange(60.0) + 1)
    page = opened(small(tmp_path, outcome="stalled", loss_final=loss), "#cell=22")
    line = (
        "() => document.querySelector('#slices .plot').plot.data[1].map((y) => y && Number((10 ** y).toPrecision(6)))"
    )
    words = "() => document.getElementById('siblings').textContent"
    assert page.value(line) == [8.5, 9.5, 10.5, 11.5, None]  # of 1, 6, 11 and 16 the median, …
    assert "training 1 of 4 in this pixel" in page.value(words)
    page.get_by_label("Next training of this pixel").click()
    assert page.value("() => [page.state.cell, document.activeElement.ariaLabel]") == [
        27,
        "Next training of this pixel",
    ]
    page.select_option("#choose-seed", "one")
    page.locator("#slide-seed").fill("3")
    page.wait_for_function(f"() => ({line})()[0] === 16")
    assert page.locator("#siblings").is_hidden()
    page.locator("[data-key='outcome:stalled']").uncheck()
    page.wait_for_function("() => document.getElementById('slices').textContent.includes('No training here that')")
    page = opened(small(tmp_path, outcome="stalled", loss_final=loss), "#without=loss_final:3")
    assert page.value("() => page.arrangement.rows.length") == 48


def test_any_axes_panels_and_single_values(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path))
    page.select_option("#choose-seed", "panels")
    assert page.value("() => page.sheet.boxes.length") == 4
    page.select_option("#choose-seed", "one")
    page.locator("#slide-seed").fill("3")
    assert page.value("() => page.arrangement.rows.length") == 15
    assert (
        page.value(
            "() => Array.from(page.arrangement.rows, (row) => page.grid.label(page.grid.cell(row), page.grid.axis('seed')))"
        )
        == [3] * 15
    )
    page.select_option("#choose-y", "learning_rate")
    assert page.value("() => [page.state.x, page.state.y]") == ["batch_size", "learning_rate"]
    page.select_option("#choose-y", "")
    assert page.value("() => page.arrangement.height") == 1


def test_zoom_and_drag(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), "#one=seed:0")
    page.hover(4, 2)
    page.focus("#cursor")
    for _ in range(3):
        page.keyboard.press("+")
    x0, x1, y0, y1 = page.value("() => page.state.window")
    assert 4 < x1 <= 5
    assert x1 - x0 < 2.1
    assert 0 < y0 < 2 < y1 <= 3
    left, top = page.middle_of(4, 2)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 200, top, steps=4)
    page.mouse.up()
    assert page.value("() => page.state.window[0]") < x0
    assert page.value("() => page.state.cell") is None  # a drag is no click
    page.keyboard.press("0")
    assert page.value("() => page.state.window") == [0, 5, 0, 3]


def test_two_pinned_trainings_side_by_side(opened: Open, tmp_path: Path):
    marks = {"loss_at_50": np.arange(60.0) + 9, "loss_at_80": 5.0, "loss_at_90": 5.0}
    page = opened(small(tmp_path, **marks), "#pins=0,59")
    words = page.text("#pinned")
    assert "training.batch_size\t1\t32" in words
    assert "optimizer.learning_rate\t0.001\t10.0" in words
    assert "training.seed\t0\t3" in words
    assert "part at 50 % of the budget: 9 and 68" in words


def test_recorded_curves_are_drawn_from_every_point(opened: Open, tmp_path: Path):
    folder = small(tmp_path)
    steps, cells = np.array([0, 1, 9, 99]), np.array([0, 59])
    loss = np.array([8.0, 4.0, 1e-3, np.nan, 8.0, 5.0, 2.0, np.inf])
    history = {"cell": np.repeat(cells, 4), "step": np.tile(steps, 2), "loss": loss, "gradient_norm": np.sqrt(loss)}
    (folder.path / "history").mkdir()
    pq.write_table(pa.table(history), folder.path / "history" / "part-000000.parquet")
    page = opened(folder, "#cell=59&pins=0,59")
    told = page.value(
        "() => [0, 59, 7].map((cell) => curveOf(cell)).map(({x, y, recorded}) => [x, y.map(String), recorded])"
    )
    for cell, (x, y, recorded) in enumerate(told[:2]):
        assert recorded
        assert x == steps.tolist()
        numbers = [float(each.replace("Infinity", "inf")) for each in y]
        assert np.allclose(numbers, loss[4 * cell :][:4], rtol=1e-3, equal_nan=True)
    assert not told[2][2]
    assert "part at update 9: 0.001 and 2" in page.text("#pinned")
    assert "loss: ∞ at step 99, not drawn" in page.text("#training")
    assert page.locator("#training .u-series", has_text="gradient norm").count() == 1


def test_a_link_to_what_is_not_there_says_so(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), "#x=momentum&value=colour&cell=999&one=seed:9")
    said = page.text("#status")
    for each in ("the axis “momentum”", "the column “colour”", "cell 999", "value 9 of “seed”"):
        assert each in said
    assert page.value("() => page.arrangement.rows.length") == 60


def test_names_that_look_like_markup_are_text(opened: Open, tmp_path: Path):
    axes = [{"name": "kind", "choices": {ODD: {"training.epochs": 3}, "plain": {"training.epochs": 4}}}, RATE]
    folder = write_run(tmp_path / "it's 🙂", axes, config=LINE | {"model": {"init": "zeros"}}, title=ODD)
    page = opened(folder)
    page.click_pixel(0, 0)
    assert ODD in page.text("#training h2")
    assert page.text("#command").endswith("""/it'"'"'s 🙂'""")
    assert page.value("() => document.scripts.length") == page.value(
        "() => document.querySelectorAll('body script').length"
    )


def test_an_empty_run_says_so(opened: Open, tmp_path: Path):
    page = opened(write_run(tmp_path, AXES, lost=tuple(range(9))))
    assert "No rows yet" in page.text("#best")
    page.hover(1, 1)
    assert "not trained yet" in page.text("#facts")


def test_a_run_of_one_cell(opened: Open, tmp_path: Path):
    page = opened(write_run(tmp_path, [], {"loss_final": 2.0, "loss_initial": 4.0}))
    page.click_pixel(0, 0)
    assert "The loss went from 4 to 2" in page.text("#training")


def test_a_run_of_nan_alone(opened: Open, tmp_path: Path):
    facts = dict.fromkeys(["loss_initial", "loss_final", "loss_at_50", "loss_best", "skill"], np.nan)
    page = opened(small(tmp_path, outcome="nan", cause="nan_in_data", first_nan_step=0, **facts), "#value=loss_final")
    assert page.value("() => new Set(Array.from(page.painting.colours, hexOf)).size") == 1
    page.click_pixel(1, 1)
    assert "The loss went from NaN to NaN" in page.text("#training")
    assert "No number of it here" in page.text("#slices")
    assert "Nothing converged" in page.text("#best")


def test_the_theme_is_not_asked_for_at_each_pixel(opened: Open, tmp_path: Path):
    """Of a million pixels without a number that took ten seconds."""
    page = opened(small(tmp_path, outcome="nan", loss_final=np.nan), "#value=loss_final&one=seed:0")
    count = "(value) => { let n = 0; const own = matchMedia; matchMedia = (each) => { n++; return own.call(window, each); }; paint(page.arrangement, value); matchMedia = own; return n; }"
    assert page.value("() => page.arrangement.rows.length") == 15
    for value in ("loss_final", "outcome", "nan"):
        assert page.value(count, value) <= len(SEVERITY)


def test_a_pixel_of_one_training_says_nothing_of_others(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), "#one=seed:0&cell=3")
    assert "null" not in page.text("main")
    assert "in this pixel" not in page.text("#training")


@pytest.mark.parametrize("window", ["-5,2,0,1", "0,99,0,99", "3,1,0,2", "0,NaN,0,1"])
def test_a_window_that_is_none_is_the_whole_map(window: str, opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), f"#window={window}")
    assert page.value("() => page.state.window") == [0, 5, 0, 3]


def test_a_served_page_takes_newer_rows_and_keeps_what_was_looked_at(browser: Any, tmp_path: Path):
    folder = write_run(tmp_path / "run", AXES, lost=tuple(range(9)))
    with Served(lambda: RunFolder(folder.path)) as served:
        Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        page = Opened(browser, served.address)
        assert "No rows yet" in page.text("#best")
        page.value("() => select(17)")
        small(tmp_path)
        page.value("() => follow()")
        assert page.value("() => [page.grid.rows, page.state.cell, page.state.value]") == [60, 17, "outcome"]
        assert "The loss went from 10" in page.text("#training")
        assert page.text("#status") == "The run is complete."
        served.shutdown()
    page.value("() => follow()")
    assert page.text("#status").startswith("The command that served this page has ended.")
    page.context.close()
    assert [message for message in page.messages if "ERR_CONNECTION_REFUSED" not in message] == []


def test_a_served_run_that_grows_is_looked_at_anew(browser: Any, tmp_path: Path):
    """In another grid the numbers of cells mean others; the view stays, so far as it can."""
    folder = small(tmp_path)
    with Served(lambda: RunFolder(folder.path)) as served:
        Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        page = Opened(
            browser, f"{served.address}#x=learning_rate&y=seed&one=batch_size:1&value=loss_final&cell=17&pins=3,17"
        )
        rmtree(folder.cells.path)
        write_run(folder.path, [SEED, RATE], {"outcome": "stalled"}, maps=[], shard_cells=20)
        page.value("() => follow()")
        assert page.value("() => page.grid.rows") == 20
        state = page.value(
            "() => [page.state.x, page.state.y, page.state.value, page.state.cell, page.state.fixed.size]"
        )
        assert state == ["learning_rate", "seed", "loss_final", None, 0]
        for _ in range(2):  # until newer rows come
            said = page.text("#status")
            assert said == "It has other cells than before: what was chosen is let go. The run is complete."
            page.value("() => follow()")
        assert page.locator("#training").is_hidden()
        served.shutdown()
    page.context.close()
    assert page.messages == []


def test_what_was_filled_in_is_dotted_and_said(opened: Open, tmp_path: Path):
    """Rows of a run that trained its boundary alone; here a column like theirs is put beside those of the page."""
    page = opened(small(tmp_path, outcome="stalled"), "#one=seed:0")
    assert "filled in" not in page.text("#legend")
    filled = "(row) => (page.grid.cell(row) % 5 < 2 ? 1 : 0)"
    page.value(
        f"() => {{ page.columns.set('inferred', {{stored: [], named: true, listed: [], names: [], stands: () => NUMBER, value: {filled}, text: () => ''}}); update('paint'); }}"
    )
    assert page.value("() => Array.from(page.painting.inferred)") == [1, 1, 0, 0, 0] * 3
    assert "dots: filled in from around, not trained" in page.text("#legend")
    page.click_pixel(1, 2)
    assert "Not trained but filled in" in page.text("#training")
    page.click_pixel(3, 2)
    assert "Not trained but filled in" not in page.text("#training")
    page.value(
        "() => { const c = page.columns.get('loss_final'), stands = c.stands.bind(c); "
        "c.stands = (row) => page.columns.get('inferred').value(row) === 1 ? MISSING : stands(row); }"
    )
    page.select_option("#choose-value", "loss_final")
    assert "not trained 24 · 40 %" in page.text("#legend")
    middle = "() => quantile(page.columns.get('loss_final'), Uint32Array.of(0, 2, 3, 4), 0, 4, 0.5).value"
    losses = page.value("() => [2, 3, 4].map((row) => page.columns.get('loss_final').value(row))")
    assert page.value(middle) == sorted(losses)[1]
    page.value("() => redrawSlices()")
    stands = "() => document.querySelector('#slices .plot').plot.data[1].map((y) => typeof y)"
    assert page.value(stands) == ["undefined", "undefined", "number", "number", "number"]
    assert "Of the trained cells alone" in page.text("#slices")
    assert "dots: not trained; the outcome is filled in from around, numbers are not" in page.text("#legend")


def test_on_a_phone_a_tap_brings_the_training_into_sight(opened: Open, tmp_path: Path):
    page = opened(small(tmp_path), viewport={"width": 360, "height": 640}, has_touch=True, reduced_motion="reduce")
    page.touchscreen.tap(*page.middle_of(1, 1))
    page.wait_for_function("() => document.getElementById('training').getBoundingClientRect().top < innerHeight - 40")
    assert page.text("#training h2").startswith("Cell ")


def test_two_fingers_zoom_and_what_is_under_them_stays(opened: Open, tmp_path: Path):
    view = {"viewport": {"width": 500, "height": 900}, "has_touch": True}
    page = opened(small(tmp_path), "#one=seed:0", **view)
    held = page.context.new_cdp_session(page.page)
    places = [page.middle_of(1, 1), page.middle_of(3, 1)]
    touches = lambda kind, points: held.send(  # noqa: E731
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]},
    )
    touches("touchStart", places[:1])
    touches("touchStart", places)
    (left, y), (right, _) = places
    apart = [(left - 30, y), (right + 30, y)]
    touches("touchMove", apart)
    touches("touchEnd", [])
    page.wait_for_function("() => page.state.window[1] - page.state.window[0] < 5")
    x0, x1 = page.value("() => page.state.window.slice(0, 2)")
    assert (x1 - x0) / 5 == pytest.approx((right - left) / (right - left + 60), rel=0.02)
    for (x, _), middle in zip(apart, (1.5, 3.5), strict=True):
        at = page.value("([x, y]) => toSheet(page.sheet.boxes[0], x, y)", [middle, 1.5])
        assert at[0] + page.locator("#cursor").bounding_box()["x"] == pytest.approx(x, abs=1.5)
    assert page.value("() => [page.state.cell, page.dragged, fingers.size]") == [None, None, 0]  # it is no click
    page.touchscreen.tap(*page.middle_of(2, 1))
    assert page.text("#training h2").startswith("Cell ")


@pytest.mark.parametrize(
    ("axis", "most", "expected"),
    [
        ({"linear": [-4, 4], "num": 81}, 5, {-4: 0.5, -2: 20.5, 0: 40.5, 2: 60.5, 4: 80.5}),
        ({"linear": [0.1, 0.9], "num": 33}, 4, {0.2: 4.5, 0.4: 12.5, 0.6: 20.5, 0.8: 28.5}),
        ({"log": [1e-3, 1e1], "num": 41}, 6, {0.001: 0.5, 0.01: 10.5, 0.1: 20.5, 1: 30.5, 10: 40.5}),
    ],
)
def test_ticks_stand_at_round_numbers(axis: dict[str, Any], most: int, expected: dict, opened: Open, tmp_path: Path):
    page = opened(write_run(tmp_path, [{"key": "optimizer.learning_rate", **axis}], shard_cells=100))
    ticks = page.value(f"() => ticksOf(page.grid.axes[0], 0, page.grid.axes[0].labels.length, {most})")
    found = {float(tick["text"].replace("−", "-")): tick["place"] for tick in ticks}
    assert found == pytest.approx(expected)
