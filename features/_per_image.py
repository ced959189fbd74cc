"""Numbers of one image at a time, for a whole cohort: cached, in batches, with a bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts import BLOCK_SEPARATOR, Column, ColumnKind, ImageModality, ImageRecord
from features._blocks import BlockSchema, FeatureBlock, FeatureText
from features._cache import FeatureCache
from features._progress import progress_bar

__all__ = ["extract_records", "image_block", "modality_records"]

ComputeBatch = Callable[[Sequence[ImageRecord]], NDArray[np.floating]]


def modality_records(images: ImageModality) -> list[ImageRecord]:
    """Return the images of all cases, one after the other."""
    return [record for records in images.records for record in records]


def extract_records(
    records: Sequence[ImageRecord],
    compute: ComputeBatch,
    *,
    extractor: str,
    settings: Mapping[str, Any],
    cache: FeatureCache,
    batch_size: int,
    progress: bool,
) -> NDArray[np.float64]:
    """Return the numbers of every record, computing what the cache does not hold.

    Parameters
    ----------
    records : sequence of ImageRecord
        Images, one after the other; a repeated one is computed once.
    compute : callable
        Records of a batch -> array of shape (n_batch, n_features).
    extractor : str
        Name for the bar and the cache key.
    settings : mapping
        Everything that changes the numbers, the extractor's version included.
    cache : FeatureCache
        Each batch is stored as it is finished.
    batch_size : int
        Images at a time.
    progress : bool
        Show a bar.

    Returns
    -------
    ndarray of shape (n_records, n_features)
        In the order of `records`; of shape (0, 0) where there are none.
    """
    if not records:
        return np.empty((0, 0))
    keys = [cache.key(record, extractor=extractor, settings=settings) for record in records]
    found = cache.load_many(keys)
    missing = {key: record for key, record in zip(keys, records, strict=True) if key not in found}
    waiting = list(missing.items())
    n_found = len(records) - len(waiting)
    with progress_bar(len(records), done=n_found, title=extractor, shown=progress) as bar:
        for start in range(0, len(waiting), batch_size):
            batch = waiting[start : start + batch_size]
            computed = compute([record for _, record in batch])
            for (key, _), values in zip(batch, computed, strict=True):
                cache.store(key, values)
                found[key] = values
            bar.update(len(batch))
    return np.asarray([found[key] for key in keys], dtype=np.float64)


def image_block(
    name: str,
    cases: Sequence[str],
    images: ImageModality,
    features: Sequence[FeatureText],
    numbers: NDArray[np.float64],
    *,
    settings: Mapping[str, Any],
) -> FeatureBlock:
    """Make a block of the images of one modality, averaged over the images of a case.

    Parameters
    ----------
    name : str
        Of the block; columns are ``<block>__<feature>``.
    cases : sequence of str
        Case ids.
    images : ImageModality
        Of the same cases.
    features : sequence of FeatureText
        What each column of `numbers` is.
    numbers : ndarray of shape (n_records, n_features)
        In the order of `modality_records`.
    settings : mapping
        What shaped the numbers.

    Returns
    -------
    FeatureBlock
        NaN for a case without an image.
    """
    columns = tuple(
        Column(
            f"{name}{BLOCK_SEPARATOR}{text.name}",
            ColumnKind.NUMERIC,
            text.unit,
            f"{text.description} [{text.ibsi}]" if text.ibsi else text.description,
        )
        for text in features
    )
    owner = np.asarray([row for row, records in enumerate(images.records) for _ in records])
    values = np.full((len(cases), len(features)), np.nan)
    if len(owner):
        averaged = pd.DataFrame(numbers).groupby(owner).mean()
        values[averaged.index] = averaged.to_numpy()
    schema = BlockSchema(name, images.name, "image_features", columns)
    frame = pd.DataFrame(values, index=list(cases), columns=schema.column_names)
    return FeatureBlock(schema, frame, settings=settings)
