"""A variant: one config of a sweep, its rows, its program and its budget. Cells of a variant differ in numbers alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanmap.config import Config
from nanmap.config.choices import LAYER_RATES
from nanmap.config.code import is_code
from nanmap.config.optimizers import optimizer_entry
from nanmap.data import (
    Rows,
    affine_floor,
    check_shares,
    label_references,
    load_rows,
    loss_constant,
    network_floor,
    place_references,
    some_rows,
)
from nanmap.errors import InputError
from nanmap.limits import check_memory
from nanmap.plan.budget import budget
from nanmap.training.lane_numbers import LANE_NUMBERS, NUMBERS, own_number
from nanmap.training.program import Program, program_of


@dataclass(frozen=True, eq=False)
class Variant:
    """What all cells with the same settings outside the lane numbers share.

    Attributes:
        steps_per_epoch, steps: updates per pass over the rows, and in all.
        numbers: the lane numbers that no axis sets, but the references, which follow from others.
        learning_rates: one per layer.
    """

    config: Config
    program: Program
    rows: Rows
    steps_per_epoch: int
    steps: int
    numbers: dict[str, float]
    learning_rates: tuple[float, ...]

    @cached_property
    def assessed(self) -> Rows:
        """The rows that the losses of a row are taken over: all, or a sample of them."""
        return some_rows(self.rows, self.program.assessed) if self.program.assessed else self.rows

    def references(self, delta: float) -> tuple[float, float]:
        """`loss_floor` and `loss_constant` of a cell with this `loss.delta`."""
        given, kind = self.config.outcome.floor, self.config.loss.kind
        if is_code(kind):  # nobody knows what a constant answer costs, nor a straight line
            return (np.nan if isinstance(given, str) else float(given)), np.nan
        if self.program.labelled or self.program.places > 1:
            held_against = label_references if self.program.labelled else place_references
            floor, constant = held_against(self.assessed, self.program.model.classes)
            return (floor if isinstance(given, str) else float(given)), constant
        constant = loss_constant(self.assessed, kind, delta)
        if not isinstance(given, str):
            return float(given), constant
        straight = given == "affine" or not self.program.model.hidden_units
        return (affine_floor if straight else network_floor)(self.assessed, kind, delta), constant


def make_variant(config: Config) -> Variant:
    """Everything about one config that is known before training."""
    rows = load_rows(config)
    program = program_of(config, rows)
    _check_memory(program)
    if program.labelled:
        _check_labels(config, rows, program.model.classes)
    elif program.classifies:
        check_shares(config, rows)  # whole numbers might have been labels, until the network was known
    per_epoch, steps = budget(config, program, rows.n)
    training = config.training
    if program.stops and not program.full_loss:
        raise InputError(
            "needs the loss over all rows at every step, which minibatches do not give",
            key="training.stop_above" if program.stop_above else "training.stop_converged",
            value=training.stop_above or training.stop_converged,
            mend="set [record] full_loss = true, which costs a pass over all rows per update",
        )
    if program.stops and program.assessed:
        raise InputError(
            "stops of a training are held against the loss over all rows, and a sample of them is assessed",
            key="outcome.rows",
            value=config.outcome.rows,
            mend="leave it out, or training.stop_above and training.stop_converged",
        )
    return Variant(
        config=config,
        program=program,
        rows=rows,
        steps_per_epoch=per_epoch,
        steps=steps,
        numbers=_numbers(config),
        learning_rates=_learning_rates(config, program),
    )


def _check_memory(program: Program) -> None:
    """Asks before arrays are made, of one cell alone: how many there is room for beside it the engine sees to.

    An assessment may take rows in pieces, but where they may see each other.
    """
    model = program.model
    numbers = (
        max(program.passed_rows, program.batch) if model.exact else program.batch
    ) * model.activations + 4 * model.parameters
    what = f"the layers of this network, of {'all rows' if model.exact else 'a batch'} at once,"
    check_memory(numbers * program.item_bytes, what, key="model.hidden" if model.hidden_units else "data")


def _check_labels(config: Config, rows: Rows, classes: int) -> None:
    """Labels are counted from 0, and there are as many classes as the network has outputs."""
    known = np.concatenate([rows.targets, rows.val_targets])
    wrong = known[(known < 0) | (known >= classes)]
    if len(wrong):
        raise InputError(
            f"`y` holds the label {wrong[0]:g}, and the network has {classes} outputs",
            file=config.data.path,
            key="model.kind",
            allowed=f"labels from 0 to {classes - 1}",
        )


def _learning_rates(config: Config, program: Program) -> tuple[float, ...]:
    rates, layers = config.optimizer.layer_learning_rates, program.model.layers
    groups = config.optimizer.group_rates
    if rates is None:
        return (config.optimizer.learning_rate,) * (layers - len(groups)) + tuple(groups.values())
    if len(rates) != layers:
        raise InputError(
            f"one rate per layer: this model has {layers}",
            key=LAYER_RATES,
            value=list(rates),
            mend=f"give {layers}, or optimizer.learning_rate for all of them",
        )
    return rates


def _numbers(config: Config) -> dict[str, float]:
    found = {}
    for number in LANE_NUMBERS:
        if number.name in NUMBERS:
            table, field = number.key.split(".")
            value = getattr(getattr(config, table), field)
            found[number.name] = np.nan if value is None else float(value)
    if config.optimizer.b2 is None:
        found["b2"] = optimizer_entry(config.optimizer.kind).b2
    found |= {own_number(name): value for name, value in config.model.numbers.items()}
    return found | {"warmup_steps": float(config.optimizer.warmup_steps)}
