"""What rows with classes at several places are held against, and labels: whole numbers in place of a share of each class."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import scipy  # its parts are loaded where they are first used

from nanmap.data.encoding import one_hot
from nanmap.data.references.constant import all_equal
from nanmap.data.references.floor import network_floor
from nanmap.data.rows import Rows

LOSS = "softmax_cross_entropy"


@lru_cache(maxsize=4096)
def label_references(rows: Rows, classes: int) -> tuple[float, float]:
    """The floor of a network, and the loss of the best constant answer, to labels `[n, places]` from 0 to `classes` − 1.

    The constant answers the shares of the classes at each place; where no place has two labels it says nothing, and is
    the loss of answering 0. The floor is 0 where a row has several labels, or where its inputs are no numbers, but tokens.
    """
    shares = np.stack([np.bincount(place, minlength=classes) for place in rows.targets.astype(int).T]) / rows.n
    constant = _constant(rows, shares)
    if all_equal(rows):
        return 0.0, constant
    tokens = rows.input_form is not None and rows.input_form.whole
    if tokens or len(shares) > 1:
        return 0.0, constant
    hot = replace(rows, targets=one_hot(rows.targets[:, 0], classes), target_form=None)
    return network_floor(hot, LOSS), constant


@lru_cache(maxsize=4096)
def place_references(rows: Rows, classes: int) -> tuple[float, float]:
    """The same of shares of `classes` classes at each of several places, `[n, places · classes]`: the floor is 0."""
    return 0.0, _constant(rows, rows.targets.reshape(rows.n, -1, classes).mean(axis=0))


def _constant(rows: Rows, shares: np.ndarray) -> float:
    """Loss of answering each place `[places, classes]` by its shares; where all rows are the same, of answering 0."""
    if all_equal(rows):
        return float(np.log(shares.shape[1]))
    return float(-scipy.special.xlogy(shares, shares).sum(axis=1).mean())
