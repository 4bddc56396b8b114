"""What comes out of a network of the user's own, of which nothing is known but its outputs: whether a softmax or a sigmoid stands at its end."""

from functools import partial
from typing import Any

import jax
import numpy as np

from nanmap.diagnosis.answer import Evidence
from nanmap.diagnosis.bench import Bench
from nanmap.plan import Lanes
from nanmap.training.batches import laid_out
from nanmap.training.start import start

FACTORS = (1.0, 30.0, -30.0)  # on the parameters: what lies between 0 and 1 under all of them is held there
ROUNDING = 1e-3


def outputs(lanes: Lanes, factor: float) -> np.ndarray:
    """Of the network at its start, its parameters times a factor, on all training rows: float64 `[rows, outputs]`."""
    program, rows = lanes.program, lanes.variants[0].rows
    with jax.enable_x64(program.dtype == "float64"):
        parameters, state = jax.tree.map(lambda leaf: np.asarray(leaf)[0], start(**lanes.starts(np.array([0]))))
        parameters = jax.tree.map(
            lambda leaf: leaf * leaf.dtype.type(factor) if leaf.dtype.kind == "f" else leaf, parameters
        )
        numbers = {name: np.asarray(lanes.numbers[name][0], program.dtype) for name in program.model.numbers}
        x = laid_out(program.model, rows.inputs, rows.n, program.dtype)
        forward = partial(program.model.forward, mask=None, layout=program.layout)
        # Traced, as in a training: PyTorch's operations take no arrays of NumPy.
        output = jax.jit(lambda *given: forward(*given[:3], numbers=given[3]).output)(parameters, state, x, numbers)
        return np.asarray(output).astype(float).reshape(rows.n, -1)


def misfit(bench: Bench) -> Evidence | None:
    """That the end of a network does not fit its loss or its targets; None where it may, or where nobody can tell.

    Its figures have `undo`, the activation, where that can be taken out.
    """
    lanes = bench.one({})
    program, rows = lanes.program, lanes.variants[0].rows
    if not np.isfinite(rows.inputs).all() or (rows.input_form is not None and rows.input_form.whole):
        return None
    found = [outputs(lanes, factor) for factor in FACTORS]
    if not any(each.any() for each in found):  # a ReLU that is dead gives nothing but 0, and would give more
        return None
    if not all(((each >= -ROUNDING) & (each <= 1 + ROUNDING)).all() for each in found):
        return None
    count = found[0].shape[1]
    summed = all(np.allclose(each.sum(axis=1), 1, atol=ROUNDING) for each in found)
    figures: dict[str, Any] = {
        "outputs": count,
        "least": float(min(each.min() for each in found)),
        "most": float(max(each.max() for each in found)),
    }
    if count == 1 and summed:
        return Evidence(
            "the network answers 1 to every row, whatever its parameters: a softmax of one number is always 1; "
            "end it in a sigmoid where the targets are 0 and 1, and in nothing where they are numbers",
            figures,
        )
    if not summed and count > 1 and not program.classifies:
        return None
    figures["undo"] = "softmax" if summed else "sigmoid"
    end = f"a {figures['undo']}"
    if program.classifies:
        again = "softmax" if program.loss == "softmax_cross_entropy" else "sigmoid"
        least = np.log1p((count - 1) / np.e) if again == "softmax" and count > 1 else np.log1p(1 / np.e)
        return Evidence(
            f"the network ends in {end}: its outputs stay between 0 and 1 under any parameters. {program.loss} takes logits, and puts "
            f"a second {again} behind it, so that even a sure and right answer costs {least:.3g}; take the first one out",
            {**figures, "least_loss": float(least)},
        )
    outside = rows.targets[(rows.targets < 0) | (rows.targets > 1)]
    if summed:
        return Evidence(
            f"the network ends in {end} of {count} outputs, and {program.loss} takes them for numbers; it asks for a cross-entropy of logits",
            figures,
        )
    if len(outside):
        worst = float(outside[np.argmax(np.abs(outside))])
        return Evidence(
            f"the network's outputs stay between 0 and 1 under any parameters, and a target is {worst:.4g}",
            {**figures, "target": worst},
        )
    return None
