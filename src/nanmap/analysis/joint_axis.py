"""One axis as several runs have it: what it holds in each, where a run that has no such axis stands on it."""

from collections.abc import Hashable, Sequence
from typing import Any

from nanmap.analysis.run_settings import RunSettings
from nanmap.config.load import ALTERNATIVES
from nanmap.errors import InputError
from nanmap.grid.axes import AxisSpec
from nanmap.limits import MOST_VALUES

AxisId = tuple[str | None, str | None]  # its key, or the name of its choices: what is the same axis in another run


def axis_id(spec: AxisSpec) -> AxisId:
    """What tells which axes of two runs are one."""
    return (spec.key, None) if spec.key else (None, spec.name)


class JointAxis:
    """An axis over all the values that any of the runs has.

    Attributes:
        entries: by identity the value, or the settings of a choice.
        dimensions: of each run the dimension that the axis belongs to; None where the run fixes the setting.
        along: of each run the identity at each position of that dimension; a single one where it fixes the setting.
    """

    def __init__(self, id: AxisId, runs: Sequence[RunSettings]) -> None:
        self.key, self.name = id
        self.entries: dict[Hashable, Any] = {}
        self._owners: dict[Hashable, RunSettings] = {}
        self._specs = [next((spec for spec in run.specs if axis_id(spec) == id), None) for run in runs]
        self.dimensions = [self._dimension(run, spec) for run, spec in zip(runs, self._specs, strict=True)]
        having = sorted(zip(range(len(runs)), runs, self._specs, strict=True), key=lambda each: each[2] is None)
        # Those that have the axis come first: only then is it known on which choice the others stand.
        found = {
            n: self._choices(run, spec) if self.key is None else self._values(run, spec) for n, run, spec in having
        }
        self.along = [found[n] for n in range(len(runs))]

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers, which have an order of their own."""
        numbers = (isinstance(each, int | float) and not isinstance(each, bool) for each in self.entries.values())
        return self.key is not None and all(numbers)

    def spec(self, order: Sequence[Hashable]) -> AxisSpec:
        """The axis's table for identities in this order: that of a run which has just these."""
        for spec, along in zip(self._specs, self.along, strict=True):
            if spec is not None and along == list(order) and self.key is not None:
                return spec
        if self.key is None:
            return AxisSpec(name=self.name, choices={str(each): _without_off(self.entries[each]) for each in order})
        name = next((spec.name for spec in self._specs if spec is not None), None)
        table: dict[str, Any] = {"key": self.key, "values": [self.entries[each] for each in order]}
        return AxisSpec.model_validate(table if name is None else table | {"name": name})

    def _dimension(self, run: RunSettings, spec: AxisSpec | None) -> int | None:
        if spec is None:
            return None
        column = run.grid.axes[run.specs.index(spec)].column
        return next(n for n, axes in enumerate(run.grid.dimensions) if column in [axis.column for axis in axes])

    def _values(self, run: RunSettings, spec: AxisSpec | None) -> list[Hashable]:
        key = self.key or ""
        values = [run.fixed.get(key)] if spec is None else spec.points
        if len(values) > MOST_VALUES:
            problem = f"has {len(values):,} values in {run.name}, too many to be matched one by one"
            raise InputError(problem, key=key, allowed=f"at most {MOST_VALUES:,}", mend="compare runs of fewer values")
        found = [run.identity(key, value) for value in values]
        for identity, value in zip(found, values, strict=True):
            if identity not in self.entries and value in self.entries.values():
                problem = f"is another file in {run.name} than in a run before it"
                raise InputError(problem, key=key, value=value, mend="a copy with a name of its own, trained anew")
            self.entries[identity] = self.entries.get(identity, value)
        return found

    def _choices(self, run: RunSettings, spec: AxisSpec | None) -> list[Hashable]:
        """Labels; of a run without the axis the label whose settings it has."""
        if spec is None:
            return [self._standing(run)]
        keys = tuple(spec.by_key())
        for label, settings in zip(spec.points, spec.settings, strict=True):
            complete = run.complete(settings, keys)
            known = self.entries.setdefault(label, complete)
            owner = self._owners.setdefault(label, run)
            if _identities(owner, known) != _identities(run, complete):
                mend = "call it otherwise in one of them"
                problem = f"stands for other settings in {run.name} than in {owner.name}"
                raise InputError(problem, key=f"axes.{self.name}", value=label, mend=mend)
        return list(spec.points)

    def _standing(self, run: RunSettings) -> str:
        for label, settings in self.entries.items():
            own = {key: run.fixed.get(key) for key in settings}
            if _identities(run, own) == _identities(self._owners[label], settings):
                return str(label)
        mend = f"give {run.name} such an axis with one choice"
        problem = f"has no choice with the settings of {run.name}, which has no such axis"
        raise InputError(problem, key=f"axes.{self.name}", allowed=map(str, self.entries), mend=mend)


def _identities(run: RunSettings, settings: dict[str, Any]) -> dict[str, Hashable]:
    return {key: run.identity(key, value) for key, value in settings.items()}


def _without_off(settings: dict[str, Any]) -> dict[str, Any]:
    """Without the one of two budgets that is off: naming it would switch the other off."""
    return {key: value for key, value in settings.items() if value is not None or key not in ALTERNATIVES}
