"""The grammar of `where`: comparisons between axis columns and constants, joined by and, or, not. Nothing is evaluated."""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from nanmap.errors import InputError, did_you_mean
from nanmap.limits import MOST_LETTERS, MOST_NESTED

Values = Mapping[str, np.ndarray]  # of each axis, `[cells]` per column
COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
GRAMMAR = "comparisons (== != < <= > >=, in [..]) of axis columns, numbers and texts, joined by `and`, `or`, `not`"


@dataclass(frozen=True, eq=False)
class Condition:
    """True for the cells that stay.

    Attributes:
        holds: of the values of each axis, `[cells]` per column, what stays: bool `[cells]`, or one for all.
        columns: those that it names.
    """

    holds: Callable[[Values], np.ndarray]
    columns: frozenset[str]

    def __call__(self, values: Values) -> np.ndarray:
        """See `holds`."""
        return self.holds(values)


def parse_where(text: str, columns: Iterable[str], key: str = "where") -> Condition:
    """A condition over columns: True for the cells that stay.

    Args:
        text: as a sweep's file writes it.
        columns: of the axes that it may name.
        key: what errors call it.

    Raises:
        InputError: the text is outside the grammar or names no axis.

    >>> keep = parse_where("batch_size <= n and init != 'zeros'", ["batch_size", "n", "init"])
    >>> keep({"batch_size": np.array([1, 9]), "n": np.array([4, 4]), "init": np.array(["ones", "ones"])})
    array([ True, False])
    """
    with _called(key):
        tree = _parsed(text)
        condition = _condition(tree, text, list(columns))

    def holds(values: Values) -> np.ndarray:
        with _called(key):
            return np.asarray(condition(values), dtype=bool)

    return Condition(holds, frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) & {*columns})


def _parsed(text: str) -> ast.expr:
    """The tree of a condition, which is neither long nor deep."""
    if len(text) > MOST_LETTERS:
        raise _outside(f"{text[:40]}…", f"has {len(text):,} letters, of at most {MOST_LETTERS:,}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        whole = not error.offset or error.offset > len(text.strip())
        column = (error.offset or 0) + len(text) - len(text.lstrip())
        raise _outside(text, "breaks off" if whole else f"not understood at column {column}") from None
    except (RecursionError, MemoryError):
        raise _too_deep(text) from None
    except ValueError:  # a zero byte, or bytes that are no UTF-8
        raise _outside(ascii(text), "holds what is no text") from None
    level: list[ast.AST] = [tree]
    for _ in range(MOST_NESTED):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise _too_deep(text)


def _too_deep(text: str) -> InputError:
    return _outside(f"{text[:40]}…", f"is nested more than {MOST_NESTED} deep")


@contextmanager
def _called(key: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        error.key = key
        raise


def _condition(node: ast.expr, text: str, columns: list[str]) -> Callable[[Values], Any]:
    if isinstance(node, ast.BoolOp):
        parts = [_condition(part, text, columns) for part in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return lambda values: reduce(join, (part(values) for part in parts))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _condition(node.operand, text, columns)
        return lambda values: np.logical_not(inner(values))
    if isinstance(node, ast.Compare):
        return _comparison(node, text, columns)
    raise _outside(text, f"`{ast.unparse(node)}` is no comparison")


def _comparison(node: ast.Compare, text: str, columns: list[str]) -> Callable[[Values], Any]:
    if (
        isinstance(node.ops[0], ast.In | ast.NotIn)
        and len(node.ops) == 1
        and isinstance(node.comparators[0], ast.List | ast.Tuple)
    ):
        left = _term(node.left, text, columns)
        options = [_constant(item, text) for item in node.comparators[0].elts]
        inverted = isinstance(node.ops[0], ast.NotIn)

        def member(values: Values) -> Any:
            found = left(values)
            if any(_is_text(option) != _is_text(found) for option in options):
                raise _outside(text, f"`{ast.unparse(node)}` compares a number with a text")
            return np.isin(found, options, invert=inverted)

        return member
    terms = [_term(term, text, columns) for term in (node.left, *node.comparators)]
    for op in node.ops:
        if type(op) not in COMPARISONS:
            raise _outside(text, f"`{ast.unparse(node)}` uses an unknown comparison")
    compare = [COMPARISONS[type(op)] for op in node.ops]

    def holds(values: Values) -> Any:
        made = [term(values) for term in terms]
        if len({_is_text(value) for value in made}) > 1:
            raise _outside(text, f"`{ast.unparse(node)}` compares a number with a text")
        return reduce(np.logical_and, (op(a, b) for op, a, b in zip(compare, made, made[1:], strict=False)))

    return holds


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype.kind in "OU")


def _term(node: ast.expr, text: str, columns: list[str]) -> Callable[[Values], Any]:
    if isinstance(node, ast.Name) and node.id not in ("true", "false"):
        if node.id not in columns:
            raise InputError(
                "names no axis", key="where", value=node.id, allowed=columns, mend=did_you_mean(node.id, columns)
            )
        return lambda values: values[node.id]
    constant = _constant(node, text)
    return lambda values: constant


def _constant(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Name) and node.id in ("true", "false"):
        return node.id == "true"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand, text)
        if isinstance(value, int | float):
            return -value
    raise _outside(text, f"`{ast.unparse(node)}` is neither an axis nor a constant")


def _outside(text: str, problem: str) -> InputError:
    mends = {r"&|\|": "`and` and `or` join comparisons", r"(?<![=!<>])=(?!=)": "`==` compares"}
    mend = next((mend for pattern, mend in mends.items() if re.search(pattern, text)), None)
    return InputError(problem, key="where", value=text, allowed=GRAMMAR, mend=mend)
