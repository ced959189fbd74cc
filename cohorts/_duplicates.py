"""Images that show the same thing: cases that must never be split between folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from cohorts._image_files import open_image

__all__ = ["duplicate_groups", "nearly_equal"]

# At this size speckle is averaged out and anatomy is not. On BUSI, pairs that correlate at 0.90
# or more have the same label nine times in ten, those at 0.85 to 0.90 as often as any two
# images; keeping too much together costs little, splitting twins flatters every score.
THUMBNAIL_PX = 64
MIN_CORRELATION = 0.90


def duplicate_groups(paths: Sequence[Path]) -> NDArray[np.intp]:
    """Return the group of (nearly) equal images that each image belongs to.

    Two images belong together if their 64 × 64 grey thumbnails correlate at 0.90 or more;
    groups are the connected components, so that a chain of similar frames stays whole.

    Parameters
    ----------
    paths : sequence of Path
        Readable image files.

    Returns
    -------
    ndarray of shape (n_images,), int
        Group of each image; an image without a duplicate has a group of its own.
    """
    thumbnails = np.stack([_thumbnail(path) for path in paths])
    similar = thumbnails @ thumbnails.T >= MIN_CORRELATION
    _, groups = connected_components(similar, directed=False)
    return np.asarray(groups, dtype=np.intp)


def nearly_equal(paths: Sequence[Path], others: Sequence[Path]) -> NDArray[np.bool_]:
    """Return which images are (nearly) equal to one of the others.

    Parameters
    ----------
    paths, others : sequence of Path
        Readable image files.

    Returns
    -------
    ndarray of shape (n_paths,), bool
        Whether some thumbnail of `others` correlates with the image's at 0.90 or more.
    """
    known = np.stack([_thumbnail(path) for path in others])
    return np.asarray([(known @ _thumbnail(path) >= MIN_CORRELATION).any() for path in paths])


def _thumbnail(path: Path) -> NDArray[np.float64]:
    """Grey values of zero mean and unit length, so that a product is a correlation."""
    stored, _ = open_image(path)
    small = stored.convert("RGB").convert("L").resize((THUMBNAIL_PX, THUMBNAIL_PX))
    values = np.asarray(small, dtype=np.float64).ravel()
    values -= values.mean()
    length = np.linalg.norm(values)
    return values / length if length > 0 else values
