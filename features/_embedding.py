"""The embedding block: what a frozen backbone makes of each image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts import ImageModality, ImageRecord
from features._blocks import FeatureBlock, FeatureExtractor, register_extractor
from features._cache import FeatureCache
from features._per_image import NamedFeature, extract_records, image_block
from features.backbones import Backbone, create_backbone, normalise_pixels
from features.imaging import ImagingOptions, prepare_image, resize_image

__all__: list[str] = []

# Between two looks at the cache and the bar.
BATCH_SIZE = 32


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

    title = "pooled features of a frozen timm backbone (EfficientNet-B3)"
    version = 1
    options_type = EmbeddingOptions
    image_s = 0.03

    def extract(
        self,
        name: str,
        cases: Sequence[str],
        images: ImageModality,
        options: EmbeddingOptions,
        *,
        imaging: ImagingOptions,
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
            "device": _device(),
            "imaging": asdict(imaging),
        }
        extract = partial(
            extract_records,
            compute=partial(
                _embed, backbone=backbone, image_size=options.image_size, imaging=imaging
            ),
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
        block = image_block(name, cases, images, features, extract, settings=settings)
        decided = replace(options, weights=_decided_weights(options.weights, backbone))
        return replace(block, notes=backbone.notes, options=asdict(decided))


def _decided_weights(wanted: str, backbone: Backbone) -> str:
    """Say what ``auto`` came to."""
    if wanted != "auto":
        return wanted
    return "random" if backbone.is_random else "pretrained"


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _embed(
    records: Sequence[ImageRecord],
    *,
    backbone: Backbone,
    image_size: int,
    imaging: ImagingOptions,
) -> NDArray[np.float32]:
    """Return features of shape (n_records, n_features).

    On a CPU every image passes alone and on one thread, and the images share the cores: sums
    are then taken in the same order whatever the number of cores and whichever other images
    are in the cache already.
    """
    module = backbone.module.to(_device())

    def embed_one(record: ImageRecord) -> NDArray[np.float32]:
        pixels = resize_image(prepare_image(record, imaging).grey, image_size=image_size)
        with torch.inference_mode():
            features = module(normalise_pixels(pixels[None]).to(_device()))
        embedded: NDArray[np.float32] = features[0].float().cpu().numpy()
        return embedded

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(max_workers=n_threads) as pool:
            return np.stack(list(pool.map(embed_one, records)))
    finally:
        torch.set_num_threads(n_threads)
