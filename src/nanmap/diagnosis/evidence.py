"""The figures behind a root cause, in sentences; and what was looked at and is not the reason."""

from collections.abc import Iterator, Sequence

import numpy as np

from nanmap.config.formats import FORMATS
from nanmap.diagnosis.answer import Criterion, Edge, Evidence, Share
from nanmap.diagnosis.columns import far_from_standard
from nanmap.diagnosis.patient import Patient
from nanmap.diagnosis.records import Record
from nanmap.diagnosis.remedies import RATE
from nanmap.diagnosis.root_causes import RootCause
from nanmap.diagnosis.row_evidence import codes, far_off, not_finite, of_inputs, of_targets, spectrum
from nanmap.diagnosis.search import Choice, Search
from nanmap.diagnosis.verdict import FAR_OFF, Signs
from nanmap.outcomes import Outcome
from nanmap.plan.reach import beyond_reach


def evidence(
    causes: Sequence[RootCause], signs: Signs, search: Search | None, chosen: Choice | None
) -> tuple[Evidence, ...]:
    """What speaks for the causes: figures of rows and ends first, then what was trained to prove it."""
    found = [sentence for cause in causes for sentence in _of_cause(cause, signs)]
    found += far_off(signs.patient.rows, FORMATS[signs.patient.config.training.dtype].largest)
    if chosen is not None and search is not None:
        found += _proofs(chosen, search)
    return tuple({each.sentence: each for each in found}.values())


def _of_cause(cause: RootCause, signs: Signs) -> Iterator[Evidence]:
    patient = signs.patient
    if cause in (RootCause.NAN_IN_DATA, RootCause.INFINITY_IN_DATA):
        yield from not_finite(patient)
    if cause in (RootCause.UNSCALED_INPUTS, RootCause.UNSCALED_DATA):
        yield from of_inputs(patient)
        yield from spectrum(patient)
    if cause in (RootCause.UNSCALED_TARGETS, RootCause.UNSCALED_DATA):
        yield from of_targets(patient)
    if cause in (
        RootCause.RATE_ABOVE_EDGE,
        RootCause.KILLED,
        RootCause.WRONG_SIGN,
        RootCause.TOO_SLOW,
        RootCause.BATCH_NOISE,
    ):
        yield from _edge(signs.edge)
    if cause is RootCause.RATE_ABOVE_EDGE and far_from_standard(patient.rows.inputs).any():
        yield from of_inputs(patient)
    if cause is RootCause.WRONG_SIGN:
        rate = max(patient.bench.rates, key=abs)
        yield Evidence(
            f"the learning rate is {rate:.4g}: with a minus sign the update adds the gradient", {"rate": rate}
        )
    if cause in (RootCause.DEAD_AT_INIT, RootCause.KILLED):
        yield from _dead(signs)
    if cause in (RootCause.EXPLODING_GRADIENT, RootCause.VANISHING_GRADIENT):
        ratio = signs.gradient_ratio
        layers = patient.bench.variant.program.model.layers
        if np.isfinite(ratio):
            yield Evidence(
                f"at the start the first layer's gradient is {ratio:.3g} times that of the last of {layers} layers (median of the starts)",
                {"gradient_ratio": ratio},
            )
        if cause is RootCause.EXPLODING_GRADIENT and signs.start_loss > FAR_OFF:
            yield Evidence(
                f"the loss at the start is {signs.start_loss:.3g} times that of the best constant answer: outputs grow {signs.growth:.3g}-fold in each of {layers} layers",
                {"start_loss": signs.start_loss, "growth": signs.growth, "layers": layers},
            )
    if cause is RootCause.START_TOO_LARGE:
        yield Evidence(
            f"the loss at the start is {signs.start_loss:.3g} times that of the best constant answer",
            {"ratio": signs.start_loss},
        )
    if cause is RootCause.TARGET_OUT_OF_REACH:
        yield from _reach(patient)
    if cause is RootCause.CODES_FOR_CATEGORIES:
        yield from codes(patient)
    if cause is RootCause.MOMENTUM_BEYOND_BOUND:
        yield from _momentum(patient)
    if cause in (RootCause.LOSS_DOES_NOT_FIT, RootCause.TARGET_OUT_OF_REACH) and signs.patient.misfit is not None:
        yield signs.patient.misfit
    elif cause is RootCause.LOSS_DOES_NOT_FIT:
        yield from _meaning(patient)
    if cause is RootCause.DIVIDED_BY_ZERO:
        eps = patient.config.optimizer.eps
        yield Evidence(f"the optimizer's eps is {eps:g}, and a gradient of exactly 0 is divided by it", {"eps": eps})
    if cause is RootCause.BATCH_OF_ONE:
        batch, n = patient.config.training.batch_size, patient.rows.n
        last = n % batch or batch
        yield Evidence(
            f"of {n} rows in batches of {batch} a batch holds {min(batch, last)}", {"batch_size": batch, "rows": n}
        )


