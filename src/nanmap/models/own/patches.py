"""A convolution as patches and one product, with the rows of a batch on the minor axis.

So pieces are cut out of the images in long runs, the product is of a small matrix and a long one, and what a network does
between two convolutions works on whole vectors.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp

from nanmap.models.own.turned import ROWS_MINOR_FROM, Turned, lying, plain, turned

MOST_PATCHES = 1 << 24  # numbers of an update's patches: 64 MiB of float32, which a core no longer has at hand


def is_plain(eqn: Any) -> bool:
    """Whether an operation is a convolution that is faster as a product: a plain one, of no more patches than stay at hand."""
    if eqn.primitive.name != "conv_general_dilated":
        return False
    params, out = eqn.params, eqn.outvars[0].aval
    kernel, numbers = eqn.invars[1].aval.shape, params["dimension_numbers"]
    patches = out.size // out.shape[numbers.out_spec[1]] * eqn.invars[1].aval.size // kernel[numbers.rhs_spec[0]]
    plain = params["feature_group_count"] == params["batch_group_count"] == 1 and all(
        each == 1 for each in params["lhs_dilation"]
    )
    padded = all(low >= 0 and high >= 0 for low, high in params["padding"])
    return bool(plain and padded and patches <= MOST_PATCHES and jnp.issubdtype(out.dtype, jnp.floating))


def convolution(eqn: Any, x: Any, kernel: Any) -> Turned:
    """Kernel times patches: with rows on the minor axis `[outputs, offsets · channels]` `[offsets · channels, … · rows]`."""
    params, out = eqn.params, eqn.outvars[0].aval
    numbers = params["dimension_numbers"]
    count = eqn.invars[0].aval.shape[numbers.lhs_spec[0]]
    size = [out.shape[axis] for axis in numbers.out_spec[2:]]
    x = turned(x, lying(*_axes(numbers.lhs_spec), count))
    outputs, inputs, *sides = numbers.rhs_spec
    kernel = jnp.transpose(plain(kernel), (outputs, *sides, inputs))
    patches, kernel = _patches(x, kernel.shape[1:-1], size, params, count), kernel.reshape(kernel.shape[0], -1)
    precision, kind = params["precision"], params["preferred_element_type"]
    if count >= ROWS_MINOR_FROM:
        precision = precision and tuple(reversed(precision))  # of the kernel first, as the factors are
        made = jax.lax.dot(kernel, patches, precision=precision, preferred_element_type=kind)
        made = made.reshape(-1, *size, count)
    else:
        made = jax.lax.dot(patches, kernel.T, precision=precision, preferred_element_type=kind)
        made = made.reshape(count, *size, -1)
    return Turned(made.astype(out.dtype), lying(*_axes(numbers.out_spec), count))


def _axes(spec: Sequence[int]) -> tuple[int, int, Sequence[int]]:
    """Rows, channels, places."""
    return spec[0], spec[1], spec[2:]


def _patches(x: Any, sides: Sequence[int], size: Sequence[int], params: dict[str, Any], count: int) -> Any:
    """What each offset of the kernel meets, as a matrix, offsets and channels on one axis of it."""
    x = jnp.pad(x, ((0, 0), *params["padding"], (0, 0)))
    cut = []
    for offset in product(*map(range, sides)):
        starts = [at * dilation for at, dilation in zip(offset, params["rhs_dilation"], strict=True)]
        along = zip(starts, size, params["window_strides"], strict=True)
        cut.append(x[:, *(slice(start, start + (many - 1) * step + 1, step) for start, many, step in along)])
    minor = count >= ROWS_MINOR_FROM
    patches = cut[0] if len(cut) == 1 else jnp.concatenate(cut, 0 if minor else -1)
    return patches.reshape(patches.shape[0], -1) if minor else patches.reshape(-1, patches.shape[-1])
