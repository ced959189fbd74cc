"""The options of training do what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch import nn

from features import AugmentOptions, BlockSchema, normalise_grey
from models import MODELS, ModelSettings, NetworkSettings
from models.networks import _devices, _training
from models.networks._callbacks import balanced_accuracy, macro_auc
from models.networks._devices import trains_in_bfloat16
from models.networks._modules import FusionHeads, FusionNetwork
from models.networks._training import SmoothedCrossEntropy, Stage, train_stage
from models.networks._two_stages import TrainingSet, train_two_stages


class Linear(nn.Module):
    """One linear layer with the keyword input of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def small_heads(n_images: int, *, n_features: int, n_classes: int) -> FusionHeads:
    """Heads on images alone, a few units wide, without dropout."""
    return FusionHeads(
        n_images=n_images,
        n_image_features=n_features,
        n_tables=0,
        column_tables=(),
        image_units=4,
        tabular_units=3,
        hidden_units=5,
        n_classes=n_classes,
        dropout=0.0,
    )


def stage(**changes: Any) -> Stage:
    values: dict[str, Any] = {
        "name": "training",
        "max_epochs": 3,
        "learning_rate": 0.1,
        "backbone_learning_rate": None,
        "weight_decay": 0.0,
        "batch_size": 4,
        "patience": 10,
    }
    return Stage(**values | changes)


@pytest.fixture
def cases() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 2)).astype(np.float32)
    return {"x": x}, (x[:, 0] > 0).astype(np.int64)


def train(cases, valid=None, module=None, **changes) -> tuple[nn.Module, list[dict[str, Any]]]:
    torch.manual_seed(0)
    module = module or Linear()
    history = train_stage(
        module, cases, valid, stage(**changes), class_weight=np.ones(2), device="cpu"
    )
    return module, history


@pytest.fixture
def steps(monkeypatch) -> list[torch.Tensor]:
    """The weights before the first step and after each one."""
    seen = []
    original = torch.optim.AdamW.step

    def spying(self, *args, **options):
        if not seen:
            seen.append(self.param_groups[0]["params"][0].detach().clone())
        result = original(self, *args, **options)
        seen.append(self.param_groups[0]["params"][0].detach().clone())
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", spying)
    return seen


def averages(steps: list[torch.Tensor], decay: float) -> list[torch.Tensor]:
    found = [steps[0]]
    for weights in steps[1:]:
        found.append(decay * found[-1] + (1 - decay) * weights)
    return found


def test_the_average_is_the_one_worked_out_by_hand(cases, steps):
    """Average = 0.8 average + 0.2 weights after each of nine steps; the last is what is used."""
    module, _ = train(cases, ema_decay=0.8)
    assert len(steps) == 10
    torch.testing.assert_close(module.layer.weight.detach(), averages(steps, 0.8)[-1])
    assert not torch.allclose(module.layer.weight, steps[-1])


def test_the_average_is_validated_and_kept(cases, steps):
    """Validation losses are those of the average, and its best epoch is what remains."""
    losses = []
    original = SmoothedCrossEntropy.forward

    class Spying(SmoothedCrossEntropy):
        def forward(self, logits, labels):
            if not self.training:
                losses.append(logits.detach().clone())
            return original(self, logits, labels)

    inputs, labels = cases
    # Labels the other way round: each epoch is worse than the one before.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_training, "SmoothedCrossEntropy", Spying)
        module, history = train(cases, ({"x": inputs["x"][:4]}, 1 - labels[:4]), ema_decay=0.8)
    expected = averages(steps, 0.8)[3::3]
    x = torch.tensor(inputs["x"][:4])
    for weights, logits in zip(expected, losses, strict=True):
        bias_free = logits - (x @ weights.T)
        # What remains is the same bias for every case.
        torch.testing.assert_close(bias_free, bias_free[:1].expand_as(bias_free))
    best = int(np.argmin([epoch["valid_loss"] for epoch in history]))
    assert best == 0
    torch.testing.assert_close(module.layer.weight.detach(), expected[best])


def test_smoothing_reaches_the_loss_of_training_only(cases, monkeypatch):
    """The criterion has the share; in evaluation it is plain cross-entropy."""
    made = []

    class Spying(SmoothedCrossEntropy):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(_training, "SmoothedCrossEntropy", Spying)
    train(cases, label_smoothing=0.2)
    assert {one.label_smoothing for one in made} == {0.2}
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    log_proba = torch.log_softmax(logits, dim=1)
    plain = -log_proba[:, 0]
    smooth = 0.9 * plain - 0.1 * log_proba[:, 1]
    criterion = made[0].cpu()
    torch.testing.assert_close(criterion.train()(logits, labels), smooth.mean())
    torch.testing.assert_close(criterion.eval()(logits, labels), plain.mean())


