"""Each rule of the remedies and of the evidence by itself: cases made by hand, of which nothing is trained."""

import ast
import inspect
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handmade import AT_REST
from nanmap.advice import Case, Edge, changes, evidence, remedy
from nanmap.advice import remedies as by_rule
from nanmap.advice.case import varies_little
from nanmap.advice.remedies import rounded_down
from nanmap.config.load import with_settings
from nanmap.diagnosis import remedies as by_trial
from nanmap.outcomes import MARKS
from nanmap.plan import Plan, make_sweep

LINE: dict[str, Any] = {  # inputs 1 to 20 and targets 0.5 to 10: both are raw
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "optimizer": {"learning_rate": 0.1},
    "training": {"steps": 100, "batch_size": 20},
}
RATE, RATES, STEPS = "optimizer.learning_rate", "optimizer.layer_learning_rates", "training.steps"
INPUTS, TARGETS = {"data.scale_inputs": "standard"}, {"data.scale_targets": "standard"}
SCALED = INPUTS | TARGETS
NET = SCALED | {"model.hidden": [8], "model.activation": "tanh"}
STORED = {"model.init": "file", "model.init_file": "start.npz"}
RAW_NET = {"model.hidden": [8], "model.activation": "tanh"}
SCALED_COMMAND = SCALED | {"model.output_activation": "linear"}
PERFECT = "0.5: 0 is the best constant answer (loss 1), 1 is perfect"
SHRINKS = dict(zip(MARKS, (1.0, 0.8, 0.6, 0.5, 0.4), strict=True))  # in the last tenth by a fifth: 9.3 to go to 0.05


def case_of(cause: str, settings: dict[str, Any], edge: float | None = ..., **row: Any) -> Case:
    """A case that ended so; its edge is the one given, unless it is left to be found."""
    plan = Plan(make_sweep(with_settings(LINE, settings), []))
    told = {"skill": None, "accuracy": None, "r2": None, "first_inf_step": None, "first_nan_step": None}
    case = Case(plan.lanes(plan.grid.cells(np.arange(1)))[0], AT_REST | told | {"cause": cause} | row)
    if edge is not ...:
        case.__dict__["edge"] = None if edge is None else Edge(edge, "by hand")
    return case


