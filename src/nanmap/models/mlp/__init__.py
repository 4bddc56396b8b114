"""Networks of Dense layers: `spec` says what fixes one and draws its start, `forward` is the pass through it."""

from nanmap.models.mlp.spec import MLP

__all__ = ["MLP"]
