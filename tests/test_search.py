"""The search for the smallest set of remedies, on trainings that are made up: what works is known, and nothing is trained."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nanmap.diagnosis.answer import Criterion, RateRange, Share
from nanmap.diagnosis.bench import Ask, Ends
from nanmap.diagnosis.margins import _around, within
from nanmap.diagnosis.records import Record, subsets
from nanmap.diagnosis.remedies import Remedy
from nanmap.diagnosis.search import LOOK, STARTS, Clock, Search, grid_of_rates
from nanmap.outcomes import Outcome

OWN = 0.1
Works = Callable[[dict[str, Any], float, int], bool]  # changes, rate, seed


class MadeUp:
    """A bench whose trainings succeed where a function says so; all that was asked for is kept."""

    def __init__(self, works: Works, drawn: bool = True) -> None:
        self.works, self.drawn = works, drawn
        self.asked: list[Ask] = []

    def possible(self, changes: dict[str, Any]) -> bool:
        return True

    def train(self, asks: Sequence[Ask]) -> list[Ends]:
        self.asked += asks
        return [self._ends(ask) for ask in asks]

    def settings(self, changes: dict[str, Any], rate: float) -> dict[str, Any]:
        return {**changes, "optimizer.learning_rate": rate}

    def _ends(self, ask: Ask) -> Ends:
        seeds = ask.seeds if self.drawn else ask.seeds[:1]
        good = np.array([[self.works(dict(ask.changes), rate, seed) for seed in seeds] for rate in ask.rates])
        outcome = np.where(good, "converged", "nan").astype(object)
        return Ends({"outcome": outcome, "skill": np.where(good, 0.9, np.nan)}, self.drawn)


def searched(works: Works, *remedies: Remedy, drawn: bool = True, own: float = OWN) -> tuple[Search, list[set[str]]]:
    """A search that has ended, and the parts of the smallest sets, the first in rank first."""
    bench: Any = MadeUp(works, drawn)
    search = Search(bench, Criterion(), remedies, grid_of_rates(own, None), own, range(STARTS), Clock(1e9))
    search.explore()
    return search, [set(each.parts) for each in search.ranked(search.smallest())]


A, B, C = (Remedy(name, {f"model.{name}": 1}) for name in "abc")
COSTLY = Remedy("costly", {"model.costly": 1}, costly=True, specific=True)
LATER = Remedy("later", {"model.later": 1}, costly=True)
RATE = "learning rate"


def has(changes: dict[str, Any], *names: str) -> bool:
    return all(f"model.{name}" in changes for name in names)


def test_a_set_is_told_only_where_none_of_its_parts_does() -> None:
    _, told = searched(lambda changes, rate, seed: has(changes, "a", "b"), A, B, C)
    assert told == [{"a", "b"}]  # and not a, b and c, which works as well


def test_three_changes_are_found_and_the_rate_is_one_of_them() -> None:
    _, told = searched(lambda changes, rate, seed: has(changes, "a", "b") and rate < 1e-4, A, B, C)
    assert told == [{"a", "b", RATE}]


def test_the_rate_alone_is_smaller_than_what_mends_it_with_another_rate() -> None:
    _, told = searched(lambda changes, rate, seed: rate < 0.01, A)
    assert told == [{RATE}]


def test_what_mends_a_fault_of_its_own_at_the_rate_there_is_comes_before_a_smaller_rate() -> None:
    _, told = searched(lambda changes, rate, seed: rate < 0.05 or has(changes, "costly"), A, COSTLY)
    assert told == [{"costly"}, {RATE}]


def test_of_equals_the_wider_range_of_rates_comes_first() -> None:
    def works(changes: dict[str, Any], rate: float, seed: int) -> bool:
        return (has(changes, "a") and 0.05 < rate < 0.2) or (has(changes, "b") and 0.001 < rate < 2)

    _, told = searched(works, A, B)
    assert told == [{"b"}, {"a"}]


def test_a_rate_that_is_far_off_comes_after_what_keeps_the_rate() -> None:
    _, told = searched(lambda changes, rate, seed: rate < 3e-4 or (has(changes, "a") and rate == OWN), A)
    assert told == [{"a"}, {RATE}]


@pytest.mark.parametrize("failing", [1, 2, 7])
def test_a_share_counts_by_its_lower_bound(failing: int) -> None:
    """Of 128 starts 127 reach 95 %, 126 do not: with 1.96 for Wilson's z their lower bounds are 0.957 and 0.945."""

    def works(changes: dict[str, Any], rate: float, seed: int) -> bool:
        return has(changes, "a") and rate == OWN and not LOOK <= seed < LOOK + failing

    search, told = searched(works, A)
    assert bool(told) == (failing == 1)
    if told:
        record = search.records[frozenset({"a"})]
        assert record.share(Criterion(), search.own) == Share(127, 128)


