"""The benchmark itself: it runs, refuses whoever trains something else, and its pages hold what its results say."""

import importlib.util
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import __main__ as benchmark
from benchmarks import fingerprint, gpu, pages, tables
from benchmarks.figures import measured, rates, ratios
from benchmarks.measure import CHAOTIC, Contender, VerificationError, agree, compare
from benchmarks.peers import compiled, notebook, plain, pytorch
from benchmarks.tasks import Task, final_losses
from benchmarks.worker import Pool, WorkerError
from benchmarks.workloads import KEPT, NOTHING, RECORDS

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
    fast = [(who, what) for who in ("NumPy over many rates", "a loop in C") for what in KEPT]
    posted = [("the posted loop, NumPy numbers", NOTHING), ("the posted loop, Python floats", NOTHING)]
    assert [(each["label"], each["keeps"]) for each in group["contenders"]] == [("nanmap", RECORDS), *posted, *fast]
    for each in group["contenders"]:
        assert len(each["seconds"]) == 3
        assert all(seconds > 0 for seconds in each["seconds"])
    for each in group["contenders"][1:]:
        assert each["agreement"]["fell"] > 0
        assert each["agreement"]["close"] == each["agreement"]["same_class"] == 1
    table = tables.TABLES["square_sgd"](result)
    assert table.head[1] == "keeps"
    assert [row[:2] for row in table.rows] == [["nanmap", RECORDS], *map(list, posted), *map(list, fast)]
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


@pytest.mark.parametrize("agrees", [1.0, CHAOTIC])
def test_a_wrong_contender_stops_the_benchmark(agrees: float) -> None:
    class Here:
        """Answers for every worker; of the second contender's losses one in a hundred is twice too large."""

        def call(self, action: str, **arguments: Any) -> Any:
            if action == "losses":
                return {"initial": [9.0] * 100, "final": [1.0] * 99 + [self.last]}
            if action == "prepare":
                self.last = 2.0 if arguments["function"] == "plain:numbers" else 1.0
            return {"cells": 4, "updates": 8} if action == "prepare" else 0.1

    pair = [Contender(name, name, name, SPEC, agrees=agrees) for name in ("ours:engine", "plain:numbers")]
    here: Any = Here()
    pool: Any = {"ours:engine": here, "plain:numbers": here}
    if agrees == CHAOTIC:
        assert compare(pool, pair, 1, lambda text: None)[1]["agreement"]["close"] == 0.99
        return
    with pytest.raises(VerificationError, match="plain:numbers does not train"):
        compare(pool, pair, 1, lambda text: None)


EVERY_CORE = partial(notebook.scan, every_core=True)


@pytest.mark.parametrize("way", [notebook.loop, notebook.scan, EVERY_CORE])
def test_the_notebooks_way_is_gradient_descent(way: Any) -> None:
    task = Task.build("fractal_tanh", 4, 8, {"training.dtype": "float64", "training.steps": 3})
    losses = final_losses(task, way(task, 2)())  # four chunks, two for each of two devices
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
    for other in (
        plain.numbers(task, python=True)(),
        plain.vectorised(task, 3)(),
        plain.vectorised(task, 3, 2, True)(),
    ):
        for ours, theirs in zip(posted, other[:2], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_records_of_numpy_and_c_are_those_of_a_loop(dtype: str) -> None:
    task = Task.build("square_sgd", 4, settings={"training.dtype": dtype, "training.epochs": 3})
    # Some live, some become inf and NaN soon, some late; none of those between, which blow up their rounding errors.
    rates = np.concatenate([np.geomspace(1e-8, 1e-4, 8), np.geomspace(1e-2, 1e6, 8)])
    task.__dict__["learning_rates"] = rates.astype(dtype)[:, None]
    totals, *events = zip(*(records_by_hand(task, cell) for cell in range(16)), strict=True)
    assert len(set(events[1])) > 3
    ways = [plain.vectorised(task, lanes=3, threads=2, records=True)]
    if any(map(shutil.which, compiled.COMPILERS)):
        ways += [compiled.line(task, lanes, threads, records=True) for lanes, threads in ((8, 1), (16, 3))]
    for way in ways:
        _, _, total, first_inf, first_nan = way()
        assert (tuple(first_inf), tuple(first_nan)) == tuple(events)
        np.testing.assert_allclose(total, totals, rtol=1e-5 if dtype == "float32" else 1e-12)


def records_by_hand(task: Task, cell: int) -> tuple[float, int, int]:
    """The sum of the losses up to the first NaN, and the steps of the first infinity before it and of the first NaN."""
    x, y = (each[:, 0] for each in task.rows)
    kernel, bias = task.weights()
    a, b, rate = kernel[cell, 0, 0], bias[cell, 0], task.learning_rates[cell, 0]
    total, first_inf, first_nan = 0.0, -1, -1
    with np.errstate(all="ignore"):
        for step in range(task.steps):
            i = step % len(x)
            error = a * x[i] + b - y[i]
            a, b, loss = a - rate * error * x[i], b - rate * error, error * error / 2
            total += float(loss)
            if first_inf < 0 and np.isinf([a, b, loss]).any():
                first_inf = step
            if np.isnan([a, b, loss]).any():
                return total, first_inf, step
    return total, first_inf, first_nan


def test_searched_settings_are_told_once_and_switches_are_not() -> None:
    tried = [{"settings": {"threads": threads, "lanes": lanes}} for threads in (1, 2) for lanes in (32, 1024)]
    each = {
        "label": "NumPy",
        "cells": 10,
        "updates": 50,
        "seconds": [1.0],
        "tried": tried,
        "settings": {"records": True, "threads": 2, "lanes": 1024},
    }
    result = {"workloads": {"line": {"unit": "updates", "groups": [{"name": "float64", "contenders": [each]}]}}}
    note = tables.comparison(result, "line").note
    assert note.endswith("- NumPy: 10 cells × 5 updates; best of 32, 1,024: 1,024 lanes, 2 threads")


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


def test_a_table_that_a_result_of_before_cannot_fill_says_so(tmp_path: Path) -> None:
    committed = {"square_sgd": {"unit": "updates", "groups": []}}
    (tmp_path / "old.json").write_text(json.dumps({"workloads": committed}))
    for name in tables.LATER:
        begin, end = f"<!-- {name} from old.json -->\n", f"<!-- end of {name} -->"
        assert pages.filled(f"{begin}{end}", tmp_path) == f"{begin}{pages.UNMEASURED}\n{end}"
    with pytest.raises(KeyError):
        pages.filled("<!-- growth from old.json -->\n<!-- end of growth -->", tmp_path)


def test_committed_results_are_whole() -> None:
    files = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    assert files
    for file in files:
        if file.name == "scale.json":  # of docs/scale.md, whose test is another
            continue
        result = pages.read(file)
        assert not result["quick"]
        if "workloads" not in result:  # of a GPU
            assert {"tests", "contest float32", "contest float64"} <= set(result["pieces"])
            assert result["pieces"]["tests"]["exit_status"] == 0
            continue
        assert set(benchmark.WORKLOADS) - set(tables.LATER) <= set(result["workloads"])
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
