"""What tables of settings are made of: the kinds of numbers, the strict base class, and the rules between fields."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def as_whole(value: Any) -> Any:
    """A number without a fraction as an int: TOML reads `1e3` as a float.

    >>> as_whole(1e3), as_whole(0.5), as_whole(True)
    (1000, 0.5, True)
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(as_whole)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Natural = Annotated[Whole, Field(ge=1, lt=2**31)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Seed = Annotated[Whole, Field(ge=0, lt=2**63)]


class Table(dict[str, Any]):
    """Settings under names of the user's own: a table that can be hashed, and is never changed."""

    @property
    def text(self) -> str:
        """As JSON; unlike equal dicts it tells 1, 1.0 and true apart."""
        return json.dumps(self, sort_keys=True)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Table) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def _as_table(values: Mapping[str, Any]) -> Table:
    wrong = next((name for name in values if not name.isidentifier()), None)
    require(wrong is None, "", f"`{wrong}` cannot be the name of an argument", "letters, digits and _ alone")
    return Table(values)


def _is_plain(value: Any) -> Any:
    """Raises unless a value is made of what TOML knows."""
    if isinstance(value, dict):
        return {key: _is_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_is_plain(part) for part in value]
    require(
        isinstance(value, str | bool | int | float), "", "expects a text, a number, true or false, a list or a table"
    )
    finite = not isinstance(value, float) or math.isfinite(value)
    require(
        finite,
        "",
        "expects a finite number: no run folder can keep others",
        'a text, "inf", of which the factory makes one',
    )
    return value


def require(holds: bool, key: str, problem: str, mend: str = "") -> None:
    """Raises, inside a validator, unless a rule between settings holds.

    The error carries its fields in its context, from which the InputError is made (`config/explain.py`).

    Args:
        holds: whether it does.
        key: the setting at fault, within the table; "" for the table itself.
        problem: what is wrong, as a short clause.
        mend: what to do about it.
    """
    if not holds:
        raise PydanticCustomError("inconsistent", "{problem}", {"key": key, "problem": problem, "mend": mend})


Plain = Annotated[Any, AfterValidator(_is_plain)]
Arguments = Annotated[dict[str, Plain], AfterValidator(_as_table)]
Numbers = Annotated[dict[str, Number], AfterValidator(_as_table)]
Rates = Annotated[dict[str, Number], AfterValidator(Table)]


class Settings(BaseModel):
    """A table of settings: unknown keys and wrong types are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
