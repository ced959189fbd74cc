"""DICOM images are read as a viewer shows them, with the size of their pixels."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid

from cohorts import BenchmarkError, load_cohort
from cohorts._dicom import is_dicom, read_dicom
from cohorts._image_files import read_image_record
from features import decode_image

RAMP = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)


def write(path: Path, pixels: np.ndarray, **values: Any) -> Path:
    """Write a small uncompressed file; `values` are attributes that it has beside pixels."""
    coloured = pixels.ndim >= 3 and pixels.shape[-1] == 3
    bits = 8 * pixels.dtype.itemsize
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    dataset.Modality = "US"
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    if pixels.ndim - coloured == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if coloured else pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def region(delta_x: float, delta_y: float, *, width: int, **values: int) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat = values.get("spatial_format", 1)
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = values.get("units", 3)
    item.PhysicalDeltaX, item.PhysicalDeltaY = delta_x, delta_y
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = width, 10
    return item


def test_eight_bit_grey_is_unchanged(tmp_path):
    """Without rescale and window the stored 8-bit values are the grey values."""
    assert (decode_image(write(tmp_path / "a.dcm", RAMP)) == RAMP).all()


def test_monochrome1_is_inverted(tmp_path):
    """Where the smallest value is white, dark and bright are exchanged."""
    path = write(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    assert (decode_image(path) == 255 - RAMP).all()


def test_sixteen_bits_are_scaled_by_the_bits_stored(tmp_path):
    """12 bits stored in 16 reach from 0 to 4095, whatever the image uses of them."""
    deep = (RAMP.astype(np.uint16) * 16).astype(np.uint16)
    path = write(tmp_path / "a.dcm", deep, BitsStored=12, HighBit=11)
    expected = np.round(deep * 255.0 / 4095)
    assert (decode_image(path) == expected).all()


def test_window_and_rescale_are_applied(tmp_path):
    """After the rescale the window runs from black to white (PS3.3, C.11.2.1.2)."""
    stored = np.asarray([[0, 100, 150, 200, 1000]], dtype=np.int16)
    values = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 200, "WindowWidth": 201}
    path = write(tmp_path / "a.dcm", stored, **values)
    rescaled = stored * 2.0 - 100
    expected = np.clip(((rescaled - 199.5) / 200 + 0.5) * 255, 0, 255)
    assert np.abs(decode_image(path) - expected).max() <= 0.5 + 1e-6


def test_colour_becomes_grey(tmp_path):
    """An RGB file of grey tissue decodes as its grey."""
    assert (decode_image(write(tmp_path / "a.dcm", np.dstack([RAMP] * 3))) == RAMP).all()


@pytest.mark.parametrize("coloured", [False, True])
def test_of_a_cine_loop_the_first_frame_is_read(tmp_path, coloured):
    """A multi-frame file gives its first frame."""
    frames = np.stack([RAMP, 255 - RAMP, RAMP // 2])
    frames = np.repeat(frames[..., None], 3, axis=-1) if coloured else frames
    assert (decode_image(write(tmp_path / "a.dcm", frames)) == RAMP).all()


@pytest.mark.parametrize("value", [0, 255])
def test_images_of_one_value_are_read(tmp_path, value):
    """Black and white images decode to themselves."""
    path = write(tmp_path / "a.dcm", np.full((4, 4), value, np.uint8))
    assert (decode_image(path) == value).all()


def test_spacing_of_the_largest_tissue_region_comes_first(tmp_path):
    """Centimetres of the largest two-dimensional region; a Doppler trace does not count."""
    regions = [
        region(0.01, 0.01, width=5),
        region(0.02, 0.02, width=50),
        region(0.5, 0.5, width=500, spatial_format=3),
        region(0.5, 0.5, width=500, units=4),
    ]
    path = write(
        tmp_path / "a.dcm", RAMP, SequenceOfUltrasoundRegions=regions, PixelSpacing=[0.7, 0.7]
    )
    assert read_dicom(path).spacing_mm == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["PixelSpacing", "ImagerPixelSpacing"])
def test_spacing_of_the_image_is_the_fallback(tmp_path, name):
    """Without regions the spacing of the image or of the detector is used, in millimetres."""
    path = write(tmp_path / "a.dcm", RAMP, **{name: [0.15, 0.15]})
    assert read_dicom(path).spacing_mm == pytest.approx(0.15)


def test_pixels_that_are_not_square_have_no_edge_length(tmp_path):
    """One number cannot describe them, so none is given; nor where nothing is stated."""
    oblong = write(tmp_path / "a.dcm", RAMP, PixelSpacing=[0.1, 0.2])
    assert read_dicom(oblong).spacing_mm is None
    assert read_dicom(write(tmp_path / "b.dcm", RAMP)).spacing_mm is None


def test_the_table_beats_the_file(tmp_path):
    """A record keeps the spacing of the file where it is told none."""
    path = write(tmp_path / "a.dcm", RAMP, PixelSpacing=[0.15, 0.15])
    assert read_image_record(path).spacing_mm == pytest.approx(0.15)
    assert read_image_record(path, spacing_mm=0.3).spacing_mm == 0.3
    assert read_image_record(path).size_px == (16, 12)


def test_a_file_without_suffix_is_known_by_its_first_bytes(tmp_path):
    """Exports often have no suffix."""
    path = write(tmp_path / "IM0001", RAMP)
    assert is_dicom(path)
    assert (decode_image(path) == RAMP).all()


def test_a_manifest_may_name_dicom_files(tmp_path):
    """Images of a manifest cohort can be DICOM, and keep the spacing of the file."""
    for number in range(4):
        write(tmp_path / f"{number}.dcm", RAMP, PixelSpacing=[0.15, 0.15])
    rows = [f"c{number},{number % 2},{number}.dcm" for number in range(4)]
    (tmp_path / "cases.csv").write_text("\n".join(["case,label,image", *rows]) + "\n")
    options = {
        "case": "case",
        "label": "label",
        "images": {"ultrasound": {"image": "image"}},
    }
    cohort = load_cohort("manifest", tmp_path / "cases.csv", options)
    assert [record.spacing_mm for (record,) in cohort.images[0].records] == [0.15] * 4


def test_a_broken_file_is_named(tmp_path):
    """What is no DICOM image is refused with its name and what to do."""
    path = tmp_path / "broken.dcm"
    path.write_bytes(b"no image at all")
    with pytest.raises(BenchmarkError, match=r"broken\.dcm' cannot be read as an image"):
        read_image_record(path)
    with pytest.raises(BenchmarkError, match=r"broken\.dcm' cannot be read .* Replace it"):
        decode_image(path)


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    """Where pydicom is missing the error says which extra installs it."""
    path = write(tmp_path / "a.dcm", RAMP)
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "pydicom":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BenchmarkError, match=r"needs pydicom.*'\.\[dicom\]' in the source"):
        decode_image(path)
