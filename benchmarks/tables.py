"""The tables of a result, for the terminal and for the docs. Every figure comes from the JSON."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.figures import Result, Spread, full_name, gflops, measured, number, peak, rates, ratios

MIB = 2**20
CONTESTS = ("fractal_tanh", "relu_double", "square_sgd", "square_sgd_long")  # workloads that compare with peers
LATER: tuple[str, ...] = ()  # workloads that results of before do not have; their pages say so
ABSENT = ["–", "–"]  # of who does not take part in a precision
WITH_STOP = "nanmap"  # label of a sweep as it is; where another contender is the reference, that one never stops


@dataclass(frozen=True)
class Table:
    """Texts in rows; `note` is a paragraph below."""

    head: list[str]
    rows: list[list[str]]
    note: str = ""

    def markdown(self) -> str:
        """For the docs. The first column is text, the others are figures."""
        lines = [self.head, ["---"] + ["---:"] * (len(self.head) - 1), *self.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{body}\n\n{self.note}" if self.note else body

    def rich(self, title: str) -> RichTable:
        """For the terminal."""
        table = RichTable(title=title, title_justify="left", caption=self.note or None, caption_justify="left")
        for index, text in enumerate(self.head):
            table.add_column(text, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row)
        return table


def comparison(result: Result, workload: str) -> Table:
    """Who trains how fast, a pair of columns per precision."""
    found = result["workloads"][workload]
    unit, groups = found["unit"], found["groups"]
    speeds = [(f"{group['name']}: {unit} per second", "speed of nanmap over it") for group in groups]
    cells = [{full_name(each): _compared(group, each, unit) for each in group["contenders"]} for group in groups]
    everybody = {full_name(each): each for group in groups for each in group["contenders"]}
    told = any("keeps" in each for each in everybody.values())
    rows = [
        [
            each["label"],
            *([each.get("keeps", "")] if told else []),
            *(text for column in cells for text in column.get(who, ABSENT)),
        ]
        for who, each in everybody.items()
    ]
    return Table(["", *(["keeps"] if told else []), *sum(speeds, ())], rows, _settings(groups))


def _compared(group: Result, each: Result, unit: str) -> list[str]:
    """Speed of a contender, and how many times as fast the first one is."""
    if "missing" in each:
        return ["not installed", ""]
    speed = Spread.of(rates(each, unit)).text()
    reference = group["contenders"][0]
    if each is reference:
        return [speed, ""]
    ratio = ratios(reference, each, unit)
    if each["label"] == WITH_STOP:
        return [speed, f"{number(1 / ratio.middle)} × the row above"]
    return [speed, ratio.text(" ×")]


def _settings(groups: list[Result]) -> str:
    """A line per contender: how much it did in a round, and what its best setting was chosen from."""
    lines = []
    for who in dict.fromkeys(full_name(each) for group in groups for each in measured(group)):
        mine = {group["name"]: each for group in groups for each in measured(group) if full_name(each) == who}
        first = next(iter(mine.values()))
        work = {dtype: work_of(each) for dtype, each in mine.items()}
        text = f"- {who}: {_once(work)}"
        if first["tried"]:
            best = {dtype: _setting(each["settings"]) for dtype, each in mine.items()}
            names = dict.fromkeys(_setting(each["settings"]).partition(" ")[0] for each in first["tried"])
            text += f"; best of {', '.join(names)}: {_once(best)}"
        lines.append(text)
    return "Work in a round, and settings that were searched:\n\n" + "\n".join(lines)


def work_of(contender: Result) -> str:
    """How much a contender did in a round."""
    return f"{contender['cells']:,} cells × {contender['updates'] // contender['cells']:,} updates"


def _once(texts: dict[str, str]) -> str:
    """What is told of each group; once, where it is the same of all."""
    different = set(texts.values())
    return different.pop() if len(different) == 1 else ", ".join(f"{text} ({name})" for name, text in texts.items())


def _setting(settings: Result) -> str:
    """The numbers among the settings in words, the deciding one first."""
    numbers = {key: value for key, value in settings.items() if not isinstance(value, bool)}
    return ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in reversed(numbers.items()))


def records(result: Result) -> Table:
    """What the records of a line cost."""
    groups = result["workloads"]["records"]["groups"]
    head = ["kept in a loop on one core", *(f"{group['name']}: updates per second" for group in groups)]
    rows = [[kept, *(Spread.of(group["speeds"][kept]).text() for group in groups)] for kept in groups[0]["speeds"]]
    return Table(head, rows)


def widths(result: Result) -> Table:
    """Speed by the number of cells per group, as a share of the best; the chosen one in bold."""
    found = result["workloads"]["widths"]
    speeds = {
        group["name"]: {each["settings"]["width"]: Spread.of(rates(each, "updates")).middle for each in measured(group)}
        for group in found["groups"]
    }
    numbers = sorted({width for group in speeds.values() for width in group})
    rows = []
    for name, group in speeds.items():
        shares = {width: f"{speed / max(group.values()):.0%}" for width, speed in group.items()}
        chosen = found["facts"][name]["width"]
        cells = [f"**{shares[n]}**" if n == chosen else shares[n] for n in numbers if n in shares]
        columns = iter(cells)
        rows.append([name, *(next(columns) if n in shares else "–" for n in numbers), f"{max(group.values()):,.0f}"])
    return Table(["network, rows per update", *map(str, numbers), "updates per second at 100%"], rows)


def growth(result: Result) -> Table:
    """The command, by the number of cells."""
    head = [
        "cells",
        "whole command, s",
        "sweep in it, s",
        "whole / sweep",
        "cells per second",
        "resident, MiB",
        "rows on disk, MiB",
    ]
    rows = []
    for grid in result["workloads"]["growth"]["grids"]:
        runs = grid["runs"]
        whole, inside = (Spread.of([run[name] for run in runs]) for name in ("seconds", "sweep_seconds"))
        share = Spread.of([run["seconds"] / run["sweep_seconds"] for run in runs])
        resident, disk = (Spread.of([run[name] / MIB for run in runs]) for name in ("resident_bytes", "disk_bytes"))
        speed = grid["cells"] / whole.middle
        cells = [whole.middle, inside.middle, share.middle, speed, resident.high, disk.middle]
        rows.append([f"{grid['cells']:,}", *map(number, cells)])
    return Table(head, rows)


def second_start(result: Result) -> Table:
    """How soon rows stand on disk."""
    found = result["workloads"]["second_start"]
    later = found["later"]

    def row(label: str, runs: list[Result]) -> list[str]:
        first = Spread.of([run["first_file_seconds"] or run["seconds"] for run in runs])
        whole = Spread.of([run["seconds"] for run in runs])
        return [label, first.text(), whole.text(), str(max(run["compiled"] for run in runs))]

    head = [f"{found['cells']:,} cells", "first rows on disk, s", "whole command, s", "programs compiled"]
    return Table(head, [row("first start", [found["first"]]), row("later starts", later)])


def traced_axes(result: Result) -> Table:
    """Compilations of a sweep over numbers of a lane."""
    found = result["workloads"]["traced_axes"]
    axes = ", ".join(f"`{key}`" for key in found["axes"])
    head = ["axes", "cells", "programs", "executables before", "further executables"]
    devices = f"{found['first']} (one per device)" if found["first"] == found["devices"] else str(found["first"])
    return Table(head, [[axes, f"{found['cells']:,}", str(found["programs"]), devices, str(found["further"])]])


def roofline(result: Result) -> Table:
    """Achieved over possible."""
    head = ["", "operations per update", "in matrix products", "GFLOP/s", "matrix product, GFLOP/s", "share of it"]
    rows = []
    for name, dtype, group in comparisons(result):
        facts = result["workloads"][name]["facts"][dtype]
        share = facts["product_flops_per_update"] / facts["flops_per_update"]
        for each in in_roofline(name, group):
            speed, top = gflops(result, name, group, each), peak(result, dtype)
            label = f"`{name}`, {dtype}: {each['label']}"
            flops = number(facts["flops_per_update"])
            rows.append([label, flops, f"{share:.0%}", number(speed), number(top), f"{speed / top:.1%}"])
    return Table(head, rows)


def comparisons(result: Result) -> list[tuple[str, str, Result]]:
    """Name, precision and comparison of the workloads that compare with peers."""
    names = [name for name in CONTESTS if name in result["workloads"]]
    return [(name, group["name"], group) for name in names for group in result["workloads"][name]["groups"]]


def in_roofline(workload: str, group: Result) -> list[Result]:
    """Whose operations are told: everybody's on the fractal network, nanmap's elsewhere.

    Not those of trainings that stopped early: operations that were never made cannot be counted.
    """
    everybody = measured(group) if workload == "fractal_tanh" else measured(group)[:1]
    return [each for each in everybody if each["label"] != WITH_STOP or each is group["contenders"][0]]


def gpu(result: Result) -> Table:
    """The contests on a GPU."""
    pieces = [result["pieces"][name] for name in ("contest float32", "contest float64")]
    groups = [group for piece in pieces for group in piece["groups"]]
    return comparison({"workloads": {"gpu": {"unit": "updates", "groups": groups}}}, "gpu")


def gpu_widths(result: Result) -> Table:
    """Cells per group on a GPU, for each precision that was measured."""
    found = {name: each for name, each in result["pieces"].items() if name.startswith("widths")}
    head = ["cells per group", *(f"{name.split()[-1]}: updates per second" for name in found)]
    numbers = sorted({int(width) for piece in found.values() for width in piece["updates_per_second"]})
    rows = []
    for width in numbers:
        row = [f"{width:,}"]
        for piece in found.values():
            taken = ", taken" if width == piece["chosen"] else ""
            row.append(number(max(piece["updates_per_second"].get(str(width), [math.nan]))) + taken)
        rows.append(row)
    return Table(head, rows)


def gpu_maps(result: Result) -> Table:
    """Whole maps by the command on a GPU."""
    found = {name: each for name, each in result["pieces"].items() if name.startswith("map")}
    head = ["map", "cells × updates", "whole command, s", "of it training, s", "`nanmap map`, s", "rows on disk"]
    rows = []
    for name, each in sorted(found.items()):
        side, dtype = name.split()[1:]
        work = f"{each['cells']:,} × {each['updates'] // each['cells']}"
        seconds = [number(each[key]) for key in ("seconds", "sweep_seconds", "map_seconds")]
        rows.append([f"{side} × {side}, {dtype}", work, *seconds, f"{each['bytes'] / MIB:,.0f} MiB"])
    return Table(head, rows)


def machine(result: Result) -> Table:
    """What was measured on, and with what."""
    about, versions = result["machine"], result["versions"]
    head = ["measured", result.get("date") or result["pieces"]["tests"]["date"]]
    rows = [
        ["processor", f"{about['cpu']}, {about['cores']} cores"],
        ["GPU", ", ".join(about["gpus"]) or "none"],
        ["memory", f"{about['memory_gib']:g} GiB"],
        ["system", about["system"]],
        ["versions", ", ".join(f"{name} {text}" for name, text in versions.items())],
        *(
            [["rounds", f"{result['repeats']}, in {result['wall_seconds'] / 60:.1f} minutes"]]
            if "repeats" in result
            else []
        ),
    ]
    return Table(head, rows)


def summary(result: Result) -> Table:
    """The short one of the README."""
    found, rows = result["workloads"], []
    for name in CONTESTS:
        if name not in found:
            continue
        groups, unit = found[name]["groups"], found[name]["unit"]
        for peer in (full_name(each) for each in measured(groups[0])[1:] if each["label"] != WITH_STOP):
            texts = []
            for group in groups:
                each = next((each for each in measured(group) if full_name(each) == peer), None)
                if each is None:
                    continue
                ratio = number(ratios(group["contenders"][0], each, unit).middle)
                texts.append(f"{ratio} ×" + (f" ({group['name']})" if len(groups) > 1 else ""))
            rows.append([f"`{name}`", peer, ", ".join(texts)])
    grid = found["growth"]["grids"][-1]
    run = grid["runs"][-1]
    note = (
        f"{grid['cells']:,} trainings of `square_sgd` (full batch, 10 epochs) took {number(run['seconds'])} s and "
        f"{number(run['resident_bytes'] / MIB)} MiB of memory, from the command to the rows on disk. "
        f"Measured on {result['machine']['cpu']}, {result['machine']['cores']} cores."
    )
    return Table(["workload", "against", "nanmap is as fast"], rows, note)


TABLES: dict[str, Callable[[Result], Table]] = {
    "machine": machine,
    "summary": summary,
    "fractal_tanh": lambda result: comparison(result, "fractal_tanh"),
    "relu_double": lambda result: comparison(result, "relu_double"),
    "square_sgd": lambda result: comparison(result, "square_sgd"),
    "square_sgd_long": lambda result: comparison(result, "square_sgd_long"),
    "records": records,
    "widths": widths,
    "growth": growth,
    "second_start": second_start,
    "traced_axes": traced_axes,
    "gpu": gpu,
    "gpu_widths": gpu_widths,
    "gpu_maps": gpu_maps,
    "roofline": roofline,
}


def show(result: Result, console: Console) -> None:
    """Prints the tables of the workloads that were run."""
    for name in result["workloads"]:
        console.print(TABLES[name](result).rich(name))
    if comparisons(result):
        console.print(roofline(result).rich("roofline"))
