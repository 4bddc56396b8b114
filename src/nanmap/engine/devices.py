"""Chooses and sets up JAX's devices for the command. The library takes whatever devices it finds."""

import contextlib
import os

from nanmap.engine.compilation_cache import keep_compiled
from nanmap.errors import InputError

DEVICES = ("auto", "cpu", "gpu")
JAX_DEFAULT = -1  # jax_num_cpu_devices as JAX starts with it


def set_up(device: str = "auto", cores: int | None = None) -> None:
    """Prepares JAX before its first array: a CPU device per core, compiled programs kept on disk.

    Args:
        device: `auto`, `cpu` or `gpu`.
        cores: of the CPU, where others have the rest; all of this process if None.

    Raises:
        InputError: the device is unknown, or there is none of its kind.
    """
    if device not in DEVICES:
        raise InputError("is no device", key="--device", value=device, allowed=DEVICES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if cores is not None:  # XLA's threads, which heed no OMP_NUM_THREADS
        os.environ["NPROC"] = str(cores)
    import jax

    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    use_all_cores(cores)
    keep_compiled()
    if device == "gpu" and jax.default_backend() == "cpu":
        raise InputError(
            "JAX finds no GPU",
            key="--device",
            value="gpu",
            allowed=("auto", "cpu"),
            mend="pip install 'nanmap[cuda]' on a machine with an NVIDIA GPU",
        )


def use_all_cores(cores: int | None = None) -> None:
    """Makes every core a CPU device, or so many of them, unless a number was chosen already.

    JAX allows that only before its first array; later the devices stay as they are.
    """
    import jax

    chosen = jax.config.jax_num_cpu_devices  # type: ignore[attr-defined]
    if chosen != JAX_DEFAULT or "host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores)
