"""Compare automatic lesion masks with the experts' masks, and time the imaging pipeline.

Usage: python benchmarks/segmentation.py [--data DIR] [--cohorts demo,breast,busi]

DIR holds the folders ``breast`` and ``busi``. For each cohort the script prints the Dice of the
automatic mask and of the whole scanned area (median and quartiles), how well the confidence
predicts it, what different values of ``min_confidence`` would give, how much of the experts'
masks is cut off with the frame, and the seconds per image of each step on one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from cohorts import ImageRecord, load_cohort
from features.imaging import (
    ImagingOptions,
    decode_mask,
    find_region,
    prepare_image,
)

CONFIDENCES = (0.0, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)

ALWAYS = ImagingOptions(min_confidence=0.0)


@dataclass(frozen=True)
class Outcome:
    """What was measured on one image; Dice is NaN where no expert outlined anything."""

    dice: float
    whole_dice: float
    confidence: float
    cut_off: float
    prepare_s: float
    segment_s: float


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return twice the overlap over the sum of the areas."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def measure(record: ImageRecord) -> Outcome:
    """Prepare and segment one image."""
    started = time.perf_counter()
    prepared = prepare_image(record, ALWAYS)
    between = time.perf_counter()
    region = find_region(prepared, "automatic", ALWAYS)
    ended = time.perf_counter()
    assert region is not None  # noqa: S101  # only an expert's region can be absent
    scores = (np.nan, np.nan, np.nan)
    outlined, mask = prepared.outlined, decode_mask(record)
    if outlined is not None and mask is not None:
        cut_off = 1 - outlined.sum() / mask.sum()
        scores = (dice(region.mask, outlined), dice(prepared.scanned, outlined), cut_off)
    times = (between - started, ended - between)
    return Outcome(scores[0], scores[1], region.confidence, scores[2], *times)


def describe(name: str, values: NDArray[np.float64]) -> str:
    """Return quartiles as text."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"  {name:28} median {middle:.3f}, quartiles {low:.3f} to {high:.3f}"


def print_cohort(name: str, outcomes: list[Outcome]) -> None:
    """Print one cohort's lines."""
    columns = np.asarray([list(vars(one).values()) for one in outcomes], dtype=np.float64)
    found, whole, confidence, cut_off, prepare_s, segment_s = columns.T
    lesion = ~np.isnan(found)
    print(f"{name}: {lesion.sum()} images with an outlined lesion, {(~lesion).sum()} without")
    print(describe("Dice, automatic", found[lesion]))
    print(describe("Dice, whole scanned area", whole[lesion]))
    print(describe("confidence, with lesion", confidence[lesion]))
    rank = spearmanr(confidence[lesion], found[lesion]).statistic
    print(f"  Spearman of confidence and Dice {rank:.3f}")
    if not lesion.all():
        print(describe("confidence, without", confidence[~lesion]))
        print(f"  AUC of confidence for a lesion {roc_auc_score(lesion, confidence):.3f}")
    print_thresholds(found[lesion], whole[lesion], confidence[lesion], confidence[~lesion])
    n_cut = int((cut_off[lesion] > 0).sum())
    print(f"  masks cut by the frame: {n_cut}, at most {np.nanmax(cut_off):.4%} of a mask")
    print(f"  seconds per image, median: prepare {np.median(prepare_s):.4f}, ", end="")
    print(f"segment {np.median(segment_s):.4f}")


def print_thresholds(
    found: NDArray[np.float64],
    whole: NDArray[np.float64],
    confidence: NDArray[np.float64],
    without: NDArray[np.float64],
) -> None:
    """Print what each value of min_confidence would give."""
    for threshold in CONFIDENCES:
        below = confidence < threshold
        used = np.where(below, whole, found)
        line = f"  min_confidence {threshold:.2f}: {below.mean():6.1%} below"
        if len(without):
            line += f" ({(without < threshold).mean():6.1%} of those without)"
        line += f", Dice used {np.median(used):.3f} median, {used.mean():.3f} mean"
        if below.any():
            line += f"; below, automatic {np.median(found[below]):.3f}"
            line += f" and whole {np.median(whole[below]):.3f}"
        print(line)


def main() -> None:
    """Measure every cohort."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds breast/ and busi/")
    parser.add_argument("--cohorts", default="demo,breast,busi")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    for name in arguments.cohorts.split(","):
        if name != "demo" and arguments.data is None:
            print(f"{name}: left out, because --data is not given")
            continue
        cohort = load_cohort(name, None if name == "demo" else arguments.data / name)
        records = [record for case in cohort.images[0].records for record in case]
        print_cohort(name, [measure(record) for record in records])


if __name__ == "__main__":
    main()
