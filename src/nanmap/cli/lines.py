"""Sentences on a terminal: they break between words. In a pipe or a file each is one line, for whatever reads it there."""

import shutil
import sys
import textwrap


def say(sentence: str, indent: str = "") -> None:
    """Prints a sentence; what does not fit goes on below, indented by two more."""
    if not sys.stdout.isatty():
        print(f"{indent}{sentence}")
        return
    columns = shutil.get_terminal_size().columns
    wrapped = textwrap.wrap(
        sentence,
        columns,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    print(*wrapped, sep="\n")
