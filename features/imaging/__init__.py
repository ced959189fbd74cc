"""Images: decoding, masks, the steps of the pipeline, and pixels for the networks."""

from features.imaging._augment import AugmentOptions, augment_images
from features.imaging._decode import decode_image, decode_mask, resize_image
from features.imaging._enhance import equalise_contrast
from features.imaging._pipeline import (
    ImagingOptions,
    PreparedImage,
    Region,
    find_region,
    prepare_image,
)
from features.imaging._thumbnails import load_pixels

__all__ = [
    "AugmentOptions",
    "ImagingOptions",
    "PreparedImage",
    "Region",
    "augment_images",
    "decode_image",
    "decode_mask",
    "equalise_contrast",
    "find_region",
    "load_pixels",
    "prepare_image",
    "resize_image",
]
