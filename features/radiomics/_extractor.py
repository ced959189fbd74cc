"""The radiomics blocks: what is measured in a region of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts import BenchmarkError, ImageModality, ImageRecord, Note, unknown_name
from features._blocks import (
    FeatureBlock,
    FeatureExtractor,
    FeatureText,
    register_extractor,
)
from features._cache import FeatureCache
from features._per_image import extract_records, image_block, modality_records
from features.imaging import ImagingOptions, Region, RegionOrigin, find_region, prepare_image
from features.radiomics._families import FAMILIES, Family, RegionView
from features.radiomics._options import MaskOptions, RadiomicsOptions

__all__ = ["MaskRadiomics", "Radiomics"]

BATCH_SIZE = 16

# Stored behind the features of an image: who drew its region, and how sure it is.
N_ABOUT_REGION = 2
ORIGINS: tuple[RegionOrigin, ...] = ("expert", "automatic", "whole")

AUTOMATIC = (
    "Radiomics were computed in regions that were found automatically, the same way for every "
    "image; no mask of these images was read. In {n_whole} of {n_images} images no "
    "region was found with a confidence of {least} or more, and all that was scanned stands in; "
    "their shape counts as missing."
)
WHOLE = "Radiomics were computed over all that was scanned in every image, as the config asks."
EXPERT_MASK = (
    "The block radiomics_mask was computed inside the masks that came with the data. An expert's "
    "outline tells much by itself, and a new patient needs one as well."
)
MASK_PRESENCE = (
    "The block radiomics_mask was computed inside masks; {n_without} of {n_images} images have "
    "none and count as missing. Where having a mask goes with the class, its rows are too good."
)
PIXEL_SIZES = (
    "Pixel sizes differ from {low:.2g} to {high:.2g} mm. Texture is counted in pixels and can read "
    "the device and its depth setting from them; where these go with the class, rows that use "
    "radiomics are too good. imaging: {{pixel_mm: {usual:.2g}}} measures all images at one size."
)
SOME_SIZES = (
    "Only {n_known} of {n_images} images have a pixel size, so that radiomics measure lengths in "
    "pixels in all of them; sizes in images that were scaled differently cannot be compared."
)
# Largest over smallest pixel size from which on it is said.
ALIKE = 1.25
NOT_OFFERED = (
    "{n_without} of {n_images} images have no mask, and a block that exists for some cases only "
    "would state their class; name the feature set to have it all the same"
)


@register_extractor("radiomics")
class Radiomics(FeatureExtractor[MaskOptions]):
    """Statistics, shape and texture of a region that is found the same way in every image."""

    title = "statistics, 2-D shape and texture of an automatic region (radiomics by IBSI)"
    version = 2
    options_type: ClassVar[type] = RadiomicsOptions
    image_s = 0.06
    reads_masks: ClassVar[bool] = False

    def check(self, options: MaskOptions) -> None:
        """Refuse families that are unknown or that the region cannot have."""
        possible = self._families(replace(options, families=None))
        where = f"feature_options.{self.name}.families"
        for name in options.families or ():
            if name not in FAMILIES:
                hint = "See: benchmark list features --describe"
                raise unknown_name("radiomics family", name, FAMILIES, where=where, hint=hint)
            if name not in possible:
                raise BenchmarkError(
                    f"{where}: the family {name!r} describes a region that was found, and there is "
                    f"none to describe here. Leave it out; possible are {', '.join(possible)}."
                )

    def resolve(self, images: ImageModality, options: MaskOptions) -> MaskOptions:
        """Decide the unit for the whole cohort."""
        unit = options.unit
        if unit == "auto":
            known = all(record.spacing_mm is not None for record in modality_records(images))
            unit = "mm" if known else "px"
        return replace(options, unit=unit)

    def describe(self, options: MaskOptions) -> list[FeatureText]:
        """Name every number of an image, in order."""
        return [
            text._replace(name=f"{name}_{text.name}", family=family.title)
            for name, family in self._families(options).items()
            for text in family.describe(options)
        ]

    def extract(
        self,
        name: str,
        cases: Sequence[str],
        images: ImageModality,
        options: MaskOptions,
        *,
        imaging: ImagingOptions,
        cache: FeatureCache,
        random_state: int,  # noqa: ARG002  # nothing here is random
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block, and record where each image was measured."""
        settings = {"version": self.version, **asdict(options), "imaging": imaging.settings()}
        numbers = extract_records(
            modality_records(images),
            partial(self._describe_all, options=options, imaging=imaging),
            extractor=self.name,
            settings=settings,
            cache=cache,
            batch_size=BATCH_SIZE,
            progress=progress,
        )
        values, about = numbers[:, :-N_ABOUT_REGION], numbers[:, -N_ABOUT_REGION:]
        block = image_block(name, cases, images, self.describe(options), values, settings=settings)
        regions = _regions(cases, images, about)
        notes = (*self._notes(regions, options, imaging), *_size_notes(images, imaging))
        return replace(block, notes=notes, options=asdict(options), regions=regions)

    def _source(self, options: MaskOptions) -> RegionOrigin:
        """Say whose region is measured; an expert's where the options have no choice."""
        return options.region if isinstance(options, RadiomicsOptions) else "expert"

    def _families(self, options: MaskOptions) -> dict[str, Family]:
        """Return the families that are wanted and that the region can have."""
        wanted = FAMILIES if options.families is None else options.families
        whole = self._source(options) == "whole"
        return {
            name: FAMILIES[name]
            for name in dict.fromkeys(wanted)
            if not (whole and FAMILIES[name].of_outline)
            # Only an automatic region has something to say about itself.
            and not (name == "region" and (whole or self.reads_masks))
        }

    def _describe_all(
        self,
        records: Sequence[ImageRecord],
        *,
        options: MaskOptions,
        imaging: ImagingOptions,
    ) -> NDArray[np.float64]:
        return np.asarray([self._describe_one(record, options, imaging) for record in records])

    def _describe_one(
        self, record: ImageRecord, options: MaskOptions, imaging: ImagingOptions
    ) -> list[float]:
        """All numbers of one image, then who drew the region and how sure it is."""
        prepared = prepare_image(record, imaging)
        region = find_region(prepared, self._source(options), imaging)
        families = self._families(options)
        if region is None:
            n_values = sum(len(family.describe(options)) for family in families.values())
            return [np.nan] * (n_values + N_ABOUT_REGION)
        # Sizes in millimetres of an image whose pixel size is unknown are unknown.
        spacing = (prepared.spacing_mm or np.nan) if options.unit == "mm" else 1.0
        view = RegionView(
            prepared.grey, region.mask, prepared.scanned, spacing, region.confidence, options
        )
        values: list[float] = []
        for family in families.values():
            # The outline of all that was scanned would tell the machine, not the lesion.
            missing = family.of_outline and region.origin == "whole"
            values += [np.nan] * len(family.describe(options)) if missing else family.compute(view)
        return [*values, *_about(region)]

    def _notes(
        self, regions: pd.DataFrame, options: MaskOptions, imaging: ImagingOptions
    ) -> tuple[Note, ...]:
        """Return what the page must say about the regions."""
        if self._source(options) == "whole":
            return (Note("whole-region", "info", WHOLE),)
        n_whole = int((regions["origin"] == "whole").sum())
        text = AUTOMATIC.format(
            n_whole=n_whole, n_images=len(regions), least=imaging.min_confidence
        )
        return (Note("automatic-region", "info", text),)


