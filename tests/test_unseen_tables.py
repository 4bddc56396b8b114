"""Tables of unlike fields, each with a fault that is known: the cause that is named, and the settings that mend it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nanmap
from nanmap.engine import LocalEngine

ENGINE = LocalEngine()
SCALED = {"data.scale_inputs"}
RATE = "optimizer.learning_rate"


def chemistry(rng: np.random.Generator) -> pd.DataFrame:
    """Moles: inputs of 10⁻⁹, beside which the bias is all there is."""
    frame = pd.DataFrame({name: rng.uniform(1, 9, 120) * 1e-9 for name in ("acid", "salt")})
    return frame.assign(y=(frame.acid - frame.salt) * 1e9 / 3 + rng.normal(0, 0.05, 120))


def sports(rng: np.random.Generator) -> pd.DataFrame:
    """The same length twice, in two units: collinear, so that the loss is twice as steep."""
    metres, weight = rng.normal(size=(2, 150))
    feet = metres * 1.0000001
    return pd.DataFrame({"metres": metres, "feet": feet, "weight": weight, "y": metres + 0.3 * weight})


def schools(rng: np.random.Generator) -> pd.DataFrame:
    """Schools by their numbers, which say nothing of their marks."""
    school, hours = rng.integers(1, 13, 300), rng.normal(size=300)
    return pd.DataFrame({"school": school, "hours": hours, "y": rng.permutation(12)[school - 1] / 3 + 0.3 * hours})


def factory(rng: np.random.Generator) -> pd.DataFrame:
    """A length in other units than all others, and a column that is always the same."""
    heat, press = rng.normal(size=(2, 180))
    length = 0.5 * heat - 0.2 * press
    length[17] = 1e6
    return pd.DataFrame({"line": 1, "heat": heat, "press": press, "y": length})


def lottery(rng: np.random.Generator) -> pd.DataFrame:
    """Numbers that were drawn: nothing is known of them, and the rate is too large besides."""
    return pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "y"])


def rents(rng: np.random.Generator) -> pd.DataFrame:
    """A table with which nothing is wrong."""
    size, floor = rng.normal(size=(2, 200))
    return pd.DataFrame({"size": size, "floor": floor, "y": size - 0.3 * floor + rng.normal(0, 0.1, 200)})


@pytest.mark.long
@pytest.mark.parametrize(
    ("table", "rate", "cause", "keys"),
    [
        (chemistry, 0.1, "unscaled_inputs", SCALED),
        (sports, 0.6, "rate_above_edge", {RATE}),
        (schools, 0.01, "codes_for_categories", {"data.categories", RATE}),
        (factory, 0.05, "slips_in_data", None),
        (lottery, 1.5, "labels_say_nothing", {RATE}),
        (rents, 0.05, "nothing_wrong", None),
    ],
)
def test_what_is_wrong_with_a_table_is_named(
    table: Callable[[np.random.Generator], pd.DataFrame], rate: float, cause: str, keys: set[str] | None, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    table(np.random.default_rng(7)).to_csv(path, index=False)
    asked: dict[str, Any] = {"data": "csv", "path": str(path), "target": "y", "learning_rate": rate, "epochs": 100}
    answer = nanmap.diagnose(**asked, batch_size=512, engine=ENGINE, budget=1e9, progress=False)
    assert answer.cause == cause
    assert (None if answer.fix is None else set(answer.fix.trial.changes)) == keys
