"""Lanes: the training of one cell, vectorised, compiled and spread over devices. The only place that knows of many cells."""

from nanmap.engine.base import Engine, Epoch, Trained
from nanmap.engine.local import LocalEngine

__all__ = ["Engine", "Epoch", "LocalEngine", "Trained"]
