"""What XLA is told beside the program, where its habits would cost bits or speed."""

from typing import Any

from nanmap.engine.one_kernel import is_one_kernel
from nanmap.training.program import Program

GPU: dict[str, Any] = {
    # What would change bits from run to run: the order of atomic sums, and kernels chosen by timing.
    "xla_gpu_deterministic_ops": True,
    "xla_gpu_autotune_level": 0,
    # Loops whose end depends on their cells wait for the host at each turn unless they are part of a graph.
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
}
# Else XLA skips roundings to 16 bits between operations that it fuses, and with them the overflows that are looked for.
NARROW: dict[str, Any] = {"xla_allow_excess_precision": False}
# Else the library that takes the products of a CPU takes the sums over units as well, in small pieces (docs/performance.md).
# With sums that are taken twice, as those of the other norms, it is faster at some shapes and slower at others.
PRODUCTS_ALONE: dict[str, Any] = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
ONE_KERNEL: dict[str, Any] = {
    "xla_cpu_experimental_ynn_fusion_type": "",  # hands sums to a library, which such a loop cannot call
    "xla_cpu_prefer_vector_width": 512,  # a line 1.2 times as fast on a Zen 4; networks that are no such loop lose
}


def xla_options(program: Program, backend: str) -> dict[str, Any]:
    """Compiler options of a program's executable."""
    wanted: list[tuple[bool, dict[str, Any]]] = [
        (backend == "gpu", GPU),
        (program.narrow, NARROW),
        (backend == "cpu" and program.model.sums_once, PRODUCTS_ALONE),
        (is_one_kernel(program, backend), ONE_KERNEL),
    ]
    return {name: value for holds, options in wanted if holds for name, value in options.items()}