@pytest.mark.parametrize(
    ("cause", "settings", "edge", "row", "advised"),
    [
        # What killed the units: steps from a quarter of the edge on, else units that can die.
        ("killed", NET | {"model.activation": "relu", RATE: 0.24}, 1.0, {}, {"model.activation": "leaky_relu"}),
        ("killed", NET | {"model.activation": "relu", RATE: 0.25}, 1.0, {}, {RATE: 0.02}),
        ("killed", NET | {"model.activation": "relu", RATE: 0.6}, 1.0, {}, {RATE: 0.5}),
        ("killed", NET | {"model.activation": "relu"}, None, {}, {RATE: 0.01}),
        ("killed", NET | {"model.output_activation": "relu"}, 9.0, {}, {"model.output_activation": "linear"}),
        ("blown_up_then_dead", NET | {"model.activation": "relu", RATE: 0.1}, 9.0, {}, {RATE: 0.01}),
        # Smaller steps: a start that is no start, raw data, the edge, a tenth.
        ("overflow", NET | {"model.init_scale": 9.0}, 1.0, {"loss_initial": 101.0}, {"model.init_scale": 1.0}),
        ("overflow", NET | {"model.init_scale": 9.0}, 1.0, {"loss_initial": 100.0}, {RATE: 0.01}),
        ("overflow", NET | {"model.init_scale": 1.0}, 1.0, {"loss_initial": 101.0}, {RATE: 0.01}),
        ("overflow", {RATE: 0.5}, ..., {}, INPUTS),
        ("overflow", {RATE: 0.51}, ..., {}, INPUTS | {RATE: 0.5}),
        ("overflow", SCALED | {RATES: [0.5]}, ..., {}, {RATES: [0.05]}),
        ("overflow", {RATES: [0.5]}, ..., {}, INPUTS),
        ("overflow", {"optimizer.kind": "adam"}, ..., {}, SCALED),
        # Uphill: the sign, and what the rate then asks for.
        ("gradient_ascent", SCALED | {RATE: -0.5}, ..., {}, {RATE: 0.5}),
        ("gradient_ascent", SCALED | {RATE: -0.7}, ..., {}, {RATE: 0.5}),
        ("gradient_ascent", {RATE: -0.1}, ..., {}, INPUTS | {RATE: 0.1}),
        ("gradient_ascent", NET | {RATES: [-0.1, 0.2]}, None, {}, {RATES: [0.1, 0.2]}),
        # Calmer: a fifth, and below the edge.
        ("rising", NET | {RATE: 0.3}, None, {}, {RATE: 0.05}),
        ("rising", NET | {RATE: 0.3}, 0.5, {}, {RATE: 0.05}),
        ("rising", NET | {RATE: 9.0}, 0.5, {}, {RATE: 0.2}),
        ("rising", NET | {RATES: [0.5, -0.03]}, None, {}, {RATES: [0.1, -0.006]}),
        ("bouncing", RAW_NET, 1.0, {}, SCALED),
        ("bouncing", RAW_NET | {"model.norm": "layer"}, 1.0, {}, {RATE: 0.02}),
        ("bouncing", NET | {"data.scale_targets": "none"}, 1.0, {}, {RATE: 0.02}),
        # Larger steps, or more of them.
        ("too_slow", NET | {RATE: 0.4}, 1.0, {}, {RATE: 0.5}),
        ("too_slow", NET | {RATE: 0.04}, None, {}, {RATE: 0.2}),
        ("too_slow", RAW_NET | {RATE: 0.4}, 1.0, {}, {RATE: 0.5}),
        ("too_slow", RAW_NET | {RATE: 0.6}, 1.0, {}, SCALED),
        ("too_slow", RAW_NET, None, {}, SCALED),
        ("too_slow", NET | {RATE: 0.5}, 1.0, {}, {STEPS: 800}),
        ("too_slow", NET | {RATES: [0.1, 0.1]}, None, {}, {STEPS: 800}),
        ("too_slow", NET | {RATES: [0.0, 0.1]}, None, {}, {STEPS: 800}),
        ("no_movement", NET | {RATES: [0.0, 0.0]}, None, {}, {RATES: [0.01, 0.01]}),
        ("no_movement", NET | {RATE: 0.0}, None, {}, {RATE: 0.01}),
        ("no_movement", NET | {RATE: 0.0}, 0.1, {}, {RATE: 0.05}),
        ("no_movement", NET | {RATE: 0.6}, 1.0, {}, {RATE: 0.5}),
        ("no_movement", NET | {"model.init": "zeros"}, 1.0, {}, {"model.init": "glorot_uniform"}),
        ("budget_too_short", NET | {RATE: 0.1}, 1.0, SHRINKS, {RATE: 0.5}),
        ("budget_too_short", NET | {RATE: 0.11}, 1.0, SHRINKS, {STEPS: 300}),
        ("budget_too_short", NET, None, SHRINKS, {STEPS: 300}),
        ("budget_too_short", RAW_NET | {RATE: 0.6}, 1.0, SHRINKS, SCALED),
        ("budget_too_short", RAW_NET | {RATE: 0.4}, 1.0, SHRINKS, {STEPS: 300}),
        # A start whose loss overflows.
        ("start_not_finite", {}, ..., {}, SCALED),
        ("start_not_finite", INPUTS, ..., {}, TARGETS),
        ("start_not_finite", TARGETS, ..., {}, INPUTS),
        ("start_not_finite", NET | {"model.init_scale": 2.0}, None, {}, {"model.init_scale": 1.0}),
        ("start_not_finite", NET | {"model.init": "ones"}, None, {}, {"model.init": "glorot_uniform"}),
        ("float16_range", {}, None, {"first_inf_step": 0}, SCALED),
        ("float16_range", {}, None, {"first_nan_step": 0}, SCALED),
        ("float16_range", {}, None, {"first_inf_step": 1}, {"training.dtype": "bfloat16"}),
        ("float16_range", NET, 1.0, {"first_inf_step": 0}, {"training.dtype": "bfloat16"}),
        ("float16_range", NET | {RATE: 0.6}, 1.0, {"first_inf_step": 0}, {RATE: 0.5}),
        # Gradients that fade or grow.
        ("exploding_gradient", RAW_NET, 1.0, {}, SCALED),
        ("exploding_gradient", RAW_NET | {"model.init_scale": 1.5}, 1.0, {}, {"model.init_scale": 1.0}),
        ("vanishing_gradient", RAW_NET | {"model.init_scale": 0.5}, 1.0, {}, SCALED),
        ("vanishing_gradient", NET | {"model.init_scale": 0.5}, 1.0, {}, {"model.init_scale": 1.0}),
        ("vanishing_gradient", NET | {"model.activation": "sigmoid"}, 1.0, {}, {"model.activation": "tanh"}),
        ("vanishing_gradient", NET | {"model.activation": "softplus"}, 1.0, {}, {"model.activation": "tanh"}),
        ("vanishing_gradient", NET, 1.0, {}, {"model.norm": "layer"}),
        ("vanishing_gradient", NET | {"model.norm": "rms"}, 1.0, {}, {RATE: 0.5}),
        # Units that give nothing.
        ("dead_at_init", RAW_NET | {"model.activation": "relu"}, 1.0, {}, SCALED),
        ("dead_at_init", NET | {"model.init": "ones"}, 1.0, {}, {"model.init": "glorot_uniform"}),
        ("constant_answer", NET | {"model.activation": "relu6"}, 1.0, {}, {"model.activation": "leaky_relu"}),
        ("constant_answer", NET | {"model.activation": "sigmoid"}, 1.0, {}, {"model.activation": "leaky_relu"}),
        ("constant_answer", NET | {"model.output_activation": "tanh"}, 1.0, {}, {"model.output_activation": "linear"}),
        ("constant_answer", NET, 1.0, {}, {"model.norm": "layer"}),
        ("constant_answer", RAW_NET | {"model.output_activation": "softplus"}, 1.0, {}, SCALED_COMMAND),
        # At rest above the reference.
        ("plateau", NET | {"model.output_activation": "relu"}, 1.0, {}, {"model.output_activation": "linear"}),
        ("constant_answer", SCALED, ..., {}, {RATE: 0.5}),
        ("plateau", RAW_NET | {"training.dtype": "bfloat16"}, 1.0, {}, {"training.dtype": "float32"}),
        ("plateau", RAW_NET | {"training.dtype": "float16"}, 1.0, {}, {"training.dtype": "float32"}),
        ("plateau", RAW_NET | {"training.dtype": "bfloat16"}, 1.0, {"loss_at_90": 1.01}, SCALED),
        ("plateau", RAW_NET | {"optimizer.schedule": "cosine"}, 1.0, {}, {"optimizer.schedule": "constant"}),
        ("plateau", RAW_NET, 1.0, {}, SCALED),
        ("plateau", NET, 1.0, {}, {"optimizer.kind": "adam", RATE: 0.01}),
        ("plateau", NET | {RATES: [0.1, 0.1]}, None, {}, {"optimizer.kind": "adam"}),
        ("plateau", NET | {"optimizer.momentum": 0.9}, 1.0, {}, {"model.hidden": [16]}),
        ("plateau", NET | {"optimizer.kind": "adam", "model.hidden": [8, 3]}, None, {}, {"model.hidden": [16, 6]}),
        ("plateau", NET | STORED | {"optimizer.kind": "adam"}, None, {}, {}),
        ("plateau", SCALED | {RATE: 0.01}, ..., {}, {RATE: 0.5}),
        ("plateau", SCALED | {RATE: 0.6}, ..., {}, {RATE: 0.5}),
        ("plateau", SCALED | {"training.batch_size": 4, RATE: 0.01}, ..., {}, {RATE: 0.002}),
        ("plateau", SCALED | {"optimizer.kind": "adam"}, ..., {}, {RATE: 0.02}),
        # A single thing to change.
        ("nan_in_data", {}, None, {}, {"data.missing": "mean"}),
        ("precision", {}, None, {}, TARGETS),
        ("single_rows", {}, None, {}, {"training.batch_size": 20}),
        ("single_rows", {"data.n": 40}, None, {}, {"training.batch_size": 32}),
        ("nan_without_inf", {"optimizer.kind": "adam", "optimizer.eps": 0.0}, None, {}, {"optimizer.eps": 1e-7}),
        ("", RAW_NET, 1.0, {}, {}),
        ("good_start", RAW_NET, 1.0, {}, {}),
    ],
)
def test_a_cause_asks_for_what_its_settings_lack(
    cause: str, settings: dict, edge: float | None, row: dict, advised: dict
) -> None:
    found = remedy(case_of(cause, settings, edge, **row))
    assert found == {key: pytest.approx(value) if isinstance(value, float) else value for key, value in advised.items()}


