"""Where an MLP starts from: what is drawn for each layer, and the numbers of a cell acting on it. Imports no JAX."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nanmap.config.settings import ModelSettings
from nanmap.models.base import Layers
from nanmap.models.draw import draw
from nanmap.models.mlp.init_file import read_layers

if TYPE_CHECKING:
    from nanmap.models.mlp.spec import MLP

# Arrays that a norm adds to each hidden layer and how they start, as in Keras: trained, and running with the batches.
TRAINED: dict[str, dict[str, float]] = {
    "none": {},
    "rms": {"scale": 1.0},
    "layer": {"scale": 1.0, "offset": 0.0},
    "batch": {"scale": 1.0, "offset": 0.0},
}
RUNNING = {"running_mean": 0.0, "running_variance": 1.0}


def draw_layers(mlp: "MLP", settings: ModelSettings, seeds: np.ndarray) -> tuple[Layers, Layers]:
    """Kernels `[seeds, inputs, units]`. Each layer has its own stream of random numbers, so a change of one layer leaves the others' draws alone.

    `init_scale` and `init_offset` are not applied here: they are numbers of a cell.

    Raises:
        InputError: `init_file` does not fit the model.
    """
    drawn = [_draw_layer(mlp, settings, seeds, index) for index in range(mlp.layers)]
    if settings.init == "file":
        drawn = read_layers(settings.init_file or "", drawn, mlp.sides, len(seeds))
    return (
        [{name: values for name, values in layer.items() if name not in RUNNING} for layer in drawn],
        [{name: values for name, values in layer.items() if name in RUNNING} for layer in drawn],
    )


def _draw_layer(mlp: "MLP", settings: ModelSettings, seeds: np.ndarray, index: int) -> dict[str, np.ndarray]:
    shape, kernel_stream, bias_stream = mlp.sides[index], 2 * index, 2 * index + 1
    layer = {}
    if settings.init != "file":
        layer["kernel"] = draw(settings.init, shape, seeds, kernel_stream)
    if mlp.bias:
        kind = settings.bias_init or ("torch_linear" if settings.init == "torch_linear" else "zeros")
        layer["bias"] = draw(kind, shape, seeds, bias_stream)[:, 0]
    trained, running = norm_arrays(mlp, index)
    return layer | {
        name: np.full((len(seeds), shape[1]), value, np.float32) for name, value in (trained | running).items()
    }


def norm_arrays(mlp: "MLP", index: int) -> tuple[dict[str, float], dict[str, float]]:
    """What the norm adds to a layer, and how it starts: trained, and running."""
    if index >= len(mlp.hidden):
        return {}, {}
    return TRAINED[mlp.norm], RUNNING if mlp.norm == "batch" else {}


def place_layers(parameters: Layers, numbers: Mapping[str, np.ndarray]) -> Layers:
    """Kernels transposed, scaled, and the first one shifted."""
    scale, offset = (numbers[name][..., None, None] for name in ("init_scale", "init_offset"))
    placed = []
    for index, layer in enumerate(parameters):
        kernel = np.swapaxes(layer["kernel"], -1, -2) * scale + (offset if index == 0 else 0)
        placed.append(layer | {"kernel": kernel})
    return placed
