"""Images that are unlike the training images stand out, and only those."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.model_selection import GroupKFold

from cohorts import ImageRecord, load_cohort
from features import FeatureCache, ImageNovelty, ImagingOptions, describe_images
from features._novelty import DESCRIPTORS


def described(folder: Path, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    records = []
    for number, image in enumerate(images):
        path = folder / f"{len(list(folder.iterdir()))}_{number}.png"
        Image.fromarray(image).save(path)
        records.append(ImageRecord(path))
    return describe_images(records, ImagingOptions(), cache=FeatureCache(None))


def tissue(seed: int) -> NDArray[np.uint8]:
    """Something with the look of tissue: speckle, smeared sideways, darker with depth."""
    rng = np.random.default_rng(seed)
    noise = rng.gamma(2, 1, (96, 104))
    smeared = (noise[:, :-8] + noise[:, 2:-6] + noise[:, 4:-4] + noise[:, 8:]) / 4
    depth = np.exp(-rng.uniform(0.8, 1.4) * np.linspace(0, 1, 96))[:, None]
    return np.clip(rng.uniform(50, 70) * smeared * depth, 3, 255).astype(np.uint8)


def test_distances_are_those_of_mahalanobis():
    """Under independent normal descriptors, squared distances have the mean of a chi-square."""
    rng = np.random.default_rng(0)
    values = rng.normal(3, 0.5, (2000, 6))
    novelty = ImageNovelty.fit(values, range(2000))
    squared = novelty.distances(rng.normal(3, 0.5, (2000, 6))) ** 2
    assert squared.mean() == pytest.approx(6, rel=0.06)
    assert (squared > novelty.threshold**2).mean() == pytest.approx(0.01, abs=0.006)


def test_a_twin_is_no_witness():
    """Distances are cross-fitted by patient: doubling every image leaves the threshold alone."""
    values = np.random.default_rng(0).normal(size=(120, 5))
    alone = ImageNovelty.fit(values, range(120))
    twice = ImageNovelty.fit(np.repeat(values, 2, axis=0), np.repeat(np.arange(120), 2).tolist())
    assert twice.threshold == pytest.approx(alone.threshold, rel=0.1)


def test_what_is_kept_is_plain_and_whole():
    """Through JSON and back, distances are the same; another version is not read."""
    values = np.random.default_rng(0).normal(size=(60, 4))
    novelty = ImageNovelty.fit(values, range(60))
    plain = json.loads(json.dumps(novelty.to_dict()))
    again = ImageNovelty.from_dict(plain)
    assert again is not None
    assert (again.distances(values) == novelty.distances(values)).all()
    assert again.threshold == novelty.threshold
    assert ImageNovelty.from_dict(plain | {"version": -1}) is None


def test_few_images_support_no_threshold():
    """Twenty-nine patients say nothing of a 99th percentile, and images all alike do no harm."""
    values = np.random.default_rng(0).normal(size=(58, 4))
    assert ImageNovelty.fit(values, [i // 2 for i in range(58)]).threshold is None
    alike = ImageNovelty.fit(np.ones((40, 4)), range(40))
    assert alike.distances(np.ones((1, 4)))[0] == 0
    assert alike.distances(np.full((1, 4), 2.0))[0] > alike.threshold


def test_other_pictures_stand_out(tmp_path):
    """Noise, a blank, an inverted and a turned image, and photographs; further tissue does not."""
    train = described(tmp_path, [tissue(seed) for seed in range(120)])
    assert train.shape == (120, len(DESCRIPTORS))
    assert np.isfinite(train).all()
    novelty = ImageNovelty.fit(train, range(120))
    more = novelty.distances(described(tmp_path, [tissue(seed) for seed in range(900, 940)]))
    assert (more > novelty.threshold).mean() <= 0.1
    one, rng = tissue(7), np.random.default_rng(0)
    strange = [255 - one, np.rot90(one), rng.integers(0, 256, (96, 96)).astype(np.uint8)]
    strange += [np.zeros((96, 96), np.uint8), np.full((96, 96), 200, np.uint8)]
    strange += load_sample_images().images
    assert (novelty.distances(described(tmp_path, strange)) > novelty.threshold).all()


@pytest.mark.skipif("SONOBENCH_DATA" not in os.environ, reason="SONOBENCH_DATA is not set")
def test_on_busi_one_held_out_image_in_a_hundred_is_flagged():
    """Of images held out by duplicate group about 1 %, of the same images turned nearly all."""
    cohort = load_cohort("busi", Path(os.environ["SONOBENCH_DATA"]) / "busi")
    records = [one[0] for one in cohort.images[0].records]
    cache = FeatureCache(None)
    values = describe_images(records, ImagingOptions(), cache=cache)
    folds = GroupKFold(5, shuffle=True, random_state=1).split(values, groups=cohort.patients)
    n_flagged = 0
    for train, test in folds:
        novelty = ImageNovelty.fit(values[train], [cohort.patients[i] for i in train])
        n_flagged += int((novelty.distances(values[test]) > novelty.threshold).sum())
    assert 0.003 <= n_flagged / len(values) <= 0.02
