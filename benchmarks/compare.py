"""`make bench-compare OLD=old.json [NEW=new.json]`: what changed between two results of the benchmark.

A result is a file, or a revision of this checkout (`OLD=HEAD~3`: what was committed then). A speed is of its machine and of
the hour; a ratio was taken within one run, so it is what can be believed across runs and machines.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.figures import SCHEMA, Result, Spread, full_name, number, rates, ratios
from benchmarks.tables import MIB, work_of
from nanmap.errors import InputError

ROOT = Path(__file__).parents[1]
RESULTS = "benchmarks/results"
GPU_SECONDS = {"seconds": "whole command, s", "sweep_seconds": "of it training, s", "map_seconds": "nanmap map, s"}
LARGE = 1e7  # from here on figures are told in millions
APART = "*"  # where every round of the one is faster, or slower, than every one of the other
MACHINE = ("processor", "GPU", "memory", "system")
ALWAYS = ("measured", "commit", "rounds")
OURS = ("nanmap",)  # a version that changes with what is measured

Names = tuple[str, str]  # how a row is called, and what it keeps if that is told


@dataclass(frozen=True)
class Row:
    """One thing that was measured.

    Attributes:
        values: one per round.
        ratio: how many times as fast the first of the contenders is, which is nanmap; of the others.
        work: how much was done in a round, where it is told.
    """

    values: Spread
    ratio: Spread | None = None
    work: str = ""


@dataclass(frozen=True)
class Measured:
    """A result, ready to be compared.

    Attributes:
        name: the file or the revision it is from.
        facts: what it was measured on, and with what.
        parts: rows by what they are about, such as `square_sgd, float64: updates per second`.
        absent: who was not installed, with the part it would stand in.
        quick: whether its figures mean nothing.
    """

    name: str
    facts: dict[str, str]
    parts: dict[str, dict[Names, Row]]
    absent: set[tuple[str, Names]] = field(default_factory=set)
    quick: bool = False


def read(name: str, text: str) -> Measured:
    """A result from its JSON.

    Raises:
        InputError: it is no JSON, no result of the benchmark, or one of another schema.
    """
    try:
        result = json.loads(text)
    except ValueError as error:
        raise InputError(f"is no JSON: {error}", file=name, mend="name a file that `make bench` wrote") from None
    if not isinstance(result, dict) or "schema" not in result or not {"workloads", "pieces"} & set(result):
        allowed = f"what `make bench` or `make gpu` wrote, as in {RESULTS}"
        raise InputError("is no result of the benchmark", file=name, allowed=allowed)
    if result["schema"] != SCHEMA:
        mend = f"compare with the version that wrote it (commit {result.get('commit') or 'unknown'}), or measure again"
        raise InputError(
            "has another schema", file=name, key="schema", value=result["schema"], allowed=[SCHEMA], mend=mend
        )
    try:
        parts: dict[str, dict[Names, Row]] = {}
        for part, names, row in _rows(result):
            parts.setdefault(part, {})[names] = row
        return Measured(name, _facts(result), parts, set(_absent(result)), bool(result["quick"]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        what = f"is not whole: {type(error).__name__} {error}"
        raise InputError(what, file=name, mend="measure again: `make bench`") from None


def _rows(result: Result) -> Iterator[tuple[str, Names, Row]]:
    """Everything that was measured: what it is about, names, figures."""
    for workload, found in (result.get("workloads") or result["pieces"]).items():
        for group in found.get("groups", []):
            about = workload if workload.endswith(group["name"]) else f"{workload}, {group['name']}"
            for kept, speeds in group.get("speeds", {}).items():
                yield f"{about}: updates per second", (kept, ""), Row(Spread.of(speeds))
            yield from _contest(f"{about}: {found.get('unit')} per second", found.get("unit"), workload, group)
        yield from _others(workload, found)


def _contest(part: str, unit: Any, workload: str, group: Result) -> Iterator[tuple[str, Names, Row]]:
    """Who took part in a comparison; widths are all nanmap's."""
    contenders = group.get("contenders", [])
    for each in contenders:
        if "seconds" in each:
            peer = workload != "widths" and each is not contenders[0]
            ratio = ratios(contenders[0], each, unit) if peer else None
            yield part, _names(each), Row(Spread.of(rates(each, unit)), ratio, work_of(each))


