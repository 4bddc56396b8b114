"""PyTorch modules as networks of one's own, held against the loop that PyTorch's documentation writes."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.models.own.torch_model import values_of
from own_loops import SMALLER, assert_example_trains, assert_maps, notebook_cell

torch = pytest.importorskip("torch", reason="pip install 'nanmap[torch]'")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torchax

ROWS, BATCH, EPOCHS, CLASSES = 21, 8, 5, 3
rng = np.random.default_rng(8)
X = rng.standard_normal((ROWS, 2, 6, 6)).astype(np.float32)
Y = np.arange(ROWS) % CLASSES

FACTORY = """
import torch


def build(units=4):
    conv = torch.nn.Conv2d(2, units, 3, padding=1, bias=False)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(units), torch.nn.Flatten(), torch.nn.Linear(36 * units, 3))
"""


@pytest.fixture
def torchax() -> Any:
    """For this PyTorch it cannot be had where importing it fails."""
    try:
        import torchax
    except Exception:
        pytest.skip("torchax is not installed, or not for this PyTorch: pip install 'nanmap[torch]'")
    return torchax


def network(*more: Any, momentum: float | None = 0.1) -> Any:
    # A bias before batch norm has no gradient but rounding errors, and Adam makes whole steps of them.
    torch.manual_seed(1)
    conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(4, momentum=momentum)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), *more, nn.Linear(36, CLASSES))


def looped(
    module: Any, optimizer: Callable[[Any], Any], epochs: int = EPOCHS, rows: tuple[Any, Any] = (X, Y)
) -> tuple[Any, list[float]]:
    """What a plain loop makes of a copy of the module, and the mean loss of each epoch."""
    module, loss, told = copy.deepcopy(module), nn.CrossEntropyLoss(), []
    rule = optimizer(module.parameters())
    module.train()
    for _ in range(epochs):
        total = 0.0
        for first in range(0, ROWS, BATCH):
            x, y = (torch.tensor(each[first : first + BATCH]) for each in rows)
            rule.zero_grad()
            value = loss(module(x), y)
            value.backward()
            rule.step()
            total += value.item() * len(x)
        told.append(total / ROWS)
    return module.eval(), told


def at_rest(module: Any) -> float:
    module.eval()
    with torch.no_grad():
        return nn.functional.cross_entropy(module(torch.tensor(X)), torch.tensor(Y)).item()


def given(module: Any, optimizer: Any = None, loss: Any = None) -> Any:
    optimizer = optimizer or torch.optim.SGD(module.parameters(), 0.05)
    return nanmap.from_torch(module, optimizer=optimizer, loss=loss or nn.CrossEntropyLoss())


def run(config: Any, engine: LocalEngine, **settings: Any) -> Any:
    return nanmap.run(config, **({"x": X, "y": Y, "batch_size": BATCH, "epochs": EPOCHS, "engine": engine} | settings))


def losses(report: Any) -> list[float]:
    return [each.mean_loss for each in report.epochs]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "nesterov": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    "adamax": lambda p: torch.optim.Adamax(p, 0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_module_has_the_losses_of_a_plain_loop(name: str, torchax: Any, engine: LocalEngine) -> None:
    module, optimizer = network(), OPTIMIZERS[name]
    report = run(given(module, optimizer(module.parameters())), engine)
    assert module.training  # as it was
    after, told = looped(module, optimizer)
    np.testing.assert_allclose(losses(report), told, rtol=1e-5)
    for key, value in after.state_dict().items():
        ours = report.params[key] if key in report.params else report.params[f"state/{key}"]
        np.testing.assert_allclose(ours, value.numpy(), rtol=1e-4, atol=1e-5, err_msg=key)
    assert report.row["loss_final"] == pytest.approx(at_rest(after), rel=1e-5)


def test_running_statistics_may_be_means_of_all_batches(torchax: Any, engine: LocalEngine) -> None:
    module = network(momentum=None)
    after, _ = looped(module, OPTIMIZERS["sgd"])
    found = run(given(module), engine).params
    np.testing.assert_allclose(found["state/1.running_mean"], after[1].running_mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["state/1.running_var"], after[1].running_var, rtol=1e-4)


def test_buffers_that_forward_sets_are_kept(torchax: Any, engine: LocalEngine) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(72, CLASSES)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: Any) -> Any:
            if self.training:
                self.seen = self.seen + len(x)
            return self.out(x.flatten(1))

    module = Counting().eval()
    assert run(given(module), engine).params["state/seen"] == EPOCHS * ROWS
    assert module.seen == 0
    assert not module.training


def test_weights_are_not_read_while_another_thread_traces(torchax: Any, engine: LocalEngine) -> None:
    """A pass has tracers in their place, and which thread first asks for a network is nobody's choice."""
    readers: list[Any] = []
    found: list[Any] = []

    class Watched(nn.Linear):
        def forward(self, x: Any) -> Any:
            if not readers:
                readers.append(Thread(target=lambda: found.append(values_of(self))))
                readers[0].start()
                readers[0].join(0.3)  # time to read them now, which it must not
            return super().forward(x)

    module = Watched(4, CLASSES)
    run(given(module), engine, x=rng.standard_normal((ROWS, 4)), epochs=1)
    readers[0].join()
    np.testing.assert_array_equal(found[0][0]["weight"], module.weight.detach())


