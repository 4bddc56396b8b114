"""An answer in words: what happens, why, the smallest fix, what else works, what does not. Every sentence has its figures."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from nanmap.config import Config
from nanmap.config.code import open_key
from nanmap.diagnosis.answer import Answer, Edge, Fix, Quantiles, RateRange, Share, Trial
from nanmap.diagnosis.remedies import UNDO
from nanmap.diagnosis.root_causes import RootCause
from nanmap.listings import toml_value
from nanmap.outcomes import Outcome

AT_REST = (Outcome.STALLED, Outcome.PROGRESSING)
FAR_BELOW = 5  # times below the critical rate the rates end that work: it is not the curvature that ends them
MOST = 4  # of what else works, and of what does not


class Section(NamedTuple):
    """A heading, and the sentences under it."""

    title: str
    sentences: tuple[str, ...]


def told(answer: Answer) -> list[Section]:
    """What is to be said, in the order in which one asks."""
    sections = [
        ("what happens", _happens(answer)),
        ("why", _why(answer)),
        ("ruled out", (each.sentence for each in answer.ruled_out)),
        (_title_of_fix(answer), _fix(answer)),
        ("what else works", map(_trial, answer.others[:MOST])),
        ("often advised, and not enough here", map(_trial, answer.in_vain[:MOST])),
        ("to be known", _notes(answer)),
    ]
    made = [Section(title, tuple(sentences)) for title, sentences in sections]
    return [section for section in made if section.sentences]


def share(found: Share) -> str:
    """A share of starts, with Wilson's 95 % interval.

    >>> share(Share(127, 128))
    '127 of 128 starts (99.2 %; 95 % interval 95.7–99.9 %)'
    """
    if not found.drawn:
        return "its one start (nothing is drawn)" if found.count else "no start (nothing is drawn: there is one)"
    low, high = (_percent(end) for end in found.interval)
    return f"{found.count} of {found.starts} starts ({_percent(found.rate)} %; 95 % interval {low}–{high} %)"


def change(key: str, value: Any, config: Config) -> str:
    """A setting, and what it was.

    >>> from nanmap.config import build_config
    >>> config = build_config({"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}})
    >>> change("optimizer.learning_rate", 0.002, config), change("optimizer.clip_norm", 1.0, config)
    ('optimizer.learning_rate = 0.002 (it was 0.01)', 'optimizer.clip_norm = 1.0 (it was not set)')
    """
    was = value_of(config, key)
    before = "not set" if was is None else toml_value(was)
    return f"no {key} (it was {before})" if value is None else f"{key} = {toml_value(value)} (it was {before})"


def value_of(config: Config, key: str) -> Any:
    """What a config says of a key; None where it says nothing."""
    table, name = open_key(key) or key.rsplit(".", 1)
    found: Any = config
    for part in table.split("."):
        found = found[int(part)] if part.isdigit() else getattr(found, part, None)
    if isinstance(found, tuple):
        return found[int(name)] if int(name) < len(found) else None
    return found.get(name) if hasattr(found, "get") else getattr(found, name, None)


def _happens(answer: Answer) -> Iterator[str]:
    now = answer.happening
    (most, count), *others = now.outcomes.items()
    rest = "".join(f", {fewer} {outcome}" for outcome, fewer in others)
    many = f"of {now.successes.starts} starts {count} end {most}{rest}" if others else f"all {count} starts end {most}"
    many = many if now.successes.drawn else f"it ends {most}"
    yield f"{many}: {now.outcome.sentence}"
    if now.first_bad is not None:
        came = f"{_spread(now.first_bad, '.0f')} of {now.steps:,}{_those(now.first_bad, now.successes)}"
        yield f"the first infinity or NaN comes at step {came}"
    yield f"{_losses(answer)}; the best constant answer has {_figure(now.loss_constant)}, {_enough(answer)}"
    if now.skill is not None:
        skill = f"{_spread(now.skill)}{_those(now.skill, now.successes)}"
        yield f"skill {skill}: 0 is the best constant answer, 1 is perfect{_accuracy(answer)}"
    if now.successes.count:
        yield f"success ({answer.criterion}): {share(now.successes)}"


def _losses(answer: Answer) -> str:
    now = answer.happening
    first, last = "no finite loss at the start", "none that is finite at the end"
    if now.loss_initial is not None:
        first = f"loss {_spread(now.loss_initial)} at the start{_those(now.loss_initial, now.successes)}"
    if now.loss_final is not None:
        last = f"{_spread(now.loss_final)} at the end{_those(now.loss_final, now.successes)}"
    return f"{first}, {last}"


def _those(found: Quantiles, starts: Share) -> str:
    """Over how many of the starts it was taken, if not over all: the others have none that is finite."""
    return "" if found.starts == starts.starts else f" (of those {found.starts} that have one)"


def _enough(answer: Answer) -> str:
    if answer.criterion.skill is not None:
        return f"and a skill of {answer.criterion.skill:g} is asked for"
    return f"the reference {_figure(answer.happening.loss_floor)}"


def _accuracy(answer: Answer) -> str:
    found = answer.happening.accuracy
    return "" if found is None else f"; accuracy {_percent(found.median)} %"


def _why(answer: Answer) -> Iterator[str]:
    yield answer.cause.sentence
    yield from (f"also: {each.sentence.removeprefix('nothing is broken: ')}" for each in answer.also)
    yield from (each.sentence for each in answer.evidence)
    if answer.first_tensor is not None:
        yield answer.first_tensor.sentence


def _title_of_fix(answer: Answer) -> str:
    if answer.fix is None:
        return "nothing to mend" if answer.cause is RootCause.NOTHING_WRONG else "no fix in reach"
    return "the smallest fix" if answer.fix.reaches else "the best there is"


def _fix(answer: Answer) -> Iterator[str]:
    fix = answer.fix
    if fix is None:
        yield f"success ({answer.criterion}): {share(answer.happening.successes)}"
        yield from _margin(answer.edge)
    else:
        yield from (change(key, value, answer.config) for key, value in fix.trial.changes.items())
        if UNDO in fix.trial.changes:
            yield f"which is the network without its last {fix.trial.changes[UNDO]}: leave that out in its own code, and it is the same"
        fresh = ", none of which had a part in choosing it" if fix.trial.successes.drawn else ""
        yield f"with it: {answer.criterion} from {share(fix.trial.successes)}{fresh}"
        if fix.skill is not None:
            yield f"skill {_spread(fix.skill)} with it{_those(fix.skill, fix.trial.successes)}"
        yield from _margin(fix.edge)
        yield from _rates(fix, minibatches=answer.happening.steps_per_epoch > 1)
        yield from _no_less(fix)
    if answer.limit is not None:
        yield answer.limit.sentence


def _margin(edge: Edge | None) -> Iterator[str]:
    if edge is None or edge.factor is None:
        return
    found = []
    if edge.measured is not None:
        found.append(f"{_figure(edge.measured)} measured")
    if edge.predicted is not None:
        found.append(f"{_figure(edge.predicted)} predicted ({edge.rule})")
    if edge.factor <= 0:
        return
    way = f"{edge.factor:.3g} times above" if edge.factor > 1 else f"{1 / edge.factor:.3g} times below"
    yield f"margin: the rate {_figure(edge.rate)} is {way} the critical one, {', '.join(found)}"


def _rates(fix: Fix, minibatches: bool) -> Iterator[str]:
    if fix.rates is not None:
        yield f"learning rates that work with it: {_range(fix.rates)}{_beyond(fix.rates)}{_noise(fix) if minibatches else ''}"


def _beyond(rates: RateRange) -> str:
    """What becomes of the rates beside those that work."""
    sides = (("smaller", rates.below), ("larger", rates.above))
    told = [f"of {side} ones {_commonly(outcome)}" for side, outcome in sides if outcome is not None]
    return f"; {', '.join(told)}" if told else ""


def _commonly(outcome: Outcome) -> str:
    return "too few converge" if outcome is Outcome.CONVERGED else f"most end {outcome}"


def _rows(count: int) -> str:
    return "a single row" if count == 1 else f"{count} rows"


def _noise(fix: Fix) -> str:
    """Why rates fail that are far below the critical one, where batches are small."""
    rates, edge = fix.rates, fix.edge
    if rates is None or edge is None or edge.measured is None or rates.above not in AT_REST:
        return ""
    if edge.measured < FAR_BELOW * rates.high:
        return ""
    return f": not too large for the curvature, but each update goes by {_rows(fix.config.training.batch_size)}, whose noise a large rate does not average out"


def _range(rates: RateRange) -> str:
    low = f"{'at least from ' if rates.open_low else 'from '}{_figure(rates.low)}"
    return f"{low} to {_figure(rates.high)}{' and perhaps more' if rates.open_high else ''}"


def _no_less(fix: Fix) -> Iterator[str]:
    """Why it is no smaller."""
    if fix.parts:
        best = fix.parts[0]
        yield f"no part of it is enough: {' and '.join(best.remedies)} alone {_reaches(best.successes)}"


def _notes(answer: Answer) -> Iterator[str]:
    yield from answer.notes
    if answer.spent.cut_short:
        yield f"the budget ended the search after {answer.spent.seconds:.0f} s, before all was tried: a larger one (--budget) may find a smaller fix"


def _trial(trial: Trial) -> str:
    settings = ", ".join(
        f"no {key}" if value is None else f"{key} = {toml_value(value)}" for key, value in trial.changes.items()
    )
    return f"{' and '.join(trial.remedies)} ({settings}) {_reaches(trial.successes)}{_ending(trial)}"


def _reaches(found: Share) -> str:
    return f"works from {found.count} of {found.starts} starts"


def _ending(trial: Trial) -> str:
    if trial.successes.count == trial.successes.starts:
        return ""
    skill = "" if trial.skill is None else f", skill {trial.skill:.3g}"
    return f"; most end {trial.outcome}{skill}"


def _spread(found: Quantiles, style: str = ".4g") -> str:
    """The median, and 10 % to 90 % of the starts where they differ."""
    low, middle, high = (format(each, style) for each in (found.low, found.median, found.high))
    return middle if low == middle == high else f"{middle} (10 % to 90 %: {low} to {high})"


def _figure(value: float) -> str:
    return f"{value:.4g}"


def _percent(part: float) -> str:
    return f"{100 * part:.1f}".removesuffix(".0")
