"""A finished run under other thresholds, and a single cell of it: held against rows trained with those settings."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import write_run
from nanmap.analysis import config_of_cell, differences, row_of_cell
from nanmap.errors import InputError, RunFolderError
from nanmap.outcomes import MARKS
from nanmap.result import Result
from nanmap.results.columns import COLUMNS
from nanmap.runs.single import train_one

LINE = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
RATES = {"key": "optimizer.learning_rate", "values": [-0.1, 0.0, 1e-4, 0.01, 0.1, 1.0, 1e3]}
OTHER = [{"ratio": 0.4}, {"ratio": 1e-6}, {"rising": 3.0}, {"falling": 0.5}, {"rebound": 1e9}, {"floor": 3.0}]


def words(result: Result) -> list[tuple[str, str]]:
    return list(result.to_pandas(["outcome", "cause"]).itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def run(engine, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return nanmap.sweep(LINE, [RATES], out=tmp_path_factory.mktemp("run"), engine=engine, shard_cells=3)


@pytest.mark.parametrize("thresholds", OTHER, ids=str)
def test_rows_are_judged_as_if_trained_with_the_thresholds(thresholds: dict, run, engine, tmp_path: Path) -> None:
    trained = nanmap.sweep(LINE | {"outcome": thresholds}, [RATES], out=tmp_path, engine=engine)
    judged = run.judged(**thresholds)
    assert words(judged) == words(trained)
    assert judged.to_pandas().equals(trained.to_pandas())
    assert judged.to_pandas(["loss_floor"]).equals(trained.to_pandas(["loss_floor"]))


def test_with_no_other_threshold_every_value_stays(run) -> None:
    assert run.judged().to_pandas().equals(run.to_pandas())
    assert words(run.judged(ratio=0.4)) != words(run), "else nothing was tested"
    assert run.judged(ratio=0.4).manifest["judged"] == {"ratio": 0.4}


def test_cells_keep_the_threshold_that_an_axis_gave_them(engine, tmp_path: Path) -> None:
    axes = [{"key": "outcome.ratio", "values": [1e-6, 0.9]}, RATES]
    result = nanmap.sweep(LINE, axes, out=tmp_path, engine=engine)
    assert words(result.judged(falling=0.99)) == words(result)
    with pytest.raises(InputError, match="the axis `ratio` goes over it") as told:
        result.judged(ratio=0.1)
    assert told.value.key == "outcome.ratio"


def test_choices_that_leave_a_threshold_out_have_the_config_s(engine, tmp_path: Path) -> None:
    choices = {"lax": {"outcome.ratio": 0.9}, "as it is": {}, "small": {"training.batch_size": 2}}
    result = nanmap.sweep(LINE, [{"name": "how", "choices": choices}, RATES], out=tmp_path, engine=engine)
    assert words(result.judged(falling=0.99)) == words(result)
    assert len(set(result.to_pandas().groupby("how").outcome.apply(tuple))) > 1, "else nothing was tested"


@pytest.mark.parametrize(
    ("thresholds", "problem"),
    [
        ({"ratoi": 0.1}, "no such threshold"),
        ({"ratio": "small"}, "expects a number"),
        ({"ratio": -1.0}, "must be greater than 0"),
        ({"floor": "affine"}, "needs the data"),
    ],
)
def test_a_wrong_threshold_is_named(thresholds: dict, problem: str, run) -> None:
    with pytest.raises(InputError, match=problem) as told:
        run.judged(**thresholds)
    assert told.value.key == f"outcome.{next(iter(thresholds))}"


def test_a_folder_that_is_judged_has_the_thresholds_given_and_any_of_its_columns_by_itself(tmp_path: Path) -> None:
    config = LINE | {"outcome": {"ratio": 0.5, "rising": 3.0}}
    write_run(tmp_path, [RATES], {"loss_floor": 1.0, "steps_run": 9, "layers": 1}, config=config, schema=3)
    judged = Result(tmp_path).judged(ratio=0.1, floor=2.0).folder
    assert judged.read_manifest()["sweep"]["config"] == LINE | {"outcome": {"ratio": 0.1, "rising": 3.0, "floor": 2.0}}
    for name in ("loss_floor", "outcome", "cause", "loss_final"):
        (table,) = judged.tables([name])
        assert table.column_names == [name]
    (floors,) = judged.tables(["cell", "loss_floor"])
    assert floors.to_pydict() == {"cell": list(range(7)), "loss_floor": [2.0] * 7}
    assert [name for table in judged.tables() for name in table.column_names] == [
        "cell",
        "learning_rate",
        *(each.name for each in COLUMNS),
    ]


REST = {  # losses that stay at 0.03 of the constant answer's
    **dict.fromkeys(MARKS, 0.03), "loss_floor": 0.0, "loss_constant": 1.0, "steps_run": 10, "layers": 1,
    "dead_layer": False, "dead_at_init": False, "ends_infinite": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("own", "given", "outcome"),
    [
        (0.05, {"ratio": 0.01}, "stalled"),
        (0.01, {"ratio": 0.05}, "converged"),
        (0.01, {"falling": 0.9}, "stalled"),
        (0.05, {"falling": 0.9}, "converged"),
    ],
)
def test_what_is_given_comes_before_the_run_s_own_threshold(
    own: float, given: dict, outcome: str, tmp_path: Path
) -> None:
    config = LINE | {"outcome": {"ratio": own}}
    write_run(tmp_path, [{"key": "training.seed", "range": [0, 1]}], REST, config=config, schema=3)
    assert Result(tmp_path).judged(**given).to_pandas().outcome.tolist() == [outcome]


def test_each_choice_of_an_axis_keeps_all_of_its_thresholds(tmp_path: Path) -> None:
    choices = {
        name: {"outcome.rising": 1.5, "outcome.ratio": ratio} for name, ratio in (("strict", 0.01), ("lax", 0.05))
    }
    write_run(tmp_path, [{"name": "judge", "choices": choices}], REST, schema=3)
    assert Result(tmp_path).judged(falling=0.9).to_pandas().outcome.tolist() == ["stalled", "converged"]


@pytest.mark.parametrize("schema", [{"schema": 2}, {"schema": 0}, {}], ids=str)
def test_rows_of_an_earlier_version_or_of_none_cannot_be_judged(schema: dict, tmp_path: Path) -> None:
    write_run(tmp_path, [RATES], **schema)
    with pytest.raises(RunFolderError, match="cannot be judged anew") as told:
        Result(tmp_path).judged(ratio=0.1)
    assert told.value.mend == f"nanmap sweep SWEEP --out {tmp_path} --fresh trains them again"


def test_rows_of_before_cannot_be_judged_anew_and_their_maps_say_by_which_words_they_go(tmp_path: Path) -> None:
    batch = {"key": "training.batch_size", "values": [1, 2]}
    folder = write_run(tmp_path, [batch, {"key": "optimizer.learning_rate", "values": [1.0, 2.0]}])
    folder.write_manifest(folder.read_manifest() | {"schema": 2})
    with pytest.raises(RunFolderError, match="cannot be judged anew"):
        Result(tmp_path).judged(ratio=0.1)
    figure = Result(tmp_path).map("learning_rate", "batch_size")
    assert any("in the words of before" in text.get_text() for text in figure.texts)


def test_a_map_says_by_what_it_judges_and_has_a_file_of_its_own(command, engine, tmp_path: Path) -> None:
    axes = [{"key": "training.seed", "range": [0, 2]}, RATES]
    nanmap.sweep(LINE, axes, out=tmp_path / "run", engine=engine)
    figure = Result(tmp_path / "run").judged(ratio=0.4).map("learning_rate", "seed")
    assert any("judged by outcome.ratio = 0.4" in text.get_text() for text in figure.texts)
    shown = ("map", "run", "--x", "learning_rate", "--y", "seed")
    plain = command(*shown, cwd=tmp_path)
    judged = command(*shown, "--set", "outcome.ratio=0.4", "--select", "seed=1", "--select", "seed=0", cwd=tmp_path)
    assert plain.stdout == "run/maps/outcome_learning_rate_seed.png\n"
    assert judged.stdout == "run/maps/outcome_learning_rate_seed_seed=1+0_ratio=0.4.png\n"
    obvious = command("map", "run", cwd=tmp_path)
    assert obvious.stdout == plain.stdout, "rates along the bottom, the first other axis up the side"
    refused = command(*shown, "--set", "optimizer.momentum=0.4", cwd=tmp_path)
    assert refused.returncode == 2
    assert "changes what was trained" in refused.stderr


def test_a_single_axis_makes_no_plane(command, run) -> None:
    done = command("map", run.path, cwd=run.path)
    assert done.returncode == 2
    assert "has no plane to draw" in done.stderr


def test_a_cell_of_a_run_trains_again_to_the_same_row(run, engine) -> None:
    for cell in range(len(RATES["values"])):
        report = train_one(config_of_cell(run.folder, cell), engine=engine)
        assert differences(row_of_cell(run.folder, cell), report.row) == {}


def test_the_command_says_whether_the_row_came_out_again(command, engine, tmp_path: Path) -> None:
    result = nanmap.sweep(LINE, [RATES], out=tmp_path / "run", engine=engine)
    again = command("run", "--cell", 3, "--of", "run", cwd=tmp_path)
    assert "the stored row came out again, bit for bit" in again.stdout
    assert "try: nanmap run --cell 3 --of run --set" in again.stdout
    other = command("run", "--cell", 3, "--of", "run", "--set", "training.epochs=21", cwd=tmp_path)
    assert "stored row" not in other.stdout
    table = pq.read_table(result.folder.cells.file(0))
    final = table["loss_final"].to_numpy().copy()
    final[3] = np.nextafter(final[3], 1)
    place = table.column_names.index("loss_final")
    result.folder.cells.write(0, table.set_column(place, "loss_final", [final]))
    assert (
        "the stored row is another one: loss_final was"
        in command("run", "--cell", 3, "--of", "run", cwd=tmp_path).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cell", "7", "--of", "run"], "allowed: 0 to 6"),
        (["--cell", "-1", "--of", "run"], "allowed: 0 to 6"),
        (["--cell", "1"], "--of: --cell needs it"),
        (["--of", "run"], "--cell: --of needs it"),
        ([], "CONFIG: is missing"),
        (["a.toml", "--cell", "1", "--of", "run"], "CONFIG: is given beside --cell"),
    ],
)
def test_a_cell_that_is_not_there_is_refused(arguments: list[str], told: str, command, run, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(run.path)
    done = command("run", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


def test_rows_differ_by_bits() -> None:
    row = {"a": math.nan, "b": 0.0, "c": None, "d": "x", "e": 1}
    assert differences(row, dict(row)) == {}
    assert set(differences(row, row | {"b": -0.0, "c": math.nan, "d": "y", "e": 2})) == {"b", "c", "d", "e"}
    assert set(differences(row, row | {"a": 1.0})) == {"a"}
    assert differences({"a": 1, "gone": 2}, {"a": 3, "new": 4}) == {"a": (1, 3)}


def test_the_row_of_a_cell_has_its_columns_alone_wherever_it_stands(tmp_path: Path) -> None:
    rates = {"key": "optimizer.learning_rate", "values": [1.0, 2.0, 3.0, 4.0, 5.0]}
    folder = write_run(tmp_path, [rates], {"loss_final": np.arange(5.0)}, where="learning_rate != 2", shard_cells=2)
    row = row_of_cell(folder, 3)
    assert (list(row), row["loss_final"]) == ([each.name for each in COLUMNS], 3.0)
    assert row_of_cell(folder, 1) is None
