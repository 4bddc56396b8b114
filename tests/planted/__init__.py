"""Planted trainings: a truth table for outcomes and causes."""

from .linear import LINEAR
from .planted import Planted

PLANTED: tuple[Planted, ...] = LINEAR
