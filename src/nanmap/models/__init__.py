"""Networks: what one is to the rest of nanmap (`base`), and the kinds there are. Specs import no JAX."""

from collections.abc import Callable

from nanmap.config.code import is_own
from nanmap.config.settings import ModelSettings
from nanmap.models.base import Model, Surroundings
from nanmap.models.mlp import MLP

# From the settings and the shape of a row to the spec, by `model.kind`.
MODELS: dict[str, Callable[[ModelSettings, int, int], Model]] = {"mlp": MLP.of}


def model_of(settings: ModelSettings, features: int, outputs: int, rows: Surroundings | None = None) -> Model:
    """The network that settings describe for rows of `features` inputs and `outputs` outputs.

    Args:
        settings: of the network.
        features, outputs: numbers of a row's input and of its targets.
        rows: what a network of the user's own has to do with, which is imported for it.
    """
    if is_own(settings.kind):
        from nanmap.models.own import own_model

        assert rows is not None
        return own_model(settings, rows)
    return MODELS[settings.kind](settings, features, outputs)
