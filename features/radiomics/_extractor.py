"""The radiomics block: statistics, texture and shape of each image's region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts import Cohort, ImageRecord, Note
from features._blocks import FeatureBlock, FeatureExtractor, register_extractor
from features._cache import FeatureCache
from features._per_image import NamedFeature, extract_records, image_block
from features.imaging import decode_image, decode_mask
from features.radiomics._first_order import FIRST_ORDER, first_order_features
from features.radiomics._shape import SHAPE, shape_features
from features.radiomics._texture import GLCM, cooccurrence_matrices, discretise, glcm_features

__all__: list[str] = []

Region = Literal["auto", "mask", "image", "mask_or_image"]

BATCH_SIZE = 16

WHOLE_IMAGE = (
    "Radiomics were computed over the whole image: {n_without} of {n_images} images have no mask, "
    "and a region that is a lesion in some images and everything in others would state the class."
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
    n_levels : int
        Grey levels of the texture matrices (fixed bin number).
    """

    region: Region = "auto"
    n_levels: Annotated[int, Field(ge=2, le=256)] = 32


@register_extractor("radiomics")
class Radiomics(FeatureExtractor[RadiomicsOptions]):
    """Intensity statistics, co-occurrence texture and, inside masks, shape."""

    title = "radiomics: intensity statistics, 2-D shape, grey-level co-occurrence (IBSI)"
    version = 1
    options_type = RadiomicsOptions
    image_s = 0.01

    def skip(self, cohort: Cohort) -> str | None:
        """Ask for images."""
        return None if cohort.images else "the cohort has no images"

    def extract(
        self,
        cohort: Cohort,
        options: RadiomicsOptions,
        *,
        cache: FeatureCache,
        random_state: int,  # noqa: ARG002  # nothing here is random
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block, over the regions that `options` choose."""
        region, note = _choose_region(cohort, options.region)
        in_mm = all(record.spacing_mm is not None for record in _records(cohort))
        settings = {
            "version": self.version,
            "region": region,
            "n_levels": options.n_levels,
            "in_mm": in_mm,
        }
        extract = partial(
            extract_records,
            compute=_compute(region, n_levels=options.n_levels, in_mm=in_mm),
            extractor=self.name,
            settings=settings,
            cache=cache,
            batch_size=BATCH_SIZE,
            progress=progress,
        )
        block = image_block(self.name, cohort, _features(region, in_mm=in_mm), extract)
        return replace(block, notes=(note,) if note else ())


def _records(cohort: Cohort) -> list[ImageRecord]:
    return [
        record for modality in cohort.images for images in modality.records for record in images
    ]


def _choose_region(cohort: Cohort, wanted: Region) -> tuple[Region, Note | None]:
    """Return the region for all images, and what the page must say about it."""
    records = _records(cohort)
    n_without = sum(not record.masks for record in records)
    if wanted == "image":
        return wanted, None
    if not n_without:
        return "mask", Note("expert-mask", "info", EXPERT_MASK)
    counts = {"n_without": n_without, "n_images": len(records)}
    if wanted == "auto":
        return "image", Note("whole-image-region", "info", WHOLE_IMAGE.format(**counts))
    text = MISSING_REGIONS if wanted == "mask" else MIXED_REGIONS
    return wanted, Note("mask-presence", "warning", text.format(**counts))


def _features(region: Region, *, in_mm: bool) -> list[NamedFeature]:
    """Name every number, in the order of `_describe`."""
    named: list[NamedFeature] = []
    named += [(f"firstorder_{name}", "", f"IBSI {code}") for name, code in FIRST_ORDER.items()]
    named += [(f"glcm_{name}", "", f"IBSI {code}") for name, code in GLCM.items()]
    if region != "image":
        # The outline of a whole image is its frame: it would tell the machine, not the lesion.
        length = "mm" if in_mm else "px"
        units = {0: "", 1: length, 2: f"{length}²"}
        named += [(f"shape_{name}", units[power], text) for name, (power, text) in SHAPE.items()]
    return named


def _compute(
    region: Region, *, n_levels: int, in_mm: bool
) -> Callable[[Sequence[ImageRecord]], NDArray[np.float64]]:
    def compute(records: Sequence[ImageRecord]) -> NDArray[np.float64]:
        described = [_describe(one, region, n_levels=n_levels, in_mm=in_mm) for one in records]
        return np.asarray(described, dtype=np.float64)

    return compute


def _describe(record: ImageRecord, region: Region, *, n_levels: int, in_mm: bool) -> list[float]:
    """All numbers of one image; NaN where its region does not exist."""
    image = decode_image(record.path)
    outlined = None if region == "image" else decode_mask(record)
    shape = [float("nan")] * len(SHAPE) if region != "image" else []
    if outlined is not None:
        spacing = record.spacing_mm if in_mm and record.spacing_mm is not None else 1.0
        shape = list(shape_features(outlined, spacing=spacing).values())
    elif region == "mask":
        return [float("nan")] * (len(FIRST_ORDER) + len(GLCM) + len(SHAPE))
    mask = np.ones(image.shape, dtype=bool) if outlined is None else outlined
    levels = discretise(image, mask, n_levels=n_levels)
    texture = glcm_features(cooccurrence_matrices(levels, n_levels=n_levels))
    statistics = first_order_features(image[mask].astype(np.float64))
    return [*statistics.values(), *texture.values(), *shape]
