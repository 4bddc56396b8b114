"""What may mend a training: changes of its settings, each under the name that people call it by. Which are worth a try its rows and its ends say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from nanmap.advice import changes as known
from nanmap.config.choices import FLAT_BELOW_ZERO, TABLE_KINDS
from nanmap.config.formats import FORMATS
from nanmap.config.losses import loss_entry
from nanmap.diagnosis.answer import Changes
from nanmap.diagnosis.categories import names_in_numbers
from nanmap.diagnosis.columns import far_from_standard, labels_as_numbers, numbers_as_classes, without_empty
from nanmap.diagnosis.patient import BROKEN, Patient, faded
from nanmap.outcomes import Outcome

RATE = "learning rate"
UNDO = "model.undo"
SATURATING = ("sigmoid", "tanh", "softsign", "softplus")
LONGER = 8  # times the budget
LARGE_BATCH = 4096  # rows of the largest batch that is offered
HIGH_MOMENTUM = 0.9
MANY_UNITS = 8  # in a layer, from which on fewer may do
CLIPS = {"clip by norm": "clip_norm", "clip by value": "clip_value", "clip at the output": "clip_output_gradient"}


@dataclass(frozen=True)
class Remedy:
    """A change that is worth a try.

    Attributes:
        name: what people call it.
        changes: of the settings.
        specific: whether it mends a fault of its own, where a smaller rate would only hide that.
        rated: whether it comes with a learning rate of its own, in the same line of a program: another optimizer.
        costly: whether it is another program, which has to be compiled.
        repairs: whether it takes out of the rows what is no number.
        beside: settings that change nothing, with which it shares its program with others.
    """

    name: str
    changes: Changes
    specific: bool = False
    rated: bool = False
    costly: bool = False
    repairs: bool = False
    beside: Changes = field(default_factory=dict)


def remedies(patient: Patient) -> list[Remedy]:
    """All that are worth a try, in the order in which they are tried: the most telling first, of one program before of another."""
    found = [remedy for rule in RULES for remedy in rule(patient)]
    return [each for each in found if patient.bench.possible(each.changes)]


def _gaps(patient: Patient) -> Iterator[Remedy]:
    """Inputs are filled; a target that is missing is none, and its row is left out."""
    inputs, targets = np.isnan(patient.rows.inputs).any(), np.isnan(patient.rows.targets).any()
    if (kept := without_empty(patient.rows)) and not targets:
        more = {} if len(kept.names) == kept.whole else known.FILLED
        yield Remedy(
            "leave out empty columns", {"data.columns": kept.names, **more}, specific=True, costly=True, repairs=True
        )
    elif inputs and not targets:
        yield Remedy("fill missing values", known.FILLED, specific=True, repairs=True)
    if targets:
        yield Remedy(
            "drop rows with missing values", {"data.missing": "drop"}, specific=True, costly=True, repairs=True
        )


def _scales(patient: Patient) -> Iterator[Remedy]:
    data, rows = patient.config.data, patient.rows
    tokens = rows.input_form is not None and rows.input_form.whole
    if data.scale_inputs == "none" and not tokens and far_from_standard(rows.inputs).any():
        yield Remedy("scale inputs", known.SCALED_INPUTS)
    numbers = not rows.classes and not patient.classifies
    if numbers and data.scale_targets == "none" and far_from_standard(rows.targets).any():
        bent = patient.config.model.output_activation in ("relu", "sigmoid", "softplus")
        yield Remedy("scale targets", known.TARGETS_WITHIN if bent else known.SCALED_TARGETS)


def _start(patient: Patient) -> Iterator[Remedy]:
    """The initialisation that fits the activation, at its usual size."""
    model = patient.config.model
    if patient.own or not model.hidden:
        return
    usual = model.init in ("glorot_uniform", "glorot_normal", "he_normal", "he_uniform") and model.init_scale == 1
    if changes := known.fitting_start(model):
        yield Remedy("initialisation", changes, specific=not usual)


def _numbers(patient: Patient) -> Iterator[Remedy]:
    """Numbers of the optimizer that are out of their bounds, or near to them."""
    optimizer = patient.config.optimizer
    if optimizer.momentum is not None and not 0 <= optimizer.momentum <= HIGH_MOMENTUM:
        yield Remedy("momentum", {"optimizer.momentum": HIGH_MOMENTUM}, specific=True)
    if optimizer.schedule in ("inverse_time", "exponential") and optimizer.decay:
        yield Remedy("constant rate", {"optimizer.decay": 0.0}, specific=True, costly=optimizer.decay < 0)
    if (optimizer.weight_decay or 0) > 0.1:
        yield Remedy("weight decay", {"optimizer.weight_decay": 0.004}, specific=True)
    given = known.divisible(optimizer, patient.config.training.dtype)
    given.pop("optimizer.decay", None)
    if given:
        yield Remedy("divisor", given, specific=True, costly=True)


def _longer(patient: Patient) -> Iterator[Remedy]:
    training = patient.config.training
    if patient.share(Outcome.PROGRESSING, Outcome.STALLED) < 0.05:
        return
    yield Remedy("train longer", known.longer(training, LONGER))


def _output(patient: Patient) -> Iterator[Remedy]:
    if not patient.own and patient.config.model.output_activation != "linear" and not patient.classifies:
        yield Remedy("linear output", known.LINEAR_OUTPUT, specific=True, costly=True)


def _end(patient: Patient) -> Iterator[Remedy]:
    """A softmax or a sigmoid at the end of a network of the user's own is taken out; of shares of classes the loss is a cross-entropy."""
    undo = patient.misfit.figures.get("undo") if patient.misfit else None
    if undo is None:
        return
    changes = {UNDO: undo}
    if undo == "softmax" and not patient.classifies:
        changes["loss.kind"] = "softmax_cross_entropy"
    yield Remedy(f"no {undo} at the end", changes, specific=True, costly=True)


