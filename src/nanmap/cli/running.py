"""`nanmap run`: one training in words or as JSON."""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nanmap.config import load_config
from nanmap.engine.devices import set_up
from nanmap.errors import InputError

ALL_EPOCHS = 40  # longer trainings show their first epochs, then every so many


def run_config(path: Path, overrides: list[str], predict: list[str], explain: bool, device: str, as_json: bool) -> None:
    """Trains a config file and prints how it went."""
    config = load_config(path, overrides)
    inputs = [_numbers(text) for text in predict]
    set_up(device)
    from nanmap.data import load_rows
    from nanmap.plan import Plan, make_sweep, notices
    from nanmap.single import EpochLoss, run

    try:
        rows = load_rows(config)
        for sentence in notices(Plan(make_sweep(config.model_dump(exclude_unset=True), []))):
            print(f"note: {sentence}", file=sys.stderr)
        if explain:
            print(*rows.report, sep="\n", file=sys.stderr)
        total = config.training.epochs

        def tell(number: int, losses: EpochLoss) -> None:
            if number <= ALL_EPOCHS // 2 or number % max(1, (total or 0) // ALL_EPOCHS) == 0 or number == total:
                print(_epoch_line(number, total, losses), flush=True)

        report = run(config, predict=inputs, on_epoch=None if as_json else tell)
    except InputError as error:
        raise error.within(path) from None
    if as_json:
        print(json.dumps(_plain(_as_json(report)), ensure_ascii=False, allow_nan=False))
    else:
        _print_end(report)
        for given, value in zip(predict, report.predictions, strict=True):
            print(f"prediction at {given}: {_show(value)}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            "expects numbers separated by commas", key="--predict", value=text, mend="--predict 25"
        ) from None


def _epoch_line(number: int, total: int | None, losses: Any) -> str:
    of = f"/{total}" if total else ""
    said = [("mean loss", losses.mean_loss), ("last batch", losses.last_loss), ("val_loss", losses.val_loss)]
    said += [("accuracy", losses.mean_accuracy), ("val_accuracy", losses.val_accuracy)]
    # Nine digits tell every float32 apart, and show what other programs print.
    return f"epoch {number}{of}" + "".join(f"  {name} {value:.9g}" for name, value in said if value is not None)


def _print_end(report: Any) -> None:
    row = report.row
    cause = f"; {report.cause.sentence}" if report.cause else ""
    print(f"\noutcome: {report.outcome} — {report.outcome.sentence}{cause}")
    print(
        f"loss: {_show(row['loss_initial'])} at the start, {_show(row['loss_final'])} at the end after {row['steps_run']:,} updates; floor {_show(row['loss_floor'])}"
    )
    if not math.isnan(row["accuracy"]):
        print(f"accuracy: {row['accuracy']:.2%} of the training rows are classified right at the end")
    if row["stopped_step"] >= 0:
        print(f"stopped before step {row['stopped_step']}, as training.stop_above or training.stop_converged asks")
    for kind in ("inf", "nan"):
        if row[f"first_{kind}_step"] >= 0:
            print(f"first {kind}: step {row[f'first_{kind}_step']} (counted from 0)")
    for name, values in (report.params or {}).items():
        if values.size <= 8:
            print(f"{name}: {', '.join(_show(v) for v in values.ravel().tolist())}")


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['class']}, with probability {value['probability']:.3g}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _as_json(report: Any) -> dict[str, Any]:
    row = report.row
    return {
        "outcome": str(report.outcome),
        "cause": str(report.cause) or None,
        "loss_initial": row["loss_initial"],
        "loss_final": row["loss_final"],
        **{
            name: row[name] if row[name] >= 0 else None for name in ("first_inf_step", "first_nan_step", "stopped_step")
        },
        **{name: None if math.isnan(row[name]) else row[name] for name in ("accuracy", "val_accuracy")},
        "epochs": [asdict(epoch) for epoch in report.epochs],
        "predictions": report.predictions,
        **(
            {"params": {name: values.tolist() for name, values in report.params.items()}}
            if report.params is not None
            else {}
        ),
    }


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become the texts "nan", "inf", "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
