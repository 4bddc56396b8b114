"""What one planted training is."""

from typing import Any, NamedTuple

import numpy as np


class Planted(NamedTuple):
    """A training, and what a teacher says became of it."""

    name: str
    tree: dict[str, Any]
    outcome: str
    cause: str
    why: str
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    differs: str = ""
