"""What is too large is asked about before anything is allocated; what is only large costs nothing."""

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanmap
from nanmap import limits
from nanmap.config import build_config, check_values
from nanmap.config.load import read_toml
from nanmap.data import load_rows
from nanmap.engine import LocalEngine, local
from nanmap.errors import InputError
from nanmap.grid import grid as grids
from nanmap.grid.axes import Axis, AxisSpec
from nanmap.grid.where import parse_where
from nanmap.plan import Plan, make_sweep, notices
from nanmap.runs.single import train_one
from nanmap.runs.sweep import train_sweep

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
RATES = {"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 10}


def seeds(count: int) -> dict[str, Any]:
    return {"key": "training.seed", "range": [0, count]}


def rows_of(**data: Any) -> object:
    return load_rows(build_config({"data": data, "training": {"steps": 3}}))


@pytest.mark.parametrize("power", [9, 12, 14])
def test_a_range_takes_no_room_however_long(power: int) -> None:
    tracemalloc.start()
    try:
        plan = Plan(make_sweep(TREE, [seeds(10**power), RATES]))
        assert notices(plan)
        assert plan.grid.count() == (10 ** (power + 1), True)
        last = plan.grid.cells(np.array([10 ** (power + 1) - 1]))
        (lanes,) = plan.lanes(last)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert lanes.seed.tolist() == [10**power - 1]
    assert last.columns()["seed"].tolist() == [10**power - 1]
    assert last.columns()["learning_rate"].tolist() == [1.0]


def test_a_dry_run_tells_of_more_cells_than_a_folder_holds_and_a_sweep_refuses_them(command, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nsteps = 3\n')
    (tmp_path / "s.toml").write_text('config = "c.toml"\n[[axes]]\nkey = "training.seed"\nrange = [0, 1000000000000]\n')
    done = command("sweep", "s.toml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("s: 1,000,000,000,000 trainings, 1 program")
    assert "a run folder ends at 65,536,000,000" in done.stdout
    done = command("sweep", "s.toml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "they make 1,000,000,000,000 cells" in done.stderr
    assert "--zoom" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("where", "stay"), [("seed < 500 and learning_rate > 0.1", 4500), ("seed < learning_rate", 30), ("1 < 2", 30_000)]
)
def test_cells_that_stay_are_counted_by_what_the_condition_asks_of(where: str, stay: int) -> None:
    """Against all cells one by one; the axis that it does not ask of multiplies."""
    others = {"key": "optimizer.momentum", "linear": [0.1, 0.9], "num": 3}
    whole = make_sweep(TREE, [others, seeds(1000), RATES], where=where).grid
    kept, exact = whole.count()
    assert exact
    assert kept == sum(map(len, whole.chunks())) == stay
    assert make_sweep(TREE, [others | {"num": 10**7}, seeds(1000), RATES], where=where).grid.count() == (
        kept * 10**7 // 3,
        True,
    )


def test_too_many_combinations_of_a_condition_are_estimated_and_said_so(
    monkeypatch: pytest.MonkeyPatch, engine
) -> None:
    from nanmap.engine.estimate import estimate

    sweep = make_sweep(
        TREE, [seeds(1000), RATES, {"key": "training.batch_size", "values": [1, 2, 4]}], where="seed < 300"
    )
    exact = estimate(Plan(sweep), engine)
    assert (exact.cells, exact.exact) == (9000, True)
    monkeypatch.setattr(grids, "LOOKED_AT", 10)
    monkeypatch.setattr("nanmap.plan.plan.LOOKED_AT", 10)
    about = estimate(Plan(sweep), engine)
    assert about.cells == pytest.approx(9000, rel=0.01)
    assert about.sentence().startswith(f"about {about.cells:,} trainings (about {about.excluded:,} excluded)")
    assert any("drawn at random" in line for line in about.details())
    assert len(about.widths) == len(exact.widths)


def test_no_variant_is_missed_by_a_run_though_a_sample_may(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep(TREE, [seeds(3000), {"key": "data.n", "values": [5, 6]}], where="n == 5 or seed == 2999")
    monkeypatch.setattr(grids, "DRAWN", 4)
    monkeypatch.setattr("nanmap.plan.plan.LOOKED_AT", 10)
    plan = Plan(sweep)
    assert len(list(plan.variants(exact=False))) == 1
    assert len(list(plan.variants())) == 2


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (AxisSpec(key="training.seed", range=(5, 50, 7)), [5, 47]),
        (AxisSpec(key="training.seed", range=(50, 5, -7)), [50, 8]),
        (AxisSpec(key="optimizer.learning_rate", linear=(-1.0, 1.0), num=21), [-1.0, 1.0, -0.1]),
        (AxisSpec(key="optimizer.learning_rate", values=[3.0, 1.0, 2.0]), [3.0, 1.0, 2.0]),
    ],
)
def test_a_few_positions_speak_for_evenly_spaced_values(spec: AxisSpec, said: list[float]) -> None:
    axis = Axis(spec, "x")
    assert [settings[spec.key] for settings in axis.told] == pytest.approx(said)
    assert axis.span == (min(axis.points), max(axis.points))
    assert axis.labels.tolist() == list(axis.points)
    assert axis.at(np.arange(len(axis))).tolist() == list(axis.points)


def test_a_value_between_the_ends_is_no_worse_than_they_are() -> None:
    with pytest.raises(InputError, match=r"batch_size.*must be greater than or equal to 1 \(got -3\)"):
        make_sweep(TREE, [{"key": "training.batch_size", "range": [-3, 10**12]}])
    with pytest.raises(InputError, match=r"must be less than 2,147,483,648"):
        make_sweep(TREE, [{"key": "training.batch_size", "range": [1, 10**12]}])


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ({"range": [0, 2**64]}, "holds a number of 2⁶³ or more"),
        ({"range": [-(2**62), 2**62]}, r"has 9,223,372,036,854,775,808 values, of at most 1,000,000,000,000,000"),
        ({"values": [0] * (limits.MOST_VALUES + 1)}, r"values: are 1,000,001, of at most 1,000,000"),
        ({"linear": [0, 1], "num": 10**7 + 1}, "must be less than or equal to 10,000,000"),
    ],
)
def test_an_axis_has_an_end(axis: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_sweep(TREE, [{"key": "training.seed", **axis}])


def test_sixty_axes_are_refused_before_their_values_are_looked_at() -> None:
    axes = [{"key": f"optimizer.layer_learning_rates.{layer}", "values": [0.1, 0.2]} for layer in range(60)]
    with pytest.raises(InputError, match=r"there are 60 of them\n  allowed: at most 32"):
        make_sweep(TREE, axes)


def test_programs_have_an_end_and_a_condition_may_leave_few(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = [{"key": "data.n", "range": [1, 10**6]}]
    with pytest.raises(InputError, match=r"make 999,999 programs or sets of rows together\n  allowed: at most 20,000"):
        Plan(make_sweep(TREE, axes)).variants()
    assert len(list(Plan(make_sweep(TREE, axes, where="n in [4, 7]")).variants())) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not " * 5000 + "n < 2", "has 20,005 letters, of at most 10,000"),
        ("not " * 1000 + "n < 2", "is nested more than 50 deep"),
        ("not (" * 60 + "n < 2" + ")" * 60, "nested more than 50 deep"),
        ("n < 2\0", r"holds what is no text|breaks off"),
        ("n < '\udcff'", "holds what is no text"),
    ],
)
def test_a_condition_is_neither_long_nor_deep(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_where(text, ["n"])


def test_many_comparisons_side_by_side_are_not_deep() -> None:
    assert parse_where(" or ".join(f"n == {n}" for n in range(500)), ["n"])({"n": np.array([499, 500])}).tolist() == [
        True,
        False,
    ]


def allow(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("NANMAP_MEMORY", size)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"kind": "line", "n": 10**8}, "data.n: the rows take about 11 GiB of memory, and 1.0 GiB may be used"),
        ({"kind": "gaussian", "n": 10, "features": 2**31 - 1}, r"data.features: the rows take about"),
        ({"kind": "square", "stop": 1e8}, "data.stop: the rows take about"),
    ],
)
def test_made_rows_are_asked_about(data: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "1GiB")
    with pytest.raises(InputError, match=said):
        rows_of(**data)


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 1e300, 1.0), (-1e308, 1e308, 1.0), (0, 1, 1e-320)])
def test_a_range_of_rows_has_an_end(start: float, stop: float, step: float) -> None:
    with pytest.raises(InputError, match="has more than 100,000,000 rows"):
        rows_of(kind="line", start=start, stop=stop, step=step)


