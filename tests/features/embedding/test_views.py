"""A backbone is shown the image, or the square around its region, and perhaps its mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from features.embedding import EmbeddingOptions, _views, make_views
from features.embedding._views import crop_square
from features.imaging import ImagingOptions, Region

SIZE = EmbeddingOptions(image_size=32)


@given(
    shape=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    margin=st.floats(0, 1),
)
def test_a_crop_is_square_and_holds_the_region(shape, corners, margin):
    """Wherever the region is, all of it is in the crop, which is as large as the margin says."""
    rows, columns = (
        sorted(int(share * (length - 1)) for share in pair)
        for length, pair in zip(shape, (corners[:2], corners[2:]), strict=True)
    )
    mask = np.zeros(shape, dtype=bool)
    mask[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = True
    image = mask * np.uint8(7)
    crop = crop_square(image, mask, margin=margin)
    longest = max(rows[1] - rows[0], columns[1] - columns[0]) + 1
    assert crop.shape == (len(crop), len(crop))
    assert len(crop) == pytest.approx(longest * (1 + 2 * margin), abs=1)
    assert (crop == 7).sum() == mask.sum()


def test_where_a_crop_lies():
    """Centred in the open, moved inwards at the border, black where the image ends."""
    image = np.arange(100, dtype=np.uint8).reshape(10, 10) + 1

    def crop(rows: slice, columns: slice, margin: float) -> np.ndarray:
        mask = np.zeros((10, 10), dtype=bool)
        mask[rows, columns] = True
        return crop_square(image, mask, margin=margin)

    assert (crop(slice(4, 6), slice(5, 7), 0.5) == image[3:7, 4:8]).all()
    assert (crop(slice(0, 2), slice(8, 10), 0.5) == image[0:4, 6:10]).all()
    wide = crop_square(image[:4], np.ones((4, 10), dtype=bool), margin=0)
    assert (wide[3:7] == image[:4]).all()
    assert not wide[:3].any()
    assert not wide[7:].any()


def test_a_mirror_is_the_image_seen_from_behind(small_cohort):
    """The second view is the first, left and right exchanged."""
    (record,) = small_cohort.images[0].records[0]
    views = make_views(record, replace(SIZE, flip_average=True), ImagingOptions())
    assert (views.pixels[1] == views.pixels[0][:, ::-1]).all()
    assert make_views(record, SIZE, ImagingOptions()).pixels.shape == (1, 32, 32)


@pytest.mark.parametrize(("origin", "is_cropped"), [("automatic", True), ("whole", False)])
def test_only_a_confident_region_is_cropped_to(small_cohort, monkeypatch, origin, is_cropped):
    """A region that was found is enlarged to the whole input; else the image stays whole."""
    (record,) = small_cohort.images[0].records[0]
    mask = np.zeros((32, 32), dtype=bool)
    mask[10:20, 5:12] = True
    monkeypatch.setattr(_views, "find_region", lambda *_: Region(mask, origin, 0.9))
    options = replace(SIZE, region_crop=True, crop_margin=0.0)
    views = make_views(record, options, ImagingOptions())
    stored = np.asarray(Image.open(record.path))
    whole = make_views(record, SIZE, ImagingOptions()).pixels[0]
    assert (whole == stored).all()
    enlarged = Image.fromarray(stored[10:20, 3:13]).resize((32, 32), Image.Resampling.BILINEAR)
    expected = np.asarray(enlarged) if is_cropped else whole
    assert (views.pixels[0] == expected).all()
    assert views.is_cropped is is_cropped
