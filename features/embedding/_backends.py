"""What runs a backbone: torch on a CPU or a GPU, or ONNX Runtime on a CPU.

Whatever runs it, an image's numbers must not depend on the number of cores or on which other
images are in the cache already, because sums that are taken in another order end in other
bits. On a CPU every image therefore passes alone and on one thread, and the images share the
cores. On a GPU all batches have the same size, filled up with black images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cohorts import BenchmarkError, ImageRecord
from features._cache import FeatureCache
from features.backbones import normalise_grey, normalise_pixels
from features.embedding._options import BackendName, EmbeddingOptions, Precision
from features.embedding._views import Views

__all__ = [
    "AloneBackend",
    "Backend",
    "BatchBackend",
    "ExportError",
    "backend_names",
    "device_of",
    "exact_convolutions",
    "make_backend",
    "one_thread",
]

GPU_BATCH_SIZE = 64
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")

MakeViews = Callable[[ImageRecord], Views]
# Views of an image -> features of shape (n_views, n_features).
Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class Backend(ABC):
    """Turns images into features, preparing them on all cores ahead of the backbone."""

    @abstractmethod
    def embed(self, records: Sequence[ImageRecord], make_views: MakeViews) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        records : sequence of ImageRecord
            At least one.
        make_views : callable
            What the backbone is shown of an image; called from several threads.

        Returns
        -------
        ndarray of shape (n_records, n_features + 1), float32
            Features averaged over the views; the last column is 1 for a cropped image.
        """


class AloneBackend(Backend):
    """One image at a time on one thread of a CPU, several images side by side.

    Parameters
    ----------
    forward : callable
        The backbone; called from several threads.
    """

    def __init__(self, forward: Forward) -> None:
        self.forward = forward

    def embed(self, records: Sequence[ImageRecord], make_views: MakeViews) -> NDArray[np.float32]:
        """Prepare and embed each image in a thread of its own."""

        def embed_one(record: ImageRecord) -> NDArray[np.float32]:
            views = make_views(record)
            return _row(self.forward(views.pixels), views.is_cropped)

        with _preparing() as pool:
            return np.stack(list(pool.map(embed_one, records)))


class BatchBackend(Backend):
    """Batches of one size on an accelerator, while the CPU prepares the next ones.

    Parameters
    ----------
    module : nn.Module
        The backbone, on the CPU.
    device : str
        Such as ``cuda``.
    precision : {"float32", "bfloat16"}
        float32 means float32: TensorFloat-32, which keeps eleven bits, is switched off.
    batch_size : int
        Views at a time.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        device: str,
        precision: Precision,
        batch_size: int = GPU_BATCH_SIZE,
    ) -> None:
        self.dtype = getattr(torch, precision)
        self.device = torch.device(device)
        self.module = module.to(self.device, self.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batch_size = batch_size

    def embed(self, records: Sequence[ImageRecord], make_views: MakeViews) -> NDArray[np.float32]:
        """Feed the accelerator without waiting for it; results are fetched at the end."""
        computed: list[torch.Tensor] = []
        cropped: list[bool] = []
        n_views = 1
        with _preparing() as pool, torch.inference_mode(), exact_convolutions():
            prepared = pool.map(make_views, records)
            while first := next(prepared, None):
                n_views = len(first.pixels)
                batch = [first, *islice(prepared, max(1, self.batch_size // n_views) - 1)]
                cropped += [views.is_cropped for views in batch]
                computed.append(self.forward(np.concatenate([views.pixels for views in batch])))
        features = torch.cat(computed).float().cpu().numpy().reshape(len(records), n_views, -1)
        return np.stack([_row(*pair) for pair in zip(features, cropped, strict=True)])

    def forward(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Return features of shape (n_views, n_features) of at most one batch, on the device."""
        filled = np.zeros((max(self.batch_size, len(pixels)), *pixels.shape[1:]), np.uint8)
        filled[: len(pixels)] = pixels
        grey = torch.from_numpy(filled)
        if self.device.type == "cuda":
            grey = grey.pin_memory()
        images = normalise_grey(grey.to(self.device, non_blocking=True)).to(self.dtype)
        features: torch.Tensor = self.module(images)[: len(pixels)]
        return features


