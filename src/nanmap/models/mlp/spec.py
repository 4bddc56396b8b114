"""What fixes a network of Dense layers: its shapes, its layout, what it computes. Imports no JAX; `forward` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nanmap.config.initialisers import INITIALISERS
from nanmap.config.settings import ModelSettings
from nanmap.models.base import Array, Layers, Layout, Model, Numbers, Pass
from nanmap.models.mlp.start import RUNNING, TRAINED, draw_layers, norm_arrays, place_layers

UNITS_MINOR_BELOW = 32  # batches up to this size keep units on the minor axis; rows were faster from 48 on (128 units)
UNITS_MINOR_FROM = 32  # thin networks of so many units do at any batch: 16 units 0.4 times as fast, 128 units 1.2 times


@dataclass(frozen=True)
class MLP(Model):
    """Dense layers with an activation, and a norm between the two in hidden layers; without hidden layers a linear model.

    Attributes:
        hidden: units of each hidden layer.
        activation, output_activation: of the hidden layers, and of the output.
        bias: whether layers have biases.
        norm: `none`, `layer`, `rms` or `batch`.
        parametrization: `standard`, `mean_field` or `ntk`: the factor on each layer's product.
    """

    hidden: tuple[int, ...] = ()
    activation: str = "linear"
    output_activation: str = "linear"
    bias: bool = True
    norm: str = "none"
    parametrization: str = "standard"

    @classmethod
    def of(cls, settings: ModelSettings, features: int, outputs: int) -> "MLP":
        """The network that settings describe for rows of a shape."""
        return cls(
            features=features,
            outputs=outputs,
            hidden=settings.hidden,
            activation=settings.activation if settings.hidden else "linear",
            output_activation=settings.output_activation,
            bias=settings.bias,
            norm=settings.norm,
            parametrization=settings.parametrization,
        )

    @cached_property
    def units(self) -> tuple[int, ...]:
        """Units from the inputs to the outputs."""
        return (self.features, *self.hidden, self.outputs)

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Inputs and units of each layer."""
        return list(zip(self.units, self.units[1:], strict=False))

    def shapes(self) -> tuple[Layers, Layers]:
        """Kernels are `[units, inputs]`; `bias`, the norm's arrays and its running statistics `[units]`."""
        parameters, state = [], []
        for index, (inputs, units) in enumerate(self.sides):
            trained, running = norm_arrays(self, index)
            names = [*(["bias"] if self.bias else []), *trained]
            parameters.append({"kernel": (units, inputs), **dict.fromkeys(names, (units,))})
            state.append(dict.fromkeys(running, (units,)))
        return parameters, state

    def draw(self, settings: ModelSettings, seeds: np.ndarray) -> tuple[Layers, Layers]:
        """See `start.draw_layers`."""
        return draw_layers(self, settings, seeds)

    def place(self, parameters: Layers, numbers: Mapping[str, np.ndarray]) -> Layers:
        """See `start.place_layers`."""
        return place_layers(parameters, numbers)

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
        """See `forward.forward`."""
        from nanmap.models.mlp.forward import forward

        return forward(self, parameters, state, x, mask, gain=numbers["gain"], layout=layout, training=training)

    def living_units(self, seen: Any, mask: Array | None) -> list[Array]:
        """Units that do not give zero on every row, of the layers that can die."""
        from nanmap.models.mlp.forward import living_units

        return living_units(self, seen, mask)

    def activations_of(self, passed: Pass) -> dict[str, Array]:
        """Of each layer what its activation is given: an activation makes no infinity of a number."""
        return {f"layers.{index}": z for index, z in enumerate(passed.seen)}

    def named(self, parameters: Layers, state: Layers) -> dict[str, Array]:
        """`layers.0.kernel` `[inputs, units]`, `layers.0.bias`, …; under batch norm the running statistics among them."""
        order = ["kernel", "bias", *TRAINED["batch"], *RUNNING].index
        layers = [{**trained, **running} for trained, running in zip(parameters, state, strict=True)]
        return {
            f"layers.{index}.{name}": layer[name].T if name == "kernel" else layer[name]
            for index, layer in enumerate(layers)
            for name in sorted(layer, key=order)
        }

    def linear_columns(self, inputs: np.ndarray) -> np.ndarray | None:
        """Inputs times the parametrization's factor, and a 1 for the bias."""
        if self.hidden or self.output_activation != "linear":
            return None
        columns = inputs * self.factor(0)
        return np.hstack([columns, np.ones((len(inputs), 1))]) if self.bias else columns

    def linear_parameters(self, parameters: Layers) -> list[np.ndarray]:
        """The kernel, and the bias as a column."""
        (layer,) = parameters
        return [layer["kernel"], *([layer["bias"][..., None]] if self.bias else [])]

    def why_idle(self, name: str, settings: ModelSettings) -> str:
        """It reads every setting; some act only beside others."""
        entry = INITIALISERS[settings.init]
        hidden = "" if self.hidden else "there is no hidden layer"
        reasons = {
            "activation": hidden,
            "gain": hidden,
            "bias_init": "" if self.bias else "the layers have no biases",
            "init_scale": "kernels of zeros stay zeros" if entry.zeros else "",
        }
        return super().why_idle(name, settings) or reasons.get(name, "")

    def seeded(self, settings: ModelSettings) -> bool:
        """Whether kernels or biases are drawn at random."""
        kinds = [settings.init, *([settings.bias_init] if self.bias and settings.bias_init else [])]
        return any(INITIALISERS[kind].random for kind in kinds)

    def factor(self, index: int) -> float:
        """What the parametrization multiplies a layer's kernel with."""
        fan_in = self.units[index]
        if self.parametrization == "standard":
            return 1.0
        if self.parametrization == "mean_field" and index == len(self.hidden):
            return 1.0 / fan_in
        return float(1.0 / np.sqrt(fan_in))

    def layout(self, batch: int) -> Layout:
        """Rows on the minor axis for large batches, units for small ones and for thin networks of many units."""
        most = max(self.hidden, default=0)
        if self.one_kernel and most >= UNITS_MINOR_FROM:
            return Layout.UNITS_MINOR
        return Layout.ROWS_MINOR if batch > UNITS_MINOR_BELOW or batch >= most else Layout.UNITS_MINOR

    @property
    def numbers(self) -> tuple[str, ...]:
        """The gain on hidden pre-activations."""
        return ("gain",)

    @property
    def start_numbers(self) -> tuple[str, ...]:
        """Scale and shift of the initial kernels."""
        return ("init_scale", "init_offset")

    @property
    def reads(self) -> tuple[str, ...]:
        """All of them: `draw` the initialisers and their file."""
        return (*super().reads, "init", "init_file", "bias_init")

    @property
    def layers(self) -> int:
        """Dense layers."""
        return len(self.hidden) + 1

    @cached_property
    def parameters(self) -> int:
        """How many numbers are trained."""
        dense = sum((inputs + self.bias) * units for inputs, units in self.sides)
        return dense + len(TRAINED[self.norm]) * sum(self.hidden)

    @property
    def products(self) -> int:
        """Of the products of kernels; the inputs need no gradient."""
        first = self.units[0] * self.units[1]
        return 6 * sum(inputs * units for inputs, units in self.sides) - 2 * first

    @property
    def flops(self) -> int:
        """The products, and the activations of every unit."""
        return self.products + 10 * sum(self.hidden) + 6 * self.outputs

    @property
    def activations(self) -> int:
        """Numbers per row that a pass keeps for the way back."""
        return sum(self.units[1:])

    @property
    def hidden_units(self) -> int:
        """Units of all hidden layers."""
        return sum(self.hidden)

    @property
    def one_kernel(self) -> bool:
        """One input, and every kernel a row or a column: no product of two matrices anywhere."""
        return self.features == 1 and all(min(pair) == 1 for pair in self.sides)

    @property
    def batch_statistics(self) -> bool:
        """Under batch norm."""
        return self.norm == "batch"

    @property
    def normalised(self) -> bool:
        """Under any norm."""
        return self.norm != "none"

    @property
    def sums_once(self) -> bool:
        """Under a norm that does not centre."""
        return self.norm == "rms"

    @property
    def title(self) -> str:
        """Units from input to output, and the norm."""
        return "–".join(map(str, self.units)) + (f" with {self.norm} norm" if self.normalised else "")

    @property
    def sentence(self) -> None:
        """Its settings say it."""
        return None

    @property
    def identity(self) -> str:
        """The fields alone: so they stood in the keys of programs before networks of other kinds."""
        return repr(self).removeprefix("MLP(").removesuffix(")")