def test_seed_0_is_the_module_as_it_is_and_others_are_drawn_anew(torchax: Any, engine: LocalEngine) -> None:
    module = network()
    looped(module, OPTIMIZERS["sgd"])
    before, weights = torch.random.get_rng_state(), copy.deepcopy(module.state_dict())
    axes = {"training.seed": [0, 2, 3]}
    rows = nanmap.sweep(given(module), axes, x=X, y=Y, batch_size=BATCH, epochs=1, engine=engine).to_pandas()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(weights[key], value) for key, value in module.state_dict().items())
    assert rows.loss_initial.nunique() == 3
    assert rows.loss_initial[0] == pytest.approx(at_rest(module), rel=1e-6)
    torch.manual_seed(2)
    for part in module:
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    assert rows.loss_initial[1] == pytest.approx(at_rest(module), rel=1e-6)


def test_modules_that_print_the_same_and_have_the_same_weights_are_told_apart(
    torchax: Any, engine: LocalEngine
) -> None:
    """The heads of an attention, what `forward` says, and functions that a module holds are in nothing that it prints."""

    def attention(heads: int) -> Any:
        torch.manual_seed(0)
        return nn.TransformerEncoderLayer(4, heads, 8, dropout=0.0, batch_first=True)

    def written_again(factor: int) -> Any:
        class Net(nn.Linear):
            def forward(self, x: Any) -> Any:
                return super().forward(x) * factor

        torch.manual_seed(0)
        return Net(4, 4)

    class Holder:
        def __init__(self, factor: float) -> None:
            self.factor = factor

    def holding(factor: float) -> Any:
        torch.manual_seed(0)
        module = nn.Linear(4, 4)
        module.held = Holder(factor)  # which nobody looks into
        module.register_forward_hook(lambda module, given, output: output * module.held.factor)
        return module

    x = rng.standard_normal((8, 3, 4)).astype(np.float32)

    def assert_starts_as(module: Any, config: Any) -> None:
        with torch.no_grad():
            expected = nn.functional.mse_loss(module.eval()(torch.tensor(x)), torch.tensor(x)).item()
        report = run(config, engine, x=x, y=x, epochs=1)
        assert report.row["loss_initial"] == pytest.approx(expected, rel=1e-5), module

    modules = [make(number) for make in (attention, written_again) for number in (1, 2)]
    configs = [given(module, loss=nn.MSELoss()) for module in modules]  # all of them before the first is trained
    for module, config in zip(modules, configs, strict=True):
        assert_starts_as(module, config)
    for number in (1, 2):
        assert_starts_as(module := holding(number), given(module, loss=nn.MSELoss()))


def test_dropout_is_distributed_as_that_of_pytorch(torchax: Any, engine: LocalEngine) -> None:
    """After one epoch, 60 seeds of each, from the same weights: means within four standard errors."""
    module, seeds = network(nn.Dropout(0.5)), 60
    # Drawn anew with a seed, weights differ as well: the same is done to PyTorch's.
    rows = nanmap.sweep(
        given(module), {"training.seed": range(1, seeds + 1)}, x=X, y=Y, batch_size=BATCH, epochs=1, engine=engine
    ).to_pandas()
    theirs = []
    for seed in range(1000, 1000 + seeds):
        torch.manual_seed(seed)
        for part in module:
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
        theirs.append(at_rest(looped(module, OPTIMIZERS["sgd"], 1)[0]))
    ours = rows.loss_final
    assert ours.nunique() == seeds
    assert abs(ours.mean() - np.mean(theirs)) < 4 * np.hypot(ours.std(), np.std(theirs)) / np.sqrt(seeds)
    assert 2 / 3 < ours.std() / np.std(theirs) < 3 / 2


def test_dropout_drops_otherwise_in_every_update_and_not_outside(torchax: Any, engine: LocalEngine) -> None:
    module = network(nn.Dropout(0.5))
    optimizer = torch.optim.SGD(module.parameters(), 0.0)  # what differs is dropout's
    report = run(given(module, optimizer), engine, batch_size=ROWS)
    assert len({each.last_loss for each in report.epochs}) == EPOCHS
    assert losses(report) == losses(run(given(module, optimizer), engine, batch_size=ROWS))


