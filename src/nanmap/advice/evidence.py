"""The figures behind an outcome and its cause, in sentences: what was learned, the rate beside its edge, the data's scale."""

from collections.abc import Iterator

import numpy as np

from nanmap.advice.case import RAW, Case, varies_little
from nanmap.outcomes import Cause

WAYS = {Cause.BUDGET_TOO_SHORT, Cause.TOO_SLOW}  # of trainings that are on their way
STEPS = WAYS | {  # causes that the size of the steps has part in
    Cause.BLOWN_UP_AT_ONCE, Cause.OVERFLOW, Cause.FLOAT16_RANGE, Cause.RISING, Cause.BLOWN_UP_THEN_DEAD, Cause.KILLED,
    Cause.REBOUNDED, Cause.STEPS_TOO_LARGE, Cause.BOUNCING, Cause.NO_MOVEMENT,
}  # fmt: skip
SCALE = STEPS - WAYS - {Cause.NO_MOVEMENT} | {
    Cause.START_NOT_FINITE, Cause.PLATEAU, Cause.CONSTANT_ANSWER, Cause.VANISHING_GRADIENT, Cause.DEAD_AT_INIT,
    Cause.PRECISION,
}  # fmt: skip


def evidence(case: Case) -> list[str]:
    """Sentences with the figures that speak for the outcome and the cause of a training."""
    return [*_learned(case), *_rate(case), *_scales(case), *_gradients(case)]


def _learned(case: Case) -> Iterator[str]:
    row = case.row
    skill, constant, floor = row["skill"], row["loss_constant"], row["loss_floor"]
    if row["accuracy"] is not None:
        yield f"accuracy {row['accuracy']:.1%}; answering the same to all rows reaches {_majority(case):.1%}"
    if skill is None or not constant:
        return
    if (case.rows.targets == case.rows.targets[:1]).all():
        yield f"{_one_target(case)}, which a constant answers; skill {skill:.3g} is held against a loss of {constant:.4g}"
        return
    told = "R²" if row["r2"] is not None and abs(row["r2"] - skill) < 1e-6 else "skill"
    reference = _reference(case, 1 - floor / constant)
    yield f"{told} {skill:.3g}: 0 is the best constant answer (loss {constant:.4g}), 1 is perfect{reference}"
    linear = not case.lanes.program.model.hidden_units and isinstance(case.config.outcome.floor, str)
    if linear and case.cause in (Cause.NONE, Cause.GOOD_START) and skill < 1 / 2:
        yield "as good as a straight line gets on these data: what is left is noise to it, or asks for hidden layers"


def _one_target(case: Case) -> str:
    """That all rows have the same target, and which, if that is a number."""
    targets = case.rows.targets
    number = targets.shape[1] == 1 and not case.lanes.program.classifies
    return f"all targets are {targets[0, 0]:.4g}" if number else "all rows have the same target"


def _reference(case: Case, skill: float) -> str:
    """What is enough, and who reaches it."""
    if np.isnan(skill):
        return ""
    if skill == 1:
        return ", and asked for"
    stated, classes = case.config.outcome.floor, case.lanes.program.classifies
    line = "the best linear classifier reaches" if classes else "the best line reaches"
    if not isinstance(stated, str):
        who = "outcome.floor asks for"
    elif stated == "affine" or not case.lanes.program.model.hidden_units:
        who = line
    else:
        who = f"{line.removesuffix(' reaches')} or the five nearest rows reach"
    return f", {skill:.3g} is what {who}"


def _majority(case: Case) -> float:
    """Share of the answers that the best constant one gets right, counted as accuracies are."""
    labels = _labels(case)
    return float(np.mean([np.unique(place, return_counts=True)[1].max() for place in labels.T])) / len(labels)


def _labels(case: Case) -> np.ndarray:
    """The class of each answer, `[n, places]`."""
    targets, program = case.rows.targets, case.lanes.program
    if program.labelled:
        return targets
    classes = (1, *program.model.answer_shape)[-1]  # a row whose answer has no axis is one logit
    shares = targets.reshape(len(targets), -1, classes)
    return shares[..., 0] > 0.5 if classes == 1 else shares.argmax(axis=-1)


def _rate(case: Case) -> Iterator[str]:
    if case.cause not in STEPS or case.rate is None or case.edge is None:
        return
    ratio = case.rate / case.edge.rate
    yield f"learning rate {case.rate:.4g} = {ratio:.3g} × the critical one, {case.edge.rate:.4g} ({case.edge.name})"


def _scales(case: Case) -> Iterator[str]:
    slow = case.cause is Cause.TOO_SLOW and case.edge is None
    if not (case.cause in SCALE or slow or (case.cause in WAYS and case.large_steps)):
        return
    for name, raw, columns in (
        ("inputs", case.raw_inputs, case.rows.inputs),
        ("targets", case.raw_targets, case.rows.targets),
    ):
        if raw:
            spread = np.nanstd(columns, axis=0)
            size = np.maximum(spread, np.abs(np.nanmean(columns, axis=0)))
            worst = int(np.argmax(size)) if size.max() > RAW else int(np.argmax(varies_little(columns)))
            label = f" ({case.rows.features[worst]})" if name == "inputs" and len(case.rows.features) > 1 else ""
            low, high = np.nanmin(columns[:, worst]), np.nanmax(columns[:, worst])
            yield (
                f"{name} are not scaled: {low:.4g} to {high:.4g}{label}, mean {np.nanmean(columns[:, worst]):.4g}, "
                f"standard deviation {spread[worst]:.4g}"
            )


def _gradients(case: Case) -> Iterator[str]:
    row = case.row
    if case.cause is Cause.VANISHING_GRADIENT:
        ratios = {"at the start": row["gradient_ratio_initial"], "at the end": row["gradient_ratio"]}
        told = [f"{ratio:.2g} {when}" for when, ratio in ratios.items() if ratio is not None]
        yield f"the first layer's gradient over the last one's: {', '.join(told)}"
    if case.cause is Cause.EXPLODING_GRADIENT:
        yield f"at the start the first layer's gradient is {row['gradient_ratio_initial']:.3g} times the last one's"
    if case.cause in (Cause.CONSTANT_ANSWER, Cause.VANISHING_GRADIENT) and row["output_spread"] is not None:
        yield f"the outputs vary by {row['output_spread']:.2g} of what the targets vary by"
