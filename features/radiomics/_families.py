"""The families of radiomics features: what each is called, and how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features._blocks import FeatureText
from features.radiomics._cooccurrence import GLCM, cooccurrence_matrices, glcm_features
from features.radiomics._dependence import NGLDM, dependence_matrix, ngldm_features
from features.radiomics._discretise import (
    Levels,
    crop_to_region,
    discretise,
    discretise_by_width,
)
from features.radiomics._first_order import FIRST_ORDER, first_order_features
from features.radiomics._gabor import GABOR, gabor_features
from features.radiomics._lbp import LBP, lbp_features
from features.radiomics._options import MaskOptions
from features.radiomics._runs import GLRLM, glrlm_features, run_length_matrices
from features.radiomics._shape import SHAPE, shape_features
from features.radiomics._surroundings import SURROUNDINGS, surroundings_features
from features.radiomics._tone_difference import NGTDM, ngtdm_features, tone_differences
from features.radiomics._wavelet import WAVELET, wavelet_features
from features.radiomics._zones import (
    GLDZM,
    GLSZM,
    Zones,
    find_zones,
    gldzm_features,
    glszm_features,
)

__all__ = ["FAMILIES", "Family", "RegionView"]

# Equal to another feature whatever the region, so that a block has only one of the two.
TWINS = {
    "glcm": {"dissimilarity", "cluster_tendency", "sum_average"},
    "gldzm": {
        "low_grey_level_zone_emphasis",
        "high_grey_level_zone_emphasis",
        "grey_level_non_uniformity",
        "normalised_grey_level_non_uniformity",
        "zone_percentage",
        "grey_level_variance",
    },
    "ngldm": {"dependence_count_percentage"},
}


@dataclass(frozen=True)
class RegionView:
    """A region of an image, with what several families need of it.

    Attributes
    ----------
    image : ndarray of shape (height, width), uint8
        Grey values, of the whole image.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel.
    scanned : ndarray of shape (height, width), bool
        Pixels that show tissue.
    spacing : float
        Edge length of a pixel in the unit of lengths; NaN where it is unknown.
    confidence : float
        Of the region.
    options : MaskOptions
        How to count.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    scanned: NDArray[np.bool_]
    spacing: float
    confidence: float
    options: MaskOptions

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """The region's bounding box."""
        return crop_to_region(self.mask)

    @cached_property
    def levels(self) -> Levels:
        """Grey levels inside the bounding box; 0 outside the region."""
        image, mask = self.image[self.box], self.mask[self.box]
        if self.options.discretisation == "bin_width":
            return discretise_by_width(image, mask, bin_width=self.options.bin_width)
        return discretise(image, mask, n_levels=self.options.n_levels)

    @cached_property
    def n_levels(self) -> int:
        """Grey levels that the region could have."""
        by_width = self.options.discretisation == "bin_width"
        return int(self.levels.max()) if by_width else self.options.n_levels

    @cached_property
    def n_pixels(self) -> int:
        """Pixels of the region."""
        return int(np.count_nonzero(self.mask[self.box]))

    @cached_property
    def zones(self) -> Zones:
        """Connected parts of each grey level."""
        return find_zones(self.levels)


@dataclass(frozen=True)
class Family:
    """Features that are computed together.

    Attributes
    ----------
    title : str
        What they are, with the source of their formulas.
    describe : callable
        Options -> name, unit, code and formula of each feature, without the family's prefix.
    compute : callable
        Region -> the values in that order.
    of_outline : bool
        Whether the features speak of an outline, which a whole image does not have.
    """

    title: str
    describe: Callable[[MaskOptions], list[FeatureText]]
    compute: Callable[[RegionView], Sequence[float]]
    of_outline: bool = False


def _coded(codes: Mapping[str, str], family: str, section: str) -> list[FeatureText]:
    """Describe features whose formulas stand in the IBSI reference manual."""
    twins = TWINS.get(family, set())
    source = f"IBSI reference manual, section {section}"
    return [
        FeatureText(name, ibsi=code, description=source)
        for name, code in codes.items()
        if name not in twins
    ]


def _values(values: Mapping[str, float], family: str) -> list[float]:
    twins = TWINS.get(family, set())
    return [value for name, value in values.items() if name not in twins]


def _describe_region(_: MaskOptions) -> list[FeatureText]:
    return [
        FeatureText("confidence", description="how sure the automatic segmentation was, 0 to 1"),
        FeatureText("share", description="area of the region over the area scanned"),
    ]


def _region(view: RegionView) -> list[float]:
    return [view.confidence, view.n_pixels / max(1, int(np.count_nonzero(view.scanned)))]


def _describe_first_order(_: MaskOptions) -> list[FeatureText]:
    squared = {"variance", "energy"}
    unitless = {"skewness", "kurtosis", "coefficient_of_variation"}
    unitless |= {"quartile_coefficient_of_dispersion"}
    units = dict.fromkeys(FIRST_ORDER, "grey levels")
    units |= dict.fromkeys(squared, "grey levels²") | dict.fromkeys(unitless, "")
    return [
        text._replace(unit=units[text.name]) for text in _coded(FIRST_ORDER, "firstorder", "3.3")
    ]


