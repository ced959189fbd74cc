"""Patients to numbers: feature blocks, extractors, encoders and the cache."""

from features._backbones import Backbone, create_backbone, normalise_pixels
from features._blocks import (
    EXTRACTORS,
    BlockKind,
    BlockSchema,
    FeatureBlock,
    FeatureExtractor,
    register_extractor,
)
from features._cache import FeatureCache
from features._preprocess import CappedPCA, make_preprocessor
from features._progress import progress_bar
from features._sets import (
    FeatureSet,
    assemble,
    available_sets,
    block_kinds,
    build_blocks,
    extraction_s,
    select_sets,
)
from features._tabular import TabularEncoder
from features.imaging import (
    AugmentOptions,
    ImagingOptions,
    Region,
    augment_images,
    decode_image,
    decode_mask,
    find_region,
    load_pixels,
    prepare_image,
    resize_image,
)

# importing registers the extractors, in the order of listings
# isort: off
from features import radiomics
from features import _embedding

__all__ = [
    "EXTRACTORS",
    "AugmentOptions",
    "Backbone",
    "BlockKind",
    "BlockSchema",
    "CappedPCA",
    "FeatureBlock",
    "FeatureCache",
    "FeatureExtractor",
    "FeatureSet",
    "ImagingOptions",
    "Region",
    "TabularEncoder",
    "_embedding",
    "assemble",
    "augment_images",
    "available_sets",
    "block_kinds",
    "build_blocks",
    "create_backbone",
    "decode_image",
    "decode_mask",
    "extraction_s",
    "find_region",
    "load_pixels",
    "make_preprocessor",
    "normalise_pixels",
    "prepare_image",
    "progress_bar",
    "radiomics",
    "register_extractor",
    "resize_image",
    "select_sets",
]
