"""Dark blobs of an ultrasound image, and what tells a lesion among them.

Most breast lesions are darker than the tissue around them, but by how much, and how large they
are, differs too much for one threshold. `dark_blobs` therefore cuts several smoothed views of
an image at many grey levels and returns every blob once. `describe_blobs` gives each one the
numbers that radiologists name as well: size, place, shape, and how sharply and completely its
edge rises above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DESCRIPTORS", "Views", "dark_blobs", "describe_blobs", "make_views"]

Contour = NDArray[np.int32]
Plane = NDArray[np.float32]
Numbers = NDArray[np.float64]

# Longest side in pixels at which blobs are looked for; all lengths below are in these pixels.
WORKING_SIZE = 128

# Edge of the median that takes speckle away, and the widths (standard deviations) of the
# Gaussians after it: a sharp view, a coarse one, and one with the trend over depth removed.
MEDIAN, SHARP, COARSE, LEVELLED, DEPTH_TREND = 5, 1.0, 2.5, 1.5, 12.0

# Shares of the scanned pixels that are darker than each cut.
LEVELS = (0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.20, 0.26, 0.33, 0.41, 0.50)

# Diameters of the openings that part a blob from what it leaks into.
OPENINGS = (3, 7)

# Smallest and largest blob as a share of the scanned area, and the largest share of the width.
MIN_AREA, MAX_AREA, MAX_WIDTH = 0.004, 0.5, 0.95

# Blobs with fewer edge pixels have no shape.
MIN_EDGE = 8

DESCRIPTORS = (
    "log_area",
    "log_area_squared",
    "off_centre",
    "depth",
    "depth_squared",
    "log_aspect_squared",
    "solidity",
    "near_contrast",
    "rising_edge",
    "side_contrast",
    "weaker_side",
    "edge_slope",
    "radial_gradient",
)


@dataclass(frozen=True)
class Views:
    """What blobs are looked for in, at the working size.

    Attributes
    ----------
    scanned : ndarray of shape (height, width), bool
        Pixels of tissue.
    planes : tuple of ndarray of shape (height, width), float32
        Smoothed views, each as the share of scanned pixels that are as dark; 1 outside.
    levels : ndarray of shape (height, width), float32
        Grey values of the sharp view, from 0 (the darkest percent) to 1 (the brightest), on
        which blobs are described; 1 outside.
    """

    scanned: NDArray[np.bool_]
    planes: tuple[Plane, ...]
    levels: Plane


def make_views(grey: NDArray[np.uint8], scanned: NDArray[np.bool_]) -> Views:
    """Reduce an image to the working size and smooth it.

    Cuts are made at ranks, and contrasts measured between the darkest and the brightest
    percent, so that both mean the same at every gain.

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8
    scanned : ndarray of shape (height, width), bool

    Returns
    -------
    Views
    """
    scale = WORKING_SIZE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(grey, size, interpolation=shrink)
    inside = cv2.resize(scanned.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    if not inside.any():
        inside[:] = True
    small[~inside] = round(float(small[inside].mean()))
    calm = cv2.medianBlur(small, MEDIAN).astype(np.float32)
    weight = inside.sum(axis=1, keepdims=True)
    trend = (small * inside).sum(axis=1, keepdims=True) / np.maximum(weight, 1)
    trend = cv2.GaussianBlur(trend.astype(np.float32), (0, 0), DEPTH_TREND).reshape(-1, 1)
    sharp, coarse, level = (_blurred(calm, width) for width in (SHARP, COARSE, LEVELLED))
    planes = (sharp, coarse, level - trend.astype(np.float32))
    return Views(inside, tuple(_ranks(plane, inside) for plane in planes), _levels(sharp, inside))


def dark_blobs(views: Views) -> list[Contour]:
    """Return the outlines of all blobs that are dark at some level of some view.

    Parameters
    ----------
    views : Views

    Returns
    -------
    list of ndarray of shape (n_points, 2), int32
        Columns and rows along each outline; what differs by a pixel or two comes once.
    """
    found: dict[tuple[int, ...], Contour] = {}
    n_scanned, width = int(views.scanned.sum()), views.scanned.shape[1]
    for outline in _cuts(views):
        area = cv2.contourArea(outline) + len(outline) / 2 + 1
        box = cv2.boundingRect(outline)
        fits = MIN_AREA * n_scanned <= area <= MAX_AREA * n_scanned
        if len(outline) >= MIN_EDGE and fits and box[2] <= MAX_WIDTH * width:
            key = (*(value // 2 for value in box), int(8 * np.log(area)))
            found.setdefault(key, outline[:, 0])
    return list(found.values())


def describe_blobs(blobs: Sequence[Contour], views: Views) -> Numbers:
    """Return size, place, shape and edge of each blob.

    Parameters
    ----------
    blobs : sequence of ndarray of shape (n_points, 2), int32
        At least one.
    views : Views

    Returns
    -------
    ndarray of shape (n_blobs, n_descriptors), float64
        In the order of `DESCRIPTORS`. Contrasts are differences of `Views.levels`
        across the edge; the radial gradient is the share of the gradient along the edge that points
        outwards [1]_.

    References
    ----------
    .. [1] Drukker et al. (2002), Med Phys 29(7), the radial gradient index.
    """
    shape = np.asarray([_shape(blob, views) for blob in blobs])
    return np.column_stack([shape, _edges(blobs, views)])


def _blurred(image: Plane, width: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), width), dtype=np.float32)


def _ranks(values: Plane, inside: NDArray[np.bool_]) -> Plane:
    low, high = float(values[inside].min()), float(values[inside].max())
    if high <= low:
        return np.ones_like(values)
    steps = np.clip((values - low) * (1023 / (high - low)), 0, 1023).astype(np.int32)
    counts = np.cumsum(np.bincount(steps[inside], minlength=1024))
    return np.where(inside, (counts / counts[-1])[steps], 1.0).astype(np.float32)


def _levels(values: Plane, inside: NDArray[np.bool_]) -> Plane:
    low, high = np.percentile(values[inside], [1, 99])
    spread = np.clip((values - low) / max(1.0, high - low), 0, 1)
    return np.where(inside, spread, 1.0).astype(np.float32)


def _cuts(views: Views) -> Iterator[Contour]:
    windows = [cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)) for size in OPENINGS]
    for plane in views.planes:
        for level in LEVELS:
            dark = (plane < level).astype(np.uint8)
            for window in windows:
                parted = cv2.morphologyEx(dark, cv2.MORPH_OPEN, window)
                outlines, _ = cv2.findContours(parted, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                yield from (np.asarray(outline, np.int32) for outline in outlines)


def _shape(blob: Contour, views: Views) -> tuple[float, ...]:
    """Size, place and shape, the first seven descriptors."""
    height, width = views.scanned.shape
    area = cv2.contourArea(blob) + len(blob) / 2 + 1
    hull = cv2.convexHull(blob)
    hull_area = cv2.contourArea(hull) + cv2.arcLength(hull, True) / 2 + 1
    column, row = _centre(blob)
    _, _, box_width, box_height = cv2.boundingRect(blob)
    log_area = np.log(area / views.scanned.sum())
    depth = row / height
    return (
        log_area,
        log_area**2,
        abs(column / width - 0.5),
        depth,
        depth**2,
        np.log(box_width / box_height) ** 2,
        min(1.0, area / hull_area),
    )


def _centre(blob: Contour) -> tuple[float, float]:
    moments = cv2.moments(blob)
    if moments["m00"] <= 0:  # a line has no area
        return float(blob[:, 0].mean()), float(blob[:, 1].mean())
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def _edges(blobs: Sequence[Contour], views: Views) -> Numbers:
    """Contrast and slope along the edges of all blobs at once, the last six descriptors."""
    counts = np.asarray([len(blob) for blob in blobs])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    points = np.concatenate(blobs).astype(np.float64)
    normals = _outward(points, starts, counts, blobs)
    plane = views.levels

    def mean(values: Numbers) -> Numbers:
        return np.asarray(np.add.reduceat(values, starts) / counts)

    def mean_where(values: Numbers, chosen: NDArray[np.bool_]) -> Numbers:
        n_chosen = np.maximum(np.add.reduceat(chosen.astype(np.float64), starts), 1)
        return np.asarray(np.add.reduceat(values * chosen, starts) / n_chosen)

    within2, within5 = (_sample(plane, points + d * normals, views)[0] for d in (-2, -5))
    near, near_seen = _sample(plane, points + 2 * normals, views)
    far, far_seen = _sample(plane, points + 5 * normals, views)
    near = np.where(near_seen, near - within2, 0.0)
    # An edge that leaves the image tells nothing: it counts as no contrast.
    far = np.where(far_seen, far - (within2 + within5) / 2, 0.0)
    left, right = (mean_where(far, sign * normals[:, 0] > 0.5) for sign in (-1, 1))
    slope, steepness = _slopes(plane, points, normals)
    return np.column_stack(
        [
            mean(near),
            mean((far > 0.12).astype(np.float64)),
            (left + right) / 2,
            np.minimum(left, right),
            mean(slope),
            mean(slope) / (mean(steepness) + 1e-6),
        ]
    )


def _outward(
    points: Numbers, starts: NDArray[np.intp], counts: NDArray[np.intp], blobs: Sequence[Contour]
) -> Numbers:
    """Return unit normals that point out of the blobs, from the edge three points each way."""
    owner = np.repeat(np.arange(len(counts)), counts)
    place, first, length = np.arange(len(points)) - starts[owner], starts[owner], counts[owner]
    ahead, behind = (points[first + (place + step) % length] for step in (3, -3))
    along = ahead - behind
    normals = np.column_stack([along[:, 1], -along[:, 0]])
    normals /= np.hypot(*normals.T)[:, None] + 1e-6
    outwards = points - np.asarray([_centre(blob) for blob in blobs])[owner]
    inverted = np.add.reduceat((normals * outwards).sum(axis=1), starts) < 0
    return np.asarray(np.where(inverted[owner, None], -normals, normals))


def _sample(plane: Plane, points: Numbers, views: Views) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the nearest values, and whether they lie on scanned pixels."""
    height, width = plane.shape
    columns, rows = np.rint(points).astype(np.intp).T
    seen = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows = np.clip(columns, 0, width - 1), np.clip(rows, 0, height - 1)
    return plane[rows, columns].astype(np.float64), seen & views.scanned[rows, columns]


def _slopes(plane: Plane, points: Numbers, normals: Numbers) -> tuple[Numbers, Numbers]:
    """Return the rise per pixel along the normals, and the steepest rise in any direction."""
    columns, rows = points.astype(np.intp).T
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8)[rows, columns]
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)[rows, columns]
    rise = across * normals[:, 0] + down * normals[:, 1]
    return rise.astype(np.float64), np.hypot(across, down).astype(np.float64)
