"""On a map of a network of one's own, colours hold: what converged has learned, and cells that went alike are called alike."""

import numpy as np
import pandas as pd
import pytest

from nanmap.outcomes import MARKS
from planted import rows

SIDE = 96
AXES = [
    {"key": "optimizer.learning_rate", "log": [1e-3, 1e2], "num": SIDE},
    {"key": "model.init_scale", "log": [1e-2, 1e2], "num": SIDE},
]


@pytest.fixture(scope="module")
def cells(grid, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    x, y = rows.waves()
    path = tmp_path_factory.mktemp("rows") / "waves.npz"
    np.savez(path, x=x, y=y)
    tree = {
        "data": {"kind": "npz", "path": str(path)},
        "model": {"hidden": [8, 8, 8], "norm": "layer"},
        "training": {"steps": 300, "batch_size": 40},
    }
    return grid(tree, AXES).to_pandas().sort_values("cell")


@pytest.mark.long
def test_nothing_that_converged_answers_a_constant(cells: pd.DataFrame) -> None:
    converged = cells[cells.outcome == "converged"]
    assert len(converged) > 1000
    assert converged.skill.min() > 0.001
    assert cells[cells.outcome == "stalled"].skill.max() < converged.skill.min()


@pytest.mark.long
def test_neighbours_whose_losses_agree_share_a_class_but_at_a_threshold(cells: pd.DataFrame) -> None:
    """Within 1 %: of the reference's or the constant's loss, or of a multiple of another mark's."""
    losses = cells[list(MARKS)].to_numpy(float).reshape(SIDE, SIDE, len(MARKS))
    outcomes = cells.outcome.astype(str).to_numpy().reshape(SIDE, SIDE)
    floor, constant = cells.loss_floor.iloc[0], cells.loss_constant.iloc[0]
    first, _, eighty, ninety, final = np.moveaxis(losses, -1, 0)
    lowest = np.fmin.reduce(losses, axis=-1)
    limits = [floor + 0.05 * max(constant - floor, 0.05 * constant), constant, 2 * lowest, lowest]
    limits += [1.01 * ninety, 0.99 * ninety, 1.01 * first]
    with np.errstate(all="ignore"):
        close = np.any([np.abs(final / limit - 1) <= 0.01 for limit in limits], axis=0)
        close |= np.abs(ninety / (1.01 * eighty) - 1) <= 0.01
        pairs = 0
        for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            alike = (np.abs(losses[here] / losses[there] - 1) <= 0.01).all(axis=-1)
            pairs += alike.sum()
            assert not (alike & (outcomes[here] != outcomes[there]) & ~close[here] & ~close[there]).any()
    assert pairs > 300
