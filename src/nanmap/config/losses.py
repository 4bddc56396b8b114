"""The losses: which settings each reads, and what is known of it.

Its function stands under the same name in `training/losses.py`. Nothing else repeats a name, but `data/references`, which
fits lines to the losses of numbers that are not squared.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossEntry:
    """One loss.

    Attributes:
        reads: the settings of `[loss]` that it reads.
        of_classes: whether it is a cross-entropy: it takes logits and classes.
        curvature: the second derivative of a squared loss with respect to one output; None where it is not constant.
    """

    reads: tuple[str, ...] = ()
    of_classes: bool = False
    curvature: float | None = None


LOSSES: dict[str, LossEntry] = {
    "mse": LossEntry(curvature=2.0),
    "half_mse": LossEntry(curvature=1.0),
    "mae": LossEntry(),
    "huber": LossEntry(reads=("delta",)),
    "softmax_cross_entropy": LossEntry(of_classes=True),
    "sigmoid_cross_entropy": LossEntry(of_classes=True),
}


OWN = LossEntry()  # whatever the code says that a config names


def loss_entry(kind: str) -> LossEntry:
    """What is known of a loss; of one of the user's own nothing."""
    return LOSSES.get(kind, OWN)


def losses_that_read(setting: str) -> tuple[str, ...]:
    """Names of the losses that read a setting.

    >>> losses_that_read("delta")
    ('huber',)
    """
    return tuple(name for name, entry in LOSSES.items() if setting in entry.reads)