@pytest.mark.parametrize("seed", [0, 3])
def test_a_factory_starts_where_its_seed_says(seed: int, torchax: Any, tmp_path: Path, engine: LocalEngine) -> None:
    file = tmp_path / "net.py"
    file.write_text(FACTORY)
    settings = {"loss": "softmax_cross_entropy", "learning_rate": 0.05, "order": "sequential", "allow_python": True}
    report = run(None, engine, model=f"python:{file}:build", training_seed=seed, **settings)
    made: dict[str, Any] = {}
    exec(FACTORY, made)
    torch.manual_seed(seed)
    module = made["build"]()
    assert report.row["loss_initial"] == pytest.approx(at_rest(module), rel=1e-6)
    np.testing.assert_allclose(losses(report), looped(module, OPTIMIZERS["sgd"])[1], rtol=1e-5)


def test_tokens_and_tied_weights(torchax: Any, engine: LocalEngine) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.words = nn.Embedding(5, 4)
            self.out = nn.Linear(4, 5, bias=False)
            self.out.weight = self.words.weight

        def forward(self, x: Any) -> Any:
            return self.out(self.words(x)).movedim(-1, 1)

    module, tokens = Tied(), np.arange(24).reshape(6, 4) % 5
    report = run(given(module), engine, x=tokens, y=(tokens + 1) % 5, epochs=1, batch_size=6)
    inputs, targets = torch.tensor(tokens), torch.tensor((tokens + 1) % 5)
    loss = nn.functional.cross_entropy(module(inputs), targets)
    loss.backward()
    assert losses(report)[0] == pytest.approx(loss.item(), rel=1e-6)
    assert [key for key in report.params if "weight" in key] == ["words.weight"]
    stepped = module.words.weight - 0.05 * module.words.weight.grad
    np.testing.assert_allclose(report.params["words.weight"], stepped.detach(), rtol=1e-5, atol=1e-7)


class Everywhere(nn.Module):
    """Classes at every place, on the axis that it is told."""

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.out, self.axis = nn.Linear(2, CLASSES), axis

    def forward(self, x: Any) -> Any:
        return self.out(x.movedim(1, -1)).movedim(-1, self.axis)


