"""Is an image like those a model was trained on? A distance, and the distance that is usual.

Each image is described by a few plain numbers: how its grey values are spread, how bright each
part of it is, how much detail it has at each scale and in which direction, and its shape. Where
these lie far from those of the training images, whatever the model says of the image is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import GroupKFold

from cohorts import ImageRecord
from features._cache import FeatureCache
from features._per_image import extract_records
from features.imaging import ImagingOptions, PreparedImage, prepare_image

__all__ = ["DESCRIPTORS", "ImageNovelty", "describe_images"]

Array = NDArray[np.float64]

# Part of the cache key; a change that alters numbers raises it.
VERSION = 1

BATCH_SIZE = 32

# Edge in pixels at which an image is looked at; detail of the file itself is measured before.
SIZE = 128

QUANTILES = (1, 5, 25, 50, 75, 95, 99)

# Gaussian widths in pixels; detail of a scale is what one blur keeps and the next loses.
WIDTHS = (0.0, 1.0, 2.0, 4.0, 8.0)

N_BLOCKS = 4
BLANK, SATURATED = 2, 250

# Added before a logarithm, so that an image without any detail has a finite lack of it.
FLAT = 0.005

DESCRIPTORS = (
    *(f"grey_p{q}" for q in QUANTILES),
    "grey_sd",
    "share_blank",
    "share_saturated",
    *(f"detail_{width:g}px" for width in WIDTHS[1:]),
    "detail_of_file",
    "across_over_along",
    "across_over_along_coarse",
    *(f"block_{row}{column}" for row in range(N_BLOCKS) for column in range(N_BLOCKS)),
    "share_scanned",
    "aspect",
)

# Distances are cross-fitted in this many folds; the share of training images beyond the
# threshold is what is left above the quantile.
N_FOLDS = 10
USUAL = 0.99

# With fewer images a quantile of that kind is a matter of chance.
FEWEST_IMAGES = 30

# Scatter is judged by the middle of a descriptor's values and by nearly all of them, whichever is
# wider: shares of blank pixels are the same in most images, and not strange where they are not.
# Each pair of quantiles comes with its distance for a normal variable of scatter 1.
SPREADS = ((0.25, 0.75, 1.349), (0.02, 0.98, 4.107))

# In the units of the descriptors, the least scatter of one that hardly differs.
LEAST_SCALE = 0.01

# Added to every variance, so that images that are all alike have a covariance to invert.
RIDGE = 1e-3

# Scores beyond this count as this when the covariance is learnt, so that no outlier shapes it.
LARGEST_SCORE = 6.0


@dataclass(frozen=True)
class ImageNovelty:
    """What the training images of one modality look like, as plain numbers.

    Attributes
    ----------
    centre, scale : ndarray of shape (n_descriptors,)
        Median, and distance of quantiles scaled to a standard deviation.
    covariance : ndarray of shape (n_descriptors, n_descriptors)
        Of the robust scores, shrunken [1]_.
    threshold : float or None
        The 99th percentile of the distances of training images under models of the others;
        None where there were too few images for one.
    n_images : int
        Training images.

    References
    ----------
    .. [1] Ledoit & Wolf (2004), A well-conditioned estimator for large-dimensional covariance
       matrices, Journal of Multivariate Analysis 88(2).
    """

    centre: Array
    scale: Array
    covariance: Array
    threshold: float | None
    n_images: int

    @classmethod
    def fit(cls, descriptors: ArrayLike, groups: Sequence[Any]) -> ImageNovelty:
        """Learn what is usual.

        Parameters
        ----------
        descriptors : array-like of shape (n_images, n_descriptors)
            Of the training images, as `describe_images` returns them.
        groups : sequence of shape (n_images,)
            Patient of each image; the distance of an image is never measured from its twin.
        """
        values = np.asarray(descriptors, dtype=np.float64)
        whole = cls(*_location(values), None, len(values))
        n_groups = len(set(groups))
        if min(n_groups, len(values)) < FEWEST_IMAGES:
            return whole
        held_out = np.empty(len(values))
        for train, test in GroupKFold(min(N_FOLDS, n_groups)).split(values, groups=groups):
            part = cls(*_location(values[train]), None, len(train))
            held_out[test] = part.distances(values[test])
        threshold = float(np.quantile(held_out, USUAL))
        return cls(whole.centre, whole.scale, whole.covariance, threshold, len(values))

    def distances(self, descriptors: ArrayLike) -> Array:
        """Return the Mahalanobis distance of each image, of shape (n_images,)."""
        scores = (np.asarray(descriptors, dtype=np.float64) - self.centre) / self.scale
        return np.asarray(
            np.sqrt(np.einsum("ij,ji->i", scores, np.linalg.solve(self.covariance, scores.T)))
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "version": VERSION,
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "covariance": self.covariance.tolist(),
            "threshold": self.threshold,
            "n_images": self.n_images,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ImageNovelty | None:
        """Build what `to_dict` has written; None where images were described otherwise then."""
        if plain["version"] != VERSION:
            return None
        return cls(
            np.asarray(plain["centre"]),
            np.asarray(plain["scale"]),
            np.asarray(plain["covariance"]),
            plain["threshold"],
            plain["n_images"],
        )


def describe_images(
    records: Sequence[ImageRecord], imaging: ImagingOptions, *, cache: FeatureCache
) -> Array:
    """Return the descriptors of every image, after the steps that every image goes through.

    Parameters
    ----------
    records : sequence of ImageRecord
        Images.
    imaging : ImagingOptions
        The steps.
    cache : FeatureCache
        Where the numbers of an image are kept.

    Returns
    -------
    ndarray of shape (n_images, n_descriptors)
        In the order of `DESCRIPTORS`.
    """
    # What looks different here is to be the image, not its outline.
    bare = [
        ImageRecord(one.path, spacing_mm=one.spacing_mm, size_px=one.size_px) for one in records
    ]
    numbers = extract_records(
        bare,
        partial(_describe_all, imaging=imaging),
        extractor="novelty",
        settings={"version": VERSION, "imaging": imaging.settings()},
        cache=cache,
        batch_size=BATCH_SIZE,
        progress=False,
    )
    return numbers if len(numbers) else np.empty((0, len(DESCRIPTORS)))


def _describe_all(records: Sequence[ImageRecord], *, imaging: ImagingOptions) -> Array:
    return np.asarray([_describe(prepare_image(record, imaging)) for record in records])


def _describe(image: PreparedImage) -> list[float]:
    """All numbers of one image; grey values from 0 to 1."""
    height, width = image.grey.shape
    own = image.grey.astype(np.float32) / 255
    small = np.asarray(cv2.resize(own, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)
    inside = own[image.scanned]
    levels = image.grey[image.scanned]
    edge = SIZE // N_BLOCKS
    blocks = small.reshape(N_BLOCKS, edge, N_BLOCKS, edge).mean(axis=(1, 3))
    return [
        *np.percentile(inside, QUANTILES).tolist(),
        float(inside.std()),
        float((levels <= BLANK).mean()),
        float((levels >= SATURATED).mean()),
        *_detail(small),
        float(np.log(FLAT + cv2.Laplacian(own, cv2.CV_32F).std())),
        _direction(small),
        _direction(_blurred(small, WIDTHS[2])),
        *blocks.ravel().tolist(),
        float(image.scanned.mean()),
        float(np.log(width / height)),
    ]


def _detail(image: NDArray[np.floating]) -> list[float]:
    """Return the logarithm of how much an image varies within each band of scales."""
    blurred = [_blurred(image, width) for width in WIDTHS]
    bands = (fine - coarse for fine, coarse in pairwise(blurred))
    return [float(np.log(FLAT + band.std())) for band in bands]


def _blurred(image: NDArray[np.floating], width: float) -> NDArray[np.floating]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), width)) if width else image


def _direction(image: NDArray[np.floating]) -> float:
    """Compare changes across and along the beam: echoes are smeared across it."""
    across, along = (np.abs(np.diff(image, axis=axis)).mean() for axis in (1, 0))
    return float(np.log((FLAT + across) / (FLAT + along)))


def _location(values: Array) -> tuple[Array, Array, Array]:
    """Return centre, scale, and the shrunken covariance of the robust scores."""
    centre = np.median(values, axis=0)
    spreads = [
        np.subtract(*np.quantile(values, (high, low), axis=0)) / of_normal
        for low, high, of_normal in SPREADS
    ]
    scale = np.maximum(np.max(spreads, axis=0), LEAST_SCALE)
    scores = np.clip((values - centre) / scale, -LARGEST_SCORE, LARGEST_SCORE)
    covariance = np.asarray(LedoitWolf(assume_centered=True).fit(scores).covariance_)
    return centre, scale, covariance + RIDGE * np.eye(len(centre))
