"""ONNX Runtime as a backend: a backbone's graph is exported once and kept."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from features._cache import CacheKey, FeatureCache
from features.backbones import normalise_pixels
from features.embedding._backends import ExportError, Forward

__all__ = ["onnx_forward"]

InputShape = tuple[int, int, int, int]

# Of the largest feature; a graph that is right is off by 1e-6.
TOLERANCE = 1e-4


# What graphs are filed under in the cache, beside the numbers of images.
GRAPHS = "onnx_graph-v1"


@dataclass(frozen=True)
class _Exportable:
    """A backbone and its input; equal to another one if the digests are."""

    digest: str
    module: torch.nn.Module = field(compare=False)
    shape: InputShape = field(compare=False)


def onnx_forward(module: torch.nn.Module, shape: InputShape, cache: FeatureCache) -> Forward:
    """Return a function that runs a backbone in ONNX Runtime, on the thread that calls it.

    ONNX Runtime folds batch norms into convolutions, fuses activations, and blocks the
    channels of its tensors by the width of the CPU's registers.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode, float32, on the CPU.
    shape : tuple of int
        Views, channels, height and width of every input.
    cache : FeatureCache
        Where graphs are kept between processes.

    Returns
    -------
    callable
        Pixels of shape (n_views, height, width), uint8 -> features of shape
        (n_views, n_features), float32.

    Raises
    ------
    ExportError
        If the backbone cannot be exported.
    """
    one = _Exportable(_digest(module, shape), module, shape)
    session = _open(one, cache)
    (name,) = (given.name for given in session.get_inputs())

    def forward(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = normalise_pixels(pixels).contiguous().numpy()
        features: NDArray[np.float32] = session.run(None, {name: images})[0]
        return features

    return forward


def _open(one: _Exportable, cache: FeatureCache) -> Any:
    """Start a session from the stored graph, or export it if there is none."""
    key = CacheKey(GRAPHS, one.digest)
    stored = cache.load(key)
    if stored is not None:
        return _session(stored.tobytes())
    graph = _export(one)
    cache.store(key, np.frombuffer(graph, dtype=np.uint8))
    return _session(graph)


def _session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


# Without a cache on disk the blocks of several modalities still share a graph.
@lru_cache(maxsize=4)
def _export(one: _Exportable) -> bytes:
    """Export a graph that gives what the backbone gives."""
    module = one.module
    images = torch.from_numpy(np.random.default_rng(0).standard_normal(one.shape, dtype=np.float32))
    problem = ""
    for export in (_export_traced, _export_captured):
        try:
            graph = export(module, images)
            if _is_faithful(graph, module, images):
                return graph
            problem = "the graph gives other features"
        except Exception as error:  # whatever a model without a graph provokes in the exporter
            problem = " ".join(str(error).split())[:200]
    raise ExportError(
        f"The backbone cannot be exported to ONNX ({problem}). "
        "Set feature_options.embedding.backend: torch."
    )


def _export_traced(module: torch.nn.Module, images: torch.Tensor) -> bytes:
    """Export in about a second, by a path that torch keeps for now beside its new one."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "graph.onnx"
        # They speak of that path, and of Python numbers, which the fixed shape makes harmless.
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (images,), path, dynamo=False)
        return path.read_bytes()


def _export_captured(module: torch.nn.Module, images: torch.Tensor) -> bytes:
    """Export in about ten seconds, by torch's new path."""
    with warnings.catch_warnings():
        # They speak to the exporter's own developers.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            module, (images,), dynamo=True, optimize=True, verbose=False
        )
    graph: bytes = program.model_proto.SerializeToString()
    return graph


def _is_faithful(graph: bytes, module: torch.nn.Module, images: torch.Tensor) -> bool:
    session = _session(graph)
    (name,) = (given.name for given in session.get_inputs())
    with torch.inference_mode():
        wanted = module(images).numpy()
    found = session.run(None, {name: images.numpy()})[0]
    return found.shape == wanted.shape and bool(
        np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    )


def _digest(module: torch.nn.Module, shape: InputShape) -> str:
    """Hash what makes the graph: structure, tensors, input and the exporter's version."""
    digest = hashlib.sha256(repr((shape, torch.__version__, str(module))).encode())
    for name, tensor in module.state_dict().items():
        digest.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
