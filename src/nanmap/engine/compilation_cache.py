"""Compiled programs, kept on disk between runs of the command."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Where they are kept: under `$NANMAP_CACHE`, else `nanmap` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NANMAP_CACHE") or Path(base) / "nanmap") / "xla"


def keep_compiled() -> None:
    """Makes JAX keep them. Its defaults keep only what took a second to compile; a small network's program takes less."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    share_between_devices()


def share_between_devices() -> None:
    """Lets every CPU device of a process read what one of them compiled.

    JAX files what it compiled for a CPU under the device's number as well, although the machine code is the same and is
    read for a device anew. The name is private to JAX (0.10): where it is gone each device compiles for itself, as before.
    """
    from jax._src import cache_key

    named = getattr(cache_key, "_hash_serialized_compile_options", None)
    if named is not None and not isinstance(named, partial):
        cache_key._hash_serialized_compile_options = partial(_without_device, named)


def _without_device(named: Callable[..., Any], digest: Any, options: Any, strip_device_assignment: bool = True) -> Any:
    return named(digest, options, strip_device_assignment=True)


def is_kept() -> bool:
    """Whether JAX keeps on disk what it compiles."""
    import jax

    names = ("jax_enable_compilation_cache", "jax_compilation_cache_dir")
    return all(getattr(jax.config, name) for name in names)
