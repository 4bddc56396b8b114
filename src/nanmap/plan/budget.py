"""How long a training is: updates per pass over the rows, and in all."""

from nanmap.config import Config
from nanmap.errors import InputError
from nanmap.training.program import Program


def budget(config: Config, program: Program, n: int) -> tuple[int, int]:
    """Updates of one pass over `n` rows, a short last batch counting as one, and of the whole training.

    Raises:
        InputError: they are more than an int32 counts.
    """
    per_epoch = 1 if program.full_batch else -(-n // program.batch)
    training = config.training
    steps = training.steps or (training.epochs or 0) * per_epoch
    if steps >= 2**31:
        raise InputError(
            "is a budget of too many updates",
            key="training.epochs",
            value=f"{steps:,} updates",
            allowed="less than 2³¹ updates",
        )
    return per_epoch, steps
