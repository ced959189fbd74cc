"""Weights come from the hub, a file or a network of a run, or are random and said to be."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from cohorts import BenchmarkError
from features import FeatureCache, assemble, build_blocks, create_backbone
from features.backbones import _backbone
from models.networks import FusionNetworkClassifier, load_network, save_network


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file(tmp_path, suffix):
    """A state dict saved by timm, with its head, is loaded and identified by its hash."""
    source = timm.create_model("resnet10t", num_classes=7)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(source.state_dict(), path)
    else:
        safetensors.torch.save_file(source.state_dict(), path)
    backbone = create_backbone("resnet10t", weights=str(path), random_state=0)
    assert backbone.weights_id.startswith("file:")
    assert not backbone.is_random
    assert backbone.notes == ()
    loaded = dict(backbone.module.named_parameters())
    assert all(
        torch.equal(loaded[name], p) for name, p in source.named_parameters() if "fc" not in name
    )


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    """Weights of another model, or no weights at all."""
    other = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, other)
    with pytest.raises(BenchmarkError, match=r"does not fit backbone 'resnet10t': \d+ tensors"):
        create_backbone("resnet10t", weights=str(other), random_state=0)
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"junk")
    with pytest.raises(BenchmarkError, match=r"broken\.pth holds no weights of 'resnet10t'"):
        create_backbone("resnet10t", weights=str(broken), random_state=0)


def test_a_weights_file_runs_no_code(tmp_path):
    """A pickled object in a .pth file is not unpickled."""

    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(BenchmarkError, match="holds no weights"):
        create_backbone("resnet10t", weights=str(tmp_path / "evil.pth"), random_state=0)
    assert not (tmp_path / "owned").exists()


def test_without_the_hub_weights_are_random_and_said(monkeypatch):
    """Out of reach: random weights under a warning, or an error where pretrained was demanded."""
    monkeypatch.setattr(_backbone, "hub_weights", lambda _: None)
    backbone = create_backbone("resnet10t", weights="auto", random_state=0)
    assert backbone.is_random
    assert [(note.code, note.severity) for note in backbone.notes] == [
        ("random-weights", "warning")
    ]
    with pytest.raises(BenchmarkError, match="hub is out of reach and the local cache has none"):
        create_backbone("resnet10t", weights="pretrained", random_state=0)


def test_hub_weights_are_used_where_they_can_be_had(monkeypatch):
    """With the hub within reach its weights are loaded, named and not warned about."""
    state = timm.create_model("resnet10t", num_classes=0).state_dict()
    monkeypatch.setattr(_backbone, "hub_weights", lambda _: state)
    backbone = create_backbone("resnet10t", weights="auto", random_state=0)
    assert backbone.weights_id.startswith("hub:")
    assert backbone.notes == ()
    assert torch.equal(next(backbone.module.parameters()), state["conv1.0.weight"])


@pytest.fixture(scope="module")
def networks(small_cohort, tmp_path_factory):
    """Two networks as a run saves them: one on images, one on tables alone."""
    names = ["image", "clinical"]
    blocks = build_blocks(small_cohort, names, options={}, cache=FeatureCache(None), random_state=0)
    X = assemble(list(blocks.values()))
    image = {"image_columns": tuple(blocks["image"].schema.column_names), "image_size": 32}
    tables = {"tabular_columns": blocks["clinical"].schema.columns, "finetune_epochs": 0}
    folders = {}
    for name, branch in [("image", image), ("tables", tables)]:
        network = FusionNetworkClassifier(
            **branch, backbone="compact", warmup_epochs=1, batch_size=30
        )
        folders[name] = tmp_path_factory.mktemp(name)
        save_network(network.fit(X, small_cohort.labels), folders[name])
    return folders


def test_weights_come_from_a_network_of_a_run(networks):
    """The backbone of a saved network embeds as it does inside the network, and is warned about."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    backbone = create_backbone("compact", weights=str(networks["image"]), random_state=1)
    trained = load_network(networks["image"]).network_.backbone
    with torch.inference_mode():
        assert torch.equal(backbone.module(images), trained(images))
    assert backbone.weights_id.startswith("network:")
    assert not backbone.is_random
    assert [(note.code, note.severity) for note in backbone.notes] == [
        ("fine-tuned-weights", "warning")
    ]


def test_a_network_that_does_not_fit_is_refused(networks, tmp_path):
    """Another backbone, none at all, another schema, a damaged file, or no network."""

    def refused(name: str, folder, match: str) -> None:
        with pytest.raises(BenchmarkError, match=match):
            create_backbone(name, weights=str(folder), random_state=0)

    refused("resnet10t", networks["image"], "has backbone 'compact', but 'resnet10t' is asked for")
    refused("compact", networks["tables"], "has no backbone, for it reads tables alone")
    refused("resnet10t", tmp_path, r"holds no network: network\.json or network\.safetensors")
    about = json.loads((networks["image"] / "network.json").read_text())
    (tmp_path / "network.safetensors").write_bytes(b"junk")
    (tmp_path / "network.json").write_text("[]")
    refused("compact", tmp_path, "does not describe a network")
    (tmp_path / "network.json").write_text(json.dumps(about | {"schema_version": 99}))
    refused("compact", tmp_path, "has schema version 99, this sonobench reads 3")
    (tmp_path / "network.json").write_text(json.dumps(about))
    refused("compact", tmp_path, r"network\.safetensors holds no weights of 'compact'")


def test_a_folder_named_like_a_word_is_not_taken_for_weights(tmp_path, monkeypatch):
    """`auto` is a word also where a folder of that name stands in the working directory."""
    (tmp_path / "auto").mkdir()
    monkeypatch.chdir(tmp_path)
    assert create_backbone("compact", weights="auto", random_state=3).weights_id == "random:3"


def test_random_weights_follow_the_seed():
    """The same seed gives the same weights and leaves torch's generator alone; another does not."""

    def first(seed: int) -> np.ndarray:
        module = create_backbone("resnet10t", weights="random", random_state=seed).module
        return next(module.parameters()).detach().numpy()

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    weights = first(0)
    assert torch.equal(torch.rand(1), expected)
    assert (first(0) == weights).all()
    assert (first(1) != weights).any()
