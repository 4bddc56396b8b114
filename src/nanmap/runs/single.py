"""One training, told epoch by epoch: what `nanmap run` prints. Its row is, bit for bit, the row a sweep would write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from nanmap.config import Config
from nanmap.data.encoding import listed
from nanmap.engine import Engine, Epoch
from nanmap.engine.compiled import Packed
from nanmap.engine.facts import FINAL, RECORDS, columns_of
from nanmap.errors import InputError
from nanmap.models.mlp import forward
from nanmap.models.norm import START
from nanmap.outcomes import Cause, Outcome, classify
from nanmap.plan import Lanes, Plan, Variant, make_sweep
from nanmap.training.cell import Assessment, Events, Losses

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
        row: every fact a sweep's row would hold.
        epochs: losses per epoch, up to the first NaN.
        params: arrays by name (`layers.0.kernel` `[inputs, units]`, …; under batch norm the running statistics among
            them), at least float32; None for 1000 parameters or more.
        predictions: one output per input that was asked for, in the units of the data; of classes the likeliest, as
            `{"class": name, "probability": p}`.
        report: what was done to the columns of a file.

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
    row: dict[str, float]
    epochs: list[EpochLoss] = field(default_factory=list)
    params: dict[str, np.ndarray] | None = None
    predictions: list[Any] = field(default_factory=list)
    report: tuple[str, ...] = ()


def run(
    config: Config,
    *,
    predict: Sequence[Sequence[float | str]] = (),
    engine: Engine | None = None,
    on_epoch: Callable[[int, EpochLoss], None] | None = None,
) -> TrainingReport:
    """Trains one config.

    Args:
        config: the settings.
        predict: inputs, a number or the name of a category per column each, in the units of the data; or a number
            per encoded feature.
        engine: the devices to train on.
        on_epoch: called after each epoch with its number (from 1) and its losses.

    Raises:
        InputError: the data cannot be trained on, or an input does not fit its columns.
    """
    (lanes,) = Plan(make_sweep(config.model_dump(mode="python"), [])).lanes(np.arange(1))
    variant = lanes.variants[0]
    inputs = [_encoded(values, variant) for values in predict]
    losses: list[EpochLoss] = []
    for epoch in (engine or Engine()).follow(lanes):
        stopped = Events(*epoch.state.events[0]).stopped
        if epoch.number and stopped != epoch.start:  # an epoch without an update is none
            losses.append(_epoch_loss(variant, epoch))
            if on_epoch:
                on_epoch(epoch.number, losses[-1])
    state = epoch.state
    columns = columns_of(lanes, np.array([0]), {name: getattr(state, name) for name in RECORDS})
    outcome, cause = classify(columns, columns["ratio"])
    return TrainingReport(
        config,
        Outcome(outcome[0]),
        Cause(cause[0]),
        {name: values[0].item() for name, values in columns.items()},
        losses,
        _named(state) if lanes.program.parameters < FEW_PARAMETERS else None,
        [_predict(lanes, variant, state, values) for values in inputs],
        variant.rows.report,
    )


def _epoch_loss(variant: Variant, epoch: Epoch) -> EpochLoss:
    """Keras's figures. Batches after the cell's NaN were not run, but would be NaN: so is their mean."""
    batch = variant.program.batch
    n = variant.rows.n
    sizes = [min(batch, n - index * batch) for index in range(epoch.stop - epoch.start)]
    if variant.program.order == "replacement":
        sizes = [batch] * len(sizes)
    events, losses = Events(*epoch.state.events[0]), Losses(*epoch.state.losses[0])
    if events.stopped >= 0:
        sizes = sizes[: int(events.stopped) - epoch.start]
    nan_step = int(events.first_nan)
    cut_short = 0 <= nan_step < epoch.stop - 1
    assessed = Assessment(*epoch.state.marks[0, FINAL].tolist())
    validated, classifies = len(variant.rows.val_inputs) > 0, variant.program.classifies
    rows = sum(sizes) if sizes and not cut_short else np.nan
    return EpochLoss(
        mean_loss=losses.epoch.item() / rows,
        last_loss=np.nan if cut_short else losses.batch.item(),
        val_loss=assessed.val_loss if validated else None,
        mean_accuracy=losses.correct.item() / rows if classifies else None,
        val_accuracy=assessed.val_accuracy if validated and classifies else None,
    )


def _named(state: Packed) -> dict[str, np.ndarray]:
    named = {}
    for index, layer in enumerate(state.layers):
        for name in sorted(layer, key=["kernel", "bias", *START].index):
            values = layer[name][0]
            if values.dtype.itemsize == 2:  # float32 holds every 16-bit number, and NumPy knows no bfloat16
                values = values.astype(np.float32)
            named[f"layers.{index}.{name}"] = values.T if name == "kernel" else values
    return named


def _encoded(values: Sequence[float | str], variant: Variant) -> list[float]:
    """One input as a number per feature, given as such or as the columns of the data hold it."""
    sources, features = variant.rows.sources, variant.rows.features
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


def _predict(lanes: Lanes, variant: Variant, state: Packed, inputs: Sequence[float]) -> Any:
    """What the trained model says to one row, scaled as the data was: a number per output, or a class."""
    shift, divisor = variant.rows.input_scaling
    out_shift, out_divisor = variant.rows.target_scaling
    dtype = lanes.program.dtype
    with jax.enable_x64(dtype == "float64"):
        x = np.asarray((np.asarray(inputs, float) - shift) / divisor, dtype)[:, None]
        layers = [{name: values[0] for name, values in layer.items()} for layer in state.layers]
        gain = np.asarray(lanes.numbers["gain"][0], dtype)
        output = np.asarray(forward(lanes.program, layers, gain, x, None).output)[:, 0]
    if variant.rows.classes:
        return _named_class(variant, output.astype(float))
    values = (output.astype(float) * out_divisor + out_shift).tolist()
    return values[0] if len(values) == 1 else values


def _named_class(variant: Variant, logits: np.ndarray) -> dict[str, Any]:
    """The likeliest class, and what the loss takes its probability for."""
    if len(logits) == 1:  # the sigmoid of one logit is the softmax of it and 0
        logits = np.array([0.0, logits[0]])
    together = variant.program.loss == "softmax_cross_entropy" or variant.program.outputs == 1
    shares = np.exp(logits - np.logaddexp.reduce(logits)) if together else np.exp(-np.logaddexp(0, -logits))
    best = int(np.argmax(shares))
    return {"class": variant.rows.classes[best], "probability": float(shares[best])}
