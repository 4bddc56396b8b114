"""The settings that are only numbers of a cell: values of its lane and no part of a program, so sweeping them compiles nothing."""

from collections.abc import Sequence
from typing import NamedTuple

from nanmap.config.choices import LAYER_RATES, LEARNING_RATE
from nanmap.config.code import GROUP_RATES, open_key
from nanmap.config.keys import is_index
from nanmap.models.base import OWN_PREFIX, Model


class LaneNumber(NamedTuple):
    """One of them.

    Attributes:
        key: the config's.
        name: what lanes and programs call it.
        per_layer: whether every layer has one.
        layer: of which layer alone this one is, by its number or by the pattern of its group.
        whole: whether it is an integer.
    """

    key: str
    name: str
    per_layer: bool = False
    layer: int | str | None = None
    whole: bool = False


LANE_NUMBERS = (
    LaneNumber(LEARNING_RATE, "learning_rate", per_layer=True),
    LaneNumber("optimizer.momentum", "momentum"),
    LaneNumber("optimizer.b1", "b1"),
    LaneNumber("optimizer.b2", "b2"),
    LaneNumber("optimizer.eps", "eps"),
    LaneNumber("optimizer.rho", "rho"),
    LaneNumber("optimizer.weight_decay", "weight_decay"),
    LaneNumber("optimizer.decay", "decay"),
    LaneNumber("optimizer.clip_value", "clip_value"),
    LaneNumber("optimizer.clip_norm", "clip_norm"),
    LaneNumber("optimizer.clip_output_gradient", "clip_output_gradient"),
    LaneNumber("model.gain", "gain"),
    LaneNumber("model.init_scale", "init_scale"),
    LaneNumber("model.init_offset", "init_offset"),
    LaneNumber("loss.delta", "delta"),
    LaneNumber("training.seed", "seed", whole=True),
    LaneNumber("training.stop_above", "stop_above"),
    LaneNumber("outcome.ratio", "ratio"),
)
OWN_NUMBERS = "model.numbers"  # the table of those that a network of the user's own is given
_BY_KEY = {each.key: each for each in LANE_NUMBERS}


def own_number(name: str) -> str:
    """What lanes and programs call a number of `[model.numbers]`: it may have the name of another one."""
    return f"{OWN_PREFIX}{name}"


def lane_number(key: str) -> LaneNumber | None:
    """The number that a config key sets, or None if it sets something else.

    >>> lane_number("optimizer.layer_learning_rates.1")
    LaneNumber(key='optimizer.layer_learning_rates.1', name='learning_rate', per_layer=True, layer=1, whole=False)
    >>> lane_number("model.numbers.slope").name
    'numbers.slope'
    >>> lane_number("model.hidden")
    """
    own = open_key(key)
    if own and own[0] == OWN_NUMBERS:
        return LaneNumber(key, own_number(own[1]))
    if own and own[0] == GROUP_RATES:
        return LaneNumber(key, "learning_rate", per_layer=True, layer=own[1])
    stem, _, last = key.rpartition(".")
    if stem == LAYER_RATES and is_index(last):
        return LaneNumber(key, "learning_rate", per_layer=True, layer=int(last))
    return _BY_KEY.get(key)


def layers_of(model: Model, layer: int | str | None) -> Sequence[int]:
    """The layers that a learning rate is of: one, or all that have none of their own."""
    if isinstance(layer, str):
        return [model.layers - len(model.groups) + model.groups.index(layer)]
    return range(model.layers - len(model.groups)) if layer is None else [layer]


# What a lane holds as one number per cell: all but the seed, which is whole, and the learning rates, one per layer.
NUMBERS = (
    *(each.name for each in LANE_NUMBERS if not each.whole and not each.per_layer),
    "warmup_steps",
    "floor",
    "constant",
    "enough",
)
