"""What losses are held against: the best constant, the best line or border, the five nearest rows; by plain loops and searches."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from nanmap.config.choices import LossKind, names
from nanmap.data.references.classifier import classifier_loss
from nanmap.data.references.constant import CENTRES, loss_constant
from nanmap.data.references.floor import affine_floor, network_floor
from nanmap.data.references.line import WEIGHTS, line_loss
from nanmap.data.references.neighbours import neighbours_loss
from nanmap.data.references.values import VALUES
from nanmap.data.rows import Rows
from nanmap.training.losses import POINTWISE

RNG = np.random.default_rng(7)
DELTA = 0.4
NUMBERS = RNG.standard_exponential((40, 2)) * [1, 20]
CLASSES = np.eye(3)[RNG.choice(3, 40, p=[0.6, 0.3, 0.1])]


def rows_of(targets: np.ndarray, inputs: np.ndarray | None = None) -> Rows:
    inputs = np.zeros((len(targets), 1)) if inputs is None else np.asarray(inputs, float)
    none = np.zeros((0, 1))
    return Rows(inputs.reshape(len(targets), -1), np.asarray(targets, float), none, none)


def targets_of(loss: str) -> np.ndarray:
    return {"softmax_cross_entropy": CLASSES, "sigmoid_cross_entropy": CLASSES[:, :1]}.get(loss, NUMBERS)


def searched(loss: str, targets: np.ndarray) -> float:
    """Loss of the best constant output, by a search that knows no formula."""
    value = lambda output: VALUES[loss](np.broadcast_to(output, targets.shape), targets, DELTA).mean()  # noqa: E731
    options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-10, "fatol": 1e-13}
    return min(
        minimize(value, start, method="Nelder-Mead", options=options).fun
        for start in (np.zeros(targets.shape[1]), targets.mean(axis=0), np.median(targets, axis=0))
    )


@pytest.mark.parametrize("loss", names(LossKind))
def test_a_loss_in_numpy_is_that_of_training(loss: str) -> None:
    assert set(VALUES) == set(POINTWISE), "add it to VALUES in nanmap/data/references/values.py"
    output, target = RNG.standard_normal((40, targets_of(loss).shape[1])), targets_of(loss)
    trained = np.asarray(POINTWISE[loss](output.T.astype("f4"), target.T.astype("f4"), np.float32(DELTA)))
    assert np.mean(VALUES[loss](output, target, DELTA)) == pytest.approx(trained.mean(), rel=1e-5)


@pytest.mark.parametrize("loss", names(LossKind))
def test_no_constant_answer_is_better(loss: str) -> None:
    found, best = loss_constant(rows_of(targets_of(loss)), loss, DELTA), searched(loss, targets_of(loss))
    assert best * (1 - 1e-9) <= best <= found * (1 + 1e-9)
    assert found == pytest.approx(best, rel=1e-7)
    assert (loss in CENTRES) == ("entropy" not in loss)


def test_equal_targets_are_held_against_answering_zero_and_zeros_against_answering_one() -> None:
    third = np.full((9, 1), 0.1 + 0.2)  # whose mean is not what they are
    assert loss_constant(rows_of(third), "mse") == pytest.approx(0.3**2)
    assert loss_constant(rows_of(np.zeros((9, 1))), "mae") == 1
    assert loss_constant(rows_of(np.ones((9, 1))), "sigmoid_cross_entropy") == pytest.approx(np.log(2))
    assert loss_constant(rows_of(np.eye(4)[[2] * 9]), "softmax_cross_entropy") == pytest.approx(np.log(4))
    assert affine_floor(rows_of(third), "mse") == network_floor(rows_of(np.tile(third, (4, 1))), "mse") == 0


def test_of_several_outputs_each_counts_alike() -> None:
    inputs = RNG.standard_normal((40, 2))
    for loss in ("sigmoid_cross_entropy", "mse", "huber"):
        targets = CLASSES if loss == "sigmoid_cross_entropy" else NUMBERS
        for reference in (loss_constant, affine_floor, neighbours_loss):
            alone = [reference(rows_of(column[:, None], inputs), loss, DELTA) for column in targets.T]
            assert reference(rows_of(targets, inputs), loss, DELTA) == pytest.approx(np.mean(alone), rel=1e-9)


def test_of_rows_that_hold_shares_of_classes_none_is_a_constant_answer_better() -> None:
    shares = CLASSES * [1.0, 2.0, 0.5] + 0.1
    found = loss_constant(rows_of(shares), "softmax_cross_entropy")
    assert found == pytest.approx(searched("softmax_cross_entropy", shares), rel=1e-7)
    assert classifier_loss(rows_of(shares), "softmax_cross_entropy") == pytest.approx(found, rel=1e-7)


def test_of_equal_rows_that_are_not_all_zeros_the_answer_is_zero() -> None:
    assert loss_constant(rows_of(np.tile([0.0, 3.0], (4, 1))), "mse") == 4.5


@pytest.mark.parametrize("reference", [loss_constant, affine_floor, network_floor, neighbours_loss])
@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_an_infinity_leaves_no_reference(reference: Callable[..., float], loss: str) -> None:
    targets = np.where(np.arange(40)[:, None] == 3, np.inf, NUMBERS)
    assert np.isnan(reference(rows_of(targets, RNG.standard_normal((40, 2))), loss, DELTA))


@pytest.mark.parametrize("reference", [affine_floor, network_floor, neighbours_loss])
@pytest.mark.parametrize("loss", ["mse", "mae", "softmax_cross_entropy"])
@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_a_gap_in_the_inputs_leaves_none_either(reference: Callable[..., float], loss: str, gap: float) -> None:
    inputs = np.where(np.arange(40) == 3, gap, RNG.standard_normal(40))
    assert np.isnan(reference(rows_of(targets_of(loss), inputs), loss, DELTA))


@pytest.mark.parametrize("reference", [loss_constant, affine_floor, network_floor])
def test_a_gap_leaves_no_reference(reference: Callable[..., float]) -> None:
    targets = np.where(np.arange(40)[:, None] == 3, np.nan, NUMBERS)
    assert np.isnan(reference(rows_of(targets, RNG.standard_normal((40, 2))), "mse", DELTA))


def test_a_line_is_fitted_to_every_loss_of_numbers() -> None:
    bent = {loss for loss in CENTRES if loss not in ("mse", "half_mse")}
    assert set(WEIGHTS) == bent, (
        "nanmap/data/references/line.py fits lines to the losses of numbers that are not squared"
    )


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_the_best_line_does_not_hang_on_the_units_of_its_columns(loss: str) -> None:
    inputs = RNG.standard_normal((40, 2))
    targets = NUMBERS + 20 * inputs
    fitted = line_loss(rows_of(targets, inputs), loss, DELTA)
    assert line_loss(rows_of(targets, inputs * [1e-12, 1e12]), loss, DELTA) == pytest.approx(fitted, rel=1e-6)
    assert fitted < 0.7 * loss_constant(rows_of(targets), loss, DELTA), "else the columns say nothing"


@pytest.mark.parametrize("size", [1e-20, 1e-12, 1e6])
def test_the_best_line_of_a_few_far_off_does_not_hang_on_the_unit_of_the_target(size: float) -> None:
    inputs = RNG.standard_normal((40, 1))
    targets = 2 * inputs + 0.1 * RNG.standard_normal((40, 1))
    targets[:5] += 20  # these a squared loss would give in to
    for loss, power in (("mae", 1), ("huber", 2)):
        fitted = line_loss(rows_of(targets, inputs), loss, DELTA)
        found = line_loss(rows_of(targets * size, inputs), loss, DELTA * size)
        assert found / size**power == pytest.approx(fitted, rel=1e-6)


def test_two_groups_have_the_border_of_their_counts() -> None:
    """With one input of two values a linear classifier is free in each: the entropies of the two groups."""
    inputs, classes = np.repeat([5.0, -3e4], [30, 20]), np.zeros(50)
    classes[:12] = classes[30:45] = 1
    entropy = lambda p: -(p * np.log(p) + (1 - p) * np.log(1 - p))  # noqa: E731
    expected = (30 * entropy(12 / 30) + 20 * entropy(15 / 20)) / 50
    assert classifier_loss(rows_of(classes[:, None], inputs), "sigmoid_cross_entropy") == pytest.approx(
        expected, rel=1e-9
    )
    both = np.stack([classes, 1 - classes], axis=1)
    assert classifier_loss(rows_of(both, inputs), "softmax_cross_entropy") == pytest.approx(expected, rel=1e-9)


def test_badly_scaled_columns_have_the_border_that_a_search_finds() -> None:
    inputs = RNG.standard_normal((40, 2))
    inputs[:, 1] += inputs[:, 0]
    weights = minimize(
        lambda w: VALUES["softmax_cross_entropy"](np.c_[inputs, np.ones(40)] @ w.reshape(3, 3), CLASSES, 1.0).mean(),
        np.zeros(9),
        method="BFGS",
    )
    ugly = inputs * [1e-5, 1e5] + [3e-5, 1e7]
    assert classifier_loss(rows_of(CLASSES, ugly), "softmax_cross_entropy") == pytest.approx(weights.fun, rel=1e-5)


def test_classes_that_a_border_parts_leave_nothing() -> None:
    inputs = RNG.standard_normal((60, 2))
    side = (inputs @ [1.0, -2.0] > 0.1).astype(float)
    assert classifier_loss(rows_of(side[:, None], inputs), "sigmoid_cross_entropy") == 0
    assert classifier_loss(rows_of(np.eye(2)[side.astype(int)], inputs), "softmax_cross_entropy") == 0
    ring = (np.sum(inputs**2, axis=1) < 1).astype(float)
    assert classifier_loss(rows_of(ring[:, None], inputs), "sigmoid_cross_entropy") > 0.3


def test_a_border_is_found_between_columns_that_are_nearly_the_same() -> None:
    inputs, apart = RNG.standard_normal((2, 60))
    side = (apart > 0).astype(float)[:, None]
    assert classifier_loss(rows_of(side, np.c_[inputs, inputs + 1e-4 * apart]), "sigmoid_cross_entropy") == 0


def test_inputs_that_say_nothing_part_no_classes() -> None:
    labels = np.arange(8) % 2
    assert classifier_loss(rows_of(labels[:, None]), "sigmoid_cross_entropy") == pytest.approx(np.log(2))
    assert classifier_loss(rows_of(np.eye(2)[labels]), "softmax_cross_entropy") == pytest.approx(np.log(2))


def test_shares_of_classes_are_never_parted() -> None:
    """Shares that follow a border exactly leave their own entropy; rows of two classes the choice between them."""
    x = np.linspace(0.5, 3, 20)
    share = 1 / (1 + np.exp(-x))
    entropy = -np.mean(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert classifier_loss(rows_of(share[:, None], x), "sigmoid_cross_entropy") == pytest.approx(entropy, rel=1e-6)
    two = np.where(np.arange(20)[:, None] < 10, [1.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    assert classifier_loss(rows_of(two, np.arange(20) - 9.5), "softmax_cross_entropy") == pytest.approx(
        np.log(2), rel=1e-3
    )


def test_numbers_too_large_to_be_squared_leave_an_infinite_loss_and_their_inputs_the_same_neighbours() -> None:
    assert loss_constant(rows_of(np.array([[1e200], [-1e200]])), "mse") == np.inf
    inputs = RNG.standard_normal((40, 2))
    far = rows_of(NUMBERS, inputs * [2.0**700, 2.0**-700])
    assert neighbours_loss(far, "mse") == neighbours_loss(rows_of(NUMBERS, inputs), "mse")


def five_nearest(inputs: np.ndarray, row: int) -> list[int]:
    spread = [np.std(column) or 1 for column in inputs.T]
    far = {
        other: sum(((inputs[row, k] - inputs[other, k]) / spread[k]) ** 2 for k in range(inputs.shape[1]))
        for other in range(len(inputs))
        if other != row
    }
    return sorted(far, key=lambda other: (far[other], other))[:5]


@pytest.mark.parametrize("loss", ["mse", "half_mse", "mae", "huber"])
def test_the_nearest_rows_answer_their_mean_or_their_median(loss: str) -> None:
    inputs = RNG.integers(0, 4, (40, 3)) * [1.0, 50.0, 0.0]  # many at one distance, one column constant
    answer = np.mean if "mse" in loss else np.median
    answers = np.array([answer(NUMBERS[five_nearest(inputs, row)], axis=0) for row in range(40)])
    expected = VALUES[loss](answers, NUMBERS, DELTA).mean()
    assert neighbours_loss(rows_of(NUMBERS, inputs), loss, DELTA) == pytest.approx(expected, rel=1e-12)


def test_the_nearest_rows_answer_shares_of_classes() -> None:
    inputs = RNG.standard_normal((40, 2))
    shares = CLASSES.mean(axis=0)
    told = [(CLASSES[five_nearest(inputs, row)].sum(axis=0) + shares) / 6 for row in range(40)]
    softmax = -np.mean([np.log(each @ target) for each, target in zip(told, CLASSES, strict=True)])
    assert neighbours_loss(rows_of(CLASSES, inputs), "softmax_cross_entropy") == pytest.approx(softmax, rel=1e-12)
    first, hit = np.array(told)[:, 0], CLASSES[:, 0] == 1
    sigmoid = -np.mean(np.log(np.where(hit, first, 1 - first)))
    assert neighbours_loss(rows_of(CLASSES[:, :1], inputs), "sigmoid_cross_entropy") == pytest.approx(
        sigmoid, rel=1e-12
    )


def test_of_many_rows_two_thousand_are_looked_at() -> None:
    inputs = np.linspace(-3, 3, 3000)[:, None]
    drawn = np.sort(np.random.default_rng(0).choice(3000, 2000, replace=False))
    few = neighbours_loss(rows_of(inputs[drawn] ** 2, inputs[drawn]), "mse")
    assert neighbours_loss(rows_of(inputs**2, inputs), "mse") == few


def test_a_network_is_held_against_the_better_of_line_and_neighbours() -> None:
    inputs = RNG.uniform(-2, 2, (200, 1))
    line, bowl, noise = 3 * inputs + 1, inputs**2, RNG.standard_normal((200, 1))
    assert network_floor(rows_of(line, inputs), "mse") == line_loss(rows_of(line, inputs), "mse")
    assert network_floor(rows_of(bowl, inputs), "mse") == neighbours_loss(rows_of(bowl, inputs), "mse")
    assert network_floor(rows_of(noise, inputs), "mse") == 0 < line_loss(rows_of(noise, inputs), "mse")
    assert (
        network_floor(rows_of(bowl[:29], inputs[:29]), "mse")
        == 0
        < network_floor(rows_of(bowl[:30], inputs[:30]), "mse")
    )


@pytest.mark.parametrize("delta", [0.1, 10.0])
@pytest.mark.parametrize("size", [1.0, 40.0])
def test_a_network_s_floor_is_judged_by_the_loss_s_own_delta(delta: float, size: float) -> None:
    x = np.linspace(-3, 3, 60)
    wave = size * np.sin(3 * x)
    rows = rows_of(wave[:, None], x)
    near = np.argsort(np.abs(x[:, None] - x) + np.diag(np.full(60, np.inf)), axis=1, kind="stable")[:, :5]
    left = np.abs(np.median(wave[near], axis=1) - wave)
    answered = np.where(left <= delta, left**2 / 2, delta * (left - delta / 2)).mean()
    assert answered < affine_floor(rows, "huber", delta)
    assert network_floor(rows, "huber", delta) == pytest.approx(answered, rel=1e-12)
    line = rows_of(wave[:, None] + 500 * x[:, None], x)
    assert network_floor(line, "huber", delta) == affine_floor(line, "huber", delta) == line_loss(line, "huber", delta)


@pytest.mark.parametrize("changed", range(4))
def test_rows_are_equal_where_all_their_numbers_are(changed: int) -> None:
    arrays = [np.ones((3, 1)), np.ones((3, 1)), np.ones((2, 1)), np.ones((2, 1))]
    others = [each + (place == changed) for place, each in enumerate(arrays)]
    assert Rows(*arrays) == Rows(*(each.copy() for each in arrays))
    assert Rows(*arrays) != Rows(*others)


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("middle", [1e15, -3e12, 7.3e8])
def test_a_line_is_fitted_to_columns_far_from_zero(loss: str, middle: float) -> None:
    steps = np.arange(40.0)
    near = np.stack([steps, steps % 7], axis=1)
    target = (near @ [2.0, -1.0] + np.tile([0.5, -0.5], 20))[:, None]
    assert line_loss(rows_of(target, near + middle), loss) == pytest.approx(
        line_loss(rows_of(target, near), loss), rel=1e-6
    )


def test_a_line_is_fitted_from_end_to_end_of_the_numbers_there_are() -> None:
    column = np.array([[-1.7e308], [0.0], [1.7e308]])
    assert line_loss(rows_of([[-1.0], [0.0], [1.0]], column), "mse") < 1e-20
