"""What a network is to `training`, `theory` and `engine`: a spec that can be hashed and pickled, and pure functions of arrays.

Imports no JAX: a plan is made, and a spec handed over, where none is needed. A new kind of network is one subclass of
`Model` and one entry of `nanmap.models.MODELS`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from nanmap.config.settings import ModelSettings

# A jax.Array inside a program, a NumPy array on the host around it, a shape when a program is compiled ahead of any
# data: the same tuples hold all three, so no single class names them.
Array = Any
# A pytree of arrays per layer: dicts, tuples and lists, within each other or not. A layer is what may have a learning
# rate of its own.
Layers = list[Any]
Numbers = Mapping[str, Array]


OWN_PREFIX = "numbers."  # before the name of a number of `[model.numbers]` among those of a cell


class Layout(StrEnum):
    """What lies on the minor axis of a network's activations while it trains on batches of some size."""

    ROWS_MINOR = "rows"
    UNITS_MINOR = "units"


class Pass(NamedTuple):
    """What came of one pass through a network.

    Attributes:
        output: `[outputs, rows]`.
        state: what is not trained, after this pass; while not training, as it was.
        seen: what `Model.living_units` looks at.
    """

    output: Array
    state: Layers
    seen: Any = None


class KeptShape(tuple[int, ...]):
    """The shape of an array that keeps a dtype of its own, whatever the training's."""

    dtype: str

    def __new__(cls, shape: Sequence[int], dtype: str = "int32") -> "KeptShape":
        """The numbers of a shape."""
        made = super().__new__(cls, shape)
        made.dtype = dtype
        return made


class Form(NamedTuple):
    """How the numbers of a row lie: its shape, and the dtype of whole ones; None that of the training."""

    shape: tuple[int, ...]
    dtype: str | None = None


class Surroundings(NamedTuple):
    """What a network of the user's own stands between: the rows, the loss, the learning rates.

    Attributes:
        batch: rows of an update.
        inputs, targets: of one row.
        loss: its name.
        groups: patterns of parameters that have a learning rate of their own.
    """

    batch: int
    inputs: Form
    targets: Form
    loss: str
    groups: tuple[str, ...] = ()


