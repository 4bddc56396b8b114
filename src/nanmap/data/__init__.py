"""Rows to train on: built-in formulas or files, made numeric, split and scaled. NumPy only, on the host, in float64."""

from nanmap.data.references import affine_floor, loss_constant, network_floor
from nanmap.data.references.labels import label_references, place_references
from nanmap.data.rows import Rows, check_shares, load_rows, some_rows
from nanmap.data.tables import RowForm

__all__ = [
    "RowForm",
    "Rows",
    "affine_floor",
    "check_shares",
    "label_references",
    "load_rows",
    "loss_constant",
    "network_floor",
    "place_references",
    "some_rows",
]
