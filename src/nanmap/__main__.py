"""The command as a process of its own: `nanmap`, and `python -m nanmap`."""

import gc

from nanmap import stopping


def main() -> None:
    """Runs the command. What is imported on the way stays, and is not searched for garbage again and again."""
    stopping.take_over()
    gc.set_threshold(50_000, 20, 50)
    from nanmap.cli import main as command

    gc.freeze()
    command()


if __name__ == "__main__":
    main()
