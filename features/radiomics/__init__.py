"""Radiomics: statistics, shape and texture of a region."""

from features.radiomics._cooccurrence import GLCM, cooccurrence_matrices, glcm_features
from features.radiomics._dependence import NGLDM, dependence_matrix, ngldm_features
from features.radiomics._discretise import crop_to_region, discretise, discretise_by_width
from features.radiomics._extractor import MaskRadiomics, Radiomics
from features.radiomics._families import FAMILIES, Family, RegionView
from features.radiomics._first_order import FIRST_ORDER, first_order_features
from features.radiomics._options import MaskOptions, RadiomicsOptions
from features.radiomics._runs import GLRLM, glrlm_features, run_length_matrices
from features.radiomics._shape import SHAPE, shape_features
from features.radiomics._tone_difference import (
    NGTDM,
    ToneDifferences,
    ngtdm_features,
    tone_differences,
)
from features.radiomics._zones import (
    GLDZM,
    GLSZM,
    Zones,
    find_zones,
    gldzm_features,
    glszm_features,
)

__all__ = [
    "FAMILIES",
    "FIRST_ORDER",
    "GLCM",
    "GLDZM",
    "GLRLM",
    "GLSZM",
    "NGLDM",
    "NGTDM",
    "SHAPE",
    "Family",
    "MaskOptions",
    "MaskRadiomics",
    "Radiomics",
    "RadiomicsOptions",
    "RegionView",
    "ToneDifferences",
    "Zones",
    "cooccurrence_matrices",
    "crop_to_region",
    "dependence_matrix",
    "discretise",
    "discretise_by_width",
    "find_zones",
    "first_order_features",
    "glcm_features",
    "gldzm_features",
    "glrlm_features",
    "glszm_features",
    "ngldm_features",
    "ngtdm_features",
    "run_length_matrices",
    "shape_features",
    "tone_differences",
]
