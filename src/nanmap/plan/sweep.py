"""A sweep: a config plus axes, as it stands in a TOML file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nanmap.config import build_config, check_values
from nanmap.config.choices import LAYER_RATES, LEARNING_RATE
from nanmap.config.explain import explained_table, place
from nanmap.config.keys import check_key
from nanmap.config.load import ALTERNATIVES
from nanmap.config.settings import RecordSettings
from nanmap.errors import InputError
from nanmap.grid.axes import Axis, AxisSpec, column_names, short_name
from nanmap.grid.grid import Grid, make_grid
from nanmap.limits import MOST_AXES
from nanmap.plan.sweep_file import MapSpec
from nanmap.results.columns import COLUMNS

BESIDE = ("history", "history_cells", "first_tensor")  # of [record]: what is kept beside rows, and changes none
RESERVED = ("cell", "inferred", *(column.name for column in COLUMNS))


@dataclass(frozen=True)
class Sweep:
    """A config, its axes and what to draw.

    Attributes:
        name: the file's stem; results go to `results/<name>` unless told otherwise.
        tree: the config's tables, file names made absolute.
        axes: the axes' tables as they resolve, for the manifest.
        grid: the cells.
        maps: the maps that `make sweep` draws, each the arguments of `nanmap map`.
        refining: the file's table `[refine]`, for `plan.refined`, which sets `refine`: what decides which cells are trained.

    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> sweep = make_sweep(tree, [{"key": "training.batch_size", "values": [1, 4, 20]}], name="batches")
    >>> sweep.name, [axis.column for axis in sweep.grid.axes], sweep.grid.size
    ('batches', ['batch_size'], 3)
    """

    name: str
    file: Path | None
    tree: Mapping[str, Any]
    axes: list[dict[str, Any]]
    grid: Grid
    title: str = ""
    zip: tuple[tuple[str, ...], ...] = ()
    where: str | None = None
    maps: tuple[MapSpec, ...] = ()
    refining: Mapping[str, Any] | None = None
    refine: Mapping[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """The resolved sweep as plain data, for the manifest."""
        return {
            "name": self.name,
            "title": self.title,
            "config": without_beside(self.tree),
            "axes": self.axes,
            "zip": [list(names) for names in self.zip],
            "where": self.where,
            **({"refine": dict(self.refine)} if self.refine else {}),
        }

    def with_axes(self, axes: list[dict[str, Any]]) -> "Sweep":
        """The same sweep over other axes.

        Args:
            axes: a table per axis, as in a sweep file.

        Raises:
            InputError: an axis is wrong, or does not go with the others, the config or `where`.
        """
        return self._made_anew(self.tree, axes)

    def with_config(self, tree: Mapping[str, Any]) -> "Sweep":
        """The same sweep of another config, given as its tables.

        Raises:
            InputError: a setting is wrong, or an axis sets it, too.
        """
        return self._made_anew(tree, self.axes)

    def _made_anew(self, tree: Mapping[str, Any], axes: list[dict[str, Any]]) -> "Sweep":
        return make_sweep(
            tree,
            axes,
            name=self.name,
            file=self.file,
            title=self.title,
            zip=self.zip,
            where=self.where,
            maps=self.maps,
            refining=self.refining,
        )

    @property
    def record(self) -> RecordSettings:
        """What is recorded beside the outcomes."""
        return RecordSettings.model_validate(self.tree.get("record") or {})


def without_beside(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A config's tables as rows know them: without what is kept beside rows."""
    record = {key: value for key, value in (tree.get("record") or {}).items() if key not in BESIDE}
    found = {key: value for key, value in tree.items() if key != "record"}
    return found | ({"record": record} if record or (tree.get("record") == {}) else {})