def _proofs(chosen: Choice, search: Search) -> Iterator[Evidence]:
    """Each part of the set left out in turn, at its best rate: what is left does not reach the success."""
    criterion, record = search.criterion, chosen.record
    names = chosen.parts
    for name in names if len(names) > 1 else ():
        rest = [each for each in names if each != name]
        share, rate = best_of(rest, search)
        if share is not None:
            at = f" at any of {len(record.rates)} learning rates" if rate is None else ""
            yield Evidence(
                f"{' and '.join(rest)} without {name}: {_told(share)} {criterion_words(criterion)}{at}",
                {"without": name, "count": share.count, "starts": share.starts},
                proof=True,
            )
    if (scaled := search.stood_in_for(chosen)) is not None:
        yield _stands_in(chosen, scaled, search)


def _stands_in(chosen: Choice, scaled: Choice, search: Search) -> Evidence:
    """That a rate is so small, or so large, for the scale of the rows alone."""
    own, far, near = (
        float(each.record.rates[index])
        for each, index in ((chosen, chosen.record.own), (chosen, chosen.index), (scaled, scaled.index))
    )
    size = "small" if far < abs(own) else "large"
    more = [name for name in scaled.record.names if name not in chosen.record.names]
    share = scaled.record.share(search.criterion, scaled.index)
    return Evidence(
        f"so {size} a rate stands in for {' and '.join(more)}: with {'that' if len(more) == 1 else 'these'} {near:g} does as well "
        f"({_told(share)} {criterion_words(search.criterion)})",
        {"rate": far, "scaled": near, "count": share.count, "starts": share.starts},
        proof=True,
    )


def best_of(names: Sequence[str], search: Search) -> tuple[Share | None, float | None]:
    """The largest share of a set of names; with the learning rate among them at any rate. The rate is None where it is any."""
    record = search.records.get(frozenset(names) - {RATE})
    if record is None:
        return None, None
    free = RATE in names or any(each.rated for each in record.remedies)
    index = record.most(search.criterion) if free else record.own
    return record.share(search.criterion, index), None if free else float(record.rates[index])


def criterion_words(criterion: Criterion) -> str:
    """As the end of a sentence that counts starts."""
    return "converge" if criterion.skill is None else f"reach a skill of {criterion.skill:g}"


def _told(share: Share) -> str:
    return f"{share.count} of {share.starts}" if share.drawn else ("always" if share.count else "never")


def _edge(edge: Edge | None) -> Iterator[Evidence]:
    if edge is None or edge.factor is None or edge.rate <= 0:
        return
    critical = edge.measured or edge.predicted or np.nan
    measured = "measured" if edge.measured else edge.rule
    predicted = ""
    if edge.ratio is not None:
        predicted = f"; {edge.rule} predicts {edge.predicted:.4g}, the measured one is {edge.ratio:.3g} times that"
    yield Evidence(
        f"learning rate {edge.rate:.4g} = {edge.factor:.3g} × the critical one, {critical:.4g} ({measured}){predicted}",
        {"rate": edge.rate, "critical": critical, "factor": edge.factor, "ratio": edge.ratio},
        proof=edge.measured is not None,
    )


