"""A network trains on, and predicts, cases that lack any of its modalities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from features import FeatureCache, assemble, build_blocks
from models.networks import FusionNetworkClassifier
from models.networks._inputs import column_tables, tabular_inputs
from models.networks._modality_dropout import drop_units, droppable_units
from models.networks._modules import FusionHeads, FusionNetwork


@pytest.fixture(scope="module")
def blocks(small_cohort):
    names = ["image", "clinical", "molecular"]
    return build_blocks(small_cohort, names, options={}, cache=FeatureCache(None), random_state=0)


@pytest.fixture
def network(blocks) -> FusionNetworkClassifier:
    tables = (blocks["clinical"], blocks["molecular"])
    return FusionNetworkClassifier(
        image_columns=tuple(blocks["image"].schema.column_names),
        tabular_columns=tuple(c for block in tables for c in block.schema.columns),
        backbone="compact",
        image_size=32,
        warmup_epochs=1,
        finetune_epochs=2,
        batch_size=8,
    )


def lacking(X: pd.DataFrame, block, rows: np.ndarray) -> pd.DataFrame:
    """Return the frame with a block's columns empty in some rows."""
    gone = X.copy()
    for name in block.schema.column_names:
        cells = gone[name].to_numpy(dtype=object, copy=True)
        for row in np.flatnonzero(rows):
            cells[row] = () if block.schema.kind == "pixels" else np.nan
        gone[name] = pd.Series(cells, index=gone.index).astype(X[name].dtype)
    return gone


def test_no_case_ever_loses_all_it_has():
    """Whoever has something keeps something, nothing appears, and a lone modality stays."""
    torch.manual_seed(0)
    present = torch.rand(4000, 4) < 0.5
    kept = drop_units(present, droppable_units(2, 2), share=1.0)
    assert not (kept & ~present).any()
    assert torch.equal(kept.any(dim=1), present.any(dim=1))
    several = present.sum(dim=1) > 1
    assert (kept.sum(dim=1) < present.sum(dim=1))[several].all()
    assert torch.equal(kept[~several], present[~several])


def test_every_loss_comes_up_equally_often():
    """An image, either table, or both tables: a quarter of the losses each, in a tenth of cases."""
    torch.manual_seed(0)
    present = torch.ones(40_000, 3, dtype=torch.bool)
    kept = drop_units(present, droppable_units(1, 2), share=0.1)
    patterns, counts = torch.unique(kept.int(), dim=0, return_counts=True)
    shares = {tuple(p.tolist()): int(n) / 40_000 for p, n in zip(patterns, counts, strict=True)}
    expected = {(0, 1, 1): 0.025, (1, 0, 1): 0.025, (1, 1, 0): 0.025, (1, 0, 0): 0.025}
    assert shares == pytest.approx(expected | {(1, 1, 1): 0.9}, abs=0.005)


def heads(**changes) -> FusionHeads:
    sizes = {
        "n_images": 1,
        "n_image_features": 6,
        "n_tables": 2,
        "column_tables": (0, 0, 1),
        "image_units": 4,
        "tabular_units": 3,
        "hidden_units": 5,
        "n_classes": 3,
        "dropout": 0.0,
    }
    return FusionHeads(**sizes | changes)


def test_a_missing_table_is_a_learned_vector_at_the_input():
    """Its columns count for nothing, its vector does; without any table the branch is skipped."""
    torch.manual_seed(0)
    module = heads().eval()
    with torch.no_grad():
        module.columns_missing.uniform_()
        module.tabular_missing.uniform_()
    inputs = {
        "image_0": torch.randn(1, 6),
        "image_0_present": torch.ones(1),
        "tabular": torch.randn(1, 3),
        "tabular_present": torch.tensor([[True, False]]),
    }
    filled = inputs["tabular"].clone()
    filled[0, 2] = module.columns_missing[2].item()
    all_there = {"tabular": filled, "tabular_present": torch.ones(1, 2)}
    assert torch.equal(module(**inputs), module(**inputs | all_there))
    none = inputs | {"tabular_present": torch.zeros(1, 2)}
    other_values = none | {"tabular": torch.randn(1, 3)}
    assert torch.equal(module(**none), module(**other_values))
    assert not torch.equal(module(**none), module(**inputs))


