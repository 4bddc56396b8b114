"""Networks: what one is to the rest of nanmap (`base`), and the kinds there are. Specs import no JAX."""

from collections.abc import Callable

from nanmap.config.settings import ModelSettings
from nanmap.models.base import Model
from nanmap.models.mlp import MLP

# From the settings and the shape of a row to the spec, by `model.kind`.
MODELS: dict[str, Callable[[ModelSettings, int, int], Model]] = {"mlp": MLP.of}


def model_of(settings: ModelSettings, features: int, outputs: int) -> Model:
    """The network that settings describe for rows of `features` inputs and `outputs` outputs."""
    return MODELS[settings.kind](settings, features, outputs)
