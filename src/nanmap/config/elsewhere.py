"""What other libraries call a setting or a value of one: a reader who knows Keras, PyTorch or optax is told nanmap's name."""

from collections.abc import Iterable

from nanmap.errors import did_you_mean

# By the name elsewhere, in small letters and without underscores.
NAMES = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "stepsize": "learning_rate",
    "betas": "b1",
    "beta1": "b1",
    "beta2": "b2",
    "epsilon": "eps",
    "alpha": "rho",
    "wd": "weight_decay",
    "clipvalue": "clip_value",
    "clipnorm": "clip_norm",
    "globalclipnorm": "clip_norm",
    "optimiser": "optimizer",
    "units": "hidden",
    "hiddenunits": "hidden",
    "hiddenlayersizes": "hidden",
    "layers": "hidden",
    "kernelinitializer": "init",
    "biasinitializer": "bias_init",
    "usebias": "bias",
    "normalization": "norm",
    "nbepoch": "epochs",
    "numepochs": "epochs",
    "iterations": "steps",
    "maxiter": "steps",
    "bs": "batch_size",
    "randomstate": "seed",
    "meansquarederror": "mse",
    "mseloss": "mse",
    "l2": "mse",
    "meanabsoluteerror": "mae",
    "l1": "mae",
    "l1loss": "mae",
    "huberloss": "huber",
    "smoothl1": "huber",
    "smoothl1loss": "huber",
    "binarycrossentropy": "sigmoid_cross_entropy",
    "bce": "sigmoid_cross_entropy",
    "bceloss": "sigmoid_cross_entropy",
    "bcewithlogitsloss": "sigmoid_cross_entropy",
    "logloss": "sigmoid_cross_entropy",
    "categoricalcrossentropy": "softmax_cross_entropy",
    "sparsecategoricalcrossentropy": "softmax_cross_entropy",
    "crossentropy": "softmax_cross_entropy",
    "crossentropyloss": "softmax_cross_entropy",
    "nllloss": "softmax_cross_entropy",
    "kaiming": "he_normal",
    "kaimingnormal": "he_normal",
    "kaiminguniform": "he_uniform",
    "he": "he_normal",
    "xavier": "glorot_uniform",
    "xavieruniform": "glorot_uniform",
    "xaviernormal": "glorot_normal",
    "glorot": "glorot_uniform",
    "lecun": "lecun_normal",
    "randomnormal": "normal",
    "randomuniform": "uniform",
    "batchnormalization": "batch",
    "batchnorm": "batch",
    "batchnorm1d": "batch",
    "layernormalization": "layer",
    "layernorm": "layer",
    "rmsnorm": "rms",
    "logistic": "sigmoid",
    "swish": "silu",
    "leakyrelu": "leaky_relu",
    "identity": "linear",
    "none": "linear",
    "half": "float16",
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "double": "float64",
    "standardscaler": "standard",
    "zscore": "standard",
    "minmaxscaler": "minmax",
    "cosinedecay": "cosine",
    "exponentialdecay": "exponential",
    "onehotencoder": "onehot",
    "dummies": "onehot",
}


def suggestion(word: object, known: Iterable[str]) -> str | None:
    """The mend for a word that is not known: the same in other letters, what another library calls it, or the nearest.

    >>> suggestion("ReLU", ["relu", "tanh"]), suggestion("BCEWithLogitsLoss", ["mse", "sigmoid_cross_entropy"])
    ('did you mean `relu`?', 'did you mean `sigmoid_cross_entropy`?')
    """
    names = list(known)
    plain = _plain(str(word))
    same = [name for name in names if _plain(name) == plain]
    found = same[0] if same else NAMES.get(plain)
    return f"did you mean `{found}`?" if found in names else did_you_mean(str(word), names)


def named_here(word: str) -> str:
    """What a name of another library is called here; the word itself where that is not known.

    >>> named_here("lr"), named_here("learning_rate")
    ('learning_rate', 'learning_rate')
    """
    return NAMES.get(_plain(word), word)


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")
