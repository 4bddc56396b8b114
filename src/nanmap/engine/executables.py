"""One compilation for several devices: an executable is written down and read back for another device of the same kind.

JAX's public way (`deserialize_and_load`) raises KeyError for any CPU device but the first, and leaves the executable on that one.
So this reads what JAX wrote by names that JAX calls private (0.10): where they have changed nothing is read, and whoever asked
compiles once more. In memory only: what is read back is a pickle.
"""

import io
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable


def copied_to(device: jax.Device, compiled: jax.stages.Compiled) -> jax.stages.Compiled | None:
    """The same machine code, for this device; None where JAX does not let it be copied.

    Args:
        device: another device of the process, of the same kind.
        compiled: an executable of one device.
    """
    try:
        return _read(device, *serialize_executable.serialize(compiled))
    except Exception:  # whatever a JAX of another version raises
        return None


def _read(device: jax.Device, written: bytes, in_tree: Any, out_tree: Any) -> jax.stages.Compiled:
    from jax._src.lib import xla_client

    class Reader(serialize_executable._JaxPjrtUnpickler):
        """Reads an executable for `device`, whichever it was written from."""

        def persistent_load(self, pid: tuple) -> Any:
            if pid[0] == "device":
                return device
            if pid[0] != "exec":
                return super().persistent_load(pid)
            options = xla_client.CompileOptions()
            options.num_replicas = options.num_partitions = 1
            options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
            return self.backend.deserialize_executable(pid[1], self.execution_devices, options)

    unloaded, args_info, no_kwargs = Reader(io.BytesIO(written), device.client, [device]).load()
    return jax.stages.Compiled(unloaded.load(), [], in_tree.unflatten(args_info), out_tree, no_kwargs=no_kwargs)
