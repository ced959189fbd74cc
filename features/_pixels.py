"""The image itself as a feature block, for networks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cohorts import BLOCK_SEPARATOR, Column, ColumnKind, ImageModality
from features._blocks import BlockSchema, FeatureBlock
from features.imaging import ImagingOptions

__all__ = ["pixels_block"]


def pixels_block(
    name: str, cases: Sequence[str], images: ImageModality, imaging: ImagingOptions
) -> FeatureBlock:
    """Return the images of a modality as one object column of `ImageRecord` tuples.

    Nothing is decoded: networks decode what they train on or predict.

    Parameters
    ----------
    name : str
        Of the block; its column is ``<block>__pixels``.
    cases : sequence of str
        Case ids.
    images : ImageModality
        Of the same cases.
    imaging : ImagingOptions
        What networks do to each image before they see it.

    Returns
    -------
    FeatureBlock
        Of kind ``pixels``.
    """
    column = Column(f"{name}{BLOCK_SEPARATOR}pixels", ColumnKind.IMAGES)
    cells = pd.Series(list(images.records), index=list(cases), dtype=object)
    schema = BlockSchema(name, images.name, "pixels", (column,), imaging)
    return FeatureBlock(
        schema, cells.to_frame(column.name), settings={"imaging": imaging.settings()}
    )
