"""Missing values: refused, dropped with their rows, or filled, as `data.missing` says."""

import numpy as np

from nanmap.config import DataSettings
from nanmap.data.words import listed, place_of, unusable
from nanmap.errors import InputError


def drop_rows(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows without a gap, and what was done."""
    whole = ~(np.isnan(inputs).any(axis=1) | np.isnan(targets).any(axis=1))
    told = [] if whole.all() else [f"dropped {np.sum(~whole)} rows with missing values"]
    return inputs[whole], targets[whole], told


def fill_with_means(data: DataSettings, inputs: np.ndarray, n: int, features: tuple[str, ...]) -> list[str]:
    """Fills gaps in place with the column means of the training rows; returns what was done."""
    gaps = np.isnan(inputs)
    if not gaps.any():
        return []
    seen = (~gaps[:n]).sum(axis=0)
    if (seen == 0).any():
        empty = features[int(np.argmin(seen))]
        raise InputError(
            f"column `{empty}` has no value in any training row",
            file=data.path,
            key="data.missing",
            value="mean",
            mend="leave it out with data.columns",
        )
    means = np.where(gaps[:n], 0.0, inputs[:n]).sum(axis=0) / seen
    means = np.clip(means, np.nanmin(inputs[:n], axis=0), np.nanmax(inputs[:n], axis=0))  # a constant column stays one
    inputs[gaps] = np.broadcast_to(means, inputs.shape)[gaps]
    filled = [f"{features[i]} {gaps[:, i].sum()} times {means[i]:.6g}" for i in np.flatnonzero(gaps.any(axis=0))]
    return [f"filled missing values with the mean of the {n} training rows: {listed(filled)}"]


def refuse_gaps(data: DataSettings, name: str, missing: np.ndarray, target: bool) -> None:
    """Raises InputError for gaps in a column that nothing is to be done with, or nothing can be."""
    refuse_missing(data, bool(missing.any()), name, missing)
    if target:
        refuse_mean_label(data, name, missing)
    if missing.all() and data.missing in ("drop", "mean"):
        raise unusable(
            data, name, "is empty", "leave it out with data.columns" if not target else "choose another target"
        )


def refuse_missing(data: DataSettings, any_missing: bool, name: str, missing: np.ndarray | None = None) -> None:
    """Raises InputError for missing values unless the settings say what to do with them."""
    if not any_missing or data.missing != "error":
        return
    where = f" ({place_of(data, np.flatnonzero(missing)[0])}, {missing.sum()} in all)" if missing is not None else ""
    raise InputError(
        f"missing values in `{name}`{where}",
        file=data.path,
        key="data.missing",
        value="error",
        allowed=("drop", "mean", "keep"),
        mend='data.missing = "drop" leaves such rows out, "mean" fills them, "keep" trains on NaN',
    )


def refuse_mean_label(data: DataSettings, name: str, missing: np.ndarray) -> None:
    """Raises InputError if targets would be made up."""
    if data.missing == "mean" and missing.any():
        raise InputError(
            f"the target `{name}` misses {missing.sum()} values; a mean is no label",
            file=data.path,
            key="data.missing",
            value="mean",
            mend='data.missing = "drop" leaves those rows out',
        )


def told_missing(missing: np.ndarray) -> str:
    """How many there are, as the report on a column ends; "" without any."""
    return f", {missing.sum()} missing" if missing.any() else ""
