"""`nanmap verify` tells of damage of every kind by its file, of rows that do not come out again, and of nothing else."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import LINE, RATE, write_run
from nanmap.cli.listed_maps import draw_listed
from nanmap.engine import LocalEngine
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Plan, make_sweep
from nanmap.result import Result
from nanmap.results.checks import faults_of
from nanmap.results.folder import RunFolder
from nanmap.results.identity import identity_hash
from nanmap.runs.again import Held
from test_kills import content
from watch import sweep_of

CELLS = 6
TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}


@pytest.fixture(scope="module")
def finished(engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards, edges and a picture."""
    out = tmp_path_factory.mktemp("finished") / "run"
    axes = [{"key": "optimizer.learning_rate", "values": [0.01, 0.1, 3.0]}, {"key": "training.seed", "range": [0, 2]}]
    sweep = make_sweep(TREE, axes)
    nanmap.sweep(sweep, out=out, engine=engine, shard_cells=2)
    nanmap.edge(sweep, out=out, engine=engine, tolerance=0.05)
    draw_listed(Result(out))
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 0x10
    file.write_bytes(data)


def test_a_run_as_it_was_written_has_no_fault_and_comes_out_again(run: Path, engine) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = nanmap.verify(run, seed=3, engine=engine)
    assert (found.ok, found.faults, found.notes, found.by) == (True, (), (), "bits")
    assert (found.looked_at, found.trained) == ({"shards": 4, "rows": 8, "pictures": 1, "arrays": 0}, tuple(range(6)))
    assert "6 cells drawn with --seed 3; every row came out bit for bit" in str(found)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def edit(file: Path, change: Callable[[dict], Any]) -> None:
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def other_rows(file: Path) -> None:
    """A shard that is whole Parquet and says that it is of this run, with another value in it."""
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.column_names.index("steps_run"), "steps_run", [np.array([1, 2])]), file)


SHARD, RECEIPT = "cells/part-000001.parquet", "receipts/cells/part-000001.parquet.json"
HARMS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "a page": (SHARD, lambda file: flip(file, 1000), "the SHA-256 of its receipt is another"),
    "cut short": (SHARD, lambda file: file.write_bytes(file.read_bytes()[:700]), "the SHA-256 of its receipt"),
    "emptied": (SHARD, lambda file: file.write_bytes(b""), "the SHA-256 of its receipt is another"),
    "lost": (SHARD, Path.unlink, "is lost"),
    "other rows": (SHARD, other_rows, "the SHA-256 of its receipt is another"),
    "a receipt": (RECEIPT, lambda file: flip(file, 20), "is damaged: it does not say what the shard holds"),
    "a receipt's count": (RECEIPT, lambda file: edit(file, lambda told: told.update(rows=3)), "is damaged"),
    "an edited title": (
        "manifest.json",
        lambda file: edit(file, lambda told: told["sweep"].update(title="x")),
        "edited",
    ),
    "an edited setting": (
        "manifest.json",
        lambda file: edit(file, lambda told: told["sweep"]["config"]["data"].update(n=6)),
        "what it says was run is not what its hash says",
    ),
    "half a manifest": ("manifest.json", lambda file: file.write_bytes(file.read_bytes()[:300]), "cannot be read"),
    "no manifest": ("manifest.json", Path.unlink, "is lost"),
    "edges' manifest": ("edges.json", lambda file: flip(file, 100), ""),
    "no manifest of edges": ("edges.json", Path.unlink, "is lost"),
    "edges": ("edges/part-000000.parquet", lambda file: flip(file, 1000), "the SHA-256 of its receipt is another"),
    "edges lost": ("edges/part-000000.parquet", Path.unlink, "is lost"),
    "a picture": ("maps/outcome_learning_rate_seed.png", lambda file: flip(file, 500), "is not as it was written"),
    "a stranger": ("cells/notes.txt", lambda file: file.write_text("mine"), "stands among the rows"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_damage_is_told_by_its_file(harm: str, run: Path, command) -> None:
    name, damage, said = HARMS[harm]
    damage(run / name)
    (fault,) = nanmap.verify(run, sample=0).faults
    assert name not in fault.problem
    assert (fault.file, said in fault.problem) == (run / name, True), fault
    done = command("verify", run.name, "--sample", 0, cwd=run.parent)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"run/{name}: {fault.problem}")
    told = json.loads(command("verify", run.name, "--sample", 0, "--json", cwd=run.parent).stdout)
    (told_fault,) = told["faults"]
    assert (told["ok"], told_fault["file"], told_fault["problem"]) == (False, f"run/{name}", fault.problem)
    assert done.stdout.splitlines()[-1] == f"  mend: {told_fault['mend']}"


