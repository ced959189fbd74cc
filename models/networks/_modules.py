"""The fusion network: an image branch, a tabular branch, and a head on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from features import AugmentOptions, augment_images, normalise_grey
from models.networks._modality_dropout import drop_units, droppable_units

__all__ = ["FusionHeads", "FusionNetwork"]

Tensors = Mapping[str, torch.Tensor]


class FusionHeads(nn.Module):
    """Everything above the backbone: projections, concatenation, classes.

    What stands in for a modality that a case lacks is learned: a vector in place of the
    embedding of an image or of all tables, and in place of the encoded columns of a single
    table.

    Parameters
    ----------
    n_images : int
        Image modalities; each has its own projection.
    n_image_features : int
        Width of the backbone's output.
    n_tables : int
        Tabular modalities; the tabular branch reads all of them together.
    column_tables : sequence of int
        Tabular modality of each encoded column, counted from 0; without columns there is no
        tabular branch.
    image_units, tabular_units, hidden_units : int
        Width of the two branches and of the fusion layer (256, 64 and 128 by default).
    n_classes : int
        Outputs.
    dropout : float
        Share of units dropped before each linear layer of the head.
    modality_dropout : float
        Share of training cases that lose a modality; see `drop_units`.
    """

    def __init__(
        self,
        *,
        n_images: int,
        n_image_features: int,
        n_tables: int,
        column_tables: Sequence[int],
        image_units: int,
        tabular_units: int,
        hidden_units: int,
        n_classes: int,
        dropout: float,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.modality_dropout = modality_dropout
        self.image_branches = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(n_image_features),
                nn.Dropout(dropout),
                nn.Linear(n_image_features, image_units),
                nn.ReLU(),
            )
            for _ in range(n_images)
        )
        self.image_missing = nn.Parameter(torch.zeros(n_images, image_units))
        width = n_images * image_units
        self.tabular_branch: nn.Module | None = None
        if column_tables:
            self.tabular_branch = nn.Sequential(
                nn.Linear(len(column_tables), 2 * tabular_units),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(2 * tabular_units, tabular_units),
                nn.ReLU(),
            )
            self.columns_missing = nn.Parameter(torch.zeros(len(column_tables)))
            self.tabular_missing = nn.Parameter(torch.zeros(tabular_units))
            width += tabular_units
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, hidden_units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_units, n_classes),
        )
        # Follow from the data that the network is built for, so they are not stored.
        tables = torch.tensor(list(column_tables), dtype=torch.long)
        units = droppable_units(n_images, n_tables if column_tables else 0)
        self.register_buffer("column_tables", tables, persistent=False)
        self.register_buffer("units", units, persistent=False)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return class logits of shape (n, n_classes); training cases may lose modalities.

        Parameters
        ----------
        **inputs : Tensor
            ``image_<i>`` of shape (n, n_image_features) and ``image_<i>_present`` of shape
            (n,) for each image modality; ``tabular`` of shape (n, n_columns) and
            ``tabular_present`` of shape (n, n_tables) where there is a tabular branch.
        """
        return self.classify(self.drop_modalities(inputs))

    def drop_modalities(self, inputs: Tensors) -> Tensors:
        """Return the inputs with some modalities marked as absent, in training."""
        if not self.training or self.modality_dropout == 0:
            return inputs
        names = [f"image_{i}_present" for i in range(len(self.image_branches))]
        parts = [inputs[name][:, None] for name in names]
        parts += [] if self.tabular_branch is None else [inputs["tabular_present"]]
        units: torch.Tensor = self.units  # type: ignore[assignment]  # a buffer
        kept = drop_units(torch.cat(parts, dim=1).bool(), units, share=self.modality_dropout)
        changed = {name: kept[:, i] for i, name in enumerate(names)}
        if self.tabular_branch is not None:
            changed["tabular_present"] = kept[:, len(names) :]
        return {**inputs, **changed}

    def classify(self, inputs: Tensors) -> torch.Tensor:
        """Return class logits of shape (n, n_classes) from inputs as `forward` takes them."""
        parts = [self._image_part(i, inputs) for i in range(len(self.image_branches))]
        parts += [] if self.tabular_branch is None else [self._tabular_part(inputs)]
        logits: torch.Tensor = self.head(torch.cat(parts, dim=1))
        return logits

    def _image_part(self, i: int, inputs: Tensors) -> torch.Tensor:
        rows = inputs[f"image_{i}_present"].bool().nonzero()[:, 0]
        features, missing = inputs[f"image_{i}"], self.image_missing[i]
        if len(rows) == len(features):
            return _with_steady_norms(self.image_branches[i], features)
        part = missing.expand(len(features), -1)
        if len(rows):
            embedded = _with_steady_norms(self.image_branches[i], features[rows])
            part = part.index_put((rows,), embedded)
        return part

    def _tabular_part(self, inputs: Tensors) -> torch.Tensor:
        present = inputs["tabular_present"].bool()
        columns: torch.Tensor = self.column_tables  # type: ignore[assignment]  # a buffer
        values = torch.where(present[:, columns], inputs["tabular"], self.columns_missing)
        embedded = self.tabular_branch(values)  # type: ignore[misc]  # asked for where there is one
        return torch.where(present.any(dim=1, keepdim=True), embedded, self.tabular_missing)


