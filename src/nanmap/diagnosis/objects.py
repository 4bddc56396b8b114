"""An answer as plain data, for `--json` and for pages that are made of it."""

from collections.abc import Iterable
from typing import Any

from nanmap.diagnosis.answer import Answer, Changes, Edge, Share, Trial
from nanmap.diagnosis.lines import lines_of, patch_of


def as_object(answer: Answer) -> dict[str, Any]:
    """Tables, lists, texts and numbers; the figures may be NaN or infinite."""
    fix = answer.fix
    shown = fix.trial.successes if fix else answer.happening.successes
    return {
        "outcome": str(answer.outcome),
        "cause": str(answer.cause),
        "sentence": answer.cause.sentence,
        "also": [str(each) for each in answer.also],
        "evidence": [each.sentence for each in answer.evidence],
        "ruled_out": [each.sentence for each in answer.ruled_out],
        "edge": _edge(answer.edge),
        "fix": _changes(fix.trial.changes) if fix else [],
        "reaches": fix.reaches if fix else None,
        "success": str(answer.criterion),
        "success_before": _share(answer.happening.successes),
        "success_rate": shown.rate,
        "success_interval": list(shown.interval),
        "successes": shown.count,
        "starts": shown.starts,
        "skill": fix.skill.median if fix and fix.skill else None,
        "rates": [fix.rates.low, fix.rates.high] if fix and fix.rates else None,
        "edge_after": _edge(fix.edge) if fix else None,
        "first_tensor": answer.first_tensor.as_object() if answer.first_tensor else None,
        "others": _trials(answer.others),
        "in_vain": _trials(answer.in_vain),
        "limit": answer.limit.sentence if answer.limit else None,
        "patch": patch_of(answer),
        "programs": {each.framework: each.text or None for each in lines_of(answer)},
        "seeds": {name: list(ends) for name, ends in answer.spent.seeds.items()},
        "trainings": answer.spent.trainings,
        "seconds": answer.spent.seconds,
        "notes": list(answer.notes),
    }


def _edge(edge: Edge | None) -> dict[str, Any]:
    if edge is None:
        return {"measured": None, "predicted": None, "ratio": None}
    return {"measured": edge.measured, "predicted": edge.predicted, "ratio": edge.ratio}


def _changes(changes: Changes) -> list[dict[str, Any]]:
    return [{"key": key, "value": list(value) if isinstance(value, tuple) else value} for key, value in changes.items()]


def _share(found: Share) -> list[int]:
    return [found.count, found.starts]


def _trials(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    return [
        {"remedies": list(each.remedies), "changes": _changes(each.changes), "success": _share(each.successes)}
        for each in trials
    ]
