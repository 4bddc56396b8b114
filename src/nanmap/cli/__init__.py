"""The command: parses, calls the library, prints. Imports neither JAX nor pandas until a command needs them."""

from nanmap.cli.app import main

__all__ = ["main"]
