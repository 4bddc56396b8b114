"""Loops as one kernel: XLA runs an update on a CPU as ten to a hundred kernels, and has to start each.

It can compile a loop as a whole instead, and does so of its own accord where a loop touches next to nothing. Matrix
products become plain loops then, so this is for thin networks: a line 2.2 times as fast, 1–128–1 with 10 rows 1.9
times, with 100 rows 1.3 times, but 10–64–64–1 0.2 times.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from nanmap.training.program import Program


def is_one_kernel(program: Program, backend: str) -> bool:
    """Whether the loop over the updates of this program is compiled as a whole."""
    return (
        backend == "cpu" and program.model.one_kernel and program.dtype != "float16"
    )  # compiles four to seven times as long


def as_one_kernel(loop: Callable[[Any], Any], carry: Any) -> Any:
    """`loop(carry)`, marked for XLA to compile as a whole. An XLA that does not know the mark ignores it.

    XLA aborts the process if such a loop turns out not to need one of its inputs. So all inputs are outputs too, and
    barriers keep JAX from noticing that nobody wants them.
    """
    closed, shapes = jax.make_jaxpr(loop, return_shape=True)(carry)

    def run(*inputs: Any) -> Any:
        consts, leaves = jax.lax.optimization_barrier(inputs)
        return jax.core.eval_jaxpr(closed.jaxpr, consts, *leaves), (consts, leaves)

    results = jax.jit(run)(closed.consts, jax.tree.leaves(carry))
    results = set_xla_metadata(results, xla_cpu_small_call="true", inlineable="false")
    made, _ = jax.lax.optimization_barrier(results)
    return jax.tree.unflatten(jax.tree.structure(shapes), made)


def in_kernels(loop: Callable[[Any], Any], carry: Any) -> Any:
    """`loop(carry)`, each of its operations a kernel."""
    return loop(carry)
