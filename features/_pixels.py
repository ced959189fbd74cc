"""The image itself as a feature block, for networks."""

from __future__ import annotations

import pandas as pd

from cohorts import Cohort, Column, ColumnKind, ImageModality
from features._blocks import BlockSchema, FeatureBlock

__all__ = ["pixels_block"]


def pixels_block(cohort: Cohort, modality: ImageModality) -> FeatureBlock:
    """Return the images of a modality as one object column of `ImageRecord` tuples.

    Nothing is decoded: networks decode what they train on or predict.

    Parameters
    ----------
    cohort : Cohort
        Gives the case ids, and whether the block is called ``image`` (a single image
        modality) or ``image_<modality>``.
    modality : ImageModality
        One of the cohort's.

    Returns
    -------
    FeatureBlock
        Of kind ``pixels``, with the column ``image__<modality>``.
    """
    name = "image" if len(cohort.images) == 1 else f"image_{modality.name}"
    column = Column(f"image__{modality.name}", ColumnKind.CATEGORICAL)
    cells = pd.Series(list(modality.records), index=list(cohort.cases), dtype=object)
    frame = cells.to_frame(column.name)
    return FeatureBlock(BlockSchema(name, modality.name, "pixels", (column,)), frame)
