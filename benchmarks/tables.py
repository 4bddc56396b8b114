"""The tables of a result, for the terminal and for the docs. Every figure comes from the JSON."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.figures import Result, Spread, gflops, measured, number, peak, rates, ratios

MIB = 2**20
REFERENCE, WITH_STOP = "nanmap, every cell to its end", "nanmap"


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
    head = ["", *(text for group in groups for text in (f"{group['name']}: {unit} per second", "nanmap is faster by"))]
    rows: dict[str, list[str]] = {}
    for group in groups:
        for each in group["contenders"]:
            rows.setdefault(each["label"], [each["label"]]).extend(_compared(group, each, unit))
    return Table(head, list(rows.values()), _settings(groups))


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
    """What was searched, and how much of the work each did."""
    texts = []
    for group in groups:
        for each in measured(group):
            task, chosen = each["task"], each["settings"] if each["tried"] else {}
            settings = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in chosen.items())
            steps = each["updates"] // each["cells"]
            texts.append(f"{each['label']} ({group['name']}): {each['cells']:,} cells × {steps:,} updates{f', {settings}' if settings else ''}")
            del task
    return "Work per round and best settings. " + "; ".join(texts) + "."


def widths(result: Result) -> Table:
    """Speed by the number of cells per group."""
    found = result["workloads"]["widths"]
    groups, facts = found["groups"], found["facts"]
    head = ["cells per group", *(f"{group['name']}: updates per second" for group in groups)]
    rows: dict[str, list[str]] = {}
    for group in groups:
        for each in measured(group):
            chosen = " (chosen)" if each["settings"]["width"] == facts[group["name"]]["width"] else ""
            rows.setdefault(each["label"], [each["label"]]).append(Spread.of(rates(each, "updates")).text() + chosen)
    return Table(head, list(rows.values()))


def growth(result: Result) -> Table:
    """The command, by the number of cells."""
    head = ["cells", "whole command, s", "sweep in it, s", "whole / sweep", "cells per second", "resident, MiB", "rows on disk, MiB"]
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
    for name, dtype, group in _groups(result):
        facts = result["workloads"][name]["facts"][dtype]
        share = facts["product_flops_per_update"] / facts["flops_per_update"]
        for each in measured(group):
            if each["label"] == WITH_STOP and each is not group["contenders"][0]:
                continue  # operations that are never made cannot be counted
            speed, top = gflops(result, name, group, each), peak(result, dtype)
            label = f"`{name}`, {dtype}: {each['label']}"
            flops = number(facts["flops_per_update"])
            rows.append([label, flops, f"{share:.0%}", number(speed), number(top), f"{speed / top:.1%}"])
    return Table(head, rows)


def _groups(result: Result) -> list[tuple[str, str, Result]]:
    """Name, precision and comparison of the workloads that compare with peers."""
    names = [name for name in ("fractal_tanh", "relu_double", "square_sgd") if name in result["workloads"]]
    return [(name, group["name"], group) for name in names for group in result["workloads"][name]["groups"]]


def gpu_grids(result: Result) -> Table:
    """Large grids."""
    return comparison(result, "gpu_grids")


def machine(result: Result) -> Table:
    """What was measured on, and with what."""
    about, versions = result["machine"], result["versions"]
    head = ["measured", result["date"]]
    rows = [
        ["processor", f"{about['cpu']}, {about['cores']} cores"],
        ["GPU", ", ".join(about["gpus"]) or "none"],
        ["memory", f"{about['memory_gib']:g} GiB"],
        ["system", about["system"]],
        ["versions", ", ".join(f"{name} {text}" for name, text in versions.items())],
        ["rounds", f"{result['repeats']}, in {result['wall_seconds'] / 60:.1f} minutes"],
    ]
    return Table(head, rows)


def summary(result: Result) -> Table:
    """The short one of the README."""
    rows = []
    found = result["workloads"]
    for group in found["fractal_tanh"]["groups"]:
        ours = group["contenders"][0]
        for each in measured(group)[2:]:
            rows.append(_against(f"`fractal_tanh`, {group['name']}, per update", ours, each, "updates"))
    for name, unit, text in (("relu_double", "trainings", "per training"), ("square_sgd", "updates", "per update")):
        group = found[name]["groups"][0]
        for each in measured(group)[1:]:
            if each["label"] != WITH_STOP:
                rows.append(_against(f"`{name}`, {group['name']}, {text}", group["contenders"][0], each, unit))
    grid = found["growth"]["grids"][-1]
    run = grid["runs"][-1]
    note = (
        f"{grid['cells']:,} trainings of `square_sgd` (full batch, 10 epochs), rows on disk: {number(run['seconds'])} s, "
        f"{number(run['resident_bytes'] / MIB)} MiB of memory. {result['machine']['cpu']}, {result['machine']['cores']} cores, {result['date']}."
    )
    return Table(["workload", "against", "nanmap is faster by"], rows, note)


def _against(workload: str, ours: Result, each: Result, unit: str) -> list[str]:
    return [workload, each["label"], f"{number(ratios(ours, each, unit).middle)} ×"]


TABLES: dict[str, Callable[[Result], Table]] = {
    "machine": machine,
    "summary": summary,
    "fractal_tanh": lambda result: comparison(result, "fractal_tanh"),
    "relu_double": lambda result: comparison(result, "relu_double"),
    "square_sgd": lambda result: comparison(result, "square_sgd"),
    "widths": widths,
    "growth": growth,
    "second_start": second_start,
    "traced_axes": traced_axes,
    "gpu_grids": gpu_grids,
    "roofline": roofline,
}


def show(result: Result, console: Console) -> None:
    """Prints the tables of the workloads that were run."""
    for name in result["workloads"]:
        console.print(TABLES[name](result).rich(name))
    if _groups(result):
        console.print(roofline(result).rich("roofline"))
