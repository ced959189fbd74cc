"""Other cases get the blocks that models were trained on, decisions included."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from cohorts import BenchmarkError, Cohort, ImageModality
from features import (
    BlockRecipe,
    FeatureCache,
    ImagingOptions,
    build_blocks,
    rebuild_blocks,
    without_masks,
)
from features.radiomics import Radiomics

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


def test_a_recipe_is_as_good_as_the_block(other):
    """Through JSON and back, it makes the same numbers without the block."""
    blocks = built(other)
    stored = {name: json.dumps(BlockRecipe.of(block).to_dict()) for name, block in blocks.items()}
    recipes = {name: BlockRecipe.from_dict(json.loads(text)) for name, text in stored.items()}
    again = rebuilt(other, recipes)
    assert {name: one.digest() for name, one in again.items()} == {
        name: one.digest() for name, one in blocks.items()
    }


def test_blocks_that_come_out_otherwise_are_the_users_to_mend(other, monkeypatch):
    """One sentence names what differs; the place of computation and a description do not."""
    blocks = built(other, ["radiomics", "embedding"])
    moved = replace(blocks["embedding"], settings=blocks["embedding"].settings | {"device": "x"})
    rebuilt(other, {"embedding": moved})
    monkeypatch.setattr(Radiomics, "version", 99)
    with pytest.raises(BenchmarkError, match=r"features 'radiomics' .* \(different: version\)"):
        rebuilt(other, blocks)
    block = blocks["embedding"]
    units = tuple(replace(one, unit="mm") for one in block.schema.columns)
    other_units = replace(BlockRecipe.of(block), schema=replace(block.schema, columns=units))
    with pytest.raises(BenchmarkError, match=r"\(different: columns\)"):
        rebuilt(other, {"embedding": other_units})


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
