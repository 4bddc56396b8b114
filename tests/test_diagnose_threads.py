"""The four threads' own programs: the cause that a teacher would name, and a fix that works from starts that nobody used."""

from pathlib import Path

import pytest

import nanmap
from nanmap.analysis.intervals import wilson_interval
from nanmap.config import load_config
from nanmap.diagnosis.bench import Ask, Bench
from nanmap.engine import LocalEngine

OPTIMISED = True
ROOT = Path(__file__).parents[1]
ENGINE = LocalEngine()
UNUSED = range(5_000_000, 5_000_128)


@pytest.mark.long
@pytest.mark.parametrize(
    ("thread", "cause", "also", "keys"),
    [
        ("keras_line", "rate_above_edge", set(), {"optimizer.learning_rate"}),
        ("square_sgd", "wrong_sign", {"unscaled_inputs"}, {"optimizer.learning_rate", "data.scale_inputs"}),
        ("tabular_mlp", "nan_in_data", {"unscaled_data"}, {"data.missing", "data.scale_inputs", "data.scale_targets"}),
        ("relu_double", "dead_at_init", {"unscaled_inputs", "killed_by_first_steps"}, {"model.output_activation", "optimizer.learning_rate"}),
    ],
)  # fmt: skip
def test_a_thread_is_answered(thread: str, cause: str, also: set[str], keys: set[str]) -> None:
    config = load_config(ROOT / "configs" / "threads" / thread / "posted.toml")
    answer = nanmap.diagnose(config, engine=ENGINE, budget=1e9)
    assert answer.cause == cause
    assert set(answer.also) == also
    assert set(answer.fix.trial.changes) == keys
    assert answer.fix.reaches
    low, _ = answer.fix.trial.successes.interval
    (ends,) = Bench(config, False, ENGINE).train([Ask(answer.fix.trial.changes, UNUSED)])
    share = ends.share(answer.criterion)
    assert wilson_interval(share.count, share.starts)[1] >= low
    assert all(part.successes.rate < 0.95 for part in answer.fix.parts)
