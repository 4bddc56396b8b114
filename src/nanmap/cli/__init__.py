"""The command: parses, calls the library, prints. Imports neither JAX nor pandas until a command needs them."""

import gc

# What imports make, stays. To search it for garbage, again and again, took a tenth of `--help`, and of a sweep's start.
gc.set_threshold(50_000, 20, 50)

from nanmap.cli.app import main  # noqa: E402

gc.freeze()

__all__ = ["main"]
