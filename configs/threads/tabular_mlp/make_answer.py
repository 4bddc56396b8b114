"""Makes answer_rows.npz and answer_weights.npz: what the answer's NumPy program draws after `np.random.seed(42)`.

100 rows of 3 inputs, then the targets, both standardised; then the weights of a 3-5-1 network times √(2 / inputs),
which the answer calls Xavier and the field calls He.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def draw() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The rows and the weights, by the names that the files use."""
    state = np.random.RandomState(42)  # the legacy generator, because the answer's figures came from it
    x, y = state.randn(100, 3), state.randn(100, 1)
    rows = {name: (values - values.mean(axis=0)) / values.std(axis=0) for name, values in (("x", x), ("y", y))}
    weights = {}
    for layer, shape in enumerate([(3, 5), (5, 1)]):
        weights[f"layers.{layer}.kernel"] = state.randn(*shape) * np.sqrt(2 / shape[0])
        weights[f"layers.{layer}.bias"] = np.zeros(shape[1])
    return rows, weights


if __name__ == "__main__":
    for name, arrays in zip(("rows", "weights"), draw(), strict=True):
        np.savez(FOLDER / f"answer_{name}.npz", **arrays)