def of_places(*places: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, labels, and shares in which every class has some, but for places of the first row that have one alone."""
    x = rng.standard_normal((ROWS, 2, *places)).astype(np.float32)
    shares = rng.dirichlet(np.ones(CLASSES), (ROWS, *places)).astype(np.float32)
    shares[0] = np.eye(CLASSES)[0]
    return x, rng.integers(0, CLASSES, (ROWS, *places)), np.moveaxis(shares, -1, 1)


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("places", [(CLASSES,), (5,), (CLASSES, CLASSES), (1, 4)])
def test_classes_at_several_places_lie_where_pytorch_has_them(
    places: tuple[int, ...], shares: bool, torchax: Any, engine: LocalEngine
) -> None:
    module, (x, labels, shared) = Everywhere(), of_places(*places)
    rows = x, shared if shares else labels
    after, told = looped(module, OPTIMIZERS["sgd"], rows=rows)
    report = run(given(module), engine, x=rows[0], y=rows[1])
    np.testing.assert_allclose(losses(report), told, rtol=1e-5)
    np.testing.assert_allclose(report.params["out.weight"], after.out.weight.detach(), rtol=1e-4, atol=1e-6)


def test_classes_on_another_axis_than_pytorch_has_them_are_refused(torchax: Any, engine: LocalEngine) -> None:
    x, labels, shares = of_places(5)
    with pytest.raises(nanmap.InputError, match=r"outputs\.movedim\(-1, 1\)"):
        run(given(Everywhere(-1)), engine, x=x, y=labels)
    with pytest.raises(nanmap.InputError, match=r"shares floats \[3, 5\]"):
        run(given(Everywhere()), engine, x=x, y=shares.round().astype(int))
    assert run(given(Everywhere(-1), loss=nn.MSELoss()), engine, x=x, y=np.moveaxis(shares, 1, -1)).outcome
    report = run(given(Everywhere()), engine, x=x, y=shares, loss="mse", epochs=1)  # no classes: the axes stay
    with torch.no_grad():
        mean = nn.functional.mse_loss(Everywhere()(torch.tensor(x)), torch.tensor(shares))
    assert report.row["loss_initial"] == pytest.approx(mean.item(), rel=1e-6)


def test_what_torchax_or_the_format_would_do_otherwise_is_refused(torchax: Any, engine: LocalEngine) -> None:
    with pytest.raises(nanmap.InputError, match="running statistics, which torchax does not update"):
        given(nn.Sequential(nn.InstanceNorm2d(2, track_running_stats=True), nn.Flatten(), nn.Linear(72, 3)))
    with pytest.raises(nanmap.InputError, match=r"training\.dtype"):
        run(given(network()), engine, dtype="float64")
    with pytest.raises(nanmap.InputError, match=r"is torch\.float64"):
        given(network().double())

    class Free(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(72, CLASSES))

        def forward(self, x: Any) -> Any:
            return x.flatten(1) @ self.weight

    free = given(Free())
    assert len(losses(run(free, engine))) == EPOCHS
    with pytest.raises(nanmap.InputError, match=r"training\.seed: `Free` has parameters and no `reset_parameters`"):
        run(free, engine, training_seed=1)


def test_settings_are_read_as_they_were_written() -> None:
    module = network()
    read = lambda rule, loss=None: given(module, rule, loss)  # noqa: E731
    parameters = list(module.parameters())
    assert read(torch.optim.SGD(parameters, 0.1))["optimizer"] == {"kind": "sgd", "learning_rate": 0.1}
    found = read(torch.optim.AdamW(parameters, 0.1, betas=(0.5, 0.75)))["optimizer"]
    expected = {"kind": "adamw", "learning_rate": 0.1, "eps": 1e-8, "weight_decay": 0.01, "b1": 0.5, "b2": 0.75}
    assert found == expected
    assert read(None, nn.HuberLoss(delta=0.5))["loss"] == {"kind": "huber", "delta": 0.5}
    assert read(None, nn.functional.mse_loss)["loss"] == {"kind": "mse"}
    assert read(None, nn.BCEWithLogitsLoss())["loss"] == {"kind": "sigmoid_cross_entropy"}
    assert given(network())["model"] == given(network())["model"]
    assert given(network())["model"] != given(network(nn.Dropout(0.5)))["model"]


def cross_entropy(output: Any, y: Any) -> Any:
    """The user's own, whatever it is called."""
    return (output - y) ** 4


def scheduled(parameters: Any) -> Any:
    rule = torch.optim.SGD(parameters, 0.1)
    torch.optim.lr_scheduler.StepLR(rule, 3)
    return rule


REFUSED: dict[str, tuple[Callable[[Any], tuple[Any, Any]], str]] = {
    "rule": (lambda p: (torch.optim.RMSprop(p), None), "RMSprop"),
    "decay": (lambda p: (torch.optim.Adam(p, weight_decay=0.1), None), "weight_decay"),
    "form of a rule": (lambda p: (torch.optim.AdamW(p, amsgrad=True), None), "amsgrad"),
    "dampening": (lambda p: (torch.optim.SGD(p, 0.1, momentum=0.9, dampening=0.5), None), "dampening"),
    "groups": (lambda p: (torch.optim.SGD([{"params": p[:1]}, {"params": p[1:]}], 0.1), None), "group_rates"),
    "scheduler": (lambda p: (scheduled(p), None), "scheduler"),
    "left out": (lambda p: (torch.optim.SGD(p[:-1], 0.1), None), "bias`, which needs a gradient"),
    "loss": (lambda p: (None, nn.NLLLoss()), "NLLLoss"),
    "a loss of the same name": (lambda p: (None, cross_entropy), "cross_entropy"),
    "weights": (lambda p: (None, nn.CrossEntropyLoss(torch.ones(CLASSES))), "weight"),
    "smoothing": (lambda p: (None, nn.CrossEntropyLoss(label_smoothing=0.1)), "label_smoothing"),
    "a class left out": (lambda p: (None, nn.CrossEntropyLoss(ignore_index=0)), "ignore_index"),
    "sum": (lambda p: (None, nn.MSELoss(reduction="sum")), "reduction"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nanmap_has_no_setting_for_is_refused_by_name(name: str) -> None:
    make, word = REFUSED[name]
    module = network()
    with pytest.raises(nanmap.InputError, match=word):
        given(module, *make(list(module.parameters())))


def test_what_is_no_module_and_a_torchax_that_is_missing_are_told(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(nanmap.InputError, match="is no module of PyTorch"):
        nanmap.from_torch(3, optimizer=None, loss=None)
    monkeypatch.setitem(sys.modules, "torchax", None)
    with pytest.raises(nanmap.InputError, match=r"torchax[^$]*cannot be imported[^$]*nanmap\[torch\]"):
        run(given(network(nn.Identity())), engine)


def test_the_example_runs(torchax: Any, tmp_path: Path, command: Callable[..., Any]) -> None:
    assert_example_trains("torch_model", tmp_path, command)


def test_the_program_of_the_document_shows_its_map(torchax: Any) -> None:
    x = rng.standard_normal((40, 3))
    cell = notebook_cell("torch.md", "from_torch", SMALLER | {"epochs=40": "epochs=2"}, x=x, y=x[:, :1])
    assert_maps(cell, 2, 2)
