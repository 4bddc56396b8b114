"""`python -m nanmap` is the command."""

from nanmap.cli import main

main()
