"""The closed set of what can be wrong with a training. Finer than the causes of rows: these are proven by comparisons."""

from enum import StrEnum
from typing import Any, Self


class RootCause(StrEnum):
    """A name, what it means, and what holds it: in order of evidence, the first that is proven is told.

    >>> RootCause("wrong_sign").sentence
    'the learning rate is negative: every update climbs the loss instead of descending it'
    """

    sentence: str

    def __new__(cls, value: str, *known: Any) -> Self:
        """The text itself, as which it compares, with its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        (member.sentence,) = known
        return member

    NAN_IN_DATA = (
        "nan_in_data",
        "values are missing in the data: a NaN among the rows makes the loss NaN, then every parameter",
    )
    INFINITY_IN_DATA = "infinity_in_data", "the data hold infinities, or numbers too large for the number format"
    SLIPS_IN_DATA = (
        "slips_in_data",
        "a few targets are far from all others: the loss is about them, and the rest counts nothing",
    )
    WRONG_SIGN = "wrong_sign", "the learning rate is negative: every update climbs the loss instead of descending it"
    LOSS_DOES_NOT_FIT = "loss_does_not_fit", "the loss does not fit the output or the targets"
    TARGET_OUT_OF_REACH = "target_out_of_reach", "the output's activation never gives numbers that the targets hold"
    LABELS_SAY_NOTHING = (
        "labels_say_nothing",
        "no setting does better than one constant answer to all rows: the inputs say nothing about the targets",
    )
    BATCH_OF_ONE = "batch_of_one", "batch norm sees single rows, whose variance is 0, so it cannot tell them apart"
    DIVIDED_BY_ZERO = "divided_by_zero", "the optimizer divides 0 by 0: nothing keeps its divisor from being 0"
    NUMBER_FORMAT = "number_format", "the number format gives out although the mathematics is stable"
    MOMENTUM_BEYOND_BOUND = (
        "momentum_beyond_bound",
        "momentum or decay is beyond its bound: steps pile up instead of dying away",
    )
    CODES_FOR_CATEGORIES = "codes_for_categories", "whole numbers stand for categories, as if they were quantities"
    START_TOO_LARGE = (
        "start_too_large",
        "the initial kernels are far too large: the first loss is huge, and so are the first steps",
    )
    EXPLODING_GRADIENT = "exploding_gradient", "signals grow from layer to layer, and the gradient on its way back"
    VANISHING_GRADIENT = (
        "vanishing_gradient",
        "the gradient fades from layer to layer, so that the first layers hardly learn",
    )
    DEAD_AT_INIT = "dead_at_init", "nothing gets through the network from its start: units that are flat on every row"
    UNSCALED_DATA = "unscaled_data", "inputs and targets are not scaled: no rate is right for both"
    UNSCALED_INPUTS = (
        "unscaled_inputs",
        "the inputs are not scaled: a rate that the steepest column bears is too small for the others",
    )
    UNSCALED_TARGETS = (
        "unscaled_targets",
        "the targets are not scaled: their errors, and with them the first steps, are huge",
    )
    KILLED = "killed_by_first_steps", "the first steps drive every unit of a layer to where it is flat, for all rows"
    RATE_ABOVE_EDGE = "rate_above_edge", "the learning rate is above the edge of what this loss's curvature allows"
    BATCH_NOISE = "batch_noise", "the batches are small for this rate: their noise keeps the loss up"
    RATE_ZERO = "rate_zero", "the learning rate is 0: nothing moves"
    TOO_SLOW = "too_slow", "nothing is broken: the steps are too small, or too few, to get there"
    MODEL_TOO_SMALL = "model_too_small", "the network is too small for what is in the data"
    UNKNOWN = "unknown", "nothing that was tried mends it, and no single cause is proven"
    NOTHING_WRONG = "nothing_wrong", "nothing is wrong: it trains from nearly every start"