@register_extractor("radiomics_mask")
class MaskRadiomics(Radiomics):
    """The same inside the masks that came with the data: a block of its own."""

    options_type = MaskOptions
    title = "the same inside an expert's masks, where every image has one"
    reads_masks = True

    def skip(self, images: ImageModality) -> str | None:
        """Ask for a mask of every image."""
        records = modality_records(images)
        n_without = sum(not record.masks for record in records)
        if not n_without:
            return None
        if n_without == len(records):
            return "no image has a mask"
        return NOT_OFFERED.format(n_without=n_without, n_images=len(records))

    def _notes(
        self,
        regions: pd.DataFrame,
        options: MaskOptions,  # noqa: ARG002  # the region is the mask
        imaging: ImagingOptions,  # noqa: ARG002  # as above
    ) -> tuple[Note, ...]:
        outlined = Note("expert-mask", "warning", EXPERT_MASK)
        n_without = int((regions["origin"] == "none").sum())
        if not n_without:
            return (outlined,)
        text = MASK_PRESENCE.format(n_without=n_without, n_images=len(regions))
        return outlined, Note("mask-presence", "warning", text)


def _size_notes(images: ImageModality, imaging: ImagingOptions) -> tuple[Note, ...]:
    """Say that some pixel sizes are unknown, and warn where they can tell the device."""
    records = modality_records(images)
    known = [one.spacing_mm for one in records if one.spacing_mm is not None]
    if 0 < len(known) < len(records):
        text = SOME_SIZES.format(n_known=len(known), n_images=len(records))
        return (Note("pixel-sizes", "warning", text),)
    if imaging.pixel_mm is not None or not known or max(known) < ALIKE * min(known):
        return ()
    text = PIXEL_SIZES.format(low=min(known), high=max(known), usual=np.median(known))
    return (Note("pixel-sizes", "warning", text),)


def _about(region: Region) -> list[float]:
    return [float(ORIGINS.index(region.origin)), region.confidence]


def _regions(
    cases: Sequence[str], images: ImageModality, about: NDArray[np.float64]
) -> pd.DataFrame:
    """Say for each image who drew its region: ``none`` where there is none."""
    owners = [
        (case, number)
        for case, records in zip(cases, images.records, strict=True)
        for number in range(len(records))
    ]
    frame = pd.DataFrame(owners, columns=["case", "image"])
    about = about if len(about) else np.empty((0, N_ABOUT_REGION))
    drawn = [ORIGINS[int(code)] if code == code else "none" for code in about[:, 0]]
    return frame.assign(origin=drawn, confidence=about[:, 1])
