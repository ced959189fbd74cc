"""What a row reads: the modalities behind the name of its feature set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["modalities_read"]


def modalities_read(features: str, cohort: Mapping[str, Any]) -> frozenset[str]:
    """Return the modalities that a feature set is made of.

    Parameters
    ----------
    features : str
        Name of the set, such as ``clinical``, ``radiomics+tabular`` or ``all``.
    cohort : mapping
        The description of the cohort in ``run.json``.

    Examples
    --------
    >>> kinds = {"ultrasound": "images", "clinical": "tabular", "reader": "tabular"}
    >>> cohort = {"modalities": [{"name": n, "kind": k} for n, k in kinds.items()]}
    >>> sorted(modalities_read("image+tabular", cohort))
    ['clinical', 'reader', 'ultrasound']
    >>> sorted(modalities_read("radiomics", cohort))
    ['ultrasound']
    """
    images, tables = (
        {one["name"] for one in cohort["modalities"] if (one["kind"] == "images") is wanted}
        for wanted in (True, False)
    )
    if features in tables:
        return frozenset({features})
    read: set[str] = set()
    for part in features.split("+"):
        # Whatever is neither a table nor all tables is made of images.
        read |= tables if part == "tabular" else images | tables if part == "all" else images
    return frozenset(read)
