"""Two runs cell by cell: which are matched, what changed, how far numbers moved, and what is told of the runs."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import nanmap
from handmade import LINE, write_run
from nanmap.analysis import comparison
from nanmap.analysis.comparison import Alone, Comparison, Move, Shift
from nanmap.errors import InputError
from nanmap.result import Result
from nanmap.results.columns import COLUMNS
from nanmap.results.schema import Column

NAN, INF = math.nan, math.inf
MADE = {"schema": 3, "versions": {"nanmap": "1", "jax": "1"}, "backend": "cpu", "device": "one"}


def rates(*values: float) -> dict[str, Any]:
    return {"key": "optimizer.learning_rate", "values": list(values)}


def seeds(*values: int) -> dict[str, Any]:
    return {"key": "training.seed", "values": list(values)}


def run(path: Path, axes: list[dict[str, Any]], facts: dict[str, Any] | None = None, **more: Any) -> Path:
    write_run(path, axes, facts or {}, **MADE | more)
    return path


def shift(a: Path, b: Path, column: str) -> Shift:
    (found,) = [each for each in nanmap.compare(a, b).shifts if each.column == column]
    return found


def test_cells_are_matched_by_their_settings_and_not_by_their_numbers(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(0.1, 0.2), seeds(0, 1)], {"outcome": ["converged", "nan", "dead", "inf"]})
    b = run(tmp_path / "b", [seeds(1, 2), rates(0.3, 0.2)], {"outcome": ["dead", "stalled", "dead", "dead"]})
    found = nanmap.compare(a, Result(b))
    assert (found.cells, found.both, found.changed) == ((4, 4), 1, 1)
    assert found.outcomes == [Move("inf", "stalled", 1)]
    (row,) = found.to_pandas().to_dict("records")
    assert (row["learning_rate"], row["seed"], row["cell_a"], row["cell_b"]) == (0.2, 1, 3, 1)
    assert [each.count for each in found.alone] == [3, 3]
    assert found.alone[0].first[0] == {"learning_rate": 0.1, "seed": 0}
    assert found.commands == [(f"nanmap run --cell 3 --of {a}", f"nanmap run --cell 1 --of {b}")]


def test_a_setting_that_one_run_fixes_matches_its_value_on_the_others_axis(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(0.1), seeds(0, 1, 2)], {"loss_final": np.array([1.0, 2, 3])})
    b = run(tmp_path / "b", [rates(0.1)], {"loss_final": 2.0}, config=LINE | {"training": {"epochs": 10, "seed": 1}})
    found = nanmap.compare(a, b)
    assert found.both == 1
    assert "loss_final" not in [each.column for each in found.shifts]
    assert found.differs == {"axis seed": ("0, 1, 2", "no axis")}


def test_changes_are_counted_and_each_kind_has_an_example(tmp_path: Path) -> None:
    axes = [rates(*range(1, 9))]
    a = run(tmp_path / "a", axes, {"outcome": ["nan"] * 8})
    b = run(tmp_path / "b", axes, {"outcome": ["nan", *["inf"] * 6, "dead"]})
    found = nanmap.compare(a, b)
    assert found.outcomes == [Move("nan", "inf", 6), Move("nan", "dead", 1)]
    assert found.to_dict()["share"] == 7 / 8
    told = str(found).splitlines()
    assert "outcome: changed in 7 of 8 (88 %)" in told
    assert "         6  nan → inf" in told
    assert "  learning_rate = 8: nan → dead" in told, "the last cell, but the only one of its kind"
    assert sum("--of" in line for line in told) == 10


def test_a_change_of_cause_alone_is_none_of_outcome(tmp_path: Path) -> None:
    a, b = (run(tmp_path / cause, [rates(0.1, 0.2)], {"cause": ["", cause]}) for cause in ("plateau", "bouncing"))
    found = nanmap.compare(a, b)
    assert (found.changed, found.outcomes, found.examples) == (0, [], [])
    assert [(each.column, each.equal) for each in found.shifts] == [("cause", 1)]


def test_the_most_common_change_comes_first_and_examples_in_the_order_of_the_cells(tmp_path: Path) -> None:
    axes = [rates(*range(1, 9))]
    a = run(tmp_path / "a", axes, {"outcome": ["nan"] * 8})
    b = run(tmp_path / "b", axes, {"outcome": ["dead", *["inf"] * 6, "stalled"]})
    found = nanmap.compare(a, b)
    assert found.outcomes == [Move("nan", "inf", 6), Move("nan", "dead", 1), Move("nan", "stalled", 1)]
    assert found.examples == [0, 1, 2, 3, 7]
    assert [row["cell_a"] for row in found.to_dict()["examples"]] == [0, 1, 2, 3, 7]


def test_of_the_cells_that_one_run_alone_has_the_first_are_told(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", [seeds(*range(9))]), run(tmp_path / "b", [seeds(0, 8)])
    alone = nanmap.compare(a, b).alone
    assert [(each.count, each.first) for each in alone] == [(7, [{"seed": n} for n in range(1, 6)]), (0, [])]
    assert nanmap.compare(a, run(tmp_path / "c", [seeds(9)])).to_dict()["share"] is None


@pytest.mark.parametrize(
    ("one", "other", "other_kind", "largest"),
    [
        (1.0, NAN, 1, None),
        (INF, -INF, 1, None),
        (0.0, -0.0, 0, 0.0),
        (4.0, 3.0, 0, 0.25),
        (-1.0, 1.0, 0, 2.0),
        (1.7e308, -1.7e308, 0, 2.0),
        (0.0, 5e-324, 0, 1.0),
    ],
)
def test_numbers_are_held_against_each_other_to_the_last_bit(
    one: float, other: float, other_kind: int, largest: float | None, tmp_path: Path
) -> None:
    axes = [rates(1.0, 2.0, 3.0)]
    a, b = (run(tmp_path / n, axes, {"loss_final": np.array([NAN, v, 1.0])}) for n, v in (("a", one), ("b", other)))
    found = shift(a, b, "loss_final")
    assert (found.equal, found.other_kind) == (2, other_kind)
    assert found.largest == largest
    assert found.cells == (None if largest is None else (1, 1))


def test_nan_and_infinity_are_the_same_as_themselves(tmp_path: Path) -> None:
    a, b = (run(tmp_path / name, [rates(1.0, 2.0)], {"loss_final": np.array([NAN, -INF])}) for name in "ab")
    found = nanmap.compare(a, b)
    assert found.shifts == []
    assert "every value of these rows is the same, bit for bit" in str(found)


def test_of_every_column_that_differs_it_is_told(tmp_path: Path) -> None:
    def value(column: Column, which: int) -> Any:
        return (list(column.names) if column.names else [False, True] if column.type == pa.bool_() else [1, 2])[which]

    a, b = (run(tmp_path / str(n), [rates(0.1, 0.2)], {each.name: value(each, n) for each in COLUMNS}) for n in (0, 1))
    found = nanmap.compare(a, b)
    assert [each.column for each in found.shifts] == [each.name for each in COLUMNS]
    assert {each.equal for each in found.shifts} == {0}
    assert {each.largest for each in found.shifts if each.largest is not None} == {0.5}


def test_null_is_the_same_as_null_alone(tmp_path: Path) -> None:
    axes = [rates(1.0, 2.0, 3.0)]
    masked = np.ma.array([1.0, NAN, 1.0], mask=[True, False, False])
    a = run(tmp_path / "a", axes, {"val_loss_final": masked})
    b = run(tmp_path / "b", axes, {"val_loss_final": np.ma.array([1.0, 1.0, 1.0], mask=[True, True, False])})
    assert nanmap.compare(a, a).shifts == []
    found = shift(a, b, "val_loss_final")
    assert (found.equal, found.other_kind) == (2, 1)


def test_steps_move_relatively_and_texts_are_only_counted(tmp_path: Path) -> None:
    axes = [rates(1.0, 2.0, 3.0)]
    a = run(tmp_path / "a", axes, {"first_nan_step": np.array([10, 8, -1]), "cause": ["overflow", "", ""]})
    b = run(tmp_path / "b", axes, {"first_nan_step": np.array([5, 6, 3]), "cause": ["overflow", "", "rising"]})
    found = shift(a, b, "first_nan_step")
    assert (found.equal, found.other_kind, found.median, found.largest) == (0, 1, 0.375, 0.5)
    assert shift(a, b, "cause") == Shift("cause", 2, None, None, None, None)


def test_negative_numbers_move_relatively_as_well(tmp_path: Path) -> None:
    axes = [rates(1.0, 2.0, 3.0)]
    a = run(tmp_path / "a", axes, {"skill": np.array([-1000.0, -8.0, -1.0])})
    b = run(tmp_path / "b", axes, {"skill": np.array([-750.0, -4.0, 1.0])})
    found = shift(a, b, "skill")
    assert (found.median, found.largest, found.cells) == (0.5, 2.0, (2, 2))


def test_the_median_is_that_of_the_numbers_that_differ_and_flags_are_only_counted(tmp_path: Path) -> None:
    axes = [rates(1.0, 2.0, 3.0, 4.0)]
    flags = np.array([True, True, False, False])
    a = run(tmp_path / "a", axes, {"loss_final": np.array([10.0, 10.0, 10.0, 7.0]), "dead_layer": flags})
    b = run(tmp_path / "b", axes, {"loss_final": np.array([9.0, 8.0, 1.0, 7.0]), "dead_layer": flags})
    assert (shift(a, b, "loss_final").median, shift(a, b, "loss_final").cells) == (pytest.approx(0.2), (2, 2))
    assert [each.column for each in nanmap.compare(a, b).shifts] == ["loss_final"]
    c = run(tmp_path / "c", axes, {"dead_layer": ~flags})
    assert shift(a, c, "dead_layer") == Shift("dead_layer", 0, None, None, None, None)


def test_where_numbers_moved_most_is_told_by_the_cell_of_either_run(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(1.0, 2.0)], {"loss_final": np.array([1.0, 3.0])})
    b = run(tmp_path / "b", [rates(0.5, 0.7, 1.0, 2.0)], {"loss_final": np.array([9.0, 9.0, 1.0, 4.0])})
    assert shift(a, b, "loss_final").cells == (1, 3)


def test_what_differs_between_the_runs_is_told_first(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(0.1, 0.2)], data=["x.csv 11"], widths={"p": 8, "q": 1, "s": 3})
    config = {"data": LINE["data"], "training": LINE["training"] | {"dtype": "float64"}, "outcome": {"ratio": 0.5}}
    more = {
        "versions": {"nanmap": "2", "jax": "1"},
        "device": "two",
        "data": ["x.csv 22"],
        "widths": {"p": 4, "r": 1, "s": 3},
    }
    b = run(tmp_path / "b", [rates(0.1, 0.3)], config=config, where="learning_rate > 0", **more)
    found = nanmap.compare(a, b)
    assert found.differs == {
        "version of nanmap": ("1", "2"),
        "device": ("one", "two"),
        "content of x.csv": ("11", "22"),
        "cells side by side": ("8", "4"),
        "where": (None, "learning_rate > 0"),
        "training.dtype": ("float32", "float64"),
        "outcome.ratio": (0.05, 0.5),
        "axis learning_rate": ("0.1, 0.2", "0.1, 0.3"),
    }
    told = str(found).splitlines()
    assert told[2] == "what differs, A | B:"
    assert told[3].split() == ["version", "of", "nanmap", "1", "|", "2"]


@pytest.mark.parametrize(("path", "both"), [("/two/x.csv", 1), ("/one/y.csv", 0)])
def test_cells_are_the_same_where_their_file_is_by_name_wherever_it_stands(
    path: str, both: int, tmp_path: Path
) -> None:
    def of_file(name: str, path: str) -> Path:
        config = {"data": {"kind": "csv", "target": "y"}, "training": {"epochs": 1}}
        axis = {"key": "data.path", "values": [path]}
        return run(tmp_path / name, [axis], config=config, data=[f"{Path(path).name} 11"])

    found = nanmap.compare(of_file("a", "/one/x.csv"), of_file("b", path))
    assert (found.both, found.alone[0].count) == (both, 1 - both)


def test_a_file_on_an_axis_that_has_other_contents_now_is_told(tmp_path: Path) -> None:
    def of_content(name: str, digest: str) -> Path:
        config = {"data": {"kind": "csv", "target": "y"}, "training": {"epochs": 1}}
        return run(
            tmp_path / name, [{"key": "data.path", "values": ["x.csv"]}], config=config, data=[f"x.csv {digest}"]
        )

    with pytest.raises(
        InputError, match=r"data\.path: is another file in .*b than in a run before it \(got 'x\.csv'\)"
    ):
        nanmap.compare(of_content("a", "11"), of_content("b", "22"))


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ([seeds(1, 2)], [], ("1, 2", "no axis")),
        ([], [seeds(0, 1)], ("no axis", "0, 1")),
        ([seeds(*range(5))], [seeds(5, 9, 3, 1, 7, 8)], ("0, 1, 2, 3, 4", "6 values, 1 to 9")),
    ],
)
def test_axes_of_other_values_are_told_by_them_or_by_their_ends(
    one: list, other: list, told: tuple, tmp_path: Path
) -> None:
    a, b = run(tmp_path / "a", [rates(0.1), *one]), run(tmp_path / "b", [rates(0.1), *other])
    assert nanmap.compare(a, b).differs == {"axis seed": told}


def test_a_run_that_is_not_complete_is_told(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", [rates(0.1)]), run(tmp_path / "b", [rates(0.1)], complete=False)
    assert nanmap.compare(a, b).differs == {"complete": (True, False)}


@pytest.mark.parametrize(("count", "told"), [(5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 …")])
def test_of_many_widths_five_are_told(count: int, told: str, tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(0.1)], widths={f"p{n}": n for n in range(count)})
    b = run(tmp_path / "b", [rates(0.1)], widths={f"p{n}": 9 for n in range(count)})
    assert nanmap.compare(a, b).differs["cells side by side"][0] == told


def test_runs_of_other_versions_are_compared_in_the_columns_that_both_have(tmp_path: Path) -> None:
    a, b = (run(tmp_path / name, [rates(0.1)], {"loss_final": 1.0}) for name in "ab")
    older = write_run(tmp_path / "b", [rates(0.1)], {"loss_final": 2.0}, **MADE | {"schema": 2})
    (table,) = older.tables()
    older.cells.write(0, table.drop_columns(["skill", "loss_constant"]))
    found = nanmap.compare(a, b)
    assert found.differs == {"version of the columns": (3, 2)}
    assert [each.column for each in found.shifts] == ["loss_final"]


def test_without_a_shared_cell_the_command_says_what_to_do(command, tmp_path: Path) -> None:
    run(tmp_path / "a", [rates(0.1), seeds(0)])
    run(tmp_path / "b", [rates(0.1), seeds(1)])
    done = command("compare", "a", "b", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == (
        'no cell of A has the settings of one of B: nanmap.concat(["a", "b"]) puts them together'
    )


def test_json_has_no_nan_and_all_that_is_told(command, tmp_path: Path) -> None:
    run(tmp_path / "a", [rates(0.1, 0.2)], {"outcome": "nan", "loss_final": np.array([NAN, 1.0])})
    run(tmp_path / "b", [rates(0.1, 0.2)], {"outcome": ["nan", "inf"], "loss_final": np.array([NAN, 2.0])})
    done = command("compare", "a", "b", "--json", cwd=tmp_path)
    told = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert done.returncode == 0
    assert told["cells"] == {"each": [2, 2], "both": 2, "only": [0, 0]}
    assert (told["changed"], told["share"]) == (1, 0.5)
    assert told["outcomes"] == [{"from": "nan", "to": "inf", "cells": 1}]
    assert told["examples"][0]["commands"] == ["nanmap run --cell 1 --of a", "nanmap run --cell 1 --of b"]
    assert [each["largest_relative_difference"] for each in told["columns"] if each["column"] == "loss_final"] == [0.5]


def test_judged_and_joined_runs_name_the_run_that_trains_a_cell_again(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [rates(0.1), seeds(0)], {"outcome": "dead"})
    b = run(tmp_path / "b", [rates(0.1), seeds(1)], {"outcome": "dead"})
    c = run(tmp_path / "c", [rates(0.1), seeds(1)], {"outcome": "inf"})
    joined = nanmap.concat([a, b])
    assert nanmap.compare(joined, c).commands == [(f"nanmap run --cell 0 --of {b}", f"nanmap run --cell 0 --of {c}")]
    source, cell = joined.judged(ratio=0.5).folder.source(1)
    assert (source.path, cell) == (b, 0)
    judged = nanmap.compare(Result(a).judged(ratio=0.5), a)
    assert judged.differs == {"outcome.ratio": (0.5, 0.05)}
    assert judged.commands[0][0] == f"nanmap run --cell 0 --of {a} --set outcome.ratio=0.5"


def test_what_is_no_run_is_told(command, tmp_path: Path) -> None:
    run(tmp_path / "a", [rates(0.1)])
    done = command("compare", "a", "b", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "nanmap: b: no such folder")
    with pytest.raises(InputError, match="expects a result or a run folder"):
        nanmap.compare(tmp_path / "a", 3)


def test_a_comparison_is_told_line_by_line() -> None:
    changed = pd.DataFrame(
        {
            "seed": [3],
            "cell_a": [4],
            "cell_b": [5],
            "outcome_a": ["nan"],
            "outcome_b": ["dead"],
            "cause_a": [""],
            "cause_b": [""],
        }
    )
    shifts = [
        Shift("loss_initial", 1000, 2, 0.125, 2.0, (3, 7)),
        Shift("r2", 7, 1, None, None, None),
        Shift("outcome", 5, None, None, None, None),
    ]
    found = Comparison(
        names=("a", "b"), cells=(2000, 30), both=1200,
        alone=(Alone(0, []), Alone(1800, [{"seed": 1, "learning_rate": 0.1234567}])),
        differs={"where": (None, "seed > 1"), "outcome.ratio": (0.1234567, np.inf)},
        outcomes=[Move("nan", "dead", 1)], shifts=shifts,
        examples=[0], commands=[("train a", "train b")], _changed=changed,
    )  # fmt: skip
    assert str(found).splitlines() == [
        "A: a (2,000 cells)",
        "B: b (30 cells)",
        "what differs, A | B:",
        "  where          – | seed > 1",
        "  outcome.ratio  0.123457 | inf",
        "cells of the same settings: 1,200",
        "only in B: 1,800, such as seed = 1, learning_rate = 0.123457",
        "outcome: changed in 1 of 1,200 (0.083 %)",
        "         1  nan → dead",
        "these are:",
        "  seed = 3: nan → dead",
        "    train a",
        "    train b",
        "columns that are not the same to the last bit in all 1,200 cells (other kind: a number, inf, NaN or null",
        "that became another of these; median and largest relative difference of the other numbers that differ):",
        "  column          bit-equal   other kind     median    largest",
        "  loss_initial        1,000            2       0.12          2  at cell 3 | 7",
        "  r2                      7            1",
        "  outcome                 5",
    ]
    plain = found.to_dict()
    assert plain["cells"] == {"each": [2000, 30], "both": 1200, "only": [0, 1800]}
    assert [each["largest_at"] for each in plain["columns"]] == [[3, 7], None, None]
    mine = found.to_pandas()
    mine["seed"] = 9
    assert found.to_pandas().seed.tolist() == [3], "a table of one's own"


@pytest.mark.parametrize(("changed", "said"), [(5, "these are:"), (6, "such as:")])
def test_of_more_than_five_changes_some_are_told(changed: int, said: str, tmp_path: Path) -> None:
    axes = [seeds(*range(changed))]
    a, b = (run(tmp_path / end, axes, {"outcome": [end] * changed}) for end in ("nan", "inf"))
    assert said in str(nanmap.compare(a, b)).splitlines()


def test_a_run_without_axes_is_a_single_cell(tmp_path: Path) -> None:
    a, b = (run(tmp_path / end, [], {"outcome": [end]}) for end in ("nan", "inf"))
    assert "  the only cell: nan → inf" in str(nanmap.compare(a, b)).splitlines()


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(1, 3, "33 %"), (95, 1000, "9.5 %"), (1, 10, "10 %"), (1, 3000, "0.033 %"), (7, 7, "100 %")],
)
def test_a_share_has_two_digits(part: int, whole: int, said: str) -> None:
    assert comparison._percent(part, whole) == said


def test_a_cell_is_trained_again_with_all_thresholds_that_it_was_judged_by() -> None:
    told = comparison.again("a run", 3, {"ratio": 0.5, "floor": 0.1})
    assert told == "nanmap run --cell 3 --of 'a run' --set outcome.ratio=0.5 --set outcome.floor=0.1"
