"""How far the edges of a row's seeds lie apart: quantiles over the rows that differ in nothing else."""

import numpy as np

from nanmap.edges.rows import EdgeRows

QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}


def over_seeds(edges: EdgeRows, kept: np.ndarray, edge: np.ndarray) -> dict[str, np.ndarray]:
    """Quantiles of the edges over the rows that differ only in seeds; those stand together in a block."""
    found = {name: np.full(len(kept), np.nan) for name in QUANTILES}
    group = kept // edges.seeds
    for each in np.unique(group) if edges.seeds > 1 else ():
        mine = np.flatnonzero(group == each)
        known = edge[mine][np.isfinite(edge[mine])]
        if len(known) and len(mine) > 1:
            for name, share in QUANTILES.items():
                found[name][mine] = np.exp(np.quantile(np.log(known), share))
    return {f"edge_seeds_{name}": values for name, values in found.items()}
