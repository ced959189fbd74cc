"""Images: decoding, masks, the steps of the pipeline, and pixels for the networks."""

from features.imaging._augment import AugmentOptions, augment_images
from features.imaging._clean import find_overlays, find_scanned, remove_overlays
from features.imaging._decode import decode_image, decode_mask, decode_with_colour, resize_image
from features.imaging._enhance import equalise_contrast, reduce_speckle
from features.imaging._pipeline import (
    ImagingOptions,
    PreparedImage,
    Region,
    RegionOrigin,
    find_region,
    prepare_image,
)
from features.imaging._segment import segment_lesion
from features.imaging._thumbnails import load_pixels

__all__ = [
    "AugmentOptions",
    "ImagingOptions",
    "PreparedImage",
    "Region",
    "RegionOrigin",
    "augment_images",
    "decode_image",
    "decode_mask",
    "decode_with_colour",
    "equalise_contrast",
    "find_overlays",
    "find_region",
    "find_scanned",
    "load_pixels",
    "prepare_image",
    "reduce_speckle",
    "remove_overlays",
    "resize_image",
    "segment_lesion",
]
