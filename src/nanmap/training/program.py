"""The program: every setting that fixes shapes or control flow. Cells with equal programs share one compilation.

Imports no JAX: programs are planned, named and handed over where none is needed.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

from nanmap.config import Config
from nanmap.config.code import Code, is_code, is_own
from nanmap.config.formats import acts_as_zero, rounds_to_one
from nanmap.config.losses import loss_entry
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import OptimizerSettings
from nanmap.data import RowForm, Rows
from nanmap.models import Model, model_of
from nanmap.models.base import Form, Layout, Surroundings

LATER = ("may_divide_by_zero", "handed", "code", "assessed")  # fields that came after run folders held keys
ROW_BLOCK = 16  # rows are padded to a multiple of this, so that neighbouring row counts share a program


@dataclass(frozen=True)
class Program:
    """A pure function of one cell's config and its rows, never of the grid it stands in.

    Attributes:
        model: the network's own spec; all that a network knows of a program.
        batch: rows per update.
        rows, val_rows: row counts as compiled: padded to `ROW_BLOCK`, and to whole batches; as they are where the model is
            `exact`.
        full_batch: every update sees all rows; their order does not matter then.
        masked: some update sees fewer than `batch` rows.
        momentum … clip_output_gradient: whether the setting is used; its value belongs to the lane.
        final_layers: whether the parameters at the end are handed out, for the sharpness there.
        may_divide_by_zero: whether nothing keeps from 0 what the optimizer or the schedule divides by. A NaN may come out
            of nowhere then, and the gradient is watched, to tell.
        handed: the numbers that an optimizer of the user's own is given.
        code: digests of the user's own loss and optimizer.
        assessed: most rows that are assessed, of training and of validation, where there are more; 0 for all.
    """

    model: Model
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
    may_divide_by_zero: bool = False
    handed: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    assessed: int = 0

    @property
    def key(self) -> str:
        """A short name of these settings, the same in every process and in later versions.

        A run folder pins widths by it: what is hashed is the text of the fields, the model's first, as they stood when
        a program held them all itself; of later ones only those that are set.
        """
        told = {each.name: _without_folder(getattr(self, each.name)) for each in fields(self) if each.name != "model"}
        own = ", ".join(f"{name}={value!r}" for name, value in told.items() if value or name not in LATER)
        return hashlib.sha256(f"Program({self.model.identity}, {own})".encode()).hexdigest()[:12]

    def sentence(self) -> str:
        """What a reader calls this program."""
        batch = "full batch" if self.full_batch else f"batch {self.batch}"
        return f"{self.model.title}, {_called(self.optimizer)}, {batch}, {self.dtype}"

    @property
    def layout(self) -> Layout:
        """What lies on the minor axis of the model's activations."""
        return self.model.layout(self.batch)

    @property
    def classifies(self) -> bool:
        """Whether outputs are logits of classes."""
        return loss_entry(self.loss).of_classes

    @property
    def short(self) -> int:
        """Rows of the last batch of an epoch, where it is smaller and traced at its own size; 0 where none is."""
        return self.rows % self.batch if self.model.exact and self.order != "replacement" else 0

    @property
    def assessed_rows(self) -> int:
        """Training rows of an assessment, as compiled."""
        most = self.assessed if self.model.exact else _up(self.assessed, ROW_BLOCK)
        return min(most or self.rows, self.rows)

    @property
    def passed_rows(self) -> int:
        """The most rows that a pass outside of an update's own takes, as compiled."""
        every_step = self.full_loss and not self.full_batch
        return max(self.rows if every_step else self.assessed_rows, self.val_rows)

    @property
    def labelled(self) -> bool:
        """Whether targets are labels of classes, one number in place of a share of each."""
        return self.classifies and self.model.row_forms()[1].dtype is not None

    @property
    def places(self) -> int:
        """Answers of a row under a softmax, which is over the last axis of the outputs."""
        return self.model.outputs // self.model.classes if self.loss == "softmax_cross_entropy" else 1

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
            "enough": self.stop_converged,
        }
        rule = self.handed if is_code(self.optimizer) else optimizer_entry(self.optimizer).numbers
        flagged = {name: used for name, used in flagged.items() if name not in rule}
        return (*self.model.numbers, "delta", "decay", *rule, *(name for name, used in flagged.items() if used))


