"""The order in which rows are seen: a function of the seed alone, never of the batch size, the cell or the backend."""

import jax
import jax.numpy as jnp

from nanmap.arrays import Array


def epoch_order(key: Array, epoch: Array, n: Array, capacity: int) -> Array:
    """A permutation of the rows `0..n-1`, followed by the padding rows; int32 `[capacity]`.

    Random bits are counted per row and always 32 (under x64 the default is 64 others), so the permutation of `n` rows is the same at every capacity.
    """
    bits = jax.random.bits(jax.random.fold_in(key, epoch), (capacity,), jnp.uint32)
    padding = jnp.arange(capacity) >= n
    # Two keys: padding last, then the random bits. Equal bits keep the order of the rows (the sort is stable).
    return jax.lax.sort((padding, bits, jnp.arange(capacity, dtype=jnp.int32)), num_keys=2)[2]


def replacement_rows(key: Array, step: Array, n: Array, batch: int) -> Array:
    """Rows of one update drawn with replacement, int32 `[batch]`: a slice of one stream of draws per seed."""
    place = step.astype(jnp.uint32) * jnp.uint32(batch) + jnp.arange(batch, dtype=jnp.uint32)
    bits = jax.vmap(lambda index: jax.random.bits(jax.random.fold_in(key, index), (), jnp.uint32))(place)
    return (bits % n.astype(jnp.uint32)).astype(jnp.int32)
