"""What a loss is held against: the best constant answer, the best straight line or border, the five nearest rows."""

from nanmap.data.references.constant import loss_constant
from nanmap.data.references.floor import affine_floor, network_floor

__all__ = ["affine_floor", "loss_constant", "network_floor"]