def _others(workload: str, found: Result) -> Iterator[tuple[str, Names, Row]]:
    """What is no comparison: the command, compilations, pieces of a GPU."""
    for grid in found.get("grids", []):
        for key, what, unit in (
            ("seconds", "s", 1),
            ("sweep_seconds", "of it the sweep, s", 1),
            ("resident_bytes", "MiB", MIB),
        ):
            values = Spread.of([run[key] / unit for run in grid["runs"]])
            yield f"{workload}: the whole command", (f"{grid['cells']:,} cells, {what}", ""), Row(values)
    if "later" in found:
        for label, runs in (("first start", [found["first"]]), ("later starts", found["later"])):
            seconds = Spread.of([run["seconds"] for run in runs])
            yield f"{workload}: the whole command", (f"{label}, s", ""), Row(seconds)
            compiled = Spread.of([float(run["compiled"]) for run in runs])
            yield f"{workload}: the whole command", (f"{label}, programs compiled", ""), Row(compiled)
    if "further" in found:
        yield f"{workload}: executables", ("further ones", ""), Row(Spread.of([float(found["further"])]))
    for width, speeds in found.get("updates_per_second", {}).items():
        yield f"{workload}: updates per second", (f"{width} cells per group", ""), Row(Spread.of(speeds))
    if "map_seconds" in found:
        for key, what in GPU_SECONDS.items():
            yield f"{workload}: the whole command", (what, ""), Row(Spread.of([found[key]]))


def _names(contender: Result) -> Names:
    return contender["label"], contender.get("keeps", "")


def _absent(result: Result) -> Iterator[tuple[str, Names]]:
    for workload, found in result.get("workloads", {}).items():
        for group in found.get("groups", []):
            for each in group.get("contenders", []):
                if "missing" in each:
                    yield f"{workload}, {group['name']}: {found['unit']} per second", _names(each)


def _facts(result: Result) -> dict[str, str]:
    """What a result was measured on, and with what, by name."""
    about, pieces = result["machine"], list(result.get("pieces", {}).values())
    dates = sorted({each["date"] for each in [*pieces, result] if "date" in each})
    commits = dict.fromkeys(str(each["commit"]) for each in [*pieces, result] if "commit" in each)
    return {
        "measured": " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "–",
        "commit": ", ".join(commits),
        "rounds": str(result.get("repeats", "–")),
        "processor": f"{about['cpu']}, {about['cores']} cores",
        "GPU": ", ".join(about["gpus"]) or "none",
        "memory": f"{about['memory_gib']:g} GiB",
        "system": about["system"],
        **result["versions"],
    }


def show(old: Measured, new: Measured, console: Console) -> None:
    """Prints what differs between two results: machines and versions, every figure, what only one of them has."""
    differ = [key for key in {**old.facts, **new.facts} if old.facts.get(key) != new.facts.get(key)]
    facts = Table("", title="results", title_justify="left", box=box.HORIZONTALS)
    for head, name in (("old", old.name), ("new", new.name)):
        facts.add_column(f"{head}: {name}", overflow="fold")
    for key in dict.fromkeys([*ALWAYS, *differ]):
        facts.add_row(key, old.facts.get(key, "–"), new.facts.get(key, "–"))
    console.print(facts)
    for sentence in (*_caveats(old, new, differ), f"{APART}: no round of the one lies among those of the other."):
        console.print(sentence)
    for part, rows in old.parts.items():
        pairs = list(_pairs(rows, new.parts.get(part, {})))
        if pairs:
            console.print()
            console.print(_table(part, pairs))
    console.print()
    for one, other in ((old, new), (new, old)):
        lines = list(_only(one, other))
        if lines:
            console.print(f"Only in {one.name}:", *lines, sep="\n  ")


def _caveats(old: Measured, new: Measured, differ: list[str]) -> Iterator[str]:
    """What a reader must know before any figure."""
    for each in (old, new):
        if each.quick:
            yield f"{each.name} is of a run with --quick: its figures mean nothing."
    others = [key for key in differ if key not in (*MACHINE, *ALWAYS, *OURS)]
    if any(key in MACHINE for key in differ):
        yield "The machines differ: a change of speed may be theirs. Believe the ratios."
    else:
        yield "The same machine. Its speed may have changed with what else it did: believe the ratios."
    if others:
        yield f"Versions differ ({', '.join(others)}): where a peer is another one, so is the ratio over it."


def _pairs(old: dict[Names, Row], new: dict[Names, Row]) -> Iterator[tuple[str, Row, Row]]:
    """Rows of the same name; what is kept decides only where both tell it."""
    for names, row in new.items():
        before = old.get(names) or (old.get((names[0], "")) if _alone(names, new) else None)
        if before:
            yield _called(names), before, row
        elif not names[1] and _alone(names, old):
            found = next((each for (label, _), each in old.items() if label == names[0]), None)
            if found:
                yield _called(names), found, row


def _alone(names: Names, rows: dict[Names, Row]) -> bool:
    """Whether nobody else has this label."""
    return sum(label == names[0] for label, _ in rows) <= 1


def _called(names: Names) -> str:
    label, keeps = names
    return full_name({"label": label} | ({"keeps": keeps} if keeps else {}))


def _only(one: Measured, other: Measured) -> Iterator[str]:
    """What one result has and the other has not."""
    for part, rows in one.parts.items():
        if part not in other.parts:
            yield part.partition(":")[0]
            continue
        found = {label for label, _, _ in _pairs(other.parts[part], rows)}
        for names in rows:
            if _called(names) not in found:
                why = " (not installed in the other)" if (part, names) in other.absent else ""
                yield f"{part.partition(':')[0]}: {_called(names)}{why}"


