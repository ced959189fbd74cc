"""The fusion network has the published shape and trains in two honest stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss
from torch import nn

from features import (
    AugmentOptions,
    FeatureCache,
    ImagingOptions,
    assemble,
    build_blocks,
    create_backbone,
)
from models import MODELS, ModelSettings
from models.networks import FusionNetworkClassifier, _inputs, _modules, _two_stages
from models.networks._inputs import hold_out
from models.networks._modules import FusionHeads, FusionNetwork


@pytest.fixture(scope="module")
def data(small_cohort):
    blocks = build_blocks(
        small_cohort,
        ["image", "clinical", "molecular"],
        options={},
        cache=FeatureCache(None),
        random_state=0,
    )
    return assemble(list(blocks.values())), small_cohort.labels, list(blocks.values())


def fusion(data, **changes: Any) -> FusionNetworkClassifier:
    blocks = data[2]
    settings: dict[str, Any] = {
        "image_columns": tuple(blocks[0].schema.column_names),
        "tabular_columns": tuple(c for block in blocks[1:] for c in block.schema.columns),
        "backbone": "resnet10t",
        "weights": "random",
        "image_size": 32,
        "warmup_epochs": 4,
        "finetune_epochs": 2,
        "batch_size": 8,
    }
    return FusionNetworkClassifier(**settings | changes)


def test_published_widths():
    """EfficientNet-B3 gives 1,536 features to 256 units; tables 64; both are concatenated."""
    backbone = create_backbone("efficientnet_b3", weights="random", random_state=0)
    assert backbone.n_features == 1536
    heads = FusionHeads(
        n_images=1,
        n_image_features=1536,
        n_tables=2,
        column_tables=[0] * 25 + [1] * 15,
        image_units=256,
        tabular_units=64,
        hidden_units=128,
        n_classes=3,
        dropout=0.3,
    )
    widths = [(m.in_features, m.out_features) for m in heads.modules() if isinstance(m, nn.Linear)]
    assert widths == [(1536, 256), (40, 128), (128, 64), (256 + 64, 128), (128, 3)]


def test_the_compact_backbone_is_small():
    """About a tenth of a million parameters."""
    backbone = create_backbone("compact", weights="auto", random_state=0)
    assert 80_000 < sum(p.numel() for p in backbone.module.parameters()) < 120_000


def backbone_parameters(network: FusionNetwork) -> list[np.ndarray]:
    return [p.detach().numpy().copy() for p in network.backbone.parameters()]


def test_warm_up_leaves_the_backbone_and_the_second_stage_moves_it(data, monkeypatch):
    """Frozen first, then trained end to end."""
    X, y, _ = data
    monkeypatch.setattr(_two_stages, "end_to_end_helped", lambda _: True)
    fresh = create_backbone("resnet10t", weights="random", random_state=0).module
    start = [p.detach().numpy() for p in fresh.parameters()]
    warm = backbone_parameters(fusion(data, finetune_epochs=0).fit(X, y).network_)
    moved = backbone_parameters(fusion(data).fit(X, y).network_)
    assert all((a == b).all() for a, b in zip(start, warm, strict=True))
    assert any((a != b).any() for a, b in zip(start, moved, strict=True))


def test_a_second_stage_that_harms_is_undone(data, monkeypatch):
    """If the held-out patients like the first stage better, its weights are kept."""
    X, y, _ = data
    warm = fusion(data, finetune_epochs=0).fit(X, y).predict_proba(X)
    monkeypatch.setattr(_two_stages, "end_to_end_helped", lambda _: False)
    assert np.allclose(fusion(data).fit(X, y).predict_proba(X), warm, atol=1e-6)


def test_the_stages_are_compared_by_their_best_epochs():
    """The second stage counts only if its best validation loss is below the first's."""

    def history(warm, end):
        named = [("warm-up", loss) for loss in warm] + [("end to end", loss) for loss in end]
        return [{"stage": stage, "valid_loss": loss} for stage, loss in named]

    for warm, end, helped in [
        ([0.9, 0.5], [0.6, 0.4], True),
        ([0.9, 0.5], [0.6, 0.7], False),
        ([None], [None], True),
        ([], [0.7], True),
    ]:
        assert _two_stages.end_to_end_helped(history(warm, end)) is helped


