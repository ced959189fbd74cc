"""Other cases get the blocks that models were trained on, decisions included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cohorts import Cohort, ImageModality
from features import FeatureCache, ImagingOptions, build_blocks, rebuild_blocks, without_masks

from support import TINY, make_small_cohort

NAMES = ["radiomics", "radiomics_mask", "embedding", "image", "clinical"]


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Cohort:
    return make_small_cohort(tmp_path_factory.mktemp("other"), n_patients=8, seed=5)


def with_images(cohort: Cohort, **changes) -> Cohort:
    (modality,) = cohort.images
    records = tuple(tuple(replace(one, **changes) for one in case) for case in modality.records)
    return replace(cohort, images=(ImageModality(modality.name, records),))


def built(cohort: Cohort, names=NAMES):
    options = TINY["feature_options"] | {"radiomics": {"families": ["firstorder", "shape"]}}
    return build_blocks(cohort, names, options=options, cache=FeatureCache(None), random_state=0)


def rebuilt(cohort: Cohort, blocks):
    return rebuild_blocks(
        cohort, blocks, imaging=ImagingOptions(), cache=FeatureCache(None), random_state=0
    )


def test_the_same_cases_get_the_same_numbers(other):
    """Columns, settings and values of the first time, of every kind of block."""
    blocks = built(other)
    again = rebuilt(other, blocks)
    assert list(again) == NAMES
    assert {name: one.digest() for name, one in again.items()} == {
        name: one.digest() for name, one in blocks.items()
    }


def test_the_unit_is_that_of_development(other):
    """Cases of unknown pixel size have no lengths in mm, rather than lengths in pixels."""
    blocks = built(other, ["radiomics"])
    assert blocks["radiomics"].options["unit"] == "mm"
    unknown = rebuilt(with_images(other, spacing_mm=None), blocks)["radiomics"]
    assert unknown.schema == blocks["radiomics"].schema
    assert unknown.frame["radiomics__shape_area"].isna().all()
    assert np.isfinite(unknown.frame["radiomics__firstorder_mean"]).all()


def test_blocks_of_masks_need_every_mask(other):
    """Whether a mask is there states the class as much as the mask itself."""
    assert without_masks(other, NAMES) == {}
    (modality,) = other.images
    first = (replace(modality.records[0][0], masks=()),)
    partly = replace(other, images=(ImageModality(modality.name, (first, *modality.records[1:])),))
    assert without_masks(partly, NAMES) == {"radiomics_mask": (1, other.n_cases)}
    assert without_masks(partly, ["radiomics"]) == {}
