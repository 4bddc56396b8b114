"""The measured peak: what a large matrix product reaches on the devices, to hold the engine's speed against."""

import time
from functools import partial

import jax
import jax.numpy as jnp

SIZE, REPEATS = 2048, 5


def matrix_product_gflops(dtype: str, size: int = SIZE) -> float:
    """GFLOP/s of the fastest of five products of two square matrices, all cores working on it."""
    with jax.enable_x64(dtype == "float64"):
        a = jnp.ones((size, size), dtype)
        product = jax.jit(partial(jnp.matmul, precision="highest"))
        product(a, a).block_until_ready()
        best = float("inf")
        for _ in range(REPEATS):
            start = time.perf_counter()
            product(a, a).block_until_ready()
            best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9