@pytest.mark.parametrize(
    ("losses", "longer"),
    [
        ((1.0, 0.8, 0.6, 0.5, 0.4), 3),  # ⌈1.5 · (1 + 0.93)⌉ of a tenth that leaves 4/5, and 8 of what is there
        ((1.0, 0.5, 0.2, 0.1, 0.051), 2),
        ((1.0, 0.99, 0.98, 0.97, 0.96), 45),
        ((1.0, 1.0, 1.0, 1.0, 0.9963), 100),  # 81 to go would be 123 times as long
        ((1.0, 0.999, 0.998, 0.9975, 0.997), 8),  # 600 budgets to go: what is asked for is not what it takes
        ((1.0, 0.8, 0.8, 0.8, 0.8), 8),
        ((1.0, 0.8, 0.7, 0.6, 0.7), 8),
    ],
)
@pytest.mark.parametrize(("budget", "made"), [({}, {STEPS: 100}), ({"training.epochs": 30}, {"training.epochs": 30})])
def test_a_longer_training_has_the_budget_that_its_pace_asks_for(
    losses: tuple, longer: int, budget: dict, made: dict
) -> None:
    case = case_of("budget_too_short", NET | budget, None, **dict(zip(MARKS, losses, strict=True)))
    assert remedy(case) == {key: count * longer for key, count in made.items()}


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.15 / 3, 0.05), (0.1 * 0.2, 0.02), (0.0, 0.0), (-0.3, -0.3), (np.inf, np.inf)]
)
def test_rounding_down_takes_a_rounding_for_none_and_leaves_what_has_no_digits(value: float, rounded: float) -> None:
    assert rounded_down(value) == rounded