def _categories(patient: Patient) -> Iterator[Remedy]:
    """Codes of three or more categories, and whole numbers that act as names: their order means nothing."""
    data = patient.config.data
    coded = any(len(each.categories) > 2 and not each.hot for each in patient.rows.sources)
    names = [each.name for each in names_in_numbers(patient.rows)] if data.kind in TABLE_KINDS else []
    changes: dict[str, Any] = {"data.categorical": "onehot"} if data.categorical == "codes" and (coded or names) else {}
    changes |= {"data.categories": [*data.categories, *names]} if names else {}
    if changes:
        yield Remedy("one-hot codes", changes, specific=True, costly=True)


def _format(patient: Patient) -> Iterator[Remedy]:
    """A wider number format, where the present one may have given out; a model of Keras or PyTorch has the one it was made in."""
    dtype = patient.config.training.dtype
    if patient.own and getattr(patient.bench.variant.program.model, "package", None) in ("keras", "torch"):
        return
    if dtype in ("float16", "bfloat16"):
        yield Remedy("number format", known.SINGLE, specific=True, costly=True)
    elif dtype == "float32" and patient.share(Outcome.NAN, Outcome.INF) + _imprecise(patient) > 0.5:
        yield Remedy("number format", known.DOUBLE, specific=True, costly=True)


def _imprecise(patient: Patient) -> float:
    return float((patient.ends["cause"] == "precision").mean())


def _batches(patient: Patient) -> Iterator[Remedy]:
    training, n = patient.config.training, patient.rows.n
    if training.batch_size >= n:
        return
    name = "full batch" if n <= LARGE_BATCH else "larger batches"
    yield Remedy(name, {"training.batch_size": n if n <= LARGE_BATCH else LARGE_BATCH}, specific=True, costly=True)


def _units(patient: Patient) -> Iterator[Remedy]:
    """Units that cannot die, or that do not flatten."""
    model = patient.config.model
    stuck = patient.share(Outcome.DEAD, Outcome.STALLED) > 0.05 or faded(patient.ends)
    if patient.own or not model.hidden or not stuck:
        return
    if model.activation in FLAT_BELOW_ZERO:
        yield Remedy("leaky units", known.LEAKY_UNITS, specific=True, costly=True)
    elif model.activation in SATURATING:
        yield Remedy("relu units", known.RELU_UNITS, specific=True, costly=True)