def test_where_the_rate_that_seemed_best_fails_the_next_one_has_its_turn() -> None:
    """Of the rate alone one is chosen for its margin and fails late; a neighbour works, and no pair is smaller."""

    def works(changes: dict[str, Any], rate: float, seed: int) -> bool:
        return has(changes, "a", "b") or 1e-4 <= rate <= 3e-4 or (1e-4 < rate < 0.02 and not LOOK <= seed < LOOK + 40)

    search, told = searched(works, A, B)
    assert told == [{RATE}]
    (choice,) = search.smallest()
    assert choice.record.rates[choice.index] in (1e-4, 3e-4)


def test_what_has_no_hope_is_left_early() -> None:
    bench: Any = MadeUp(lambda changes, rate, seed: has(changes, "a") and rate == OWN)
    Search(bench, Criterion(), [A, B], grid_of_rates(OWN, None), OWN, range(STARTS), Clock(1e9)).explore()
    longest = {}
    for ask in bench.asked:
        for rate in ask.rates:
            key = tuple(sorted(ask.changes)), rate
            longest[key] = max(longest.get(key, 0), ask.seeds.stop)
    assert longest[(("model.a",), OWN)] == STARTS
    hopeless = [stop for (names, rate), stop in longest.items() if "model.a" not in names or rate != OWN]
    assert set(hopeless) == {4}
    assert (
        max(stop for (names, rate), stop in longest.items() if names == ("model.a", "model.b")) == LOOK
    )  # no need to know


def test_another_program_is_compiled_only_where_its_fault_may_be_or_nothing_else_works() -> None:
    search, told = searched(lambda changes, rate, seed: has(changes, "a"), A, LATER)
    assert told == [{"a"}]
    assert frozenset({"later"}) not in search.records
    search, told = searched(lambda changes, rate, seed: has(changes, "later"), A, LATER)
    assert told == [{"later"}]


def test_two_programs_remedies_are_tried_together_where_none_alone_works() -> None:
    _, told = searched(lambda changes, rate, seed: has(changes, "costly", "later"), A, COSTLY, LATER)
    assert told == [{"costly", "later"}]


def test_where_nothing_is_drawn_one_start_is_all_there_is() -> None:
    search, told = searched(lambda changes, rate, seed: has(changes, "a"), A, drawn=False)
    assert told == [{"a"}]
    share = search.records[frozenset({"a"})].share(Criterion(), search.own)
    assert share.interval == (1.0, 1.0)
    assert share.starts == 1


INPUTS, TARGETS = Remedy("scale inputs", {"model.inputs": 1}), Remedy("scale targets", {"model.targets": 1})


def scales(changes: dict[str, Any], rate: float, seed: int) -> bool:
    """Scaled inputs with a tiny rate, or with scaled targets and a rate of the usual size."""
    usual = 0.003 < rate < 0.05 if has(changes, "targets") else 1e-7 < rate < 1e-4
    return has(changes, "inputs") and usual


def test_a_rate_that_stands_in_for_a_scale_does_not_hide_what_mends_the_scale() -> None:
    search, told = searched(scales, INPUTS, TARGETS, A)
    assert told == [{"scale inputs", RATE}]
    (chosen,) = search.smallest()
    assert search.is_far(chosen)
    assert {frozenset(each.parts) for each in search.working()} == {
        frozenset({"scale inputs", RATE}),
        frozenset({"scale inputs", "scale targets", RATE}),
    }
    scaled = search.stood_in_for(chosen)
    assert scaled is not None
    assert set(scaled.record.names) == {"scale inputs", "scale targets"}
    assert search.stood_in_for(scaled) is None
    assert scaled.record.share(Criterion(), scaled.index).starts == STARTS  # which is decided, and no hope