@pytest.mark.parametrize("module", [by_rule, by_trial])
def test_what_a_change_does_stands_in_one_table(module: ModuleType) -> None:
    """Both rooms that advise take it from there: none of them spells out a setting that is in the table."""
    constants = [value for name, value in vars(changes).items() if name.isupper() and isinstance(value, dict)]
    written = {(key, value) for each in constants for key, value in each.items() if not isinstance(value, list)}
    literals = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Dict)]
    pairs = [pair for each in literals for pair in zip(each.keys, each.values, strict=True)]
    spelled = {(k.value, v.value) for k, v in pairs if isinstance(k, ast.Constant) and isinstance(v, ast.Constant)}
    assert not written & spelled
    assert ("optimizer.decay", 0.0) in spelled or module is by_rule  # the test sees what is spelled out


def test_what_does_not_go_together_with_the_other_settings_is_not_advised() -> None:
    """A start from a file is no random one, and a step is counted in 32 bits."""
    assert remedy(case_of("start_not_finite", NET | STORED, None)) == {}
    assert remedy(case_of("too_slow", NET | {RATE: 0.5, STEPS: 2**30}, 1.0)) == {}


@pytest.mark.parametrize(
    ("settings", "raw"),
    [({}, (True, True)), (INPUTS, (False, True)), (TARGETS, (True, False)), ({"data.slope": 0.1}, (True, False))],
)
def test_columns_are_raw_where_nothing_scales_them_and_they_lie_far_off(settings: dict, raw: tuple) -> None:
    case = case_of("plateau", settings)
    assert (case.raw_inputs, case.raw_targets) == raw


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        ([-2.0, 8.0], True),  # mean 3, deviation 5
        ([-3.1, -3.0], True),
        ([-3.0, -2.9], False),
        ([-3.1, 3.1], True),
        ([-3.0, 3.0], False),
        ([0.0, 0.0598], True),  # deviation 0.0299: its kernel would have to be large
        ([0.0, 0.06], False),
        ([2.9, 2.9], False),  # constant: nothing is to be learned from it
        ([np.nan, 0.0, 1.0], False),
        ([np.nan, 4.0, 4.2], True),
        ([np.nan, -4.0, 4.0], True),
    ],
)
def test_a_column_is_raw_by_its_mean_or_by_its_spread(column: list[float], raw: bool, npz) -> None:
    x = np.stack([np.array(column), np.arange(len(column)) % 2], axis=1)
    data = {"data.kind": "npz", "data.path": npz(x=x, y=np.zeros(len(x))), "data.missing": "keep"}
    assert case_of("plateau", data).raw_inputs == raw
    assert not varies_little(x)[1]