def program_of(config: Config, rows: Rows) -> Program:
    """The program that trains this config on these rows."""
    optimizer, training = config.optimizer, config.training
    full, exact = training.batch_size >= rows.n, is_own(config.model.kind)
    capacity = rows.n if exact else _up(rows.n, ROW_BLOCK)
    batch = capacity if full else training.batch_size
    inputs, targets = rows.inputs.shape[1], rows.targets.shape[1]
    validated, limit = len(rows.val_inputs), config.outcome.rows
    assessed = limit if limit and limit < max(rows.n, validated) else 0
    validated = min(validated, assessed or validated)
    forms = _form(rows.input_form, inputs), _form(rows.target_form, targets)
    made = Program(
        model=model_of(
            config.model, inputs, targets, Surroundings(batch, *forms, config.loss.kind, tuple(optimizer.group_rates))
        ),
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
        rows=capacity if exact else _up(capacity, batch),
        val_rows=validated if exact else _up(validated, ROW_BLOCK),
        full_batch=full,
        masked=not exact and rows.n % batch != 0,
        order="sequential" if full else training.order,
        dtype=training.dtype,
        full_loss=full or config.record.full_loss,
        stop_above=training.stop_above is not None,
        stop_converged=training.stop_converged,
        final_layers=config.record.sharpness is True,
        # Nobody knows what a rule of the user's own divides by.
        may_divide_by_zero=is_code(optimizer.kind) or bool(zero_divisors(optimizer, training.dtype)),
        assessed=assessed,
    )
    return with_own_code(made, optimizer) if is_code(made.loss) or is_code(made.optimizer) else made


def _called(kind: str) -> str:
    """What a reader calls an optimizer."""
    return Code.of(kind).name if is_code(kind) else kind


def _without_folder(value: Any) -> Any:
    """A setting without the folder of the code that it names."""
    return f"python:{Code.of(value).name}" if is_code(value) else value


def _form(form: RowForm | None, columns: int) -> Form:
    """How a row lies: in a table one number beside the other."""
    return Form((columns,)) if form is None else Form(form.shape, "int32" if form.whole else None)


def with_own_code(program: Program, optimizer: OptimizerSettings) -> Program:
    """The program with what its own loss and optimizer are handed, and what tells them from their other versions."""
    from nanmap.training.digests import digest_of_loss, digest_of_optimizer
    from nanmap.training.own_code import handed_numbers

    if is_code(program.optimizer):
        program = replace(program, handed=handed_numbers(optimizer))
    digests = [digest_of_loss(program)] if is_code(program.loss) else []
    digests += [digest_of_optimizer(program)] if is_code(program.optimizer) else []
    return replace(program, code=tuple(digests))


def zero_divisors(optimizer: OptimizerSettings, dtype: str) -> list[str]:
    """The settings of `[optimizer]` that let it, or its schedule, divide by 0."""
    rule = optimizer_entry(optimizer.kind)
    divisors = {"decay": optimizer.decay} if optimizer.schedule == "inverse_time" else {}
    if "eps" in rule.reads:
        moments = {"eps": optimizer.eps, "b1": optimizer.b1, "b2": rule.b2 if optimizer.b2 is None else optimizer.b2}
        divisors |= {name: value for name, value in moments.items() if name in rule.reads}
    return [name for name, value in divisors.items() if leaves_zero(name, value, dtype)]


def leaves_zero(name: str, value: float, dtype: str) -> bool:
    """Whether a setting of `[optimizer]` lets a divisor be 0: √v + eps, the corrections 1 − bᵗ, or 1 + decay·t.

    Decays of moments are numbers of at least float32, whatever the format of the training.
    """
    if name == "eps":
        return value == 0 or acts_as_zero(value, dtype)
    if name in ("b1", "b2"):
        return rounds_to_one(value, "float64" if dtype == "float64" else "float32")
    return name == "decay" and value < 0


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
