"""Where a sweep is trained, as the options say it: here, or by workers of a scheduler."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ENGINES = ("local", "ray", "slurm")

EngineName = Annotated[
    str, typer.Option("--engine", metavar="local|ray|slurm", help="Who trains: this machine, or workers elsewhere.")
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Of the Ray cluster; auto for the one that runs here. Else Ray runs here alone.", show_default=False
    ),
]
Cores = Annotated[int | None, typer.Option(min=1, max=4096, help="Cores per worker elsewhere; 1.", show_default=False)]


def workers_of(engine: str, address: str | None, cores: int | None, device: str) -> "AbstractContextManager[Any]":
    """The workers that are asked for, in a `with`; None for this process.

    Raises:
        InputError: there is no such engine, or an option is not for it.
    """
    if engine not in ENGINES:
        raise InputError(
            "is no engine", key="--engine", value=engine, allowed=ENGINES, mend=did_you_mean(engine, ENGINES)
        )
    for key, value, whose in (("--address", address, ("ray",)), ("--cores", cores, ("ray", "slurm"))):
        if value is not None and engine not in whose:
            mend = f"add --engine {whose[0]}, or leave it out"
            raise InputError(f"is for --engine {' and '.join(whose)}", key=key, value=value, mend=mend)
    if engine == "local":
        return nullcontext()
    from nanmap.engine.devices import DEVICES

    if device not in DEVICES:
        raise InputError("is no device", key="--device", value=device, allowed=DEVICES)
    if engine == "ray":
        from nanmap.runs.on_ray import RayWorkers

        return RayWorkers(address, device, cores or 1)
    from nanmap.runs.on_slurm import SlurmWorkers

    return SlurmWorkers(device, cores or 1)