@pytest.mark.parametrize("n_second", [0, 4])
def test_batch_norms_know_the_images_of_every_modality(n_second):
    """Statistics are those of all training images, be one modality rare or in no training case."""
    rng = np.random.default_rng(0)
    present = np.arange(12) < n_second
    inputs = {
        "image_0": rng.integers(0, 120, (12, 8, 8)).astype(np.uint8),
        "image_0_present": np.arange(12) < 8,
        "image_1": rng.integers(120, 256, (12, 8, 8)).astype(np.uint8),
        "image_1_present": present,
    }
    heads = small_heads(2, n_features=3, n_classes=2)
    backbone = nn.Sequential(nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = FusionNetwork(backbone, heads, augment=None, freeze_norm=False)
    rows = np.arange(12)
    data = TrainingSet(inputs, np.arange(12) % 2, rows, None, np.ones(2), "cpu")
    train_two_stages(
        network,
        data,
        warm_up=stage(max_epochs=1),
        end_to_end=stage(max_epochs=0),
        new_statistics=True,
    )
    images = np.concatenate([inputs["image_0"][:8], inputs["image_1"][:n_second]])
    expected = normalise_grey(torch.as_tensor(images)).mean(dim=(0, 2, 3))
    torch.testing.assert_close(backbone[0].running_mean, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_validation_scores_are_those_of_scikit_learn(n_classes):
    """Macro AUC with ties, and balanced accuracy, on random probabilities."""
    rng = np.random.default_rng(1)
    labels = np.arange(60) % n_classes
    proba = rng.dirichlet(np.ones(n_classes), size=60).round(1)
    proba /= proba.sum(axis=1, keepdims=True)
    expected = np.mean([roc_auc_score(labels == k, proba[:, k]) for k in range(n_classes)])
    assert macro_auc(labels, proba) == pytest.approx(expected)
    named = balanced_accuracy_score(labels, proba.argmax(axis=1))
    assert balanced_accuracy(labels, proba) == pytest.approx(named)
    assert macro_auc(np.zeros(60, dtype=int), proba) is None


def test_every_epoch_has_its_scores(cases):
    """They are of the held-out cases, and None where there are none."""
    inputs, labels = cases
    module, history = train(cases, (inputs, labels), max_epochs=2)
    with torch.no_grad():
        proba = torch.softmax(module(torch.tensor(inputs["x"])), dim=1).numpy()
    best = min(history, key=lambda epoch: epoch["valid_loss"])
    assert best["valid_roc_auc"] == pytest.approx(macro_auc(labels, proba))
    assert best["valid_balanced_accuracy"] == pytest.approx(balanced_accuracy(labels, proba))
    _, alone = train(cases, max_epochs=1)
    assert alone[0]["valid_roc_auc"] is alone[0]["valid_balanced_accuracy"] is None


@pytest.mark.parametrize("supported", [True, False])
def test_auto_takes_bfloat16_on_a_gpu_that_has_it(monkeypatch, supported):
    """On a processor never by itself; what is asked for by name is done anywhere."""
    monkeypatch.setattr(_devices.torch.cuda, "is_bf16_supported", lambda **_: supported)
    assert trains_in_bfloat16("auto", "cuda") is supported
    assert not trains_in_bfloat16("auto", "cpu")
    assert trains_in_bfloat16("bfloat16", "cpu")
    assert not trains_in_bfloat16("float32", "cuda")


@pytest.mark.parametrize("mixed", [True, False])
def test_only_steps_are_in_mixed_precision(mixed):
    """The backbone multiplies in bfloat16 while it trains, if at all; evaluated it never does."""
    seen = []

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)

        def forward(self, images):
            features = self.conv(images)
            channels_last = images.is_contiguous(memory_format=torch.channels_last)
            seen.append((features.dtype, channels_last))
            return features.mean(dim=(2, 3))

    heads = small_heads(1, n_features=6, n_classes=3)
    network = FusionNetwork(
        Backbone(), heads, augment=AugmentOptions(), freeze_norm=False, mixed_precision=mixed
    )
    images = {
        "image_0": torch.randint(0, 256, (4, 16, 16), dtype=torch.uint8),
        "image_0_present": torch.ones(4),
    }
    assert network.train()(**images).dtype == torch.float32
    assert network.eval()(**images).dtype == torch.float32
    # Images reach the backbone channel by channel, augmented or not.
    assert seen == [(torch.bfloat16 if mixed else torch.float32, True), (torch.float32, True)]


@pytest.mark.parametrize("name", ["image_network", "compact_network", "late_fusion"])
def test_settings_reach_the_networks(name):
    """What the config says about training is what the classifier is built with."""
    augment = AugmentOptions(flip=False)
    networks = NetworkSettings(
        modality_dropout=0.3,
        label_smoothing=0.05,
        ema_decay=0.9,
        augment=augment,
        precision="float32",
    )
    spec = MODELS.get(name)
    built = spec.build(
        [BlockSchema("image", "ultrasound", "pixels", ())],
        params=spec.defaults,
        random_state=0,
        settings=ModelSettings(networks=networks),
    ).get_params()
    names = ("modality_dropout", "label_smoothing", "ema_decay", "precision")
    assert [built[key] for key in names] == [0.3, 0.05, 0.9, "float32"]
    assert built["augment"] == augment


@pytest.mark.parametrize("name", [one.name for one in MODELS if one.is_deep])
def test_what_is_tuned_reaches_the_network(name):
    """Each tuned value is a parameter; only a pretrained backbone has a tuned rate of its own."""
    spec = MODELS.get(name)
    params = {
        key: spec.search_space[key].choices[-1] if key == "dropout" else 0.00321
        for key in spec.search_space
    }
    kinds = ["pixels"] * spec.reads_images + ["tabular"] * spec.reads_tables
    blocks = [BlockSchema(kind, kind, kind, ()) for kind in kinds]
    built = spec.build(blocks, params=params, random_state=0, settings=ModelSettings())
    assert params.items() <= built.get_params().items()
    assert ("backbone_learning_rate" in params) == (name in ("image_network", "late_fusion"))
