"""`nanmap sweep`: a plan, a progress bar, a summary, the maps."""

import shlex
import time
from pathlib import Path

from nanmap.cli.examples import refuse_example
from nanmap.cli.progress import make_observer
from nanmap.engine.devices import set_up
from nanmap.errors import InputError
from nanmap.plan import Plan, load_sweep, notices


def run_sweep(
    path: Path,
    out: Path | None,
    overrides: list[str],
    device: str,
    *,
    fresh: bool,
    dry_run: bool,
    maps: bool,
    tune: bool = False,
    width: int | None = None,
) -> None:
    """Trains a sweep file's cells and draws its maps."""
    refuse_example(path)
    if tune and width:
        raise InputError("measures the widths that --width sets", key="--tune", mend="give one of the two")
    sweep = load_sweep(path, overrides)
    out = out or Path("results") / sweep.name
    plan = Plan(sweep)
    for sentence in notices(plan):
        print(f"note: {sentence}")
    set_up(device)
    from nanmap.engine import LocalEngine
    from nanmap.engine.estimate import estimate

    engine = LocalEngine(
        widths=dict.fromkeys((variant.program for variant in plan.variants()), width) if width else None
    )
    expected = estimate(plan, engine)
    print(f"{sweep.name}: {expected.sentence()}")
    if dry_run:
        for line in expected.details():
            print(f"  {line}")
        return
    from nanmap.result import Result
    from nanmap.runs.sweep import train_sweep

    started = time.perf_counter()
    with make_observer(sweep.name) as observer:
        folder = train_sweep(plan, out, engine=engine, fresh=fresh, tune=tune, observer=observer)
    seconds = time.perf_counter() - started
    print(observer.summary(seconds))
    print(f"rows: {folder.cells.path}")
    if maps and sweep.maps:
        from nanmap.cli.map import draw_listed

        draw_listed(Result(folder.path))
    elif not sweep.maps and len(sweep.grid.axes) > 1:
        x, y = sweep.grid.axes[-1].column, sweep.grid.axes[0].column
        print(f"next: nanmap map {shlex.quote(str(out))} --x {x} --y {y}")
