"""Planted trainings: a truth table for outcomes and causes."""

from .broken import BROKEN
from .deep import DEEP
from .labels import CLASSES
from .linear import LINEAR as LINEAR
from .networks import NETWORKS
from .planted import Planted

PLANTED: tuple[Planted, ...] = (*LINEAR, *BROKEN, *NETWORKS, *DEEP, *CLASSES)
