"""From `[data]` settings to the training and validation rows of a training."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from nanmap.config import Config, DataSettings
from nanmap.config.choices import FILE_KINDS
from nanmap.config.code import is_own
from nanmap.config.load import file_stamp
from nanmap.config.losses import loss_entry
from nanmap.data.encoding import Source
from nanmap.data.formulas import made_rows
from nanmap.data.given import KIND as HELD
from nanmap.data.given import held, read_given
from nanmap.data.missing import drop_rows, fill_with_means
from nanmap.data.scaling import UNSCALED, Scaling, fit_scaling
from nanmap.data.tables import Arrays, RowForm, encode_given, read_arrays, read_table, with_classes_last
from nanmap.data.words import listed
from nanmap.errors import InputError

SAMPLE_SEED = 0  # of the rows that are assessed, whatever the seeds of a training


@dataclass(frozen=True, eq=False)
class Rows:
    """What one training sees, after encoding, splitting and scaling. Equal where every number and name is.

    Attributes:
        inputs, targets: training rows, float64 `[n, features]` and `[n, outputs]`.
        val_inputs, val_targets: validation rows, possibly none.
        report: one sentence per thing done to a column.
        features: what each input column is called.
        classes: what the classes are called; none for numbers.
        sources: the columns of the data that the inputs were made from.
        input_scaling, target_scaling: how each column was scaled.
        input_form, target_form: how the numbers of one row lie in the file, as networks of the user's own see them.
    """

    inputs: np.ndarray
    targets: np.ndarray
    val_inputs: np.ndarray
    val_targets: np.ndarray
    report: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    input_scaling: Scaling = UNSCALED
    target_scaling: Scaling = UNSCALED
    input_form: RowForm | None = None
    target_form: RowForm | None = None

    @property
    def n(self) -> int:
        """Number of training rows."""
        return len(self.inputs)

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(array.nbytes for array in (self.inputs, self.targets, self.val_inputs, self.val_targets))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in them, the same in every process."""
        told = (self.report, self.features, self.classes, self.sources)
        forms = (self.input_form, self.target_form) if self.input_form or self.target_form else ()
        made = hashlib.sha256(repr(told + forms).encode())
        arrays = self.inputs, self.targets, self.val_inputs, self.val_targets
        for array in (*arrays, *self.input_scaling, *self.target_scaling):
            made.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return made.hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Rows) and self.digest == other.digest)


@lru_cache(maxsize=512)
def some_rows(rows: Rows, most: int) -> Rows:
    """A sample of at most so many rows of training and as many of validation, in their order; the same each time.

    Drawn without replacement, each from NumPy's default generator with the seed 0.
    """

    def drawn(n: int) -> np.ndarray:
        return np.sort(np.random.default_rng(SAMPLE_SEED).choice(n, min(n, most), replace=False))

    some, val = drawn(rows.n), drawn(len(rows.val_inputs))
    return replace(
        rows,
        inputs=rows.inputs[some],
        targets=rows.targets[some],
        val_inputs=rows.val_inputs[val],
        val_targets=rows.val_targets[val],
    )


def load_rows(config: Config) -> Rows:
    """The rows of a config; the same object for equal data settings.

    Raises:
        InputError: the file, a column or a value cannot be trained on.

    >>> from nanmap.config import build_config
    >>> tree = {"data": {"kind": "line", "start": 1, "n": 3, "slope": 0.5}, "training": {"epochs": 1}}
    >>> load_rows(build_config(tree)).targets.ravel()
    array([0.5, 1. , 1.5])
    """
    softmax = config.loss.kind == "softmax_cross_entropy"
    axis = config.model.class_axis if softmax else -1
    rows = _kept(config.data, softmax, is_own(config.model.kind), axis)
    # Whole numbers may be the labels of a network of the user's own, which knows how many classes there are.
    labels = softmax and rows.target_form is not None and rows.target_form.whole
    if loss_entry(config.loss.kind).of_classes and not labels:
        check_shares(config, rows)
    return rows


def _kept(data: DataSettings, always_one_hot: bool, any_rank: bool, class_axis: int) -> Rows:
    """Rows as they were made before: those of arrays go when these go, others stay.

    Args:
        always_one_hot: whether two classes become two columns, too.
        any_rank: keep in mind how the numbers of a row lie, and whether they are whole.
        class_axis: of a share of each class at several places.
    """
    given = held(data.sha256) if data.kind == HELD else None
    if given is None:
        return _load(data, always_one_hot, any_rank, class_axis, file_stamp(data.path))
    key = data, always_one_hot, any_rank, class_axis
    if key not in given.made:
        arrays = encode_given(data, given, always_one_hot, any_rank)
        given.made[key] = _made(data, with_classes_last(arrays, class_axis))
    return given.made[key]


