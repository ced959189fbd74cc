"""What can be set for radiomics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["MaskOptions", "RadiomicsOptions"]

Angle = Literal[0, 45, 90, 135]
Distance = Annotated[int, Field(ge=1, le=16)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MaskOptions:
    """What can be set for radiomics inside the masks that came with the data.

    Attributes
    ----------
    families : tuple of str or None
        Families of features to compute (``benchmark list features --describe`` has their
        names); all where None.
    unit : {"auto", "mm", "px"}
        Unit of lengths and areas. ``auto``: millimetres if every pixel size is known, else
        pixels for all, so that units never mix.
    discretisation : {"bin_number", "bin_width"}
        Grey levels of the texture matrices: `n_levels` bins between the extremes of the
        region, or bins of `bin_width` that start at 0.
    n_levels : int
        Number of bins.
    bin_width : float
        Width of a bin in grey levels of 0 to 255.
    distances : tuple of int
        Steps in pixels at which co-occurrence is counted; each has its own columns.
    neighbourhood : int
        Pixels to each side that count as neighbours in the dependence and tone-difference
        families.
    coarseness : int
        Largest difference of levels at which neighbours count as alike (dependence).
    angles : tuple of int
        Directions of co-occurrence and runs, in degrees out of 0, 45, 90, 135.
    aggregation : {"average", "merge"}
        Average the features of all directions, or compute them of all counts together.
    """

    families: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    unit: Literal["auto", "mm", "px"] = "auto"
    discretisation: Literal["bin_number", "bin_width"] = "bin_number"
    n_levels: Annotated[int, Field(ge=2, le=256)] = 32
    bin_width: Annotated[float, Field(ge=1.0, le=128.0)] = 8.0
    distances: Annotated[tuple[Distance, ...], Field(min_length=1)] = (1,)
    neighbourhood: Distance = 1
    coarseness: Annotated[int, Field(ge=0)] = 0
    angles: Annotated[tuple[Angle, ...], Field(min_length=1)] = (0, 45, 90, 135)
    aggregation: Literal["average", "merge"] = "average"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RadiomicsOptions(MaskOptions):
    """What can be set for radiomics: the same, and where they are taken from.

    Attributes
    ----------
    region : {"automatic", "whole"}
        A region that is found in the image, the same way for every case, or all that was
        scanned.
    """

    region: Literal["automatic", "whole"] = "automatic"
