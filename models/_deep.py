"""The deep rows of the board: one network, with or without each of its branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from sklearn.base import BaseEstimator

from cohorts import Cohort
from features import BlockKind, BlockSchema, check_backbone
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.networks import FusionNetworkClassifier

__all__: list[str] = []

# Smith (2018), arXiv 1803.09820: rate, decay and dropout are set together, and matter most.
# Ranges run a factor of ten and more to either side of what AdamW and EfficientNet are
# published with. Not tuned: dropout of modalities, because the inner folds are complete and
# would always vote against it; label smoothing, because calibration does its work; widths and
# batch size, because they are those of the published set-up.
SEARCH_SPACE: Mapping[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "weight_decay": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": CategoricalDistribution([0.1, 0.3, 0.5]),
}
DEFAULTS: Mapping[str, Any] = {"learning_rate": 1e-3, "weight_decay": 1e-4, "dropout": 0.3}

# A pretrained backbone needs a rate of its own (Howard & Ruder 2018, arXiv 1801.06146): too
# high a one unlearns what it came with, too low a one never learns ultrasound.
PRETRAINED_SPACE: Mapping[str, BaseDistribution] = {
    **SEARCH_SPACE,
    "backbone_learning_rate": FloatDistribution(1e-5, 1e-3, log=True),
}
PRETRAINED_DEFAULTS: Mapping[str, Any] = {**DEFAULTS, "backbone_learning_rate": 1e-4}


class _Network(ModelSpec):
    """What all deep rows share."""

    family = "deep"
    expensive = True
    # Learned embeddings stand in for what is missing.
    tolerates_missing_tables = True
    # A network calibrates itself on the patients that it holds out for early stopping.
    recalibrated = False
    search_space = SEARCH_SPACE
    defaults = DEFAULTS
    reads_images: ClassVar[bool] = True
    reads_tables: ClassVar[bool] = True
    compact: ClassVar[bool] = False

    def accepts(self, kinds: Sequence[BlockKind]) -> bool:
        """Ask for exactly the kinds of block that the network has branches for."""
        wanted = {"pixels"} if self.reads_images else set()
        wanted |= {"tabular"} if self.reads_tables else set()
        return set(kinds) == wanted

    def skip(self, cohort: Cohort) -> str | None:
        """Name the modality that the cohort lacks."""
        if self.reads_images and not cohort.images:
            return "the cohort has no images"
        if self.reads_tables and not cohort.tables:
            return "the cohort has no tabular modality"
        return None

    def check(self, settings: ModelSettings) -> None:
        """Refuse an unknown backbone and weights that are not there."""
        if self.reads_images and not self.compact:
            check_backbone(settings.networks.backbone, weights=settings.networks.weights)

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the network that the settings describe."""
        pixels = [name for block in blocks if block.kind == "pixels" for name in block.column_names]
        tables = [column for block in blocks if block.kind == "tabular" for column in block.columns]
        return FusionNetworkClassifier(
            image_columns=tuple(pixels),
            tabular_columns=tuple(tables),
            imaging=next((block.imaging for block in blocks if block.kind == "pixels"), None),
            batch_size=settings.networks.batch_size,
            patience=settings.networks.patience,
            modality_dropout=settings.networks.modality_dropout,
            label_smoothing=settings.networks.label_smoothing,
            ema_decay=settings.networks.ema_decay,
            precision=settings.networks.precision,
            device=settings.networks.device,
            random_state=random_state,
            **self._training(settings),
            **params,
        )

    def _training(self, settings: ModelSettings) -> dict[str, Any]:
        networks = settings.networks
        if not self.reads_images:
            return {"warmup_epochs": networks.tabular_epochs, "finetune_epochs": 0}
        if self.compact:
            return {
                "backbone": "compact",
                "image_size": networks.compact_image_size,
                "warmup_epochs": 0,
                "finetune_epochs": networks.compact_epochs,
                # Nothing is pretrained, so the backbone learns as fast as the heads.
                "backbone_learning_rate": 1e-3,
                "augment": networks.augment,
            }
        return {
            "augment": networks.augment,
            "backbone": networks.backbone,
            "weights": networks.weights,
            "image_size": networks.image_size,
            "warmup_epochs": networks.warmup_epochs,
            "finetune_epochs": networks.finetune_epochs,
        }

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # images cost far more than columns
        """Multiply images, epochs and the cost of a step at the image size."""
        networks = settings.networks
        if not self.reads_images:
            return networks.tabular_epochs * n_samples * 2e-4
        if self.compact:
            step = 1.6e-3 * (networks.compact_image_size / 96) ** 2
            return networks.compact_epochs * n_samples * step
        # Of EfficientNet-B3 at 224 pixels: 60 ms for a forward pass, 200 ms for a step.
        scale = (networks.image_size / 224) ** 2
        return n_samples * scale * (0.06 + 0.2 * networks.finetune_epochs)


@register_model("tabular_network")
class TabularNetwork(_Network):
    """The tabular branch alone."""

    title = "Network on all tabular modalities (MLP to 64)"
    reads_images = False


@register_model("image_network")
class ImageNetwork(_Network):
    """The image branch alone."""

    title = "Network on the image (EfficientNet-B3 to 256)"
    reads_tables = False
    search_space = PRETRAINED_SPACE
    defaults = PRETRAINED_DEFAULTS


@register_model("late_fusion")
class LateFusion(_Network):
    """The published set-up: both branches, concatenated."""

    title = "Late fusion: EfficientNet-B3 to 256, MLP to 64, fusion head"
    search_space = PRETRAINED_SPACE
    defaults = PRETRAINED_DEFAULTS


@register_model("compact_network")
class CompactNetwork(_Network):
    """The image branch with a small backbone, trained from scratch."""

    title = "Network on the image, small backbone trained from scratch"
    reads_tables = False
    compact = True


@register_model("compact_fusion")
class CompactFusion(_Network):
    """Late fusion with a small backbone, trained from scratch."""

    title = "Late fusion with a small backbone trained from scratch"
    compact = True
