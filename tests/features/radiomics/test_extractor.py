"""The radiomics blocks measure the region that they say, and say what a reader must know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cohorts import BenchmarkError, Cohort, ImageModality
from features import (
    ImagingOptions,
    available_sets,
    find_region,
    prepare_image,
    select_sets,
    skipped_sets,
)
from features.radiomics import (
    cooccurrence_matrices,
    discretise,
    first_order_features,
    glcm_features,
    shape_features,
)

from support import build_block as build


def test_values_are_those_of_the_region_that_was_found(small_cohort):
    """Statistics, texture, shape and confidence of every case, computed here step by step."""
    frame = build(small_cohort, "radiomics").frame
    origins = set()
    for case, (record,) in zip(small_cohort.cases, small_cohort.images[0].records, strict=True):
        prepared = prepare_image(record, ImagingOptions())
        region = find_region(prepared, "automatic", ImagingOptions())
        levels = discretise(prepared.grey, region.mask, n_levels=32)
        expected = {
            "firstorder_mean": first_order_features(prepared.grey[region.mask])["mean"],
            "glcm_contrast": glcm_features(cooccurrence_matrices(levels, n_levels=32))["contrast"],
            "region_confidence": region.confidence,
            "region_share": region.mask.sum() / prepared.scanned.sum(),
            "shape_perimeter": shape_features(region.mask, spacing=0.1)["perimeter"]
            if region.origin == "automatic"
            else np.nan,
        }
        row = frame.loc[case, [f"radiomics__{name}" for name in expected]]
        assert row.to_list() == pytest.approx(list(expected.values()), nan_ok=True)
        origins.add(region.origin)
    # The cohort has images of both kinds, so that both were looked at.
    assert origins == {"automatic", "whole"}


def without_masks(cohort: Cohort, n: int) -> Cohort:
    records = [
        tuple(replace(one, masks=()) for one in images) if row < n else images
        for row, images in enumerate(cohort.images[0].records)
    ]
    return replace(cohort, images=(ImageModality("ultrasound", tuple(records)),))


def test_a_mask_leaves_no_trace_in_the_default_block(small_cohort):
    """Radiomics are the same with all masks, some or none: regions are found in the image."""
    full, partly, none = (build(without_masks(small_cohort, n), "radiomics") for n in (0, 1, 90))
    assert full.frame.equals(partly.frame)
    assert full.frame.equals(none.frame)
    assert set(full.regions["origin"]) <= {"automatic", "whole"}


def test_who_drew_a_region_is_recorded(small_cohort):
    """Every image has an origin and a confidence; the page says how many fell back."""
    block = build(small_cohort, "radiomics")
    assert list(block.regions.columns) == ["case", "image", "origin", "confidence"]
    assert block.regions["case"].tolist() == list(small_cohort.cases)
    assert block.regions["confidence"].between(0, 1).all()
    (note,) = block.notes
    n_whole = int((block.regions["origin"] == "whole").sum())
    assert note.code == "automatic-region"
    assert f"In {n_whole} of 90 images" in note.text
    # The outline of all that was scanned is no shape of a lesion.
    fallen_back = (block.regions["origin"] == "whole").to_numpy()
    assert (block.frame["radiomics__shape_area"].isna() == fallen_back).all()


def test_one_threshold_puts_every_image_on_the_whole(small_cohort):
    """With full confidence asked for, no automatic region is used, and the values are those."""
    strict = build(small_cohort, "radiomics", imaging=ImagingOptions(min_confidence=1.0))
    whole = build(small_cohort, "radiomics", region="whole")
    assert set(strict.regions["origin"]) == {"whole"}
    shared = [name for name in whole.frame if name in strict.frame]
    assert "radiomics__glcm_contrast" in shared
    assert whole.frame[shared].equals(strict.frame[shared])
    assert not any("shape" in name for name in whole.frame)


def test_expert_masks_have_a_block_of_their_own(small_cohort):
    """Inside masks: marked, with shape, and missing where an image has none."""
    block = build(small_cohort, "radiomics_mask")
    assert block.notes[0].code == "expert-mask"
    assert set(block.regions["origin"]) == {"expert"}
    # Masks of the cohort are 16 pixels high, at 0.1 mm a pixel, and wider from class to class.
    areas = block.frame["radiomics_mask__shape_area"].to_numpy()
    assert areas == pytest.approx(0.1**2 * 16 * (14 + 2 * small_cohort.labels))
    partly = build(without_masks(small_cohort, 1), "radiomics_mask")
    assert partly.frame.iloc[0].isna().all()
    assert partly.frame.iloc[1:].equals(block.frame.iloc[1:])
    # An outline tells much where it is, whatever its absence tells.
    assert [note.code for note in partly.notes] == ["expert-mask", "mask-presence"]
    assert {note.severity for note in partly.notes} == {"warning"}
    assert partly.regions["origin"].iloc[0] == "none"


def test_masks_are_offered_only_where_every_image_has_one(small_cohort):
    """One image without mask takes the block off the board, with the reason; by name it stays."""
    partly = without_masks(small_cohort, 1)
    assert "radiomics_mask" not in {one.name for one in available_sets(partly)}
    assert "1 of 90 images have no mask" in skipped_sets(partly)["radiomics_mask"]
    assert select_sets(partly, ["radiomics_mask"])[0].blocks == ("radiomics_mask",)
    assert skipped_sets(without_masks(small_cohort, 90)) == {
        "radiomics_mask": "no image has a mask"
    }


def test_families_can_be_chosen(small_cohort):
    """Only the families named are computed; an unknown one is refused with the nearest."""
    few = small_cohort.take(range(2))
    block = build(few, "radiomics", families=["glszm", "region"])
    assert len(block.frame.columns) == 16 + 2
    with pytest.raises(BenchmarkError, match=r"radiomics family 'glzm'.*'gl[sd]zm'"):
        build(few, "radiomics", families=["glzm"])
    with pytest.raises(BenchmarkError, match=r"families: the family 'shape' describes a region"):
        build(few, "radiomics", region="whole", families=["glcm", "shape"])
    with pytest.raises(BenchmarkError, match=r"families = .* will not do"):
        build(few, "radiomics", families=[])
    with pytest.raises(BenchmarkError, match=r"Unknown .*'region'"):
        build(few, "radiomics_mask", region="whole")


def test_texture_settings_reach_the_numbers(small_cohort):
    """Levels, distances, directions, aggregation and neighbourhood all change the block."""
    few = small_cohort.take(range(3))
    default = build(few, "radiomics").frame
    changes = [
        ({"n_levels": 16}, "glcm_contrast"),
        ({"discretisation": "bin_width", "bin_width": 20}, "glszm_zone_percentage"),
        ({"angles": [0]}, "glrlm_run_percentage"),
        ({"aggregation": "merge"}, "glrlm_grey_level_non_uniformity"),
        ({"neighbourhood": 2}, "ngtdm_contrast"),
        ({"coarseness": 1}, "ngldm_high_dependence_emphasis"),
    ]
    for options, name in changes:
        column = f"radiomics__{name}"
        assert not build(few, "radiomics", **options).frame[column].equals(default[column]), options
    two = build(few, "radiomics", distances=[1, 3]).frame
    assert two["radiomics__glcm_contrast_d1"].equals(
        default["radiomics__glcm_contrast"].rename("radiomics__glcm_contrast_d1")
    )
    assert "radiomics__glcm_contrast_d3" in two


def test_no_two_features_are_equal_by_definition(small_cohort):
    """Statistics and texture hold no column that is another one scaled, in every image."""
    block = build(small_cohort, "radiomics_mask").frame
    # The masks of this cohort are rectangles of one height: their shapes are all alike.
    frame = block.drop(columns=[name for name in block if "shape" in name])
    varied = frame.loc[:, frame.nunique() > 1]
    correlation = np.abs(np.corrcoef(varied.T.to_numpy()))
    np.fill_diagonal(correlation, 0)
    twins = np.argwhere(correlation > 1 - 1e-12)
    assert [(varied.columns[i], varied.columns[j]) for i, j in twins] == []


def test_sizes_are_in_millimetres_where_every_pixel_size_is_known(small_cohort):
    """One image without pixel size puts all of them in pixels, so that units never mix."""
    in_mm = build(small_cohort, "radiomics_mask")
    records = [(replace(small_cohort.images[0].records[0][0], spacing_mm=None),)]
    records += small_cohort.images[0].records[1:]
    unknown = replace(small_cohort, images=(ImageModality("ultrasound", tuple(records)),))
    in_px = build(unknown, "radiomics_mask")
    area = "radiomics_mask__shape_area"
    assert np.allclose(in_mm.frame[area] * 100, in_px.frame[area])
    units = [
        {column.name: column.unit for column in block.schema.columns}[area]
        for block in (in_mm, in_px)
    ]
    assert units == ["mm²", "px²"]


def test_some_pixel_sizes_are_said(small_cohort):
    """With one pixel size missing, lengths are in pixels for all, and the page says why."""
    bare = replace(small_cohort.images[0].records[0][0], spacing_mm=None)
    records = ((bare,), *small_cohort.images[0].records[1:])
    partly = replace(small_cohort, images=(ImageModality("ultrasound", records),))
    notes = {note.code: note.text for note in build(partly, "radiomics").notes}
    assert "Only 89 of 90 images have a pixel size" in notes["pixel-sizes"]


def test_pixel_sizes_that_differ_are_said(small_cohort):
    """Texture counted in pixels can tell the device; at one pixel size it cannot."""
    records = tuple(
        (replace(images[0], spacing_mm=0.1 if row % 2 else 0.14),)
        for row, images in enumerate(small_cohort.images[0].records)
    )
    mixed = replace(small_cohort, images=(ImageModality("ultrasound", records),))
    codes = {note.code: note for note in build(mixed, "radiomics").notes}
    assert codes["pixel-sizes"].severity == "warning"
    assert "from 0.1 to 0.14 mm" in codes["pixel-sizes"].text
    one_size = build(mixed, "radiomics_mask", imaging=ImagingOptions(pixel_mm=0.1))
    assert "pixel-sizes" not in {note.code for note in one_size.notes}
    # Sizes in millimetres stay what they were, but for the rounding of outlines to pixels.
    area = "radiomics_mask__shape_area"
    before = build(mixed, "radiomics_mask").frame[area]
    assert np.allclose(one_size.frame[area], before, rtol=0.1)
    assert "pixel-sizes" not in {note.code for note in build(small_cohort, "radiomics").notes}


def test_resampling_needs_every_pixel_size(small_cohort):
    """Without the pixel size of an image nothing can be resampled; the message counts them."""
    bare = replace(small_cohort.images[0].records[0][0], spacing_mm=None)
    records = ((bare,), *small_cohort.images[0].records[1:])
    partly = replace(small_cohort, images=(ImageModality("ultrasound", records),))
    with pytest.raises(BenchmarkError, match=r"pixel_mm = 0\.1 needs .* 1 of 90 have none"):
        build(partly, "radiomics", imaging=ImagingOptions(pixel_mm=0.1))
