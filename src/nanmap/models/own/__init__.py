"""Networks of the user's own: `source` imports them, `adapters` find out what they are, `spec` is what the house knows of one."""

from nanmap.models.own.interface import Model
from nanmap.models.own.spec import Own, own_model

__all__ = ["Model", "Own", "own_model"]
