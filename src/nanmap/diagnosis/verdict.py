"""From what mends a training to why it failed: every remedy of the smallest set is needed, so each names a cause. The ends say which."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nanmap.advice import Case
from nanmap.config.formats import FORMATS
from nanmap.diagnosis.answer import Edge
from nanmap.diagnosis.bench import Ends
from nanmap.diagnosis.columns import far_from_standard
from nanmap.diagnosis.patient import Patient
from nanmap.diagnosis.remedies import RATE, SATURATING
from nanmap.diagnosis.root_causes import RootCause
from nanmap.outcomes import Cause, Outcome
from nanmap.outcomes.classify import DEEP, EXPLODED, VANISHED
from nanmap.plan.reach import beyond_reach

FAR_OFF = 100  # times the constant answer's loss: a start that is no start
SOME = 0.2  # of the starts: as many are worth a cause of their own


@dataclass(frozen=True)
class Signs:
    """What is known of a training as it is.

    Attributes:
        ends: of its starts.
        case: of one of them, for what its rows and its curvature say.
        edge: its critical rate.
        rate: of the fix; None if it leaves the rate.
    """

    patient: Patient
    ends: Ends
    case: Case
    edge: Edge | None
    rate: float | None = None

    def share_of_causes(self, *causes: Cause) -> float:
        """Starts with one of these causes in their row."""
        return float(np.isin(self.ends["cause"], causes).mean())

    @property
    def dead_at_start(self) -> float:
        """Share of the starts with a layer that is dead from the start."""
        return float(self.ends["dead_at_init"].mean())

    @property
    def gradient_ratio(self) -> float:
        """The first layer's gradient over the last one's at the start, median; NaN of fewer layers than a depth takes."""
        known = self.ends["gradient_ratio_initial"]
        known = known[np.isfinite(known)]
        deep = self.patient.bench.variant.program.model.layers >= DEEP
        return float(np.median(known)) if len(known) and deep else np.nan

    @property
    def start_loss(self) -> float:
        """The loss at the start over that of the constant answer, median; infinite where it is no number."""
        ratio = self.ends["loss_initial"] / self.ends["loss_constant"]
        return float(np.median(np.where(np.isfinite(ratio), ratio, np.inf)))

    @property
    def growth(self) -> float:
        """By what factor the outputs grow from layer to layer, from their size at the start over the targets'."""
        return float(self.start_loss ** (0.5 / self.patient.bench.variant.program.model.layers))

    @property
    def minibatches(self) -> bool:
        """Whether an update sees only some rows."""
        return not self.patient.bench.variant.program.full_batch

    @property
    def broken(self) -> float:
        """Share of the starts that blow up."""
        return self.patient.share(Outcome.NAN, Outcome.INF, Outcome.DIVERGED)


def causes_of(names: Sequence[str], signs: Signs) -> tuple[RootCause, ...]:
    """The causes that a set of remedies mends, in order of evidence; the first is the headline."""
    found = {CAUSES[name](signs) for name in names}
    if {RootCause.UNSCALED_INPUTS, RootCause.UNSCALED_TARGETS} <= found:
        found = found - {RootCause.UNSCALED_INPUTS, RootCause.UNSCALED_TARGETS} | {RootCause.UNSCALED_DATA}
    if signs.case.rate is not None and signs.case.rate < 0:
        found.add(RootCause.WRONG_SIGN)
    found |= _in_rows(signs.patient)
    if signs.patient.misfit is not None:
        found.add(_end(signs))
    return tuple(each for each in RootCause if each in found)


def _in_rows(patient: Patient) -> set[RootCause]:
    """What the rows hold that no training bears."""
    arrays = patient.rows.inputs, patient.rows.targets
    largest = FORMATS[patient.config.training.dtype].largest
    found = {RootCause.NAN_IN_DATA} if any(np.isnan(each).any() for each in arrays) else set()
    return found | ({RootCause.INFINITY_IN_DATA} if any((np.abs(each) > largest).any() for each in arrays) else set())


def _rate(signs: Signs) -> RootCause:
    """What another rate mends: sign, none, too small; or too large, which kills, overshoots, or lets the noise of batches stand."""
    own = signs.case.rate if signs.case.rate is not None else max(signs.patient.bench.rates, key=abs)
    if own < 0:
        return RootCause.WRONG_SIGN
    if own == 0:
        return RootCause.RATE_ZERO
    if signs.rate is not None and signs.rate > own:
        return RootCause.TOO_SLOW
    if signs.patient.share(Outcome.DEAD) - signs.dead_at_start > SOME:
        return RootCause.KILLED
    calm = signs.broken < SOME and signs.minibatches
    below = signs.edge is not None and signs.edge.factor is not None and signs.edge.factor < 1
    return RootCause.BATCH_NOISE if calm and (below or signs.edge is None) else RootCause.RATE_ABOVE_EDGE


