"""Cleaning finds what the scanner drew and leaves tissue alone."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cohorts import load_cohort
from features import ImagingOptions, decode_image, decode_mask, prepare_image
from features.imaging import find_overlays, find_scanned, remove_overlays


@pytest.fixture(scope="module")
def demo_images() -> list[np.ndarray]:
    """The 240 images of the demo cohort, which have no overlay."""
    cohort = load_cohort("demo")
    return [decode_image(records[0].path) for records in cohort.images[0].records]


def stamp_text(image: np.ndarray, text: str, *, at: tuple[int, int]) -> np.ndarray:
    stamped = image.copy()
    cv2.putText(stamped, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, 235, 1, cv2.LINE_8)
    return stamped


def stamp_calipers(image: np.ndarray, first: tuple[int, int], second: tuple[int, int]):
    stamped = image.copy()
    for centre in (first, second):
        cv2.drawMarker(stamped, centre, 240, cv2.MARKER_CROSS, 11, 1)
    n_dots = int(np.hypot(*np.subtract(first, second)) / 3)
    for share in np.linspace(0, 1, n_dots):
        column, row = np.rint(np.add(first, share * np.subtract(second, first))).astype(int)
        stamped[row, column] = 240
    return stamped


def share_found(plain: np.ndarray, stamped: np.ndarray) -> float:
    """Of the pixels that the stamp changed clearly."""
    drawn = stamped.astype(int) - plain > 20
    found = find_overlays(stamped, np.ones(stamped.shape, dtype=bool))
    return float((found & drawn).sum() / drawn.sum())


def test_tissue_without_overlays_is_left_alone(demo_images):
    """Of 240 images without overlays none changes by 0.5 % of its pixels, and most by none."""
    changed = []
    for image in demo_images:
        scanned = find_scanned(image)
        cleaned = remove_overlays(image, find_overlays(image, scanned))
        changed.append(float((cleaned != image).mean()))
    assert max(changed) < 0.005
    assert np.mean(np.asarray(changed) == 0) > 0.95


@pytest.mark.parametrize("text", ["RT AXILLA", "LEFT BREAST", "L LOQ 9"])
def test_text_in_tissue_is_found(demo_images, text):
    """At least 80 % of the pixels of a label are found, wherever it stands."""
    places = [(15, 60), (60, 120), (100, 160), (20, 200)]
    shares = [
        share_found(image, stamp_text(image, text, at=place))
        for image, place in zip(demo_images[::30], places * 2, strict=True)
    ]
    assert np.mean(shares) >= 0.8


def test_calipers_and_their_dots_are_found(demo_images):
    """At least 80 % of the pixels of two crosses and the dotted line between them are found."""
    ends = [((70, 90), (150, 100)), ((110, 60), (112, 140)), ((60, 60), (130, 130))]
    shares = [
        share_found(image, stamp_calipers(image, *pair))
        for image, pair in zip(demo_images[:60:10], ends * 2, strict=True)
    ]
    assert np.mean(shares) >= 0.8


def test_painting_over_restores_the_surroundings(demo_images):
    """The painted image is closer to the one before the stamp than the stamped one is."""
    plain = demo_images[0]
    stamped = stamp_text(plain, "RIGHT BREAST", at=(40, 110))
    found = find_overlays(stamped, np.ones(stamped.shape, dtype=bool))
    painted = remove_overlays(stamped, found)
    drawn = stamped != plain

    def distance(image: np.ndarray) -> float:
        return float(np.abs(image[drawn].astype(float) - plain[drawn]).mean())

    assert distance(painted) < 0.4 * distance(stamped)
    assert (painted[~found] == stamped[~found]).all()


def test_coloured_marks_are_found_and_coloured_images_are_not_marks():
    """A few saturated pixels are a marker; an image that is coloured throughout is not."""
    grey = np.full((64, 64), 90, np.uint8)
    everywhere = np.ones(grey.shape, dtype=bool)
    colour = np.zeros_like(grey)
    colour[30:33, 20:40] = 200
    found = find_overlays(grey, everywhere, colour)
    assert found[30:33, 20:40].all()
    assert found.sum() < 2 * 60 + 60
    assert not find_overlays(grey, everywhere, np.full_like(grey, 200)).any()


def test_the_frame_is_told_from_the_scan():
    """A black frame and panel text in it lie outside; a black cyst at the edge lies inside."""
    rng = np.random.default_rng(0)
    image = np.zeros((200, 300), np.uint8)
    image[30:180, 60:260] = rng.integers(40, 160, size=(150, 200))
    image[60:100, 60:100] = 0
    image = stamp_text(image, "12 Hz", at=(5, 20))
    scanned = find_scanned(image)
    assert scanned[30:180, 60:260].all()
    assert scanned.sum() < 1.05 * 150 * 200


def test_a_sector_is_kept_whole():
    """Of a convex array's sector every pixel is scanned, and nearly nothing of its corners."""
    sector = np.zeros((300, 400), np.uint8)
    cv2.fillConvexPoly(sector, np.asarray([[150, 5], [250, 5], [380, 280], [20, 280]]), 1)
    image = sector * np.random.default_rng(1).integers(30, 200, sector.shape).astype(np.uint8)
    scanned = find_scanned(image)
    assert scanned[sector > 0].mean() > 0.999
    assert scanned[sector == 0].mean() < 0.05


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.sampled_from([0, 1, 128, 255]),
    )
)
def test_any_image_can_be_cleaned(image):
    """Whatever the pixels: something is scanned, the shape stays, the rest is untouched."""
    scanned = find_scanned(image)
    found = find_overlays(image, scanned)
    cleaned = remove_overlays(image, found)
    assert scanned.any()
    assert scanned.shape == found.shape == cleaned.shape == image.shape
    assert (cleaned[~found] == image[~found]).all()


@pytest.mark.parametrize("name", ["busi", "breast"])
def test_the_frame_cuts_no_outlined_lesion(name):
    """On published images the frame, which knows no mask, cuts at most a trace of one."""
    data = os.environ.get("SONOBENCH_DATA")
    if not data:
        pytest.skip("SONOBENCH_DATA is not set")
    cohort = load_cohort(name, Path(data) / name)
    for record, *_ in cohort.images[0].records[::4]:
        if record.masks:
            outlined = prepare_image(record, ImagingOptions()).outlined
            assert outlined is not None
            assert outlined.sum() >= 0.99 * decode_mask(record).sum()
