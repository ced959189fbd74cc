"""Blocks are computed once for each image, and feature sets name unions of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cohorts import BenchmarkError, ImageModality
from features import (
    EXTRACTORS,
    FeatureCache,
    ImagingOptions,
    assemble,
    available_sets,
    block_kinds,
    build_blocks,
    extraction_s,
    select_sets,
)

from support import build_block as build


@pytest.mark.parametrize("name", EXTRACTORS.names())
def test_extractor_contract(small_cohort, name, tmp_path):
    """One row per case, named numbers, the same from the cache, one image at a time."""
    cache = FeatureCache(tmp_path)
    block = build(small_cohort, name, cache)
    assert list(block.frame.index) == list(small_cohort.cases)
    assert block.schema.kind == "image_features"
    assert all(column.startswith(f"{name}__") for column in block.frame.columns)
    assert all(column.description for column in block.schema.columns)
    if name != "radiomics":  # whose shapes are missing where no region was found
        assert np.isfinite(block.frame.to_numpy()).all()
    assert build(small_cohort, name, cache).frame.equals(block.frame)
    # An image's numbers do not depend on which other images are in the cohort.
    few = small_cohort.take([40, 3, 77])
    alone = build(few, name).frame
    together = block.frame.loc[list(few.cases)]
    assert np.allclose(alone, together, rtol=1e-4, atol=1e-8, equal_nan=True)


@pytest.mark.parametrize("name", EXTRACTORS.names())
def test_cases_with_several_images_or_none(small_cohort, name):
    """Images of a case are averaged; a case without an image is missing, not zero."""
    (images,) = small_cohort.images
    records = list(images.records)
    records[0], records[1] = (*records[0], *records[1]), ()
    changed = replace(small_cohort, images=(ImageModality("ultrasound", tuple(records)),))
    before, after = build(small_cohort, name).frame, build(changed, name).frame
    expected = before.iloc[:2].mean()
    assert np.allclose(after.iloc[0], expected, rtol=1e-4, atol=1e-8, equal_nan=True)
    assert after.iloc[1].isna().all()


def test_several_image_modalities_have_a_block_each(small_cohort):
    """Two image modalities give a block each, and every set holds both."""
    (images,) = small_cohort.images
    both = replace(small_cohort, images=(images, ImageModality("doppler", images.records)))
    blocks = {one.name: one.blocks for one in available_sets(both)}
    assert blocks["radiomics"] == ("radiomics_ultrasound", "radiomics_doppler")
    assert blocks["image"] == ("image_ultrasound", "image_doppler")
    finetuned = ("embedding_finetuned_ultrasound", "embedding_finetuned_doppler")
    assert blocks["embedding_finetuned"] == finetuned
    block = build_blocks(
        both, ["radiomics_doppler"], options={}, cache=FeatureCache(None), random_state=0
    )["radiomics_doppler"]
    assert block.schema.modality == "doppler"
    one, two = (
        extraction_s(cohort, {"radiomics", "radiomics_ultrasound", "radiomics_doppler"})
        for cohort in (small_cohort, both)
    )
    assert two == pytest.approx(2 * one)
    assert "radiomics_doppler__glcm_contrast" in block.frame
    assert block_kinds(both) == {
        "clinical": "tabular",
        "molecular": "tabular",
        "radiomics_ultrasound": "image_features",
        "radiomics_doppler": "image_features",
        "radiomics_mask_ultrasound": "image_features",
        "radiomics_mask_doppler": "image_features",
        "embedding_ultrasound": "image_features",
        "embedding_doppler": "image_features",
        "image_ultrasound": "pixels",
        "image_doppler": "pixels",
        "embedding_finetuned_ultrasound": "finetuned",
        "embedding_finetuned_doppler": "finetuned",
    }


@pytest.mark.parametrize("name", EXTRACTORS.names())
def test_new_patients_get_the_columns_of_the_cohort(small_cohort, name):
    """With the decided options, patients without mask and pixel size have the same columns."""
    block = build(small_cohort, name)
    assert "auto" not in block.options.values()
    records = tuple(
        (replace(images[0], masks=(), spacing_mm=None),)
        for images in small_cohort.images[0].records
    )
    bare = replace(small_cohort, images=(ImageModality("ultrasound", records),))
    again = build(bare, name, **block.options)
    assert list(again.frame.columns) == list(block.frame.columns)
    assert again.options == block.options
    if name == "radiomics_mask":
        assert again.frame.isna().all(axis=None)
    elif name == "radiomics":
        # In millimetres as the cohort was, which are unknown here.
        same = [column.name for column in block.schema.columns if "mm" not in column.unit]
        assert again.frame[same].equals(block.frame[same])
    else:
        assert again.frame.equals(block.frame)


def test_blocks_are_told_apart_by_their_digest(small_cohort, monkeypatch):
    """Another setting, version or value is another digest; the same block has the same."""
    block = build(small_cohort, "radiomics")
    assert build(small_cohort, "radiomics").digest() == block.digest()
    assert build(small_cohort, "radiomics", n_levels=16).digest() != block.digest()
    changed = replace(block, frame=block.frame + 1e-9)
    assert changed.digest() != block.digest()
    monkeypatch.setattr(type(EXTRACTORS.get("radiomics")), "version", 99)
    assert build(small_cohort, "radiomics").digest() != block.digest()


def test_embeddings_do_not_depend_on_cores_or_on_the_cache(small_cohort, tmp_path):
    """One core or two, everything anew or half from the cache: the same bits."""
    n_threads = torch.get_num_threads()
    full = build(small_cohort, "embedding").frame
    try:
        torch.set_num_threads(1)
        assert build(small_cohort, "embedding").frame.equals(full)
    finally:
        torch.set_num_threads(n_threads)
    cache = FeatureCache(tmp_path)
    build(small_cohort.take(range(0, 90, 7)), "embedding", cache)
    assert build(small_cohort, "embedding", cache).frame.equals(full)


def count_computed(monkeypatch) -> list[int]:
    """Count the images that radiomics really computes."""
    from features.radiomics import _extractor

    computed: list[int] = []
    original = _extractor.prepare_image

    def counting(record, imaging):
        computed.append(1)
        return original(record, imaging)

    monkeypatch.setattr(_extractor, "prepare_image", counting)
    return computed


def test_nothing_is_computed_twice(small_cohort, tmp_path, monkeypatch):
    """A second run computes nothing; one more case computes one; another setting computes all."""
    computed = count_computed(monkeypatch)
    cache = FeatureCache(tmp_path)
    build(small_cohort.take(range(10)), "radiomics", cache)
    assert len(computed) == 10
    build(small_cohort.take(range(11)), "radiomics", cache)
    assert len(computed) == 11
    build(small_cohort.take(range(11)), "radiomics", cache, n_levels=16)
    assert len(computed) == 22


def test_content_is_the_key(small_cohort, tmp_path):
    """A renamed image is found again; a changed image or mask is not."""
    cache = FeatureCache(tmp_path / "cache")
    (record,) = small_cohort.images[0].records[0]
    key = cache.key(record, extractor="e", settings={"a": 1})
    moved = tmp_path / "moved.png"
    moved.write_bytes(record.path.read_bytes())
    assert cache.key(replace(record, path=moved), extractor="e", settings={"a": 1}) == key
    Image.new("L", (32, 32)).save(moved)
    assert cache.key(replace(record, path=moved), extractor="e", settings={"a": 1}) != key
    assert cache.key(replace(record, masks=(moved,)), extractor="e", settings={"a": 1}) != key
    assert cache.key(record, extractor="e", settings={"a": 2}) != key
    assert cache.key(replace(record, spacing_mm=None), extractor="e", settings={"a": 1}) != key


@pytest.mark.parametrize("name", EXTRACTORS.names())
def test_every_feature_is_described(small_cohort, name):
    """The feature table has a line for every column, or one for all of an embedding."""
    extractor = EXTRACTORS.get(name)
    (images,) = small_cohort.images
    options = extractor.resolve(images, extractor.options_type())
    texts = extractor.describe(options)
    assert all(text.description for text in texts)
    if name != "embedding":
        block = build(small_cohort.take(range(2)), name)
        assert [f"{name}__{text.name}" for text in texts] == list(block.frame.columns)
        assert all(text.family for text in texts)


def test_a_modality_without_an_image_is_missing_throughout(small_cohort):
    """No image at all gives a block of NaN, and no error."""
    none = replace(
        small_cohort.take(range(4)), images=(ImageModality("ultrasound", ((), (), (), ())),)
    )
    for name in EXTRACTORS.names():
        assert build(none, name).frame.isna().all(axis=None)


def test_random_weights_are_said(small_cohort):
    """Random weights mark the block, also where the config asks for them."""
    block = build(small_cohort.take(range(3)), "embedding", weights="random")
    assert [(note.code, note.severity) for note in block.notes] == [("random-weights", "warning")]
    assert "as the config asks" in block.notes[0].text
    with pytest.raises(BenchmarkError, match=r"weights file 'none\.pth' .* does not exist"):
        build(small_cohort.take(range(3)), "embedding", weights="none.pth")
    with pytest.raises(
        BenchmarkError, match=r"Unknown backbone 'efficientnet_b33'.*'efficientnet_b3'"
    ):
        build(small_cohort.take(range(3)), "embedding", backbone="efficientnet_b33")
    compact = build(small_cohort.take(range(3)), "embedding", backbone="compact")
    assert "compact backbone was never trained" in compact.notes[0].text
    with pytest.raises(BenchmarkError, match=r"weights file 'none' .* does not exist"):
        build(small_cohort.take(range(3)), "embedding", backbone="compact", weights="none")


def test_sets_of_a_cohort(small_cohort):
    """Modalities alone and together, extractors with and without tables, pixels for networks."""
    names = {one.name: one.blocks for one in available_sets(small_cohort)}
    assert names == {
        "clinical": ("clinical",),
        "molecular": ("molecular",),
        "tabular": ("clinical", "molecular"),
        "radiomics": ("radiomics",),
        "radiomics_mask": ("radiomics_mask",),
        "embedding": ("embedding",),
        "radiomics+tabular": ("radiomics", "clinical", "molecular"),
        "embedding+tabular": ("embedding", "clinical", "molecular"),
        "embedding_finetuned": ("embedding_finetuned",),
        "embedding_finetuned+tabular": ("embedding_finetuned", "clinical", "molecular"),
        "all": ("radiomics", "embedding", "clinical", "molecular"),
        "image": ("image",),
        "image+tabular": ("image", "clinical", "molecular"),
    }


def test_sets_without_a_modality(small_cohort):
    """Tables alone have no image sets, images alone no tabular ones; one table is `tabular`."""
    tables = {one.name for one in available_sets(replace(small_cohort, images=()))}
    assert tables == {"clinical", "molecular", "tabular"}
    images = {one.name for one in available_sets(replace(small_cohort, tables=()))}
    extracted = {"radiomics", "radiomics_mask", "embedding", "embedding_finetuned"}
    assert images == {*extracted, "all", "image"}
    one_table = replace(small_cohort, images=(), tables=small_cohort.tables[:1])
    assert [one.name for one in available_sets(one_table)] == ["tabular"]
    assert select_sets(one_table, ["clinical"])[0].blocks == ("clinical",)


def test_unknown_set_offers_the_nearest(small_cohort):
    """The message names the cohort, the nearest set and where to look."""
    with pytest.raises(BenchmarkError, match=r"'radiomic' in cohort 'small'.*'radiomics'\?"):
        select_sets(small_cohort, ["radiomic"])


@pytest.mark.parametrize(
    "name", ["all", "image", "radiomics", "tabular", "embedding+tabular", "embedding_finetuned"]
)
def test_a_modality_cannot_take_the_name_of_a_set(small_cohort, name):
    """A table called `radiomics` would be taken for radiomics; the message lists what is taken."""
    renamed = replace(small_cohort.tables[0], name=name)
    cohort = replace(small_cohort, tables=(renamed, small_cohort.tables[1]))
    with pytest.raises(BenchmarkError, match=rf"cannot be called {re.escape(repr(name))}.*Rename"):
        available_sets(cohort)


def test_images_to_be_embedded_in_the_fold_are_images_still(small_cohort):
    """Nothing is computed of them before the fold; a moved file leaves the digest as it was."""
    (images,) = small_cohort.images
    moved = [
        tuple(replace(one, path=Path("elsewhere") / one.path.name) for one in records)
        for records in images.records
    ]
    elsewhere = replace(small_cohort, images=(ImageModality("ultrasound", tuple(moved)),))
    block, other = (build(cohort, "embedding_finetuned") for cohort in (small_cohort, elsewhere))
    assert (block.schema.kind, block.schema.imaging) == ("finetuned", ImagingOptions())
    assert list(block.frame) == ["embedding_finetuned__pixels"]
    assert block.frame.iloc[3, 0] == images.records[3]
    assert block.digest() == other.digest()
    assert "fine-tuned on the training part" in block.schema.columns[0].description


def test_assembled_blocks_keep_the_cases(small_cohort):
    """Side by side, cases aligned, column names unique."""
    blocks = build_blocks(
        small_cohort,
        ["clinical", "molecular", "image"],
        options={},
        cache=FeatureCache(None),
        random_state=0,
    )
    frame = assemble(list(blocks.values()))
    assert list(frame.columns) == [
        "clinical__age",
        "clinical__side",
        "molecular__marker",
        "molecular__noise",
        "image__pixels",
    ]
    assert list(frame.index) == list(small_cohort.cases)
