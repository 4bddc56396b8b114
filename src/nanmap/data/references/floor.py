"""The floor: the loss down to which a training is expected to come. A reference, not a bound."""

from functools import lru_cache

from nanmap.config.losses import LOSSES
from nanmap.data.references.classifier import classifier_loss
from nanmap.data.references.constant import all_equal, loss_constant
from nanmap.data.references.line import line_loss
from nanmap.data.references.neighbours import neighbours_loss
from nanmap.data.rows import Rows

FEW = 30  # rows below which the neighbours' answer is mostly chance
NOTHING = 0.95  # of the constant's loss: a reference that leaves more of it explains nothing


@lru_cache(maxsize=4096)
def affine_floor(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss of the best affine fit to the training rows; for cross-entropies of the best linear classifier.

    0 where all targets are equal. NaN when the rows hold NaN or infinities.

    >>> from nanmap.config import build_config
    >>> from nanmap.data.rows import load_rows
    >>> tree = {"data": {"kind": "line", "n": 9}, "training": {"epochs": 1}}
    >>> affine_floor(load_rows(build_config(tree)), "mse") < 1e-20
    True
    """
    if all_equal(rows):
        return 0.0
    return classifier_loss(rows, loss) if LOSSES[loss].of_classes else line_loss(rows, loss, delta)


@lru_cache(maxsize=4096)
def network_floor(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """The lower of `affine_floor` and of what the five nearest rows answer.

    0 where even that explains less than a twentieth of the constant answer's loss, and below 30 rows: there it would be a
    matter of chance.
    """
    if rows.n < FEW or all_equal(rows):
        return 0.0
    best = min(affine_floor(rows, loss, delta), neighbours_loss(rows, loss, delta))
    return 0.0 if best > NOTHING * loss_constant(rows, loss, delta) else best
