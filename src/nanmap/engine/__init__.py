"""Lanes: the training of one cell, vectorised, compiled and spread over devices. The only place that knows of many cells."""

from nanmap.engine.local import Engine, Epoch

__all__ = ["Engine", "Epoch"]
