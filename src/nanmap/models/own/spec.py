"""What the house knows of a network of the user's own: a spec that can be hashed and pickled, and how to come to its functions."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from nanmap.config.base import Table
from nanmap.config.code import Code, is_code
from nanmap.config.settings import ModelSettings
from nanmap.errors import InputError, did_you_mean
from nanmap.models.base import OWN_PREFIX, Array, Form, KeptShape, Layers, Layout, Model, Numbers, Pass, Surroundings
from nanmap.models.own.end import SOFTMAX, End
from nanmap.models.own.live import KEY, Live, live, probe
from nanmap.models.own.source import source_digest, told
from nanmap.models.own.sown import living

SHA = 64  # digits of a SHA-256


@dataclass(frozen=True)
class Own(Model):
    """A network of the user's own.

    Attributes:
        source: as `model.kind` names it.
        arguments: of the factory, as JSON.
        names: of the numbers that it is given.
        rewrite: whether its convolutions become products of patches where that is faster.
        end: what is done to its outputs.
        rows: what it has to fit.
        answer: shape of the outputs of a row.
        trained: name and shape of every array that is trained.
        kept: name, shape and dtype of every other array; that of the training where it is None.
        chance: whether a pass in training draws at random.
        otherwise: whether a pass in training does anything else than one outside.
        digest: of its source, and of what its functions become when they are traced, constants included.
        flops_of_row: of an update, as XLA counts them.
        what: what the factory's result was found to be.
        package: the framework that it is written in.
        draws: whether a seed acts on its start.
        sown: names of what it has watched.
    """

    source: str
    arguments: str
    names: tuple[str, ...]
    rewrite: bool
    end: End
    rows: Surroundings
    answer: tuple[int, ...]
    trained: tuple[tuple[str, tuple[int, ...]], ...]
    kept: tuple[tuple[str, tuple[int, ...], str | None], ...]
    chance: bool
    otherwise: bool
    digest: str
    flops_of_row: int
    what: str
    package: str | None
    draws: bool
    sown: tuple[str, ...] = ()

    def shapes(self) -> tuple[Layers, Layers]:
        """What is trained, by name: all as one layer, but for groups that have rates of their own. The rest is one, too."""
        kept = {name: shape if dtype is None else KeptShape(shape, dtype) for name, shape, dtype in self.kept}
        return grouped(dict(self.trained), self.groups), [kept]

    def draw(self, settings: ModelSettings, seeds: np.ndarray) -> tuple[Layers, Layers]:
        """What `init` gives for the key of each seed, one after the other: vmapped it might round otherwise."""
        trained, kept = self.functions.draw([int(seed) for seed in seeds])
        return grouped(trained, self.groups), [kept]

    def forward(
        self,
        parameters: Layers,
        state: Layers,
        x: Array,
        mask: Array | None,
        *,
        numbers: Numbers,
        layout: Layout,
        training: bool = False,
        key: Array | None = None,
    ) -> Pass:
        """What `apply` gives: outputs `[rows, …]` of `x` `[rows, …]`; no row is padded, so `mask` is None."""
        own = {name: numbers[OWN_PREFIX + name] for name in self.names}
        everything = {name: values for layer in parameters for name, values in layer.items()} | state[0]
        if not self.sown:
            output, after = self.functions.run(everything, x, own, key, training)
            return Pass(output, [state[0] | after])
        output, after, sown = self.functions.sow(everything, x, own, key, training)
        return Pass(output, [state[0] | after], sown)

    def living_units(self, seen: Any, mask: Array | None) -> list[Array]:
        """Units of what it sows as `relu…`."""
        return living(seen or {})

    def activations_of(self, passed: Pass) -> dict[str, Array]:
        """What it sows, then the outputs."""
        return {**(passed.seen or {}), **super().activations_of(passed)}

    def named(self, parameters: Layers, state: Layers) -> dict[str, Array]:
        """By the names that the network's own tree has."""
        return {name: values for part in (*parameters, *state) for name, values in part.items()}

    def row_forms(self) -> tuple[Form, Form]:
        """As the file has them."""
        return self.rows.inputs, self.rows.targets

    def why_idle(self, name: str, settings: ModelSettings) -> str:
        """Its settings are its own."""
        return (
            ""
            if name in ("kind", "arguments", "numbers", "rewrite", "undo", "class_axis")
            else f"`{self._code.name}` is a network of your own"
        )

    def seeded(self, settings: ModelSettings) -> bool:
        """Whether `init` or an update draws from it."""
        return self.draws or self.keyed

    @property
    def _code(self) -> Code:
        return Code.of(self.source)

    @property
    def functions(self) -> Live:
        """They, while the process lives."""
        sha, rows = self.digest[:SHA], self.rows
        return live(self.source, self.arguments, sha, rows.batch, rows.inputs, self.rewrite, self.end)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those of `[model.numbers]`."""
        return tuple(OWN_PREFIX + name for name in self.names)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """As `apply` gives them."""
        return self.answer

    @property
    def classes(self) -> int:
        """The last axis of the outputs."""
        return self.answer[-1] if self.answer else 1

    @property
    def exact(self) -> bool:
        """Rows may see each other: none is made up."""
        return True

    @property
    def logarithms(self) -> bool:
        """Of a softmax that is undone."""
        return self.end.shares

    @property
    def keyed(self) -> bool:
        """Whether `apply` does anything with its key."""
        return self.chance

    @property
    def most_together(self) -> int:
        """One: side by side convolutions become grouped ones, and products of matrices gain nothing."""
        return 1

    @property
    def trains_otherwise(self) -> bool:
        """Whether its trace says so."""
        return self.otherwise

    @cached_property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(int(np.prod(shape)) for _, shape in self.trained)

    @property
    def flops(self) -> int:
        """As XLA counts them."""
        return self.flops_of_row

    @property
    def groups(self) -> tuple[str, ...]:
        """The patterns of `optimizer.group_rates`."""
        return self.rows.groups

    @property
    def ordered(self) -> bool:
        """Names in a tree have no order of their own."""
        return False

    @property
    def packages(self) -> tuple[str, ...]:
        """The framework that it is written in."""
        return (self.package,) if self.package else ()

    @property
    def title(self) -> str:
        """The factory, what it makes, and how large that is."""
        return f"{self._code.name} ({self.what}, {self.parameters:,} parameters)"

    @property
    def identity(self) -> str:
        """Everything but the folder that the file stands in."""
        loss = Code.of(self.rows.loss).name if is_code(self.rows.loss) else self.rows.loss
        rows = self.rows._replace(loss=loss)
        told = (self.arguments, self.names, self.rewrite, rows, self.answer, self.trained, self.kept, self.digest)
        return f"Own({self._code.name}, {told!r}{self.end.identity(self.answer)})"


def own_model(settings: ModelSettings, rows: Surroundings) -> Own:
    """The network that a config names, imported and traced on rows of these shapes. Whoever calls it has the permission.

    Raises:
        InputError: the code cannot be imported, makes no network, or one that does not fit the rows.
    """
    return _own_model(
        settings.kind,
        Table(settings.arguments).text,
        tuple(settings.numbers),
        settings.rewrite,
        End.of_settings(settings, rows.loss),
        rows,
        source_digest(settings.kind, KEY),
    )


@lru_cache(maxsize=256)
def _own_model(
    source: str, arguments: str, names: tuple[str, ...], rewrite: bool, end: End, rows: Surroundings, sha: str
) -> Own:
    found = live(source, arguments, sha, rows.batch, rows.inputs, rewrite, end)
    with told(source, KEY, "while it was traced"):
        traced = probe(found, names)
    _check_groups(rows.groups, [leaf.name for leaf in found.trained])
    rows = rows._replace(targets=_fitting_targets(source, traced.answer, rows, end))
    return Own(
        features=int(np.prod(rows.inputs.shape)),
        outputs=int(np.prod(rows.targets.shape)),
        source=source,
        arguments=arguments,
        names=names,
        rewrite=rewrite,
        end=end,
        rows=rows,
        answer=traced.answer,
        trained=tuple((leaf.name, leaf.shape) for leaf in found.trained),
        kept=tuple((leaf.name, leaf.shape, leaf.dtype) for leaf in found.kept),
        chance=traced.keyed,
        otherwise=traced.otherwise,
        digest=f"{sha}{hashlib.sha256(traced.text.encode()).hexdigest()}",
        flops_of_row=traced.flops // rows.batch,
        what=found.adapted.what,
        package=found.adapted.package,
        draws=found.adapted.seeded,
        sown=traced.sown,
    )


def _fitting_targets(source: str, answer: tuple[int, ...], rows: Surroundings, end: End) -> Form:
    """The targets of a row as the loss takes them beside outputs of some shape.

    Raises:
        InputError: they do not go together.
    """
    targets, code = rows.targets, Code.of(source)
    if is_code(rows.loss):
        return targets
    if rows.loss == SOFTMAX and targets.dtype and _without_ones(answer[:-1]) == _without_ones(targets.shape):
        return Form(answer[:-1], targets.dtype)
    if _without_ones(answer) == _without_ones(targets.shape) and not (end.class_axis == 1 and targets.dtype):
        return Form(answer)
    if end.class_axis == 1:
        raise _unfitting_classes(code, answer, rows)
    labels = f"labels of the shape {list(answer[:-1])} and shares" if rows.loss == SOFTMAX and answer else "targets"
    raise InputError(
        f"gives outputs of the shape {list(answer)} for a row, and its targets are {list(targets.shape)}",
        file=code.place,
        key=KEY,
        value=code.name,
        mend=f"`{rows.loss}` takes {labels} of the shape {list(answer)}",
    )


def _unfitting_classes(code: Code, answer: tuple[int, ...], rows: Surroundings) -> InputError:
    """Of a network whose classes lie on axis 1, in the order that its outputs and the targets were given in."""
    (*places, classes), (given, whole) = answer, rows.targets
    shape = given if whole else (*given[-1:], *given[:-1])  # shares were put in the order of the outputs
    mend = f"with the classes on axis 1 labels are whole numbers {places}, and shares floats {[classes, *places]}"
    if whole and _without_ones(given) == _without_ones((classes, *places[:-1])):
        mend += "; if they lie on the last one, let it give `outputs.movedim(-1, 1)`"
    return InputError(
        f"gives outputs of the shape {[classes, *places]} for a row, and its targets are {list(shape)}",
        file=code.place,
        key=KEY,
        value=code.name,
        mend=mend,
    )


def grouped(trained: Mapping[str, Any], patterns: Sequence[str]) -> Layers:
    """Arrays by name as layers: those that fit no pattern, then those of each, the first that fits.

    >>> grouped({"attention.w": 1, "out.w": 2}, ["attention.*"])
    [{'out.w': 2}, {'attention.w': 1}]
    """
    layers: Layers = [{} for _ in range(len(patterns) + 1)]
    for name, values in trained.items():
        place = next((number for number, each in enumerate(patterns, 1) if fnmatchcase(name, each)), 0)
        layers[place][name] = values
    return layers


def _check_groups(patterns: Sequence[str], names: Sequence[str]) -> None:
    """Raises InputError for a pattern that no parameter is left for."""
    for pattern, layer in zip(patterns, grouped(dict.fromkeys(names), patterns)[1:], strict=True):
        if not layer:
            fits = any(fnmatchcase(name, pattern) for name in names)
            problem = "is for parameters that an earlier pattern took" if fits else "fits no parameter"
            mend = None if fits else did_you_mean(pattern, names)
            key = f"optimizer.group_rates.{pattern}"
            raise InputError(problem, key=key, allowed="patterns of " + ", ".join(names), mend=mend)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
