"""What the figures were measured on: the machine and the versions. Names no user, host or folder."""

import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("nanmap", "jax", "jaxlib", "optax", "numpy", "pyarrow", "torch", "keras")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """CPU, cores, memory, operating system, GPUs."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": gpus(),
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def short_name(machine: dict[str, Any]) -> str:
    """A file name: processor and cores, or the GPU.

    >>> short_name({"cpu": "AMD EPYC (family 25, model 17)", "cores": 2, "gpus": []})
    'amd-epyc-2-cores'
    """
    if machine["gpus"]:
        return _slug(machine["gpus"][0])
    return f"{_slug(machine['cpu'].partition('(')[0])}-{machine['cores']}-cores"


@cache
def gpus() -> list[str]:
    """Names of the NVIDIA GPUs."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def commit() -> str | None:
    """The commit that was measured, with a + if files were changed since; None outside of git."""
    asked = ["git", "describe", "--always", "--abbrev=10", "--dirty=+"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return None
    return done.stdout.strip() or None


def _cpu() -> str:
    """The processor; its family and model where its name says little."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^([^\t\n:]+)\s*: (.*)$", text, re.MULTILINE))
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((R|TM)\)", "", text, flags=re.IGNORECASE).lower()).strip("-")