@lru_cache(maxsize=4096)
def _load(
    data: DataSettings, always_one_hot: bool, any_rank: bool, class_axis: int, stamp: tuple[int, int] | None
) -> Rows:
    """`stamp` tells a file that changed since it was read from the one that was read."""
    return _made(data, with_classes_last(_raw(data, always_one_hot, any_rank), class_axis))


def _made(data: DataSettings, arrays: Arrays) -> Rows:
    """Without gaps, split and scaled."""
    inputs, targets, report, features, classes, sources, target, *forms = arrays
    report = list(report)
    if data.missing == "drop":
        inputs, targets, told = drop_rows(inputs, targets)
        report += told
    n = int(np.floor(len(inputs) * (1 - data.validation_split)))
    if n < 1:
        raise InputError(
            "no training rows are left", file=data.path, key="data", mend="use more rows or a smaller validation_split"
        )
    inputs, targets = inputs.astype(float), targets.astype(float)
    if data.missing == "mean":
        report += fill_with_means(data, inputs, n, features)
    of_inputs = fit_scaling(inputs[:n], data.scale_inputs)
    of_targets = fit_scaling(targets[:n], data.scale_targets if data.target_kind == "number" else "none")
    inputs, targets = of_inputs.apply(inputs), of_targets.apply(targets)
    report += _told_scaling(data.scale_inputs, features, of_inputs, n)
    if data.target_kind == "number":
        outputs = (f"target {target or data.target or 'y'}",) * len(of_targets.shift)
        report += _told_scaling(data.scale_targets, outputs, of_targets, n)
    held_back = f"; the last {len(inputs) - n} validate" if len(inputs) > n else ""
    report.append(f"{len(inputs)} rows: {n} train{held_back}")
    return Rows(
        inputs[:n],
        targets[:n],
        inputs[n:],
        targets[n:],
        tuple(report),
        features,
        classes,
        sources or tuple(map(Source, features)),
        of_inputs,
        of_targets,
        *forms,
    )


def _told_scaling(kind: str, names: tuple[str, ...], scaling: Scaling, n: int) -> list[str]:
    if kind == "none":
        return []
    each = [f"{name} (x − {s:.6g}) / {d:.6g}" for name, s, d in zip(names, *scaling, strict=True)]
    return [f"scaled ({kind}, fitted on the {n} training rows): {listed(each)}"]


def check_shares(config: Config, rows: Rows) -> None:
    """Raises InputError for a cross-entropy of anything but shares of classes: it has no floor to come down to."""
    data, kind, targets = config.data, config.loss.kind, rows.targets
    if kind == "softmax_cross_entropy" and targets.shape[1] == 1:
        raise InputError(
            "softmax over a single output is always 1: nothing would be learnt",
            file=data.path,
            key="loss.kind",
            value=kind,
            mend='data.target_kind = "class" encodes labels; or sigmoid_cross_entropy, or one column of targets per class',
        )
    known = targets[~np.isnan(targets).any(axis=1)]
    wrong = (known < 0).any() or (known > 1).any()
    if kind == "softmax_cross_entropy":
        shape = rows.target_form.shape if rows.target_form else known.shape[1:]
        classes = next((size for size in reversed(shape) if size > 1), 1)  # the last axis; others are places
        wrong = wrong or not np.allclose(known.reshape(-1, classes).sum(axis=1), 1, atol=1e-6)
    if wrong:
        raise InputError(
            "needs targets from 0 to 1, the share of each class",
            file=data.path,
            key="loss.kind",
            value=kind,
            mend='data.target_kind = "class" encodes labels; a loss such as mse takes any number',
        )


def _raw(data: DataSettings, always_one_hot: bool, any_rank: bool) -> Arrays:
    if data.kind == "npz":
        return read_arrays(data, always_one_hot, any_rank)
    if data.kind in FILE_KINDS:
        return read_table(data, always_one_hot, any_rank)
    if data.kind == HELD:
        return encode_given(data, read_given(data.path, data.sha256 or ""), always_one_hot, any_rank)
    return made_rows(data)
