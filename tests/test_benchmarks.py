"""The benchmark itself: it runs, refuses whoever trains something else, and its pages hold what its results say."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import __main__ as benchmark
from benchmarks import fingerprint, gpu, pages, tables
from benchmarks.figures import measured, rates, ratios
from benchmarks.measure import Contender, VerificationError, agree, compare
from benchmarks.peers import notebook, plain, pytorch
from benchmarks.tasks import Task, final_losses
from benchmarks.worker import Pool, WorkerError
from benchmarks.workloads import KEPT

from nanmap.config.initialisers import INITIALISERS
from nanmap.config.optimizers import OPTIMIZERS
from nanmap.plan import make_sweep
from oracles import mse_and_gradient

ROOT = Path(__file__).parents[1]
SPEC: dict[str, Any] = {
    "workload": "square_sgd",
    "side": 4,
    "settings": {"training.dtype": "float64", "training.epochs": 2},
}


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    out = folder / "result.json"
    assert benchmark.main(["--quick", "--out", str(out), *arguments]) == 0

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    return json.loads(out.read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_workload_runs_verifies_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(tmp_path, "--only", "square_sgd", "--repeats", "3")
    (group,) = result["workloads"]["square_sgd"]["groups"]
    kept = [f"{who}{what}" for who in ("NumPy over many rates", "a loop in C") for what in KEPT]
    labels = ["nanmap", "the posted loop, NumPy numbers", "the posted loop, Python floats", *kept]
    assert [each["label"] for each in group["contenders"]] == labels
    for each in group["contenders"]:
        assert len(each["seconds"]) == 3
        assert all(seconds > 0 for seconds in each["seconds"])
    for each in group["contenders"][1:]:
        assert each["agreement"]["fell"] > 0
        assert each["agreement"]["close"] >= 0.98
    said = capsys.readouterr().out
    assert "NumPy over many rates" in said
    assert "roofline" in said


@pytest.mark.long
def test_every_workload_runs(tmp_path: Path) -> None:
    result = run(tmp_path, "--repeats", "1")
    assert set(result["workloads"]) == set(benchmark.WORKLOADS)
    for name in result["workloads"]:
        assert tables.TABLES[name](result).rows, name
    absent = {"torch", "keras"} - {name for name in ("torch", "keras") if importlib.util.find_spec(name)}
    found = [each for name in ("fractal_tanh", "relu_double") for each in groups_of(result, name)]
    assert {missing for each in found for missing in each.get("missing", [])} == absent
    assert result["workloads"]["traced_axes"]["further"] == 0
    assert [run["compiled"] for run in result["workloads"]["second_start"]["later"]] == [0]
    assert result["workloads"]["second_start"]["first"]["compiled"] > 0
    assert set(tables.summary(result).head) == {"workload", "against", "nanmap is as fast"}


def groups_of(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for group in result["workloads"][name]["groups"] for each in group["contenders"]]


def test_whoever_trains_something_else_is_found_out() -> None:
    ours = Contender("nanmap", "nanmap", "ours:engine", SPEC, {"stop_early": True})
    shorter = {**SPEC, "settings": {**SPEC["settings"], "training.epochs": 1}}
    liar = Contender("liar", "liar", "ours:engine", SPEC, {"stop_early": False})
    with Pool() as pool:
        assert len(compare(pool, [ours, liar], 1, lambda text: None)) == 2
        with pytest.raises(WorkerError, match="no_such"):
            pool["liar"].call("prepare", key="0", function="plain:no_such", task=shorter, settings={})
    initial, final = np.array([4.0, 4.0, 4.0, 4.0]), np.array([1.0, 2.0, np.nan, np.inf])
    assert agree(initial, final, final, "float32") == {"cells": 4, "fell": 2, "close": 1.0, "same_class": 1.0}
    assert agree(initial, final, np.array([1.0, 2.2, np.inf, np.nan]), "float32")["close"] == 0.5
    assert agree(initial, final, np.array([1.0, 5.0, np.nan, np.nan]), "float32")["same_class"] == 0.75


def test_a_wrong_contender_stops_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """Answers for every worker; the second contender's losses are twice too large."""

        def call(self, action: str, **arguments: Any) -> Any:
            if action == "losses":
                return {"initial": [9.0] * 4, "final": [self.factor] * 4}
            if action == "prepare":
                self.factor = 2.0 if arguments["function"] == "plain:numbers" else 1.0
            return {"cells": 4, "updates": 8} if action == "prepare" else 0.1

    pair = [Contender(name, name, name, SPEC) for name in ("ours:engine", "plain:numbers")]
    here = Here()
    with pytest.raises(VerificationError, match="plain:numbers does not train"):
        compare({"ours:engine": here, "plain:numbers": here}, pair, 1, lambda text: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", [notebook.loop, notebook.scan])
def test_the_notebooks_way_is_gradient_descent(way: Any) -> None:
    task = Task.build("fractal_tanh", 4, 4, {"training.dtype": "float64", "training.steps": 3})
    losses = final_losses(task, way(task, 2)())
    assert losses == pytest.approx(by_hand(task), rel=1e-9)


def test_pytorch_is_gradient_descent() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra `bench`)")
    task = Task.build("fractal_tanh", 4, 4, {"training.dtype": "float64", "training.steps": 3})
    assert final_losses(task, pytorch.loop(task, 1)()) == pytest.approx(by_hand(task), rel=1e-9)
    assert final_losses(task, pytorch.vmap(task, 2, 1)()) == pytest.approx(by_hand(task), rel=1e-9)


