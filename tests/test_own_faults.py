"""What is wrong with code that a config names is told with its file, its function and its line; nothing runs before the permission."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap.errors import InputError
from nanmap.models.own.live import live
from nanmap.models.own.source import _imported
from nanmap.models.own.spec import _own_model

PAIR = """
import jax.numpy as jnp


def build(units=3):
    return (lambda key, x: {"w": jnp.zeros((x.shape[1], 1))}), (lambda parameters, x: x @ parameters["w"])
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`config(source)`: a config of a network in a file of its own."""
    np.savez(tmp_path / "rows.npz", x=np.ones((6, 2)), y=np.ones((6, 1)))

    def write(source: str, factory: str = "build", **tables: Any) -> dict[str, Any]:
        (tmp_path / "net.py").write_text(source)
        made: dict[str, Any] = {
            "data": {"kind": "npz", "path": str(tmp_path / "rows.npz")},
            "model": {"kind": f"python:{tmp_path / 'net.py'}:{factory}"},
            "training": {"batch_size": 4, "epochs": 2},
        }
        for name, table in tables.items():
            made[name] = made.get(name, {}) | table
        return made

    return write


def told(tree: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        nanmap.run(tree, allow_python=True)
    return str(error.value)


def of(body: str) -> str:
    """A source whose factory has this body."""
    return "import jax.numpy as jnp\nimport nanmap\n\n\ndef build(units=3):\n    " + body.replace("\n", "\n    ") + "\n"


INIT = '(lambda key, x: {"w": jnp.zeros((x.shape[1], 1))})'
# Of each fault: the source, and what has to be said of it.
FAULTS = {
    "missing function": (
        "def other(): pass\n",
        ["net.py", "model.kind", "names no function", "'build'", "allowed: other"],
    ),
    "no function": ("build = 3\n", ["is no function"]),
    "syntax": ("def build(:\n    pass\n", ["SyntaxError", "line 1 of net.py"]),
    "raises at import": (
        "x = 1\ny = x / 0\n",
        ["ZeroDivisionError while it was imported in line 2 of net.py, `y = x / 0`"],
    ),
    "raises": (
        of("return units / 0"),
        ["ZeroDivisionError while it made the network in line 6 of net.py, `return units / 0`"],
    ),
    "no network": (of("return {'w': 1}"), ["returned a dict, which is no network", "allowed: a pair (init, apply)"]),
    "init raises": (
        of("return (lambda key, x: {}['w']), (lambda p, x: x)"),
        ["KeyError while it was initialised in line 6"],
    ),
    "apply raises": (
        of(f"return {INIT}, (lambda p, x: x @ p['v'])"),
        ["KeyError while it was traced in line 6 of net.py"],
    ),
    "no floats": (
        of("return (lambda key, x: {'w': jnp.zeros(3, int)}), (lambda p, x: x)"),
        ["has no parameters that are floats"],
    ),
    "rows behind": (
        of(f"return {INIT}, (lambda p, x: (x @ p['w']).T)"),
        ["gives [1, 4] for 4 rows", "rows on their first axis"],
    ),
    "no array": (of(f"return {INIT}, (lambda p, x: {{'y': x @ p['w']}})"), ["gives dict for 4 rows"]),
    "other targets": (
        of(f"return {INIT}, (lambda p, x: jnp.concatenate([x @ p['w']] * 3, 1))"),
        ["gives outputs of the shape [3] for a row, and its targets are [1]", "`mse` takes targets of the shape [3]"],
    ),
    "state changes": (
        of(
            "init = lambda key, x: ({'w': jnp.zeros((2, 1))}, {'seen': jnp.zeros(2)})\n"
            "return nanmap.Model(init, lambda p, s, x: (x @ p['w'], {'seen': jnp.zeros(3)}))"
        ),
        ["its state `seen` changes its shape from [2] to [3]"],
    ),
    "state is lost": (
        of(
            "init = lambda key, x: ({'w': jnp.zeros((2, 1))}, {'seen': jnp.zeros(2)})\n"
            "return nanmap.Model(init, lambda p, s, x: (x @ p['w'], {}))"
        ),
        ["0 arrays after a pass, and 1 before"],
    ),
    "no pair": (
        of("return nanmap.Model(lambda key, x: {'w': jnp.zeros(2)}, lambda p, s, x: (x, s))"),
        ["`init` returns no pair"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_line(config: Callable[..., dict[str, Any]], fault: str) -> None:
    source, words = FAULTS[fault]
    said = told(config(source))
    for word in ("net.py", "model.kind", *words):
        assert word in said


def test_places_and_arguments_that_are_not_there(config: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    tree = config(PAIR)
    assert "did you mean `net.py`?" in told(tree | {"model": {"kind": f"python:{tmp_path / 'nett.py'}:build"}})
    assert "no such module" in told(tree | {"model": {"kind": "python:nowhere.to.be:found"}})
    said = told(config(PAIR, model={"arguments": {"unit": 3}}))
    assert "model.arguments.unit: is no argument of `build`" in said
    assert "did you mean `units`?" in said
    asks = PAIR.replace("units=3", "units")
    assert "model.arguments.units: is missing: `build` asks for it" in told(config(asks))
    for unkept in (float("inf"), {"deep": [float("nan")]}):  # no run folder holds them
        assert "model.arguments: expects a finite number" in told(config(PAIR, model={"arguments": {"units": unkept}}))


def test_a_framework_that_is_not_installed_is_told_with_its_extra(
    config: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flax", None)
    said = told(config(f"from flax import nnx\n{PAIR}"))
    assert "pip install 'nanmap[flax]'" in said
    assert "line 1 of net.py" in said
    assert "install `no_such_thing`" in told(config(f"import no_such_thing\n{PAIR}"))


def test_nothing_is_imported_before_the_permission(config: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    trace = tmp_path / "was_imported"
    source = f"open({str(trace)!r}, 'w').close()\n{PAIR}"
    tree = config(source)
    plain = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 1}}
    code = tree["model"]["kind"]
    asked: list[Callable[[], Any]] = [
        lambda: nanmap.run(tree),
        lambda: nanmap.sweep(tree, {"training.seed": [0, 1]}, out=tmp_path / "run"),
        lambda: nanmap.edge(tree, {"optimizer.learning_rate": nanmap.log(0.1, 1, 3)}, out=tmp_path / "run"),
        lambda: nanmap.sweep(plain, {"model.kind": ["mlp", code]}, out=tmp_path / "run"),
        lambda: nanmap.run(plain | {"loss": {"kind": code}}),
        lambda: nanmap.run(plain | {"optimizer": {"kind": code}}),
    ]
    for ask in asked:
        with pytest.raises(InputError, match="names Python code") as error:
            ask()
        assert "--allow-python" in str(error.value)
        assert not trace.exists()
    assert not (tmp_path / "run").exists()
    nanmap.run(tree, allow_python=True)
    assert trace.exists()
    with pytest.raises(InputError, match="names Python code"):  # what was allowed once is asked for again
        nanmap.run(tree)


def test_an_edited_factory_or_what_it_imports_never_mixes_rows(
    config: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    helper = tmp_path / "helper_of_this_test.py"
    source = "from helper_of_this_test import FACTOR\n" + PAIR.replace(
        'x @ parameters["w"]', 'FACTOR * (x @ parameters["w"])'
    )
    helper.write_text("FACTOR = 2.0\n")
    ask = lambda tree: nanmap.sweep(tree, {"training.seed": [0, 1]}, out=tmp_path / "run", allow_python=True)  # noqa: E731
    ask(config(source))
    ask(config(source))
    with pytest.raises(InputError, match=r"the content of net\.py changed"):
        ask(config(source + "\n# another line\n"))
    helper.write_text("FACTOR = 3.0\n")
    del sys.modules["helper_of_this_test"]
    for kept in (_imported, live, _own_model):  # as in another process
        kept.cache_clear()
    with pytest.raises(InputError, match="code that the network is made of changed"):
        ask(config(source))
