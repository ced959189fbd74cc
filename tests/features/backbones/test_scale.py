"""Random weights give embeddings of usable size, without a look at the cohort."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from features import create_backbone, normalise_pixels
from features.backbones import with_unit_output

NAMES = ["mobilenetv3_small_050", "resnet10t", "compact"]


def embed(module: torch.nn.Module) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 120, (6, 64, 64), dtype=np.uint8)
    with torch.inference_mode():
        return module(normalise_pixels(pixels))


@pytest.mark.parametrize("name", NAMES)
def test_features_differ_by_one_constant_only(name):
    """Scaling moves no feature against another: the directions of the raw embedding stay."""
    module = create_backbone(name, weights="random", random_state=0).module
    raw = embed(module)
    scaled = embed(with_unit_output(module, image_size=64, random_state=0))
    factor = float(scaled.abs().max() / raw.abs().max())
    torch.testing.assert_close(scaled, raw * factor, rtol=1e-5, atol=0)


def test_deep_random_networks_do_not_fade():
    """EfficientNet-B3 shrinks its features to below 1e-3; scaled, they vary by about 1."""
    module = create_backbone("efficientnet_b3", weights="random", random_state=0).module
    scaled = with_unit_output(module, image_size=64, random_state=0)
    smooth = np.random.default_rng(1).integers(0, 120, (6, 8, 8)).repeat(8, 1).repeat(8, 2)
    images = normalise_pixels(smooth.astype(np.uint8))
    with torch.inference_mode():
        assert module(images).std(dim=0).mean() < 1e-3
        assert 0.1 < scaled(images).std(dim=0).mean() < 10


def test_the_constant_follows_the_seed():
    """The same seed gives the same constant to the bit, another seed another one."""
    module = create_backbone("resnet10t", weights="random", random_state=0).module

    def factor(seed: int) -> float:
        return float(with_unit_output(module, image_size=32, random_state=seed).factor)

    assert factor(0) == factor(0)
    assert factor(0) != factor(1)


def test_features_without_spread_are_left_alone():
    """A backbone that gives the same for every image is not blown up."""

    class Constant(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 3)

    assert with_unit_output(Constant(), image_size=32, random_state=0).factor == 1
