"""Images of every common kind become the same grey arrays."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from cohorts import BenchmarkError, ImageRecord
from features import decode_image, decode_mask, load_pixels, resize_image

GREY = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) % 256


def save(tmp_path, image: Image.Image, name: str, **options: object):
    path = tmp_path / name
    image.save(path, **options)
    return path


# BMP holds no transparency.
FORMATS = [
    (mode, suffix)
    for mode in ("L", "RGB", "RGBA", "LA", "P")
    for suffix in ("png", "bmp", "tif")
    if (mode, suffix) not in {("LA", "bmp"), ("RGBA", "bmp")}
]


@pytest.mark.parametrize(("mode", "suffix"), FORMATS)
def test_grey_survives_every_mode_and_format(tmp_path, mode, suffix):
    """A grey picture stored as grey, colour, palette or with transparency decodes the same."""
    image = Image.fromarray(GREY.astype(np.uint8)).convert(mode)
    path = save(tmp_path, image, f"image.{suffix}")
    assert (decode_image(path) == GREY).all()


def test_transparency_does_not_hide_pixels(tmp_path):
    """Pixels under full transparency keep their grey value."""
    rgba = np.dstack([GREY.astype(np.uint8)] * 3 + [np.zeros((20, 30), dtype=np.uint8)])
    assert (decode_image(save(tmp_path, Image.fromarray(rgba), "a.png")) == GREY).all()


def test_sixteen_bits_are_scaled_by_their_full_range(tmp_path):
    """16-bit values are divided by 257, so that images of one device keep their relation."""
    deep = (GREY * 257).astype(np.uint16)
    assert (decode_image(save(tmp_path, Image.fromarray(deep), "deep.png")) == GREY).all()


def test_exif_orientation_is_applied(tmp_path):
    """A photograph taken sideways stands upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(GREY.astype(np.uint8))
    path = save(tmp_path, image, "turned.png", exif=exif)
    assert (decode_image(path) == np.rot90(GREY, -1)).all()


def test_masks_are_united(tmp_path):
    """The region is the union of all masks; values above zero are inside."""
    first, second = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    first[2:5, 2:5], second[10:12, 20:25] = 255, 1
    paths = [
        save(tmp_path, Image.fromarray(mask), f"{i}.png") for i, mask in enumerate((first, second))
    ]
    region = decode_mask(ImageRecord(paths[0], tuple(paths)))
    assert (region == ((first > 0) | (second > 0))).all()
    assert decode_mask(ImageRecord(paths[0])) is None


def test_an_unreadable_image_is_named(tmp_path):
    """The error names the file and what to do."""
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    with pytest.raises(BenchmarkError, match=r"broken\.png' cannot be read .* Replace it"):
        decode_image(path)


def test_pixels_of_a_cohort(tmp_path):
    """The first image of each case is resized; a case without one is zeros and marked absent."""
    path = save(tmp_path, Image.fromarray(GREY.astype(np.uint8)), "image.png")
    pixels, present = load_pixels([(ImageRecord(path),), ()], image_size=16)
    assert pixels.shape == (2, 16, 16)
    assert present.tolist() == [True, False]
    assert (pixels[0] == resize_image(decode_image(path), image_size=16)).all()
    assert not pixels[1].any()


def test_a_changed_file_is_read_again(tmp_path):
    """Pixels are remembered by content of the file, not by its name."""
    path = save(tmp_path, Image.fromarray(np.full((8, 8), 10, np.uint8)), "image.png")
    load_pixels([(ImageRecord(path),)], image_size=8)
    save(tmp_path, Image.fromarray(np.full((8, 8), 200, np.uint8)), "image.png")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
    pixels, _ = load_pixels([(ImageRecord(path),)], image_size=8)
    assert (pixels == 200).all()
