"""Speckle filters smooth and keep edges; equalisation raises contrast."""

from __future__ import annotations

import numpy as np
import pytest

from features.imaging import equalise_contrast, reduce_speckle

FILTERS = ["bilateral", "nl_means", "tv"]


@pytest.fixture
def step() -> np.ndarray:
    """Two grey values with noise: 60 on the left, 180 on the right."""
    rng = np.random.default_rng(0)
    levels = np.where(np.arange(64) < 32, 60, 180)[None].repeat(64, axis=0)
    return np.clip(levels + rng.normal(0, 10, levels.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", FILTERS)
def test_noise_shrinks_and_edges_stay(step, kind):
    """The spread in each half falls by 30 %, the step between them by less than 10 %."""
    smooth = reduce_speckle(step, kind=kind)
    assert smooth[:, :24].std() < 0.7 * step[:, :24].std()
    height = float(smooth[:, 33:36].mean() - smooth[:, 28:31].mean())
    assert height > 0.9 * float(step[:, 33:36].mean() - step[:, 28:31].mean())


@pytest.mark.parametrize("kind", FILTERS)
def test_more_strength_smooths_more(step, kind):
    """The spread falls with the strength."""
    spread = [
        reduce_speckle(step, kind=kind, strength=strength)[:, :16].std()
        for strength in (0.1, 0.3, 0.8)
    ]
    assert spread[0] > spread[1] > spread[2]


def test_none_returns_the_image(step):
    """Without a filter nothing changes."""
    assert (reduce_speckle(step, kind="none") == step).all()


def test_equalisation_raises_contrast(step):
    """A dull image spreads over more grey values, more so with a higher limit."""
    dull = (100 + step / 16).astype(np.uint8)
    spread = [equalise_contrast(dull, clip_limit=clip, n_tiles=2).std() for clip in (1.0, 4.0)]
    assert dull.std() < spread[0] < spread[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
@pytest.mark.parametrize("n_tiles", [1, 8, 32])
def test_equalisation_works_on_few_pixels(shape, n_tiles):
    """Images with fewer pixels than tiles are equalised too."""
    assert equalise_contrast(np.full(shape, 7, np.uint8), n_tiles=n_tiles).shape == shape
