"""What axes are called on pictures: in words, with the column, which is what a command calls them."""

AXIS_NAMES = {
    "learning_rate": "learning rate",
    "batch_size": "batch size: rows per update",
    "n": "rows of data",
    "epochs": "epochs: passes over the rows",
    "steps": "updates",
    "init": "initialiser",
    "init_scale": "factor on the initial kernels",
    "init_offset": "shift of the first layer's initial kernel",
    "norm": "normalisation",
    "hidden": "units of the hidden layers",
    "dtype": "number format",
    "scale_inputs": "scaling of the inputs",
    "scale_targets": "scaling of the targets",
    "missing": "missing values",
    "categorical": "categories as",
}
PLURALS = {
    "seed": "seeds",
    "init": "initialisers",
    "learning_rate": "learning rates",
    "batch_size": "batch sizes",
    "n": "numbers of rows",
    "norm": "normalisations",
    "optimizer": "optimizers",
    "dtype": "number formats",
    "activation": "activations",
    "scale_inputs": "input scalings",
    "scale_targets": "target scalings",
}


def name_axis(column: str) -> str:
    """The label of an axis: what it is, its unit, and its column, which is what a command calls it."""
    layer = column.removeprefix("learning_rate_")
    name = f"learning rate of layer {layer}" if layer.isdigit() else AXIS_NAMES.get(column)
    return f"{name} ({column})" if name else column
