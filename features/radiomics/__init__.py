"""Radiomics: intensity statistics, shape and texture of a region."""

from features.radiomics import _extractor
from features.radiomics._first_order import FIRST_ORDER, first_order_features
from features.radiomics._shape import SHAPE, shape_features
from features.radiomics._texture import (
    GLCM,
    cooccurrence_matrices,
    discretise,
    glcm_features,
)

__all__ = [
    "FIRST_ORDER",
    "GLCM",
    "SHAPE",
    "_extractor",
    "cooccurrence_matrices",
    "discretise",
    "first_order_features",
    "glcm_features",
    "shape_features",
]
