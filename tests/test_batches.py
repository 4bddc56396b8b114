"""Which rows an update sees, and each epoch's losses: partial last batches, orders and budgets against a plain NumPy loop."""

from collections.abc import Callable
from itertools import count, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nanmap.engine import vmapped
from nanmap.engine.groups import Advance, assemble, form_groups
from nanmap.plan import Plan, make_sweep
from nanmap.training.order import epoch_order, replacement_rows
from nanmap.training.program import Program
from nanmap.training.records import no_trace
from nanmap.training.start import start
from nanmap.training.state import Batch, Lane, State, Task, Trace
from oracles import epoch_means, flat, mse_and_gradient, random_layers, sliced, train_sgd

N, EPOCHS, RATE = 21, 3, 0.07  # 21 rows: no multiple of the engine's padding, nor of any batch below but 1 and 3
rng = np.random.default_rng(11)
X, Y = rng.standard_normal((N, 2)), rng.standard_normal((N, 2))
BATCHES = (1, 3, 4, N - 1, N, N + 11)


def tree_of(npz, layers: list, activation: str = "tanh", **training: Any) -> dict[str, Any]:
    hidden = [layer["kernel"].shape[1] for layer in layers[:-1]]
    return {
        "data": {"kind": "npz", "path": npz(x=X, y=Y)},
        "model": {"hidden": hidden, "activation": activation, "init": "file", "init_file": npz(**flat(layers))},
        "optimizer": {"learning_rate": RATE},
        "training": {"epochs": EPOCHS, "order": "sequential", "dtype": "float64"} | training,
    }


def key_of(seed: int) -> jax.Array:
    return jnp.array([seed >> 32, seed & 0xFFFFFFFF], jnp.uint32)


def order_of(seed: int, epoch: int, n: int = N, capacity: int = N, *, x64: bool = True) -> np.ndarray:
    with jax.enable_x64(x64):
        return np.asarray(epoch_order(key_of(seed), jnp.int32(epoch), jnp.int32(n), capacity))


def drawn_rows(seed: int, step: int, batch: int, *, x64: bool = True) -> np.ndarray:
    with jax.enable_x64(x64):
        return np.asarray(replacement_rows(key_of(seed), jnp.int32(step), jnp.int32(N), batch))


def assert_trained_like(
    report, layers: list, batches: list[np.ndarray], per_epoch: int, activation: str = "tanh"
) -> None:
    """Parameters, epochs' mean and last losses, and the losses over all rows at both ends."""
    final, losses = train_sgd(layers, X, Y, batches, RATE, activation)
    for name, values in flat(final).items():
        np.testing.assert_allclose(report.params[name], values, rtol=1e-11, atol=1e-13, err_msg=name)
    assert len(report.epochs) == -(-len(batches) // per_epoch)
    np.testing.assert_allclose(
        [each.mean_loss for each in report.epochs], epoch_means(losses, batches, per_epoch), rtol=1e-11
    )
    last = [losses[min(end, len(losses)) - 1] for end in range(per_epoch, len(losses) + per_epoch, per_epoch)]
    np.testing.assert_allclose([each.last_loss for each in report.epochs], last, rtol=1e-11)
    for name, at in (("loss_initial", layers), ("loss_final", final)):
        assert report.row[name] == pytest.approx(mse_and_gradient(at, X, Y, activation)[0], rel=1e-11)
    assert report.row["steps_run"] == len(batches)


@pytest.mark.parametrize("batch", BATCHES)
def test_linear_model_in_order_follows_the_loop(batch: int, npz, train) -> None:
    layers = random_layers([2, 2], seed=1)
    epoch = sliced(np.arange(N), batch)
    assert_trained_like(train(tree_of(npz, layers, batch_size=batch)), layers, epoch * EPOCHS, len(epoch))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("batch", [4, 32])
def test_two_hidden_layers_follow_the_loop(batch: int, activation: str, npz, train) -> None:
    layers = random_layers([2, 5, 3, 2], seed=2)
    epoch = sliced(np.arange(N), batch)
    report = train(tree_of(npz, layers, activation, batch_size=batch))
    assert_trained_like(report, layers, epoch * EPOCHS, len(epoch), activation)


@pytest.mark.parametrize(("batch", "steps"), [(4, 8), (4, 6), (32, 5), (1, 30)])
def test_a_budget_of_updates_may_end_within_an_epoch(batch: int, steps: int, npz, train) -> None:
    layers = random_layers([2, 2], seed=1)
    tree = tree_of(npz, layers, batch_size=batch, steps=steps)
    del tree["training"]["epochs"]
    epoch = sliced(np.arange(N), batch)
    assert_trained_like(train(tree), layers, (epoch * steps)[:steps], len(epoch))


@pytest.mark.parametrize("stretched", [False, True], ids=["one by one", "in stretches"])
@pytest.mark.parametrize("batch", [8, 3], ids=["full", "minibatches"])
def test_the_longest_budget_comes_to_its_end(batch: int, stretched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    last, steps, loops = 2**31 - 1, [], count()
    tree = {"data": {"kind": "line", "n": 8}, "training": {"steps": last, "batch_size": batch, "order": "sequential"}}
    plan = Plan(make_sweep(tree, []))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(1)))
    call = assemble(lanes, [np.array([0])], 1, 1, lambda budget: Advance(budget - 5, budget), fresh=True)
    group = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), call.groups)
    parameters, model_state = start(**lanes.starts(np.array([0])))

    def only_count(
        program: Program, lane: Lane, task: Task, state: State, batch: Batch, step: jax.Array, **others: None
    ) -> State:
        steps.append(int(step))
        assert len(steps) < 9, "it never ends"
        return state

    def few(loop: Callable, carry: Any) -> Any:
        assert next(loops) < 9, "it never ends"
        return loop(carry)

    def only_step(program: Program, *others: Any, **named: Any) -> tuple[State, Trace]:
        state = only_count(program, *others, **named)
        return state._replace(losses=state.losses._replace(batch=0.0)), no_trace(program)

    monkeypatch.setattr(vmapped, *(("advance", only_step) if stretched else ("update", only_count)))
    if not stretched:
        monkeypatch.setattr(vmapped, "in_kernels", few)
    monkeypatch.setattr(vmapped, "assess", lambda program, lane, task, state, mark, event, **others: state)
    with jax.disable_jit():  # so that the loops are Python's, and what they call can end them
        vmapped.train_group(lanes.program, group, State(parameters, model_state, *[None] * 4), run_loop=few)
    assert steps == list(range(last - 5, last))