class ExportError(BenchmarkError):
    """A backbone that cannot be expressed as an ONNX graph."""


def device_of(options: EmbeddingOptions) -> str:
    """Return where a backend that is decided computes: ONNX Runtime stays on the CPU."""
    return "cuda" if options.backend == "torch" and torch.cuda.is_available() else "cpu"


def backend_names(options: EmbeddingOptions) -> tuple[BackendName, ...]:
    """Return the backends to try, the preferred one first.

    Parameters
    ----------
    options : EmbeddingOptions
        With ``auto``, ONNX Runtime is preferred on a CPU if it is installed.

    Raises
    ------
    BenchmarkError
        If ONNX Runtime is asked for and not installed, or asked for in bfloat16.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if options.backend == "onnx":
        _check_onnx(missing, options.precision)
        return ("onnx",)
    fits = options.precision == "float32" and not torch.cuda.is_available() and not missing
    return ("onnx", "torch") if options.backend == "auto" and fits else ("torch",)


def make_backend(
    options: EmbeddingOptions,
    module: torch.nn.Module,
    *,
    input_shape: tuple[int, int, int, int],
    device: str = "cpu",
    cache: FeatureCache | None = None,
) -> Backend:
    """Make a backend of a backbone.

    Parameters
    ----------
    options : EmbeddingOptions
        With ``backend`` decided.
    module : nn.Module
        In evaluation mode, float32, on the CPU; left as it is.
    input_shape : tuple of int
        Views, channels, height and width of what passes at a time on a CPU.
    device : str
        As `device_of` returns it.
    cache : FeatureCache, optional
        Where exported graphs are kept, because exporting takes seconds; by default nowhere.

    Raises
    ------
    ExportError
        If the backbone cannot be expressed as an ONNX graph.
    """
    if options.backend == "onnx":
        try:
            from features.embedding._onnx import onnx_forward
        except ImportError as error:  # installed, and broken
            raise ExportError(f"ONNX Runtime cannot be imported ({error}).") from None

        return AloneBackend(onnx_forward(module, input_shape, cache or FeatureCache(None)))
    if device == "cpu":
        return AloneBackend(_torch_forward(deepcopy(module), options.precision))
    return BatchBackend(deepcopy(module), device=device, precision=options.precision)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Keep cuDNN to float32 and to algorithms that give the same bits every time."""
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield


@contextmanager
def one_thread() -> Iterator[int]:
    """Let torch compute on one thread; gives the number it had."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def _preparing() -> Iterator[ThreadPoolExecutor]:
    """Give as many threads as torch would use, each of which computes on one."""
    with one_thread() as n_threads, ThreadPoolExecutor(max_workers=n_threads) as pool:
        yield pool


def _torch_forward(module: torch.nn.Module, precision: Precision) -> Forward:
    dtype: Any = getattr(torch, precision)
    module = module.to(dtype)

    def forward(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            features: NDArray[np.float32] = (
                module(normalise_pixels(pixels).to(dtype)).float().numpy()
            )
        return features

    return forward


def _check_onnx(missing: Sequence[str], precision: Precision) -> None:
    if missing:
        raise BenchmarkError(
            f"feature_options.embedding.backend is 'onnx', but it needs {', '.join(missing)}, not "
            "installed here. Run pip install -c constraints.txt '.[onnx]' in the source folder of "
            "sonobench, or use backend: torch."
        )
    if precision != "float32":
        raise BenchmarkError(
            f"feature_options.embedding.precision = {precision!r} will not do with backend: onnx, "
            "which computes in float32. Use backend: torch, or precision: float32."
        )


def _row(features: NDArray[np.float32], is_cropped: bool) -> NDArray[np.float32]:
    return np.append(features.mean(axis=0), np.float32(is_cropped))
