"""What ends of many starts and rates come to, as an answer holds them: what happens, and the map of rate and remedy."""

import numpy as np

from nanmap.diagnosis.answer import Criterion, Ending, Happening, RateMap
from nanmap.diagnosis.bench import VARIED
from nanmap.diagnosis.patient import Patient
from nanmap.diagnosis.search import Choice, Search
from nanmap.outcomes import Cause, Outcome
from nanmap.runs.first_tensor import FirstTensor, Replay, first_tensor


def happening_of(patient: Patient, criterion: Criterion) -> Happening:
    """What becomes of the settings as they are, counted over their starts."""
    ends, variant = patient.ends, patient.bench.variant
    pairs = list(zip(ends["outcome"][0].tolist(), ends["cause"][0].tolist(), strict=True))
    endings = [
        Ending(Outcome(outcome), Cause(cause), pairs.count((outcome, cause))) for outcome, cause in dict.fromkeys(pairs)
    ]
    bad = np.where(ends.first_bad >= 0, ends.first_bad, np.nan).astype(float)
    return Happening(
        tuple(sorted(endings, key=lambda each: (-each.count, -each.outcome.severity))),
        ends.share(criterion),
        ends.quantiles(bad),
        ends.quantiles(ends["skill"]),
        ends.quantiles(ends["loss_initial"]),
        ends.quantiles(ends["loss_final"]),
        float(ends["loss_constant"].flat[0]),
        float(ends["loss_floor"].flat[0]),
        ends.quantiles(ends["accuracy"]),
        variant.steps,
        variant.steps_per_epoch,
    )


def first_tensor_of(patient: Patient) -> FirstTensor | None:
    """The first tensor that is not finite in the first start that has one."""
    bench, steps = patient.bench, patient.ends.first_bad[0]
    bad = np.flatnonzero(steps >= 0)
    if not len(bad):
        return None
    place, own = int(bad[0]), bench.varied and patient.ends.drawn  # then the first start is the settings' own
    changes = VARIED if own and place else {}
    lanes = bench.one(changes, bench.own_seed.start + place - (own and place > 0))
    return first_tensor(Replay.of(bench.engine, lanes, int(steps[place])))


def rate_map(search: Search, chosen: Choice | None) -> RateMap | None:
    """Rate × remedy: as it is, each remedy alone, and the fix."""
    records = [record for record in search.records.values() if len(record.remedies) <= 1]
    if chosen is not None and len(chosen.record.remedies) > 1:
        records.append(chosen.record)
    positive = search.rates > 0
    counts, outcomes = [], []
    for record in records:
        index, ends = record.parts[0]
        count = np.full(len(search.rates), -1)
        count[index] = ends.success(search.criterion).sum(axis=1)
        told = np.full(len(search.rates), "", object)
        told[index] = [str(ends.commonest(place)) for place in range(len(index))]
        counts.append(count[positive])
        outcomes.append(told[positive])
    names = tuple(" + ".join(record.names) or "as it is" for record in records)
    starts = max(record.parts[0][1].starts for record in records)
    return RateMap(
        search.rates[positive],
        names,
        np.stack(counts),
        np.stack(outcomes),
        starts,
        tuple(record.changes for record in records),
    )
