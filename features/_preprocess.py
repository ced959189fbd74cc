"""From feature blocks to a matrix: everything that learns from data before the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from features._blocks import BlockSchema
from features._scaling import SteadyScaler
from features._tabular import TabularEncoder

__all__ = ["CappedPCA", "make_preprocessor"]

# Blocks wider than this are reduced before the model: trees on 1,536 raw embedding
# columns cost some fifty times what they cost on 100 components.
WIDE_BLOCK = 256


class CappedPCA(TransformerMixin, BaseEstimator):
    """Principal components, as many as asked for or as the training part can support.

    `sklearn.decomposition.PCA` refuses more components than training rows, which depend
    on the fold; here the number is capped at ``min(n_samples - 1, n_features)``.

    Parameters
    ----------
    n_components : int, default=64
        Components to keep at most.
    random_state : int, default=0
        Seed of the randomised solver.

    Attributes
    ----------
    pca_ : PCA
        The fitted decomposition.
    """

    def __init__(self, n_components: int = 64, *, random_state: int = 0) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> CappedPCA:  # noqa: ARG002  # scikit-learn's signature
        """Learn the components from an array of shape (n_samples, n_features)."""
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        kept = max(1, min(self.n_components, X.shape[0] - 1, X.shape[1]))
        self.pca_ = PCA(n_components=kept, random_state=self.random_state).fit(X)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Project onto the components; returns shape (n_samples, n_kept)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.pca_.transform(X))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002  # components have no single source
        """Return ``component0``, ``component1`` and so on."""
        check_is_fitted(self)
        names = [f"component{i}" for i in range(self.pca_.n_components_)]
        return np.asarray(names, dtype=object)


def make_preprocessor(
    blocks: Sequence[BlockSchema], *, scale: bool, n_components: int, random_state: int
) -> ColumnTransformer:
    """Build the unfitted transformer from a feature set's columns to a dense matrix.

    Parameters
    ----------
    blocks : sequence of BlockSchema
        Blocks of kind ``tabular`` or ``image_features``.
    scale : bool
        Standardise numbers, for models that feel units.
    n_components : int
        Principal components kept of a block wider than 256 columns.
    random_state : int
        Seed of the components' randomised solver.

    Returns
    -------
    ColumnTransformer
        To be fitted on training rows only.
    """
    steps = [
        (block.name, _block_steps(block, scale, n_components, random_state), block.column_names)
        for block in blocks
    ]
    return ColumnTransformer(steps, verbose_feature_names_out=False)


def _block_steps(block: BlockSchema, scale: bool, n_components: int, random_state: int) -> Any:
    if block.kind == "tabular":
        return TabularEncoder(block.columns, scale=scale)
    if block.kind == "image_features":
        return _number_steps(len(block.columns), scale, n_components, random_state)
    raise ValueError(f"Block {block.name!r} holds pixels, which only networks can read.")


def _number_steps(n_columns: int, scale: bool, n_components: int, random_state: int) -> Pipeline:
    # A case without an image takes the training median: neutral, and the same for every class.
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    if n_columns > WIDE_BLOCK:
        components = CappedPCA(n_components, random_state=random_state)
        return make_pipeline(impute, StandardScaler(), components)
    return make_pipeline(impute, SteadyScaler()) if scale else make_pipeline(impute)
