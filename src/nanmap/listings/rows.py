"""Lines of NumPy and pandas that give `x` and `y` as a training has them: read, encoded, without gaps, split and scaled."""

from collections.abc import Iterator

from nanmap.config import DataSettings
from nanmap.config.code import is_own
from nanmap.config.settings import Config
from nanmap.data import Rows
from nanmap.data.encoding import Source
from nanmap.listings.words import file_name, number, text

TABLES = ("csv", "parquet")


def row_lines(config: Config, rows: Rows) -> list[str]:
    """Lines after which `x` `[n, features]` and `y` `[n, outputs]` are float64, and `x_val`, `y_val` if rows are kept back.

    Args:
        config: the settings.
        rows: what they give, for the names of columns and categories.
    """
    data = config.data
    if data.kind in TABLES:
        read = _table(data, rows)
    elif data.kind in ("npz", "arrays"):
        read = _arrays(data, rows)
    else:
        read = _formula(data)
    return [*read, *_gaps(data), *_split_and_scaled(data), *_shaped(config, rows)]


def _shaped(config: Config, rows: Rows) -> Iterator[str]:
    """A network of the user's own sees a row as the file has it."""
    if is_own(config.model.kind) and rows.input_form is not None and len(rows.input_form.shape) != 1:
        yield f"x = x.reshape({', '.join(['len(x)', *map(str, rows.input_form.shape)])})"


def imports(config: Config, rows: Rows) -> list[str]:
    """What these lines need."""
    named = config.data.kind in TABLES or any(map(_is_category, rows.sources))
    return ["import numpy as np", *(["import pandas as pd"] if named else [])]


def _formula(data: DataSettings) -> Iterator[str]:
    if data.kind == "gaussian":
        yield f"rng = np.random.default_rng({data.seed})"
        yield f"x, y = rng.standard_normal(({data.n}, {data.features})), rng.standard_normal(({data.n}, 1))"
        return
    yield f"x = {_axis(data)}[:, None]"
    yield "y = x**2 + 2" if data.kind == "square" else f"y = {number(data.slope)} * x"


def _axis(data: DataSettings) -> str:
    if data.inputs == "normal":
        return f"np.random.default_rng({data.seed}).standard_normal({data.n})"
    if data.inputs == "linspace":
        return f"np.linspace({number(data.start)}, {number(data.stop)}, {data.n})"
    if data.n is None:
        return f"np.arange({number(data.start)}, {number(data.stop)}, {number(data.step)}, dtype=float)"
    counted = f"np.arange({data.n}.0)"
    if data.step != 1:
        counted = f"{number(data.step)} * {counted}"
    return f"({number(data.start)} + {counted})" if data.start or data.step != 1 else counted


def _table(data: DataSettings, rows: Rows) -> Iterator[str]:
    reader = "read_csv" if data.kind == "csv" else "read_parquet"
    more = ", skipinitialspace=True" if data.kind == "csv" else ""
    yield f"table = pd.{reader}({file_name(data.path)}{more})"
    if data.missing == "drop":
        named = [*(source.name for source in rows.sources), data.target or ""]
        yield f"table = table.dropna(subset=[{', '.join(map(text, named))}])"
    if any(map(_is_category, rows.sources)):
        yield from _encoded(data, rows, "table")
    else:
        yield f"x = table[[{', '.join(text(source.name) for source in rows.sources)}]].to_numpy(float)"
    yield from _labels(rows, f"table[{text(data.target or '')}]", ".to_numpy(float)[:, None]")


def _is_category(source: Source) -> bool:
    """Of true and false pandas makes 1 and 0 by itself."""
    return bool(source.categories) and source.categories != ("false", "true")


def _encoded(data: DataSettings, rows: Rows, table: str) -> Iterator[str]:
    yield "columns = ["
    yield from (f"    {_column(data, source, table)}," for source in rows.sources)
    yield "]"
    yield "x = pd.concat(columns, axis=1).to_numpy(float)"


