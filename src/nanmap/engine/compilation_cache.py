"""Compiled programs, kept on disk between runs of the command."""

import os
from pathlib import Path


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
