"""Images: decoding, masks and pixels for the networks."""

from features.imaging._decode import decode_image, decode_mask, load_pixels, resize_image

__all__ = ["decode_image", "decode_mask", "load_pixels", "resize_image"]