def mended(sweep: Callable[[], Any]) -> bool:
    """Whether a sweep run again went through; if not, it says how to mend it."""
    try:
        sweep()
    except RunFolderError as error:
        return "mend: " not in str(error)
    return True


def test_a_byte_that_flips_anywhere_is_told_and_mended(engine, tmp_path: Path, tries) -> None:
    """In each shard, receipt and the manifest; whatever tells of it, it is this file or its receipt."""
    sweep = partial(nanmap.sweep, sweep_of(CELLS), out=tmp_path, engine=engine, shard_cells=2)
    sweep()
    whole, told = content(tmp_path), [*content(tmp_path), "manifest.json"]
    count = tries(35, 350) // len(told)
    for name in told:
        file = tmp_path / name
        for share in np.linspace(0, 1, count):
            place = int(share * (file.stat().st_size - 1))
            flip(file, place)
            (fault,) = faults_of(RunFolder(tmp_path))
            assert fault.file.name.removesuffix(".json") == file.name.removesuffix(".json"), fault
            if not mended(sweep):  # the manifest is of other settings now, or none of nanmap's
                assert name == "manifest.json"
                flip(file, place)
            assert content(tmp_path) == whole
            assert list(faults_of(RunFolder(tmp_path))) == []


def test_shards_under_each_other_s_names_are_told(run: Path) -> None:
    for folder, end in (("cells", ""), ("receipts/cells", ".json")):
        one, two = (run / folder / f"part-00000{number}.parquet{end}" for number in (0, 1))
        one.rename(run / "aside")
        two.rename(one)
        (run / "aside").rename(two)
    problems = {each.file.name: each.problem for each in faults_of(RunFolder(run))}
    assert problems == {
        "part-000000.parquet": "is shard 1 under the name of another",
        "part-000001.parquet": "is shard 0 under the name of another",
    }


@pytest.mark.parametrize("facts", [{"rows": 3}, {"hash": "another"}])
def test_a_receipt_that_tells_of_other_rows_is_told(facts: dict, run: Path) -> None:
    """Though its seal is whole, and the SHA-256 fits."""
    receipts = RunFolder(run).cells.receipts
    told = receipts.read(Path(SHARD).name)
    receipts.write(Path(SHARD).name, told["sha256"], {key: told[key] for key in ("bytes", "rows", "hash")} | facts)
    (fault,) = faults_of(RunFolder(run))
    assert (fault.file, fault.problem) == (run / RECEIPT, "is damaged: it tells of other rows than the shard holds")


def test_rows_of_another_run_are_told(run: Path, engine, tmp_path: Path) -> None:
    nanmap.sweep(sweep_of(CELLS), out=tmp_path / "other", engine=engine, shard_cells=2)
    for name in (SHARD, RECEIPT):
        shutil.copy(tmp_path / "other" / name, run / name)
    (fault,) = faults_of(RunFolder(run))
    assert (fault.file, fault.problem) == (run / SHARD, "is of another run than manifest.json tells of")


