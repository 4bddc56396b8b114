"""Makes digits.npz: 1,797 handwritten digits of 8 × 8 pixels from 0 to 16, as scikit-learn has them. Needs scikit-learn.

They are the test set of Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998),
https://doi.org/10.24432/C50P49, under CC BY 4.0. Nothing but the layout was changed: `x` [1797, 8, 8, 1] and `y` [1797], uint8.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def main() -> None:
    """Writes the file beside this script."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8)[..., None], digits.target.astype(np.uint8)
    np.savez_compressed(Path(__file__).with_name("digits.npz"), x=images, y=labels)


if __name__ == "__main__":
    main()
