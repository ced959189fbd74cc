"""From image columns to the features of a backbone that was fine-tuned on the training rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from cohorts import BLOCK_SEPARATOR
from features import FeatureCache, ImagingOptions
from models.networks._classifiers import FusionNetworkClassifier
from models.networks._memory import NetworkFacts, NetworkMemory

__all__ = ["FinetunedColumns", "finetuned_names"]


class FinetunedColumns(TransformerMixin, BaseEstimator):
    """Replace image columns by the pooled features of a network trained on the training rows.

    The first step of a pipeline: what follows sees numbers, NaN where a case has no image,
    and tables as they were. Features of the rows that the network was trained on are more
    telling than those of any other row, to every model alike; how far a model may trust them
    must therefore be judged on rows that the network has not seen either, which it is if
    this step is fitted anew with the rest of the pipeline.

    Parameters
    ----------
    network : FusionNetworkClassifier
        Unfitted, with image columns alone. Its seed is drawn from the training rows.
    random_state : int, default=0
        Goes into that seed.
    memory : str, optional
        Folder in which trained networks and their features are kept under a digest of
        the network's parameters, the images, labels and patients of the training rows, and
        `random_state`. It saves time and changes no number.

    Attributes
    ----------
    key_ : str
        That digest; empty where the network came trained.
    weights_ : str
        Where the backbone's weights came from.
    notes_ : tuple of Note
        What the page must say about the network.
    """

    _network: FusionNetworkClassifier | None

    def __init__(
        self,
        network: FusionNetworkClassifier,
        *,
        random_state: int = 0,
        memory: str | None = None,
    ) -> None:
        self.network = network
        self.random_state = random_state
        self.memory = memory

    @classmethod
    def of(cls, network: FusionNetworkClassifier) -> FinetunedColumns:
        """Return a fitted transformer on a network that was trained before."""
        columns = cls(clone(network), random_state=network.random_state)
        columns.key_ = ""
        columns._set(NetworkFacts.of(network), network)
        return columns

    def fit(self, X: pd.DataFrame, y: Any, groups: Any = None) -> FinetunedColumns:
        """Train the network, unless the memory has it.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            With the network's image columns; others are not looked at.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), optional
            Patients, as for the network.
        """
        images = X[list(self.network.image_columns)]
        self.key_ = _digest(
            [
                {**self.network.get_params(), "random_state": self.random_state},
                self._contents(images),
                np.asarray(y).tolist(),
                None if groups is None else np.asarray(groups, dtype=str).tolist(),
            ]
        )
        # A network that is asked for, but no longer kept, is trained again.
        self._training = images, y, groups
        facts = self._memory.facts(self.key_)
        if facts is None:
            network = self._train()
            self._set(NetworkFacts.of(network), network)
        else:
            self._set(facts, None)
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Put the features in the place of the images.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            With the network's image columns.

        Returns
        -------
        DataFrame of shape (n_samples, n_other_columns + n_images * n_features)
            The other columns first; features are called ``<block>__0`` and so on.
        """
        check_is_fitted(self, "key_")
        columns = list(self.network.image_columns)
        cases = _digest(self._contents(X[columns]))
        values = self._memory.features(self.key_, cases)
        if values is None:
            values = self.network_.embed(X)
            self._memory.keep_features(self.key_, cases, values)
        n_features = values.shape[1] // len(columns)
        names = [name for column in columns for name in finetuned_names(column, n_features)]
        embedded = pd.DataFrame(values.astype(np.float64), index=X.index, columns=names)
        return pd.concat([X.drop(columns=columns), embedded], axis=1)

    @property
    def network_(self) -> FusionNetworkClassifier:
        """The trained network."""
        check_is_fitted(self, "key_")
        if self._network is None:
            self._network = self._memory.network(self.key_) or self._train()
        return self._network

    def forget_network(self) -> None:
        """Drop the network from the memory, where its features will do from now on."""
        self._memory.forget_network(self.key_)

    @property
    def _memory(self) -> NetworkMemory:
        return NetworkMemory(None if self.memory is None else Path(self.memory))

    def _set(self, facts: NetworkFacts, network: FusionNetworkClassifier | None) -> None:
        self.weights_, self.notes_ = facts.weights, facts.notes
        # Where the memory knows it, it is read only if somebody asks for it.
        self._network = network

    def _train(self) -> FusionNetworkClassifier:
        X, y, groups = self._training
        seed = int(self.key_[:8], 16) % 2**31
        network: FusionNetworkClassifier = clone(self.network).set_params(random_state=seed)
        network.fit(X, y, groups=groups)
        self._memory.keep(self.key_, network)
        return network

    def _contents(self, images: pd.DataFrame) -> list[list[list[str]]]:
        """Return the digests of all that a network sees, by row, column and image."""
        settings = (self.network.imaging or ImagingOptions()).settings()
        cache = FeatureCache(None)

        def digests(records: Iterable[Any]) -> list[str]:
            return [
                cache.key(one, extractor="network", settings=settings).digest for one in records
            ]

        return [
            [digests(records) for records in row]
            for row in images.itertuples(index=False, name=None)
        ]


def finetuned_names(column: str, n_features: int) -> list[str]:
    """Return the names of the features that take the place of an image column.

    Examples
    --------
    >>> finetuned_names("embedding_finetuned__pixels", 2)
    ['embedding_finetuned__0', 'embedding_finetuned__1']
    """
    block, _, _ = column.partition(BLOCK_SEPARATOR)
    return [f"{block}{BLOCK_SEPARATOR}{i}" for i in range(n_features)]


def _digest(parts: Any) -> str:
    # Options are frozen dataclasses, which say in full what they are.
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()
