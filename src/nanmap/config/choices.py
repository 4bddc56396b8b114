"""The closed lists of names a config may use. Every list is the one place where its names stand, or made from it."""

from math import inf
from typing import TYPE_CHECKING, Literal, get_args

from nanmap.config.initialisers import INITIALISERS
from nanmap.config.losses import LOSSES
from nanmap.config.optimizers import OPTIMIZERS

LEARNING_RATE = "optimizer.learning_rate"
LAYER_RATES = "optimizer.layer_learning_rates"  # the list; `….0` is the first layer's entry

ModelKind = Literal["mlp"]
DataKind = Literal["square", "line", "gaussian", "csv", "parquet", "npz", "arrays"]
InputKind = Literal["range", "linspace", "normal"]
Categorical = Literal["onehot", "codes"]
Missing = Literal["error", "drop", "mean", "keep"]
ScalingKind = Literal["none", "standard", "minmax", "maxabs"]
TargetKind = Literal["number", "class"]
ActivationKind = Literal[
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "softsign"
]
NormKind = Literal["none", "layer", "rms", "batch"]
Undone = Literal["none", "softmax", "sigmoid"]
ClassAxis = Literal[-1, 1]
Parametrization = Literal["standard", "mean_field", "ntk"]
ScheduleKind = Literal["constant", "inverse_time", "exponential", "cosine", "linear"]
OrderKind = Literal["sequential", "shuffle", "replacement"]
DtypeKind = Literal["float32", "float64", "bfloat16", "float16"]
HistoryCells = Literal["all", "boundary"]

if TYPE_CHECKING:
    InitKind = str
    BiasInitKind = str
    LossKind = str
    OptimizerKind = str
else:
    InitKind = Literal[tuple(INITIALISERS)]
    BiasInitKind = Literal[tuple(name for name, entry in INITIALISERS.items() if entry.biases)]
    LossKind = Literal[tuple(LOSSES)]
    OptimizerKind = Literal[tuple(OPTIMIZERS)]

FLAT_BELOW_ZERO = ("relu", "relu6")  # activations whose gradient is exactly 0 wherever the pre-activation is <= 0
# The numbers between which an activation stays; those that are left out give any.
OUTPUT_RANGES = {
    "relu": (0.0, inf),
    "relu6": (0.0, 6.0),
    "elu": (-1.0, inf),
    "selu": (-1.7581, inf),
    "gelu": (-0.17, inf),
    "silu": (-0.2785, inf),
    "softplus": (0.0, inf),
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
FILE_KINDS = ("csv", "parquet", "npz")
ARRAY_KINDS = ("npz", "arrays")  # whose targets may be anything: `arrays` are what a program in Python gives
TABLE_KINDS = ("csv", "parquet", "arrays")  # whose columns may have names, and hold texts


def names(literal: object) -> tuple[str, ...]:
    """The names in one of the lists above, in order.

    >>> names(OrderKind)
    ('sequential', 'shuffle', 'replacement')
    """
    return get_args(literal)
