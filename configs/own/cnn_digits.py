"""A convolutional network in Flax: two convolutions with batch norm, a dense layer with dropout."""

import jax
from flax import linen as nn


class Digits(nn.Module):
    """Images `[rows, 8, 8, 1]` with pixels from 0 to 16 in, logits of ten digits out."""

    channels: tuple[int, int]
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, training: bool) -> jax.Array:
        """Logits; what `training` switches is batch norm and dropout."""
        x = x / 16
        for channels in self.channels:
            x = nn.Conv(channels, (3, 3), use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not training, momentum=0.9)(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.Dropout(self.dropout, deterministic=not training)(x.reshape(len(x), -1))
        return nn.Dense(10)(x)


def build(channels: tuple[int, int] = (8, 16), dropout: float = 0.25) -> nn.Module:
    """What `[model.arguments]` of the config are handed to."""
    return Digits(tuple(channels), dropout)
