"""The block of embeddings is made as its options say, and says how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cohorts import BenchmarkError, ImageModality, parse_options
from features import FeatureCache, build_blocks
from features.embedding import EmbeddingOptions, _extractor, _views
from features.imaging import ImagingOptions, Region

SMALL = {"backbone": "resnet10t", "image_size": 32, "weights": "random", "backend": "torch"}


def build(cohort, cache=None, **options):
    given = {"embedding": SMALL | options}
    cache = cache or FeatureCache(None)
    # Cleaning noise images changes them a little, and not the same on both sides.
    plain = ImagingOptions(crop=False, remove_overlays=False)
    blocks = build_blocks(
        cohort, ["embedding"], options=given, imaging=plain, cache=cache, random_state=0
    )
    return blocks["embedding"]


@pytest.fixture(scope="module")
def few(small_cohort):
    return small_cohort.take(range(6))


def test_what_was_decided_is_recorded(few):
    """Options and settings name the backend and the weights that were used."""
    block = build(few, backend="auto", weights="auto")
    assert block.options["backend"] in {"onnx", "torch"}
    assert block.options["weights"] in {"random", "pretrained"}
    assert block.settings["backend"] == block.options["backend"]
    assert block.settings["weights"].startswith(("random:", "hub:"))
    assert block.settings["precision"] == "float32"
    # New patients get the same columns from what is recorded.
    assert build(few, **block.options).frame.equals(block.frame)


def test_every_option_is_part_of_the_key(few, tmp_path):
    """No number computed under other options is taken from the cache."""
    cache = FeatureCache(tmp_path)
    keys = {"backend": "torch"}, {"precision": "bfloat16"}, {"flip_average": True}
    keys += {"region_crop": True}, {"crop_margin": 0.5}, {"image_size": 48}
    for n, options in enumerate(keys, start=1):
        build(few, cache, **options)
        assert len(list(tmp_path.rglob("*.npy"))) == 6 * n


def test_auto_goes_on_with_torch_where_there_is_no_graph(few, monkeypatch):
    """A backbone that cannot be exported is embedded by torch, and the block says so."""
    monkeypatch.setattr(_extractor, "backend_names", lambda _: ("onnx", "torch"))
    original = _extractor.make_backend

    def failing(options, *args, **kwargs):
        if options.backend == "onnx":
            raise _extractor.ExportError("no graph")
        return original(options, *args, **kwargs)

    monkeypatch.setattr(_extractor, "make_backend", failing)
    block = build(few, backend="auto")
    assert block.options["backend"] == "torch"
    assert block.frame.equals(build(few, backend="torch").frame)


def test_nothing_is_started_where_all_is_cached(few, tmp_path, monkeypatch):
    """A second run neither scales nor exports a backbone."""
    cache = FeatureCache(tmp_path)
    first = build(few, cache)

    def never(*_, **__):
        raise AssertionError("a backbone was started")

    monkeypatch.setattr(_extractor, "make_backend", never)
    assert build(few, cache).frame.equals(first.frame)


def mirrored(cohort, folder):
    records = []
    for (record,) in cohort.images[0].records:
        path = folder / record.path.name
        Image.fromarray(np.asarray(Image.open(record.path))[:, ::-1]).save(path)
        records.append((replace(record, path=path, masks=()),))
    return replace(cohort, images=(ImageModality("ultrasound", tuple(records)),))


def test_flip_average_is_the_mean_of_both_sides(few, tmp_path):
    """The same for an image and its mirror: the mean of what each gives alone."""
    other = mirrored(few, tmp_path)
    expected = (build(few).frame + build(other).frame) / 2
    for cohort in (few, other):
        found = build(cohort, flip_average=True).frame
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_how_many_images_stay_whole_is_noted(few, tmp_path, monkeypatch):
    """The note counts images without a confident region, also when all comes from the cache."""
    uncertain = {record.path for (record,) in few.images[0].records[:2]}

    def find(prepared, *_):
        mask = np.zeros(prepared.grey.shape, dtype=bool)
        mask[8:20, 8:20] = True
        whole = prepared.record.path in uncertain
        return Region(mask, "whole" if whole else "automatic", 0.1 if whole else 0.9)

    monkeypatch.setattr(_views, "find_region", find)
    cache = FeatureCache(tmp_path)
    blocks = [build(few, cache, region_crop=True) for _ in range(2)]
    for block in blocks:
        note = next(note for note in block.notes if note.code == "region-crop")
        assert note.severity == "info"
        assert "2 of 6 images" in note.text
    plain = build(few)
    assert (blocks[0].frame.iloc[:2] == plain.frame.iloc[:2]).all(axis=None)
    assert (blocks[0].frame.iloc[2:] != plain.frame.iloc[2:]).any(axis=None)
    assert [note.code for note in plain.notes] == ["random-weights"]


def test_random_embeddings_have_a_usable_size(small_cohort):
    """Features of a deep random network vary by 0.01 to 100, not by 1e-5."""
    block = build(small_cohort.take(range(0, 90, 9)), backbone="efficientnet_b0")
    assert 0.01 < block.frame.std().mean() < 100


def test_the_gradient_and_the_threads_are_left_alone(few):
    """Embedding leaves torch's settings as they were."""
    before = torch.get_num_threads(), torch.is_grad_enabled(), torch.backends.cudnn.allow_tf32
    build(few)
    after = torch.get_num_threads(), torch.is_grad_enabled(), torch.backends.cudnn.allow_tf32
    assert after == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("backend", "tensorrt"), ("precision", "int8"), ("crop_margin", -0.1), ("image_size", 8)],
)
def test_unknown_values_are_named(key, value):
    """One sentence with the key, what came and what works."""
    with pytest.raises(BenchmarkError, match=rf"here: {key} = {value!r} will not do"):
        parse_options(EmbeddingOptions, {key: value}, where="here")


def test_a_transformer_asks_for_its_own_size(few):
    """A backbone with a fixed input is refused at another size, with the size that works."""
    with pytest.raises(
        BenchmarkError, match=r"takes images of 224 pixels only. Set image_size: 224"
    ):
        build(few, backbone="vit_tiny_patch16_224")
