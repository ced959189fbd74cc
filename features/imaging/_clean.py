"""Cleaning: what the scanner drew around and over the tissue.

Two steps, both blind to masks and labels. `find_scanned` tells the scanned area from the black
frame and from panel text beside it. `find_overlays` finds what is burned into the tissue
itself (text, calipers with their dotted lines, icons), and `remove_overlays` paints it over
from its surroundings.

Burned-in strokes are drawn after scan conversion, so they have what tissue lacks: a jump from
dark to bright within a pixel or two, sideways as well as in depth, whereas echoes are smeared
by the beam sideways. A white top-hat along rows therefore answers to strokes and hardly to
tissue. Where a file holds colour, small saturated areas are overlays too.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["find_overlays", "find_scanned", "remove_overlays"]

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Grey values up to this are blank: JPEG leaves a little noise in a black frame.
BLANK = 2

# Longest side in pixels at which the frame is looked for, and that lengths below refer to.
FRAME_SIZE = 256

# Everything of the scan that is not blank, as a share of the image; panel text is smaller.
MIN_SCAN_SHARE = 0.02

# A drawn stroke: height over the tissue beside it, least grey value, rise within two pixels,
# and fewest of its kind in a neighbourhood at 256 px, where stray echoes stand alone. The
# second kind stands on bright tissue, and must be bright and in more company.
STROKES = ((100, 0, 80, 6), (55, 200, 45, 12))

# Height of the paler rim of a stroke, at most, and as a share of the stroke's own.
RIM_HEIGHT, RIM_SHARE = 50, 0.5

# Height of a dotted line between two calipers over the lines beside it, in grey values.
DOTTED_HEIGHT = 15

# Height of the faintest arm of a cross, and how many of the clearest crosses are looked at.
CROSS_HEIGHT, MAX_CROSSES = 17, 10

# Distance between the largest and the smallest channel of a coloured pixel, and the largest
# coloured share of an image: beyond it is colour Doppler or a tinted image, no marker.
SATURATED, MAX_COLOURED_SHARE = 60, 0.03


def find_scanned(grey: Grey) -> Mask:
    """Tell the scanned area from the frame.

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8

    Returns
    -------
    ndarray of shape (height, width), bool
        The convex hull of what is not blank, without small separate parts such as panel
        text: transducers scan convex areas, and a cyst or a shadow that is black to the edge
        stays inside. Everything where nothing stands out.
    """
    small, scale = _reduced(grey)
    content = (small > BLANK).astype(np.uint8)
    if content.all():
        return np.ones(grey.shape, dtype=bool)
    window = np.ones((_scaled(small, 7),) * 2, np.uint8)
    closed = cv2.morphologyEx(content, cv2.MORPH_CLOSE, window)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, window)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(opened)
    large = stats[:, cv2.CC_STAT_AREA] >= MIN_SCAN_SHARE * small.size
    large[0] = False
    if not large.any():
        return np.ones(grey.shape, dtype=bool)
    return _hull(large[parts], scale, grey.shape)


def find_overlays(grey: Grey, scanned: Mask, colour: Grey | None = None) -> Mask:
    """Find burned-in text, calipers, lines and icons.

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8
    scanned : ndarray of shape (height, width), bool
        Where to look; its rim is left alone.
    colour : ndarray of shape (height, width), uint8, optional
        Distance between the largest and the smallest of red, green and blue.

    Returns
    -------
    ndarray of shape (height, width), bool
        Strokes with a rim of a pixel.
    """
    across, along = _top_hats(grey)
    lines, ends = _calipers(across, along, scanned)
    found = lines | _grown(_drawn_strokes(grey, across, scanned, ends), grey, across, along)
    if colour is not None:
        found |= _coloured(colour)
    if not found.any():
        return found
    return cv2.dilate(found.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def remove_overlays(grey: Grey, overlays: Mask) -> Grey:
    """Paint over what was found, from its surroundings (Telea 2004, J Graph Tools 9(1)).

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8
    overlays : ndarray of shape (height, width), bool

    Returns
    -------
    ndarray of shape (height, width), uint8
        A copy; unchanged outside `overlays`.
    """
    if not overlays.any() or overlays.all():
        return grey.copy()
    painted = cv2.inpaint(grey, overlays.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.asarray(painted, dtype=np.uint8)


def _reduced(grey: Grey) -> tuple[Grey, float]:
    """Return the image at `FRAME_SIZE` at most, and how much larger the original is."""
    scale = max(1.0, max(grey.shape) / FRAME_SIZE)
    if scale == 1.0:
        return grey, scale
    size = (max(1, round(grey.shape[1] / scale)), max(1, round(grey.shape[0] / scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _hull(content: Mask, scale: float, shape: tuple[int, ...]) -> Mask:
    """Return the convex hull of `content`, enlarged to `shape`."""
    outlines, _ = cv2.findContours(
        content.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    points = np.concatenate(outlines)[:, 0].astype(np.float32)
    # Enlarged, a pixel covers several: the first and the last of them bound the hull.
    spread = np.asarray([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32) * (scale - 1)
    corners = (points[:, None] * scale + spread).reshape(-1, 2)
    hull = cv2.convexHull(corners.astype(np.float32))[:, 0]
    last = np.asarray([shape[1] - 1, shape[0] - 1])
    drawn = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(drawn, np.clip(np.rint(hull), 0, last).astype(np.int32), 1)
    return drawn.astype(bool)


def _scaled(image: NDArray[Any], size: int) -> int:
    """Return an odd length that is `size` in an image of 256 pixels, at least 3."""
    return max(3, round(size * int(max(image.shape)) / FRAME_SIZE) | 1)


def _top_hats(grey: Grey) -> tuple[Grey, Grey]:
    """Return the height of each pixel over its surroundings along its row and its column."""
    size = _scaled(grey, 7)
    across = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((1, size), np.uint8))
    along = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((size, 1), np.uint8))
    return np.asarray(across, np.uint8), np.asarray(along, np.uint8)


def _drawn_strokes(grey: Grey, across: Grey, scanned: Mask, ends: Mask) -> Mask:
    """Pixels of upright strokes: high over their row, sharp, and in company or part of a cross."""
    rise = cv2.subtract(grey, cv2.erode(grey, np.ones((1, 5), np.uint8)))
    inner: Mask | None = None
    found = np.zeros(grey.shape, dtype=bool)
    for height, least, edge, needed in STROKES:
        strokes = (across >= height) & (grey >= least) & (rise >= edge)
        if strokes.any():
            inner = _inner(scanned) if inner is None else inner
            strokes &= inner
            found |= strokes & (_in_company(strokes, needed) | ends)
    return np.asarray(found)


def _inner(scanned: Mask) -> Mask:
    """Leave out the rim of the scan, which is a sharp edge that nobody drew."""
    framed = cv2.copyMakeBorder(scanned.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    margin = np.ones((3, _scaled(scanned, 5)), np.uint8)
    return np.asarray(cv2.erode(framed, margin)[1:-1, 1:-1] > 0)


def _in_company(strokes: Mask, needed: int) -> Mask:
    """Where strokes cluster: letters stand beside letters, stray echoes alone."""
    box = (_scaled(strokes, 25), _scaled(strokes, 15))
    company = cv2.boxFilter(strokes.astype(np.float32), -1, box, normalize=False)
    least = needed * max(1.0, max(strokes.shape) / FRAME_SIZE)
    return np.asarray(company >= least - 0.5)


def _grown(strokes: Mask, grey: Grey, across: Grey, along: Grey) -> Mask:
    """Whole glyphs: what is high over its row or column, and bright, close to a stroke."""
    if not strokes.any():
        return strokes
    window = np.ones((_scaled(grey, 7),) * 2, np.uint8)
    near = cv2.dilate(strokes.astype(np.uint8), window).astype(bool)
    least = np.minimum(RIM_HEIGHT, RIM_SHARE * _mean_around(across, strokes))
    bright = grey >= 0.6 * _mean_around(grey, strokes)
    dotted = np.minimum(across, along) >= RIM_HEIGHT
    drawn = bright & (np.maximum(across, along) >= least)
    return np.asarray(strokes | (near & (dotted | drawn)))


def _mean_around(values: Grey, strokes: Mask) -> NDArray[np.float32]:
    """Return the mean of the strokes around each pixel, zero where there is none."""
    box = (_scaled(strokes, 11),) * 2
    weight = strokes.astype(np.float32)
    total = cv2.boxFilter(values * weight, -1, box, normalize=False)
    n_around = cv2.boxFilter(weight, -1, box, normalize=False)
    return np.asarray(total / np.maximum(n_around, 1), np.float32)


def _calipers(across: Grey, along: Grey, scanned: Mask) -> tuple[Mask, Mask]:
    """Return dotted lines and the crosses at their ends, and the surroundings of the crosses."""
    lines, ends = np.zeros(scanned.shape, np.uint8), np.zeros(scanned.shape, np.uint8)
    dots, shortest = np.minimum(across, along), 0.04 * max(scanned.shape)
    for first, second in combinations(_crosses(across, along, scanned), 2):
        if np.hypot(*(first - second)) >= shortest and _is_dotted(dots, first, second):
            start, end = (tuple(int(v) for v in np.rint(one)) for one in (first, second))
            cv2.line(lines, start, end, 1, 1)
            for centre in (start, end):
                cv2.circle(ends, centre, _scaled(dots, 7), 1, -1)
    drawn = lines.astype(bool) | (ends & (np.maximum(across, along) >= RIM_HEIGHT)).astype(bool)
    return drawn, ends.astype(bool)


def _crosses(across: Grey, along: Grey, scanned: Mask) -> NDArray[np.float64]:
    """Centres (x, y) of plus signs, clearest first."""
    clear = np.where(scanned, _clearest_arm(across, along), 0)
    n_found, parts, _, centres = cv2.connectedComponentsWithStats(
        (clear >= CROSS_HEIGHT).astype(np.uint8)
    )
    clearest = np.zeros(n_found)
    labelled = np.asarray(parts, np.intp)
    np.maximum.at(clearest, labelled[labelled > 0], clear[labelled > 0])
    order = 1 + np.argsort(-clearest[1:], kind="stable")[:MAX_CROSSES]
    return np.asarray(centres[order], dtype=np.float64)


def _clearest_arm(across: Grey, along: Grey) -> Grey:
    """Height of the faintest of four strokes that lead away from each pixel."""
    # The centre itself is high over neither its row nor its column.
    start, length = _scaled(across, 3) - 1, _scaled(across, 3)
    reach = start + length - 1
    up = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    up[:length, reach] = 1
    # Strokes of two pixels have no middle: either will do.
    upright = cv2.dilate(across, np.ones((1, 3), np.uint8))
    level = cv2.dilate(along, np.ones((3, 1), np.uint8))
    arms = [cv2.erode(upright, arm) for arm in (up, up[::-1].copy())]
    arms += [cv2.erode(level, arm) for arm in (up.T.copy(), up.T[:, ::-1].copy())]
    return np.asarray(np.minimum.reduce(arms), np.uint8)


def _is_dotted(dots: Grey, first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether the line between two points stands out against those 4 and 6 pixels beside it."""
    length = np.hypot(*(second - first))
    normal = np.asarray([first[1] - second[1], second[0] - first[0]]) / length
    # The ends are the calipers themselves.
    stretch = np.linspace(0.12, 0.88, max(8, int(length)))[:, None]
    offsets = np.asarray([-1, 0, 1, -6, -4, 4, 6])[:, None, None]
    points = np.rint(first + stretch * (second - first) + offsets * normal).astype(int)
    columns = np.clip(points[..., 0], 0, dots.shape[1] - 1)
    rows = np.clip(points[..., 1], 0, dots.shape[0] - 1)
    heights = dots[rows, columns].mean(axis=1)
    return bool(heights[:3].max() >= heights[3:].max() + DOTTED_HEIGHT)


def _coloured(colour: Grey) -> Mask:
    """Saturated pixels, unless there are so many that the image itself is coloured."""
    saturated = colour >= SATURATED
    return saturated if saturated.mean() <= MAX_COLOURED_SHARE else np.zeros_like(saturated)
