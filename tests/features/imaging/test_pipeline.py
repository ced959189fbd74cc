"""The pipeline's steps are switched by its options, and no image breaks it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pydantic import ValidationError

from cohorts import ImageRecord
from features import ImagingOptions, decode_image, find_region, prepare_image
from features.imaging import _pipeline

RAW = ImagingOptions(crop=False, remove_overlays=False)


def store(folder: Path, image: np.ndarray, name: str = "image.png") -> Path:
    path = folder / name
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def framed(tmp_path) -> ImageRecord:
    """Tissue of 100 × 140 in a black frame of 20, with a dark square that is outlined."""
    rng = np.random.default_rng(0)
    image = np.zeros((140, 180), np.uint8)
    image[20:120, 20:160] = rng.integers(90, 150, size=(100, 140))
    image[50:80, 70:110] = rng.integers(20, 50, size=(30, 40))
    mask = np.zeros_like(image)
    mask[50:80, 70:110] = 255
    return ImageRecord(store(tmp_path, image), (store(tmp_path, mask, "mask.png"),))


def test_without_steps_the_file_is_returned(framed):
    """With every step switched off the pixels are those of the file."""
    assert (prepare_image(framed, RAW).grey == decode_image(framed.path)).all()


def test_image_scan_and_outline_share_one_frame(framed):
    """Cropping cuts image, scanned pixels and the expert's mask alike."""
    prepared = prepare_image(framed, ImagingOptions())
    assert prepared.grey.shape == (100, 140)
    assert prepared.scanned.shape == prepared.outlined.shape == prepared.grey.shape
    assert prepared.outlined[30:60, 50:90].all()
    assert prepared.outlined.sum() == 30 * 40
    assert (prepared.grey[prepared.outlined] < 60).all()


def test_the_frame_does_not_depend_on_the_mask(framed):
    """With and without a mask the prepared image is the same: it cannot tell the class."""
    unmasked = ImageRecord(framed.path)
    first, second = (prepare_image(one, ImagingOptions()) for one in (framed, unmasked))
    assert first.frame == second.frame
    assert (first.grey == second.grey).all()
    assert second.outlined is None


def test_regions_say_who_drew_them(framed):
    """Expert, automatic and whole regions carry their origin and confidence."""
    options = ImagingOptions(min_confidence=0.0)
    prepared = prepare_image(framed, options)
    expert, automatic, whole = (
        find_region(prepared, source, options) for source in ("expert", "automatic", "whole")
    )
    assert (expert.origin, expert.confidence) == ("expert", 1.0)
    assert (whole.origin, whole.confidence) == ("whole", 0.0)
    assert (whole.mask == prepared.scanned).all()
    assert automatic.origin == "automatic"
    assert 0 < automatic.confidence < 1
    overlap = (automatic.mask & expert.mask).sum()
    assert 2 * overlap / (automatic.mask.sum() + expert.mask.sum()) > 0.85
    assert find_region(prepare_image(ImageRecord(framed.path), options), "expert", options) is None


def test_too_little_confidence_means_the_whole_area(framed):
    """Below min_confidence the region is all that was scanned, and keeps the confidence."""
    options = ImagingOptions(min_confidence=1.0)
    prepared = prepare_image(framed, options)
    region = find_region(prepared, "automatic", options)
    certain = find_region(prepared, "automatic", ImagingOptions(min_confidence=0.0))
    assert region.origin == "whole"
    assert (region.mask == prepared.scanned).all()
    assert region.confidence == certain.confidence