def test_the_best_epoch_is_restored(data):
    """The kept network has the lowest validation loss of its history, not the last one."""
    X, y, _ = data
    # Labels without meaning: what is learned of the training cases hurts on the others.
    y = np.random.default_rng(0).permutation(y)
    network = fusion(data, warmup_epochs=40, finetune_epochs=0, learning_rate=1e-2, patience=4)
    groups = np.arange(len(y))
    _, valid = hold_out(y, groups, share=0.2, random_state=0)
    network.fit(X, y, groups=groups)
    losses = [epoch["valid_loss"] for epoch in network.history_]
    assert len(losses) < 40
    assert losses[-1] > min(losses)
    counts = np.bincount(np.delete(y, valid))
    weights = (counts.sum() / (3 * counts))[y[valid]]
    network.calibrator_ = None
    kept = log_loss(y[valid], network.predict_proba(X.iloc[valid]), sample_weight=weights)
    assert kept == pytest.approx(min(losses), rel=0.05)


def test_rare_classes_weigh_more_in_the_loss(data, monkeypatch):
    """The loss is weighted by the inverse frequency in the part that gradients see."""
    X, y, _ = data
    seen = []
    original = _two_stages.train_stage

    def spying(*args, **options):
        seen.append(options["class_weight"])
        return original(*args, **options)

    monkeypatch.setattr(_two_stages, "train_stage", spying)
    kept = np.flatnonzero((y != 2) | (np.arange(90) % 9 < 5))
    fusion(data, warmup_epochs=1, finetune_epochs=0).fit(X.iloc[kept], y[kept])
    assert seen[0][2] > 1.4 * seen[0][0]


def test_augmentation_changes_training_images_only(data, monkeypatch):
    """The same network predicts the same twice, and augments nothing while it does."""
    X, y, _ = data
    seen = []
    original = _modules.augment_images
    monkeypatch.setattr(
        _modules,
        "augment_images",
        lambda images, options: (seen.append(options), original(images))[1],
    )
    network = fusion(data, augment=AugmentOptions(zoom=0), warmup_epochs=0, finetune_epochs=1).fit(
        X, y
    )
    assert seen
    assert set(seen) == {AugmentOptions(zoom=0)}
    seen.clear()
    assert (network.predict_proba(X) == network.predict_proba(X)).all()
    assert not seen


def test_the_global_generator_is_left_alone(data):
    """Training does not disturb random numbers elsewhere, nor they it."""
    X, y, _ = data
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = fusion(data).fit(X, y)
    assert torch.equal(torch.rand(3), expected)
    again = clone(first).fit(X, y)
    assert (again.predict_proba(X) == first.predict_proba(X)).all()


def test_two_image_modalities_have_a_branch_each(data):
    """Two image columns double the image branch."""
    X, y, blocks = data
    two = X.assign(second=X[blocks[0].schema.column_names[0]])
    names = (*blocks[0].schema.column_names, "second")
    network = fusion(data, image_columns=names, finetune_epochs=0).fit(two, y)
    assert len(network.network_.heads.image_branches) == 2
    assert network.predict_proba(two).shape == (90, 3)


def test_a_small_training_part_trains_without_early_stopping(data):
    """Too few patients of a class to hold any out: all epochs run, and the row says so."""
    X, y, _ = data
    few = np.concatenate([np.flatnonzero(y == k)[:4] for k in range(3)])
    network = fusion(data, finetune_epochs=0).fit(X.iloc[few], y[few])
    assert [note.code for note in network.notes_] == ["random-weights", "no-early-stopping"]
    assert len(network.history_) == 4
    assert all(epoch["valid_loss"] is None for epoch in network.history_)


def test_networks_see_prepared_images(small_cohort, monkeypatch):
    """What the config says of images reaches the pixels that a network reads."""
    imaging = ImagingOptions(clahe=True)
    block = build_blocks(
        small_cohort,
        ["image"],
        options={},
        imaging=imaging,
        cache=FeatureCache(None),
        random_state=0,
    )["image"]
    assert block.schema.imaging == imaging
    spec = MODELS.get("compact_network")
    network = spec.build([block.schema], params={}, random_state=0, settings=ModelSettings())
    seen = []
    original = _inputs.load_pixels
    monkeypatch.setattr(
        _inputs,
        "load_pixels",
        lambda *a, **k: (seen.append(k["imaging"]), original(*a, **k))[1],
    )
    y = small_cohort.labels
    network.set_params(finetune_epochs=1, image_size=32).fit(block.frame, y)
    assert set(seen) == {imaging}
