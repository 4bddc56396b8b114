"""The runner-up of a pixel: where runs that share it ended differently, a core in the second most common colour."""

import numpy as np

from nanmap.plot.painted import Painting


def expand(painting: Painting, panel: tuple[int, ...], factor: int) -> np.ndarray:
    """A panel's image with `factor`² points per pixel, the runner-up's colour as a core of the area of its share.

    With a factor of 1 there is no room for a core, and the two colours are mixed by their shares.
    """
    image = painting.image[panel]
    if painting.core is None or painting.core_share is None:
        return image
    core, share = painting.core[panel], painting.core_share[panel]
    if factor == 1:
        return np.where(share[..., None] > 0, image + (core.astype(float) - image) * share[..., None], image).astype(
            np.uint8
        )
    rows, columns = share.shape
    offset = np.abs((np.arange(factor) + 0.5) / factor - 0.5)
    reach = np.maximum(np.tile(offset, rows)[:, None], np.tile(offset, columns)[None, :])
    grown = lambda array: array.repeat(factor, axis=0).repeat(factor, axis=1)  # noqa: E731
    return np.where((reach < grown(np.sqrt(share) / 2))[..., None], grown(core), grown(image))
