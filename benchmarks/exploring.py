"""The figures of docs/report.md that are measured: how large a page is at its worst, and what a browser makes of it.

`python -m benchmarks.exploring 100000 1000000` makes a run of so many rows in which every column is random, writes its page and opens it in
Debian's Chromium. Seconds of making it are of the CPU; those in the browser are of the clock, so they tell little on a busy machine.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from nanmap.outcomes import Cause, Outcome
from nanmap.report import page, write_page
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Column, Missing

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from handmade import write_run
from pages import a_browser

CONFIG: dict[str, Any] = {
    "data": {"kind": "line", "n": 20},
    "model": {"hidden": [16], "activation": "tanh"},
    "optimizer": {"layer_learning_rates": [1.0, 1.0]},
    "training": {"epochs": 10},
}
RINGS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25]  # squared radii at which the outcome changes
FRAMES = 180
WATCH = """() => { window.seen = {};
  const look = () => {
    try {
      if (!seen.map && page.painting) seen.map = performance.now();
      if (!seen.all && document.body.dataset.ready) seen.all = performance.now();
    } catch {}
    if (!seen.all) setTimeout(look, 1);
  }; look(); }"""
HOVER = """async (frames) => {
  const canvas = document.getElementById("cursor"), box = canvas.getBoundingClientRect(), at = [];
  for (let i = 0; i < frames; i++) {
    const place = { clientX: box.left + 80 + (i * 37) % (box.width - 120), clientY: box.top + 40 + (i * 23) % (box.height - 120) };
    canvas.dispatchEvent(new PointerEvent("pointermove", { ...place, bubbles: true }));
    at.push(await new Promise(requestAnimationFrame));
  }
  const apart = at.slice(1).map((end, i) => end - at[i]).sort((a, b) => a - b);
  return [apart[apart.length >> 1], apart[Math.floor(0.99 * apart.length)]];
}"""


def worst(path: Path, rows: int) -> RunFolder:
    """A run in which no column can be packed: rings of outcomes with ragged edges, and random numbers."""
    side = round(rows**0.5)
    spaced = {"log": [1e-3, 1e3], "num": side}
    axes = [{"key": f"optimizer.layer_learning_rates.{layer}", **spaced} for layer in (0, 1)]
    rng = np.random.default_rng(0)
    y, x = (place / side - 0.5 for place in np.divmod(np.arange(side**2), side))
    code = np.digitize(x**2 + y**2 + rng.normal(0, 0.004, side**2), RINGS)
    causes = np.array(list(Cause), object)
    facts = {
        "outcome": np.array(Outcome.by_severity(), object)[code],
        "cause": causes[np.minimum(2 * code + (rng.random(side**2) < 0.1), len(causes) - 1)],
    }
    facts |= {each.name: numbers(each, code, rng) for each in COLUMNS if each.type != TEXT}
    return write_run(path, axes, facts, config=CONFIG, shard_cells=65536)


def numbers(column: Column, code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random values of a column."""
    if column.missing is Missing.NEGATIVE or "int" in str(column.type):
        return np.where(code >= 5, rng.integers(0, 500, len(code)), -1 if column.missing is Missing.NEGATIVE else 500)
    if "bool" in str(column.type):
        return rng.random(len(code)) < 0.1
    return rng.lognormal(0, 10, len(code))


def measured(browser: Any, folder: Path, rows: int) -> str:
    """One page: made, opened, and hovered over."""
    run = worst(folder / "run", rows)
    before = time.process_time()
    text = page(run)
    made = time.process_time() - before
    file = folder / "page.html"
    write_page(file, text)
    opened = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
    opened.add_init_script(f"({WATCH})()")
    opened.goto(file.as_uri())
    opened.wait_for_function("() => seen.all")
    first, whole = opened.evaluate("() => [seen.map, seen.all]")
    middle, slow = opened.evaluate(HOVER, FRAMES)
    columns, memory = opened.evaluate("() => page.columns.size"), held(browser)
    opened.context.close()
    return (
        f"{rows:,} rows: {file.stat().st_size / 1e6:.2f} MB, {columns} columns, made in {made:.1f} s of CPU; the map stands after "
        f"{first / 1000:.2f} s, everything after {whole / 1000:.2f} s, in {memory} MB; "
        f"a frame of hovering takes {middle:.1f} ms, 99 of 100 at most {slow:.1f} ms"
    )


def held(browser: Any) -> int:
    """Megabytes that the largest process of a browser's pages holds."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    files = [Path("/proc") / str(each["id"]) / "status" for each in told if each["type"] == "renderer"]
    lines = [line.split() for file in files for line in file.read_text().splitlines() if line.startswith("VmRSS")]
    return max(int(kilobytes) for _, kilobytes, _ in lines) * 1024 // 10**6


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[100_000, 1_000_000])
    with a_browser() as browser:
        for rows in parser.parse_args().rows:
            with tempfile.TemporaryDirectory() as folder:
                print(measured(browser, Path(folder), rows), flush=True)


if __name__ == "__main__":
    main()
