"""The fusion network as a scikit-learn classifier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from cohorts import BenchmarkError, Column, Note
from features import (
    AugmentOptions,
    Backbone,
    ImagingOptions,
    TabularEncoder,
    create_backbone,
)
from models._calibration import ProbabilityCalibrator
from models.networks._devices import Precision, choose_device, trains_in_bfloat16
from models.networks._inputs import (
    Inputs,
    column_tables,
    hold_out,
    image_inputs,
    rows_of,
    tables_of,
    tabular_inputs,
    without,
)
from models.networks._modules import FusionHeads, FusionNetwork
from models.networks._training import Stage, forward_in_batches
from models.networks._two_stages import (
    END_TO_END,
    WARM_UP,
    State,
    TrainingSet,
    through_backbone,
    train_two_stages,
)

__all__ = ["FusionNetworkClassifier"]

AFTER_WARM_UP = "after the warm-up"

# A held-out case tells at most a quarter of a unit about a shift: forty patients and the class
# frequencies then have an equal say.
CALIBRATION_PULL = 10.0

NO_VALIDATION = (
    "The training part was too small to hold out patients of every class, so a network was "
    "trained without early stopping and its probabilities are not calibrated."
)


class FusionNetworkClassifier(ClassifierMixin, BaseEstimator):
    """Image branch, tabular branch or both, trained in two stages.

    Images go through a backbone (EfficientNet-B3 by default) and a projection to 256 units,
    encoded tables through a perceptron to 64; both are concatenated and classified. First
    the backbone is frozen and its features are computed once (warm-up), then everything is
    trained with a smaller rate for the backbone. Both stages stop on the loss of patients
    held out from the training part, and keep their best epoch; the second stage is kept only
    if it is better on those patients than the first. On them, too, probabilities are
    calibrated: weights by inverse class frequency shift the base rates.

    A case may lack any modality, in training and later: learned vectors stand in for what it
    lacks. So that they are learned also where cases are complete, some training cases lose
    a modality at random.

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
    modality_dropout : float
        In [0, 1]; chance of a training case to lose an image, a table, all images or all
        tables, in each step anew. A case never loses all that it has, so this changes
        nothing where there is one modality.
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
    label_smoothing : float
        In [0, 1); share of each training label that is spread evenly over the classes.
    ema_decay : float
        In [0, 1); if above 0, an exponential moving average of the weights with this decay
        per step is validated, kept and used in their place.
    augment : AugmentOptions, optional
        How training images are changed at random, end to end; not at all where None. In the
        warm-up they are not changed.
    precision : {"auto", "float32", "bfloat16"}
        Of the backbone in end-to-end training steps; ``auto`` takes bfloat16 on a GPU that
        has it. Predictions are computed in float32 always.
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
    calibrator_ : ProbabilityCalibrator or None
        Fitted on the held-out patients; None where nobody was held out.
    history_ : list of dict
        Per epoch and stage: losses, and AUC and balanced accuracy of the held-out patients.
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
        modality_dropout: float = 0.1,
        batch_size: int = 16,
        warmup_epochs: int = 30,
        finetune_epochs: int = 10,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float = 1e-4,
        weight_decay: float = 1e-4,
        patience: int = 8,
        validation_share: float = 0.2,
        label_smoothing: float = 0.0,
        ema_decay: float = 0.0,
        augment: AugmentOptions | None = None,
        precision: Precision = "auto",
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
        self.modality_dropout = modality_dropout
        self.batch_size = batch_size
        self.warmup_epochs = warmup_epochs
        self.finetune_epochs = finetune_epochs
        self.learning_rate = learning_rate
        self.backbone_learning_rate = backbone_learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_share = validation_share
        self.label_smoothing = label_smoothing
        self.ema_decay = ema_decay
        self.augment = augment
        self.precision = precision
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
        train, valid = hold_out(
            labels, groups, share=self.validation_share, random_state=self.random_state
        )
        self.encoder_ = self._fit_encoder(X.iloc[train])
        data = TrainingSet(
            inputs=self._inputs(X),
            labels=labels,
            train=train,
            valid=valid,
            class_weight=compute_class_weight(
                "balanced", classes=np.arange(len(self.classes_)), y=labels[train]
            ),
            device=choose_device(self.device),
        )
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            self._fit_network(data)
        self.calibrator_ = self._fit_calibrator(data)
        if valid is None:
            self.notes_ = (*self.notes_, Note("no-early-stopping", "info", NO_VALIDATION))
        return self

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_samples, n_classes), rows summing to 1."""
        check_is_fitted(self, "network_")
        return self._calibrated(self._probabilities(self.network_, self._inputs(X)))

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def predict_variants(self, X: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        """Return what the network says when less is known, or when it had learned less.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            Image and tabular columns.

        Returns
        -------
        dict of str to ndarray of shape (n_samples, n_classes)
            ``image only`` and ``tables only``, where there are both: the other side is
            withheld, as from a case that lacks it. ``after the warm-up``: before the end-to-end
            stage, as long as the network is in the memory that it was trained in. All
            calibrated as the network is.
        """
        check_is_fitted(self, "network_")
        inputs = self._inputs(X)
        variants = {}
        if self.image_columns and self.encoder_ is not None:
            device = choose_device(self.device)
            frozen = through_backbone(self.network_, inputs, device=device)
            for name, side in (("image only", "tabular"), ("tables only", "image")):
                variants[name] = self._probabilities(self.network_.heads, without(frozen, side))
        if (state := getattr(self, "_after_warm_up", None)) is not None:
            earlier = copy.deepcopy(self.network_)
            earlier.load_state_dict(state)
            variants[AFTER_WARM_UP] = self._probabilities(earlier, inputs)
        return {name: self._calibrated(proba) for name, proba in variants.items()}

    def embed(self, X: pd.DataFrame) -> NDArray[np.float32]:
        """Return the pooled features that the trained backbone has of each case.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns)
            Image columns; no others are read.

        Returns
        -------
        ndarray of shape (n_samples, n_image_columns * n_features)
            The image columns side by side; NaN where a case has no image.

        Raises
        ------
        BenchmarkError
            If the network reads no images.
        """
        check_is_fitted(self, "network_")
        if not self.image_columns:
            raise BenchmarkError(
                "This network reads tables alone and has no features of images to give. Use an "
                "image_network, a compact_network or a fusion network."
            )
        inputs = image_inputs(
            X, self.image_columns, image_size=self.image_size, imaging=self.imaging
        )
        frozen = through_backbone(self.network_, inputs, device=choose_device(self.device))
        parts = [
            np.where(inputs[f"image_{i}_present"][:, None], frozen[f"image_{i}"], np.nan)
            for i in range(len(self.image_columns))
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def build_network(self, n_classes: int) -> tuple[Any, Backbone | None]:
        """Return the untrained module, and the backbone in it if there are images.

        The encoder must have been fitted: it tells how wide the tables are.
        """
        backbone = None
        if self.image_columns:
            backbone = create_backbone(
                self.backbone, weights=self.weights, random_state=self.random_state
            )
        heads = FusionHeads(
            n_images=len(self.image_columns),
            n_image_features=0 if backbone is None else backbone.n_features,
            n_tables=len(tables_of(self.tabular_columns)),
            column_tables=column_tables(self.tabular_columns, self.encoder_),
            image_units=self.image_units,
            tabular_units=self.tabular_units,
            hidden_units=self.hidden_units,
            n_classes=n_classes,
            dropout=self.dropout,
            modality_dropout=self.modality_dropout,
        )
        if backbone is None:
            return heads, None
        network = FusionNetwork(
            backbone.module,
            heads,
            augment=self.augment,
            freeze_norm=not backbone.is_random,
            mixed_precision=trains_in_bfloat16(self.precision, choose_device(self.device)),
        )
        return network, backbone

    def _fit_encoder(self, X: pd.DataFrame) -> TabularEncoder | None:
        if not self.tabular_columns:
            return None
        names = [column.name for column in self.tabular_columns]
        return TabularEncoder(tuple(self.tabular_columns)).fit(X[names])

    def _fit_network(self, data: TrainingSet) -> None:
        network, backbone = self.build_network(len(self.classes_))
        self.notes_ = () if backbone is None else backbone.notes
        self.weights_ = "" if backbone is None else backbone.origin
        # A part of the run, not of the model: it is never saved.
        self._after_warm_up: State | None = None
        network.to(data.device)
        if backbone is None:
            self.history_ = data.run(
                network, self._stage("training", self.warmup_epochs), data.inputs
            )
        else:
            self.history_, self._after_warm_up = train_two_stages(
                network,
                data,
                warm_up=self._stage(WARM_UP, self.warmup_epochs),
                end_to_end=self._stage(END_TO_END, self.finetune_epochs, end_to_end=True),
                new_statistics=backbone.is_random,
            )
        self.network_ = network.eval()

    def _fit_calibrator(self, data: TrainingSet) -> ProbabilityCalibrator | None:
        if data.valid is None:
            return None
        proba = self._probabilities(self.network_, rows_of(data.inputs, data.valid))
        # Weights by inverse frequency are taken back as the frequencies say, unless the patients
        # held out, often no more than forty, say otherwise with some force.
        counts = np.bincount(data.labels[data.train], minlength=len(self.classes_))
        calibrator = ProbabilityCalibrator(counts / counts.sum(), pull=CALIBRATION_PULL)
        return calibrator.fit(proba, data.labels[data.valid])

    def _probabilities(self, module: Any, inputs: Inputs) -> NDArray[np.float64]:
        logits = forward_in_batches(module, inputs, device=choose_device(self.device))
        return np.asarray(torch.softmax(logits.double(), dim=1).numpy())

    def _calibrated(self, proba: NDArray[np.float64]) -> NDArray[np.float64]:
        return proba if self.calibrator_ is None else self.calibrator_.transform(proba)

    def _stage(self, name: str, max_epochs: int, *, end_to_end: bool = False) -> Stage:
        return Stage(
            name=name,
            max_epochs=max_epochs,
            learning_rate=self.learning_rate,
            backbone_learning_rate=self.backbone_learning_rate if end_to_end else None,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            patience=self.patience,
            label_smoothing=self.label_smoothing,
            ema_decay=self.ema_decay,
        )

    def _inputs(self, X: pd.DataFrame) -> dict[str, NDArray[Any]]:
        inputs = image_inputs(
            X, self.image_columns, image_size=self.image_size, imaging=self.imaging
        )
        if self.encoder_ is not None:
            inputs |= tabular_inputs(X, self.tabular_columns, self.encoder_)
        return inputs
