"""Loops as one kernel each: on a CPU, XLA runs an update as some twenty kernels, and starting one costs about 50 ns.

XLA can compile a loop as a whole instead (it does so of its own accord where a loop touches less than 1 KB). It
then writes matrix products as plain loops, so this is for networks without any: every product has a side of one.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from nanmap.plan.program import Program

# XLA hands sums to a library otherwise, and a loop that calls a library is never compiled as a whole.
OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


def is_one_kernel(program: Program, backend: str) -> bool:
    """Whether the loop over the updates of this program is compiled as a whole."""
    return backend == "cpu" and program.thin


def as_one_kernel(loop: Callable[[Any], Any], carry: Any) -> Any:
    """`loop(carry)`, marked for XLA to compile as a whole. An XLA that does not know the mark ignores it.

    XLA gives up, and the process with it, where the loop turns out not to need one of its inputs. So all inputs are
    outputs too.
    """
    closed, shapes = jax.make_jaxpr(loop, return_shape=True)(carry)

    def run(*inputs: Any) -> Any:
        consts, carry = jax.lax.optimization_barrier(inputs)
        return jax.core.eval_jaxpr(closed.jaxpr, consts, *carry), (consts, carry)

    made, _ = set_xla_metadata(
        jax.jit(run)(closed.consts, jax.tree.leaves(carry)), xla_cpu_small_call="true", inlineable="false"
    )
    return jax.tree.unflatten(jax.tree.structure(shapes), made)


def in_kernels(loop: Callable[[Any], Any], carry: Any) -> Any:
    """`loop(carry)`, each of its operations a kernel."""
    return loop(carry)
