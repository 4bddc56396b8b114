"""Where cells start from: one draw per initialiser and seed, on the host, and the numbers of each cell acting on it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import jax
import numpy as np

from nanmap.config.settings import ModelSettings
from nanmap.models.base import Layers, Model

KEPT_DRAWS, KEPT_NUMBERS = 64, 1 << 20  # at most 256 MiB of float32


def start(
    model: Model,
    settings: Sequence[ModelSettings],
    which: np.ndarray,
    seeds: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    dtype: str,
) -> tuple[Layers, Layers]:
    """Initial parameters and state of cells, NumPy arrays `[cells…, …]` in the training's dtype, as the network holds them.

    A cell alone gets the same bits as the cell among others.

    Args:
        model: the network.
        settings: initialisers and their kind.
        which: index into `settings`, `[cells…]`.
        seeds: of the draws, `[cells…]`.
        numbers: the cells' numbers that the model's start hangs on, `[cells…]` each.
        dtype: number format of the parameters.

    Raises:
        InputError: a file of initial parameters does not fit the model.
    """
    different, seed = np.unique(seeds, return_inverse=True)
    draws = which * len(different) + seed.reshape(seeds.shape)
    firsts, place = _alike(draws, *numbers.values())  # neighbours on a map mostly start from the same numbers
    pairs, inverse = np.unique(draws.reshape(-1)[firsts], return_inverse=True)
    whose, of_seed = np.divmod(pairs, len(different))
    drawn = [_draw(model, settings[each], different[of_seed[whose == each]]) for each in np.unique(whose)]
    parameters, state = jax.tree.map(lambda *each: of_floats(np.concatenate(each), "float64")[inverse], *drawn)
    with np.errstate(over="ignore"):
        placed = model.place(parameters, {name: each.reshape(-1)[firsts] for name, each in numbers.items()})
        return jax.tree.map(lambda leaf: of_floats(leaf, dtype)[place], (placed, state))


def of_floats(leaf: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers in another format; whole numbers stay as they are."""
    return leaf.astype(np.dtype(dtype)) if leaf.dtype.kind not in "iub" else leaf


def _alike(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of cells that agree in all columns `[cells…]` the first one, an index into the flat cells; and whose each cell is."""
    kinds, firsts = np.zeros(columns[0].size, np.int64), np.zeros(1, np.int64)
    for values in columns:
        bits = np.ascontiguousarray(values).reshape(-1).view(np.int64)  # 0 and −0 start differently
        if (bits == bits[0]).all():
            continue
        different, kind = np.unique(bits, return_inverse=True)
        _, firsts, kinds = np.unique(kinds * len(different) + kind, return_index=True, return_inverse=True)
    return firsts, kinds.reshape(columns[0].shape)


def _draw(model: Model, settings: ModelSettings, seeds: np.ndarray) -> tuple[Layers, Layers]:
    if model.may_keep(settings) and len(seeds) * model.parameters <= KEPT_NUMBERS:
        return _kept_draw(model, settings, seeds.astype(np.int64).tobytes())
    return model.draw(settings, seeds)


@lru_cache(maxsize=KEPT_DRAWS)
def _kept_draw(model: Model, settings: ModelSettings, seeds: bytes) -> tuple[Layers, Layers]:
    """`Model.draw`, kept: shards and calls ask for the same draws again."""
    return model.draw(settings, np.frombuffer(seeds, np.int64))
