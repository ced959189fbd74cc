"""Families are described and computed alike, and to the bit the same wherever arrays lie."""

from __future__ import annotations

import numpy as np
import pytest

from features.radiomics import FAMILIES, RadiomicsOptions, RegionView


def view_of(image: np.ndarray, mask: np.ndarray) -> RegionView:
    scanned = np.ones(mask.shape, dtype=bool)
    return RegionView(image, mask, scanned, 1.0, 1.0, RadiomicsOptions(unit="px"))


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(20, 70, size=2))
    image = rng.integers(0, 256, size=(height, width), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=bool)
    mask[4:-4, 3:-5] = rng.random((height - 8, width - 8)) < 0.8
    return image, mask


@pytest.mark.parametrize("name", FAMILIES)
def test_every_value_has_a_description(name):
    """As many values as texts, no name twice, and a formula or source for each."""
    family = FAMILIES[name]
    texts = family.describe(RadiomicsOptions(unit="px"))
    assert len(family.compute(view_of(*picture(0)))) == len(texts)
    assert len({text.name for text in texts}) == len(texts)
    assert all(text.description for text in texts)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_region_has_the_same_bits(name):
    """Copies that lie elsewhere in memory give equal values, so that a run can be repeated."""
    family, shifted = FAMILIES[name], []
    for seed in range(6):
        image, mask = picture(seed)
        for offset in range(0, 64, 12):
            memory = np.zeros(image.size + 64, dtype=np.uint8)
            copy = memory[offset : offset + image.size].reshape(image.shape)
            copy[:] = image
            # What other computations leave behind changes where temporaries lie.
            shifted.append(np.zeros(1000 + 37 * offset))
            values = family.compute(view_of(copy, mask))
            assert np.array_equal(values, family.compute(view_of(image, mask)), equal_nan=True)
