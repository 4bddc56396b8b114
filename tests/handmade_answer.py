"""An answer made by hand: what is said of it can be checked without a training."""

from dataclasses import replace
from typing import Any

import numpy as np

from nanmap.config import build_config
from nanmap.diagnosis.answer import (
    Answer,
    Criterion,
    Curves,
    Edge,
    Ending,
    Evidence,
    Fix,
    Happening,
    Quantiles,
    RateMap,
    RateRange,
    Share,
    Spent,
    Trial,
)
from nanmap.diagnosis.root_causes import RootCause
from nanmap.outcomes import Cause, Outcome
from nanmap.runs.first_tensor import FirstTensor

TREE = {"data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5}, "training": {"epochs": 500}}
CHANGES: tuple[dict[str, Any], ...] = (
    {}, {"model.init": "glorot_uniform"}, {"optimizer.clip_norm": 1.0}, {"data.scale_inputs": "standard"},
)  # fmt: skip
NAMES = ("as it is", "initialisation", "clip by norm", "scale inputs")


def handmade(**changed: Any) -> Answer:
    """One unit on twenty points: nan at rate 0.01, converged at 0.005."""
    config = build_config(TREE)
    fixed = build_config(TREE, {"optimizer.learning_rate": 0.005})
    steps = np.arange(0, 501, 10)
    growing = 40.0 * 1.3 ** steps[None].astype(float) * np.array([[1.0], [1.3]])
    growing[growing > 1e38] = np.nan
    falling = np.maximum(40 * np.exp(-steps / 40), 1e-6)[None] * np.array([[1.0], [0.8]])
    rates = np.geomspace(1e-4, 1, 17)
    successes = np.where(rates < 0.007, 16, 0)[None].repeat(4, 0)
    successes[3] = np.where(rates < 0.5, 16, 0)
    outcomes = np.where(successes > 0, "converged", "nan").astype(object)
    outcomes[2, -1] = ""
    answer = Answer(
        config=config,
        criterion=Criterion(),
        happening=Happening(
            (Ending(Outcome.NAN, Cause.OVERFLOW, 120), Ending(Outcome.INF, Cause.OVERFLOW, 8)),
            Share(0, 128), Quantiles(60, 63, 66, 128), None, Quantiles(10, 40, 90, 128), None, 8.3, 0.0, None, 500, 1,
        ),
        cause=RootCause.RATE_ABOVE_EDGE,
        also=(),
        evidence=(Evidence("the rate 0.01 is 1.44 times the critical one"),),
        ruled_out=(Evidence("no value is missing in 20 rows"),),
        first_tensor=FirstTensor("loss", 63, "inf", 3.2e38, "activation:layers.0"),
        edge=Edge(0.01, 0.006961, (0.00696, 0.006962), 0.006962, "2/λmax"),
        fix=Fix(
            Trial(("learning rate",), {"optimizer.learning_rate": 0.005}, Share(128, 128), Outcome.CONVERGED, 1.0),
            True, fixed, RateRange(1e-4, 0.0068, open_low=True), Quantiles(1, 1, 1, 128),
            Edge(0.005, 0.006961, (0.00696, 0.006962), 0.006962, "2/λmax"), (),
        ),
        others=(Trial(("scale inputs",), {"data.scale_inputs": "standard"}, Share(64, 64), Outcome.CONVERGED, 1.0),),
        in_vain=(Trial(("clip by norm",), {"optimizer.clip_norm": 1.0}, Share(3, 16), Outcome.STALLED, 0.2),),
        limit=None,
        before=Curves(steps, growing),
        after=Curves(steps, falling),
        map=RateMap(rates, NAMES, successes, outcomes, 16, CHANGES),
        spent=Spent(4000, 5, 6.2, {"now": (0, 128), "choice": (128, 256), "fresh": (256, 384)}),
    )  # fmt: skip
    return replace(answer, **changed)
