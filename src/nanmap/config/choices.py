"""The closed lists of names a config may use. Every list is the one place where its names stand."""

from typing import Literal, get_args

DataKind = Literal["square", "line", "gaussian", "csv", "parquet", "npz"]
InputKind = Literal["range", "linspace", "normal"]
Categorical = Literal["onehot", "codes"]
Missing = Literal["error", "drop", "mean", "keep"]
Scaling = Literal["none", "standard", "minmax", "maxabs"]
TargetKind = Literal["number", "class"]
ActivationKind = Literal[
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "softsign"
]
InitKind = Literal[
    "zeros",
    "ones",
    "normal",
    "uniform",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
    "torch_linear",
    "file",
]
BiasInitKind = Literal["zeros", "ones", "normal", "uniform", "torch_linear"]
NormKind = Literal["none", "layer", "rms", "batch"]
Parametrization = Literal["standard", "mean_field", "ntk"]
LossKind = Literal["mse", "half_mse", "mae", "huber", "softmax_cross_entropy", "sigmoid_cross_entropy"]
OptimizerKind = Literal[
    "sgd", "adam", "adamw", "amsgrad", "adamax", "nadam", "radam", "adabelief", "rmsprop", "adagrad", "lion"
]
ScheduleKind = Literal["constant", "inverse_time", "exponential", "cosine", "linear"]
OrderKind = Literal["sequential", "shuffle", "replacement"]
DtypeKind = Literal["float32", "float64", "bfloat16", "float16"]

CROSS_ENTROPIES = ("softmax_cross_entropy", "sigmoid_cross_entropy")
FLAT_BELOW_ZERO = ("relu", "relu6")  # activations whose gradient is exactly 0 wherever the pre-activation is <= 0
FILE_KINDS = ("csv", "parquet", "npz")

__all__ = [name for name in dir() if name[0].isupper() and name != "Literal"]


def names(literal: object) -> tuple[str, ...]:
    """The names in one of the lists above, in order.

    >>> names(OrderKind)
    ('sequential', 'shuffle', 'replacement')
    """
    return get_args(literal)
