"""What a network of the user's own has watched: arrays by name, Flax's `sow` or an `aux` dict that `apply` returns.

JAX is imported within the functions, as in `live`.
"""

from collections.abc import Mapping
from typing import Any

from nanmap.models.base import Array
from nanmap.models.own.interface import Tree
from nanmap.models.own.source import fault

KEY = "model.kind"
MAY_DIE = "relu"  # what the names begin with of numbers that a ReLU is given or gives


def sown_arrays(source: str, tree: Tree) -> dict[str, Array]:
    """The arrays of a tree, by the dotted way to each.

    Raises:
        InputError: one of them is no array.
    """
    import jax

    found = {}
    for path, value in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if not hasattr(value, "shape") or not hasattr(value, "dtype"):
            problem = f"has `{name}` watched, which is no array but {type(value).__name__} {value!r}"
            raise fault(
                source, KEY, problem, mend="an `aux` dict holds arrays by name: jnp.asarray makes one of a number"
            )
        found[name] = value
    return found


def living(sown: Mapping[str, Array]) -> list[Array]:
    """Of each array that is sown as `relu…`, which units, on its last axis, are above 0 anywhere; bool `[units]` each.

    A NaN counts as alive: nobody knows.
    """
    return [_alive(values) for name, values in sown.items() if may_die(name)]


def may_die(name: str) -> bool:
    """Whether the last word of a name, but for a count behind it, begins with `relu`.

    >>> may_die("block.relu_1"), may_die("block.relu.0"), may_die("relu_block.logits")
    (True, True, False)
    """
    words = [word for word in name.split(".") if not word.isdigit()]
    return bool(words) and words[-1].startswith(MAY_DIE)


def _alive(values: Any) -> Array:
    import jax.numpy as jnp

    units = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    return jnp.any(~(units <= 0), axis=0)
