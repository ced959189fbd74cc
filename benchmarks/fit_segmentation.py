"""Choose the constants of the automatic lesion masks anew, on the masks of BrEaST.

Usage: python benchmarks/fit_segmentation.py --data DIR

DIR holds the folder ``breast``. Prints ``WEIGHTS`` and ``CONFIDENCE`` of
``features.imaging._segment``, and the Dice in fivefold cross-validation. The weights maximise
the mean Dice of blobs that are drawn by the softmax of their scores; the confidence is a
logistic curve through the Dice of cross-validated masks.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cohorts import ImageRecord, load_cohort
from features import ImagingOptions, prepare_image
from features.imaging._blobs import DESCRIPTORS, dark_blobs, describe_blobs, make_views
from features.imaging._segment import N_RIVALS, _filled

PENALTY, N_FOLDS, SEED = 3e-3, 5, 0

# Penalty on the standardised slopes of the confidence.
CURVE_PENALTY = 0.01

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """The blobs of one image: descriptors, Dice with the expert, and masks of fewer pixels."""

    descriptors: Numbers
    dice: Numbers
    pixels: Numbers


def read_scene(record: ImageRecord) -> Scene:
    """Describe all blobs of an image and compare them with the expert's mask."""
    prepared = prepare_image(record, ImagingOptions())
    views = make_views(prepared.grey, prepared.scanned)
    blobs = dark_blobs(views)
    shape = views.scanned.shape
    filled = _filled(blobs, shape)
    outlined = np.asarray(prepared.outlined, dtype=np.float32)
    expert = cv2.resize(outlined, shape[::-1], interpolation=cv2.INTER_AREA) >= 0.5
    overlap = (filled * expert).sum(axis=(1, 2))
    dice = 2 * overlap / (filled.sum(axis=(1, 2)) + expert.sum())
    pixels = filled[:, ::2, ::2].reshape(len(blobs), -1).astype(np.float64)
    return Scene(describe_blobs(blobs, views), dice, pixels)


def fit_weights(scenes: Sequence[Scene]) -> Numbers:
    """Return the weights of the descriptors."""
    every = np.concatenate([scene.descriptors for scene in scenes])
    centre, scale = every.mean(axis=0), every.std(axis=0) + 1e-6
    inputs = [torch.from_numpy((scene.descriptors - centre) / scale) for scene in scenes]
    targets = [torch.from_numpy(scene.dice) for scene in scenes]
    weights = torch.zeros(len(centre), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimiser.zero_grad()
        gained = [torch.softmax(x @ weights, 0) @ y for x, y in zip(inputs, targets, strict=True)]
        value = -torch.stack(gained).mean() + PENALTY * (weights**2).sum()
        value.backward()
        return float(value.detach())

    optimiser.step(loss)
    return np.asarray(weights.detach().numpy() / scale)


def choose(scene: Scene, weights: Numbers) -> tuple[float, float, float]:
    """Return the Dice, score and agreement of the best blob."""
    scores = scene.descriptors @ weights
    best = np.argsort(-scores, kind="stable")[:N_RIVALS]
    pixels, odds = scene.pixels[best], np.exp(scores[best] - scores[best[0]])
    dice = 2 * (pixels @ pixels[0]) / (pixels.sum(axis=1) + pixels[0].sum())
    return scene.dice[best[0]], scores[best[0]], float(dice @ odds / odds.sum())


def fit_confidence(chosen: Numbers) -> Numbers:
    """Return constant, slope of the score and slope of the agreement."""
    centre, scale = chosen[:, 1:].mean(axis=0), chosen[:, 1:].std(axis=0)
    inputs, dice = (chosen[:, 1:] - centre) / scale, chosen[:, 0]

    def loss(curve: Numbers) -> float:
        expected = np.clip(expit(curve[0] + inputs @ curve[1:]), 1e-9, 1 - 1e-9)
        fit = dice * np.log(expected) + (1 - dice) * np.log(1 - expected)
        return float(-fit.mean() + CURVE_PENALTY * (curve[1:] ** 2).sum())

    curve = minimize(loss, np.zeros(3)).x
    slopes = curve[1:] / scale
    return np.asarray([curve[0] - slopes @ centre, *slopes])


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds breast/")
    cohort = load_cohort("breast", parser.parse_args().data / "breast")
    scenes = [read_scene(record) for (record,) in cohort.images[0].records if record.masks]
    fold = np.random.default_rng(SEED).permutation(len(scenes)) % N_FOLDS
    chosen = np.zeros((len(scenes), 3))
    for held_out in range(N_FOLDS):
        weights = fit_weights([scenes[i] for i in np.flatnonzero(fold != held_out)])
        for i in np.flatnonzero(fold == held_out):
            chosen[i] = choose(scenes[i], weights)
    for name, weight in zip(DESCRIPTORS, fit_weights(scenes), strict=True):
        print(f"{name:20} {weight:.3g}")
    print("confidence", ", ".join(f"{value:.3f}" for value in fit_confidence(chosen)))
    low, middle, high = np.percentile(chosen[:, 0], [25, 50, 75])
    print(f"cross-validated Dice: median {middle:.3f}, quartiles {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
