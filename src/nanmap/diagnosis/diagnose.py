"""A diagnosis from one end to the other: the settings from many starts, the search for what mends them, the proof on fresh starts."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from nanmap.config import Config
from nanmap.config.formats import FORMATS
from nanmap.data.references.constant import all_equal
from nanmap.diagnosis.answer import (
    Answer,
    Changes,
    Criterion,
    Edge,
    Evidence,
    Fix,
    Happening,
    Quantiles,
    Spent,
    Trial,
)
from nanmap.diagnosis.bench import Ask, Bench
from nanmap.diagnosis.columns import beyond_repair, strays
from nanmap.diagnosis.counted import first_tensor_of, happening_of, rate_map
from nanmap.diagnosis.curves import curves
from nanmap.diagnosis.evidence import best_of, evidence, ruled_out
from nanmap.diagnosis.intake import as_trained_elsewhere, check_rows, check_target, check_time, row_notes
from nanmap.diagnosis.limits import by_heart, in_reach, no_number, says_nothing, slip, what_limits
from nanmap.diagnosis.margins import edge, fine_rates, rate_range, within
from nanmap.diagnosis.patient import BROKEN, Patient
from nanmap.diagnosis.remedies import RATE, UNDO, Remedy, remedies
from nanmap.diagnosis.root_causes import RootCause
from nanmap.diagnosis.search import STARTS, Choice, Clock, Search, grid_of_rates
from nanmap.diagnosis.verdict import SOME, Signs, causes_of
from nanmap.engine import Engine, LocalEngine
from nanmap.runs.observer import Observer

BUDGET = 120.0  # seconds; most diagnoses take under 20 where the machine has nothing else to do
FRESH = 256  # starts that are printed: 250 of them reach 95 % by the lower bound
APART = 100_000  # between the seeds that choose and those that are printed
STEPS = 6  # as it is, remedies, fresh starts, critical rate, what else, losses on their way
SHUFFLED = 16  # starts with shuffled targets
LEARNED = 0.2  # skill from which on something was learned, whatever lines and neighbours say
RESERVE = 0.3  # of the budget, for the proof on fresh starts


def diagnose(
    config: Config,
    *,
    allow_python: bool = False,
    engine: Engine | None = None,
    budget: float = BUDGET,
    criterion: Criterion | None = None,
    observer: Observer | None = None,
    notes: Sequence[str] = (),
) -> Answer:
    """Why a training fails, and the smallest change that mends it.

    Args:
        config: the settings.
        allow_python: whether code that they name may be imported.
        engine: trains; the devices of this process if None.
        budget: seconds after which nothing new is tried.
        criterion: what counts as success; the outcome `converged` if None.
        observer: told how many of the steps are done, and how many trainings were made.
        notes: what else the answer is to say.

    Raises:
        InputError: the settings, or their rows, cannot be trained on.
    """
    with np.errstate(all="ignore"):  # rows of 1e308 overflow in many places; the answer tells it in words
        return _Diagnosis(
            as_trained_elsewhere(config),
            allow_python,
            engine or LocalEngine(),
            Clock(budget, RESERVE * budget),
            criterion or Criterion(),
            observer or Observer(),
            notes,
        ).answer()


class _Diagnosis:
    """What is known so far, and the next step from it."""

    def __init__(
        self,
        config: Config,
        allow_python: bool,
        engine: Engine,
        clock: Clock,
        criterion: Criterion,
        observer: Observer,
        notes: Sequence[str],
    ) -> None:
        self.config, self.clock, self.criterion, self.notes = config, clock, criterion, list(notes)
        self.observer, self.left = observer, STEPS
        self.bench = Bench(config, allow_python, engine, observer.trained)
        first = config.training.seed
        check_target(config)
        check_rows(config, self.bench.variant.rows)
        self.notes += row_notes(self.bench.variant.rows)
        check_time(self.bench, engine, clock.budget)
        self.now, self.fresh = range(first, first + STARTS), range(first + APART, first + APART + FRESH)

    @cached_property
    def patient(self) -> Patient:
        """The settings as they are, from many starts; of a line that has a start of its own from that one, too."""
        (ends,) = self.bench.train([Ask({}, self.now)])
        if self.bench.varied and ends.drawn:
            ends = self.bench.own_start().with_more(ends)
            self.notes.append(
                f"the settings draw no start: beside their own one {STARTS} were drawn, kernels by glorot_uniform"
            )
        elif not ends.drawn:
            self.notes.append("nothing in these settings is drawn: every start is the same, and one is trained")
        return Patient(self.bench, ends)

    @cached_property
    def own(self) -> float:
        """The learning rate; where layers have rates of their own the largest."""
        return float(max(self.bench.rates, key=abs))

    @cached_property
    def rates(self) -> np.ndarray:
        """Learning rates to try."""
        predicted = self.patient.case().edge
        return grid_of_rates(self.own, predicted.rate if predicted is not None else None)

    @cached_property
    def edge(self) -> Edge | None:
        """Of the settings as they are."""
        found = edge(self.bench, {}, self.now, self.rates)
        self._done()
        return found

    def answer(self) -> Answer:
        """All of it."""
        self.observer.started(STEPS, 0)
        made = self._made()
        self._done(self.left)
        return made

    def _done(self, steps: int = 1) -> None:
        self.observer.advanced(steps)
        self.left -= steps

    def _made(self) -> Answer:
        happening = happening_of(self.patient, self.criterion)
        self._done()
        if all_equal(self.patient.rows):
            return self._answered(happening, (RootCause.LABELS_SAY_NOTHING,), self._nothing(None, {}), None, None, None)
        if happening.successes.interval[0] >= self.criterion.share:
            return self._healthy(happening)
        worth = remedies(self.patient)
        if self._is_beyond_settings(worth):
            signs = Signs(self.patient, self.patient.ends, self.patient.case(), None)
            causes = causes_of((), signs)
            return self._answered(happening, causes, evidence(causes, signs, None, None), None, None, None, signs)
        search = self._searched(worth)
        working, asked = search.ranked(search.smallest()), self.criterion
        if not working and (relaxed := in_reach(search)) is not None:
            search.criterion = self.criterion = relaxed
            working = search.ranked(search.smallest())
        chosen, fix = self._proven(working, search)
        nothing = self._nothing(fix.skill if fix else None, fix.trial.changes if fix else {})
        if nothing and (self.criterion is not asked or self.patient.share(*BROKEN) < SOME):
            search.criterion, self.criterion, chosen, fix = asked, asked, None, None  # what is learned is noise
        happening = happening_of(self.patient, self.criterion)
        self._done()
        signs = Signs(self.patient, self.patient.ends, self.patient.case(), self.edge, _rate_of(chosen))
        scaled = search.stood_in_for(chosen) if chosen else None
        parts = [*chosen.parts, *(scaled.record.names if scaled else ())] if chosen else []
        causes = ((RootCause.LABELS_SAY_NOTHING,) if nothing else ()) + causes_of(parts, signs)
        causes = causes or (RootCause.UNKNOWN,)
        search.explore_alone()
        self._done()
        found = nothing + evidence(causes, signs, search, chosen)
        return self._answered(happening, causes, found, search, chosen, fix, signs)

    def _is_beyond_settings(self, worth: Sequence[Remedy]) -> bool:
        """Whether the fault is in what no setting changes: rows with what is no number, or the end of a network of the user's own."""
        rows = beyond_repair(self.patient.rows) and not any(each.repairs for each in worth)
        return (
            rows
            or self._slipped()
            or (self.patient.misfit is not None and not any(UNDO in each.changes for each in worth))
        )

    def _slipped(self) -> bool:
        """Whether a few targets are too large for the number format: scaled together with them, all others become one number."""
        largest = FORMATS[self.config.training.dtype].largest
        return any(len(strays(column, largest)) for column in self.patient.rows.targets.T)

    def _nothing(self, skill: Quantiles | None, changes: Changes) -> tuple[Evidence, ...]:
        """That the inputs say nothing about the targets, if they do not: a training has learned nothing, or its rows by heart."""
        found = says_nothing(self.patient)
        if found is None or skill is None or skill.median <= LEARNED:
            return () if found is None else (found,)
        heart = by_heart(self.patient, changes, skill.median, self.now[:SHUFFLED])
        return () if heart is None else (found, heart)

    def _searched(self, found: Sequence[Remedy]) -> Search:
        search = Search(self.bench, self.criterion, found, self.rates, self.own, self.now, self.clock)
        search.explore()
        self._done()
        return search

    def _proven(self, working: Sequence[Choice], search: Search) -> tuple[Choice | None, Fix | None]:
        """The first of the sets that fresh starts confirm; else the first, with what it reaches."""
        first: tuple[Choice, Fix] | None = None
        for number, choice in enumerate(working[:3] or self._best(search)):
            seeds = range(self.fresh.start + number * FRESH, self.fresh.stop + number * FRESH)
            fix = self._fix(choice, search, seeds)
            if fix.reaches:
                return choice, fix
            first = first or (choice, fix)
        return first or (None, None)

    def _best(self, search: Search) -> list[Choice]:
        """Where nothing works, the set with the largest share at its best rate; none where no start of any succeeds."""
        found = [Choice(record, record.most(self.criterion)) for record in search.records.values()]
        found = [each for each in found if each.size and each.record.share(self.criterion, each.index).count]
        return sorted(found, key=lambda each: (-each.record.share(self.criterion, each.index).interval[0], each.size))[
            :1
        ]

    def _fix(self, choice: Choice, search: Search, seeds: range) -> Fix:
        """The set at a rate with a margin, from fresh starts; the range of its rates from those that chose it."""
        record, rate = choice.record, float(choice.record.rates[choice.index])
        fine = fine_rates(record, choice.index, self.criterion) if rate > 0 else None
        works = (
            rate_range(self.bench, record.changes, fine, rate, self.criterion, self.now) if fine is not None else None
        )
        trial = record.trial(self.bench, self.criterion, choice.index)
        if works is not None and fine is not None and not choice.keeps_rate:
            trial = replace(trial, changes=self.bench.settings(record.changes, within(works, self.own, fine)))
        (ends,) = self.bench.train([Ask(trial.changes, seeds)])
        share, skill = ends.share(self.criterion), ends.quantiles(ends["skill"])
        return Fix(
            replace(trial, successes=share, skill=skill.median if skill else None, outcome=ends.commonest()),
            share.interval[0] >= self.criterion.share,
            self.bench.changed(trial.changes),
            works,
            skill,
            edge(self.bench, trial.changes, seeds, self.rates),
            tuple(self._parts(choice, search)),
        )

    def _parts(self, choice: Choice, search: Search) -> list[Trial]:
        """The set without each of its parts, at its best."""
        names = choice.parts
        found = []
        for name in names if len(names) > 1 else ():
            rest = [each for each in names if each != name]
            record = search.records.get(frozenset(rest) - {RATE})
            share, _ = best_of(rest, search)
            if record is not None and share is not None:
                free = RATE in rest or any(each.rated for each in record.remedies)
                found.append(
                    record.trial(self.bench, self.criterion, record.most(self.criterion) if free else record.own)
                )
        return found

    def _healthy(self, happening: Happening) -> Answer:
        signs = Signs(self.patient, self.patient.ends, self.patient.case(), self.edge)
        share = happening.successes
        sentence = (
            f"{share.count} of {share.starts} starts succeed" if share.drawn else "it succeeds, and nothing is drawn"
        )
        found = (Evidence(sentence, {"count": share.count, "starts": share.starts}, proof=True),)
        nothing = self._nothing(happening.skill, {})
        cause = RootCause.LABELS_SAY_NOTHING if nothing else RootCause.NOTHING_WRONG
        return self._answered(happening, (cause,), nothing + found, None, None, None, signs)

    def _answered(
        self,
        happening: Happening,
        causes: tuple[RootCause, ...],
        found: tuple[Evidence, ...],
        search: Search | None,
        chosen: Choice | None,
        fix: Fix | None,
        signs: Signs | None = None,
    ) -> Answer:
        before = curves(self.bench, {}, self.now)
        after = curves(self.bench, fix.trial.changes, self.fresh) if fix else None
        healthy = causes == (RootCause.NOTHING_WRONG,)
        best = fix.skill.median if fix and fix.skill else None
        unlimited = healthy or (fix is not None and fix.reaches and self.criterion.skill is None)
        return Answer(
            self.config,
            self.criterion,
            happening,
            causes[0],
            causes[1:],
            found,
            ruled_out(causes, signs, search) if signs and search else (),
            None if healthy else first_tensor_of(self.patient),
            self.edge,
            fix,
            self._others(search, chosen) if search else (),
            self._in_vain(search) if search else (),
            self._limit(search, best) if not unlimited else None,
            before,
            after,
            rate_map(search, chosen) if search else None,
            self._spent(),
            tuple(self.notes),
        )

    def _limit(self, search: Search | None, best: float | None) -> Evidence | None:
        """What keeps the best there is from converging."""
        if search is not None:
            return what_limits(self.patient, search.best_skill() if best is None else best)
        if self.patient.misfit is not None:
            return self.patient.misfit
        if beyond_repair(self.patient.rows):
            return no_number()
        return slip() if self._slipped() else None

    def _others(self, search: Search, chosen: Choice | None) -> tuple[Trial, ...]:
        """Sets that work and hold no smaller one that does, the smallest first; without the chosen one."""
        working = [each for each in search.ranked(search.working()) if chosen is None or each.parts != chosen.parts]
        return tuple(each.record.trial(self.bench, self.criterion, each.index) for each in working)

    def _in_vain(self, search: Search) -> tuple[Trial, ...]:
        """Single changes that do not work, at the settings' own rate, or of another optimizer at its best."""
        found = []
        for record in search.records.values():
            if len(record.remedies) > 1 or not record.parts:
                continue
            free = not record.remedies or record.remedies[0].rated
            index = record.most(self.criterion) if free else record.own
            if index == record.own and not record.remedies:
                continue
            if not record.works(self.criterion, index) and not record.hopeful(self.criterion)[index]:
                found.append(record.trial(self.bench, self.criterion, index))
        return tuple(found)

    def _spent(self) -> Spent:
        seeds = {
            "now": (self.now.start, self.now.stop),
            "choice": (self.now.start, self.now.stop),
            "fresh": (self.fresh.start, self.fresh.stop),
        }
        return Spent(self.bench.trainings, len(self.bench.programs), self.clock.spent, seeds, self.clock.cut)


def _rate_of(choice: Choice | None) -> float | None:
    """The learning rate that a set changes to; None where it leaves it."""
    return None if choice is None or choice.keeps_rate else float(choice.record.rates[choice.index])
