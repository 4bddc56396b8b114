"""What a command prints under `--json`: one object, strictly JSON."""

import json
import math
from typing import Any


def json_text(value: Any) -> str:
    """JSON, which has no NaN and no infinity: they become the texts "nan", "inf", "-inf"."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