def _first_order(view: RegionView) -> list[float]:
    inside = view.image[view.box][view.mask[view.box]]
    return list(first_order_features(inside).values())


def _describe_shape(options: MaskOptions) -> list[FeatureText]:
    length = "mm or px" if options.unit == "auto" else options.unit
    units = {0: "", 1: length, 2: " or ".join(f"{unit}²" for unit in length.split(" or "))}
    return [
        FeatureText(name, unit=units[power], description=text)
        for name, (power, text) in SHAPE.items()
    ]


def _shape(view: RegionView) -> list[float]:
    return list(shape_features(view.mask, spacing=view.spacing).values())


def _describe_glcm(options: MaskOptions) -> list[FeatureText]:
    texts = _coded(GLCM, "glcm", "3.6; Haralick 1973")
    return [
        text._replace(
            name=_at_distance(text.name, distance, options),
            description=f"{text.description}; distance {distance}",
        )
        for distance in options.distances
        for text in texts
    ]


def _at_distance(name: str, distance: int, options: MaskOptions) -> str:
    return name if options.distances == (1,) else f"{name}_d{distance}"


def _glcm(view: RegionView) -> list[float]:
    options, values = view.options, []
    for distance in options.distances:
        matrices = cooccurrence_matrices(
            view.levels, n_levels=view.n_levels, distance=distance, angles=options.angles
        )
        values += _values(glcm_features(_aggregated(matrices, options)), "glcm")
    return values


def _glrlm(view: RegionView) -> list[float]:
    options = view.options
    matrices = run_length_matrices(view.levels, n_levels=view.n_levels, angles=options.angles)
    merged = len(options.angles) if options.aggregation == "merge" else 1
    matrices = _aggregated(matrices, options)
    return list(glrlm_features(matrices, n_pixels=merged * view.n_pixels).values())


def _aggregated(matrices: NDArray[Any], options: MaskOptions) -> NDArray[Any]:
    merge = options.aggregation == "merge"
    return matrices.sum(axis=0, keepdims=True) if merge else matrices


def _glszm(view: RegionView) -> list[float]:
    return list(glszm_features(view.zones, n_levels=view.n_levels).values())


def _gldzm(view: RegionView) -> list[float]:
    return _values(gldzm_features(view.zones, n_levels=view.n_levels), "gldzm")


def _ngldm(view: RegionView) -> list[float]:
    matrix = dependence_matrix(
        view.levels,
        n_levels=view.n_levels,
        distance=view.options.neighbourhood,
        coarseness=view.options.coarseness,
    )
    return _values(ngldm_features(matrix), "ngldm")


def _ngtdm(view: RegionView) -> list[float]:
    differences = tone_differences(
        view.levels, n_levels=view.n_levels, distance=view.options.neighbourhood
    )
    return list(ngtdm_features(differences).values())


def _surroundings(view: RegionView) -> list[float]:
    return list(surroundings_features(view.image, view.mask, scanned=view.scanned).values())


def _filtered(
    title: str,
    texts: Mapping[str, tuple[str, str]],
    compute: Callable[[NDArray[Any], NDArray[np.bool_]], dict[str, float]],
) -> Family:
    """Return a family that sees grey values as they are, inside the region and around it."""
    return Family(
        title,
        lambda _: _described(texts),
        lambda view: list(compute(view.image, view.mask).values()),
    )


def _described(texts: Mapping[str, tuple[str, str]]) -> list[FeatureText]:
    return [FeatureText(name, unit=unit, description=text) for name, (unit, text) in texts.items()]


def _ibsi(codes: Mapping[str, str], family: str, section: str) -> Any:
    return lambda _: _coded(codes, family, section)


FAMILIES: Mapping[str, Family] = {
    "region": Family("the region itself", _describe_region, _region),
    "firstorder": Family("intensity statistics", _describe_first_order, _first_order),
    "shape": Family("2-D shape of the outline", _describe_shape, _shape, of_outline=True),
    "glcm": Family("grey-level co-occurrence", _describe_glcm, _glcm),
    "glrlm": Family("run lengths", _ibsi(GLRLM, "glrlm", "3.7; Galloway 1975"), _glrlm),
    "glszm": Family("size zones", _ibsi(GLSZM, "glszm", "3.8; Thibault 2014"), _glszm),
    "gldzm": Family("distance zones", _ibsi(GLDZM, "gldzm", "3.9; Thibault 2014"), _gldzm),
    "ngtdm": Family("tone differences", _ibsi(NGTDM, "ngtdm", "3.10; Amadasun 1989"), _ngtdm),
    "ngldm": Family("grey-level dependence", _ibsi(NGLDM, "ngldm", "3.11; Sun 1983"), _ngldm),
    "lbp": _filtered("local binary patterns", LBP, lbp_features),
    "gabor": _filtered("Gabor filters", GABOR, gabor_features),
    "wavelet": _filtered("wavelet bands", WAVELET, wavelet_features),
    "surroundings": Family(
        "peritumoural ring, edge and posterior region",
        lambda _: _described(SURROUNDINGS),
        _surroundings,
        of_outline=True,
    ),
}
