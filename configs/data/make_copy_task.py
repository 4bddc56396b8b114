"""Makes copy_task.npz: rows of 12 tokens from 0 to 7, and what to say at each place: the token three places before, in a circle."""

from pathlib import Path

import numpy as np

ROWS, LENGTH, TOKENS, BEFORE = 512, 12, 8, 3


def main() -> None:
    """Writes the file beside this script: `x` and `y`, uint8 [512, 12]."""
    x = np.random.default_rng(12).integers(0, TOKENS, (ROWS, LENGTH)).astype(np.uint8)
    np.savez_compressed(Path(__file__).with_name("copy_task.npz"), x=x, y=np.roll(x, BEFORE, axis=1))


if __name__ == "__main__":
    main()
