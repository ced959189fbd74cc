"""The embedding block: what a frozen backbone makes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts import Cohort, ImageRecord
from features._backbones import Backbone, create_backbone, normalise_pixels
from features._blocks import FeatureBlock, FeatureExtractor, register_extractor
from features._cache import FeatureCache
from features._per_image import NamedFeature, extract_records, image_block
from features.imaging import decode_image, resize_image

__all__: list[str] = []

# Larger batches are slower per image on a CPU: their activations leave the cache.
BATCH_SIZE = 8


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EmbeddingOptions:
    """What can be set for embeddings.

    Attributes
    ----------
    backbone : str
        Any timm model.
    weights : str
        ``auto`` (timm's hub, else random with a warning), ``pretrained``, ``random``, or the
        path of a safetensors or pth file.
    image_size : int
        Edge of the square input in pixels.
    """

    backbone: str = "efficientnet_b3"
    weights: str = "auto"
    image_size: Annotated[int, Field(ge=32)] = 224


@register_extractor("embedding")
class Embedding(FeatureExtractor[EmbeddingOptions]):
    """Pooled features of a frozen image network."""

    title = "embedding: pooled features of a frozen timm backbone (EfficientNet-B3)"
    version = 1
    options_type = EmbeddingOptions
    image_s = 0.03

    def skip(self, cohort: Cohort) -> str | None:
        """Ask for images."""
        return None if cohort.images else "the cohort has no images"

    def extract(
        self,
        cohort: Cohort,
        options: EmbeddingOptions,
        *,
        cache: FeatureCache,
        random_state: int,
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block; a warning about random weights comes with it."""
        backbone = create_backbone(
            options.backbone, weights=options.weights, random_state=random_state
        )
        settings = {
            "version": self.version,
            "backbone": options.backbone,
            "weights": backbone.weights_id,
            "image_size": options.image_size,
        }
        extract = partial(
            extract_records,
            compute=partial(_embed, backbone=backbone, image_size=options.image_size),
            extractor=self.name,
            settings=settings,
            cache=cache,
            batch_size=BATCH_SIZE,
            progress=progress,
        )
        width = len(str(backbone.n_features - 1))
        features: list[NamedFeature] = [
            (f"{i:0{width}d}", "", f"feature {i} of {options.backbone}")
            for i in range(backbone.n_features)
        ]
        return replace(image_block(self.name, cohort, features, extract), notes=backbone.notes)


def _embed(
    records: Sequence[ImageRecord], *, backbone: Backbone, image_size: int
) -> NDArray[np.float32]:
    pixels = np.stack(
        [resize_image(decode_image(record.path), image_size=image_size) for record in records]
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.inference_mode():
        features = backbone.module.to(device)(normalise_pixels(pixels).to(device))
    embedded: NDArray[np.float32] = features.float().cpu().numpy()
    return embedded
