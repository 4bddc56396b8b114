"""What may mend a training: changes of its settings, each under the name that people call it by. Which are worth a try its rows and its ends say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from nanmap.advice import Case
from nanmap.config import Config
from nanmap.config.choices import FLAT_BELOW_ZERO, LEARNING_RATE, TABLE_KINDS
from nanmap.config.code import is_own
from nanmap.config.formats import FORMATS
from nanmap.config.losses import loss_entry
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import OptimizerSettings
from nanmap.data import Rows
from nanmap.diagnosis.answer import Changes, Evidence
from nanmap.diagnosis.bench import Bench, Ends
from nanmap.diagnosis.categories import names_in_numbers
from nanmap.diagnosis.outputs import misfit
from nanmap.outcomes import Outcome
from nanmap.training.program import zero_divisors

RATE = "learning rate"
UNDO = "model.undo"
BROKEN = (Outcome.NAN, Outcome.INF, Outcome.DIVERGED)
SATURATING = ("sigmoid", "tanh", "softsign", "softplus")
CENTRED, NARROWEST, WIDEST = 0.5, 0.5, 2.0  # beyond, a column is worth scaling: its mean, its standard deviation
FEW_LABELS = 20  # different whole numbers up to which targets may be labels
MANY_CLASSES = 0.2  # classes per row from which on classes may be numbers
LONGER = 8  # times the budget
LARGE_BATCH = 4096  # rows of the largest batch that is offered
HIGH_MOMENTUM = 0.9
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


@dataclass(frozen=True)
class Patient:
    """What remedies are chosen by.

    Attributes:
        bench: trains it.
        ends: of its settings as they are.
    """

    bench: Bench
    ends: Ends

    @property
    def config(self) -> Config:
        """The settings as they are."""
        return self.bench.config

    @property
    def rows(self) -> Rows:
        """What it is trained on."""
        return self.bench.variant.rows

    @property
    def own(self) -> bool:
        """Whether the network is the user's own: nothing is known of what is in it."""
        return is_own(self.config.model.kind)

    @property
    def classifies(self) -> bool:
        """Whether outputs are logits of classes."""
        return self.bench.variant.program.classifies

    @cached_property
    def misfit(self) -> Evidence | None:
        """What is wrong with the end of a network of the user's own, told by its outputs."""
        return misfit(self.bench) if self.own else None

    def share(self, *outcomes: Outcome) -> float:
        """Starts that end so."""
        return float(np.isin(self.ends["outcome"], outcomes).mean())

    def case(self) -> Case:
        """The training of one start, for the theory of its edge and the scale of its data."""
        row = {name: values[0, 0] for name, values in self.ends.columns.items()}
        return Case(self.bench.one({}), row)


def remedies(patient: Patient) -> list[Remedy]:
    """All that are worth a try, in the order in which they are tried: the most telling first, of one program before of another."""
    found = [remedy for rule in RULES for remedy in rule(patient)]
    return [each for each in found if patient.bench.possible(each.changes)]


def _gaps(patient: Patient) -> Iterator[Remedy]:
    """Inputs are filled; a target that is missing is none, and its row is left out."""
    inputs, targets = np.isnan(patient.rows.inputs).any(), np.isnan(patient.rows.targets).any()
    if (kept := _without_empty(patient.rows)) and not targets:
        more = {} if len(kept.names) == kept.whole else {"data.missing": "mean"}
        yield Remedy(
            "leave out empty columns", {"data.columns": kept.names, **more}, specific=True, costly=True, repairs=True
        )
    elif inputs and not targets:
        yield Remedy("fill missing values", {"data.missing": "mean"}, specific=True, repairs=True)
    if targets:
        yield Remedy(
            "drop rows with missing values", {"data.missing": "drop"}, specific=True, costly=True, repairs=True
        )


class Kept(NamedTuple):
    """Columns that are not missing in every row.

    Attributes:
        names: theirs.
        whole: how many of them have no gap.
    """

    names: list[str]
    whole: int


def _without_empty(rows: Rows) -> Kept | None:
    """The columns that hold anything, where some hold nothing; None else, or where columns have no names."""
    gaps = dict(zip(rows.features, np.isnan(rows.inputs).T, strict=False))
    empty = [name for name, missing in gaps.items() if missing.all()]
    names = [each.name for each in rows.sources if each.name not in empty]
    if not empty or not names or len(names) == len(rows.sources):
        return None
    return Kept(names, sum(not gaps[name].any() for name in names if name in gaps))


