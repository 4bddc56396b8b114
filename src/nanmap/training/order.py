"""The order in which rows are seen: a function of the seed alone, never of the batch size, the cell or the backend."""

import jax
import jax.numpy as jnp
import numpy as np

from nanmap.models.base import Array

INDEX_BITS = 12  # of a 32-bit key, for up to 4096 rows; among the other 20 eight pairs of 4096 rows are equal


def order_key(seed: int | np.ndarray) -> np.ndarray:
    """`training.seed` as a raw key of `jax.random`, uint32 `[…, 2]`. The start draws from the seed by a generator of its own."""
    return np.stack([np.asarray(seed) >> 32, np.asarray(seed) & 0xFFFFFFFF], -1).astype(np.uint32)


def epoch_order(key: Array, epoch: Array, n: Array, capacity: int) -> Array:
    """A permutation of the rows `0..n-1`, followed by the padding rows; int32 `[capacity]`.

    Random bits are counted per row and always 32 (under x64 the default is 64 others), so the permutation of `n` rows is
    the same at every capacity. Up to 4096 rows the index stands in the low bits of the key: XLA sorts one array of
    numbers five times faster than it sorts pairs (608 rows: 99 to 19 µs).
    """
    bits = jax.random.bits(jax.random.fold_in(key, epoch), (capacity,), jnp.uint32)
    index = jnp.arange(capacity, dtype=jnp.uint32)
    low = jnp.uint32((1 << INDEX_BITS) - 1)
    if capacity <= 1 << INDEX_BITS:
        keys = jnp.where(index < n, bits & ~low, ~low) | index
        return (jax.lax.sort(keys) & low).astype(jnp.int32)
    bits = jnp.where(n <= 1 << INDEX_BITS, bits & ~low, bits)
    return jax.lax.sort((index >= n, bits, index.astype(jnp.int32)), num_keys=2)[2]


def replacement_rows(key: Array, step: Array, n: Array, batch: int, count: int | None = None) -> Array:
    """Rows of an update drawn with replacement, int32 `[batch]`: a slice of one stream of draws per seed.

    Args:
        count: how many, if not `batch`: those of the updates that follow come behind.
    """
    place = step.astype(jnp.uint32) * jnp.uint32(batch) + jnp.arange(count or batch, dtype=jnp.uint32)
    bits = jax.vmap(lambda index: jax.random.bits(jax.random.fold_in(key, index), (), jnp.uint32))(place)
    return (bits % n.astype(jnp.uint32)).astype(jnp.int32)