def test_a_shard_without_a_receipt_is_noted_and_a_sweep_writes_one(engine, tmp_path: Path) -> None:
    nanmap.sweep(sweep_of(CELLS), out=tmp_path, engine=engine, shard_cells=2)
    whole = content(tmp_path)
    (tmp_path / RECEIPT).unlink()
    found = nanmap.verify(tmp_path, sample=0)
    assert found.ok
    assert f"no receipt speaks for {SHARD}" in found.notes[0]
    nanmap.sweep(sweep_of(CELLS), out=tmp_path, engine=engine, shard_cells=2)
    anew = json.loads((tmp_path / RECEIPT).read_bytes())
    assert anew["sha256"] == json.loads(whole[RECEIPT])["sha256"]
    assert "machine" not in anew  # nobody knows by now where it was trained
    (tmp_path / RECEIPT).unlink()
    column = pq.ParquetFile(tmp_path / SHARD).metadata.row_group(0).column(0)
    flip(tmp_path / SHARD, column.dictionary_page_offset + column.total_compressed_size - 2)
    assert "fails a checksum" in nanmap.verify(tmp_path, sample=0).faults[0].problem
    nanmap.sweep(sweep_of(CELLS), out=tmp_path, engine=engine, shard_cells=2)
    assert content(tmp_path) == whole


def test_shards_without_a_row_have_no_sample(engine, tmp_path: Path) -> None:
    run = nanmap.sweep(sweep_of(2), out=tmp_path, engine=engine).folder
    run.cells.write(0, pq.read_table(run.cells.file(0)).slice(0, 0))
    found = nanmap.verify(tmp_path, engine=engine)
    assert (found.trained, found.looked_at["rows"]) == ((), 0)
    assert [each.problem for each in found.faults] == ["holds 0 rows, though the run of 2 cells is complete"]


def rewritten(run: Path, column: str, values: pa.Array, number: int = 1, **told: Any) -> None:
    """A shard with other values and a receipt that fits: what no checksum can tell."""
    cells = RunFolder(run).cells
    table = pq.read_table(cells.file(number))
    place, field = table.column_names.index(column), table.schema.field(column)
    cells.write(number, table.set_column(place, field, values), told)


def test_rows_that_do_not_come_out_again_are_told(run: Path, engine, command) -> None:
    final = pq.read_table(run / SHARD)["loss_final"].to_numpy()
    rewritten(run, "loss_final", pa.array(np.nextafter(final, 9e9)))
    found = nanmap.verify(run, engine=engine)
    assert [each.problem.partition(": ")[0] for each in found.faults] == [
        f"cell {cell} did not come out again" for cell in (2, 3)
    ]
    assert f"loss_final was {np.nextafter(final[0], 9e9):.17g}, is {final[0]:.17g}" in found.faults[0].problem
    assert nanmap.verify(run, sample=0).ok
    done = command("verify", run.name, cwd=run.parent)
    assert (done.returncode, "2 faults" in done.stdout) == (1, True), done


@pytest.mark.parametrize(("column", "values"), [("cell", [2, 999]), ("learning_rate", [0.1, 0.2]), ("seed", [0, 5])])
def test_rows_at_another_cell_s_place_are_told(column: str, values: list, run: Path, engine) -> None:
    rewritten(run, column, pa.array(values))
    faults = nanmap.verify(run, engine=engine).faults
    assert [each.file for each in faults][-1] == run / "cells"
    assert "is not of the grid, or its row says other values of the axes" in faults[-1].problem


