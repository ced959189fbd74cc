"""The radiomics block: statistics, texture and shape of each image's region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts import ImageModality, ImageRecord, Note
from features._blocks import FeatureBlock, FeatureExtractor, register_extractor
from features._cache import FeatureCache
from features._per_image import NamedFeature, extract_records, image_block
from features.imaging import ImagingOptions, prepare_image
from features.radiomics._first_order import FIRST_ORDER, first_order_features
from features.radiomics._shape import SHAPE, shape_features
from features.radiomics._texture import GLCM, cooccurrence_matrices, discretise, glcm_features

__all__: list[str] = []

Region = Literal["auto", "mask", "image", "mask_or_image"]

BATCH_SIZE = 16

WHOLE_IMAGE = (
    "Radiomics were computed over the whole image: {n_without} of {n_images} images have no mask "
    "or an empty one, and a region that is a lesion in some images and everything in others would "
    "state the class. feature_options.radiomics.region decides otherwise."
)
EXPERT_MASK = (
    "Radiomics were computed inside the masks that came with the data. An expert's outline tells "
    "much by itself, and a new patient needs one as well."
)
MIXED_REGIONS = (
    "Radiomics were computed inside the mask where there is one and over the whole image in the "
    "{n_without} of {n_images} images without. Where having a mask goes with the class, rows that "
    "use radiomics are too good."
)
MISSING_REGIONS = (
    "Radiomics were computed inside masks; {n_without} of {n_images} images have none and count as "
    "missing. Where having a mask goes with the class, rows that use radiomics are too good."
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RadiomicsOptions:
    """What can be set for radiomics.

    Attributes
    ----------
    region : {"auto", "mask", "image", "mask_or_image"}
        Where the numbers are taken from. ``auto``: inside the mask if every image of the
        cohort has one, else over the whole image in all of them. ``mask_or_image`` decides
        image by image, which lets the presence of a mask speak.
    unit : {"auto", "mm", "px"}
        Unit of lengths and areas. ``auto``: millimetres if every pixel size is known, else
        pixels for all, so that units never mix.
    n_levels : int
        Grey levels of the texture matrices (fixed bin number).
    """

    region: Region = "auto"
    unit: Literal["auto", "mm", "px"] = "auto"
    n_levels: Annotated[int, Field(ge=2, le=256)] = 32


@register_extractor("radiomics")
class Radiomics(FeatureExtractor[RadiomicsOptions]):
    """Intensity statistics, co-occurrence texture and, inside masks, shape."""

    title = "intensity statistics, 2-D shape, grey-level co-occurrence (radiomics by IBSI)"
    version = 1
    options_type = RadiomicsOptions
    image_s = 0.01

    def resolve(self, images: ImageModality, options: RadiomicsOptions) -> RadiomicsOptions:
        """Decide region and unit for the whole cohort."""
        records = _records(images)
        region, unit = options.region, options.unit
        if region == "auto":
            region = "mask" if all(record.masks for record in records) else "image"
        if unit == "auto":
            unit = "mm" if all(record.spacing_mm is not None for record in records) else "px"
        return replace(options, region=region, unit=unit)

    def extract(
        self,
        name: str,
        cases: Sequence[str],
        images: ImageModality,
        options: RadiomicsOptions,
        *,
        imaging: ImagingOptions,
        cache: FeatureCache,
        random_state: int,  # noqa: ARG002  # nothing here is random
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block over the regions that `options` name."""
        settings = {
            "version": self.version,
            **asdict(options),
            "imaging": asdict(imaging),
        }
        extract = partial(
            extract_records,
            compute=partial(_describe_all, options=options, imaging=imaging),
            extractor=self.name,
            settings=settings,
            cache=cache,
            batch_size=BATCH_SIZE,
            progress=progress,
        )
        block = image_block(name, cases, images, _features(options), extract, settings=settings)
        notes = tuple(_notes(_records(images), options.region))
        return replace(block, notes=notes, options=asdict(options))


def _records(images: ImageModality) -> list[ImageRecord]:
    return [record for records in images.records for record in records]


def _notes(records: Sequence[ImageRecord], region: Region) -> list[Note]:
    """Return what the page must say about the region."""
    n_without = sum(not record.masks for record in records)
    counts = {"n_without": n_without, "n_images": len(records)}
    if not n_without:
        return [] if region == "image" else [Note("expert-mask", "info", EXPERT_MASK)]
    if region == "image":
        text = WHOLE_IMAGE.format(**counts)
        # Where none has a mask nothing was lost; where a few lack one, it should be known.
        none_has = n_without == len(records)
        return [Note("whole-image-region", "info" if none_has else "warning", text)]
    text = MISSING_REGIONS if region == "mask" else MIXED_REGIONS
    return [Note("mask-presence", "warning", text.format(**counts))]


def _features(options: RadiomicsOptions) -> list[NamedFeature]:
    """Name every number, in the order of `_describe`."""
    named: list[NamedFeature] = []
    named += [(f"firstorder_{name}", "", f"IBSI {code}") for name, code in FIRST_ORDER.items()]
    named += [(f"glcm_{name}", "", f"IBSI {code}") for name, code in GLCM.items()]
    if options.region != "image":
        # The outline of a whole image is its frame: it would tell the machine, not the lesion.
        units = {0: "", 1: options.unit, 2: f"{options.unit}²"}
        named += [(f"shape_{name}", units[power], text) for name, (power, text) in SHAPE.items()]
    return named


def _describe_all(
    records: Sequence[ImageRecord], *, options: RadiomicsOptions, imaging: ImagingOptions
) -> NDArray[np.float64]:
    return np.asarray([_describe(record, options, imaging) for record in records], dtype=np.float64)


def _describe(
    record: ImageRecord, options: RadiomicsOptions, imaging: ImagingOptions
) -> list[float]:
    """All numbers of one image; NaN where its region does not exist."""
    prepared = prepare_image(record, imaging)
    image = prepared.grey
    outlined = None if options.region == "image" else prepared.outlined
    if outlined is None and options.region == "mask":
        return [float("nan")] * len(_features(options))
    mask = np.ones(image.shape, dtype=bool) if outlined is None else outlined
    levels = discretise(image, mask, n_levels=options.n_levels)
    texture = glcm_features(cooccurrence_matrices(levels, n_levels=options.n_levels))
    statistics = first_order_features(image[mask].astype(np.float64))
    shape = [] if options.region == "image" else _shape(outlined, record, options)
    return [*statistics.values(), *texture.values(), *shape]


def _shape(
    outlined: NDArray[np.bool_] | None, record: ImageRecord, options: RadiomicsOptions
) -> list[float]:
    spacing = record.spacing_mm if options.unit == "mm" else 1.0
    if outlined is None:
        return [float("nan")] * len(SHAPE)
    # Sizes in millimetres of an image whose pixel size is unknown are unknown.
    known = float("nan") if spacing is None else spacing
    return list(shape_features(outlined, spacing=known).values())
