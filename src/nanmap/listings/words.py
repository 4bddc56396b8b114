"""Numbers, names of files and factors of schedules as Python writes them."""

import json
import os
from pathlib import Path

from nanmap.config.settings import Config


def number(value: float | None) -> str:
    """A number without the zero behind its point.

    >>> number(1.0), number(0.05), number(1e-07), number(-3)
    ('1', '0.05', '1e-07', '-3')
    """
    return repr(value).removesuffix(".0")


def file_name(path: str | None) -> str:
    """A file's name in quotes, relative to where the command runs if it is below."""
    full = Path(path or "").resolve()
    inside = full.is_relative_to(Path.cwd())
    shown = full.relative_to(Path.cwd()) if inside else full
    return text(shown.as_posix() if os.sep == "/" else str(shown))


def text(value: str) -> str:
    r"""A text in double quotes.

    >>> print(text('the "first" price'))
    "the \"first\" price"
    """
    return json.dumps(value, ensure_ascii=False)


def updates_per_epoch(config: Config, n: int) -> int:
    """How many batches `n` rows make, the last one as short as it may be."""
    return -(-n // min(config.training.batch_size, n))


def updates(config: Config, n: int) -> int:
    """How many updates a whole training makes."""
    training = config.training
    return training.steps or (training.epochs or 0) * updates_per_epoch(config, n)


def rate_factor(config: Config, total: int, functions: str) -> str | None:
    """What the rate is multiplied by at a step, as an expression in `step`; None for a constant one.

    Args:
        total: how many updates the training makes.
        functions: the module that has `exp`, `cos` and `minimum`.
    """
    optimizer = config.optimizer
    decay = number(optimizer.decay)
    factors = {
        "constant": [],
        "inverse_time": [f"1 / (1 + {decay} * step)"],
        "exponential": [f"{functions}.exp(-{decay} * step)"],
        "cosine": [f"0.5 * (1 + {functions}.cos({functions}.pi * step / {total}))"],
        "linear": [f"(1 - step / {total})"],
    }[optimizer.schedule]
    if optimizer.warmup_steps:
        factors = [*factors, f"{functions}.minimum(1.0, (step + 1) / {optimizer.warmup_steps})"]
    return " * ".join(factors) or None
