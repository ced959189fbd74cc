"""Automatic masks agree with experts, and their confidence knows when."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from cohorts import load_cohort
from features import ImagingOptions, find_region, prepare_image
from features.imaging import segment_lesion

ALWAYS = ImagingOptions(min_confidence=0.0)


def phantom(*, centre: tuple[int, int], radius: int, size: int = 200, seed: int = 0):
    """Speckle with one dark disc."""
    rng = np.random.default_rng(seed)
    level = np.full((size, size), 130.0)
    disc = np.zeros((size, size), np.uint8)
    cv2.circle(disc, centre, radius, 1, -1)
    level[disc > 0] = 40
    speckle = cv2.GaussianBlur(rng.rayleigh(0.8, (size, size)), (0, 0), 1.0)
    return np.clip(level * speckle, 0, 255).astype(np.uint8), disc > 0


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize(("radius", "least"), [(12, 0.7), (25, 0.85), (45, 0.9)])
@pytest.mark.parametrize("centre", [(100, 80), (70, 100), (125, 110)])
def test_a_dark_disc_is_found(radius, least, centre):
    """One dark disc in speckle is outlined and with confidence, the larger the better."""
    image, disc = phantom(centre=centre, radius=radius)
    found = segment_lesion(image, np.ones(image.shape, dtype=bool))
    assert found is not None
    assert dice(found[0], disc) > least
    assert found[1] > 0.5


def test_a_larger_image_has_the_same_mask():
    """Doubling the pixels changes neither the outline nor the confidence by much."""
    image, _ = phantom(centre=(100, 90), radius=30)
    twice = cv2.resize(image, (400, 400), interpolation=cv2.INTER_LINEAR)
    small = segment_lesion(image, np.ones(image.shape, dtype=bool))
    large = segment_lesion(twice, np.ones(twice.shape, dtype=bool))
    assert dice(large[0][::2, ::2], small[0]) > 0.95
    assert abs(large[1] - small[1]) < 0.1


def test_gain_does_not_move_the_outline():
    """Grey values enter by rank: half the gain gives the same region."""
    image, _ = phantom(centre=(100, 90), radius=30)
    everywhere = np.ones(image.shape, dtype=bool)
    bright, dim = (segment_lesion(one, everywhere) for one in (image, image // 2))
    assert dice(bright[0], dim[0]) > 0.95


def test_where_nothing_is_dark_nothing_is_found():
    """An image of one grey value has no lesion."""
    flat = np.full((80, 60), 90, np.uint8)
    assert segment_lesion(flat, np.ones(flat.shape, dtype=bool)) is None


def test_the_mask_stays_within_the_scan():
    """No pixel of the frame is part of a lesion, even if the lesion touches it."""
    image, _ = phantom(centre=(100, 100), radius=40)
    scanned = np.zeros(image.shape, dtype=bool)
    scanned[:, 90:] = True
    found = segment_lesion(np.where(scanned, image, 0).astype(np.uint8), scanned)
    assert found is not None
    assert not (found[0] & ~scanned).any()


def test_the_number_of_threads_changes_nothing():
    """The mask, its confidence and the cleaned image are the same on one thread and on more."""
    image, _ = phantom(centre=(90, 90), radius=25)
    everywhere = np.ones(image.shape, dtype=bool)
    before = cv2.getNumThreads()
    results = []
    try:
        for n_threads in (1, 4):
            cv2.setNumThreads(n_threads)
            results.append(segment_lesion(image, everywhere))
    finally:
        cv2.setNumThreads(before)
    assert (results[0][0] == results[1][0]).all()
    assert results[0][1] == results[1][1]


def agreement(records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dice, confidence and Dice of the whole area of every outlined record."""
    rows = []
    for record in records:
        prepared = prepare_image(record, ALWAYS)
        outlined, region = prepared.outlined, find_region(prepared, "automatic", ALWAYS)
        if outlined is not None:
            whole = dice(prepared.scanned, outlined)
            rows.append((dice(region.mask, outlined), region.confidence, whole))
    return tuple(np.asarray(rows).T)


def test_simulated_lesions_are_found():
    """On the demo cohort the median Dice is above 0.7, the whole image's below 0.2."""
    records = [record for (record,) in load_cohort("demo").images[0].records[::3]]
    found, _, whole = agreement(records)
    assert np.median(found) > 0.7
    assert np.median(whole) < 0.2


@pytest.mark.parametrize(("name", "least"), [("busi", 0.68), ("breast", 0.72)])
def test_experts_agree_and_confidence_knows_when(name, least):
    """On published images the median Dice and its rank correlation with confidence hold."""
    data = os.environ.get("SONOBENCH_DATA")
    if not data:
        pytest.skip("SONOBENCH_DATA is not set")
    cohort = load_cohort(name, Path(data) / name)
    found, confidence, _ = agreement([record for (record,) in cohort.images[0].records[::3]])
    assert np.median(found) > least
    assert spearmanr(confidence, found).statistic > 0.5
