"""Where a new case lies outside what the models saw; the prediction still stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cohorts import Cohort, ImageModality, Note
from features import (
    FeatureCache,
    ImageNovelty,
    ImagingOptions,
    describe_images,
    modality_records,
    outside_seen,
)

__all__ = ["case_flags", "notes_on_images"]


def case_flags(
    cohort: Cohort,
    development: Mapping[str, Any],
    *,
    modalities: Collection[str],
    absent: Collection[tuple[str, str]],
    imaging: ImagingOptions,
    cache: FeatureCache,
) -> list[list[str]]:
    """Return the flags of each case.

    Parameters
    ----------
    cohort : Cohort
        New cases.
    development : mapping
        What the run says of its cohort: ``seen`` and ``novelty``.
    modalities : collection of str
        Those that the model reads.
    absent : collection of (str, str)
        Modality and column of what the table of the cases does not have at all.
    imaging : ImagingOptions
        Of the run.
    cache : FeatureCache
        Where the numbers of an image are kept.
    """
    flags = outside_seen(cohort, development["seen"], modalities=modalities, absent=absent)
    for images in cohort.images:
        plain = development["novelty"].get(images.name)
        if images.name in modalities and plain is not None:
            _flag_strange(images, ImageNovelty.from_dict(plain), flags, imaging, cache)
    return flags


def notes_on_images(development: Mapping[str, Any]) -> tuple[Note, ...]:
    """Say of which images nothing will be flagged, and why."""
    notes = []
    for name, plain in development["novelty"].items():
        novelty = ImageNovelty.from_dict(plain)
        if novelty is None:
            why = (
                "another version of sonobench has described those; start benchmark run on the run "
                "folder again"
            )
        elif novelty.threshold is None:
            why = f"{novelty.n_images} of those are too few to tell what is usual"
        else:
            continue
        text = f"No {name} image is compared with the training images: {why}."
        notes.append(Note("images-not-compared", "warning", text))
    return tuple(notes)


def _flag_strange(
    images: ImageModality,
    novelty: ImageNovelty | None,
    flags: Sequence[list[str]],
    imaging: ImagingOptions,
    cache: FeatureCache,
) -> None:
    if novelty is None or novelty.threshold is None:
        return
    owners = [found for found, records in zip(flags, images.records, strict=True) for _ in records]
    values = describe_images(modality_records(images), imaging, cache=cache)
    for found, distance in zip(owners, novelty.distances(values), strict=True):
        if distance > novelty.threshold:
            found.append(
                f"{images.name} unlike the training images (distance {distance:.1f} above "
                f"{novelty.threshold:.1f})"
            )