def _dead(signs: Signs) -> Iterator[Evidence]:
    starts = signs.ends.starts
    at_start = int(signs.ends["dead_at_init"].sum())
    dead = int((signs.ends["outcome"] == Outcome.DEAD).sum())
    if dead or at_start:
        yield Evidence(
            f"{at_start} of {starts} starts begin with a layer that gives 0 on every row, {dead - min(at_start, dead)} more end so",
            {"dead_at_start": at_start, "dead": dead, "starts": starts},
        )
    spread = signs.ends["output_spread"]
    alike = int((spread < 0.01).sum())
    if not dead and alike:
        yield Evidence(
            f"{alike} of {starts} starts end with one answer for all rows", {"alike": alike, "starts": starts}
        )


def _reach(patient: Patient) -> Iterator[Evidence]:
    target, name = beyond_reach(patient.bench.variant), patient.config.model.output_activation
    if target is not None:
        yield Evidence(
            f"the output is a {name}, and targets reach {target:.4g}: no output can be that",
            {"target": target, "output": name},
        )


def _momentum(patient: Patient) -> Iterator[Evidence]:
    optimizer = patient.config.optimizer
    if optimizer.momentum is not None and optimizer.momentum > 0.9:
        factor = np.inf if optimizer.momentum >= 1 else 1 / (1 - optimizer.momentum)
        yield Evidence(
            f"momentum {optimizer.momentum:g} lets steps add up to {factor:.4g} times one of them",
            {"momentum": optimizer.momentum},
        )
    if optimizer.decay < 0:
        yield Evidence(f"decay {optimizer.decay:g} makes the rate grow with every step", {"decay": optimizer.decay})
    if optimizer.weight_decay:
        yield Evidence(
            f"weight decay is {optimizer.weight_decay:g} per unit of the rate", {"weight_decay": optimizer.weight_decay}
        )


def _meaning(patient: Patient) -> Iterator[Evidence]:
    rows, loss = patient.rows, patient.config.loss.kind
    if rows.classes:
        yield Evidence(
            f"{len(rows.classes)} classes in {rows.n} rows, all of them numbers, under {loss}",
            {"classes": len(rows.classes)},
        )
    else:
        values = np.unique(rows.targets[np.isfinite(rows.targets)])
        yield Evidence(
            f"the target holds {len(values)} whole numbers, as labels do, and {loss} takes them for quantities",
            {"values": len(values)},
        )


def ruled_out(causes: Sequence[RootCause], signs: Signs, search: Search) -> tuple[Evidence, ...]:
    """What was looked at and is not the reason, each with its figure."""
    patient, found = signs.patient, []
    arrays = patient.rows.inputs, patient.rows.targets
    largest = FORMATS[patient.config.training.dtype].largest
    if all((np.abs(each) <= largest).all() for each in arrays):  # NaN is not
        found.append(
            Evidence(f"no missing and no infinite value among {patient.rows.n:,} rows", {"rows": patient.rows.n})
        )
    if RootCause.NUMBER_FORMAT not in causes:
        found += _alone("number format", "another number format", search)
    if not set(causes) & {RootCause.BATCH_NOISE, RootCause.BATCH_OF_ONE}:
        found += [
            *_alone("full batch", "full batch at the same rate", search),
            *_alone("larger batches", "larger batches at the same rate", search),
        ]
    edge = signs.edge
    if edge is not None and edge.factor is not None and 0 < edge.factor < 1 and RootCause.RATE_ABOVE_EDGE not in causes:
        found.append(
            Evidence(
                f"the rate is {edge.factor:.3g} of the critical one: not too large",
                {"factor": edge.factor},
                proof=edge.measured is not None,
            )
        )
    if RootCause.CODES_FOR_CATEGORIES not in causes:
        found += _alone("one-hot codes", "one-hot codes in place of numbers", search)
    return tuple(found)


def _alone(name: str, words: str, search: Search) -> list[Evidence]:
    record: Record | None = search.records.get(frozenset({name}))
    if record is None:
        return []
    share = record.share(search.criterion, record.own)
    return [
        Evidence(
            f"{words}: {_told(share)} {criterion_words(search.criterion)}",
            {"count": share.count, "starts": share.starts},
            proof=True,
        )
    ]