@pytest.mark.parametrize(
    "changes",
    [{"speckle": "bilateral"}, {"speckle": "nl_means"}, {"speckle": "tv"}, {"clahe": True}],
)
def test_enhancement_is_off_unless_asked_for(framed, changes):
    """Each enhancement changes the image, in place of nothing by default."""
    plain = prepare_image(framed, ImagingOptions())
    enhanced = prepare_image(framed, ImagingOptions(**changes))
    assert enhanced.grey.shape == plain.grey.shape
    assert (enhanced.grey != plain.grey).mean() > 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"clahe_clip": 0.5},
        {"clahe_tiles": 0},
        {"min_confidence": 1.1},
        {"speckle": "median"},
        {"speckle_strength": 0.0},
        {"blur": True},
    ],
)
def test_options_are_checked(wrong):
    """A value out of range and an unknown name are refused."""
    with pytest.raises(ValidationError):
        ImagingOptions(**wrong)


OPTIONS = st.sampled_from(
    [
        ImagingOptions(),
        RAW,
        ImagingOptions(crop=False, min_confidence=0.0),
        ImagingOptions(min_confidence=0.0, speckle="bilateral", clahe=True),
        ImagingOptions(min_confidence=0.0, speckle="nl_means", clahe=True, clahe_tiles=32),
        ImagingOptions(min_confidence=0.0, speckle="tv"),
    ]
)


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 70), st.integers(1, 70)),
        elements=st.sampled_from([0, 1, 3, 90, 200, 255]),
    ),
    OPTIONS,
)
def test_every_image_has_a_region(image, options):
    """Whatever the size and the pixels, preparing works and regions have a pixel at least."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_image(ImageRecord(store(Path(folder), image)), options)
    assert prepared.grey.dtype == np.uint8
    for source in ("automatic", "whole"):
        region = find_region(prepared, source, options)
        assert region.mask.shape == prepared.grey.shape
        assert region.mask.any()
        assert 0 <= region.confidence <= 1


@pytest.mark.parametrize("value", [0, 3, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (64, 64)])
def test_empty_images_have_the_whole_as_region(tmp_path, value, shape):
    """All-black and all-equal images of any shape are prepared unharmed."""
    record = ImageRecord(store(tmp_path, np.full(shape, value, np.uint8)))
    prepared = prepare_image(record, ImagingOptions())
    region = find_region(prepared, "automatic", ImagingOptions())
    assert (prepared.grey == value).all()
    assert region.origin == "whole"
    assert region.mask.all()


def test_coloured_calipers_are_painted_over(tmp_path):
    """A yellow cross on grey tissue is gone; the same file decoded alone still shows it."""
    rng = np.random.default_rng(0)
    rgb = np.repeat(rng.integers(60, 120, size=(120, 120, 1), dtype=np.uint8), 3, axis=2)
    rgb[60, 50:71] = rgb[50:71, 60] = (250, 250, 0)
    path = store(tmp_path, rgb)
    assert decode_image(path)[60, 50:71].min() > 200
    prepared = prepare_image(ImageRecord(path), ImagingOptions())
    assert prepared.grey[60, 50:71].max() < 130


def test_resampling_brings_every_image_to_one_pixel_size(framed):
    """At half the pixel size twice the pixels: image, scan and outline alike, sizes unchanged."""
    record = replace(framed, spacing_mm=0.2)
    before = prepare_image(record, ImagingOptions())
    after = prepare_image(record, ImagingOptions(pixel_mm=0.1))
    assert after.grey.shape == tuple(2 * side for side in before.grey.shape)
    assert after.scanned.shape == after.outlined.shape == after.grey.shape
    assert (before.spacing_mm, after.spacing_mm) == (0.2, 0.1)
    assert after.outlined.sum() == 4 * before.outlined.sum()
    coarse = prepare_image(record, ImagingOptions(pixel_mm=0.4))
    assert coarse.grey.shape == (50, 70)
    # Areas are averaged: shrinking keeps the mean brightness.
    assert abs(float(coarse.grey.mean()) - float(before.grey.mean())) < 1


def test_constants_of_the_segmentation_are_part_of_the_settings(monkeypatch):
    """Other constants are other numbers: no cached one may be taken for them."""
    before = ImagingOptions().settings()
    monkeypatch.setitem(_pipeline.WEIGHTS, "solidity", 0.0)
    assert ImagingOptions().settings() != before