def test_a_rate_does_not_stand_in_for_a_scale_that_few_starts_bear() -> None:
    def works(changes: dict[str, Any], rate: float, seed: int) -> bool:
        return scales(changes, rate, seed) and not (has(changes, "targets") and seed % 16 == 15)

    search, told = searched(works, INPUTS, TARGETS)
    assert told == [{"scale inputs", RATE}]
    assert search.stood_in_for(search.smallest()[0]) is None


def test_a_negative_rate_is_turned() -> None:
    search, told = searched(lambda changes, rate, seed: 0 < rate < 2, own=-0.1)
    assert told == [{RATE}]
    (choice,) = search.smallest()
    assert choice.record.rates[choice.index] == 0.1


def test_a_budget_that_is_spent_ends_the_search() -> None:
    bench: Any = MadeUp(lambda changes, rate, seed: has(changes, "later"))
    clock = Clock(-1.0)
    search = Search(bench, Criterion(), [A, LATER], grid_of_rates(OWN, None), OWN, range(STARTS), clock)
    search.explore()
    assert clock.cut
    assert frozenset({"later"}) not in search.records


def test_no_set_sets_a_key_twice() -> None:
    other = Remedy("other", {"model.a": 2})
    assert [tuple(each.name for each in some) for some in subsets([A, other, B], 2)] == [
        (), ("a",), ("other",), ("b",), ("a", "b"), ("other", "b"),
    ]  # fmt: skip


def test_a_rate_is_advised_with_a_margin() -> None:
    rates = np.array([1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3])
    assert within(RateRange(1e-4, 5e-3), 0.01, rates) == 2e-3
    assert within(RateRange(1e-4, 5e-3), 1e-6, rates) == 2e-4
    assert within(RateRange(5e-4, 1e-3), 0.01, rates) in (5e-4, 1e-3)  # no room for a margin


def test_what_becomes_of_the_rates_beside_those_that_work_is_told() -> None:
    rates, good = np.array([1e-3, 1e-2, 1e-1, 1.0]), np.array([[False] * 80, [True] * 80, [True] * 80, [False] * 80])
    outcome = np.where(good, "converged", "nan").astype(object)
    outcome[0] = "progressing"
    found = _around(Ends({"outcome": outcome, "skill": np.zeros((4, 80))}), rates, 1e-2, Criterion())
    assert found == RateRange(1e-2, 1e-1, below=Outcome.PROGRESSING, above=Outcome.NAN)
    found = _around(Ends({"outcome": outcome[1:3], "skill": np.zeros((2, 80))}), rates[1:3], 1e-2, Criterion())
    assert found == RateRange(1e-2, 1e-1, open_low=True, open_high=True)


def test_the_range_of_rates_ends_at_a_gap() -> None:
    record = Record((), np.array([1e-3, 1e-2, 1e-1, 1.0, 10.0]), 0)
    good = np.array([[True] * 4, [False] * 4, [True] * 4, [True] * 4, [False] * 4])
    ends = Ends({"outcome": np.where(good, "converged", "nan").astype(object), "skill": np.zeros((5, 4))})
    record.put(np.arange(5), ends)
    assert record.run(Criterion(), 2) == (2, 3)
    assert record.width(Criterion(), 2) == pytest.approx(1.0)


def test_the_commonest_outcome_is_that_of_all_starts() -> None:
    record = Record((), np.array([0.1]), 0)
    for outcomes in (["nan"] * 9 + ["stalled"], ["stalled"] * 3 + ["nan"] * 2):
        outcome = np.array([outcomes], object)
        record.put(np.array([0]), Ends({"outcome": outcome, "skill": np.zeros(outcome.shape)}))
    assert record.outcome(0) is Outcome.NAN
