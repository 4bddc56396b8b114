"""Workers that Ray has: a shard is one task of Ray Core, on whichever node has room. Ray tries again what a node took with it."""

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from nanmap import stopping
from nanmap.errors import InputError
from nanmap.runs.handing_out import TRIES
from nanmap.runs.worker import describe_machine, make_shard

ANSWER_SECONDS = 10.0
NODE = "ray.io/node-id"  # the label that each node has


class RayWorkers:
    """The `Workers` of a Ray cluster, which has nanmap installed on every node.

    Args:
        address: of the cluster, `auto` for the one of this machine; if None, `RAY_ADDRESS` or a cluster of this machine alone.
        device: what workers train on: `cpu`, `gpu` (one each), or `auto`, a GPU where the cluster has any.
        cores: of the CPU, per worker.

    Raises:
        InputError: Ray is not installed, there is no such cluster, or it has no such device.

    >>> workers = RayWorkers("auto", cores=2)  # for `nanmap.sweep(…, workers=workers)` within `with workers:`, which connects
    >>> workers.tries
    1
    """

    tries = 1  # Ray itself tries a shard `TRIES` times

    def __init__(self, address: str | None = None, device: str = "auto", cores: int = 1) -> None:
        self.address, self.wanted, self.cores = address, device, cores

    def __enter__(self) -> Self:
        self._ray, self._started = _installed(), False
        try:
            with _signals_kept():
                self._connect()
            stopping.check()
            self._look_around()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            with _signals_kept():
                self._ray.shutdown()

    def places(self, without: Collection[str]) -> int:
        """Workers that the nodes which are alive have room for; one while none is, as a cluster may grow."""
        nodes = self._nodes()
        count = sum(self._room(node) for node in nodes if node["NodeID"] not in without)
        return count or int(not any(node["NodeID"] in without for node in nodes))

    def hand_out(self, job: str, number: int, without: Collection[str]) -> Any:
        """One task."""
        others = {"label_selector": {NODE: f"!in({','.join(sorted(without))})"}} if without else {}
        return self._make.options(**others).remote(self._shared(job), number)

    def done(self, under_way: Sequence[Any], seconds: float) -> Sequence[Any]:
        """One of those that are done, if any is."""
        ready: list[Any] = self._ray.wait(list(under_way), num_returns=1, timeout=seconds)[0]
        return ready

    def take(self, done: Any) -> dict[str, Any]:
        """Its receipt; its error as the worker raised it."""
        try:
            receipt: dict[str, Any] = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        return receipt

    def cancel(self, under_way: Sequence[Any]) -> None:
        """Ends the processes that make them."""
        for each in under_way:
            self._ray.cancel(each, force=True)

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a CPU worker hides the GPUs itself
        if self._ray.is_initialized():  # by a program that has its own
            return
        address = self.address or os.environ.get("RAY_ADDRESS")
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        try:
            _check_listening(address)
            self._started = True
            self._ray.init(address=address, **quiet)
        except SystemExit:  # what Ray makes of SIGTERM meanwhile
            raise KeyboardInterrupt from None
        except (OSError, ValueError) as error:
            mend = "start it with `ray start --head`, or leave --address out: Ray then runs on this machine alone"
            why = str(error).partition("\n")[0]
            raise InputError(f"no Ray cluster answers: {why}", key="--address", value=address, mend=mend) from None

    def _look_around(self) -> None:
        """Finds out what there is to train on, and what most of it is."""
        remote, nodes = self._ray.remote, self._nodes()
        gpus = sum(node["Resources"].get("GPU", 0) for node in nodes)
        if self.wanted == "gpu" and not gpus:
            raise InputError("the Ray cluster has no GPU", key="--device", value="gpu", allowed=("auto", "cpu"))
        self._gpu = self.wanted != "cpu" and gpus > 0
        most = int(max((node["Resources"].get("CPU", 0) for node in nodes), default=0))
        if most and not any(map(self._room, nodes)):  # without any cores the cluster is one that grows when it is asked
            mend = "give fewer, or larger nodes"
            raise InputError("no node has so many", key="--cores", value=self.cores, allowed=f"1 to {most}", mend=mend)
        # A process that had a GPU would end after each task, and the next one compile anew: max_calls.
        needs = {"num_cpus": self.cores, "num_gpus": int(self._gpu), "max_calls": 0}
        self._make = remote(**needs, max_retries=TRIES - 1, retry_exceptions=True)(_make)
        self._job: tuple[str, Any] | None = None
        self.machine: Mapping[str, str] = self._most_common(remote(**needs)(_describe), nodes)
        count = self.places(())
        kind = self.machine.get("model", "CPU")
        self.device = (
            f"{count} × {kind} ({self.machine['platform']}) on Ray, {len(nodes)} node{'s' * (len(nodes) != 1)}"
        )

    def _most_common(self, describe: Any, nodes: list[dict[str, Any]]) -> dict[str, str]:
        """What most nodes are; of a cluster without any yet, what the first one is."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        on = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes if self._room(node)]
        device = "gpu" if self._gpu else "cpu"
        asked = [describe.options(scheduling_strategy=each).remote(device, self.cores) for each in on or ["DEFAULT"]]
        told, waiting = Counter[tuple[tuple[str, str], ...]](), asked
        while waiting:
            stopping.check()
            ready, waiting = self._ray.wait(waiting, num_returns=1, timeout=stopping.SECONDS)
            for each in ready:
                told[tuple(self.take(each).items())] += 1
        return dict(told.most_common(1)[0][0])

    def _shared(self, job: str) -> Any:
        """The text of the job in Ray's store, where all tasks find it."""
        if self._job is None or self._job[0] != job:
            self._job = job, self._ray.put(job)
        return self._job[1]

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _room(self, node: Mapping[str, Any]) -> int:
        """Workers that a node has room for."""
        resources = node["Resources"]
        by_core = int(resources.get("CPU", 0) // self.cores)
        return min(by_core, int(resources.get("GPU", 0))) if self._gpu else by_core


def _make(job: str, number: int) -> dict[str, Any]:
    """The task; the host of its receipt is Ray's name of the node, which several of one machine tell apart."""
    import ray

    return make_shard(job, number) | {"host": ray.get_runtime_context().get_node_id()}


def _describe(device: str, cores: int) -> dict[str, str]:
    return describe_machine(device, cores)


def _installed() -> Any:
    try:
        import ray
    except ImportError as error:
        mend = "pip install 'nanmap[ray]', here and on every machine"
        raise InputError(f"Ray cannot be imported: {error}", key="--engine", value="ray", mend=mend) from None
    return ray


def _check_listening(address: str | None) -> None:
    """Raises OSError or ValueError where nobody is at an address: Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if "://" in host:
        raise ValueError("a command that hands out shards runs on a node of the cluster, not through ray://")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself as it starts: whoever had the signals has them afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: dict[int, Callable[..., Any] | int | None] = {each: signal.getsignal(each) for each in stopping.SIGNALS}
    try:
        yield
    finally:
        for each, handler in kept.items():
            if handler is not None:
                signal.signal(each, handler)
