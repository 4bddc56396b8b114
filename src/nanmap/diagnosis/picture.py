"""The picture of an answer."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from nanmap.diagnosis.answer import Answer, Curves, RateMap
from nanmap.diagnosis.remedies import RATE
from nanmap.diagnosis.told import change, share
from nanmap.outcomes import Outcome
from nanmap.plot.answer import Course, Remedies, draw_answer

STARTS = 12  # lines that can be told apart
OTHER_UNIT = ("data.scale_targets", "data.target_kind", "loss.kind", "loss.delta")  # with which losses are others


def draw(answer: Answer, out: str | Path | None = None, theme: str = "light") -> Figure:
    """The loss as the settings are and with the fix, beside the map of rates and remedies.

    Args:
        answer: what was found.
        out: file to write: `.png`, `.svg` or `.pdf`.
        theme: `light` or `dark`.

    Raises:
        InputError: no picture has such a name, or no theme.
    """
    now, fix = answer.happening, answer.fix
    courses = [_course(answer.before, "as it is", now.outcome)]
    if answer.after is not None and fix is not None:
        best = Outcome.CONVERGED if fix.reaches else fix.trial.outcome
        same = best.colour == courses[0].colour
        courses.append(_course(answer.after, "with the fix", Outcome.PROGRESSING if same else best))
    levels = {"best constant answer": now.loss_constant, "reference": now.loss_floor}
    if fix is not None and any(key in OTHER_UNIT for key in fix.trial.changes):
        levels = {f"{name}, as it is": level for name, level in levels.items()}
    return draw_answer(courses, levels, _remedies(answer), title=title_of(answer), out=out, theme=theme)


def headline(answer: Answer) -> str:
    """What happens, and why."""
    return f"{answer.happening.outcome}: {answer.cause.sentence}"


def title_of(answer: Answer) -> str:
    """An answer in one line: what happens, why, and what mends it how surely."""
    fix = answer.fix
    if fix is None:
        return headline(answer)
    settings = ", ".join(change(key, value, answer.config) for key, value in fix.trial.changes.items())
    return f"{headline(answer)}. {'Mended' if fix.reaches else 'At best'} by {settings}: {share(fix.trial.successes)}"


def _course(curves: Curves, label: str, outcome: Outcome) -> Course:
    return Course(curves.steps, curves.losses[:STARTS], label, outcome.colour)


def _remedies(answer: Answer) -> Remedies | None:
    found = answer.map
    if found is None or not len(found.rates):
        return None
    shares = np.where(found.successes < 0, 0, found.successes) / max(1, found.starts)
    return Remedies(found.rates, found.remedies, found.outcomes, shares, _marks(answer, found))


def _marks(answer: Answer, found: RateMap) -> dict[str, tuple[float, int]]:
    """The rate as it is, and that of the fix on the line of its remedies."""
    optimizer = answer.config.optimizer
    if optimizer.layer_learning_rates:
        return {}
    rate = optimizer.learning_rate
    marks = {"the rate as it is" + ("" if rate > 0 else f": {rate:g}"): (rate, 0)}
    if answer.fix is not None:
        name = " + ".join(each for each in answer.fix.trial.remedies if each != RATE) or found.remedies[0]
        if name in found.remedies:
            marks["the fix"] = (answer.fix.config.optimizer.learning_rate, found.remedies.index(name))
    return marks