def test_only_training_drops_modalities():
    """With certain loss the training output varies, and evaluation sees everything."""
    torch.manual_seed(0)
    module = heads(modality_dropout=1.0)
    inputs = {
        "image_0": torch.randn(64, 6),
        "image_0_present": torch.ones(64),
        "tabular": torch.randn(64, 3),
        "tabular_present": torch.ones(64, 2),
    }
    kept = module.train().drop_modalities(inputs)
    everything = torch.cat([kept["image_0_present"][:, None], kept["tabular_present"]], dim=1)
    assert not everything.all(dim=1).any()
    assert everything.any(dim=1).all()
    assert module.eval().drop_modalities(inputs) is inputs


def test_absent_images_leave_no_trace():
    """Neither outputs nor batch-norm statistics depend on what stands where there is no image."""
    states, outputs = [], []
    for filler in (0, 255):
        torch.manual_seed(0)
        backbone = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3),
            torch.nn.BatchNorm2d(6),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
        )
        module = FusionNetwork(backbone, heads(), augment=None, freeze_norm=False).train()
        images = torch.randint(0, 256, (8, 16, 16), dtype=torch.uint8)
        present = torch.arange(8) % 3 > 0
        images[~present] = filler
        tables = {"tabular": torch.ones(8, 3), "tabular_present": torch.ones(8, 2)}
        outputs.append(module(image_0=images, image_0_present=present, **tables))
        states.append(module.state_dict())
    assert torch.equal(*outputs)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("n_present", [0, 1])
def test_a_step_with_one_image_or_none(n_present):
    """Batch norm, which needs two cases to train on, keeps its statistics, and gradients flow."""
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 6)
    )
    module = FusionNetwork(backbone, heads(), augment=None, freeze_norm=False).train()
    norm = module.heads.image_branches[0][0]
    before = norm.running_mean.clone()
    logits = module(
        image_0=torch.full((4, 8, 8), 99, dtype=torch.uint8),
        image_0_present=torch.arange(4) < n_present,
        tabular=torch.randn(4, 3),
        tabular_present=torch.ones(4, 2),
    )
    logits.sum().backward()
    assert torch.equal(norm.running_mean, before)
    assert norm.training
    assert module.heads.image_missing.grad.abs().sum() > 0


def test_tables_are_told_apart_by_the_prefix_of_their_columns(blocks, network):
    """Each encoded column knows its table, and a table counts as there if any cell of it is."""
    X = assemble(list(blocks.values()))
    rows = np.arange(90) % 2 == 0
    encoder = network._fit_encoder(X)
    owners = column_tables(network.tabular_columns, encoder)
    names = np.asarray(encoder.source_columns_)
    assert [names[i].startswith("molecular") for i in range(len(names))] == [o == 1 for o in owners]
    inputs = tabular_inputs(lacking(X, blocks["molecular"], rows), network.tabular_columns, encoder)
    assert inputs["tabular_present"].tolist() == [[True, not gone] for gone in rows]


def test_modalities_may_lack_in_training_and_in_prediction(blocks, small_cohort, network):
    """Whole modalities are empty in two thirds of the cases, and every prediction is a number."""
    X, y = assemble(list(blocks.values())), small_cohort.labels
    for number, name in enumerate(("image", "clinical", "molecular")):
        X = lacking(X, blocks[name], np.arange(90) % 5 == number)
    # One case has nothing at all.
    for name in ("image", "clinical", "molecular"):
        X = lacking(X, blocks[name], np.arange(90) == 7)
    network.fit(X, y, groups=small_cohort.patients)
    proba = network.predict_proba(X)
    assert np.isfinite(proba).all()
    assert np.allclose(proba.sum(axis=1), 1)
    # What a case has decides, not with whom it is predicted.
    alone = network.predict_proba(X.iloc[5:6])
    assert alone == pytest.approx(proba[5:6], abs=1e-6)


def test_a_modality_that_no_training_case_has(blocks, small_cohort, network):
    """The network learns from what is there, and what is not has no say."""
    X, y = assemble(list(blocks.values())), small_cohort.labels
    blind = lacking(X, blocks["image"], np.ones(90, dtype=bool))
    network.fit(blind, y, groups=small_cohort.patients)
    assert np.isfinite(network.predict_proba(blind)).all()


def test_a_missing_modality_is_learned_where_all_cases_are_complete(blocks, small_cohort, network):
    """Modality dropout moves what stands in for each modality; without it, it stays zero."""
    X, y = assemble(list(blocks.values())), small_cohort.labels
    for share, learned in ((0.5, True), (0.0, False)):
        network.set_params(modality_dropout=share, weight_decay=0.0)
        module = network.fit(X, y, groups=small_cohort.patients).network_.heads
        stand_ins = (module.image_missing, module.columns_missing, module.tabular_missing)
        assert all(bool(part.abs().sum() > 0) == learned for part in stand_ins)
