"""Augmentation changes what may change, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from features import AugmentOptions, augment_images
from models.networks._modules import FusionHeads, FusionNetwork

STILL = AugmentOptions(
    flip=False, shift=0, zoom=0, rotation_deg=0, brightness=0, contrast=0, speckle=0
)


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(8, 3, 32, 32)


def test_images_change_and_keep_their_shape(images):
    """By default every image changes."""
    changed = augment_images(images)
    assert changed.shape == images.shape
    assert ((changed - images).abs().amax(dim=(1, 2, 3)) > 0.01).all()


def test_all_switched_off_changes_nothing(images):
    """With every strength at zero the images come back."""
    torch.testing.assert_close(augment_images(images, options=STILL), images, atol=1e-5, rtol=0)


def test_the_seed_decides(images):
    """The generator of torch alone decides what is done."""
    torch.manual_seed(3)
    first = augment_images(images)
    again = augment_images(images)
    torch.manual_seed(3)
    assert torch.equal(augment_images(images), first)
    assert not torch.equal(again, first)


def test_up_stays_up():
    """A bright upper half stays brighter than the lower one."""
    halves = torch.zeros(32, 3, 32, 32)
    halves[:, :, :16] = 1.0
    moved = augment_images(halves)
    assert (moved[:, :, :12].mean((1, 2, 3)) > moved[:, :, 20:].mean((1, 2, 3))).all()


def test_flips_exchange_left_and_right_in_half_of_the_images(images):
    """Flipping alone mirrors some images exactly and leaves the others."""
    many = images.repeat(8, 1, 1, 1)
    flipped = augment_images(many, options=replace(STILL, flip=True))
    kept = (flipped - many).abs().amax(dim=(1, 2, 3)) < 1e-5
    mirrored = (flipped - many.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (kept ^ mirrored).all()
    assert 16 <= int(mirrored.sum()) <= 48


def test_rotation_keeps_shapes_in_images_that_are_not_square():
    """A centred disc stays the disc that it was, though width and height differ."""
    rows, columns = np.mgrid[:40, :80]
    disc = ((rows - 19.5) ** 2 + (columns - 39.5) ** 2 <= 12**2).astype(np.float32)
    images = torch.from_numpy(disc)[None, None].repeat(16, 3, 1, 1)
    turned = augment_images(images, options=replace(STILL, rotation_deg=45))
    assert float((turned - images).abs().mean()) < 0.02


def test_speckle_multiplies():
    """Noise grows with the distance from black: black stays black."""
    ramp = torch.linspace(-2, 2, 64).repeat(4, 3, 64, 1)
    noisy = augment_images(ramp, options=replace(STILL, speckle=0.2))
    spread = (noisy - ramp).std(dim=(0, 1, 2))
    assert spread[0] < 1e-5
    assert spread[-8:].mean() > 1.5 * spread[24:32].mean()
    assert torch.allclose(noisy[:, 0], noisy[:, 2], atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_only_training_images_are_changed(images, training):
    """The network augments while it trains; evaluated twice it says the same."""
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    heads = FusionHeads(
        n_images=1,
        n_image_features=48,
        n_tables=0,
        column_tables=(),
        image_units=4,
        tabular_units=4,
        hidden_units=4,
        n_classes=3,
        dropout=0.0,
    )
    network = FusionNetwork(backbone, heads, augment=AugmentOptions(), freeze_norm=False).train(
        training
    )
    grey = (255 * images[:, 0]).byte()
    inputs = {"image_0": grey, "image_0_present": torch.ones(len(images))}
    first, second = network(**inputs), network(**inputs)
    assert torch.equal(first, second) == (not training)


@pytest.mark.parametrize("wrong", [{"shift": 0.6}, {"zoom": -0.1}, {"contrast": 1.0}, {"turn": 3}])
def test_strengths_are_checked(wrong):
    """A strength out of range and an unknown name are refused."""
    with pytest.raises(ValidationError):
        AugmentOptions(**wrong)