@pytest.mark.parametrize(
    ("settings", "row", "told"),
    [
        ({}, {"r2": 0.5}, f"R² {PERFECT}, 0.75 is what the best line reaches"),
        ({}, {"r2": 0.51}, f"skill {PERFECT}, 0.75 is what the best line reaches"),
        ({}, {"r2": 0.49}, f"skill {PERFECT}, 0.75 is what the best line reaches"),
        ({}, {"loss_floor": np.nan}, f"skill {PERFECT}"),
        ({}, {"loss_floor": 0.0}, f"skill {PERFECT}, and asked for"),
        ({}, {"loss_constant": 0.5}, "(loss 0.5), 1 is perfect, 0.5 is what the best line reaches"),
        ({"outcome.floor": 0.25}, {}, "0.75 is what outcome.floor asks for"),
        (NET, {}, "0.75 is what the best line or the five nearest rows reach"),
        (NET | {"outcome.floor": "affine"}, {}, "0.75 is what the best line reaches"),
    ],
)  # fmt: skip
def test_what_was_learned_stands_beside_what_would_be_enough(settings: dict, row: dict, told: str) -> None:
    (said,) = evidence(case_of("plateau", SCALED | settings, None, skill=0.5, **{"loss_floor": 0.25} | row))
    assert said.endswith(told)


def test_equal_classes_are_told_as_equal_numbers_are(npz) -> None:
    data = {"data.kind": "npz", "data.path": npz(x=np.arange(4.0)[:, None], y=np.ones(4))}
    (said,) = evidence(case_of("plateau", INPUTS | data, None, skill=0.5))
    assert said == "all targets are 1, which a constant answers; skill 0.5 is held against a loss of 1"
    classes = data | {"loss.kind": "sigmoid_cross_entropy"}
    (said,) = evidence(case_of("plateau", INPUTS | classes, None, skill=0.5))
    assert said == "all rows have the same target, which a constant answers; skill 0.5 is held against a loss of 1"


@pytest.mark.parametrize("skill", [None, 0.5])
def test_without_a_constant_answer_s_loss_nothing_is_said_of_what_was_learned(skill: float | None) -> None:
    assert evidence(case_of("plateau", SCALED, None, skill=skill, loss_constant=0.0)) == []


@pytest.mark.parametrize(
    ("cause", "skill", "settings", "said"),
    [
        ("", 0.49, {}, True),
        ("good_start", 0.49, {}, True),
        ("", 0.5, {}, False),
        ("rising", 0.49, {}, False),
        ("", 0.49, NET, False),
        ("", 0.49, {"outcome.floor": 0.25}, False),
    ],
)
def test_a_line_that_explains_less_than_half_is_as_good_as_lines_get(
    cause: str, skill: float, settings: dict, said: bool
) -> None:
    told = evidence(case_of(cause, SCALED | settings, None, skill=skill))
    assert any("as good as a straight line gets" in each for each in told) == said


