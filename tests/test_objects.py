"""A run folder in an object store: a folder of this disk seen through pyarrow, and a server on this machine that speaks S3.

The server is from a package, which `make test-ray` installs; without it those tests are skipped.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.fs
import pytest

import nanmap
from nanmap import objects
from nanmap.data.given import give, with_arrays
from nanmap.engine import LocalEngine
from nanmap.errors import RunFolderError
from nanmap.objects import ObjectPath, place
from nanmap.plan import Plan, make_sweep
from nanmap.results.folder import RunFolder
from nanmap.runs.sweep import train_sweep
from shards_in_process import InProcess, KilledError
from test_handing_out import Notes, _threads_of_xla  # noqa: F401

TREE = {"data": {"kind": "line", "n": 12}, "training": {"batch_size": 4, "epochs": 40}}
RATES = {"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 24}
SHARD = 8


@pytest.fixture(scope="module", params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What stands behind the `?` of an address there."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "disk":
            yield from on_disk(patch, tmp_path_factory.mktemp("store"))
        else:
            yield from of_a_server(patch)


def on_disk(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[str]:
    """Buckets are folders; a file system, which a store is not, wants those above an object to be there."""
    write, seen = ObjectPath.write_bytes, pyarrow.fs.SubTreeFileSystem(str(folder), pyarrow.fs.LocalFileSystem())

    def write_bytes(self: ObjectPath, content: bytes) -> None:
        seen.create_dir(self.parent.where)
        write(self, content)

    patch.setattr(objects, "_filesystem", lambda scheme, bucket, settings: seen)
    patch.setattr(ObjectPath, "write_bytes", write_bytes)
    yield "?region=nowhere"


def of_a_server(patch: pytest.MonkeyPatch) -> Iterator[str]:
    server = pytest.importorskip("moto.server", reason="make test-ray installs it")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "any")
    running = server.ThreadedMotoServer("127.0.0.1", 0)
    running.start()
    host, port = running.get_host_and_port()
    settings = f"?region=us-east-1&scheme=http&endpoint_override={host}:{port}&allow_bucket_creation=true"
    pyarrow.fs.FileSystem.from_uri(f"s3://bucket{settings}")[0].create_dir("bucket")
    yield settings
    running.stop()


@pytest.fixture
def url(store: str, request: pytest.FixtureRequest) -> str:
    """The address of a folder that is not there yet."""
    return f"s3://bucket/{request.node.originalname}{store}"


def plan(tree: dict[str, Any] = TREE) -> Plan:
    return Plan(make_sweep(tree, [RATES]))


def bytes_of(folder: RunFolder) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in (folder.path / "cells").iterdir()}


@pytest.fixture(scope="module")
def here(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train_sweep(plan(), tmp_path_factory.mktemp("here"), engine=engine, shard_cells=SHARD)


def test_a_run_in_a_store_has_the_files_of_one_on_disk(url: str, here: RunFolder, engine: LocalEngine) -> None:
    folder = train_sweep(plan(), url, engine=engine, shard_cells=SHARD)
    assert bytes_of(folder) == bytes_of(here)
    pd.testing.assert_frame_equal(*(each.dataset().to_table().to_pandas() for each in (folder, here)))
    assert [table.num_rows for table in folder.tables(["outcome"])] == [8, 8, 8]
    assert folder.read_manifest()["complete"]
    assert not (folder.path / ".tmp" / "cells.lock").exists()
    notes = Notes()
    train_sweep(plan(), url, engine=engine, shard_cells=SHARD, observer=notes)
    assert (notes.finished, notes.rows, notes.said) == (24, 0, [])


def test_workers_write_into_a_store(url: str, here: RunFolder) -> None:
    def after(number: int, attempt: int) -> None:
        if number == 1 and attempt == 1:
            raise KilledError

    with InProcess(after=after) as workers:
        folder = train_sweep(plan(), url, workers=workers, shard_cells=SHARD)
    assert bytes_of(folder) == bytes_of(here)


def test_arrays_are_kept_in_a_store(url: str, engine: LocalEngine) -> None:
    given = give(np.arange(12.0), np.arange(12.0) ** 2)
    with InProcess() as workers:
        folder = train_sweep(plan(with_arrays(TREE, given)), url, workers=workers, shard_cells=SHARD)
    digest = given.digest
    del given
    assert folder.input_file(digest).is_file()
    assert nanmap.run(nanmap.Result(url).config(3), engine=engine).row["steps_run"] > 0


def test_what_is_cut_short_or_flipped_is_made_again(url: str, here: RunFolder, engine: LocalEngine) -> None:
    folder = train_sweep(plan(), url, engine=engine, shard_cells=SHARD)
    first, second, _ = sorted((folder.path / "cells").iterdir())
    first.write_bytes(first.read_bytes()[:-100])
    content = bytearray(second.read_bytes())
    content[200] ^= 1
    second.write_bytes(bytes(content))
    with pytest.raises(RunFolderError, match="is not as it was written"):
        RunFolder(url).dataset()
    notes = Notes()
    train_sweep(plan(), url, engine=engine, shard_cells=SHARD, observer=notes)
    assert notes.said == [f"cells/part-00000{number}.parquet is damaged, and is made again" for number in (0, 1)]
    assert bytes_of(folder) == bytes_of(here)
    train_sweep(plan(), url, engine=engine, shard_cells=SHARD, fresh=True)
    assert bytes_of(folder) == bytes_of(here)


def test_a_store_that_keeps_less_than_it_was_given_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = ObjectPath.stat
    monkeypatch.setattr(ObjectPath, "stat", lambda self: stat(self)._replace(st_size=3))
    with pytest.raises(OSError, match="the store has 3 bytes of 4"):
        place(url).write_bytes(b"rows")


def test_two_that_write_there_are_told_and_do_no_harm(url: str, here: RunFolder, engine: LocalEngine) -> None:
    notes = Notes()

    class Between(InProcess):
        def hand_out(self, job: str, number: int, without: Any) -> Any:
            if number == 1:
                train_sweep(plan(), url, engine=engine, shard_cells=SHARD, observer=notes)
            return super().hand_out(job, number, without)

    with Between() as workers:
        folder = train_sweep(plan(), url, workers=workers, shard_cells=SHARD)
    assert "another run is writing here, or ended without a word" in notes.said[0]
    assert bytes_of(folder) == bytes_of(here)


def test_the_commands_take_an_address(url: str, store: str, tmp_path: Path, command: Callable[..., Any]) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 12\n[training]\nbatch_size = 4\nepochs = 40\n')
    (tmp_path / "rates.toml").write_text(
        'config = "line.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-4, 10.0]\nnum = 24\n'
        '[[axes]]\nkey = "training.seed"\nvalues = [0, 1]\n[[maps]]\nfile = "map.png"\nx = "learning_rate"\ny = "seed"\n'
    )
    done = command("sweep", "rates.toml", "--out", url, cwd=tmp_path)
    assert done.returncode == 0, done
    assert f"rows: s3://bucket/{url.partition('?')[0][12:]}/cells" in done.stdout
    assert [each.suffix for each in (RunFolder(url).path / "maps").iterdir()] == [".png"]
    assert command("map", url, "--x", "learning_rate", "--y", "seed", "--out", "map.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "map.png").stat().st_size > 1000
    again = command("run", "--cell", 5, "--of", url, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["same_row"] is True
    assert command("verify", url, cwd=tmp_path).returncode == 0
    assert not (tmp_path / "s3:").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://no-such-bucket/run", "no-such-bucket"),
        ("s3://", "names no bucket"),
        ("s3://bucket/run?colour=red", "is no place in an object store"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(
    address: str, said: str, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 12\n[training]\nepochs = 3\n')
    (tmp_path / "rates.toml").write_text(
        'config = "line.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [1.0]\n'
    )
    for server in of_a_server(monkeypatch) if "no-such" in address else ("",):
        there = address + server.replace("&allow_bucket_creation=true", "")
        done = command("sweep", "rates.toml", "--out", there, cwd=tmp_path)
    assert done.returncode == 2, done
    assert said in done.stderr
    assert not (tmp_path / "s3:").exists()