def _norm(patient: Patient) -> Iterator[Remedy]:
    model = patient.config.model
    if patient.own or not model.hidden or model.norm == "layer":
        return
    yield Remedy("layer norm", known.LAYER_NORM, costly=True, specific=model.norm == "batch")


def _clips(patient: Patient) -> Iterator[Remedy]:
    """To 1, each of its own kind. They share a program, in which a bound that is too large to bind stands for none."""
    optimizer = patient.config.optimizer
    set_already = optimizer.clip_norm or optimizer.clip_value or optimizer.clip_output_gradient
    if set_already or patient.share(*BROKEN, Outcome.DEAD) < 0.05:
        return
    for name, key in CLIPS.items():
        others = {f"optimizer.{other}": _never(other, patient) for other in CLIPS.values() if other != key}
        yield Remedy(name, {f"optimizer.{key}": 1.0}, costly=True, beside=others)


def _never(key: str, patient: Patient) -> float:
    """A bound that stands for none: infinite where entries are clipped, for they may be; a norm is taken in 32 bits at least."""
    wide = "float64" if patient.config.training.dtype == "float64" else "float32"
    return FORMATS[wide].largest / 2 if key == "clip_norm" else FORMATS["float64"].largest


def _rule(patient: Patient) -> Iterator[Remedy]:
    optimizer = patient.config.optimizer
    if optimizer.kind == "sgd":
        yield Remedy("Adam", known.adam(optimizer), rated=True, costly=True)


def _warm_up(patient: Patient) -> Iterator[Remedy]:
    steps = patient.bench.variant.steps
    if patient.config.optimizer.warmup_steps == 0 and steps >= 20 and patient.share(*BROKEN, Outcome.DEAD) >= 0.05:
        yield Remedy("warm-up", {"optimizer.warmup_steps": ceil(steps / 10)}, costly=True)


def _size(patient: Patient) -> Iterator[Remedy]:
    """More units where some starts stay short of it, fewer where some break; of none a hidden layer."""
    model = patient.config.model
    if patient.own or model.init == "file":
        return
    short = patient.share(Outcome.STALLED, Outcome.PROGRESSING, Outcome.DEAD) >= 0.05
    if short and model.hidden:
        yield Remedy("more units", known.units(model, 4), costly=True)
    elif short:
        yield Remedy("a hidden layer", known.HIDDEN_LAYER, costly=True)
    if patient.share(*BROKEN) >= 0.05 and max(model.hidden, default=0) >= MANY_UNITS:
        yield Remedy("fewer units", known.units(model, 1 / 4), costly=True)


def _meaning(patient: Patient) -> Iterator[Remedy]:
    """Labels that are trained as numbers, and numbers that are trained as classes."""
    data, rows = patient.config.data, patient.rows
    if data.kind not in ("csv", "parquet", "npz", "arrays") or patient.own or rows.targets.shape[1] == 0:
        return
    if not loss_entry(patient.config.loss.kind).of_classes:
        if data.scale_targets == "none" and labels_as_numbers(rows.targets):
            changes = {"data.target_kind": "class", "loss.kind": "softmax_cross_entropy"}
            yield Remedy("classes", changes | _linear(patient), specific=True, costly=True)
    elif numbers_as_classes(rows):
        yield Remedy("numbers", {"data.target_kind": "number", "loss.kind": "mse"}, specific=True, costly=True)


def _linear(patient: Patient) -> known.Settings:
    return known.LINEAR_OUTPUT if patient.config.model.output_activation != "linear" else {}


RULES: tuple[Callable[[Patient], Iterator[Remedy]], ...] = (
    _gaps, _scales, _start, _numbers, _longer,  # of one program
    _end, _categories, _output, _format, _meaning, _batches, _units, _norm, _rule, _clips, _warm_up, _size,
)  # fmt: skip
