"""Every backend gives what float32 torch gives, whatever the cores and the other images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from cohorts import BenchmarkError
from features import FeatureCache, create_backbone, normalise_pixels
from features.backbones import with_unit_output
from features.embedding import EmbeddingOptions, _backends, make_backend, make_views
from features.embedding._backends import BatchBackend, ExportError, backend_names, one_thread
from features.imaging import ImagingOptions

SIZE = 32
OPTIONS = EmbeddingOptions(image_size=SIZE)
BACKENDS = ["torch", "onnx", "batches"]


@pytest.fixture(scope="module")
def module():
    backbone = create_backbone("mobilenetv3_small_050", weights="random", random_state=0)
    with one_thread():
        return with_unit_output(backbone.module, image_size=SIZE, random_state=0)


@pytest.fixture(scope="module")
def records(small_cohort):
    return [records[0] for records in small_cohort.images[0].records[:21]]


def make(name: str, module: torch.nn.Module, **options: object):
    if name == "batches":
        return BatchBackend(module, device="cpu", precision="float32", batch_size=8)
    if name == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    chosen = EmbeddingOptions(image_size=SIZE, backend=name, **options)
    return make_backend(chosen, module, input_shape=(1, 3, SIZE, SIZE))


def embed(backend, records) -> np.ndarray:
    return backend.embed(records, partial(make_views, options=OPTIONS, imaging=ImagingOptions()))


@pytest.fixture(scope="module")
def exact(module, records):
    """Features of plain float32 torch."""
    views = [make_views(one, OPTIONS, ImagingOptions()).pixels for one in records]
    with torch.inference_mode():
        return module(normalise_pixels(np.concatenate(views))).numpy()


@pytest.mark.parametrize("name", BACKENDS)
def test_float32_is_exact(module, records, exact, name):
    """To 1e-5 of the largest feature; the last column says that nothing was cropped."""
    found = embed(make(name, module), records)
    assert found.shape == (21, exact.shape[1] + 1)
    assert np.abs(found[:, :-1] - exact).max() < 1e-5 * np.abs(exact).max()
    assert not found[:, -1].any()


def test_bfloat16_is_close(module, records, exact):
    """To a few percent of the largest feature, and not to less; the backbone is untouched."""
    found = embed(make("torch", module, precision="bfloat16"), records)[:, :-1]
    difference = np.abs(found - exact).max() / np.abs(exact).max()
    assert 1e-4 < difference < 0.1
    assert next(module.parameters()).dtype == torch.float32


@pytest.mark.parametrize("name", BACKENDS)
def test_bits_depend_on_neither_cores_nor_other_images(module, records, name):
    """One thread or three, all images or some of them, in one order or another: the same bits."""
    backend = make(name, module)
    n_threads = torch.get_num_threads()
    full = embed(backend, records)
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            assert (embed(backend, records) == full).all()
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(n_threads)
    for some in ([4], [20, 3, 11], list(range(20, -1, -1))):
        assert (embed(backend, [records[row] for row in some]) == full[some]).all()


def test_batches_of_views_keep_an_image_together(module, records):
    """With mirrors a batch holds half as many images, and each gets the mean of its own views."""
    options = EmbeddingOptions(image_size=SIZE, flip_average=True)
    mirrored = partial(make_views, options=options, imaging=ImagingOptions())
    found = make("batches", module).embed(records, mirrored)
    shape = (2, 3, SIZE, SIZE)
    alone = make_backend(
        EmbeddingOptions(image_size=SIZE, backend="torch"), module, input_shape=shape
    ).embed(records, mirrored)
    np.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


def test_auto_prefers_onnx_where_it_is_exact_and_installed(monkeypatch):
    """ONNX Runtime on a CPU in float32 if it is installed, else torch."""
    monkeypatch.setattr(_backends, "find_spec", lambda _: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert backend_names(EmbeddingOptions()) == ("onnx", "torch")
    assert backend_names(EmbeddingOptions(precision="bfloat16")) == ("torch",)
    assert backend_names(EmbeddingOptions(backend="torch")) == ("torch",)
    assert backend_names(EmbeddingOptions(backend="onnx")) == ("onnx",)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert backend_names(EmbeddingOptions()) == ("torch",)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(_backends, "find_spec", lambda _: None)
    assert backend_names(EmbeddingOptions()) == ("torch",)


def test_what_onnx_cannot_do_is_said(monkeypatch):
    """Not installed, or in bfloat16: the message says what to install or to set."""
    monkeypatch.setattr(_backends, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(BenchmarkError, match=r"it needs onnx, not .*\[onnx\]' in the source"):
        backend_names(EmbeddingOptions(backend="onnx"))
    monkeypatch.setattr(_backends, "find_spec", lambda _: object())
    with pytest.raises(BenchmarkError, match="precision = 'bfloat16' will not do with backend: on"):
        backend_names(EmbeddingOptions(backend="onnx", precision="bfloat16"))


class Spectral(torch.nn.Module):
    """A module that no ONNX graph can express."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(images.mean(dim=1)).real


def test_a_backbone_without_a_graph_is_refused():
    """The error names the way out."""
    with pytest.raises(ExportError, match=r"cannot be exported to ONNX.*backend: torch"):
        make("onnx", Spectral())


def test_graphs_are_kept(module, records, tmp_path, monkeypatch):
    """A second process takes the graph from the cache; a damaged one is exported again."""
    onnx = pytest.importorskip("features.embedding._onnx", reason="the extra onnx is not installed")
    options = EmbeddingOptions(image_size=SIZE, backend="onnx")
    start = partial(
        make_backend, options, module, input_shape=(1, 3, SIZE, SIZE), cache=FeatureCache(tmp_path)
    )
    exported = []
    original = onnx._export
    monkeypatch.setattr(onnx, "_export", lambda one: exported.append(1) or original(one))
    first = embed(start(), records)
    assert (embed(start(), records) == first).all()
    assert len(exported) == 1
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:1000])
    assert (embed(start(), records) == first).all()
    assert len(exported) == 2


def test_graphs_of_other_weights_are_others(tmp_path):
    """The key of a graph holds its tensors and the shape of its input."""
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    options = EmbeddingOptions(backend="onnx")
    for seed, size in [(0, 32), (1, 32), (0, 64), (0, 32)]:
        module = create_backbone("compact", weights="random", random_state=seed).module
        make_backend(options, module, input_shape=(1, 3, size, size), cache=FeatureCache(tmp_path))
    assert len(list(tmp_path.rglob("*.npy"))) == 3
