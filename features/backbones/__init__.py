"""Image backbones: any timm model with its weights, and a compact one of our own."""

from features.backbones._backbone import (
    NAMED_WEIGHTS,
    Backbone,
    check_backbone,
    count_features,
    create_backbone,
)
from features.backbones._input import normalise_grey, normalise_pixels
from features.backbones._scale import with_unit_output

__all__ = [
    "NAMED_WEIGHTS",
    "Backbone",
    "check_backbone",
    "count_features",
    "create_backbone",
    "normalise_grey",
    "normalise_pixels",
    "with_unit_output",
]