def _table(part: str, pairs: list[tuple[str, Row, Row]]) -> Table:
    """Old above new, and what became of it: side by side they fit no terminal."""
    ratio = any(before.ratio and after.ratio for _, before, after in pairs)
    about, _, unit = part.partition(": ")
    table = Table(title=about, title_justify="left", caption_justify="left", box=box.HORIZONTALS, show_lines=True)
    table.caption = _other_work(pairs)
    large = any(max(before.values.high, after.values.high) >= LARGE for _, before, after in pairs)
    scale = 1e6 if large else 1.0
    table.add_column("", overflow="fold", min_width=12)
    for head in ("", f"million {unit}" if large else unit, *(["the first row over it"] if ratio else [])):
        table.add_column(head, no_wrap=True)
    for label, before, after in pairs:
        cells = [_changed(before.values.over(scale), after.values.over(scale))]
        if before.ratio and after.ratio:
            cells.append(_changed(before.ratio, after.ratio, " ×"))
        table.add_row(label, "old\nnew\nnew / old", *cells)
    return table


def _other_work(pairs: list[tuple[str, Row, Row]]) -> str | None:
    """Who was given another amount of work in a round."""
    changes: dict[str, list[str]] = {}
    for label, before, after in pairs:
        if before.work != after.work:
            changes.setdefault(f"{before.work} a round, now {after.work}", []).append(label)
    return "\n".join(f"{'; '.join(labels)}: {change}" for change, labels in changes.items()) or None


def _changed(old: Spread, new: Spread, unit: str = "") -> str:
    """Two figures with their spread, and what became of the first."""
    change = number(new.middle / old.middle) if old.middle else "–"
    apart = f" {APART}" if new.low > old.high or new.high < old.low else ""
    return f"{old.text(unit)}\n{new.text(unit)}\n{change}{apart}"


def load(given: str, other: str | None = None) -> Measured:
    """A result by its file, its revision, or both (`HEAD~3:benchmarks/results/FILE.json`).

    Args:
        given: what was asked for.
        other: what it is compared with: a revision's file of the same name is taken, else that of this machine.

    Raises:
        InputError: there is no such file and no such revision, or it holds no result.
    """
    path, (revision, _, file) = Path(given), given.partition(":")
    if path.is_file():
        try:
            return read(given, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", file=given) from None
    if path.is_dir():
        raise InputError("is a folder", file=given, mend="name the JSON file in it")
    if file == "" and given.endswith(".json"):
        raise InputError("no such file", file=given, mend=_measure())
    if _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") is None:
        raise InputError("no such file, and no such revision of this checkout", file=given, mend=_measure())
    if not file:
        committed = _committed(revision)
        names = (Path((other or "").rpartition(":")[2]).name, own_file().name)
        file = next((found for name in names if (found := f"{RESULTS}/{name}") in committed), "")
        if not file:
            raise InputError(
                f"no result of this machine ({names[-1]}) in this revision",
                file=given,
                allowed=_revised(revision),
                mend="name the file, too" if committed else "take a later revision",
            )
    text = _git("show", f"{revision}:{file}")
    if text is None:
        raise InputError("no such file in this revision", file=given, allowed=_revised(revision), mend=_measure())
    return read(f"{revision}:{Path(file).name}", text)


def own_file() -> Path:
    """Where `make bench` writes this machine's result, seen from here."""
    return Path(os.path.relpath(ROOT / RESULTS / f"{machine.short_name(machine.describe())}.json"))


def _measure() -> str:
    return f"measure one, `make bench BENCH='--out FILE.json'`, or take one of {RESULTS}"


def _committed(revision: str) -> list[str]:
    """Results of a revision."""
    listed = _git("ls-tree", "--name-only", revision, f"{RESULTS}/") or ""
    return [line for line in listed.splitlines() if line.endswith(".json")]


def _revised(revision: str) -> list[str]:
    """The same as one would ask for them."""
    return [f"{revision}:{each}" for each in _committed(revision)]


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace")
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 if one of the two cannot be read."""
    parser = argparse.ArgumentParser(
        usage="make bench-compare OLD=FILE.json [NEW=FILE.json], or python -m benchmarks.compare OLD [--new NEW]",
        description=(__doc__ or "").partition("\n\n")[2],
    )
    parser.add_argument("old", help="a JSON file of `make bench` or `make gpu`, or a revision that has one")
    parser.add_argument("--new", help="another one (default: this machine's, which `make bench` writes)")
    chosen = parser.parse_args(arguments)
    new = chosen.new or str(own_file())
    try:
        after = load(new, chosen.old)
        before = load(chosen.old, new)
    except InputError as error:
        print(f"bench-compare: {error}", file=sys.stderr)
        return 2
    show(before, after, Console(markup=False, highlight=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
