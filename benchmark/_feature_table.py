"""The feature table: every number that a model can see, as the code itself describes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cohorts import Column, ColumnKind
from features import EXTRACTORS, FINETUNED, FeatureText, TabularEncoder
from models import NetworkSettings

__all__ = ["feature_table"]

COLUMNS = ("block", "feature", "unit", "family", "ibsi", "formula or source")

# One recorded column of each kind; the encoder that reads it says what becomes of it.
EXAMPLES: tuple[tuple[Column, list[Any]], ...] = (
    (Column("<numeric>", ColumnKind.NUMERIC, "as recorded"), [1.0, 2.0, 3.0, np.nan]),
    (
        Column("<ordinal>", ColumnKind.ORDINAL, order=("first", "second", "third")),
        ["first", "second", "third", np.nan],
    ),
    (Column("<boolean>", ColumnKind.BOOLEAN), [0.0, 1.0, 1.0, np.nan]),
    (
        Column("<categorical>", ColumnKind.CATEGORICAL),
        ["<category>"] * 3 + [np.nan],
    ),
    (Column("<multi_label>", ColumnKind.MULTI_LABEL), ["<label>", "<label>", "", np.nan]),
)


def feature_table() -> pd.DataFrame:
    """Describe what tables are encoded as, then every feature of every extractor.

    Returns
    -------
    DataFrame
        Columns ``block``, ``feature``, ``unit``, ``family``, ``ibsi`` (code in the reference
        manual of the Image Biomarker Standardisation Initiative) and ``formula or source``.
        With the default options; an extractor whose features all stand above has one row.
    """
    rows = [("<modality>", *text) for text in _encoded_columns()]
    seen: dict[str, set[FeatureText]] = {}
    for extractor in EXTRACTORS:
        texts = extractor.describe(extractor.options_type())
        described = set(texts)
        twin = next((block for block, known in seen.items() if described <= known), None)
        if twin is not None:
            texts = [FeatureText("…", description=f"as in {twin}; {extractor.title}")]
        seen[extractor.name] = described
        rows += [(extractor.name, *text) for text in texts]
    rows.append((FINETUNED, *_finetuned_features()))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _finetuned_features() -> FeatureText:
    networks = NetworkSettings()
    return FeatureText(
        "0 …",
        description=f"pooled feature 0, 1, … of {networks.backbone} at {networks.image_size} px, "
        "fine-tuned on the training part of the fold (model_settings.networks)",
    )


def _encoded_columns() -> list[FeatureText]:
    columns = [column for column, _ in EXAMPLES]
    recorded = pd.DataFrame({column.name: cells for column, cells in EXAMPLES}, dtype=object)
    encoder = TabularEncoder(columns, min_frequency=1).fit(recorded)
    return [
        FeatureText(row["feature"], row["unit"], f"{row['kind']} column", "", row["encoding"])
        for row in encoder.dictionary().to_dict("records")
    ]
