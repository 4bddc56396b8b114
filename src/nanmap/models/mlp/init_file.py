"""Initial parameters from an npz file."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nanmap.config.load import file_stamp
from nanmap.errors import InputError
from nanmap.limits import check_regular
from nanmap.npz import KINDS, read_npz


def read_layers(
    path: str, layers: list[dict[str, Any]], sides: list[tuple[int, int]], seeds: int
) -> list[dict[str, Any]]:
    """The file's kernels, and its biases and norms where it has them, once per seed; values in the file's own precision.

    Args:
        path: the file, with `layers.0.kernel` `[inputs, units]`, `layers.0.bias`, …
        layers: what each layer holds beside its kernel, `[seeds, …]`, taken where the file lacks it.
        sides: inputs and units of each layer.
        seeds: how many.

    Raises:
        InputError: the file cannot be read, or its arrays do not fit.
    """
    arrays = _read_arrays(path, file_stamp(path))
    wanted: dict[str, tuple[int, ...]] = {
        f"layers.{index}.{name}": (shape if name == "kernel" else shape[1:])
        for index, (layer, shape) in enumerate(zip(layers, sides, strict=True))
        for name in ("kernel", *layer)
    }
    _check(path, arrays, wanted)
    read = {key: np.broadcast_to(values, (seeds, *values.shape)) for key, values in arrays.items()}
    return [
        {name: read.get(f"layers.{index}.{name}", layer.get(name)) for name in ("kernel", *layer)}
        for index, layer in enumerate(layers)
    ]


def _check(path: str, arrays: dict[str, np.ndarray], wanted: dict[str, tuple[int, ...]]) -> None:
    for key, shape in wanted.items():
        if key not in arrays and key.endswith(".kernel"):
            raise InputError(f"lacks `{key}`", file=path, allowed=sorted(arrays))
        if key in arrays and arrays[key].shape != shape:
            raise InputError(f"`{key}` has shape {arrays[key].shape}, this model needs {shape}", file=path)
    if extra := sorted(set(arrays) - set(wanted)):
        raise InputError(
            f"holds arrays that this model has no place for: {', '.join(extra)}", file=path, allowed=sorted(wanted)
        )


@lru_cache(maxsize=64)
def _read_arrays(path: str, stamp: tuple[int, int] | None) -> dict[str, np.ndarray]:
    try:
        check_regular(Path(path), key="model.init_file")
        found = read_npz(Path(path), key="model.init_file")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no such file", key="model.init_file", value=path) from None
    for name, array in found.items():
        if array.dtype.kind not in KINDS:
            raise InputError(f"`{name}` holds no numbers", file=path, key="model.init_file")
    return {name: np.asarray(array, np.float64) for name, array in found.items()}