def _column(data: DataSettings, source: Source, table: str) -> str:
    column = f"{table}[{text(source.name)}]"
    if not _is_category(source):
        return column
    if not source.hot:
        return f'{column}.astype("category").cat.codes.replace(-1, np.nan)'
    hot = f"pd.get_dummies({column}, dtype=float)"
    dropped = data.missing == "drop" and data.kind in TABLES  # with its row, before
    return hot if dropped or data.missing == "error" else f"{hot}.where({column}.notna(), np.nan)"


def _arrays(data: DataSettings, rows: Rows) -> Iterator[str]:
    if data.kind == "npz":
        yield f"with np.load({file_name(data.path)}) as file:"
        yield '    x, y = file["x"], file["y"]'
    elif any(map(_is_category, rows.sources)):
        yield "# x: the frame that you have, y: its targets, a row per example"
        yield from _encoded(data, rows, "x")
    else:
        yield "# x and y: the arrays that you have, a row per example"
    if not any(map(_is_category, rows.sources)):
        yield "x = np.asarray(x, float).reshape(len(x), -1)"
    if rows.classes and rows.classes[0] != "y[0]":
        yield from _labels(rows, "np.asarray(y).ravel()", "")
    else:
        yield "y = np.asarray(y, float).reshape(len(y), -1)"


def _labels(rows: Rows, column: str, as_numbers: str) -> Iterator[str]:
    """`y`: a number per row; of classes 0 and 1, or a column each."""
    if not rows.classes:
        yield f"y = {column}{as_numbers}"
        return
    texts = "" if all(map(_is_number, rows.classes)) else ".astype(str)"
    yield f"names, codes = np.unique({column}{texts}, return_inverse=True)"
    one = rows.targets.shape[1] == 1
    yield "y = codes[:, None].astype(float)" if one else "y = np.eye(len(names))[codes]"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _gaps(data: DataSettings) -> Iterator[str]:
    if data.missing == "drop" and data.kind not in TABLES:
        yield "whole = ~(np.isnan(x).any(axis=1) | np.isnan(y).any(axis=1))"
        yield "x, y = x[whole], y[whole]"


def _split_and_scaled(data: DataSettings) -> Iterator[str]:
    split = data.validation_split > 0
    part = "[:n]" if split else ""
    if split:
        yield f"n = int(len(x) * (1 - {number(data.validation_split)}))  # the last rows are for validation"
    if data.missing == "mean":
        yield f"x = np.where(np.isnan(x), np.nanmean(x{part}, axis=0), x)"
    nan = "nan" if data.missing == "keep" else ""
    yield from _scaled("x", f"x{part}", data.scale_inputs, nan)
    if data.target_kind == "number":
        yield from _scaled("y", f"y{part}", data.scale_targets, nan)
        if data.scale_targets == "standard":
            yield "# a prediction p of the model is p * y_std + y_mean in the unit of the data"
    if split:
        yield "x, y, x_val, y_val = x[:n], y[:n], x[n:], y[n:]"


def _scaled(name: str, known: str, kind: str, nan: str) -> Iterator[str]:
    """A constant column is divided by 1."""
    low, high = f"np.{nan}min({known}, axis=0)", f"np.{nan}max({known}, axis=0)"
    if kind == "standard":
        yield f"{name}_mean, {name}_std = np.{nan}mean({known}, axis=0), np.{nan}std({known}, axis=0)"
        yield f"{name} = ({name} - {name}_mean) / np.where({name}_std > 0, {name}_std, 1)"
    elif kind == "minmax":
        yield f"{name}_low, {name}_high = {low}, {high}"
        yield f"{name} = ({name} - {name}_low) / np.where({name}_high > {name}_low, {name}_high - {name}_low, 1)"
    elif kind == "maxabs":
        yield f"{name}_largest = np.{nan}max(np.abs({known}), axis=0)"
        yield f"{name} = {name} / np.where({name}_largest > 0, {name}_largest, 1)"
