"""The fusion network: an image branch, a tabular branch, and a head on both."""

from __future__ import annotations

import torch
from torch import nn

from features import AugmentOptions, augment_images

__all__ = ["FusionHeads", "FusionNetwork"]


class FusionHeads(nn.Module):
    """Everything above the backbone: projections, concatenation, classes.

    Parameters
    ----------
    n_images : int
        Image modalities; each has its own projection.
    n_image_features : int
        Width of the backbone's output.
    n_tabular : int
        Encoded tabular columns; 0 leaves the tabular branch out.
    image_units, tabular_units, hidden_units : int
        Width of the two branches and of the fusion layer (256, 64 and 128 by default).
    n_classes : int
        Outputs.
    dropout : float
        Share of units dropped before each linear layer of the head.
    """

    def __init__(
        self,
        *,
        n_images: int,
        n_image_features: int,
        n_tabular: int,
        image_units: int,
        tabular_units: int,
        hidden_units: int,
        n_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.image_branches = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(n_image_features),
                nn.Dropout(dropout),
                nn.Linear(n_image_features, image_units),
                nn.ReLU(),
            )
            for _ in range(n_images)
        )
        # What stands in for a modality that a case lacks is learned, not zero.
        self.image_missing = nn.Parameter(torch.zeros(n_images, image_units))
        width = n_images * image_units
        self.tabular_branch: nn.Module | None = None
        if n_tabular:
            self.tabular_branch = nn.Sequential(
                nn.Linear(n_tabular, 2 * tabular_units),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(2 * tabular_units, tabular_units),
                nn.ReLU(),
            )
            self.tabular_missing = nn.Parameter(torch.zeros(tabular_units))
            width += tabular_units
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, hidden_units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_units, n_classes),
        )

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return class logits of shape (n, n_classes).

        Parameters
        ----------
        **inputs : Tensor
            ``image_<i>`` of shape (n, n_image_features) and ``image_<i>_present`` of shape
            (n,) for each image modality; ``tabular`` of shape (n, n_tabular) and
            ``tabular_present`` of shape (n,) where there is a tabular branch.
        """
        parts = []
        for i, branch in enumerate(self.image_branches):
            embedded = branch(inputs[f"image_{i}"])
            present = inputs[f"image_{i}_present"][:, None].bool()
            parts.append(torch.where(present, embedded, self.image_missing[i]))
        if self.tabular_branch is not None:
            embedded = self.tabular_branch(inputs["tabular"])
            present = inputs["tabular_present"][:, None].bool()
            parts.append(torch.where(present, embedded, self.tabular_missing))
        logits: torch.Tensor = self.head(torch.cat(parts, dim=1))
        return logits


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
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: FusionHeads,
        *,
        augment: AugmentOptions | None,
        freeze_norm: bool,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = heads
        self.augment = augment
        self.freeze_norm = freeze_norm

    def train(self, mode: bool = True) -> FusionNetwork:
        """Switch to training, except for frozen batch norms."""
        super().train(mode)
        if mode and self.freeze_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return class logits; ``image_<i>`` are normalised images of shape (n, 3, h, w)."""
        cuda = next(self.parameters()).is_cuda
        with torch.autocast("cuda", enabled=cuda):
            features = {
                name: self._embed(values) if values.ndim == 4 else values
                for name, values in inputs.items()
            }
        logits: torch.Tensor = self.heads(
            **{name: v.float() if v.is_floating_point() else v for name, v in features.items()}
        )
        return logits

    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        if self.training and self.augment is not None:
            images = augment_images(images, options=self.augment)
        features: torch.Tensor = self.backbone(images)
        return features
