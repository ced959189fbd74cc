"""Random weights with a usable output: scaled by what made-up images come to."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from features.backbones._input import normalise_pixels

__all__ = ["ScaledBackbone", "with_unit_output"]

N_IMAGES = 16
# About the grey values of an ultrasound image: dark, and wide.
GREY_MEAN, GREY_SD = 64.0, 40.0


class ScaledBackbone(nn.Module):
    """A backbone whose output is multiplied by a constant.

    Parameters
    ----------
    module : nn.Module
        (n, 3, height, width) -> (n, n_features).
    factor : float
        The constant.
    """

    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("factor", torch.tensor(factor))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return scaled features of shape (n, n_features)."""
        scaled: torch.Tensor = self.module(images) * self.factor
        return scaled


def with_unit_output(module: nn.Module, *, image_size: int, random_state: int) -> ScaledBackbone:
    """Scale the output so that a feature varies by about 1 from one made-up image to another.

    A deep network with random weights shrinks what passes through it (EfficientNet-B3 to a
    standard deviation of 2e-5), because its batch norms carry the statistics of nothing.
    Giving them statistics of their own makes embeddings worse, not only larger: signals then
    leave the range in which activations are almost linear, and deep random nonlinearities
    mix images up. One constant for all features changes nothing but the scale. It comes from
    noise of a seed and never from a cohort, so nothing is learned from patients.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, float32, on the CPU.
    image_size : int
        Edge of the images in pixels.
    random_state : int
        Seed of the made-up images.

    Returns
    -------
    ScaledBackbone
        Around `module`, in evaluation mode.
    """
    images = normalise_pixels(_speckle(N_IMAGES, image_size, random_state))
    with torch.inference_mode():
        # One by one, as on a CPU all images pass.
        features = torch.cat([module(images[i : i + 1]) for i in range(N_IMAGES)])
    spread = float(features.double().std(dim=0).square().mean().sqrt())
    return ScaledBackbone(module, 1.0 / spread if spread > 0 else 1.0).eval()


def _speckle(n: int, image_size: int, random_state: int) -> NDArray[np.uint8]:
    """Return noise whose amplitude falls with frequency as 1/f, as that of natural images does.

    Source: Field (1987), JOSA A 4(12).
    """
    rng = np.random.default_rng(random_state)
    white = np.fft.rfft2(rng.standard_normal((n, image_size, image_size)))
    frequency = np.hypot(np.fft.fftfreq(image_size)[:, None], np.fft.rfftfreq(image_size)[None, :])
    frequency[0, 0] = np.inf  # no constant part
    noise = np.fft.irfft2(white / frequency, s=(image_size, image_size))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    return np.clip(np.round(GREY_MEAN + GREY_SD * noise), 0, 255).astype(np.uint8)
