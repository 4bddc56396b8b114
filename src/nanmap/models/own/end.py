"""What is done to the outputs of a network of the user's own, so that what follows is given logits, the classes last."""

from typing import NamedTuple

from nanmap.config.settings import ModelSettings
from nanmap.models.own.interface import Array

LEAST = 1e-7  # of a probability, as Keras's losses have it: else one that rounds to 0 has a logarithm of −∞
SOFTMAX = "softmax_cross_entropy"  # the loss that has to know where the classes lie


class End(NamedTuple):
    """The end of a network.

    Attributes:
        undo: which activation there is undone: `softmax`, `sigmoid`, or `none`.
        class_axis: the axis of its classes, which becomes the last one.
        shares: whether its outputs are divided by their sum over the classes first, as Keras does of what a softmax should have been.
    """

    undo: str = "none"
    class_axis: int = -1
    shares: bool = False

    @classmethod
    def of_settings(cls, settings: ModelSettings, loss: str) -> "End":
        """As a config says it; where no loss asks for the classes, they stay where they are."""
        if loss != SOFTMAX:
            return cls(settings.undo)
        return cls(settings.undo, settings.class_axis, settings.undo == "softmax")

    def of(self, output: Array) -> Array:
        """Numbers of which the activation gives these outputs `[rows, …]`, in at least float32; the outputs themselves under `none`."""
        if self.class_axis == 1 and output.ndim > 2:
            import jax.numpy as jnp

            output = jnp.moveaxis(output, 1, -1)
        return output if self.undo == "none" else self._undone(output)

    def identity(self, answer: tuple[int, ...]) -> str:
        """What it adds to a network's whose row has an answer of this shape: nothing where nothing is done, so that older folders are continued."""
        undone = "" if self.undo == "none" else f", undo={self.undo}"
        undone += ", of shares" if self.shares else ""
        moved = f", class_axis={self.class_axis}" if self.class_axis == 1 and len(answer) > 1 else ""
        return undone + moved

    def _undone(self, output: Array) -> Array:
        import jax.numpy as jnp

        wide = output.astype(jnp.promote_types(output.dtype, jnp.float32))
        wide = wide / jnp.sum(wide, -1, keepdims=True) if self.shares else wide
        shares = jnp.clip(wide, LEAST, 1 - LEAST)
        return jnp.log(shares) if self.undo == "softmax" else jnp.log(shares) - jnp.log1p(-shares)