@pytest.mark.parametrize(
    ("labels", "loss", "share"),
    [
        (["a"] * 5 + ["b"] * 3, "sigmoid_cross_entropy", "62.5%"),
        (["a"] * 3 + ["b"] * 5, "sigmoid_cross_entropy", "62.5%"),
        (["a", "b", "b", "b", "c"], "softmax_cross_entropy", "60.0%"),
    ],
)
def test_an_accuracy_stands_beside_that_of_the_commonest_class(labels: list, loss: str, share: str, npz) -> None:
    data = {"data.kind": "npz", "data.path": npz(x=np.arange(len(labels))[:, None] / 9, y=labels)}
    case = case_of("plateau", data | {"data.target_kind": "class", "loss.kind": loss}, None, accuracy=0.5, skill=0.2)
    told = evidence(case)
    assert told[0] == f"accuracy 50.0%; answering the same to all rows reaches {share}"
    assert "1 is what the best linear classifier reaches" in told[1] or "and asked for" in told[1]


@pytest.mark.parametrize(
    ("cause", "settings", "edge", "told"),
    [
        ("overflow", {RATE: 0.3}, 0.2, ["learning rate 0.3 = 1.5 × the critical one, 0.2 (by hand)"]),
        ("no_movement", {RATE: 0.05}, 0.2, ["learning rate 0.05 = 0.25 × the critical one, 0.2 (by hand)"]),
        ("overflow", {RATE: 0.3}, None, []),
        ("overflow", {RATES: [0.3, 0.3]}, 0.2, []),
        ("plateau", {RATE: 0.3}, 0.2, []),
        ("", {RATE: 0.3}, 0.2, []),
    ],
)
def test_the_rate_stands_beside_the_edge_where_steps_have_part_in_it(
    cause: str, settings: dict, edge: float | None, told: list
) -> None:
    assert evidence(case_of(cause, NET | settings, edge)) == told


@pytest.mark.parametrize(
    ("cause", "rate", "edge", "scale"),
    [
        ("plateau", 0.1, None, True), ("overflow", 0.1, 9.0, True), ("precision", 0.1, 9.0, True),
        ("no_movement", 0.1, 9.0, False), ("nan_in_data", 0.1, 9.0, False), ("", 0.1, None, False),
        ("too_slow", 0.1, None, True), ("too_slow", 0.1, 9.0, False), ("too_slow", 0.6, 1.0, True),
        ("budget_too_short", 0.1, None, False), ("budget_too_short", 0.5, 1.0, False),
        ("budget_too_short", 0.51, 1.0, True),
    ],
)  # fmt: skip
def test_the_data_s_scale_is_told_where_it_may_be_the_reason(
    cause: str, rate: float, edge: float | None, scale: bool
) -> None:
    told = [each for each in evidence(case_of(cause, RAW_NET | {RATE: rate}, edge)) if "not scaled" in each]
    inputs = "inputs are not scaled: 1 to 20, mean 10.5, standard deviation 5.766"
    targets = "targets are not scaled: 0.5 to 10, mean 5.25, standard deviation 2.883"
    assert told == [inputs, targets] * scale


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (([1.0, 2.0], [400.0, 600.0]), "400 to 600 ({1}), mean 500, standard deviation 100"),
        (([-900.0, 900.0], [400.0, 600.0]), "-900 to 900 ({0}), mean 0, standard deviation 900"),
        (([-150.0, 150.0], [400.0, 600.0]), "400 to 600 ({1}), mean 500, standard deviation 100"),
        (([1.0, 2.0], [2.0, 2.02]), "2 to 2.02 ({1}), mean 2.01, standard deviation 0.01"),
        (([1.0, 1.02], [2.0, 2.1]), "1 to 1.02 ({0}), mean 1.01, standard deviation 0.01"),
    ],
)
def test_of_several_columns_the_one_that_is_farthest_off_is_told(columns: tuple, told: str, npz) -> None:
    data = {"data.kind": "npz", "data.path": npz(x=np.transpose(columns), y=[0.0, 100.0])}
    case = case_of("plateau", data, None)
    targets = "targets are not scaled: 0 to 100, mean 50, standard deviation 50"
    assert evidence(case) == [f"inputs are not scaled: {told.format(*case.rows.features)}", targets]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            "vanishing_gradient",
            [
                "the first layer's gradient over the last one's: 0.0012 at the start, 0.00035 at the end",
                "the outputs vary by 0.0068 of what the targets vary by",
            ],
        ),
        ("exploding_gradient", ["at the start the first layer's gradient is 0.00123 times the last one's"]),
        ("constant_answer", ["the outputs vary by 0.0068 of what the targets vary by"]),
        ("plateau", []),
    ],
)
def test_gradients_and_outputs_are_told_of_the_causes_that_hang_on_them(cause: str, told: list) -> None:
    row = {"gradient_ratio_initial": 0.001234, "gradient_ratio": 0.000347, "output_spread": 0.00678}
    assert evidence(case_of(cause, NET, None, **row)) == told


