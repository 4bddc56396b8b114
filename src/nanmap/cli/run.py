"""`nanmap run`: one training in words or as JSON."""

import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.cli.app import AllowPython, Device, Set, app
from nanmap.cli.lines import say
from nanmap.errors import InputError, typed

if TYPE_CHECKING:
    from nanmap.config import Config
    from nanmap.engine import Engine
    from nanmap.plan import Plan
    from nanmap.runs.again import Held
    from nanmap.runs.single import EpochLoss, TrainingReport

ALL_EPOCHS = 40  # longer trainings show their first epochs, then every so many


@app.command(epilog="Example:  nanmap run configs/keras_line.toml --set optimizer.learning_rate=0.001 --predict 25")
def run(
    config: Annotated[
        Path | None, typer.Argument(help="A config file (configs/*.toml); none with --cell.", show_default=False)
    ] = None,
    set_: Set = None,
    cell: Annotated[
        int | None, typer.Option(help="Train this cell of a run again, in place of a config.", show_default=False)
    ] = None,
    of: Annotated[Path | None, typer.Option(metavar="RUN", help="The run of --cell.", show_default=False)] = None,
    predict: Annotated[
        list[str] | None, typer.Option(metavar="X[,X...]", help="Input to predict after training; may be repeated.")
    ] = None,
    explain_data: Annotated[
        bool, typer.Option("--explain-data", help="Say what was done to each column of the data.")
    ] = False,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
    allow_python: AllowPython = False,
) -> None:
    """Train one config: what became of it, why, and what to try next.

    With --cell and --of: the training behind one row of a run; says whether the row came out bit for bit.
    """
    from nanmap.engine.devices import set_up

    source = _Source.of(config, cell, of)
    given = set_ or []
    with typed("--set", given):
        spec = source.config(given)
    asked = predict or []
    inputs = [_values(text) for text in asked]
    set_up(device)
    from nanmap import api
    from nanmap.engine import LocalEngine
    from nanmap.plan import notices
    from nanmap.runs.single import plan_one

    try:
        with typed("--set", given):
            plan = plan_one(spec, allow_python)
            (variant,) = plan.variants()
            for sentence in notices(plan):
                print(f"note: {sentence}", file=sys.stderr)
        if explain_data:
            print(*variant.rows.report, sep="\n", file=sys.stderr)
        engine = LocalEngine()
        source.begin(plan, engine)
        teller = None if as_json else _teller(-(-variant.steps // variant.steps_per_epoch))
        report = api.run(plan, predict=inputs, engine=engine, on_epoch=teller)
    except InputError as error:
        raise error.within(source.file) from None
    held = None if given else source.held_against(report.row, engine)
    if as_json:
        from nanmap.cli.json_text import json_text

        print(json_text(_as_json(report) | ({} if held is None else _held_as_json(held))))
        return
    _print_end(report, variant.steps_per_epoch)
    if held is not None:
        print(held.sentence())
    elif not given and (end := source.filled_in()):
        print(f"the run filled this cell in, as {end} like all around it; here it was trained")
    _print_advice(report, [*source.words, *["--allow-python"] * allow_python], given)
    for text, value in zip(asked, report.predictions, strict=True):
        print(f"prediction at {text}: {_show(value)}")


class _Source:
    """Where the settings of the training come from: a config's file, or a cell of a run.

    Attributes:
        file: that messages name.
        words: that name it on the command line.
    """

    def __init__(self, file: Path, cell: int | None) -> None:
        from nanmap.results.folder import RunFolder

        self.file, self.cell, self.folder = file, cell, RunFolder(file)
        self.words = [str(file)] if cell is None else ["--cell", str(cell), "--of", str(file)]

    @classmethod
    def of(cls, config: Path | None, cell: int | None, run: Path | None) -> "_Source":
        """The one that was given."""
        from nanmap.cli.examples import refuse_example

        if (cell is None) != (run is None):
            missing, given = ("--of", "--cell") if run is None else ("--cell", "--of")
            raise InputError(f"{given} needs it", key=missing, mend="nanmap run --cell 12 --of results/keras_line")
        if (config is None) == (run is None):
            problem = "is missing" if config is None else "is given beside --cell"
            raise InputError(problem, key="CONFIG", mend="nanmap run CONFIG, or nanmap run --cell N --of RUN")
        if config is not None:
            refuse_example(config)
        return cls(config or run or Path(), cell)

    def config(self, overrides: list[str]) -> "Config":
        """The settings, with those of `--set` laid over them."""
        from nanmap.analysis import config_of_cell
        from nanmap.config import build_config, load_config, parse_assignment

        if self.cell is None:
            return load_config(self.file, overrides)
        config = config_of_cell(self.folder, self.cell)
        if not overrides:
            return config
        return build_config(config.model_dump(exclude_unset=True), dict(map(parse_assignment, overrides)))

    def begin(self, plan: "Plan", engine: "Engine") -> None:
        """Has the engine train a cell as its run did."""
        from nanmap.runs.again import as_before

        if self.cell is not None:
            as_before(self.folder, plan, engine)

    def filled_in(self) -> str | None:
        """The outcome that a run which refined itself gave to the cell without training it; None where it did not."""
        from nanmap.analysis import filled_outcome

        return None if self.cell is None else filled_outcome(self.folder, self.cell)

    def held_against(self, row: "dict[str, Any]", engine: "Engine") -> "Held | None":
        """The row that came out, held against the stored one; None without one."""
        from nanmap.analysis import row_of_cell
        from nanmap.runs.again import Held, other_bits

        if self.cell is None or (stored := row_of_cell(self.folder, self.cell)) is None:
            return None
        return Held.of(stored, row, other_bits(self.folder, self.cell, engine))


def _teller(total: int) -> "Callable[[int, EpochLoss], None]":
    """Prints some epochs, and whatever was left out the first with an infinity and the first with a NaN."""
    seen: set[str] = set()

    def tell(number: int, losses: "EpochLoss") -> None:
        values = [value for value in asdict(losses).values() if value is not None]
        first = {name for name, found in (("inf", math.isinf), ("nan", math.isnan)) if any(map(found, values))} - seen
        seen.update(first)
        chosen = number <= ALL_EPOCHS // 2 or number % max(1, total // ALL_EPOCHS) == 0 or number == total
        if chosen or first:
            print(_epoch_line(number, total, losses), flush=True)

    return tell


def _values(text: str) -> list[float | str]:
    """Numbers and names of categories, separated by commas; a name that holds one stands in quotes."""
    import csv

    try:
        parts = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error:
        raise InputError("has a quotation mark too few", key="--predict", value=text) from None
    return [_number(part.strip()) for part in parts]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _epoch_line(number: int, total: int, losses: "EpochLoss") -> str:
    said = [("mean loss", losses.mean_loss), ("last batch", losses.last_loss), ("val_loss", losses.val_loss)]
    said += [("accuracy", losses.mean_accuracy), ("val_accuracy", losses.val_accuracy)]
    # Nine digits tell every float32 apart, and show what other programs print.
    return f"epoch {number}/{total}" + "".join(f"  {name} {value:.9g}" for name, value in said if value is not None)


def _print_end(report: "TrainingReport", steps_per_epoch: int) -> None:
    row = report.row
    cause = f"; {report.cause.sentence}" if report.cause else ""
    print()
    say(f"outcome: {report.outcome} — {report.outcome.sentence}{cause}")
    made = f"{row['steps_run']:,} update{'s' * (row['steps_run'] != 1)}"
    say(f"loss: {_show(row['loss_initial'])} at the start, {_show(row['loss_final'])} at the end after {made}")
    for sentence in report.evidence:
        say(sentence, indent="  ")
    if report.first_tensor is not None:
        say(report.first_tensor.sentence, indent="  ")
    if row["stopped_step"] is not None:
        say(f"stopped before step {row['stopped_step']}, as training.stop_above or training.stop_converged asks")
    for kind in ("inf", "nan"):
        step = row[f"first_{kind}_step"]
        if step is not None:
            print(f"first {kind}: step {step} (counted from 0), in epoch {step // steps_per_epoch + 1}")
    for name, values in (report.params or {}).items():
        if values.size <= 8:
            print(f"{name}: {', '.join(_show(v) for v in values.ravel().tolist())}")


def _print_advice(report: "TrainingReport", source: list[str], given: list[str]) -> None:
    """The command to try next: this one, with the settings that the cause asks for; and the one that proves what helps."""
    import shlex

    from nanmap.outcomes import Outcome

    if report.remedy:
        kept = [text for text in given if text.partition("=")[0].strip() not in report.remedy]
        settings = [*kept, *(f"{key}={_as_toml(value)}" for key, value in report.remedy.items())]
        print(f"try: {shlex.join(['nanmap', 'run', *source, *_set(settings)])}")
    if report.outcome is not Outcome.CONVERGED:
        print(f"prove: {shlex.join(['nanmap', 'diagnose', *source, *_set(given)])}")


def _set(settings: list[str]) -> list[str]:
    return [word for text in settings for word in ("--set", text)]


def _as_toml(value: Any) -> str:
    """A setting's value as `--set` reads it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['class']}, with probability {value['probability']:.3g}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _held_as_json(held: "Held") -> dict[str, Any]:
    return {"same_row": not held.apart, "same_outcome": held.same_outcome, "other_bits": held.other_bits}


def _as_json(report: "TrainingReport") -> dict[str, Any]:
    row = report.row
    return {
        **row,
        "outcome": str(report.outcome),
        "cause": str(report.cause) or None,
        "evidence": report.evidence,
        "first_tensor": report.first_tensor.as_object() if report.first_tensor else None,
        "remedy": [{"key": key, "value": value} for key, value in report.remedy.items()],
        "epochs": [asdict(epoch) for epoch in report.epochs],
        "predictions": report.predictions,
        **(
            {"params": {name: values.tolist() for name, values in report.params.items()}}
            if report.params is not None
            else {}
        ),
    }
