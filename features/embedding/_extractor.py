"""The embedding extractor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohorts import BenchmarkError, ImageModality, ImageRecord, Note
from features._blocks import FeatureBlock, FeatureExtractor, FeatureText, register_extractor
from features._cache import FeatureCache
from features._per_image import extract_records, image_block, modality_records
from features.backbones import (
    Backbone,
    check_backbone,
    create_backbone,
    with_unit_output,
)
from features.embedding._backends import (
    Backend,
    ExportError,
    backend_names,
    device_of,
    make_backend,
    one_thread,
)
from features.embedding._options import EmbeddingOptions
from features.embedding._views import make_views
from features.imaging import ImagingOptions

__all__ = ["Embedding"]

logger = logging.getLogger(__name__)

# Images between two looks at the cache and the bar; a GPU must not wait for each of them.
BATCH_SIZES = {"cpu": 32, "cuda": 512}

UNTRAINED = (
    "The compact backbone was never trained: embeddings of it are those of random weights. The "
    "compact networks train it; an embedding takes the folder of one as weights."
)
CROPPED = (
    "Embeddings show the surroundings of the automatic region; {n_whole} of {n_images} images, in "
    "which no region was found with confidence, are shown whole."
)


@register_extractor("embedding")
class Embedding(FeatureExtractor[EmbeddingOptions]):
    """Pooled features of a frozen image network."""

    title = "pooled features of a frozen timm backbone (EfficientNet-B3)"
    version = 2
    options_type = EmbeddingOptions
    image_s = 0.02

    def check(self, options: EmbeddingOptions) -> None:
        """Refuse an unknown backbone, weights that are not there, a backend that is missing."""
        check_backbone(options.backbone, weights=options.weights)
        backend_names(options)

    def describe(self, options: EmbeddingOptions) -> list[FeatureText]:
        """Return one line for all features, which have no meaning one by one."""
        text = f"pooled feature 0, 1, … of {options.backbone} at {options.image_size} px"
        return [FeatureText("0000 …", description=text)]

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
        """Compute the block; a warning about random or fine-tuned weights comes with it."""
        backbone = create_backbone(
            options.backbone, weights=options.weights, random_state=random_state
        )
        _check_size(backbone, options)
        options = replace(options, weights=_decided_weights(options.weights, backbone))
        compute = partial(
            self._compute,
            modality_records(images),
            backbone=backbone,
            imaging=imaging,
            cache=cache,
            random_state=random_state,
            progress=progress,
        )
        options, settings, numbers = _first_that_works(compute, options)
        block = image_block(
            name,
            cases,
            images,
            _features(options.backbone, backbone.n_features),
            numbers[:, :-1],
            settings=settings,
        )
        notes = (*_weight_notes(backbone), *_crop_notes(options, numbers))
        return replace(block, notes=notes, options=asdict(options))

    def _compute(
        self,
        records: Sequence[ImageRecord],
        options: EmbeddingOptions,
        *,
        backbone: Backbone,
        imaging: ImagingOptions,
        cache: FeatureCache,
        random_state: int,
        progress: bool,
    ) -> tuple[dict[str, Any], NDArray[np.float64]]:
        """Return the settings, and the numbers of every image, with a backend that is decided."""
        device = device_of(options)
        settings = {
            **asdict(options),
            "version": self.version,
            "weights": backbone.weights_id,
            "device": device,
            "imaging": imaging.settings(),
        }
        embedder = _Embedder(backbone, options, imaging, cache, random_state)
        numbers = extract_records(
            records,
            embedder,
            extractor=self.name,
            settings=settings,
            cache=cache,
            batch_size=BATCH_SIZES[device],
            progress=progress,
        )
        return settings, numbers


class _Embedder:
    """Embeds batches of images; the backbone is made ready when the first one comes."""

    def __init__(
        self,
        backbone: Backbone,
        options: EmbeddingOptions,
        imaging: ImagingOptions,
        cache: FeatureCache,
        random_state: int,
    ) -> None:
        self.backbone = backbone
        self.options = options
        self.cache = cache
        self.random_state = random_state
        self.make_views = partial(make_views, options=options, imaging=imaging)

    def __call__(self, records: Sequence[ImageRecord]) -> NDArray[np.float32]:
        """Return features and whether an image is cropped, shape (n_records, n_features + 1)."""
        return self._backend.embed(records, self.make_views)

    @cached_property
    def _backend(self) -> Backend:
        module, options = self.backbone.module, self.options
        if self.backbone.is_random:
            with one_thread():
                module = with_unit_output(
                    module, image_size=options.image_size, random_state=self.random_state
                )
        n_views = 2 if options.flip_average else 1
        return make_backend(
            options,
            module,
            input_shape=(n_views, 3, options.image_size, options.image_size),
            device=device_of(options),
            cache=self.cache,
        )


Numbers = tuple[dict[str, Any], NDArray[np.float64]]


def _first_that_works(
    compute: Callable[[EmbeddingOptions], Numbers], options: EmbeddingOptions
) -> tuple[EmbeddingOptions, dict[str, Any], NDArray[np.float64]]:
    """Compute with the preferred backend; `auto` goes on where a backbone has no graph."""
    *others, last = backend_names(options)
    for name in others:
        decided = replace(options, backend=name)
        try:
            return decided, *compute(decided)
        except ExportError as error:
            logger.info("backend=%s failed=%r next=%s", name, str(error), last)
    decided = replace(options, backend=last)
    return decided, *compute(decided)


def _check_size(backbone: Backbone, options: EmbeddingOptions) -> None:
    """Refuse early what a transformer would fail at."""
    config: dict[str, Any] = getattr(backbone.module, "pretrained_cfg", {})
    edge = config.get("input_size", (3, options.image_size))[-1]
    if config.get("fixed_input_size") and edge != options.image_size:
        raise BenchmarkError(
            f"feature_options.embedding.image_size = {options.image_size} will not do: backbone "
            f"{options.backbone!r} takes images of {edge} pixels only. Set image_size: {edge}, or "
            "choose a convolutional backbone."
        )


def _decided_weights(wanted: str, backbone: Backbone) -> str:
    """Say what ``auto`` came to."""
    if wanted != "auto":
        return wanted
    return "random" if backbone.is_random else "pretrained"


def _features(backbone: str, n_features: int) -> list[FeatureText]:
    width = len(str(n_features - 1))
    return [
        FeatureText(f"{i:0{width}d}", description=f"feature {i} of {backbone}")
        for i in range(n_features)
    ]


def _weight_notes(backbone: Backbone) -> tuple[Note, ...]:
    """Return the backbone's notes; a frozen compact one says that nobody trained it."""
    if backbone.is_random and not backbone.notes:
        return (Note("random-weights", "warning", UNTRAINED),)
    return backbone.notes


def _crop_notes(options: EmbeddingOptions, numbers: NDArray[np.float64]) -> tuple[Note, ...]:
    if not options.region_crop or not len(numbers):
        return ()
    n_whole = int((numbers[:, -1] == 0).sum())
    text = CROPPED.format(n_whole=n_whole, n_images=len(numbers))
    return (Note("region-crop", "info", text),)
