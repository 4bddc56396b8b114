"""One training, told epoch by epoch: what `nanmap run` prints. Its row is, bit for bit, the row a sweep would write."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import jax
import numpy as np

from nanmap.advice import Case, evidence, remedy
from nanmap.config import Config
from nanmap.config.code import is_code
from nanmap.data.given import GivenArrays
from nanmap.data.words import listed
from nanmap.engine import Engine, Epoch, LocalEngine
from nanmap.engine.facts import FINAL, Records, facts_of
from nanmap.errors import InputError, did_you_mean
from nanmap.models import Model
from nanmap.outcomes import Cause, Outcome
from nanmap.plan import Lanes, Plan, Variant, make_sweep
from nanmap.results.columns import make_table
from nanmap.runs.complete import ENDS, complete_rows
from nanmap.runs.first_tensor import FirstTensor, Replay, first_tensor, is_broken
from nanmap.runs.replay import origin_of_nan
from nanmap.theory.facts import Forecaster
from nanmap.training.batches import laid_out
from nanmap.training.state import Assessment, State

# Causes of a NaN that is not in the data and not there from the start.
REPLAYED = (
    Cause.NAN_WITHOUT_INF,
    Cause.OVERFLOW,
    Cause.BLOWN_UP_AT_ONCE,
    Cause.EXPLODING_GRADIENT,
    Cause.FLOAT16_RANGE,
)
Input = Sequence[float | str] | Mapping[str, float | str]
FEW_PARAMETERS = 1000  # parameters are reported below this number


@dataclass(frozen=True)
class EpochLoss:
    """What Keras prints for one epoch.

    Attributes:
        mean_loss, last_loss: mean over its batches weighted by rows, and of its last batch.
        val_loss: over the validation rows after it, None without any.
        mean_accuracy, val_accuracy: the same of the share of rows that are classified right; None for numbers.
    """

    mean_loss: float
    last_loss: float
    val_loss: float | None = None
    mean_accuracy: float | None = None
    val_accuracy: float | None = None


@dataclass(frozen=True)
class TrainingReport:
    """How one training went.

    Attributes:
        outcome, cause: as in a row.
        row: the row that a sweep would write, by column: None where a step never came or a value is missing, NaN where
            the value is NaN.
        epochs: losses per epoch, up to the first NaN.
        params: arrays by name (`layers.0.kernel` `[inputs, units]`, …; under batch norm the running statistics among
            them), at least float32; None for 1000 parameters or more.
        predictions: one output per input that was asked for, in the units of the data; of classes the likeliest, as
            `{"class": name, "probability": p}`, where outputs are logits.
        report: what was done to the columns of a file.
        case: what `evidence` and `remedy` look at.
        replay: what is gone through again where something was not finite; None where all was.
        given: the arrays that it was trained on, held for other settings to be tried on them.

    >>> import nanmap
    >>> config = {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"epochs": 150}}
    >>> report = nanmap.run(config)
    >>> report.outcome, report.cause
    (<Outcome.NAN: 'nan'>, <Cause.OVERFLOW: 'overflow'>)
    >>> report.row["loss_final"], len(report.epochs)  # up to the first NaN
    (nan, 132)
    """

    config: Config
    outcome: Outcome
    cause: Cause
    row: dict[str, Any]
    epochs: list[EpochLoss] = field(default_factory=list)
    params: dict[str, np.ndarray] | None = None
    predictions: list[Any] = field(default_factory=list)
    report: tuple[str, ...] = ()
    case: Case | None = field(default=None, repr=False, compare=False)
    replay: Replay | None = field(default=None, repr=False, compare=False)
    given: GivenArrays | None = field(default=None, repr=False, compare=False)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        square = f'<span style="color:{self.outcome.colour}">■</span>'
        cause = f"; {self.cause.sentence}" if self.cause else ""
        start, end = (f"{self.row[name]:.6g}" for name in ("loss_initial", "loss_final"))
        made = f"{self.row['steps_run']:,} update{'s' * (self.row['steps_run'] != 1)}"
        told = [f"<b>{self.outcome}</b>: {escape(self.outcome.sentence + cause)}", f"loss {start} → {end} in {made}"]
        return f"<div>{square} {'<br>'.join(told)}</div>"

    @cached_property
    def evidence(self) -> list[str]:
        """The figures that speak for the outcome and the cause, in sentences.

        For them a network's sharpness is computed, and the update that made a NaN is repeated.
        """
        if self.case is None:
            return []
        origin, step = None, self.row["first_nan_step"]
        if self.replay and self.cause in REPLAYED and step is not None:
            origin = origin_of_nan(self.case.lanes, self.replay.before(step).state, step)
        return [*evidence(self.case), *([origin] if origin else [])]

    @cached_property
    def first_tensor(self) -> FirstTensor | None:
        """Where the first number that is not finite came; None where all stayed finite. For it an update is repeated."""
        return first_tensor(self.replay) if self.replay else None

    @cached_property
    def remedy(self) -> dict[str, Any]:
        """Settings to try next, by key; none where nothing is to be mended."""
        return remedy(self.case) if self.case else {}


def train_one(
    training: Config | Plan,
    *,
    predict: Sequence[Input] = (),
    engine: Engine | None = None,
    on_epoch: Callable[[int, EpochLoss], None] | None = None,
) -> TrainingReport:
    """Trains one config.

    Args:
        training: the settings, or the plan of a sweep of one cell.
        predict: inputs, a number or the name of a category per column each, in the units of the data, in order or by
            name; or a number per encoded feature.
        engine: trains; the devices of this process if None.
        on_epoch: called after each epoch with its number (from 1) and its losses.

    Raises:
        InputError: the data cannot be trained on, an input does not fit its columns, or the plan has many cells.
    """
    plan = training if isinstance(training, Plan) else plan_one(training)
    if plan.grid.size != 1:
        raise InputError(f"is a sweep of {plan.grid.size:,} trainings", file=plan.sweep.file, mend="nanmap sweep SWEEP")
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
    (variant,) = lanes.variants
    inputs = [_encoded(values, variant) for values in predict]
    losses, state, replay = _followed(engine or LocalEngine(), lanes, on_epoch)
    row = _row(lanes, state)
    return TrainingReport(
        variant.config,
        Outcome(row["outcome"]),
        Cause(row["cause"]),
        row,
        losses,
        _named(lanes.program.model, state) if lanes.program.model.parameters < FEW_PARAMETERS else None,
        [_predict(lanes, variant, state, values) for values in inputs],
        variant.rows.report,
        Case(lanes, row),
        replay,
    )


def plan_one(config: Config, allow_python: bool = False) -> Plan:
    """The plan of a sweep without axes: one training, with the settings that the config writes."""
    return Plan(make_sweep(config.model_dump(mode="python", exclude_unset=True), []), allow_python)


def _followed(
    engine: Engine, lanes: Lanes, on_epoch: Callable[[int, EpochLoss], None] | None
) -> tuple[list[EpochLoss], State, Replay | None]:
    """The losses of every epoch, each told as it ends; the state after the last update; and where something broke, between which states."""
    losses: list[EpochLoss] = []
    start: Epoch | None = None
    last: Epoch | None = None
    replay: Replay | None = None
    for epoch in engine.follow(lanes):
        start = start or epoch
        if replay is None and is_broken(start.state, epoch.state):
            replay = Replay(engine, lanes, start, last or epoch, epoch)
        last = epoch
        stopped = epoch.state.events.stopped
        if epoch.number and stopped != epoch.start:  # an epoch without an update is none
            losses.append(_epoch_loss(lanes.variants[0], epoch))
            if on_epoch:
                on_epoch(epoch.number, losses[-1])
    return losses, epoch.state, replay


def _row(lanes: Lanes, state: State) -> dict[str, Any]:
    """The row of the cell, as Parquet has it."""
    cell = np.array([0])
    facts = facts_of(lanes, cell, Records.of([state]))
    if lanes.program.final_layers:
        facts |= jax.tree.map(lambda leaf: leaf[None], {name: getattr(state, name) for name in ENDS})
    (row,) = make_table(cell, {}, complete_rows(lanes, cell, facts, Forecaster()), {}).to_pylist()
    del row["cell"]
    return row


def _epoch_loss(variant: Variant, epoch: Epoch) -> EpochLoss:
    """Keras's figures. Batches after the cell's NaN were not run, but would be NaN: so is their mean."""
    batch = variant.program.batch
    n = variant.rows.n
    sizes = [min(batch, n - index * batch) for index in range(epoch.stop - epoch.start)]
    if variant.program.order == "replacement":
        sizes = [batch] * len(sizes)
    events, losses = epoch.state.events, epoch.state.losses
    if events.stopped >= 0:
        sizes = sizes[: int(events.stopped) - epoch.start]
    nan_step = int(events.first_nan)
    cut_short = 0 <= nan_step < epoch.stop - 1
    assessed = Assessment(*epoch.state.marks[FINAL].tolist())
    validated, classifies = len(variant.rows.val_inputs) > 0, variant.program.classifies
    rows = sum(sizes) if sizes and not cut_short else np.nan
    return EpochLoss(
        mean_loss=(losses.epoch.item() + losses.epoch_rest.item()) / rows,
        last_loss=np.nan if cut_short else losses.batch.item(),
        val_loss=assessed.val_loss if validated else None,
        mean_accuracy=losses.correct.item() / rows if classifies else None,
        val_accuracy=assessed.val_accuracy if validated and classifies else None,
    )


def _named(model: Model, state: State) -> dict[str, np.ndarray]:
    """At least float32, which holds every 16-bit number: NumPy knows no bfloat16."""
    named = model.named(state.parameters, state.model_state)
    return {name: values.astype(np.float32) if values.dtype.itemsize == 2 else values for name, values in named.items()}


def _encoded(values: Input, variant: Variant) -> list[float]:
    """One input as a number per feature, given as such or as the columns of the data hold it, in their order or by name."""
    sources, features = variant.rows.sources, variant.rows.features
    if isinstance(values, Mapping):
        values = _in_order(values, [source.name for source in sources])
    try:
        if len(values) == len(sources):
            return [number for source, value in zip(sources, values, strict=True) for number in source.numbers(value)]
        if len(values) == len(features):
            return [float(value) for value in values]
        problem = "has the wrong number of inputs"
    except ValueError as error:
        problem = str(error)
    count = f"{len(sources)} value" if any(each.categories for each in sources) else f"{len(sources)} number"
    raise InputError(
        problem,
        key="--predict",
        value=list(values),
        allowed=f"{count}{'s' if len(sources) > 1 else ''}, separated by commas: {listed(map(str, sources))}",
    )


def _in_order(values: Mapping[str, float | str], names: Sequence[str]) -> list[float | str]:
    """The values of an input that was given by names."""
    for name in values:
        if name not in names:
            mend = did_you_mean(name, names)
            raise InputError("is no input column", key="--predict", value=name, allowed=names, mend=mend)
    for name in names:
        if name not in values:
            raise InputError("has no value for a column", key="--predict", value=dict(values), mend=f"{name!r}: …")
    return [values[name] for name in names]


def _predict(lanes: Lanes, variant: Variant, state: State, inputs: Sequence[float]) -> Any:
    """What the trained model says to one row, scaled as the data was: a number per output, or a class where it is a logit."""
    dtype = lanes.program.dtype
    with jax.enable_x64(dtype == "float64"):
        model, scaled = lanes.program.model, variant.rows.input_scaling.apply(np.asarray(inputs, float))
        x = laid_out(model, scaled[None], 1, dtype)
        numbers = {name: np.asarray(lanes.numbers[name][0], dtype) for name in model.numbers}
        passed = model.forward(
            state.parameters, state.model_state, x, None, numbers=numbers, layout=lanes.program.layout
        )
        output = np.asarray(passed.output)[0].reshape(-1) if model.exact else np.asarray(passed.output)[:, 0]
    if variant.rows.classes and (lanes.program.classifies or is_code(lanes.program.loss)):
        return _named_class(variant, output.astype(float))
    values = variant.rows.target_scaling.undo(output.astype(float)).tolist()
    return values[0] if len(values) == 1 else values


def _named_class(variant: Variant, logits: np.ndarray) -> dict[str, Any]:
    """The likeliest class, and what the loss takes its probability for."""
    if len(logits) == 1:  # the sigmoid of one logit is the softmax of it and 0
        logits = np.array([0.0, logits[0]])
    together = variant.program.loss == "softmax_cross_entropy" or variant.program.model.outputs == 1
    shares = np.exp(logits - np.logaddexp.reduce(logits)) if together else np.exp(-np.logaddexp(0, -logits))
    best = int(np.argmax(shares))
    return {"class": variant.rows.classes[best], "probability": float(shares[best])}
