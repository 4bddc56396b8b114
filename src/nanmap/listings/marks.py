"""What a program has that another has not, marked line by line."""

import difflib
import re
from collections.abc import Iterator


def marked(before: str, after: str) -> str:
    r"""The second program, each line that differs from the first one's marked by a comment.

    >>> print(marked("rate = 1\ntrain(x, rate)", "x = scaled(x)\nrate = 0.1\ntrain(x, rate)"))
    x = scaled(x)  # new
    rate = 0.1  # was: rate = 1
    train(x, rate)
    """
    return "\n".join(_marked(before.splitlines(), after.splitlines()))


def _marked(before: list[str], after: list[str]) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for _, low, high, first, last in matcher.get_opcodes():
        gone, come = before[low:high], after[first:last]
        if gone == come:
            yield from come
            continue
        pairs, left = _paired(gone, come)
        for line in come:
            yield _with_comment(line, f"was: {pairs[line].strip()}" if line in pairs else "new")
        yield from (f"# without: {line.strip()}" for line in left if line.strip())


def _paired(gone: list[str], come: list[str]) -> tuple[dict[str, str], list[str]]:
    """The line that each new one stands for, told by what they begin with; and the lines that none stands for."""
    left, pairs = list(gone), {}
    for line in come:
        same = next((each for each in left if _head(each) == _head(line) and line.strip()), None)
        if same is not None:
            left.remove(same)
            pairs[line] = same
    return pairs, left


def _head(line: str) -> str:
    """The first word of a line of code, its indentation included; of a call what is called."""
    found = re.match(r"\s*[\w.]+", line)
    return found[0] if found else line


def _with_comment(line: str, comment: str) -> str:
    code = line.strip() and not line.lstrip().startswith("#")
    return f"{line}  # {comment}" if code else line
