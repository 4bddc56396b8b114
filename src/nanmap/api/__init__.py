"""The library's front door: `load`, `run`, `sweep`, `edge`, `diagnose`, `verify`. The command parses, calls these, and prints."""

from nanmap.api.diagnosing import diagnose
from nanmap.api.sweeping import edge, sweep
from nanmap.api.training import load, run
from nanmap.grid.shorthand import linear, log
from nanmap.runs.verify import verify

__all__ = ["diagnose", "edge", "linear", "load", "log", "run", "sweep", "verify"]
