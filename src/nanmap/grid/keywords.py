"""Settings as keywords of a function: `learning_rate=0.1` for `optimizer.learning_rate`. The same names serve for axes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypedDict

from nanmap.config import Config
from nanmap.config.code import CODE_KEYS, open_key
from nanmap.config.elsewhere import suggestion
from nanmap.config.keys import METRICS, METRICS_MEND, check_key, is_layer_rate, known_keys
from nanmap.config.load import ALTERNATIVES
from nanmap.errors import InputError
from nanmap.grid.axes import short_name


class Keywords(TypedDict, total=False):
    """What `nanmap.run`, `sweep` and `edge` take as keywords, for editors and type checkers; docs/reference.md tells each.

    A setting goes by the last part of its key, one of several kinds by its table; where two would have the same name, by the
    whole key with `_`.
    """

    data: str
    inputs: str
    start: float
    stop: float | None
    step: float
    n: int | None
    slope: float
    features: int
    path: str | None
    target: str | None
    columns: Sequence[str] | None
    categorical: str
    categories: Sequence[str]
    missing: str
    scale_inputs: str
    scale_targets: str
    target_kind: str
    data_seed: int
    validation_split: float
    model: Any
    arguments: Mapping[str, Any]
    numbers: Mapping[str, float]
    rewrite: bool
    undo: str
    class_axis: int
    hidden: Sequence[int]
    activation: str
    output_activation: str
    bias: bool
    init: str
    init_scale: float
    init_offset: float
    init_file: str | None
    bias_init: str | None
    norm: str
    parametrization: str
    gain: float
    loss: Any
    delta: float
    optimizer: Any
    learning_rate: float
    layer_learning_rates: Sequence[float] | None
    group_rates: Mapping[str, float]
    momentum: float | None
    nesterov: bool
    b1: float
    b2: float | None
    eps: float
    rho: float
    weight_decay: float | None
    schedule: str
    decay: float
    warmup_steps: int
    clip_value: float | None
    clip_norm: float | None
    clip_output_gradient: float | None
    batch_size: int
    epochs: int | None
    steps: int | None
    order: str
    training_seed: int
    dtype: str
    stop_above: float | None
    stop_converged: bool
    ratio: float
    floor: float | str
    rows: int | None
    rising: float
    falling: float
    rebound: float
    full_loss: bool
    sharpness: bool | str
    history: int | None
    history_cells: float | str
    first_tensor: bool


@cache
def keyword_names() -> dict[str, str]:
    """Every setting's key by the name that it goes by as a keyword."""
    keys = list(known_keys())
    short = [short_name(key) for key in keys]
    return {
        name if short.count(name) == 1 else key.replace(".", "_"): key for key, name in zip(keys, short, strict=True)
    }


def full_key(name: str, beside: Iterable[str] = ()) -> str:
    """The key of a setting, which may be given as such.

    Args:
        name: a keyword, or a dotted key.
        beside: other names that may have been meant.

    Raises:
        InputError: there is no such setting, or there are several.

    >>> full_key("learning_rate"), full_key("optimizer"), full_key("training_seed"), full_key("training.seed")
    ('optimizer.learning_rate', 'optimizer.kind', 'training.seed', 'training.seed')
    >>> full_key("learnign_rate")
    Traceback (most recent call last):
    nanmap.errors.InputError: learnign_rate: no such setting
      mend: did you mean `learning_rate`?
    """
    names = keyword_names()
    if name in known_keys() or is_layer_rate(name) or open_key(name):
        return name
    if name in names:
        return names[name]
    if "." in name:
        check_key(name)
    several = [keyword for keyword, key in names.items() if short_name(key) == name]
    if several:
        mend = f"{several[-1]}=…"
        raise InputError(f"is the name of {len(several)} settings", key=name, allowed=several, mend=mend)
    if name in Config.model_fields:
        one = next(keyword for keyword, key in names.items() if key.startswith(f"{name}."))
        mend = f"name one of its settings, as in {one}=…; or give the tables of a config"
        raise InputError("is a table of settings", key=name, mend=mend)
    if name in METRICS:
        raise InputError("no such setting", key=name, mend=METRICS_MEND)
    mend = suggestion(name, [*names, *beside]) or "docs/reference.md lists the settings"
    raise InputError("no such setting", key=name, mend=mend)


def keyword_settings(given: Mapping[str, Any], beside: Iterable[str] = ()) -> dict[str, Any]:
    """Settings by their keys.

    Args:
        given: values by keyword or key; arrays and NumPy's numbers stand for lists and numbers.
        beside: the other keywords of the function that took them.

    Raises:
        InputError: a name is none, or two are of one setting.

    >>> keyword_settings({"hidden": (16,), "optimizer": "adam", "epochs": 5})
    {'model.hidden': (16,), 'optimizer.kind': 'adam', 'training.epochs': 5}
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        key = full_key(name, beside)
        if key in found:
            raise InputError("is set twice", key=key, mend="leave one of the two out")
        if ALTERNATIVES.get(key) in found:
            raise InputError(
                "is given in two ways", key=name, mend="give the budget as epochs or as steps, one of them"
            )
        found[key] = value.tolist() if hasattr(value, "tolist") and key not in CODE_KEYS else value
    return found
