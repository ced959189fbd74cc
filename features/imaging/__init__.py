"""Images: decoding, masks, the steps of the pipeline, and pixels for the networks."""

from features.imaging._decode import decode_image, decode_mask, resize_image
from features.imaging._enhance import equalise_contrast
from features.imaging._pipeline import (
    ImagingOptions,
    PreparedImage,
    Region,
    RegionOrigin,
    find_region,
    prepare_image,
)
from features.imaging._thumbnails import load_pixels

__all__ = [
    "ImagingOptions",
    "PreparedImage",
    "Region",
    "RegionOrigin",
    "decode_image",
    "decode_mask",
    "equalise_contrast",
    "find_region",
    "load_pixels",
    "prepare_image",
    "resize_image",
]