def _depth(signs: Signs) -> RootCause | None:
    """Whether gradients grow or fade from layer to layer."""
    if signs.gradient_ratio >= EXPLODED or signs.share_of_causes(Cause.EXPLODING_GRADIENT) > SOME:
        return RootCause.EXPLODING_GRADIENT
    if signs.gradient_ratio <= VANISHED or signs.share_of_causes(Cause.VANISHING_GRADIENT) > SOME:
        return RootCause.VANISHING_GRADIENT
    return None


def _stuck(signs: Signs) -> RootCause | None:
    """Whether units are flat on all rows: from the start, or since the first steps."""
    if signs.dead_at_start > SOME or signs.share_of_causes(Cause.DEAD_AT_INIT) > SOME:
        return RootCause.DEAD_AT_INIT
    return RootCause.KILLED if signs.patient.share(Outcome.DEAD) > SOME else None


def _start(signs: Signs) -> RootCause:
    stuck = RootCause.DEAD_AT_INIT if signs.share_of_causes(Cause.CONSTANT_ANSWER, Cause.NO_MOVEMENT) > SOME else None
    if depth := _depth(signs):
        return depth
    if signs.start_loss > FAR_OFF and signs.patient.bench.variant.program.model.layers > DEEP:
        return RootCause.EXPLODING_GRADIENT
    return (
        RootCause.START_TOO_LARGE if signs.start_loss > FAR_OFF else stuck or _stuck(signs) or RootCause.START_TOO_LARGE
    )


def _output(signs: Signs) -> RootCause:
    if beyond_reach(signs.patient.bench.variant) is not None:
        return RootCause.TARGET_OUT_OF_REACH
    return _stuck(signs) or RootCause.TARGET_OUT_OF_REACH


def _end(signs: Signs) -> RootCause:
    figures = signs.patient.misfit.figures if signs.patient.misfit else {}
    return RootCause.TARGET_OUT_OF_REACH if "target" in figures else RootCause.LOSS_DOES_NOT_FIT


def _units(signs: Signs) -> RootCause:
    """Gradients fade on their way through flat units of many layers only: in fewer it is the inputs, or the budget."""
    program = signs.patient.bench.variant.program
    fading = program.model.layers >= DEEP and signs.patient.config.model.activation in SATURATING
    return _stuck(signs) or _depth(signs) or (RootCause.VANISHING_GRADIENT if fading else _other(signs))


def _norm(signs: Signs) -> RootCause:
    if signs.share_of_causes(Cause.SINGLE_ROWS) > SOME:
        return RootCause.BATCH_OF_ONE
    return _depth(signs) or _stuck(signs) or _other(signs)


def _batch(signs: Signs) -> RootCause:
    return RootCause.BATCH_OF_ONE if signs.share_of_causes(Cause.SINGLE_ROWS) > SOME else RootCause.BATCH_NOISE


def _other(signs: Signs) -> RootCause:
    """What another rule, a clip or a norm stands in for: steps that are too large, raw data, or a slow way."""
    if signs.broken > SOME:
        return RootCause.RATE_ABOVE_EDGE
    if stuck := _stuck(signs):
        return stuck
    return RootCause.UNSCALED_INPUTS if far_from_standard(signs.patient.rows.inputs).any() else RootCause.TOO_SLOW


CAUSES: dict[str, Callable[[Signs], RootCause]] = {
    RATE: _rate,
    "fill missing values": lambda signs: RootCause.NAN_IN_DATA,
    "leave out empty columns": lambda signs: RootCause.NAN_IN_DATA,
    "drop rows with missing values": lambda signs: RootCause.NAN_IN_DATA,
    "scale inputs": lambda signs: RootCause.UNSCALED_INPUTS,
    "scale targets": lambda signs: RootCause.UNSCALED_TARGETS,
    "initialisation": _start,
    "momentum": lambda signs: RootCause.MOMENTUM_BEYOND_BOUND,
    "constant rate": lambda signs: RootCause.MOMENTUM_BEYOND_BOUND,
    "weight decay": lambda signs: RootCause.MOMENTUM_BEYOND_BOUND,
    "divisor": lambda signs: RootCause.DIVIDED_BY_ZERO,
    "train longer": lambda signs: RootCause.TOO_SLOW,
    "linear output": _output,
    "no softmax at the end": _end,
    "no sigmoid at the end": _end,
    "one-hot codes": lambda signs: RootCause.CODES_FOR_CATEGORIES,
    "number format": lambda signs: RootCause.NUMBER_FORMAT,
    "classes": lambda signs: RootCause.LOSS_DOES_NOT_FIT,
    "numbers": lambda signs: RootCause.LOSS_DOES_NOT_FIT,
    "full batch": _batch,
    "larger batches": _batch,
    "leaky units": _units,
    "relu units": _units,
    "layer norm": _norm,
    "Adam": _other,
    "clip by norm": _other,
    "clip by value": _other,
    "clip at the output": _other,
    "warm-up": _other,
    "more units": lambda signs: RootCause.MODEL_TOO_SMALL,
    "a hidden layer": lambda signs: RootCause.MODEL_TOO_SMALL,
    "fewer units": _other,
}