def test_another_backend_is_compared_by_the_outcome(run: Path, engine, command) -> None:
    folder = RunFolder(run)
    manifest = folder.read_manifest()
    folder.write_manifest(manifest | {"machine": manifest["machine"] | {"model": "Another"}})
    final = pq.read_table(run / SHARD)["loss_final"].to_numpy()
    rewritten(run, "loss_final", pa.array(np.nextafter(final, 9e9)))
    found = nanmap.verify(run, engine=engine)
    assert (found.ok, found.by) == (True, "outcome")
    why = f"this machine is another one: model is {manifest['machine']['model']}, not Another"
    assert why in found.notes[0]
    told = command("run", "--cell", 2, "--of", run.name, cwd=run.parent).stdout
    assert f"the stored row ended the same way; last digits may differ: {why}" in told
    told = json.loads(command("run", "--cell", 2, "--of", run.name, "--json", cwd=run.parent).stdout)
    assert (told["same_row"], told["same_outcome"]) == (False, True)
    rewritten(run, "outcome", pa.array(["inf", "dead"]).cast(pq.read_schema(run / SHARD).field("outcome").type))
    assert "cell 2 did not come out again: outcome was inf, is" in nanmap.verify(run, engine=engine).faults[0].problem
    told = command("run", "--cell", 2, "--of", run.name, cwd=run.parent).stdout
    assert "the stored row ended otherwise: outcome was inf, is" in told


def test_a_shard_is_held_against_what_comes_out_on_the_machine_that_made_it(run: Path, engine) -> None:
    """The machine that began a folder stands in its manifest; a receipt says which one made a shard."""
    folder = RunFolder(run)
    manifest, mine = folder.read_manifest(), dict(engine.machine)
    other = mine | {"model": "Another"}
    folder.write_manifest(manifest | {"machine": other})
    assert nanmap.verify(run, engine=engine).by == "bits"  # this one made all of them
    told = {"part-000001.parquet": {"machine": other}, "part-000002.parquet": {"machine": mine, "others": [other]}}
    for name, facts in told.items():
        receipt = folder.cells.receipts.read(name)
        folder.cells.receipts.write(name, receipt["sha256"], receipt | facts)
    found = nanmap.verify(run, engine=engine)
    assert (found.ok, found.by) == (True, "outcome")
    assert found.notes == (
        "outcomes alone are compared of 4 of the 6 cells, as last digits may differ: "
        f"this machine is another one: model is {mine['model']}, not Another",
    )
    final = pq.read_table(run / "cells" / "part-000000.parquet")["loss_final"].to_numpy()
    rewritten(run, "loss_final", pa.array(np.nextafter(final, 9e9)), 0, machine=mine)
    assert "cell 0 did not come out again: loss_final was" in nanmap.verify(run, engine=engine).faults[0].problem


def test_rows_that_a_condition_keeps_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [RATE, {"key": "training.seed", "range": [0, 4]}], where="seed != 2", shard_cells=5)
    assert nanmap.verify(tmp_path, sample=0).ok
    count = folder.cells.count_rows()
    for gone in (tmp_path / "cells" / "part-000001.parquet", folder.cells.receipts.file("part-000001.parquet")):
        gone.unlink(missing_ok=True)
    folder.write_manifest(folder.read_manifest() | {"shards": folder.cells.names()})
    (fault,) = nanmap.verify(tmp_path, sample=0).faults
    assert fault.problem == f"holds {folder.cells.count_rows()} rows, though the run of {count} cells is complete"


def test_a_row_is_held_by_every_bit_or_by_its_outcome() -> None:
    stored = {"outcome": "nan", "loss_final": float("nan"), "loss_best": -0.0}
    assert Held.of(stored, dict(stored), None).ok
    apart = Held.of(stored, stored | {"loss_best": 0.0}, None)
    assert (apart.ok, apart.sentence()) == (False, "the stored row is another one: loss_best was -0, is 0")
    assert Held.of(stored, stored | {"loss_best": 0.0}, "jaxlib was 1, is 2").ok
    assert not Held.of(stored, stored | {"outcome": "inf"}, "jaxlib was 1, is 2").ok


