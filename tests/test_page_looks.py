"""How the page looks and reads, in a browser: pictures, sizes of screens, paper, forced colours, and an accessibility check.

`make test-page` runs them, and fetches axe-core once. `NANMAP_NEW_PICTURES=1` draws the pictures anew, to be looked at.
"""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handmade import BATCH, SEED, write_run
from nanmap.outcomes import Outcome
from nanmap.results.folder import RunFolder
from pages import Open, Opened

pytestmark = pytest.mark.long

PICTURES = Path(__file__).parent / "pictures_of_pages"
AXE = Path(__file__).parents[1] / ".venv" / "axe" / "package" / "axe.min.js"
SEVERITY = np.array(Outcome.by_severity(), object)
FINE = {"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 41}
SIZES = {"wide": (1300, 900), "narrow": (360, 780)}
BLOCK = 8  # dots per side over which pictures are compared: fonts of machines differ in less
MOST_APART = 0.06  # of the blocks, by more than a tenth of the way from black to white


def run(tmp_path: Path) -> RunFolder:
    """A run with every outcome, an edge of theory, NaN and infinity, and some cells that were never trained."""
    rates = np.tile(np.logspace(-4, 1, 41), 12)
    batch = np.repeat([1, 4, 32], 4 * 41)
    seed = np.tile(np.repeat(range(4), 41), 3)
    place = np.log10(rates * 3 / np.sqrt(batch)) + 0.15 * seed
    code = np.digitize(place, [-3.2, -2.4, -1.2, -0.6, -0.2, 0.2])[...]
    code = np.array([2, 1, 0, 3, 4, 5, 6])[code]
    loss = np.select([code == 6, code == 5], [np.nan, np.inf], 10.0 ** (2 * place + 1))
    facts = {
        "outcome": SEVERITY[code],
        "cause": np.where(code > 3, "overflow", ""),
        "loss_initial": 12.0,
        "loss_at_50": np.sqrt(12 * loss),
        "loss_at_80": loss * 1.1,
        "loss_at_90": loss * 1.05,
        "loss_final": loss,
        "loss_constant": 12.0,
        "first_nan_step": np.where(code == 6, (100 / rates).astype(int), -1),
        "predicted_gd": 0.4 * np.sqrt(batch),
    }
    return write_run(tmp_path / "run", [BATCH, SEED, FINE], facts, shard_cells=41, lost=(11,), maps=[])


def shot(page: Opened, full: bool = False) -> np.ndarray:
    held = page.screenshot(full_page=full, animations="disabled")
    return np.asarray(Image.open(io.BytesIO(held)).convert("RGB"), float) / 255


def blocks(picture: np.ndarray) -> np.ndarray:
    """Means over blocks of dots."""
    height, width = (length // BLOCK * BLOCK for length in picture.shape[:2])
    whole = picture[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return whole.mean(axis=(1, 3))


def check_picture(name: str, picture: np.ndarray) -> None:
    """Holds a picture against the one that is kept, but for what fonts make of it."""
    file = PICTURES / f"{name}.png"
    if os.environ.get("NANMAP_NEW_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        Image.fromarray((255 * picture).round().astype(np.uint8)).quantize(64).save(file, optimize=True)
    kept = np.asarray(Image.open(file).convert("RGB"), float) / 255
    assert kept.shape == picture.shape
    apart = (abs(blocks(kept) - blocks(picture)).max(axis=-1) > 0.1).mean()
    assert apart <= MOST_APART, f"{apart:.1%} of {name} looks otherwise"


@pytest.mark.parametrize(
    ("name", "hash", "context"),
    [
        ("outcomes", "", {}),
        ("outcomes_dark", "", {"color_scheme": "dark"}),
        ("panels_narrow", "#x=learning_rate&y=batch_size&panels=seed", {"viewport": {"width": 360, "height": 780}}),
        ("losses", "#x=learning_rate&y=batch_size&value=loss_final", {}),
        ("zoomed", "#x=learning_rate&y=seed&one=batch_size:1&value=first_nan_step&window=20,36,0,4", {}),
    ],
)
def test_pictures(name: str, hash: str, context: dict[str, Any], opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), hash, **context)
    check_picture(name, shot(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(size: str, scheme: str, opened: Open, tmp_path: Path):
    if not AXE.is_file():
        pytest.skip("no axe-core: `make test-page` fetches it with npm")
    width, height = SIZES[size]
    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "bypass_csp": True}
    page = opened(run(tmp_path), "#cell=20&pins=20,200", **view)
    page.hover(20, 1)
    page.locator("summary").first.click()
    page.add_script_tag(path=str(AXE))
    found = page.value("() => axe.run().then(({violations}) => violations)")
    told = [f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes']][:3]}" for each in found]
    assert told == []


@pytest.mark.parametrize("hash", ["", "#cell=20&pins=20,200", "#panels=seed&value=loss_final"])
def test_a_narrow_screen_is_never_scrolled_sideways(hash: str, opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), hash, viewport={"width": 320, "height": 640})
    assert page.value("() => document.documentElement.scrollWidth") <= 320


def test_numbers_of_a_table_stay_on_one_line(opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), "#cell=20&pins=20,200", viewport={"width": 360, "height": 780})
    lines = "(table) => Math.max(...[...document.querySelectorAll(`${table} td`)].map((cell) => cell.getClientRects()[0].height))"
    assert page.value(lines, "#training .losses") < 2 * 22  # a line of 15 px letters is 21 px high


def test_on_paper_there_is_the_map_and_nothing_to_press(opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), "#cell=20")
    page.emulate_media(media="print")
    for gone in ("#controls", "#tools", "#keys", "#facts"):
        assert not page.locator(gone).is_visible()
    for there in ("#map", "#legend", "#training", "#provenance"):
        assert page.locator(there).is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_forced_colours_keep_the_maps_own_and_its_letters(opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), forced_colors="active")
    assert page.value("() => getComputedStyle(document.getElementById('map')).forcedColorAdjust") == "none"
    letters = page.locator("#legend .swatch").all_inner_texts()
    assert len(set(letters)) == len(letters) == 7
    picture = shot(page)
    assert picture.std() > 0.1


def test_who_wants_no_motion_has_none(opened: Open, tmp_path: Path):
    page = opened(run(tmp_path), reduced_motion="reduce")
    assert page.value("() => getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    moving = "() => [...document.querySelectorAll('*')].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    assert page.value(moving) == 0