def make_sweep(
    tree: Mapping[str, Any],
    axes: list[dict[str, Any]],
    *,
    name: str = "sweep",
    file: Path | None = None,
    title: str = "",
    zip: Iterable[Iterable[str]] = (),
    where: str | None = None,
    maps: tuple[MapSpec, ...] = (),
    refining: Mapping[str, Any] | None = None,
) -> Sweep:
    """A sweep from plain tables: the config's, and one table per axis as in a sweep file.

    >>> tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 5}}
    >>> make_sweep(tree, [{"key": "optimizer.learning_rate", "log": [1e-4, 1], "num": 5}]).grid.shape
    (5,)
    """
    try:
        made = _axes(axes)
        _check_tree(tree, made)
        _check_overlap(made, tree)
        groups = tuple(tuple(group) for group in zip)
        grid = make_grid(made, groups, where)
    except InputError as error:
        raise error.within(file) if file else error from None
    return Sweep(name, file, tree, axes, grid, title, groups, where, maps, refining)


def _axes(tables: list[dict[str, Any]]) -> list[Axis]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError("expects [[axes]] tables", key="axes", value=tables)
    if len(tables) > MOST_AXES:
        problem = f"there are {len(tables):,} of them"
        raise InputError(problem, key="axes", allowed=f"at most {MOST_AXES}", mend="take fewer axes")
    specs = []
    for number, table in enumerate(tables, 1):
        label = _label(table, number)
        try:
            specs.append(AxisSpec.model_validate(table))
        except ValidationError as error:
            raise explained_table(error, label, AxisSpec) from None
        if specs[-1].key:
            with _on(label):
                check_key(specs[-1].key)  # before the columns: an unknown key may have the name of a result
    columns = column_names(specs)
    for key, count in Counter(spec.key for spec in specs if spec.key).items():
        if count > 1:
            raise InputError("is set by two axes", key=f"axes: {key}", mend="leave it to one of them")
    for column in columns:
        if column in RESERVED or columns.count(column) > 1:
            raise InputError(
                "two columns of the rows would have this name", key=f"axes.{column}", mend="give the axis another name"
            )
    for column, spec in zip(columns, specs, strict=True):
        for key, values in spec.told_by_key().items():
            with _on(f"axes.{column}"):
                check_values(key, values)
                if key.removeprefix("record.") in BESIDE:
                    raise InputError("is one for the whole run", key=key, mend="set it under [record]")
    return [Axis(spec, column) for spec, column in zip(specs, columns, strict=True)]


def _label(table: Mapping[str, Any], number: int) -> str:
    """What an axis is called in messages: by its column, or by its place where it has none yet."""
    name, key = table.get("name"), table.get("key")
    column = name if isinstance(name, str) else short_name(key) if isinstance(key, str) else ""
    return f"axes.{column}" if column else place(["axes", number - 1])


@contextmanager
def _on(label: str) -> Iterator[None]:
    """Names the axis in an error about a setting that it goes over."""
    try:
        yield
    except InputError as error:
        error.key = f"{label}: {error.key}"
        raise


def _check_overlap(axes: list[Axis], tree: Mapping[str, Any]) -> None:
    """No two axes may set the same thing, and none a rate that the layers' own rates replace."""
    fixed = [LAYER_RATES] if (tree.get("optimizer") or {}).get("layer_learning_rates") else []
    setters = [("the config", fixed), *((axis.column, axis.keys) for axis in axes)]
    for (one, keys), (other, others) in combinations(setters, 2):
        for a, b in product(keys, others):
            if _clash(a, b):
                raise InputError("is set twice", key=b, value=[one, other], mend="leave it to one of them")


def _clash(a: str, b: str) -> bool:
    rates = LEARNING_RATE in (a, b) and any(key.startswith(LAYER_RATES) for key in (a, b))
    return a == b or ALTERNATIVES.get(a) == b or rates


def _check_tree(tree: Mapping[str, Any], axes: list[Axis]) -> None:
    """Every value of the config must be allowed where it stands. What it needs of others is checked with each variant."""
    try:
        build_config(tree, {key: value for axis in axes for key, value in axis.settings[0].items()})
    except InputError as error:
        if error.value is not ...:
            raise
