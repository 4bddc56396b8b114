"""The program: every setting that fixes shapes or control flow. Cells with equal programs share one compilation."""

import hashlib
from dataclasses import dataclass

from nanmap.config import Config
from nanmap.config.losses import LOSSES
from nanmap.config.optimizers import OPTIMIZERS
from nanmap.data import Rows

ROW_BLOCK = 16  # rows are padded to a multiple of this, so that neighbouring row counts share a program
UNITS_MINOR_BELOW = 32  # batches up to this size keep units on the minor axis; rows were faster from 48 on (128 units)
UNITS_MINOR_FROM = 32  # thin networks of so many units do at any batch: 16 units 0.4 times as fast, 128 units 1.2 times

# Numbers of a cell that are values of a lane, never part of a program: sweeping them compiles nothing.
LANE_KEYS = {
    "optimizer.learning_rate": "learning_rate",
    "optimizer.momentum": "momentum",
    "optimizer.b1": "b1",
    "optimizer.b2": "b2",
    "optimizer.eps": "eps",
    "optimizer.rho": "rho",
    "optimizer.weight_decay": "weight_decay",
    "optimizer.decay": "decay",
    "optimizer.clip_value": "clip_value",
    "optimizer.clip_norm": "clip_norm",
    "optimizer.clip_output_gradient": "clip_output_gradient",
    "model.gain": "gain",
    "model.init_scale": "init_scale",
    "model.init_offset": "init_offset",
    "loss.delta": "delta",
    "training.seed": "seed",
    "training.stop_above": "stop_above",
    "outcome.ratio": "ratio",
}

NUMBERS = (*(name for name in LANE_KEYS.values() if name not in ("seed", "learning_rate")), "warmup_steps", "floor")


@dataclass(frozen=True)
class Program:
    """A pure function of one cell's config and its rows, never of the grid it stands in.

    Attributes:
        batch: rows per update.
        rows, val_rows: row counts as compiled: padded to `ROW_BLOCK`, and to whole batches.
        full_batch: every update sees all rows; their order does not matter then.
        masked: some update sees fewer than `batch` rows.
        momentum … clip_output_gradient: whether the setting is used; its value belongs to the lane.
        final_layers: whether the parameters at the end are handed out, for the sharpness there.
    """

    features: int
    outputs: int
    hidden: tuple[int, ...]
    activation: str
    output_activation: str
    bias: bool
    norm: str
    parametrization: str
    loss: str
    optimizer: str
    momentum: bool
    nesterov: bool
    weight_decay: bool
    schedule: str
    warmup: bool
    clip_value: bool
    clip_norm: bool
    clip_output_gradient: bool
    batch: int
    rows: int
    val_rows: int
    full_batch: bool
    masked: bool
    order: str
    dtype: str
    full_loss: bool
    stop_above: bool = False
    stop_converged: bool = False
    final_layers: bool = False

    @property
    def key(self) -> str:
        """A short name of these settings, the same in every process."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def sentence(self) -> str:
        """What a reader calls this program."""
        net = "–".join(map(str, self.widths))
        batch = "full batch" if self.full_batch else f"batch {self.batch}"
        norm = "" if self.norm == "none" else f", {self.norm} norm"
        return f"{net}, {self.optimizer}, {batch}{norm}, {self.dtype}"

    @property
    def widths(self) -> tuple[int, ...]:
        """Units from the inputs to the outputs."""
        return (self.features, *self.hidden, self.outputs)

    @property
    def layers(self) -> int:
        """Number of Dense layers."""
        return len(self.hidden) + 1

    @property
    def classifies(self) -> bool:
        """Whether outputs are logits of classes."""
        return LOSSES[self.loss].of_classes

    @property
    def wide(self) -> str:
        """The dtype of losses, records, targets and hyperparameters: at least float32."""
        return "float64" if self.dtype == "float64" else "float32"

    @property
    def narrow(self) -> bool:
        """Whether numbers have 16 bits."""
        return self.item_bytes == 2

    @property
    def item_bytes(self) -> int:
        """Bytes of one number of `dtype`."""
        return {"float64": 8, "float32": 4}.get(self.dtype, 2)

    @property
    def stops(self) -> bool:
        """Whether a cell may end before its budget without a NaN."""
        return self.stop_above or self.stop_converged

    @property
    def numbers(self) -> tuple[str, ...]:
        """The lane numbers that the compiled program reads; the others are the host's, or nobody's."""
        flagged = {
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "warmup_steps": self.warmup,
            "clip_value": self.clip_value,
            "clip_norm": self.clip_norm,
            "clip_output_gradient": self.clip_output_gradient,
            "stop_above": self.stop_above,
            "floor": self.stop_converged,
            "ratio": self.stop_converged,
        }
        rule = OPTIMIZERS[self.optimizer].numbers
        return ("gain", "delta", "decay", *rule, *(name for name, used in flagged.items() if used))

    @property
    def thin(self) -> bool:
        """Whether there is one input and every kernel is a row or a column: no product of two matrices anywhere."""
        sides = zip(self.widths, self.widths[1:], strict=False)
        return self.features == 1 and all(min(pair) == 1 for pair in sides)

    @property
    def rows_minor(self) -> bool:
        """Whether rows rather than units lie on the minor axis, whichever was measured to be faster on a CPU."""
        units = max(self.hidden, default=0)
        if self.thin and units >= UNITS_MINOR_FROM:
            return False
        return self.batch > UNITS_MINOR_BELOW or self.batch >= units

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        norms = {"none": 0, "rms": 1, "layer": 2, "batch": 2}[self.norm]
        dense = sum((a + self.bias) * b for a, b in zip(self.widths, self.widths[1:], strict=False))
        return dense + norms * sum(self.hidden)


def program_of(config: Config, rows: Rows) -> Program:
    """The program that trains this config on these rows."""
    model, optimizer, training = config.model, config.optimizer, config.training
    full = training.batch_size >= rows.n
    capacity = _up(rows.n, ROW_BLOCK)
    batch = capacity if full else training.batch_size
    return Program(
        features=rows.inputs.shape[1],
        outputs=rows.targets.shape[1],
        hidden=model.hidden,
        activation=model.activation if model.hidden else "linear",
        output_activation=model.output_activation,
        bias=model.bias,
        norm=model.norm,
        parametrization=model.parametrization,
        loss=config.loss.kind,
        optimizer=optimizer.kind,
        momentum=optimizer.momentum is not None,
        nesterov=optimizer.nesterov,
        weight_decay=optimizer.weight_decay is not None,
        schedule=optimizer.schedule,
        warmup=optimizer.warmup_steps > 0,
        clip_value=optimizer.clip_value is not None,
        clip_norm=optimizer.clip_norm is not None,
        clip_output_gradient=optimizer.clip_output_gradient is not None,
        batch=batch,
        rows=_up(capacity, batch),
        val_rows=_up(len(rows.val_inputs), ROW_BLOCK),
        full_batch=full,
        masked=rows.n % batch != 0,
        order="sequential" if full else training.order,
        dtype=training.dtype,
        full_loss=full or config.record.full_loss,
        stop_above=training.stop_above is not None,
        stop_converged=training.stop_converged,
        final_layers=config.record.sharpness is True,
    )


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
