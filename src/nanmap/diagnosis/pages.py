"""A diagnosis as one HTML page: what is told of it, and a map of rate and remedy whose every training can be opened."""

import io
from pathlib import Path
from typing import Any

from nanmap.config.choices import LAYER_RATES, LEARNING_RATE
from nanmap.config.load import with_settings
from nanmap.diagnosis.answer import Answer, Changes
from nanmap.diagnosis.bench import SEEDS, VARIED, Bench
from nanmap.diagnosis.lines import config_of, lines_of, patch_of
from nanmap.diagnosis.picture import draw, headline, title_of
from nanmap.diagnosis.told import told
from nanmap.engine import Engine, LocalEngine
from nanmap.listings import config_text
from nanmap.plan import Plan, Sweep, make_sweep
from nanmap.report import Part, checked, page, write_page
from nanmap.results.folder import RunFolder
from nanmap.runs.observer import Observer
from nanmap.runs.sweep import train_sweep

STARTS = 4  # of each rate and remedy: the map shows where it works, the words how surely
DPI = 150
NAME, AS_IT_IS = "diagnosis", "as it is"


def write_report(
    answer: Answer, out: str | Path, *, engine: Engine | None = None, observer: Observer | None = None
) -> Path:
    """Trains each remedy at each rate once more, and writes the page; it needs no network and nothing beside it.

    Args:
        answer: what was found.
        out: the file, `.html`.
        engine: trains; the devices of this process if None.
        observer: told how many of the trainings are done.

    Returns:
        The file.

    Raises:
        InputError: no page has such a name.
    """
    path, folder = checked(out), RunFolder.for_now()
    train_sweep(Plan(explored(answer), allow_python=True), folder.path, engine=engine, observer=observer)
    write_page(path, page(folder, title=headline(answer), said=said(answer)))
    return path


def explored(answer: Answer) -> Sweep:
    """Remedies × rates × starts: those of the answer's map; where it has none, the settings as they are and with the fix."""
    bench = Bench(answer.config, True, LocalEngine())
    rates = answer.config.optimizer.layer_learning_rates
    always: Changes = (VARIED if bench.varied else {}) | ({LAYER_RATES: list(rates)} if rates else {})
    axes: list[dict[str, Any]] = [{"name": "remedy", "choices": _choices(answer, always)}]
    if (tried := _rates(answer)) is not None:
        axes.append({"key": LEARNING_RATE, "values": tried})
    first = answer.config.training.seed
    axes.append(SEEDS | {"range": [first, first + (STARTS if bench.draws(always) else 1)]})
    return make_sweep(with_settings(bench.tree, {LAYER_RATES: None}), axes, name=NAME)  # an axis has them


def _choices(answer: Answer, always: Changes) -> dict[str, Changes]:
    """What each remedy changes, by its name."""
    if answer.map is not None and _rates(answer) is not None:
        named = dict(zip(answer.map.remedies, answer.map.changes, strict=True))
    else:
        fix = answer.fix
        named = {AS_IT_IS: {}} | ({" + ".join(fix.trial.remedies): fix.trial.changes} if fix else {})
    return {name: {**always, **changes} for name, changes in named.items()}


def _rates(answer: Answer) -> list[float] | None:
    """Those of the map, with the rates as it is and of the fix; None where layers have rates of their own, or none were tried."""
    if answer.map is None or answer.config.optimizer.layer_learning_rates:
        return None
    own = [each.optimizer.learning_rate for each in (answer.config, *([answer.fix.config] if answer.fix else []))]
    return sorted({*answer.map.rates.tolist(), *own})


def said(answer: Answer) -> list[str | Part]:
    """The words of an answer, its picture, and its fix as texts to copy."""
    return [
        *(Part(each.title, each.sentences) for each in told(answer)),
        Part("before and after", picture=(_png(answer), title_of(answer))),
        *([Part("the fix, to copy", texts=_texts(answer))] if answer.fix else []),
    ]


def _texts(answer: Answer) -> tuple[tuple[str, str], ...]:
    assert answer.fix is not None
    config = config_text(config_of(answer).model_dump(exclude_unset=True))
    found = [("the patch of the config", patch_of(answer)), ("the whole config with it", config)]
    found += [(f"in {each.title}, as a whole program", each.text) for each in lines_of(answer) if each.text]
    return tuple(found)


def _png(answer: Answer) -> bytes:
    held = io.BytesIO()
    draw(answer).savefig(held, format="png", dpi=DPI)
    return held.getvalue()
