"""The machine that bits hang on, beside the program and its width: two that differ may round otherwise."""

import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jax
import jaxlib

# What a compiler may compute with, of all that Linux lists: the rest hangs on the kernel and on who virtualises.
ARITHMETIC = re.compile(
    r"s?sse\d?(_\d|a)?|avx\w*|fma4?|f16c|bmi\d|abm|popcnt|amx_\w+|gfni|vaes|vpclmulqdq|asimd\w*|sve\w*|bf16|i8mm"
)


def machine_of(device: jax.Device) -> dict[str, str]:
    """Platform, model, features and jaxlib of a device, as manifests and receipts hold them.

    Rows are the same to the bit where all of it is equal.
    """
    found = {"platform": "cpu" if device.platform == "cpu" else "gpu", "jaxlib": jaxlib.__version__}
    if found["platform"] == "gpu":
        return found | {"model": device.device_kind}
    model, features = _processor()
    return found | {"model": model, "features": " ".join(features)}


def what_differs(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """What of one machine is not as that of another, in a clause; nothing where all is.

    >>> what_differs({"platform": "cpu", "features": "avx fma"}, {"platform": "cpu", "features": "avx"})
    'lacks fma'
    >>> what_differs({"platform": "gpu", "model": "H100"}, {"platform": "gpu", "model": "A100"})
    'model is A100, not H100'
    """
    told = []
    for name in wanted:
        here, there = wanted[name], found.get(name, "unknown")
        if name == "features":
            lacks, has = (sorted(set(a.split()) - set(b.split())) for a, b in ((here, there), (there, here)))
            told += [f"{word} {' '.join(some)}" for word, some in (("lacks", lacks), ("also has", has)) if some]
        elif here != there:
            told.append(f"{name} is {there}, not {here}")
    return ", ".join(told)


@cache
def _processor() -> tuple[str, list[str]]:
    """The model of this machine's processor, from which XLA takes its tuning, and what it can compute with, sorted."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].split("\n")
    except OSError:  # not on Linux
        return f"{platform.machine()} {platform.processor()}".strip(), []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    named = [told[key] for key in ("model name", "cpu family", "model", "CPU part") if key in told]
    flags = (told.get("flags") or told.get("Features") or "").split()
    return " / ".join(named) or platform.machine(), sorted(filter(ARITHMETIC.fullmatch, flags))
