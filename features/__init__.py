"""Patients to numbers: feature blocks, extractors, encoders and the cache."""

from features._blocks import (
    EXTRACTORS,
    PIXEL_KINDS,
    BlockKind,
    BlockSchema,
    FeatureBlock,
    FeatureExtractor,
    FeatureText,
    register_extractor,
)
from features._cache import CacheKey, CacheWarning, FeatureCache
from features._cache_upkeep import UNUSED_DAYS, CacheFile, list_files, prunable, remove_files
from features._novelty import ImageNovelty, describe_images
from features._per_image import extract_records, image_block, modality_records
from features._preprocess import CappedPCA, make_preprocessor
from features._progress import progress_bar
from features._rebuild import BlockRecipe, rebuild_blocks
from features._scaling import SteadyScaler
from features._seen import describe_seen, outside_seen
from features._sets import (
    FINETUNED,
    FeatureSet,
    assemble,
    available_sets,
    block_kinds,
    block_modalities,
    build_blocks,
    check_options,
    check_pixel_sizes,
    extraction_s,
    is_finetuned,
    select_sets,
    skipped_sets,
    without_masks,
)
from features._tabular import TabularEncoder
from features.backbones import (
    NAMED_WEIGHTS,
    Backbone,
    check_backbone,
    count_features,
    create_backbone,
    normalise_grey,
    normalise_pixels,
)
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
from features import embedding

__all__ = [
    "EXTRACTORS",
    "FINETUNED",
    "NAMED_WEIGHTS",
    "PIXEL_KINDS",
    "UNUSED_DAYS",
    "AugmentOptions",
    "Backbone",
    "BlockKind",
    "BlockRecipe",
    "BlockSchema",
    "CacheFile",
    "CacheKey",
    "CacheWarning",
    "CappedPCA",
    "FeatureBlock",
    "FeatureCache",
    "FeatureExtractor",
    "FeatureSet",
    "FeatureText",
    "ImageNovelty",
    "ImagingOptions",
    "Region",
    "SteadyScaler",
    "TabularEncoder",
    "assemble",
    "augment_images",
    "available_sets",
    "block_kinds",
    "block_modalities",
    "build_blocks",
    "check_backbone",
    "check_options",
    "check_pixel_sizes",
    "count_features",
    "create_backbone",
    "decode_image",
    "decode_mask",
    "describe_images",
    "describe_seen",
    "embedding",
    "extract_records",
    "extraction_s",
    "find_region",
    "image_block",
    "is_finetuned",
    "list_files",
    "load_pixels",
    "make_preprocessor",
    "modality_records",
    "normalise_grey",
    "normalise_pixels",
    "outside_seen",
    "prepare_image",
    "progress_bar",
    "prunable",
    "radiomics",
    "rebuild_blocks",
    "register_extractor",
    "remove_files",
    "resize_image",
    "select_sets",
    "skipped_sets",
    "without_masks",
]
