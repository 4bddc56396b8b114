"""What `nanmap diagnose` says of a posted program."""

from typing import Any

import nanmap
from measured.common import config_of
from nanmap.diagnosis.told import change


def diagnosed(name: str) -> dict[str, Any]:
    """The answer to `NAME/posted`, as far as the page shows it beside the thread's advice."""
    answer = nanmap.diagnose(config_of(f"{name}/posted"), progress=False, budget=600)  # a busy machine tries as much
    fix = answer.fix
    assert fix is not None, f"{name} has no fix"
    return {
        "starts": answer.happening.successes.starts,
        "endings": ", ".join(f"{outcome} {count}" for outcome, count in answer.happening.outcomes.items()),
        "cause": str(answer.cause),
        "also": ", ".join(f"`{cause}`" for cause in answer.also) or "–",
        "fix": ", ".join(f"`{change(key, value, answer.config)}`" for key, value in fix.trial.changes.items()),
        "works": {"successes": fix.trial.successes.count, "runs": fix.trial.successes.starts},
        "rates": [fix.rates.low, fix.rates.high] if fix.rates else [],
    }