def is_shape(part: Any) -> bool:
    """Whether a part of `Model.shapes` is the shape of an array, and not a tuple of such."""
    return isinstance(part, tuple) and all(isinstance(each, int) for each in part)


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What lies in nested dicts, tuples and lists, arrays or their shapes, each with the dotted way there.

    >>> list(leaves([{"w": (3, 2), "gate": [(3,), ()]}, {}], "layers"))
    [('layers.0.w', (3, 2)), ('layers.0.gate.0', (3,)), ('layers.0.gate.1', ())]
    """
    if isinstance(tree, Mapping):
        inner = tuple(tree.items())
    elif isinstance(tree, (tuple, list)) and not is_shape(tree):
        inner = tuple(enumerate(tree))
    else:
        yield name, tree
        return
    for key, part in inner:
        yield from leaves(part, f"{name}.{key}" if name else str(key))


@dataclass(frozen=True)
class Model(ABC):
    """What fixes a network's shapes and control flow, a function of one cell's config and rows, never of the grid.

    Attributes:
        features, outputs: numbers of a row's input and of its output.

    >>> from nanmap.models.mlp import MLP
    >>> MLP(features=1, outputs=1, hidden=(5,)).shapes()[0]
    [{'kernel': (5, 1), 'bias': (5,)}, {'kernel': (1, 5), 'bias': (1,)}]
    """

    features: int
    outputs: int

    @abstractmethod
    def shapes(self) -> tuple[Layers, Layers]:
        """Shapes of the trained parameters and of the state that is not trained, as `forward` takes them.

        A shape is a tuple of whole numbers, `()` that of a scalar; a layer that holds nothing is an empty dict or list. A
        `KeptShape` is of an array that is not of the training's dtype.
        """

    @abstractmethod
    def draw(self, settings: ModelSettings, seeds: np.ndarray) -> tuple[Layers, Layers]:
        """Initial parameters and state of each seed on the host, float32 `[seeds, …]`, before the numbers of a cell act on them.

        Each a function of the settings and its seed alone: never of the other seeds, the grid, the dtype or the backend.
        What it reads of the settings, `reads` names.

        Raises:
            InputError: a file that they are read from does not fit.
        """

    @abstractmethod
    def forward(
        self,
        parameters: Layers,
        state: Layers,
        x: Array,
        mask: Array | None,
        *,
        numbers: Numbers,
        layout: Layout,
        training: bool = False,
    ) -> Pass:
        """One pass of one cell's network. Where it is `keyed`, it is given a `key` as well.

        Args:
            parameters, state: as in `shapes`.
            x: `[features, rows]`.
            mask: which rows count, or None for all. What the others hold must reach neither output nor gradient of
                those that count, not even as NaN.
            numbers: scalars of the cell, those named in `numbers` among them.
            layout: as `layout` chose it.
            training: whether the pass is part of an update.
            key: of the update, for what is drawn at random; None while not training.
        """

    def place(self, parameters: Layers, numbers: Mapping[str, np.ndarray]) -> Layers:
        """Drawn parameters as the network holds them, with the cells in front, on the host.

        Args:
            parameters: as drawn, float64 `[cells…, …]`.
            numbers: of the cells, `[cells…]` each: those named in `start_numbers`.
        """
        return parameters

    def living_units(self, seen: Any, mask: Array | None) -> list[Array]:
        """Of each layer whose units can be flat, which of them are not on some row that counts, bool `[units]` each."""
        return []

    def named(self, parameters: Layers, state: Layers) -> dict[str, Array]:
        """Arrays of one cell by name, as a person looks at them: `layers.0.…` what is trained, `state.0.…` what is not."""
        return {**dict(leaves(parameters, "layers")), **dict(leaves(state, "state"))}

    def activations_of(self, passed: Pass) -> dict[str, Array]:
        """What a pass computed, by the names of its layers, in their order: where the first number that is none is looked for."""
        return {"output": passed.output}

    def linear_columns(self, inputs: np.ndarray) -> np.ndarray | None:
        """The columns `[n, d]` that one output is a linear combination of; None for any model but such."""
        return None

    def linear_parameters(self, parameters: Layers) -> Sequence[np.ndarray] | None:
        """The factors of `linear_columns`; None leaves the step of an overflow without a forecast.

        Args:
            parameters: as `place` gives them, with the cells in front.

        Returns:
            Blocks `[cells…, outputs, columns]` that stand side by side: their columns are d in all.
        """
        return None

    def why_idle(self, name: str, settings: ModelSettings) -> str:
        """Why a setting of `[model]` changes nothing, in a clause; "" where it acts."""
        refused = name in (
            "arguments",
            "numbers",
            "rewrite",
            "undo",
            "class_axis",
        )  # by the config, but for networks of the user's own
        return (
            "" if name == "kind" or refused or name in self.reads else f"a `{type(self).__name__}` has no such setting"
        )

    def seeded(self, settings: ModelSettings) -> bool:
        """Whether another seed may draw another start."""
        return True

    def may_keep(self, settings: ModelSettings) -> bool:
        """Whether a draw stays what it was for as long as the process lives: a file may change."""
        return settings.init_file is None

    def layout(self, batch: int) -> Layout:
        """What lies on the minor axis, whichever was measured to be faster."""
        return Layout.ROWS_MINOR

    def row_forms(self) -> tuple[Form, Form]:
        """How the inputs and the targets of a row lie before `forward` and the loss, where rows are `exact`."""
        return Form((self.features,)), Form((self.outputs,))

    @property
    def groups(self) -> tuple[str, ...]:
        """Patterns of parameters with learning rates of their own; each is one of the last layers."""
        return ()

    @property
    def ordered(self) -> bool:
        """Whether layers stand in the order of a pass, so that the first one's gradient says something beside the last one's."""
        return True

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Of the outputs of a row."""
        return (self.outputs,)

    @property
    def classes(self) -> int:
        """How many there are where outputs are logits."""
        return self.outputs

    @property
    def exact(self) -> bool:
        """Whether it sees rows as a plain loop would show them: `[rows, …]`, none but real ones, a short last batch as it is."""
        return False

    @property
    def logarithms(self) -> bool:
        """Whether outputs are logarithms of shares of classes already: a cross-entropy takes them as they are."""
        return False

    @property
    def keyed(self) -> bool:
        """Whether a pass in training draws at random."""
        return False

    @property
    def most_together(self) -> int | None:
        """How many cells may train side by side, a power of two; None for as many as are fast."""
        return None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Numbers of a cell that `forward` reads."""
        return ()

    @property
    def start_numbers(self) -> tuple[str, ...]:
        """Numbers of a cell that `place` reads."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Settings of `[model]` that it reads: fields of its spec, and its numbers. A subclass adds what only `draw` reads."""
        own = (each.name for each in fields(self) if each.name in ModelSettings.model_fields)
        return (*own, *self.numbers, *self.start_numbers)

    @property
    def layers(self) -> int:
        """How many layers may have a learning rate of their own."""
        return len(self.shapes()[0])

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(shape) for _, shape in leaves(self.shapes()[0]))

    @property
    def products(self) -> int:
        """Multiplications and additions of its products per row of one update: once forward, twice backward."""
        return 6 * self.parameters

    @property
    def flops(self) -> int:
        """Floating-point operations per row of one update."""
        return self.products

    @property
    def activations(self) -> int:
        """Numbers per row that a pass keeps for the way back."""
        return self.outputs

    @property
    def hidden_units(self) -> int:
        """Units between inputs and outputs; 0 for a model that is one product."""
        return self.activations

    @property
    def one_kernel(self) -> bool:
        """Whether a loop over its updates is best compiled as one kernel, see `engine/one_kernel.py`."""
        return False

    @property
    def batch_statistics(self) -> bool:
        """Whether rows of a batch see each other in training, so that its loss is not that of the rows one by one."""
        return False

    @property
    def trains_otherwise(self) -> bool:
        """Whether a pass in training may give other outputs than one outside."""
        return self.batch_statistics

    @property
    def normalised(self) -> bool:
        """Whether a pass sums over the units or the rows to normalise them."""
        return False

    @property
    def sums_once(self) -> bool:
        """Whether all that a pass normalises by is one sum over the units of a row."""
        return False

    @property
    def packages(self) -> tuple[str, ...]:
        """Of whose versions its rows are a function, beside those of every network."""
        return ()

    @property
    def title(self) -> str:
        """What a reader calls it, shortly."""
        return f"{type(self).__name__} {self.features}–{self.outputs}"

    @property
    def sentence(self) -> str | None:
        """What a map calls it; None where `[model]` says it, and a map over its settings what they have in common."""
        return self.title

    @property
    def identity(self) -> str:
        """The spec as text, the same in every process and in later versions: part of a program's key."""
        return repr(self)
