"""A network's loss and gradient as one GPU kernel: a cell's activations stay in registers and never see the memory.

XLA writes each layer's activations out and reads them back, some 90 kB per update of a 16–16–1 network with 272 rows;
beside that, its weights are nothing. Here a program of a Triton kernel holds one cell, and walks over blocks of rows.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from nanmap.models.base import Array
from nanmap.models.mlp.forward import ACTIVATIONS
from nanmap.models.mlp.spec import MLP

SIDE = 16  # Triton multiplies matrices from 16 × 16 on; rows beyond the last whole tile are taken so many at a time
TILE = {
    "float32": 32,
    "float64": 16,
}  # rows at a time: an H200 took 18 % less time than with 16, 24 % more than with 32
WIDEST = {"float32": 32, "float64": 16}  # a layer's kernel and its gradient must fit into the registers of a few warps

Pointwise = Callable[[Array, Array], Array]
dot = partial(jnp.dot, precision=jax.lax.Precision.HIGHEST)


def fits(model: MLP, dtype: str) -> bool:
    """Whether a network is one that the kernel knows: some hidden layers that are narrow, no norm, one output."""
    kinds = {model.activation, model.output_activation}
    narrow = bool(model.hidden) and max(model.units) <= WIDEST.get(dtype, 0) and model.outputs == 1
    return narrow and model.norm == "none" and "gelu" not in kinds  # Triton knows no erfc


def loss_and_gradient(
    model: MLP,
    layers: list[dict[str, Array]],
    x: Array,
    y: Array,
    count: Array,
    walked: Array,
    pointwise: Pointwise,
) -> tuple[Array, list[dict[str, Array]]]:
    """Mean loss over the first `count` rows, and its gradient with respect to what multiplies and what is added.

    Args:
        model: the network.
        layers: `kernel` `[units, inputs]` and `bias` `[units]`, all factors within.
        x, y: `[features, rows]` and `[1, rows]`; rows are a multiple of `SIDE`.
        count: how many rows count.
        walked: `count`, or 0 to leave it be: loss and gradient are 0 then.
        pointwise: loss of outputs and targets, entry by entry.
    """
    padded = [{name: _padded(values) for name, values in layer.items()} for layer in layers]
    leaves, tree = jax.tree.flatten(padded)
    x = jnp.pad(x, ((0, _side(len(x)) - len(x)), (0, 0)))
    shapes = [jax.ShapeDtypeStruct(leaf.shape, x.dtype) for leaf in (jnp.zeros(1), *leaves)]
    wide = any(side > SIDE for layer in padded for side in layer["kernel"].shape)
    on_gpu = jax.default_backend() == "gpu"
    call = pl.pallas_call(
        partial(_kernel, model, tree, pointwise),
        out_shape=shapes,
        interpret=not on_gpu,
        name="loss_and_gradient",
        compiler_params=triton.CompilerParams(num_warps=4 if wide else 1, num_stages=1) if on_gpu else None,
    )
    loss, *grads = call(count.reshape(1), walked.reshape(1), x, x.T, y[0], *leaves)
    whole = jax.tree.map(
        lambda grad, values: grad[tuple(map(slice, values.shape))], jax.tree.unflatten(tree, grads), layers
    )
    return loss[0] / count.astype(loss.dtype), whole


def _side(length: int) -> int:
    """What Triton can hold: a power of two."""
    return max(SIDE, 1 << (length - 1).bit_length())


def _padded(values: Array) -> Array:
    return jnp.pad(values, [(0, _side(length) - length) for length in values.shape])


def _kernel(
    model: MLP,
    tree: Any,
    pointwise: Pointwise,
    count_ref: Any,
    walked_ref: Any,
    x_ref: Any,
    xt_ref: Any,
    y_ref: Any,
    *refs: Any,
) -> None:
    """One cell. The references: how many rows count and are walked, inputs both ways round, targets, layers; then loss and gradients."""
    given, (loss_ref, *made) = refs[: tree.num_leaves], refs[tree.num_leaves :]
    layers = jax.tree.unflatten(tree, [ref[...] for ref in given])
    count, walked = jnp.sum(count_ref[...]), jnp.sum(walked_ref[...])

    def block(size: int, whole: bool, first: Array, index: Array, sums: Any) -> Any:
        start = first + index * size
        rows = pl.ds(start, size)
        mask = None if whole else start + jnp.arange(size) < count
        added = _block(model, layers, x_ref[:, rows], xt_ref[rows, :], y_ref[rows], mask, pointwise, count)
        return jax.tree.map(jnp.add, sums, added)

    sums = jnp.zeros((), x_ref.dtype), jax.tree.map(jnp.zeros_like, layers)
    tile = min(TILE[str(x_ref.dtype)], y_ref.shape[0])
    tiled = walked // tile * tile
    sums = jax.lax.fori_loop(0, tiled // tile, partial(block, tile, True, jnp.zeros_like(count)), sums)
    loss, grads = jax.lax.fori_loop(0, (walked - tiled + SIDE - 1) // SIDE, partial(block, SIDE, False, tiled), sums)
    loss_ref[...] = jnp.full((1,), loss)
    for ref, grad in zip(made, jax.tree.leaves(grads), strict=True):
        ref[...] = grad


def _block(
    model: MLP,
    layers: list[dict[str, Array]],
    x: Array,
    xt: Array,
    y: Array,
    mask: Array | None,
    pointwise: Pointwise,
    count: Array,
) -> tuple[Array, list[dict[str, Array]]]:
    """What a block of rows adds to the loss and to its gradient."""
    *hidden_layers, last = layers
    hidden, inputs, backs = x, [], []
    for layer, units in zip(hidden_layers, model.hidden, strict=True):
        inputs.append(hidden)
        z = dot(layer["kernel"], hidden)
        if "bias" in layer:
            z = z + layer["bias"][:, None]
        real = None if units == len(z) else (jnp.arange(len(z)) < units)[:, None]
        if mask is not None:
            real = mask[None] if real is None else mask[None] & real
        hidden, back = jax.vjp(partial(_active, model.activation), _kept(real, z))
        hidden = _kept(real, hidden)
        backs.append((real, back))
    output = jnp.sum(_row(last["kernel"])[:, None] * hidden, axis=0)
    if "bias" in last:
        output = output + jnp.sum(jnp.where(jnp.arange(SIDE) == 0, last["bias"], 0))
    output, back = jax.vjp(partial(_active, model.output_activation), _kept(mask, output))
    each, pull = jax.vjp(lambda output: pointwise(output, _kept(mask, y)), output)
    (error,) = back(_kept(mask, pull(jnp.ones_like(each))[0]) / count.astype(y.dtype))
    error = _kept(mask, error)
    grads = [_as_layer(last, jnp.sum(hidden * error[None], axis=1)[None], jnp.sum(error)[None])]
    down = _row(last["kernel"])[:, None] * error[None]
    for index in reversed(range(len(hidden_layers))):
        real, back = backs[index]
        (down,) = back(_kept(real, down))
        down = _kept(real, down)
        flipped = xt if index == 0 else inputs[index].T
        grads.insert(0, _as_layer(layers[index], dot(down, flipped), jnp.sum(down, axis=1)))
        if index:
            down = dot(layers[index]["kernel"].T, down)
    return jnp.sum(_kept(mask, each)), grads


def _kept(real: Array | None, values: Array) -> Array:
    """Values, and 0 where they are not real: what lies beside them must not become NaN."""
    return values if real is None else jnp.where(real, values, 0)


def _active(kind: str, z: Array) -> Array:
    """The activation. A GPU's `max` takes the other number where one is none, so that ReLU would make a zero of a NaN."""
    return jnp.where(z != z, z, ACTIVATIONS[kind](z)) if kind != "tanh" else jnp.tanh(z)


def _row(kernel: Array) -> Array:
    """The first row: there is one output, the others are padding."""
    return jnp.sum(jnp.where(jnp.arange(len(kernel))[:, None] == 0, kernel, 0), axis=0)


def _as_layer(like: dict[str, Array], kernel: Array, bias: Array) -> dict[str, Array]:
    """A gradient in the shapes of a layer; of the only output it is the first row."""
    made = {"kernel": kernel, "bias": bias}
    first = {name: jnp.arange(len(like[name])) == 0 for name in like}
    return {
        name: values
        if (values := made[name]).shape == like[name].shape
        else jnp.where(first[name].reshape(-1, *[1] * (values.ndim - 1)), jnp.broadcast_to(values, like[name].shape), 0)
        for name in like
    }