def _scales(patient: Patient) -> Iterator[Remedy]:
    data, rows = patient.config.data, patient.rows
    tokens = rows.input_form is not None and rows.input_form.whole
    if data.scale_inputs == "none" and not tokens and far_from_standard(rows.inputs).any():
        yield Remedy("scale inputs", {"data.scale_inputs": "standard"})
    numbers = not rows.classes and not patient.classifies
    if numbers and data.scale_targets == "none" and far_from_standard(rows.targets).any():
        bent = patient.config.model.output_activation in ("relu", "sigmoid", "softplus")
        yield Remedy("scale targets", {"data.scale_targets": "minmax" if bent else "standard"})


def _start(patient: Patient) -> Iterator[Remedy]:
    """The initialisation that fits the activation, at its usual size."""
    model = patient.config.model
    if patient.own or not model.hidden:
        return
    fitting = (
        "he_normal" if model.activation in (*FLAT_BELOW_ZERO, "leaky_relu", "elu", "gelu", "silu") else "glorot_uniform"
    )
    usual = model.init in ("glorot_uniform", "glorot_normal", "he_normal", "he_uniform") and model.init_scale == 1
    changes: dict[str, Any] = {"model.init": fitting} if model.init != fitting else {}
    changes |= {"model.init_scale": 1.0} if model.init_scale != 1 else {}
    changes |= {"model.init_offset": 0.0} if model.init_offset else {}
    changes |= {"model.init_file": None} if model.init_file else {}
    if changes:
        yield Remedy("initialisation", changes, specific=not usual)


def _numbers(patient: Patient) -> Iterator[Remedy]:
    """Numbers of the optimizer that are out of their bounds, or near to them."""
    optimizer, usual = patient.config.optimizer, OptimizerSettings()
    if optimizer.momentum is not None and not 0 <= optimizer.momentum <= HIGH_MOMENTUM:
        yield Remedy("momentum", {"optimizer.momentum": HIGH_MOMENTUM}, specific=True)
    if optimizer.schedule in ("inverse_time", "exponential") and optimizer.decay:
        yield Remedy("constant rate", {"optimizer.decay": 0.0}, specific=True, costly=optimizer.decay < 0)
    if (optimizer.weight_decay or 0) > 0.1:
        yield Remedy("weight decay", {"optimizer.weight_decay": 0.004}, specific=True)
    zero = zero_divisors(optimizer, patient.config.training.dtype)
    moments = {"b2": optimizer_entry(optimizer.kind).b2}
    given = {f"optimizer.{name}": moments.get(name, getattr(usual, name)) for name in zero if name != "decay"}
    if patient.config.training.dtype == "float16" and "optimizer.eps" in given:
        given["optimizer.eps"] = 1e-4  # smaller ones are 0 there
    if given:
        yield Remedy("divisor", given, specific=True, costly=True)


def _longer(patient: Patient) -> Iterator[Remedy]:
    training = patient.config.training
    if patient.share(Outcome.PROGRESSING, Outcome.STALLED) < 0.05:
        return
    key, budget = ("training.epochs", training.epochs) if training.epochs else ("training.steps", training.steps)
    yield Remedy("train longer", {key: (budget or 1) * LONGER})


def _output(patient: Patient) -> Iterator[Remedy]:
    if not patient.own and patient.config.model.output_activation != "linear" and not patient.classifies:
        yield Remedy("linear output", {"model.output_activation": "linear"}, specific=True, costly=True)


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
        yield Remedy("number format", {"training.dtype": "float32"}, specific=True, costly=True)
    elif dtype == "float32" and patient.share(Outcome.NAN, Outcome.INF) + _imprecise(patient) > 0.5:
        yield Remedy("number format", {"training.dtype": "float64"}, specific=True, costly=True)


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
        yield Remedy("leaky units", {"model.activation": "leaky_relu"}, specific=True, costly=True)
    elif model.activation in SATURATING:
        yield Remedy("relu units", {"model.activation": "relu"}, specific=True, costly=True)


def _norm(patient: Patient) -> Iterator[Remedy]:
    model = patient.config.model
    if patient.own or not model.hidden or model.norm == "layer":
        return
    yield Remedy("layer norm", {"model.norm": "layer"}, costly=True, specific=model.norm == "batch")


