"""The optimizers: what each is called, which settings it reads, and what is known of it.

Its transformation stands under the same name in `training/optimizers.py`. Nothing else repeats a name.
"""

from dataclasses import dataclass

from nanmap.config.code import Code

# Settings that most trainings leave out: whether they are used is part of the program, so they have flags of their own.
FLAGS = ("momentum", "nesterov", "weight_decay")
MOMENTS = ("b1", "b2", "eps")


@dataclass(frozen=True)
class OptimizerEntry:
    """One optimizer.

    Attributes:
        title: its name in the titles of maps.
        reads: the settings of `[optimizer]` that it reads, besides the rates, the schedule and the clips.
        b2: used where the config gives none.
        weight_decay: the same; None = no decay then.
        bounded: whether a closed form bounds its rate on quadratics (`theory/closed_form.py`).
    """

    title: str
    reads: tuple[str, ...]
    b2: float = 0.999
    weight_decay: float | None = None
    bounded: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that every training with it reads, in order."""
        return tuple(name for name in self.reads if name not in FLAGS)


OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry("SGD", ("momentum", "nesterov"), bounded=True),
    "adam": OptimizerEntry("Adam", MOMENTS),
    "adamw": OptimizerEntry("AdamW", (*MOMENTS, "weight_decay"), weight_decay=0.004),  # Keras's
    "amsgrad": OptimizerEntry("AMSGrad", MOMENTS),
    "adamax": OptimizerEntry("Adamax", MOMENTS),
    "nadam": OptimizerEntry("Nadam", MOMENTS),
    "radam": OptimizerEntry("RAdam", MOMENTS),
    "adabelief": OptimizerEntry("AdaBelief", MOMENTS),
    "rmsprop": OptimizerEntry("RMSprop", ("rho", "eps", "momentum")),
    "adagrad": OptimizerEntry("Adagrad", ("eps",)),
    "lion": OptimizerEntry("Lion", ("b1", "b2", "weight_decay"), b2=0.99),
}


# What may be handed to code that a config names.
OWN_NUMBERS = ("momentum", *MOMENTS, "rho", "weight_decay")


def optimizer_entry(kind: str) -> OptimizerEntry:
    """What is known of an optimizer; of one of the user's own what it is called, and the settings that it may be given.

    >>> optimizer_entry("python:rules.py:careful").title
    'careful'
    """
    return OPTIMIZERS[kind] if kind in OPTIMIZERS else OptimizerEntry(Code.of(kind).name, OWN_NUMBERS)


def optimizers_that_read(setting: str) -> tuple[str, ...]:
    """Names of the optimizers that read a setting.

    >>> optimizers_that_read("momentum")
    ('sgd', 'rmsprop')
    """
    return tuple(name for name, entry in OPTIMIZERS.items() if setting in entry.reads)


def written_bound(momentum: float | None, nesterov: bool) -> str:
    """How the critical rate of descent on a quadratic is written, which `theory/closed_form.py` computes; of Nesterov's two the lower one.

    >>> [written_bound(None, False), written_bound(0.9, False), written_bound(0.9, True), written_bound(-0.9, True)]
    ['2/λmax', '2(1 + β)/λmax', '(2 + 2β)/((1 + 2β)λmax)', '(1 − 1/β)/λmax']
    """
    if not momentum:
        return "2/λmax"
    if not nesterov:
        return "2(1 + β)/λmax"
    return "(2 + 2β)/((1 + 2β)λmax)" if momentum >= -1 / 3 else "(1 − 1/β)/λmax"
