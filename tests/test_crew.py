"""Jobs go to workers that are set up for them, all are done once, and a failure reaches the caller."""

import threading
from collections.abc import Iterator

import pytest

from nanmap.engine.crew import LOOKAHEAD, Crew


def crew_of(workers: int, done: list[tuple[int, str]]) -> Crew:
    def work(worker: int, job: str) -> str:
        done.append((worker, job))
        return job

    return Crew(workers, work, lambda job: job[0])


def test_every_job_is_done_once() -> None:
    done: list[tuple[int, str]] = []
    jobs = [f"{kind}{number}" for kind in "abc" for number in range(40)]
    assert sorted(crew_of(3, done).run(iter(jobs))) == sorted(jobs)
    assert sorted(job for _, job in done) == sorted(jobs)


def test_a_lone_worker_takes_jobs_in_order() -> None:
    assert list(crew_of(1, []).run(iter(["a0", "a1", "a2"]))) == ["a0", "a1", "a2"]


def test_a_worker_does_all_that_it_is_set_up_for_before_it_is_set_up_for_more() -> None:
    jobs = ["a0", "b0", "a1", "c0", "b1", "a2"]
    assert list(crew_of(1, []).run(iter(jobs))) == ["a0", "a1", "a2", "b0", "b1", "c0"]


def test_a_worker_prefers_what_it_is_set_up_for_then_what_nobody_is() -> None:
    both_busy = threading.Barrier(2, timeout=300)
    seen: dict[int, list[str]] = {0: [], 1: []}

    def work(worker: int, job: str) -> str:
        seen[worker].append(job[0])
        if len(seen[worker]) == 1:
            both_busy.wait()  # so that each worker has taken its first job before any is free again
        return job

    list(Crew(2, work, lambda job: job[0]).run(iter(["a0", "a1", "b0", "b1", "a2", "b2"])))
    assert {seen[0][0], seen[1][0]} == {"a", "b"}


def test_only_a_few_jobs_are_drawn_ahead() -> None:
    drawn = []

    def jobs() -> Iterator[str]:
        for number in range(1000):
            drawn.append(number)
            yield f"a{number}"

    running = crew_of(2, []).run(jobs())
    next(running)
    assert len(drawn) <= 2 * LOOKAHEAD + 2
    running.close()


def test_a_failure_reaches_the_caller() -> None:
    def work(worker: int, job: str) -> str:
        raise ZeroDivisionError(job)

    with pytest.raises(ZeroDivisionError, match="a0"):
        list(Crew(2, work, lambda job: job).run(iter(["a0"])))
