"""Initial parameters, drawn on the host: the same on every backend, in every dtype, whatever the grid around them."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from nanmap.config import ModelSettings
from nanmap.config.initialisers import INITIALISERS
from nanmap.config.load import file_stamp
from nanmap.errors import InputError
from nanmap.models.norm import NAMES, START
from nanmap.training.program import Program

Layer = dict[str, np.ndarray]
TRUNCATION = 0.87962566103423978  # standard deviation of a unit normal cut at ±2; Keras divides by it


def initial_layers(model: ModelSettings, program: Program, seed: int) -> list[Layer]:
    """One dict of float32 arrays per layer: `kernel` `[inputs, units]`, and `bias` and the norm's arrays where used.

    Each layer has its own stream of random numbers, so a change of one layer leaves the others' draws alone.
    `init_scale` and `init_offset` are not applied here: they are numbers of a lane.

    Raises:
        InputError: `init_file` does not fit the model.
    """
    layers = []
    for index, (fan_in, fan_out) in enumerate(zip(program.widths, program.widths[1:], strict=False)):
        kernel_rng, bias_rng = (np.random.Generator(np.random.Philox(key=[seed, 2 * index + k])) for k in (0, 1))
        layer = {}
        if model.init != "file":
            layer["kernel"] = draw(model.init, (fan_in, fan_out), kernel_rng)
        if program.bias:
            kind = model.bias_init or ("torch_linear" if model.init == "torch_linear" else "zeros")
            layer["bias"] = draw(kind, (fan_in, fan_out), bias_rng)[0]
        if index < len(program.hidden):
            layer |= {name: np.full(fan_out, START[name], np.float32) for name in NAMES[program.norm]}
        layers.append(layer)
    return _from_file(model, program, layers) if model.init == "file" else layers


def draw(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A float32 matrix `[fan_in, fan_out]`; Glorot, He and LeCun as Keras draws them.

    >>> draw("ones", (1, 2), np.random.default_rng(0))
    array([[1., 1.]], dtype=float32)
    """
    entry = INITIALISERS[kind]
    return FAMILIES[entry.family](entry.scale(*shape), shape, rng).astype(np.float32)


def _constant(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.full(shape, scale)


def _normal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.float32(scale) * rng.standard_normal(shape, np.float32)


def _uniform(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.float32(scale) * (2 * rng.random(shape, np.float32) - 1)


def _truncated_normal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(shape, np.float32)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(outside.sum(), np.float32)
    return np.float32(scale / TRUNCATION) * values


def _orthogonal(scale: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    rows, columns = max(shape), min(shape)
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    q *= np.sign(np.diag(r))  # makes the draw uniform over orthogonal matrices (Mezzadri, math-ph/0609050)
    return scale * (q if shape == (rows, columns) else q.T)


FAMILIES: dict[str, Callable[[float, tuple[int, int], np.random.Generator], np.ndarray]] = {
    "constant": _constant,
    "normal": _normal,
    "uniform": _uniform,
    "truncated_normal": _truncated_normal,
    "orthogonal": _orthogonal,
}


@lru_cache(maxsize=64)
def _read_arrays(path: str, stamp: tuple[int, int] | None) -> dict[str, np.ndarray]:
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            return {name: np.asarray(file[name], np.float64) for name in file.files}
    except FileNotFoundError:
        raise InputError("no such file", key="model.init_file", value=path) from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"is no readable npz file: {error}", file=path, key="model.init_file") from None


def _from_file(model: ModelSettings, program: Program, layers: list[Layer]) -> list[Layer]:
    """The file's kernels, and its biases and norms where it has them; values in the file's own precision."""
    arrays = _read_arrays(str(model.init_file), file_stamp(model.init_file))
    known = set()
    for index, layer in enumerate(layers):
        shape = (program.widths[index], program.widths[index + 1])
        for name in ("kernel", *layer):
            key = f"layers.{index}.{name}"
            known.add(key)
            wanted = shape if name == "kernel" else shape[1:]
            if key not in arrays and name == "kernel":
                raise InputError(f"lacks `{key}`", file=model.init_file, allowed=sorted(arrays))
            if key in arrays:
                if arrays[key].shape != wanted:
                    raise InputError(
                        f"`{key}` has shape {arrays[key].shape}, this model needs {wanted}", file=model.init_file
                    )
                layer[name] = arrays[key]
    if extra := sorted(set(arrays) - known):
        raise InputError(
            f"holds arrays that this model has no place for: {', '.join(extra)}",
            file=model.init_file,
            allowed=sorted(known),
        )
    return layers
