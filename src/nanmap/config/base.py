"""What tables of settings are made of: the kinds of numbers, the strict base class, and the rules between fields."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
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


class Settings(BaseModel):
    """A table of settings: unknown keys and wrong types are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