def test_an_archive_is_asked_how_much_it_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((300_000, 2)), y=np.zeros(300_000))
    assert path.stat().st_size < 20_000
    assert rows_of(kind="npz", path=str(path)).n == 300_000
    allow(monkeypatch, "8MiB")
    load_rows.__globals__["_load"].cache_clear()
    with pytest.raises(InputError, match=r"its arrays take about 27 MiB of memory, and 8.0 MiB may be used"):
        rows_of(kind="npz", path=str(path))


@pytest.mark.parametrize("shape", ["(1000000000000, 2)", "(-6, 2)", "(6.0, 2)", "('6',)"])
def test_an_array_is_as_long_as_it_says(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(96)
    with zipfile.ZipFile(tmp_path / "lying.npz", "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, array)
    with pytest.raises(
        InputError, match=r"no readable npz file: (an array is shorter|shape is not valid|negative dimensions)"
    ):
        rows_of(kind="npz", path=str(tmp_path / "lying.npz"))


def test_a_column_of_many_texts_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4,000 texts in 10,000 rows are a third of a gigabyte once they are one-hot."""
    path = tmp_path / "texts.csv"
    path.write_text("a,y\n" + "".join(f"t{n % 4000},{n}\n" for n in range(10_000)))
    allow(monkeypatch, "1GiB")
    with pytest.raises(InputError, match=r"data.categorical: the 4,000 columns of `a` take about 2.4 GiB"):
        rows_of(kind="csv", path=str(path), target="y")
    assert rows_of(kind="csv", path=str(path), target="y", categorical="codes").n == 10_000


@pytest.mark.parametrize(("value", "told"), [("1", "11 MiB"), ("0.123456789", "13 MiB")])
def test_a_csv_file_is_asked_by_its_first_values(
    value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 bytes of memory for a number, and the file itself."""
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + f"{value},{value}\n" * 90_000)
    allow(monkeypatch, "4MiB")
    with pytest.raises(InputError, match=rf"data.path: its rows take about {told}"):
        rows_of(kind="csv", path=str(path), target="y")


def test_edges_of_more_seeds_than_there_is_room_for_are_asked_about() -> None:
    with pytest.raises(InputError, match=r"1,000,000,000,000 seeds of one edge take about"):
        nanmap.edge(make_sweep(TREE, [seeds(10**12), RATES]))


def test_parquet_is_asked_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "zeros.parquet"
    pq.write_table(pa.table({"x": np.zeros(1_000_000), "y": np.zeros(1_000_000)}), path)
    assert path.stat().st_size < 10_000
    allow(monkeypatch, "16MiB")
    with pytest.raises(InputError, match="its rows take about 122 MiB"):
        rows_of(kind="parquet", path=str(path), target="y")


def test_a_page_of_a_table_that_was_damaged_is_told(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    held = io.BytesIO()
    pq.write_table(
        pa.table({"x": np.arange(1000.0), "y": np.arange(1000.0)}),
        held,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    content = bytearray(held.getvalue())
    content[2000] ^= 1
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as parquet: .*(CRC|checksum)"):
        rows_of(kind="parquet", path=str(tmp_path / "t.parquet"), target="y")


@pytest.mark.parametrize("hidden", [[2**31 - 1, 2**31 - 1], [10**6, 10**6]])
def test_a_network_is_asked_about_before_it_is_drawn(hidden: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "1TiB")
    with pytest.raises(InputError, match=r"model.hidden: the layers of this network, .* take about"):
        list(Plan(make_sweep(TREE | {"model": {"hidden": hidden}}, [])).variants())


def test_layers_have_an_end() -> None:
    check_values("model.hidden", [[2] * limits.MOST_LAYERS])
    with pytest.raises(InputError, match="must be a list of at most 200"):
        build_config(TREE | {"model": {"hidden": [2] * 1000}})


def test_where_there_is_little_memory_fewer_cells_train_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lone_engine
) -> None:
    said: list[str] = []
    engine = LocalEngine(devices=lone_engine.devices, notify=said.append)
    tree = TREE | {"data": {"kind": "line", "n": 40}}
    allow(monkeypatch, "32KiB")
    monkeypatch.setattr("nanmap.plan.variant.check_memory", lambda *given, **place: None)
    monkeypatch.setattr("nanmap.data.formulas.check_memory", lambda *given, **place: None)
    monkeypatch.setattr("nanmap.plan.plan.check_memory", lambda *given, **place: None)
    folder = train_sweep(Plan(make_sweep(tree, [RATES])), tmp_path / "run", engine=engine)
    (narrowed,) = folder.read_manifest()["narrowed"].values()
    assert narrowed[0] > narrowed[1] >= 1
    assert said
    assert all(each.startswith("out of memory: going on with") for each in said)
    assert len(folder.dataset().to_table()) == 10


def test_one_training_without_room_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, lone_engine) -> None:
    monkeypatch.setattr(local, "memory_allowed", lambda: 1000)
    with pytest.raises(MemoryError, match=r"1–1, sgd, .* are needed, and 1000 B may be used"):
        train_one(build_config(TREE), engine=lone_engine)


def test_a_shard_is_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: LocalEngine) -> None:
    monkeypatch.setenv("NANMAP_MEMORY", "50MiB")
    plan = Plan(make_sweep(TREE, [seeds(10**5)]))
    with pytest.raises(InputError, match="the cells of a shard take about 95 MiB of memory") as error:
        train_sweep(plan, tmp_path / "run", engine=engine, shard_cells=10**5)
    assert error.value.key == "shard_cells"
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["config", "rows", "start"])
def test_what_never_ends_is_not_read(kind: str, tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for."""
    os.mkfifo(tmp_path / "pipe")
    pipe = str(tmp_path / "pipe")
    read: dict[str, Callable[[], object]] = {
        "config": lambda: read_toml(tmp_path / "pipe"),
        "rows": lambda: rows_of(kind="csv", path=pipe, target="y"),
        "start": lambda: nanmap.run(TREE | {"model": {"init": "file", "init_file": pipe}}),
    }
    with pytest.raises(InputError, match=r"is no regular file|no such file"):
        read[kind]()


def test_a_file_of_settings_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text("# " + "x" * 200)
    monkeypatch.setattr("nanmap.config.load.TOML_BYTES", 100)
    with pytest.raises(InputError, match=r"has 202 B\n  allowed: at most 100 B"):
        read_toml(tmp_path / "a.toml")


def test_a_long_value_is_cut_in_a_message() -> None:
    assert len(str(InputError("is wrong", value="x" * 10**6))) < 600
    assert "thousands of digits" in str(InputError("is wrong", value=[16**6000]))
