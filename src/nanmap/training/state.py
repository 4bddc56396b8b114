"""What one cell's training holds: the numbers that it is given, and the state that it changes. Scalars, but for rows and parameters."""

from collections.abc import Callable
from typing import NamedTuple

import optax

from nanmap.models.base import Array, Layers, Numbers
from nanmap.training.program import Program

NEVER = -1  # a step that did not come
EPOCH_SUMS = ("epoch", "epoch_rest", "correct")  # of `Losses`: a followed training starts them anew with each epoch
MARKS = 5  # assessments of a training: at the start, after half of the budget, 80 %, 90 %, and at the end


class Batch(NamedTuple):
    """Rows of one update: `x` `[features, rows]`, `y` `[outputs, rows]`, how many count, and which (None = all).

    Inputs are of the training's dtype, targets of the losses': at least float32. Where the model is `exact`, rows lie on the
    first axis, whole numbers stay whole, and all count. `key` is for what a `keyed` model draws in this update.
    """

    x: Array
    y: Array
    count: Array
    mask: Array | None
    key: Array | None = None


class Sample(NamedTuple):
    """Training rows that are assessed in place of all, as in a `Task`, and their number."""

    x: Array
    y: Array
    n: Array


class Task(NamedTuple):
    """What cells that are trained together share: their rows and their budget.

    Attributes:
        x, y: training rows, padded, `[features, rows]` and `[outputs, rows]`; `[rows, …]` where the model is `exact`.
        n: number of training rows.
        val_x, val_y, val_n: the same for validation, so far as they are assessed.
        steps_per_epoch, steps: updates per pass, and in all.
        order_key: key of the order of the rows.
        assessed: the rows that assessments pass, where they are not all.
    """

    x: Array
    y: Array
    n: Array
    val_x: Array
    val_y: Array
    val_n: Array
    steps_per_epoch: Array
    steps: Array
    order_key: Array
    assessed: Sample | None = None


class Lane(NamedTuple):
    """Numbers of one cell: hyperparameters as scalars, and a learning rate per layer; at least float32."""

    numbers: Numbers
    learning_rates: Array


class Assessment(NamedTuple):
    """The state of a model over all rows, scalars.

    Attributes:
        loss, val_loss: over all training and validation rows; val_loss is NaN without any.
        squared_error: mean over rows of the squared error, summed over outputs.
        dead_fraction: share of units that give zero on every training row.
        dead_layer: whether a whole layer does.
        infinite: whether the loss or a parameter is infinite.
        accuracy, val_accuracy: share of the rows that are classified right; NaN unless classes are predicted.
        output_variance: of the outputs over the training rows, summed over outputs; under a softmax without their mean
            over the classes, which means nothing there.
        first_gradient, last_gradient: norms of the loss's gradient in the first and in the last layer, over all training
            rows; NaN of a single layer.

    Between the outermost marks all but the loss is NaN.
    """

    loss: Array
    val_loss: Array
    squared_error: Array
    dead_fraction: Array
    dead_layer: Array
    infinite: Array
    accuracy: Array
    val_accuracy: Array
    output_variance: Array
    first_gradient: Array
    last_gradient: Array


class Events(NamedTuple):
    """First steps of events (NEVER until then).

    Attributes:
        stopped: the step before whose update one of the stops that were asked for ended the training.
        bad_gradient: the update whose gradient was no number, where the program watches it.
        counted: how many full-batch losses `Losses` sums.
    """

    first_inf: Array
    first_nan: Array
    stopped: Array
    bad_gradient: Array
    counted: Array


class Losses(NamedTuple):
    """Running figures of the losses.

    Attributes:
        batch: loss of the last batch.
        epoch: sum of the batches' losses times their rows, since the epoch began.
        correct: sum of the batches' rows that were classified right, since the epoch began; 0 for numbers.
        first, total, inverse, tail: of section 2 of Sohl-Dickstein 2402.06184 over the full-batch losses v before each
            update: v₀, Σ v/v₀, Σ v₀/v, and Σ v/v₀ over the last 20.
        best: least full-batch loss.
        epoch_rest, total_rest, inverse_rest: what rounding left out of the long sums; they are to be added to them.
    """

    batch: Array
    epoch: Array
    correct: Array
    first: Array
    total: Array
    inverse: Array
    tail: Array
    best: Array
    epoch_rest: Array
    total_rest: Array
    inverse_rest: Array


class State(NamedTuple):
    """Everything that changes while a cell trains.

    Attributes:
        parameters: what the optimizer moves, per layer.
        model_state: what is not trained, per layer: batch norm's running statistics.
        marks: an `Assessment` per mark, of the losses' dtype `[MARKS, 11]`.
    """

    parameters: Layers
    model_state: Layers
    optimizer: optax.OptState
    events: Events
    losses: Losses
    marks: Array


class Trace(NamedTuple):
    """What updates left behind, beside their state, that shows whether anything happened in one of them.

    Attributes:
        stop: whether a stop that was asked for holds; None if none was.
        bad_gradient: whether a gradient was no number; None unless the program watches it.
    """

    stop: Array | None
    bad_gradient: Array | None


# A batch's loss, the outputs, the gradient with respect to the parameters, and what is not trained afterwards.
Gradient = Callable[[Program, Lane, State, Batch], tuple[Array, Array, Layers, Layers]]
