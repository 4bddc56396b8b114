"""What a column is, and how facts become an Arrow table of such columns.

The columns of a cell stand in `results.columns`, those of an edge in `edges.table`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from nanmap.outcomes import Verdict
from nanmap.results.arrays import array_of, names_of, numbers_of, texts_as_array

TEXT = pa.dictionary(pa.int16(), pa.string())


class Unit(StrEnum):
    """What a column is counted in."""

    NAME = "name"
    STEPS = "steps"
    LOSS = "loss"  # of the scaled target
    SHARE = "share"
    BARE = "1"
    LEARNING_RATE = "learning rate"
    CELL = "number"
    AXIS = "axis"


class Missing(Enum):
    """How the engine marks a value that is missing; it is null on disk."""

    NONE = "none is ever missing: a NaN is a value and stays one"
    NEGATIVE = "a negative number: the event never came, which is its best end"
    NAN = "NaN"
    MASK = "a masked entry: a NaN is a value and stays one"


class Scale(Enum):
    """How colours follow the numbers of a column."""

    LOG = "evenly in the logarithm"
    SHARE = "from 0 to 1"
    STEPS = "in the logarithm, from step 0 on where it occurs"
    RANK = "by rank on each side of 0, which parts good from bad"


class Reason(StrEnum):
    """Why a value is missing.

    Attributes:
        needs: the setting without which it is missing; "" where no setting helps.
    """

    needs: str

    def __new__(cls, text: str, needs: str = "") -> Self:
        """The words themselves, with the setting hung on them."""
        member = str.__new__(cls, text)
        member._value_, member.needs = text, needs
        return member

    NEVER = "never"
    NOTHING_BEFORE = "nothing was computed before it"
    ENDED_BY_NAN = "a NaN appeared"
    NOT_FINITE = "the loss at the end is not finite"
    NO_VALIDATION_ROWS = "no validation rows", "data.validation_split"
    CONSTANT_TARGET = "the target is constant"
    CLASSES = "the targets are classes"
    NO_CLASSES = "the loss is no cross-entropy"
    NO_FULL_LOSS = "full-batch losses were not recorded", "[record] full_loss = true"
    STOPPED = "the training was stopped"
    NO_SHARPNESS = "a network or another loss without `[record] sharpness`", "[record] sharpness = true"
    ONLY_START = 'only of the start (`[record] sharpness = "start"`)', "[record] sharpness = true"
    NOT_RESOLVED = "not resolved"
    NO_FORECAST = "none is forecast"
    NO_LINEAR_DESCENT = "no descent on a linear model with a squared loss"
    NO_NETWORK_DESCENT = "no full-batch descent of a network"
    FLAT = "a flat loss, or one steeper than floats hold"
    GROWING_MOMENTUM = "momentum that grows by itself"
    MINIBATCHES = "minibatches"
    FULL_BATCH = "full batch"
    IN_ORDER = "batches in a fixed order"
    MOMENTUM = "momentum"
    ROUNDING = "rounding decides"
    NEAR_ONE = "momentum too near to 1"
    TOO_LARGE = "too large to compute"
    NO_RELU = "no layer can die"
    ONE_LAYER = "a single layer"
    NO_GRADIENT = "no finite gradient"
    NO_EDGE = "no edge (`note` says why)"
    NO_STABLE_RATE = "no rate was stable"
    SINGLE_SEED = "a single seed"


@dataclass(frozen=True)
class CurveStyle:
    """How a column of critical learning rates is drawn over a map.

    Attributes:
        label: what it is and what it assumes, for the legend; the words of `plot.curves` are filled in.
        dashes: lengths of dashes and gaps, in widths of the line; none where it is solid. Curves are told apart by them
            and not by hue: they run over every colour of a map.
        median: whether the runs of a line of pixels may differ, because it hangs on their random start.
    """

    label: str
    dashes: tuple[float, ...] = ()
    median: bool = False


@dataclass(frozen=True)
class Column:
    """One column, with all that is known of it.

    Attributes:
        type: its Arrow type.
        meaning: one sentence.
        missing: how the engine marks a missing value.
        reasons: why a value may be missing.
        label: what a colour bar says.
        better: the end of the numbers that is the good one; None where neither is.
        scale: how colours follow the numbers.
        names: the closed set of a column of names.
        curve: how it is drawn over a map, if it is a predicted critical rate.
    """

    name: str
    type: pa.DataType
    unit: Unit
    meaning: str
    missing: Missing = Missing.NONE
    reasons: tuple[Reason, ...] = ()
    label: str = ""
    better: Literal["low", "high"] | None = None
    scale: Scale = Scale.LOG
    names: type[Verdict] | None = None
    curve: CurveStyle | None = None

    @property
    def absent(self) -> str:
        """What a missing value means; "" where none is ever missing."""
        return self.why_missing()

    def why_missing(self, but: Reason | None = None) -> str:
        """The reasons why a value may be missing, all of them or all but one.

        >>> Column("r2", pa.float64(), Unit.BARE, "", Missing.NAN, (Reason.ENDED_BY_NAN, Reason.CLASSES)).why_missing()
        'a NaN appeared, or the targets are classes'
        """
        *most, last = [str(each) for each in self.reasons if each is not but] or [""]
        return ", ".join(most) + ", or " * bool(most) + last

    @property
    def needs(self) -> str:
        """The setting that makes a training record it; "" where none does."""
        return next((each.needs for each in self.reasons if each.needs), "")

    def field(self) -> pa.Field:
        """The Arrow field, which says its unit and its meaning."""
        said = {"unit": self.unit, "meaning": self.meaning} | ({"missing_means": self.absent} if self.reasons else {})
        return pa.field(self.name, self.type, metadata=said)

    def array(self, values: Any) -> pa.Array:
        """The facts of some rows as they are stored."""
        plain, missing = np.ma.getdata(values), np.ma.getmaskarray(values)
        if self.type == TEXT:
            return _text_array(plain)
        if self.missing is Missing.NEGATIVE:
            missing = missing | (plain < 0)
        if self.missing is Missing.NAN:
            missing = missing | np.isnan(plain)
        return array_of(plain, self.type, missing)

    def values(self, stored: pa.ChunkedArray) -> np.ndarray:
        """The facts that were stored, missing ones marked again: what `array` makes the same column of.

        >>> column = Column("step", pa.int64(), Unit.STEPS, "", Missing.NEGATIVE)
        >>> column.values(pa.chunked_array([[3, None]])).tolist()
        [3, -1]
        """
        if self.type == TEXT:
            places, names = names_of(stored)
            return np.array(names, object)[places]
        numbers, missing = numbers_of(stored)
        if self.missing is Missing.MASK:
            return np.ma.array(numbers, mask=missing)
        if self.missing is Missing.NONE:
            return numbers.astype(bool) if pa.types.is_boolean(self.type) else numbers
        return np.where(missing, -1 if self.missing is Missing.NEGATIVE else np.nan, numbers).astype(numbers.dtype)


def axis_column(name: str, values: np.ndarray) -> Column:
    """The column of an axis with such values."""
    kinds = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64()}
    return Column(name, kinds.get(values.dtype.kind, TEXT), Unit.AXIS, f"Value of the axis `{name}`.")


def arrow_table(columns: Sequence[Column], values: Mapping[str, Any], metadata: Mapping[str, str]) -> pa.Table:
    """Rows as an Arrow table.

    Args:
        columns: in the order of the table.
        values: one array `[rows]` per name of a column; further ones are left out.
        metadata: of the file.
    """
    schema = pa.schema([each.field() for each in columns], metadata=dict(metadata))
    return pa.Table.from_arrays([each.array(values[each.name]) for each in columns], schema=schema)


def _text_array(values: np.ndarray) -> pa.Array:
    """Texts, each stored once."""
    names, codes = np.unique(values.astype(str), return_inverse=True)
    places = array_of(codes.astype(np.int16), TEXT.index_type, np.zeros(len(codes), bool))
    return pa.DictionaryArray.from_arrays(places, texts_as_array(names.tolist()))
