"""What a command prints under `--json`: one object, strictly JSON."""

import json
import math
from typing import Any


def json_text(value: Any) -> str:
    """Plain data as JSON; texts stay readable in any script."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become the texts "nan", "inf", "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value