def _clips(patient: Patient) -> Iterator[Remedy]:
    """To 1, each of its own kind. They share a program, in which a bound that is too large to bind stands for none."""
    optimizer = patient.config.optimizer
    set_already = optimizer.clip_norm or optimizer.clip_value or optimizer.clip_output_gradient
    if set_already or patient.share(*BROKEN, Outcome.DEAD) < 0.05:
        return
    never = FORMATS[patient.config.training.dtype].largest / 2
    for name, key in CLIPS.items():
        others = {f"optimizer.{other}": never for other in CLIPS.values() if other != key}
        yield Remedy(name, {f"optimizer.{key}": 1.0}, costly=True, beside=others)


def _rule(patient: Patient) -> Iterator[Remedy]:
    optimizer = patient.config.optimizer
    if optimizer.kind == "sgd":
        plain: dict[str, Any] = {"optimizer.momentum": None} if optimizer.momentum is not None else {}
        plain |= {"optimizer.nesterov": False} if optimizer.nesterov else {}
        yield Remedy("Adam", {"optimizer.kind": "adam", **plain}, rated=True, costly=True)


def _warm_up(patient: Patient) -> Iterator[Remedy]:
    steps = patient.bench.variant.steps
    if patient.config.optimizer.warmup_steps == 0 and steps >= 20 and patient.share(*BROKEN, Outcome.DEAD) >= 0.05:
        yield Remedy("warm-up", {"optimizer.warmup_steps": ceil(steps / 10)}, costly=True)


def _size(patient: Patient) -> Iterator[Remedy]:
    model = patient.config.model
    if patient.own or patient.share(Outcome.STALLED, Outcome.PROGRESSING, Outcome.DEAD) < 0.05 or model.init == "file":
        return
    if model.hidden:
        yield Remedy("more units", {"model.hidden": [4 * units for units in model.hidden]}, costly=True)


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


def _linear(patient: Patient) -> dict[str, str]:
    return {"model.output_activation": "linear"} if patient.config.model.output_activation != "linear" else {}


def moments(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of what is finite in each column, `[columns]`; NaN where nothing is."""
    found = []
    for column in columns.T:
        known = column[np.isfinite(column)]
        power = np.frexp(np.abs(known).max(initial=0.0))[1]  # else squares of 1e308 are infinite
        near_one = np.ldexp(known, -power)
        found.append(np.ldexp([near_one.mean(), near_one.std()], power) if len(known) else (np.nan, np.nan))
    mean, spread = np.array(found).reshape(-1, 2).T
    return mean, spread


def far_from_standard(columns: np.ndarray) -> np.ndarray:
    """Which columns are worth scaling: they vary, and lie off 0 or vary by much less or more than 1. `[columns]`."""
    mean, spread = moments(columns)
    return np.asarray((spread > 0) & ((np.abs(mean) > CENTRED) | (spread < NARROWEST) | (spread > WIDEST)))


def beyond_repair(rows: Rows) -> bool:
    """Whether the rows hold what is no number: no setting but one that takes it out can help."""
    return not all(np.isfinite(each).all() for each in (rows.inputs, rows.targets))


def labels_as_numbers(targets: np.ndarray) -> bool:
    """Whether a target of numbers may be labels: few different whole numbers, each many times."""
    known = targets[np.isfinite(targets)]
    values = np.unique(known)
    few = 2 < len(values) <= min(FEW_LABELS, len(known) / 10)
    return targets.shape[1] == 1 and few and bool((values == np.round(values)).all())


def numbers_as_classes(rows: Rows) -> bool:
    """Whether classes may be numbers: nearly as many of them as rows, all with names that are numbers."""
    try:
        list(map(float, rows.classes))
    except ValueError:
        return False
    return len(rows.classes) > MANY_CLASSES * rows.n


def faded(ends: Ends) -> bool:
    """Whether most starts begin with gradients that fade or grow from layer to layer."""
    ratio = ends["gradient_ratio_initial"]
    known = ratio[np.isfinite(ratio)]
    return len(known) > 0 and bool(np.median(known) <= 1e-3 or np.median(known) >= 1e3)


RULES: tuple[Callable[[Patient], Iterator[Remedy]], ...] = (
    _gaps, _scales, _start, _numbers, _longer,  # of one program
    _end, _categories, _output, _format, _meaning, _batches, _units, _norm, _rule, _clips, _warm_up, _size,
)  # fmt: skip

__all__ = ["BROKEN", "LEARNING_RATE", "RATE", "Patient", "Remedy", "faded", "far_from_standard", "remedies"]
