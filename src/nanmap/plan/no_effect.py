"""Settings without effect: what a config writes, or an axis varies, that no cell of the sweep reads."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nanmap.config.choices import ARRAY_KINDS, FILE_KINDS, LAYER_RATES, LEARNING_RATE, TABLE_KINDS
from nanmap.config.keys import known_keys
from nanmap.config.losses import loss_entry, losses_that_read
from nanmap.config.optimizers import OPTIMIZERS, optimizer_entry, optimizers_that_read
from nanmap.plan.plan import Plan
from nanmap.plan.variant import Variant

Acts = Callable[[Variant], bool]
TABLES = ("csv", "parquet")
FORMULAS = ("square", "line")
MOST = 4  # values told one by one


def without_effect(plan: Plan, variants: list[Variant]) -> list[str]:
    """A sentence for each such setting: its key, its value, and why nothing changes with it."""
    said = []
    for key, value in _written(plan):
        if why := _why_idle(key, variants):
            said.append(f"{key} = {value} has no effect: {why}")
    return said


def _why_idle(key: str, variants: list[Variant]) -> str:
    """Why no variant reads a setting; "" where one does. Settings of networks are known to these alone."""
    table, name = key.split(".")
    if table == "model":
        reasons = [each.program.model.why_idle(name, each.config.model) for each in variants]
        return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""
    acts, why = ACTS.get(key, (lambda variant: True, ""))
    return "" if any(map(acts, variants)) else why.format(**_words(variants))


def _written(plan: Plan) -> Iterator[tuple[str, str]]:
    """Every setting that the config writes or an axis varies, with its value or values."""
    axes = {key: axis for axis in plan.grid.axes for key in axis.keys}
    for key in known_keys():
        table, name = key.split(".")
        if key in axes:
            values = (each[key] for each in axes[key].settings if key in each)
            yield key, _listed(_first_different(values))
        elif name in (plan.sweep.tree.get(table) or {}):
            yield key, _listed([plan.sweep.tree[table][name]])


def _first_different(values: Iterable[Any], most: int = MOST + 1) -> Iterable[Any]:
    """Of values, which may be lists, the first that differ: so many that it shows if there are more to list."""
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(str(value), value)
        if len(found) == most:
            break
    return found.values()


def _listed(values: Iterable[Any], most: int = MOST) -> str:
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")


def _words(variants: list[Variant]) -> dict[str, str]:
    """What the reasons speak of, as it stands in the variants."""
    configs = [each.config for each in variants]
    return {
        "optimizer": _listed(dict.fromkeys(each.optimizer.kind for each in configs)),
        "schedule": _listed(dict.fromkeys(each.optimizer.schedule for each in configs)),
        "loss": _listed(dict.fromkeys(each.loss.kind for each in configs)),
        "data": _listed(dict.fromkeys(each.data.kind for each in configs)),
        "inputs": _listed(dict.fromkeys(each.data.inputs for each in configs)),
    }


def _rule_reads(name: str) -> Acts:
    return lambda variant: name in optimizer_entry(variant.config.optimizer.kind).reads


def _loss_reads(name: str) -> Acts:
    return lambda variant: name in loss_entry(variant.config.loss.kind).reads


def _data(*kinds: str) -> Acts:
    return lambda variant: variant.config.data.kind in kinds


def _inputs(*kinds: str) -> Acts:
    return lambda variant: variant.config.data.kind in FORMULAS and variant.config.data.inputs in kinds


def _draws(variant: Variant) -> bool:
    """Whether anything of a training is drawn at random."""
    return variant.program.model.seeded(variant.config.model) or variant.program.order != "sequential"


def _others(names: tuple[str, ...]) -> str:
    """Who has what the one at hand lacks, where it is one of a kind."""
    return f"; `{names[0]}` has" if len(names) == 1 else ""


OTHER_DATA = "`{data}` data has no such setting"
OTHER_INPUTS = "`{inputs}` inputs of `{data}` data have no such setting"
# Per key: where it acts, and why it does not elsewhere. Settings that act everywhere are not listed, and those of
# `[model]` neither: the network is asked.
ACTS: dict[str, tuple[Acts, str]] = {
    "loss.delta": (_loss_reads("delta"), f"`{{loss}}` has no threshold{_others(losses_that_read('delta'))}"),
    LEARNING_RATE: (
        lambda variant: variant.config.optimizer.layer_learning_rates is None,
        f"{LAYER_RATES} stands in its place",
    ),
    **{
        f"optimizer.{name}": (
            _rule_reads(name),
            f"`{{optimizer}}` has no such number{_others(optimizers_that_read(name))}",
        )
        for name in dict.fromkeys(name for entry in OPTIMIZERS.values() for name in entry.numbers)
    },
    "optimizer.decay": (
        lambda variant: variant.config.optimizer.schedule in ("inverse_time", "exponential"),
        "the schedule `{schedule}` has no decay; `inverse_time` and `exponential` have",
    ),
    "training.order": (lambda variant: not variant.program.full_batch, "every update sees all rows"),
    "training.seed": (_draws, "nothing is drawn at random: every seed gives the same training"),
    "data.slope": (_data("line"), OTHER_DATA),
    "data.features": (_data("gaussian"), OTHER_DATA),
    "data.inputs": (_data(*FORMULAS), OTHER_DATA),
    "data.start": (_inputs("range", "linspace"), OTHER_INPUTS),
    "data.stop": (_inputs("range", "linspace"), OTHER_INPUTS),
    "data.step": (_inputs("range"), OTHER_INPUTS),
    "data.n": (_data(*FORMULAS, "gaussian"), OTHER_DATA),
    "data.seed": (
        lambda variant: _data("gaussian")(variant) or _inputs("normal")(variant),
        "no row is drawn at random; training.seed draws the start and the order",
    ),
    "data.path": (_data(*FILE_KINDS, *ARRAY_KINDS), OTHER_DATA),
    "data.sha256": (_data("arrays"), OTHER_DATA),
    "data.target": (_data(*TABLES), OTHER_DATA),
    "data.columns": (_data(*TABLE_KINDS), OTHER_DATA),
    "data.categorical": (_data(*TABLE_KINDS), OTHER_DATA),
    "data.categories": (_data(*TABLE_KINDS), OTHER_DATA),
    "data.missing": (_data(*FILE_KINDS, *ARRAY_KINDS), OTHER_DATA),
    "data.scale_targets": (
        lambda variant: variant.config.data.target_kind == "number",
        "classes are encoded as 0 and 1 and never scaled",
    ),
}
