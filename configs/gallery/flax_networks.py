"""A network in Flax."""

import flax.linen as nn
import jax


class WithSoftmax(nn.Module):
    """One output, behind a softmax, which makes a 1 of it."""

    units: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Rows in, one number out."""
        return nn.softmax(nn.Dense(1)(nn.tanh(nn.Dense(self.units)(x))))


def with_softmax(units: int = 16) -> nn.Module:
    """What the config names."""
    return WithSoftmax(units)
