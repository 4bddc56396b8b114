"""How many cells train side by side. The width changes the last bits, so it is a function of the program and the backend."""

from nanmap.engine.on_chip import is_on_chip
from nanmap.engine.one_kernel import is_one_kernel
from nanmap.models.base import Layout
from nanmap.training.pieces import MOST_BYTES, pass_bytes, rows_at_once
from nanmap.training.program import Program

# CPU figures fitted on an AMD EPYC (Zen 4), see docs/performance.md; of a GPU only the bytes were tried out, on an H200.
CACHE_BYTES = {"cpu": 1024**2, "gpu": 512 * 1024**2}  # what one group's activations may fill
UNITS_MINOR_BYTES = 384 * 1024  # the same on a CPU with units on the minor axis: twice as many run at half the speed
LIMITS = {"cpu": (4, 256), "gpu": (64, 65536)}
# Linear models of several inputs on a CPU: values (cells × rows) of an update. From 4096 float32 numbers on XLA writes them
# out before it adds them up, and an update takes 5 to 8 times as long; batches beyond 64 rows are never added up on the fly.
LINE_VALUES, LINE_ROWS = 2048, 64
THIN_BYTES, THIN_VALUES, THIN_LIMITS = 1280 * 1024, 4096, (1, 256)  # loops that are one kernel, see one_kernel.py
ON_CHIP_BYTES = 128 * 1024  # one number of each cell: 32,768 cells of float32; an H200 takes 13 % longer with a quarter
CALL_FLOPS = {"cpu": 2.5e7, "gpu": 1e11}  # per update of all cells of a call: a call shall last some tenths of a second
CALL_LANES = {"cpu": 16384, "gpu": 1 << 18}  # cells per device and call: bounds memory, and lets progress be told
CALL_BYTES = 256 * 1024**2


def flops_per_update(program: Program) -> float:
    """Floating-point operations of one update of one cell."""
    return program.batch * program.model.flops + 8 * program.model.parameters


def lane_bytes(program: Program) -> int:
    """Bytes that one cell keeps in cache during an update: three arrays per layer and row, four per parameter."""
    return program.item_bytes * (3 * program.batch * program.model.activations + 4 * program.model.parameters)


def group_bytes(program: Program, width: int, backend: str) -> int:
    """Bytes that a group takes where it takes most: in an update, or in an assessment, which passes all rows or a piece of them.

    Of eight networks with 20,000 rows XLA took 0.8 to 1.5 times as much.
    """
    passed = rows_at_once(program, width, backend) or program.passed_rows
    most = max(update_bytes(program, width), pass_bytes(program, width, passed))
    return most + 4 * width * program.item_bytes * program.model.parameters


def update_bytes(program: Program, width: int) -> int:
    """Bytes of a group's activations in an update."""
    return 3 * width * program.item_bytes * program.batch * program.model.activations


def width_of(program: Program, backend: str) -> int:
    """Cells per group: a power of two, never a function of the grid."""
    if program.model.most_together is not None:
        return program.model.most_together
    if is_on_chip(program, backend):
        return ON_CHIP_BYTES // program.item_bytes
    low, high = LIMITS[backend]
    cache, hidden = CACHE_BYTES[backend], program.model.hidden_units
    if is_one_kernel(program, backend):
        cache, (low, high) = THIN_BYTES, THIN_LIMITS
        if not hidden:
            high = min(high, THIN_VALUES // program.batch)
    elif backend == "cpu" and hidden and program.layout is Layout.UNITS_MINOR:
        cache = UNITS_MINOR_BYTES
    elif backend == "cpu" and not hidden and program.batch <= LINE_ROWS:
        high = LINE_VALUES // program.batch
    fitting = max(1, min(high, cache // lane_bytes(program)))
    width = max(low, 1 << (fitting.bit_length() - 1))
    while width > 1 and update_bytes(program, width) > MOST_BYTES[backend]:
        width //= 2
    return width


def groups_per_call(program: Program, backend: str, width: int) -> int:
    """Groups that one call hands to each device. Does not touch the bits."""
    size = program.item_bytes
    shared = size * (program.rows + program.val_rows) * (program.model.features + program.model.outputs)
    per_group = shared + width * size * (4 * program.model.parameters + 64)
    lanes = min(CALL_LANES[backend], CALL_FLOPS[backend] / flops_per_update(program))
    return int(max(1, min(lanes // width, CALL_BYTES // per_group)))
