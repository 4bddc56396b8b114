"""What no file and no option should hold is told in a sentence: never a traceback, never other numbers without a word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz.words import document, toml

from nanmap.config import build_config, parse_assignment
from nanmap.config.keys import check_key
from nanmap.config.load import read_toml
from nanmap.data.rows import load_rows
from nanmap.errors import InputError
from nanmap.grid.grid import MOST_CELLS
from nanmap.models.mlp.init_file import _read_arrays
from nanmap.plan import make_sweep

X, Y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
ARRAYS = {
    "complex": (X + 1j, "holds complex128"),
    "dates": (X.astype("datetime64[D]"), r"holds datetime64\[D\]"),
    "durations": (X.astype("timedelta64[s]"), r"holds timedelta64\[s\]"),
    "structured": (np.zeros(3, [("a", float), ("b", int)]), "holds "),
    "objects": (np.array([{}, [], None], object), "is no readable npz file"),
}


def rows_of(path: Path, kind: str = "npz") -> object:
    target = {"target": "y"} if kind == "csv" else {}
    return load_rows(build_config({"data": {"kind": kind, "path": str(path), **target}, "training": {"steps": 3}}))


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_are_no_numbers_are_told(kind: str, name: str, npz: Callable[..., str]) -> None:
    array, said = ARRAYS[kind]
    with pytest.raises(InputError, match=said):
        rows_of(Path(npz(**{"x": X, "y": Y, name: array})))


def test_a_damaged_npz_is_told(npz: Callable[..., str], tmp_path: Path) -> None:
    whole = Path(npz(x=X, y=Y)).read_bytes()
    path, told = tmp_path / "damaged.npz", 0
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for place in range(0, len(whole), 5):
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        try:
            rows_of(path)
        except InputError:
            told += 1
    assert told > len(damaged) // 2


@pytest.mark.parametrize("kind", ["complex", "dates", "damaged", "empty"])
def test_initial_parameters_that_are_no_numbers_are_told(kind: str, npz: Callable[..., str]) -> None:
    path = npz(**{"layers.0.kernel": ARRAYS.get(kind, (X, ""))[0], "layers.0.bias": Y})
    if kind not in ARRAYS:
        content = Path(path).read_bytes()
        Path(path).write_bytes(b"" if kind == "empty" else content[:200] + b"??" + content[202:])
    with pytest.raises(InputError, match=r"holds (complex|datetime)|is no readable npz file"):
        _read_arrays(path, None)


def test_a_value_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('x,y\n1,"' + "2\n" * 100_000)
    with pytest.raises(InputError, match=r"quotes that are never closed|cannot be read"):
        rows_of(path, "csv")


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000, "0x" + "f" * 5000])
def test_a_number_or_list_beyond_reading_is_told(value: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too many digits"):
        parse_assignment(f"data.n={value}")
    (tmp_path / "a.toml").write_text(f"n = {value}")
    with pytest.raises(InputError, match="cannot be read: a number has too many digits"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize("key", ["data.path", "model.init_file", "model.kind", "config"])
def test_a_zero_in_the_name_of_a_file_is_told(key: str, command, tmp_path: Path) -> None:
    """As the option, and as it stands in the file."""
    value = "python:a\0.py:f" if key == "model.kind" else "a\0b"
    rows = {"kind": "csv", "target": "y", "path": "a.csv"} if key == "data.path" else {"kind": "line", "n": 5}
    model = {"init": "file"} if key == "model.init_file" else {}
    tree: dict = {"data": rows, "model": model, "training": {"steps": 3}}
    (tmp_path / "whole.toml").write_text(document(tree))
    (tmp_path / "t.toml").write_text(document({"config": "whole.toml"}))
    table, _, name = key.rpartition(".")
    if table:
        tree[table][name] = value
    (tmp_path / "c.toml").write_text(document(tree))
    (tmp_path / "s.toml").write_text(document({"config": "c.toml" if table else value}))
    typed = ["run", "whole.toml"] if table else ["sweep", "t.toml"]
    for words in (["sweep", "s.toml"], [*typed, "--set", f"{key}={toml(value)}"]):
        done = command(*words, "--allow-python", cwd=tmp_path)
        assert done.returncode == 2
        assert "its name holds a zero byte" in done.stderr or (words[0] == "run" and "no such file" in done.stderr)


@pytest.mark.parametrize("index", ["²", "٣", "99999999999"])
def test_a_layer_is_counted_in_plain_digits(index: str) -> None:
    key = f"optimizer.layer_learning_rates.{index}"
    with pytest.raises(InputError, match="no such setting"):
        check_key(key)
    with pytest.raises(InputError, match="no such setting"):
        build_config({"data": {"kind": "line", "n": 5}}, {key: 0.1})


@pytest.mark.parametrize("power", [63, 64, 100])
def test_more_cells_than_can_be_counted_are_refused(power: int) -> None:
    keys = ["optimizer.learning_rate", "optimizer.momentum", "optimizer.weight_decay", "model.init_scale", "loss.delta"]
    axes = [{"key": key, "linear": [0.1, 0.9], "num": 2 ** (power // 5 + 1)} for key in keys]
    with pytest.raises(InputError, match=rf"the axes make [\d,]{{20,}} cells together(.|\n)*{MOST_CELLS:,}"):
        make_sweep({"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}, axes)
