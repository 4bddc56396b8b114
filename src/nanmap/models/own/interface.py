"""What a network of the user's own is: two pure functions of pytrees. Imports no JAX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Tree = Any  # dicts, lists, tuples and dataclasses that JAX knows, within each other, of arrays
Array = Any


class Model:
    """A network of your own, in its full form: two pure functions.

    Give the two functions, or write a subclass that has them as methods. The short form, a pair `(init, apply)` with
    `init(key, x) → parameters` and `apply(parameters, x) → outputs`, does for whatever keeps no state.

    Args:
        init: `init(key, x) → (parameters, state)`: where a training starts. `key` is `jax.random.key(training.seed)`, `x`
            zeros in the shape of a batch.
        apply: `apply(parameters, state, x, *, numbers, key, training) → (outputs, state)`, or `(outputs, state, aux)` with a dict of
            arrays that are to be watched, by name: one pass over the rows of `x`, which lie on its first axis. Of the three keywords it is given those that it names: `numbers`, the scalars of
            `[model.numbers]` by name; `key`, of this update (None outside of training); `training`, whether it is part of one.
        title: what maps call it.

    Parameters that are floats are trained; other leaves stay as they are. The state is not trained: running statistics, counts.

    >>> import jax, nanmap
    >>> line = nanmap.Model(
    ...     init=lambda key, x: ({"w": jax.random.normal(key, x.shape[1:])}, {}),
    ...     apply=lambda parameters, state, x: (x @ parameters["w"], state),
    ... )
    >>> outputs, _ = line.apply({"w": jax.numpy.ones(3)}, {}, jax.numpy.ones((2, 3)))
    >>> outputs.shape
    (2,)
    """

    def __init__(self, init: Callable | None = None, apply: Callable | None = None, *, title: str = "") -> None:
        if init is not None:
            self.init = init  # type: ignore[method-assign]
        if apply is not None:
            self.apply = apply  # type: ignore[method-assign]
        self.title = title or getattr(self, "title", "")

    def init(self, key: Array, x: Array) -> tuple[Tree, Tree]:
        """Where a training starts: parameters and state."""
        raise NotImplementedError("give init=, or write the method")

    def apply(self, parameters: Tree, state: Tree, x: Array) -> tuple[Array, Tree]:
        """One pass: outputs, rows first, and the state after it."""
        raise NotImplementedError("give apply=, or write the method")


Apply = Callable[[Tree, Tree, Array, Mapping[str, Array], "Array | None", bool], tuple[Array, Tree]]
Sow = Callable[[Tree, Tree, Array, Mapping[str, Array], "Array | None", bool], tuple[Array, Tree, Tree]]


@dataclass(frozen=True)
class Adapted:
    """What any network of the user's own becomes, whatever it was written in.

    Attributes:
        init: `(key, x) → (parameters, state)`.
        apply: `(parameters, state, x, numbers, key, training) → (outputs, state)`, all of them given.
        what: what it was found to be, for people.
        reads: which of `numbers`, `key` and `training` it looks at.
        package: the framework, as its package is called; None of plain JAX.
        seeded: whether another seed may start elsewhere.
        draw: `(seed, x) → (parameters, state)`: what a seed starts from, where that is drawn on the host and cannot be
            traced; `init` then says the shapes alone.
        stamp: what it is made of, where its trace does not say all.
        flags: arguments of its call that tell whether it is trained.
        sow: as `apply`, and beside it what is to be watched, by name; None where nothing can be.
    """

    init: Callable[[Array, Array], tuple[Tree, Tree]]
    apply: Apply
    what: str
    reads: frozenset[str] = frozenset()
    package: str | None = None
    seeded: bool = True
    draw: Callable[[int, Array], tuple[Tree, Tree]] | None = None
    stamp: str = ""
    flags: tuple[str, ...] = ()
    sow: Sow | None = None


def unwatched(sow: Sow) -> Apply:
    """The pass alone."""
    return lambda *given: sow(*given)[:2]
