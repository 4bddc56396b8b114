"""What goes to other machines: the sweep as its manifest has it, in text. Rows, arrays and code stay where all of them see them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nanmap.config.code import is_given, is_held
from nanmap.errors import InputError
from nanmap.plan import Plan, Sweep, make_sweep
from nanmap.plan.permission import code_digests, named_code
from nanmap.results.folder import RunFolder
from nanmap.runs.handing_out import Workers


@dataclass(frozen=True)
class Job:
    """A sweep as workers are told of it: plain data.

    Attributes:
        folder: the run folder, the same place for all.
        manifest: of the run, with its hash, widths and shard size.
        device: what a worker trains on, `cpu` or `gpu`.
        cores: of the CPU that a worker has.
        code: SHA-256 of the source of all code that may be imported; None where none may.
        recording: histories that are made, beside all rows or once these are there; as `Recording.described`.
        histories: whether shards of them are made, and no rows.
        grows: whether the folder holds a smaller run, whose rows are taken over.
    """

    folder: str
    manifest: Mapping[str, Any]
    device: str
    cores: int
    code: Mapping[str, str] | None
    recording: Mapping[str, Any] | None = None
    histories: bool = False
    grows: bool = False

    def text(self) -> str:
        """As it is sent."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def of(cls, text: str) -> "Job":
        """As it was sent."""
        return cls(**json.loads(text))

    def sweep(self) -> Sweep:
        """What is trained."""
        told = dict(self.manifest["sweep"])
        return make_sweep(told.pop("config"), told.pop("axes"), **told)

    def plan(self) -> Plan:
        """Its plan, which may import what the driver may."""
        return Plan(self.sweep(), allow_python=self.code is not None)


def job_of(plan: Plan, folder: RunFolder, manifest: Mapping[str, Any], workers: Workers, **more: Any) -> Job:
    """What workers are told of a sweep.

    Args:
        plan: of the sweep.
        folder: of the run; of one that grows, too.
        manifest: of what is to be.
        workers: who is told.
        more: what else there is to tell, as `Job` calls it.

    Raises:
        InputError: it trains what a program in Python holds, or arrays that are not kept in the folder.
    """
    for key, value in named_code(plan.sweep):
        if is_given(value) or is_held(value):
            mend = f'write it into a file that all machines see: {key} = "python:file.py:name"'
            raise InputError("is held by this program alone: other machines do not have it", key=key, mend=mend)
    digest = (plan.sweep.tree.get("data") or {}).get("sha256")
    if digest and not folder.input_file(digest).exists():
        mend = "write them into a file that all machines see, and give data.path"
        raise InputError("x and y are not kept with the rows: other machines do not have them", key="x", mend=mend)
    code = code_digests(plan.sweep) if plan.allow_python else None
    machine = workers.machine
    return Job(str(folder.path.absolute()), dict(manifest), machine["platform"], workers.cores, code, **more)
