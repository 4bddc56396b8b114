"""Workers that Slurm has: a shard is one job, submitted by submitit. Partition, time and account are said by sbatch's own variables."""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nanmap import stopping
from nanmap.engine.compilation_cache import cache_folder
from nanmap.errors import InputError
from nanmap.runs.handing_out import TRIES
from nanmap.runs.worker import describe_machine, make_shard


class SlurmWorkers:
    """The `Workers` of a Slurm cluster, whose nodes see the run folder, this Python and the user's cache folder.

    Args:
        device: what workers train on: `cpu`, or `gpu` (one each); `auto` is `cpu`.
        cores: of the CPU, per worker.
        jobs: at most so many are made at a time, and as many more are queued.
        cluster: of submitit; `slurm`, and for a try without one `local`.

    Raises:
        InputError: submitit is not installed, or there is no Slurm.

    >>> workers = SlurmWorkers(cores=4, jobs=16)  # for `nanmap.sweep(…, workers=workers)` within `with workers:`
    >>> workers.jobs
    16
    """

    tries = TRIES

    def __init__(self, device: str = "auto", cores: int = 1, jobs: int = 64, cluster: str = "slurm") -> None:
        self.gpu, self.cores, self.jobs, self.cluster = device == "gpu", cores, jobs, cluster

    def __enter__(self) -> Self:
        folder = cache_folder().parent / "slurm"  # what submitit pickles: never in a run folder
        self._executor = _executor(folder, self.cluster)
        gpus = {"gpus_per_node": 1} if self.gpu else {}
        self._executor.update_parameters(cpus_per_task=self.cores, **gpus)
        asked = self._executor.submit(describe_machine, "gpu" if self.gpu else "cpu", self.cores)
        try:
            while not self.done([asked], stopping.SECONDS):
                stopping.check()
        except BaseException:
            asked.cancel()
            raise
        self.machine: Mapping[str, str] = asked.result()
        self.device = f"up to {self.jobs} × {self.machine.get('model', 'CPU')} ({self.machine['platform']}) on Slurm"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def places(self, without: Collection[str]) -> int:
        """Slurm does not say how many nodes there are for this user."""
        return self.jobs

    def hand_out(self, job: str, number: int, without: Collection[str]) -> Any:
        """One job."""
        if without and self.cluster == "slurm":
            self._executor.update_parameters(slurm_exclude=",".join(sorted(without)))
        return self._executor.submit(make_shard, job, number)

    def done(self, under_way: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Those that have left their result, or that Slurm no longer has."""
        found = [each for each in under_way if each.done()]
        if not found:
            time.sleep(seconds)
        return found

    def take(self, done: Any) -> dict[str, Any]:
        """Its receipt."""
        receipt: dict[str, Any] = done.result()
        return receipt

    def cancel(self, under_way: Sequence[Any]) -> None:
        """Takes them out of the queue."""
        for each in under_way:
            each.cancel()


def _executor(folder: Path, cluster: str) -> Any:
    try:
        import submitit
    except ImportError:
        mend = "pip install 'nanmap[slurm]'"
        raise InputError("submitit is not installed", key="--engine", value="slurm", mend=mend) from None
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        return submitit.AutoExecutor(folder, cluster=cluster)
    except RuntimeError:
        mend = "run it where sbatch is, or take --engine ray"
        raise InputError("there is no Slurm here", key="--engine", value="slurm", mend=mend) from None
