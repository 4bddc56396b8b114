"""A search of edges that trains long, with programs that are compiled as users have them."""

from pathlib import Path

import numpy as np

import nanmap
from nanmap.plan import make_sweep

OPTIMISED = True


def test_more_than_a_thousand_rows_at_the_cost_of_few_columns(engine, tmp_path: Path) -> None:
    tree = {
        "data": {"kind": "line", "n": 20, "slope": 0.5, "start": 1},
        "training": {"epochs": 500, "batch_size": 64},
    }
    axes = [
        {"key": "data.n", "range": [8, 40]},
        {"key": "model.init_scale", "values": [0.5, 1.0, 2.0, 4.0]},
        {"key": "training.seed", "range": [0, 8]},
        {"key": "optimizer.learning_rate", "log": [1e-5, 10], "num": 73},
    ]
    result = nanmap.edge(make_sweep(tree, axes), out=tmp_path, engine=engine)
    table = result.edge()
    assert len(table) == 1024
    np.testing.assert_allclose(table.edge_learning_rate / table.predicted_gd, 1, rtol=0, atol=1e-4)
    assert result.folder.read_edges_manifest()["columns_of_a_map"] <= 25