def by_hand(task: Task) -> list[float]:
    """Losses of the fractal network after gradient descent with the oracle's gradients."""
    (x, y), losses = task.rows, []
    factors = [np.sqrt(2) / 4, 1 / 16]  # of the kernels: with them the network is an ordinary one
    for cell, (first, second) in enumerate(zip(*task.weights(), strict=True)):
        kernels = [first.copy(), second.copy()]
        for step in range(task.steps + 1):
            layers = [{"kernel": f * k, "bias": np.zeros(k.shape[1])} for f, k in zip(factors, kernels, strict=True)]
            loss, gradient = mse_and_gradient(layers, x, y)
            if step < task.steps:
                for i in range(2):
                    kernels[i] -= task.learning_rates[cell, i] * factors[i] * gradient[i]["kernel"]
        losses.append(loss)
    return losses


def test_the_loops_of_square_sgd_agree() -> None:
    task = Task.build(**SPEC)
    posted = plain.numbers(task, python=False)()
    for other in (plain.numbers(task, python=True)(), plain.vectorised(task, 3)()):
        for ours, theirs in zip(posted, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_ratios_are_paired_by_round() -> None:
    ours = {"cells": 2, "updates": 20, "seconds": [1.0, 2.0, 1.0]}
    theirs = {"cells": 1, "updates": 10, "seconds": [5.0, 10.0, 6.0]}
    assert rates(ours, "trainings") == [2.0, 1.0, 2.0]
    spread = ratios(ours, theirs, "updates")
    assert (spread.middle, spread.low, spread.high) == (10.0, 10.0, 12.0)


@pytest.mark.long
def test_everything_of_a_gpu_can_be_rehearsed_in_pieces(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    first, others = gpu.PIECES[0].name, [piece.name for piece in gpu.PIECES[1:]]
    assert gpu.main(["--quick", "--out", str(out), "--only", first]) == 0
    begun = json.loads(out.read_text())["pieces"]
    assert list(begun) == [first]
    assert gpu.main(["--quick", "--out", str(out), "--pictures", str(tmp_path)]) == 0
    pieces = json.loads(out.read_text())["pieces"]
    assert list(pieces) == [first, *others]
    assert pieces[first] == begun[first], "what stands there is not measured again"
    assert pieces["tests"]["passed"] > 10
    assert pieces["map 512 float32"]["outcomes"].keys() & {"nan", "inf"}


def test_no_gpu_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu.machine, "gpus", list)
    with pytest.raises(SystemExit, match="2"):
        gpu.parse([])
    assert "--quick rehearses on the CPU" in capsys.readouterr().err


def test_pages_and_picture_are_what_the_results_say(capsys: pytest.CaptureFixture[str]) -> None:
    for page in pages.PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert pages.BLOCK.search(text), f"{page} has no tables"
        assert pages.filled(text) == text, f"{page}: run `make performance`"
    changed = pages.BLOCK.sub(r"\1| 1,000,000 × |\n\4", text)
    assert changed != text
    assert pages.filled(changed) == text


def test_committed_results_are_whole() -> None:
    files = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    assert files
    for file in files:
        result = pages.read(file)
        assert not result["quick"]
        if "pieces" in result:  # of a GPU
            assert {"tests", "contest float32", "contest float64"} <= set(result["pieces"])
            assert result["pieces"]["tests"]["exit_status"] == 0
            continue
        assert set(benchmark.WORKLOADS) <= set(result["workloads"])
        assert all(len(measured(group)) > 1 for group in result["workloads"]["fractal_tanh"]["groups"])


def test_a_part_of_the_benchmark_is_no_result_of_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.parse(["--only", "growth"])
    assert "--out" in capsys.readouterr().err


def checkout_with(folder: Path, lists: str | None) -> Path:
    """A checkout whose package has nothing but these lists of optimizers and initialisers, or not even those."""
    config = folder / "src" / "nanmap" / "config"
    config.mkdir(parents=True)
    for package in (config, config.parent):
        (package / "__init__.py").touch()
    if lists is not None:
        for name in ("optimizers", "initialisers"):
            (config / f"{name}.py").write_text(f"{name.upper()} = dict.fromkeys({lists.split()})\n")
    return folder


def test_a_fingerprint_is_of_the_names_that_both_versions_have(tmp_path: Path) -> None:
    later = checkout_with(tmp_path / "later", "sgd zeros file new")
    earlier, older = checkout_with(tmp_path / "earlier", "old zeros sgd"), checkout_with(tmp_path / "older", None)
    assert fingerprint.names_of_both(earlier, later) == {
        "optimizer.kind": ["sgd", "zeros"],
        "model.init": ["sgd", "zeros"],
    }
    assert fingerprint.names_of_both(older, later)["model.init"] == ["sgd", "zeros", "new"]


def test_every_optimizer_and_initialiser_is_in_a_fingerprint() -> None:
    names = fingerprint.names_of_both(ROOT, ROOT)
    assert names == {"optimizer.kind": [*OPTIMIZERS], "model.init": [name for name in INITIALISERS if name != "file"]}
    for tree, axes in fingerprint.small(names).values():
        assert make_sweep(tree, axes).grid.size


@pytest.mark.parametrize("given", [["--check"], [], [str(ROOT)], [str(ROOT), "no_such_folder"]])
def test_a_fingerprint_is_refused_without_two_checkouts(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert fingerprint.arguments([str(ROOT), str(ROOT)]).after == ROOT
    with pytest.raises(SystemExit) as left:
        fingerprint.arguments(given)
    assert left.value.code == 2
    assert "usage: python -m benchmarks.fingerprint" in capsys.readouterr().err
