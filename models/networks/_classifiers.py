"""The fusion network as a scikit-learn classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from cohorts import Column, Note
from features import (
    AugmentOptions,
    Backbone,
    ImagingOptions,
    TabularEncoder,
    create_backbone,
    load_pixels,
    normalise_pixels,
)
from models.networks._modules import FusionHeads, FusionNetwork
from models.networks._training import (
    Inputs,
    Stage,
    estimate_norm_statistics,
    forward_in_batches,
    train_stage,
)

__all__ = ["FusionNetworkClassifier"]

NO_VALIDATION = (
    "The training part was too small to hold out patients of every class, so a network was "
    "trained without early stopping."
)


class FusionNetworkClassifier(ClassifierMixin, BaseEstimator):
    """Image branch, tabular branch or both, trained in two stages.

    Images go through a backbone (EfficientNet-B3 by default) and a projection to 256 units,
    encoded tables through a perceptron to 64; both are concatenated and classified. First
    the backbone is frozen and its features are computed once (warm-up), then everything is
    trained with a smaller rate for the backbone. Both stages stop on the loss of patients
    held out from the training part, and keep their best epoch; the second stage is kept only
    if it is better on those patients than the first.

    Parameters
    ----------
    image_columns : sequence of str
        Columns of X that hold tuples of `ImageRecord`. Empty for a tabular network.
    tabular_columns : sequence of Column
        Recorded columns of X and their kinds. Empty for an image network.
    imaging : ImagingOptions, optional
        What is done to each image before it is resized; by default the default steps.
    backbone : str
        A timm model, or ``compact``.
    weights : str
        See `create_backbone`.
    image_size : int
        Edge of the square input in pixels.
    image_units, tabular_units, hidden_units : int
        Width of the image branch, the tabular branch and the fusion layer.
    dropout : float
        In [0, 1).
    batch_size : int
        Cases in a step.
    warmup_epochs, finetune_epochs : int
        Epochs at most with the backbone frozen, and end to end.
    learning_rate, backbone_learning_rate : float
        Peak rates of the heads and, end to end, of the backbone.
    weight_decay : float
        Of AdamW.
    patience : int
        Epochs without a better validation loss before a stage stops.
    validation_share : float
        Share of the training patients that decide when to stop.
    augment : AugmentOptions, optional
        How training images are changed at random, end to end; not at all where None.
    random_state : int
        Seed; torch's global generator is left as it was.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Attributes
    ----------
    classes_ : ndarray
        Class labels, sorted.
    network_ : FusionNetwork or FusionHeads
        The trained module, in evaluation mode; heads alone where there are no images.
    encoder_ : TabularEncoder or None
        Fitted on the part of the training rows that gradients saw.
    history_ : list of dict
        Losses per epoch and stage.
    weights_ : str
        Where the backbone's weights came from; empty where there are no images.
    notes_ : tuple of Note
        Warnings for the page, such as random weights.
    """

    def __init__(
        self,
        image_columns: Sequence[str] = (),
        tabular_columns: Sequence[Column] = (),
        *,
        imaging: ImagingOptions | None = None,
        backbone: str = "efficientnet_b3",
        weights: str = "auto",
        image_size: int = 224,
        image_units: int = 256,
        tabular_units: int = 64,
        hidden_units: int = 128,
        dropout: float = 0.3,
        batch_size: int = 16,
        warmup_epochs: int = 30,
        finetune_epochs: int = 10,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float = 1e-4,
        weight_decay: float = 1e-4,
        patience: int = 8,
        validation_share: float = 0.2,
        augment: AugmentOptions | None = None,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.image_columns = image_columns
        self.tabular_columns = tabular_columns
        self.imaging = imaging
        self.backbone = backbone
        self.weights = weights
        self.image_size = image_size
        self.image_units = image_units
        self.tabular_units = tabular_units
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.batch_size = batch_size
        self.warmup_epochs = warmup_epochs
        self.finetune_epochs = finetune_epochs
        self.learning_rate = learning_rate
        self.backbone_learning_rate = backbone_learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_share = validation_share
        self.augment = augment
        self.random_state = random_state
        self.device = device

    def fit(self, X: pd.DataFrame, y: Any, groups: Any = None) -> FusionNetworkClassifier:
        """Train both stages.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            Image and tabular columns.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), optional
            Patients: those held out for early stopping are held out whole.

        Returns
        -------
        FusionNetworkClassifier
            Fitted.
        """
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        labels = np.asarray(encoder.transform(y), dtype=np.int64)
        self.notes_: tuple[Note, ...] = ()
        train, valid = self._hold_out(labels, groups)
        self.encoder_ = self._fit_encoder(X.iloc[train])
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            self._fit_network(X, labels, train, valid)
        if valid is None:
            self.notes_ = (*self.notes_, Note("no-early-stopping", "info", NO_VALIDATION))
        return self

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_samples, n_classes), rows summing to 1."""
        check_is_fitted(self, "network_")
        inputs = self._inputs(X)
        logits = forward_in_batches(self.network_, inputs, device=self._device())
        return np.asarray(torch.softmax(logits.double(), dim=1).numpy())

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def build_network(self, n_tabular: int, n_classes: int) -> tuple[Any, Backbone | None]:
        """Return the untrained module, and the backbone in it if there are images."""
        backbone = None
        if self.image_columns:
            backbone = create_backbone(
                self.backbone, weights=self.weights, random_state=self.random_state
            )
        heads = FusionHeads(
            n_images=len(self.image_columns),
            n_image_features=0 if backbone is None else backbone.n_features,
            n_tabular=n_tabular,
            image_units=self.image_units,
            tabular_units=self.tabular_units,
            hidden_units=self.hidden_units,
            n_classes=n_classes,
            dropout=self.dropout,
        )
        if backbone is None:
            return heads, None
        network = FusionNetwork(
            backbone.module, heads, augment=self.augment, freeze_norm=not backbone.is_random
        )
        return network, backbone

    def _hold_out(
        self, labels: NDArray[np.int64], groups: Any
    ) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
        """Split off whole patients for early stopping, if every class can spare some."""
        everyone = np.arange(len(labels))
        owners = (
            everyone
            if groups is None
            else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
        )
        n_splits = max(2, round(1 / self.validation_share))
        per_class = [len(np.unique(owners[labels == k])) for k in np.unique(labels)]
        if min(per_class) < n_splits:
            return everyone, None
        folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=self.random_state)
        train, valid = next(iter(folds.split(labels, labels, owners)))
        if len(np.unique(labels[train])) < len(per_class):
            return everyone, None
        return train, valid

    def _fit_encoder(self, X: pd.DataFrame) -> TabularEncoder | None:
        if not self.tabular_columns:
            return None
        names = [column.name for column in self.tabular_columns]
        return TabularEncoder(tuple(self.tabular_columns)).fit(X[names])

    def _fit_network(
        self,
        X: pd.DataFrame,
        labels: NDArray[np.int64],
        train: NDArray[np.intp],
        valid: NDArray[np.intp] | None,
    ) -> None:
        inputs = self._inputs(X)
        n_tabular = inputs["tabular"].shape[1] if "tabular" in inputs else 0
        network, backbone = self.build_network(n_tabular, len(self.classes_))
        self.notes_ = () if backbone is None else backbone.notes
        self.weights_ = "" if backbone is None else backbone.origin
        self.history_: list[dict[str, Any]] = []
        device = self._device()
        network.to(device)
        weight = compute_class_weight(
            "balanced", classes=np.arange(len(self.classes_)), y=labels[train]
        )

        def run(module: Any, values: Inputs, stage: Stage) -> None:
            held_out = None if valid is None else (_rows(values, valid), labels[valid])
            self.history_ += train_stage(
                module,
                (_rows(values, train), labels[train]),
                held_out,
                stage,
                class_weight=weight,
                device=device,
            )

        if backbone is None:
            run(network, inputs, self._stage("training", self.warmup_epochs))
        else:
            if backbone.is_random and self.warmup_epochs:
                for name in self._image_names():
                    estimate_norm_statistics(
                        network.backbone,
                        inputs[name][train],
                        device=device,
                        batch_size=self.batch_size,
                    )
            if self.warmup_epochs:
                frozen = self._through_backbone(network.backbone, inputs, device)
                run(network.heads, frozen, self._stage("warm-up", self.warmup_epochs))
            if self.finetune_epochs:
                before = {name: values.clone() for name, values in network.state_dict().items()}
                stage = self._stage("end to end", self.finetune_epochs, end_to_end=True)
                run(network, inputs, stage)
                if not self._end_to_end_helped():
                    network.load_state_dict(before)
        self.network_ = network.eval()

    def _end_to_end_helped(self) -> bool:
        """Whether the held-out patients prefer the second stage; true where nobody was held out."""
        best = {
            stage: min(losses)
            for stage in ("warm-up", "end to end")
            if (losses := [e["valid_loss"] for e in self.history_ if e["stage"] == stage])
            and None not in losses
        }
        return bool(best.get("end to end", 0.0) < best.get("warm-up", math.inf))

    def _through_backbone(self, backbone: Any, inputs: Inputs, device: str) -> Inputs:
        """Replace images by the features of the frozen backbone, computed once."""
        frozen = dict(inputs)
        for name in self._image_names():
            features = forward_in_batches(_Positional(backbone), {"x": inputs[name]}, device=device)
            frozen[name] = features.numpy()
        return frozen

    def _stage(self, name: str, max_epochs: int, *, end_to_end: bool = False) -> Stage:
        return Stage(
            name=name,
            max_epochs=max_epochs,
            learning_rate=self.learning_rate,
            backbone_learning_rate=self.backbone_learning_rate if end_to_end else None,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            patience=self.patience,
        )

    def _inputs(self, X: pd.DataFrame) -> dict[str, NDArray[Any]]:
        inputs: dict[str, NDArray[Any]] = {}
        for name, column in zip(self._image_names(), self.image_columns, strict=True):
            pixels, present = load_pixels(
                list(X[column]), image_size=self.image_size, imaging=self.imaging
            )
            inputs[name] = normalise_pixels(pixels).numpy()
            inputs[f"{name}_present"] = present
        if self.encoder_ is not None:
            recorded = X[[column.name for column in self.tabular_columns]]
            inputs["tabular"] = self.encoder_.transform(recorded).astype(np.float32)
            inputs["tabular_present"] = recorded.notna().any(axis=1).to_numpy(copy=True)
        return inputs

    def _image_names(self) -> list[str]:
        return [f"image_{i}" for i in range(len(self.image_columns))]

    def _device(self) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device


class _Positional(torch.nn.Module):
    """Lets a backbone, which takes one positional tensor, be called by keyword."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the module's output."""
        features: torch.Tensor = self.module(x)
        return features


def _rows(inputs: Inputs, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in inputs.items()}