class FusionNetwork(nn.Module):
    """Backbone and heads, from pixels to classes.

    Parameters
    ----------
    backbone : nn.Module
        Images to pooled features; shared by all image modalities.
    heads : FusionHeads
        On top of it.
    augment : AugmentOptions or None
        How training images are changed at random by `augment_images`; not at all where None.
    freeze_norm : bool
        Keep the backbone's batch-norm statistics: right for pretrained weights, whose
        statistics are better than those of a few hundred images.
    mixed_precision : bool
        Whether training steps pass the backbone in bfloat16, where torch holds that to be
        safe. What is evaluated is computed in float32 always.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: FusionHeads,
        *,
        augment: AugmentOptions | None,
        freeze_norm: bool,
        mixed_precision: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = heads
        self.augment = augment
        self.freeze_norm = freeze_norm
        self.mixed_precision = mixed_precision

    def train(self, mode: bool = True) -> FusionNetwork:
        """Switch to training, except for frozen batch norms."""
        super().train(mode)
        if mode and self.freeze_norm:
            for norm in batch_norms(self.backbone):
                norm.eval()
        return self

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return class logits; ``image_<i>`` are grey images of shape (n, h, w), uint8."""
        kept = dict(self.heads.drop_modalities(inputs))
        for i in range(len(self.heads.image_branches)):
            kept[f"image_{i}"] = self.embed(kept[f"image_{i}"], kept[f"image_{i}_present"])
        return self.heads.classify(kept)

    def embed(self, images: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return the backbone's pooled features; images that are absent are never looked at.

        Parameters
        ----------
        images : Tensor of shape (n, h, w), uint8
            Grey values.
        present : Tensor of shape (n,)
            Whether the case has the image.

        Returns
        -------
        Tensor of shape (n, n_features), float32
            Zeros where there is no image.
        """
        rows = present.bool().nonzero()[:, 0]
        width = self.heads.image_branches[0][0].num_features  # type: ignore[index]  # a sequence
        if len(rows) == 0:
            return torch.zeros(len(images), int(width), device=images.device)
        pixels = normalise_grey(images[rows])
        if self.training and self.augment is not None:
            pixels = augment_images(pixels, options=self.augment)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        mixed = self.training and self.mixed_precision
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=mixed):
            features = _with_steady_norms(self.backbone, pixels).float()
        if len(rows) == len(images):
            return features
        blank = torch.zeros(len(images), int(width), device=images.device)
        return blank.index_put((rows,), features)


def _with_steady_norms(module: nn.Module, values: torch.Tensor) -> torch.Tensor:
    """Call a module; a single case, which has no variance, leaves its batch norms alone."""
    training = [norm for norm in batch_norms(module) if norm.training] if len(values) == 1 else []
    for norm in training:
        norm.eval()
    outputs: torch.Tensor = module(values)
    for norm in training:
        norm.train()
    return outputs


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return the batch norms in a module."""
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