@pytest.mark.parametrize("seed", [0, 3, 2**33 + 1])
@pytest.mark.parametrize("batch", [1, 4])
def test_shuffled_epochs_are_slices_of_one_permutation_per_epoch(batch: int, seed: int, npz, train) -> None:
    layers = random_layers([2, 2], seed=1)
    orders = [order_of(seed, epoch) for epoch in range(EPOCHS)]
    batches = [rows for order in orders for rows in sliced(order, batch)]
    report = train(tree_of(npz, layers, batch_size=batch, order="shuffle", seed=seed))
    assert_trained_like(report, layers, batches, -(-N // batch))


@pytest.mark.parametrize("batch", [3, 4])
def test_rows_drawn_with_replacement_fill_every_batch(batch: int, npz, train) -> None:
    layers = random_layers([2, 2], seed=1)
    per_epoch = -(-N // batch)
    batches = [drawn_rows(5, step, batch) for step in range(EPOCHS * per_epoch)]
    assert all(len(rows) == batch for rows in batches)
    report = train(tree_of(npz, layers, batch_size=batch, order="replacement", seed=5))
    assert_trained_like(report, layers, batches, per_epoch)


@pytest.mark.parametrize("batch", [4, 32])
def test_output_gradient_is_clipped_after_the_division_by_the_batch(batch: int, npz, train) -> None:
    layers, bound = random_layers([2, 2], seed=1, scale=3.0), 0.02
    tree = tree_of(npz, layers, batch_size=batch)
    tree["optimizer"]["clip_output_gradient"] = bound
    epoch = sliced(np.arange(N), batch) * EPOCHS
    clipped, losses = train_sgd(layers, X, Y, epoch, RATE, clip_output=bound)
    report = train(tree)
    np.testing.assert_allclose(
        [each.mean_loss for each in report.epochs], epoch_means(losses, epoch, len(epoch) // EPOCHS), rtol=1e-11
    )
    np.testing.assert_allclose(report.params["layers.0.kernel"], clipped[0]["kernel"], rtol=1e-11)


@pytest.mark.parametrize("capacity", [N, N + 1, 32, 100])
def test_the_order_is_a_permutation_that_padding_does_not_change(capacity: int) -> None:
    for epoch in (0, 1, 50):
        order = order_of(9, epoch, capacity=capacity)
        assert sorted(order[:N]) == list(range(N))
        assert sorted(order[N:]) == list(range(N, capacity))
        assert order[:N].tolist() == order_of(9, epoch).tolist()


def test_beyond_4096_rows_all_random_bits_count_and_padding_still_changes_nothing() -> None:
    n = 5000
    bits = np.asarray(jax.random.bits(jax.random.fold_in(key_of(9), 3), (n,), jnp.uint32))
    upper = bits >> 12  # what is left of them where the index stands in the others
    assert len(np.unique(bits)) == n > len(np.unique(upper))
    assert order_of(9, 3, n, n).tolist() == np.argsort(bits).tolist()
    assert order_of(9, 3, 4096, n)[:4096].tolist() == np.argsort(upper[:4096], kind="stable").tolist()


def test_orders_differ_between_epochs_and_seeds_and_favour_no_row() -> None:
    orders = {(seed, epoch): tuple(order_of(seed, epoch, 6, 6)) for seed in range(40) for epoch in range(5)}
    assert len(set(orders.values())) > 150  # of 200 draws from 720 permutations some coincide
    firsts = np.bincount([order[0] for order in orders.values()], minlength=6)
    assert firsts.min() > 15
    assert firsts.max() < 60


def test_draws_with_replacement_are_one_stream_cut_into_batches() -> None:
    stream = [
        np.concatenate([drawn_rows(2, step, batch) for step in range(24 // batch)]).tolist() for batch in (1, 3, 8)
    ]
    assert stream[0] == stream[1] == stream[2]
    assert len(set(stream[0])) < 24
    assert set(stream[0]) <= set(range(N))


def test_the_order_is_the_same_in_float32_and_float64_programs() -> None:
    assert order_of(4, 0, x64=True).tolist() == order_of(4, 0, x64=False).tolist()
    assert drawn_rows(4, 0, 8, x64=True).tolist() == drawn_rows(4, 0, 8, x64=False).tolist()


def test_validation_losses_are_taken_after_each_epoch(npz, train) -> None:
    layers = random_layers([2, 3, 2], seed=4)
    tree = tree_of(npz, layers, batch_size=5)
    tree["data"]["validation_split"] = 0.3
    kept = 14  # floor(21 · 0.7)
    state, expected = layers, []
    for _ in range(EPOCHS):
        state, _ = train_sgd(state, X[:kept], Y[:kept], sliced(np.arange(kept), 5), RATE)
        expected.append(mse_and_gradient(state, X[kept:], Y[kept:])[0])
    report = train(tree)
    np.testing.assert_allclose([each.val_loss for each in report.epochs], expected, rtol=1e-11)
    assert report.row["val_loss_final"] == pytest.approx(expected[-1], rel=1e-11)


SEEDS, RATES = [0, 3, 2**33 + 1], [0.02, 0.07]
CROWD = [{"key": "optimizer.learning_rate", "values": RATES}, {"key": "training.seed", "values": SEEDS}]


def batches_of(order: str, seed: int, batch: int) -> list[np.ndarray]:
    if order == "replacement":
        return [drawn_rows(seed, step, batch) for step in range(EPOCHS * -(-N // batch))]
    return [rows for epoch in range(EPOCHS) for rows in sliced(order_of(seed, epoch), batch)]


@pytest.mark.parametrize("order", ["shuffle", "replacement"])
@pytest.mark.parametrize(("sides", "batch"), [([2, 5, 2], 4), ([2, 2], 4), ([2, 5, 2], 1)])
def test_lanes_of_one_group_take_their_rows_each_in_its_own_order(
    order: str, sides: list[int], batch: int, npz, engine, columns
) -> None:
    layers = random_layers(sides, seed=1)
    tree = tree_of(npz, layers, batch_size=batch, order=order)
    plan = Plan(make_sweep(tree, CROWD))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(6)))
    (group,) = engine.groups(lanes)
    assert lanes.seed[group].tolist() == np.repeat(SEEDS, 2).tolist()
    found = columns(tree, CROWD)["loss_final"]
    for cell, (rate, seed) in enumerate(product(RATES, SEEDS)):
        final, _ = train_sgd(layers, X, Y, batches_of(order, seed, batch), rate)
        assert found[cell] == pytest.approx(mse_and_gradient(final, X, Y)[0], rel=1e-11), (rate, seed)


def test_cells_that_are_finished_stand_behind_the_others_whatever_their_order() -> None:
    plan = Plan(make_sweep({"data": {"kind": "line", "n": 9}, "training": {"steps": 3, "batch_size": 2}}, CROWD))
    (lanes,) = plan.lanes(
        plan.grid.cells(np.arange(6))
    )  # cell by cell: seeds 0, 3, 2³³ + 1 at one rate, then at the other
    finished = np.array([True, False, False, False, True, False])
    groups = form_groups(lanes, 4, last=finished, together=1)
    assert [each.tolist() for each in groups] == [[3, 1, 2, 5], [0, 4]]
    made = assemble(lanes, groups, 4, 2, lambda steps: Advance(0, steps), fresh=True, together=1).groups.orders
    assert made.count.tolist() == [3, 2]
    assert made.which.tolist() == [[0, 1, 2, 2], [0, 1, 1, 1]]
    for slot, seeds in enumerate([SEEDS, [0, 3]]):
        assert made.keys[slot, : len(seeds)].tolist() == [key_of(seed).tolist() for seed in seeds]


@pytest.mark.parametrize(
    ("order", "together", "seeds"),
    [("sequential", 64, 3), ("shuffle", 64, 1), ("replacement", 64, 1), ("shuffle", 32, 2), ("shuffle", 1, 3)],
)
def test_cells_share_a_group_and_its_batches_only_if_these_are_theirs(order: str, together: int, seeds: int) -> None:
    tree = {"data": {"kind": "line", "n": 9}, "training": {"steps": 3, "batch_size": 2, "order": order}}
    axes = [{"key": "training.seed", "range": [0, 3]}, {"key": "optimizer.learning_rate", "values": [0.1, 0.2]}]
    plan = Plan(make_sweep(tree, axes))
    (lanes,) = plan.lanes(plan.grid.cells(np.arange(6)))
    groups = form_groups(lanes, 64, together=together)
    assert max(len(np.unique(lanes.seed[group])) for group in groups) == seeds
    assert sorted(np.concatenate(groups).tolist()) == list(range(6))
