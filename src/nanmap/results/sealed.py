"""JSON that tells whether it is as it was written: its last key is the SHA-256 of all before it."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

SEAL = "seal"
DIGEST = re.compile(r"[0-9a-f]{64}")


def sealed(said: Mapping[str, Any]) -> bytes:
    """A table as it stands in its file.

    >>> print(sealed({"n": 5}).decode(), end="")
    {
      "n": 5,
      "seal": "14262d3acb2923693a4add050f5edcc645f74bab73e7a53213e3dfd07410d525"
    }
    """
    bare = {key: value for key, value in said.items() if key != SEAL}
    return _text(bare | {SEAL: hashlib.sha256(_text(bare)).hexdigest()})


def is_unchanged(content: bytes) -> bool | None:
    """Whether a file is as it was written, to the byte; None for those of earlier versions, which have no seal.

    >>> is_unchanged(sealed({"n": 5})), is_unchanged(sealed({"n": 5}).replace(b"5", b"6")), is_unchanged(b'{"n": 5}')
    (True, False, None)

    Raises:
        ValueError: it is no JSON.
    """
    said = json.loads(content)
    if not (isinstance(said, dict) and said):
        return None
    if SEAL in said:
        try:
            return sealed(said) == content
        except ValueError:  # an infinity or a NaN, which Python reads though JSON has none
            return False
    last = list(said)[-1]
    return False if last != "sha256" and DIGEST.fullmatch(str(said[last])) else None  # the name of the seal is damaged


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
