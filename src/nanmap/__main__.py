"""The command as a process of its own: `nanmap`, and `python -m nanmap`."""

import gc


def main() -> None:
    """Runs the command. What is imported on the way stays, and is not searched for garbage.

    To do so again and again took a tenth of `nanmap --help`, and of a sweep's start.
    """
    gc.set_threshold(50_000, 20, 50)
    from nanmap.cli import main as command

    gc.freeze()
    command()


if __name__ == "__main__":
    main()