def test_rows_of_chosen_widths_come_out_again(engine, tmp_path: Path, command) -> None:
    """A run's widths are part of what makes its bits: they are taken, not those that are usual here."""
    tree = {"data": {"kind": "gaussian", "n": 24, "features": 8}, "model": {"hidden": [8]}, "training": {"steps": 30}}
    sweep = make_sweep(tree, [{"key": "optimizer.learning_rate", "log": [0.1, 1.0], "num": 8}])
    programs = [variant.program for variant in Plan(sweep).variants()]
    chosen = LocalEngine(engine.devices, dict.fromkeys(programs, 3))
    assert chosen.width(programs[0]) != engine.width(programs[0])
    nanmap.sweep(sweep, out=tmp_path / "run", engine=chosen)
    begun: list[dict] = []
    begin = LocalEngine.begin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            LocalEngine, "begin", lambda self, widths, *rest: begun.append(widths) or begin(self, widths, *rest)
        )
        assert nanmap.verify(tmp_path / "run", engine=engine).ok
        assert "bit for bit" in command("run", "--cell", 5, "--of", "run", cwd=tmp_path).stdout
        assert begun == [dict.fromkeys(programs, 3)] * 2
        folder = RunFolder(tmp_path / "run")
        told = folder.read_manifest() | {"backend": "gpu"}
        folder.write_manifest(told | {"hash": identity_hash(told)})
        assert command("run", "--cell", 5, "--of", "run", cwd=tmp_path).returncode == 0
        assert begun[2:] == [{}]


def test_data_that_changed_since_cannot_be_trained_on_again(engine, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,y\n1,2\n2,3\n3,5\n")
    tree = {"data": {"kind": "csv", "path": str(table), "target": "y"}, "training": {"steps": 3}}
    nanmap.sweep(make_sweep(tree, []), out=tmp_path / "run", engine=engine)
    assert nanmap.verify(tmp_path / "run", engine=engine).ok
    table.write_text("a,y\n1,2\n2,3\n3,6\n")
    (fault,) = nanmap.verify(tmp_path / "run", engine=engine).faults
    assert str(fault) == "rows.csv: has changed since the run: no cell can be trained again"
    table.unlink()
    found = nanmap.verify(tmp_path / "run", engine=engine)
    assert [str(each) for each in found.faults] == [f"{table}: no cell can be trained again: data.path: no such file"]
    assert (found.trained, "drawn with" in str(found)) == ((), False)
    assert nanmap.verify(tmp_path / "run", sample=0).ok


def test_arrays_that_are_kept_are_looked_at(engine, tmp_path: Path) -> None:
    x, y = np.arange(6.0), np.arange(6.0) * 2
    axes = {"learning_rate": [0.01, 0.1]}
    nanmap.sweep(x=x, y=y, axes=axes, steps=3, out=tmp_path / "run", engine=engine)
    found = nanmap.verify(tmp_path / "run", engine=engine)
    assert (found.ok, found.looked_at["arrays"], len(found.trained)) == (True, 1, 2)
    (file,) = (tmp_path / "run" / "inputs").iterdir()
    flip(file, 140)
    faults = nanmap.verify(tmp_path / "run", engine=engine, sample=0).faults
    assert [each.file for each in faults] == [file]
    assert "give them again" in faults[0].mend
    nanmap.sweep(x=x, y=y, axes=axes, steps=3, out=tmp_path / "run", engine=engine)
    assert nanmap.verify(tmp_path / "run", engine=engine).ok


def test_what_is_no_run_folder_is_refused(tmp_path: Path, command) -> None:
    for name in ("none", "."):
        done = command("verify", name, cwd=tmp_path)
        assert (done.returncode, "mend: " in done.stderr) == (2, True), done
    for options in ({"sample": -1}, {"seed": "x"}, {"sample": 2.5}):
        with pytest.raises(InputError, match="must be a whole number from 0 on"):
            nanmap.verify(tmp_path, **options)


def test_code_is_asked_for_before_it_is_imported(tmp_path: Path, command) -> None:
    (tmp_path / "net.py").write_text("raise SystemExit('was imported')\n")
    kind = f"python:{tmp_path}/net.py:build"
    run = write_run(tmp_path / "run", [RATE], config={**LINE, "model": {"kind": kind}})
    done = command("verify", "run", cwd=tmp_path)
    assert (done.returncode, "--allow-python" in done.stderr) == (2, True), done
    assert nanmap.verify(run.path, sample=0).ok
