"""The image itself as a feature block, for networks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cohorts import BLOCK_SEPARATOR, Column, ColumnKind, ImageModality
from features._blocks import BlockKind, BlockSchema, FeatureBlock
from features.imaging import ImagingOptions

__all__ = ["pixels_block"]

FINETUNED = (
    "the image itself; models see the features of a backbone that was fine-tuned on the training "
    "part of the fold"
)


def pixels_block(
    name: str,
    cases: Sequence[str],
    images: ImageModality,
    imaging: ImagingOptions,
    *,
    kind: BlockKind = "pixels",
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
    kind : {"pixels", "finetuned"}
        Who reads it: networks, or classical models through a network's features.

    Returns
    -------
    FeatureBlock
        Of that kind.
    """
    description = FINETUNED if kind == "finetuned" else ""
    column = Column(f"{name}{BLOCK_SEPARATOR}pixels", ColumnKind.IMAGES, description=description)
    cells = pd.Series(list(images.records), index=list(cases), dtype=object)
    schema = BlockSchema(name, images.name, kind, (column,), imaging)
    return FeatureBlock(
        schema, cells.to_frame(column.name), settings={"imaging": imaging.settings()}
    )