def test_a_gradient_that_is_not_known_is_left_out() -> None:
    row = {"gradient_ratio_initial": None, "gradient_ratio": 0.000347, "output_spread": None}
    told = evidence(case_of("vanishing_gradient", NET, None, **row))
    assert told == ["the first layer's gradient over the last one's: 0.00035 at the end"]


@pytest.mark.parametrize(
    ("settings", "edge", "name"),
    [
        ({}, 1.0, "2/λmax"),
        ({"optimizer.momentum": 0.5}, 1.5, "2(1 + β)/λmax"),
        ({"optimizer.momentum": 0.5, "optimizer.nesterov": True}, 0.75, "(2 + 2β)/((1 + 2β)λmax)"),
        ({"optimizer.momentum": 0.0, "optimizer.nesterov": True}, 1.0, "2/λmax"),
        ({"optimizer.kind": "adam"}, None, ""),
        ({"training.batch_size": 20, "optimizer.schedule": "cosine"}, None, ""),
    ],
)
def test_a_line_s_edge_is_that_of_its_rule(settings: dict, edge: float | None, name: str) -> None:
    """Standardised, its loss has two curvatures of 2."""
    found = case_of("overflow", SCALED | settings).edge
    assert found == (None if edge is None else (pytest.approx(edge), name))


def test_the_edge_of_minibatches_is_that_of_a_typical_run() -> None:
    assert case_of("overflow", SCALED | {"training.batch_size": 4}).edge.name == "above it a typical run grows"


@pytest.mark.parametrize(
    ("settings", "sharpness", "edge"),
    [
        ({}, 4.0, (0.5, "2/λ₀, λ₀ the sharpness at the start")),
        ({"training.batch_size": 4}, 4.0, (0.5, "2/λ₀, λ₀ the sharpness at the start, of all rows")),
        ({"optimizer.momentum": 0.0}, 4.0, (0.5, "2/λ₀, λ₀ the sharpness at the start")),
        ({"optimizer.momentum": 0.5}, 4.0, (0.75, "2(1 + β)/λ₀, λ₀ the sharpness at the start")),
        ({"optimizer.momentum": 1.0}, 4.0, None),
        ({"optimizer.momentum": -0.1}, 4.0, None),
        ({"optimizer.momentum": 0.5, "optimizer.nesterov": True}, 4.0, None),
        ({"optimizer.kind": "adam"}, 4.0, None),
        ({"optimizer.clip_norm": 1.0}, 4.0, None),
        ({}, 0.0, None),
        ({}, -1.0, None),
        ({}, np.nan, None),
    ],
)
def test_a_network_s_edge_follows_from_its_sharpness(
    settings: dict, sharpness: float, edge: tuple | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(columns=lambda *_: {"sharpness": np.array([sharpness])})
    monkeypatch.setattr("nanmap.advice.case.Forecaster", lambda always: found)
    assert case_of("overflow", NET | settings).edge == edge
