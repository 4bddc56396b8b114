"""Where nothing reaches the success: what the best there is can do, and what limits it, the rows or the network."""

import numpy as np

from nanmap.config.formats import FORMATS
from nanmap.config.losses import LOSSES
from nanmap.data import Rows, affine_floor, loss_constant
from nanmap.data.references.neighbours import neighbours_loss
from nanmap.diagnosis.answer import Changes, Criterion, Evidence
from nanmap.diagnosis.bench import Ask
from nanmap.diagnosis.columns import beyond_format
from nanmap.diagnosis.patient import Patient
from nanmap.diagnosis.search import Search

NOTHING = 0.05  # of the constant's loss: what explains less explains nothing
FEW = 30  # rows below which it would be a matter of chance
STEP = 0.05  # to which the success that is in reach is rounded down
ALIKE = 0.75  # of the skill, that shuffled targets reach: it hangs little on which row has which
LEAST = 0.1  # skill below which there is no best to speak of


def says_nothing(patient: Patient) -> Evidence | None:
    """Whether the inputs say nothing about the targets: neither the best line nor the five nearest rows beat a constant answer."""
    rows, loss = patient.rows, patient.config.loss.kind
    if (rows.targets == rows.targets[:1]).all():
        return Evidence(
            f"all targets are {rows.targets.flat[0]:.4g}: a constant answers them",
            {"target": float(rows.targets.flat[0])},
        )
    too_large = beyond_format(rows, FORMATS[patient.config.training.dtype].largest)  # which hides what all others say
    if loss not in LOSSES or patient.bench.variant.program.labelled or rows.n < FEW or too_large:
        return None
    line, near = skills_of_references(rows, loss, patient.config.loss.delta)
    if not (line < NOTHING and near < NOTHING):  # NaN rules nothing out
        return None
    return Evidence(
        f"the best line explains {max(line, 0.0):.1%} of the loss of a constant answer beyond chance, the five nearest other rows {max(near, 0.0):.1%}",
        {"line": line, "neighbours": near},
    )


def by_heart(patient: Patient, changes: Changes, skill: float, seeds: range) -> Evidence | None:
    """Whether a training comes to nearly the same on shuffled targets: then it has learned its rows by heart, and nothing of others."""
    (ends,) = patient.bench.train([Ask(changes, seeds, shuffled=True)])
    mixed = ends.quantiles(ends["skill"])
    if mixed is None or mixed.median < ALIKE * skill:
        return None
    return Evidence(
        f"where the targets are shuffled among the rows a training comes to a skill of {mixed.median:.3g}, as they are to {skill:.3g}: "
        f"what it learns is these rows by heart",
        {"shuffled": mixed.median, "skill": skill},
        proof=True,
    )


def skills_of_references(rows: Rows, loss: str, delta: float) -> tuple[float, float]:
    """Skill of the best line, less what as many columns explain of anything; and that of the five nearest other rows."""
    constant = loss_constant(rows, loss, delta)
    line = 1 - affine_floor(rows, loss, delta) / constant
    columns = (
        int(np.linalg.matrix_rank(rows.inputs - rows.inputs.mean(axis=0))) if np.isfinite(rows.inputs).all() else 0
    )
    spare = rows.n - 1 - columns
    adjusted = 1 - (1 - line) * (rows.n - 1) / spare if spare > 0 else np.nan
    return float(adjusted), float(1 - neighbours_loss(rows, loss, delta) / constant)


def in_reach(search: Search) -> Criterion | None:
    """The success that some set reaches, as a skill: what nine tenths of the starts of the best one come to. None without any."""
    best = [
        (_low(record.skills(index)), record) for record in search.records.values() for index in range(len(record.rates))
    ]
    skill = max((low for low, _ in best), default=-np.inf)
    rounded = np.floor(skill / STEP + 1e-9) * STEP - STEP
    return Criterion(float(round(rounded, 2)), search.criterion.share) if rounded >= LEAST else None


def _low(skills: np.ndarray) -> float:
    """The skill that nine tenths of the starts come to; −∞ where some have no finite end, or hardly any was trained."""
    if len(skills) == 0 or not np.isfinite(skills).all():
        return -np.inf
    return float(np.quantile(skills, 0.1))


def what_limits(patient: Patient, best: float | None) -> Evidence:
    """Why nothing converges, in a sentence."""
    if (nothing := says_nothing(patient)) is not None:
        return nothing
    rows, config = patient.rows, patient.config
    floor, constant = (float(patient.ends[name].flat[0]) for name in ("loss_floor", "loss_constant"))
    asked = 1 - floor / constant if constant else np.nan
    told = (
        f"the best of all that was tried has a skill of {best:.3g}"
        if best is not None
        else "nothing that was tried has a finite end"
    )
    if config.model.hidden:
        return Evidence(
            f"{told}; the best line or the five nearest rows of these data have {asked:.3g}: the network, or its budget, is too small for that",
            {"best": best, "reference": asked, "units": list(config.model.hidden)},
        )
    return Evidence(
        f"{told}; the best line through these {rows.n} rows has {asked:.3g}", {"best": best, "reference": asked}
    )


def slip() -> Evidence:
    """Why no setting mends a few targets that are too large: scaled together with them, all others become one number."""
    return Evidence(
        "no setting mends a few targets that are too large for the number format: mend them, or leave out their rows"
    )


def no_number() -> Evidence:
    """Why no setting mends values that are no numbers and that nothing can take the place of."""
    return Evidence(
        "no setting can put a number where there is none: repair these values, or leave out their rows or columns"
    )
