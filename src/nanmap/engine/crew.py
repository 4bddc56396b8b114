"""Jobs handed to workers, each to one that is already set up for it if there is one. Knows nothing of devices or cells."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Generic, TypeVar

from nanmap import stopping

Job = TypeVar("Job")
Done = TypeVar("Done")

LOOKAHEAD = 8  # jobs per worker to choose from


class Crew(Generic[Job, Done]):
    """Workers that each do one job at a time.

    Args:
        workers: how many.
        work: does a job as the given worker.
        needs: what a worker must be set up for to do a job; setting up takes long and is done inside `work`.
    """

    def __init__(self, workers: int, work: Callable[[int, Job], Done], needs: Callable[[Job], Hashable]) -> None:
        self.workers, self.work, self.needs = workers, work, needs
        self.ready: dict[Hashable, set[int]] = defaultdict(set)

    def run(self, jobs: Iterator[Job]) -> Iterator[Done]:
        """Results in the order in which they are done. Only a few jobs are ever drawn ahead.

        Raises:
            KeyboardInterrupt: there was word to stop.
        """
        idle = set(range(self.workers))
        running: dict[Future[Done], int] = {}
        pending: deque[Job] = deque()
        pool = ThreadPoolExecutor(self.workers)
        try:
            while True:
                pending.extend(islice(jobs, LOOKAHEAD * self.workers - len(pending)))
                while idle and pending:
                    worker = min(idle)
                    idle.remove(worker)
                    running[pool.submit(self.work, worker, self._choose(worker, pending))] = worker
                if not running:
                    return
                done: set[Future[Done]] = set()
                while not done:
                    stopping.check()
                    done, _ = wait(running, stopping.SECONDS, return_when=FIRST_COMPLETED)
                idle.update(running.pop(future) for future in done)
                yield from (future.result() for future in done)
        finally:  # after an interruption nobody waits for the jobs that are under way
            pool.shutdown(wait=False, cancel_futures=True)

    def _choose(self, worker: int, pending: deque[Job]) -> Job:
        """The first job this worker is set up for, else the first nobody is set up for, else the first."""
        owners = [self.ready[self.needs(job)] for job in pending]
        mine = (index for index, ready in enumerate(owners) if worker in ready)
        nobodys = (index for index, ready in enumerate(owners) if not ready)
        index = next(mine, next(nobodys, 0))
        job = pending[index]
        del pending[index]
        self.ready[self.needs(job)].add(worker)
        return job
