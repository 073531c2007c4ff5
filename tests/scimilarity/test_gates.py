"""Each published fault, planted: the gate that stands for it closes, and the others stay open."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from clip_align.scimilarity import gates
from clip_align.scimilarity import tune as tuning
from clip_align.scimilarity.gates import Whole, examine
from clip_align.scimilarity.lora import add_adapters
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.sanity import GateError
from clip_align.scimilarity.tune import TuneConfig, tune
from tests.scimilarity.tiny import GENES, labelled, networks

CONFIG = TuneConfig(epochs=3, batch_size=16, learning_rate=1e-2)
KNOWN, HELD = labelled(seed=1), labelled(60, seed=2)
COLUMNS = torch.randperm(40, generator=torch.Generator().manual_seed(0))[:GENES].sort().values
POSITIONS = torch.arange(GENES)


@pytest.fixture(scope="module")
def run():
    encoder, decoder = networks()
    arms = [
        tune(encoder, decoder, KNOWN, HELD, replace(CONFIG, trains=trains))
        for trains in ("adapters", "head")
    ]
    return encoder, *arms


@pytest.fixture
def arms(run):
    """Encoder, adapted arm and baseline, free to be harmed."""
    return copy.deepcopy(run)


def asked(encoder, *arms):
    """The source model has genes that the cells do not measure, between those they do."""
    whole = Whole(encoder=encoder.among_genes(COLUMNS, 40), columns_k=COLUMNS)
    return examine(whole, *arms, KNOWN, HELD)


def closed(*arms):
    return [gate.name for gate in asked(*arms).gates if not gate.passed]


def test_an_honest_run_passes_and_says_how_far_it_went(arms):
    sanity = asked(*arms)
    sanity.require()
    assert sanity.passed
    assert len(sanity.gates) == 13
    assert sanity.distance > 0.01
    assert sanity.cosine < 1
    assert sanity.head_difference > 0
    document = sanity.document()
    assert document["passed"] is True
    assert len(document["gates"]) == 13


def test_an_adapter_that_was_never_loaded(arms):
    """The committed report of the earlier work: L2 0, cosine 1, parity 1."""
    encoder, adapted, baseline = arms
    bare = replace(adapted, encoder=encoder)
    assert "adapters are there" in closed(encoder, bare, baseline)
    fresh = replace(adapted, encoder=add_adapters(encoder, CONFIG.lora, seed=0).eval())
    assert closed(encoder, fresh, baseline) == ["the arm differs from its baseline"]
    sanity = asked(encoder, replace(fresh, head=baseline.head), baseline)
    assert (sanity.distance, sanity.prediction_parity) == (0, 1)
    with pytest.raises(GateError, match=r"differs from its baseline: 0\.0.*; the arm's head"):
        sanity.require()


def test_adapters_that_are_not_the_identity_at_step_0(arms, monkeypatch):
    def started_wrong(*args, **kwargs):
        model = add_adapters(*args, **kwargs)
        for name, part in model.named_parameters():
            if "lora_B" in name:
                nn.init.constant_(part, 0.1)
        return model

    monkeypatch.setattr(tuning, "add_adapters", started_wrong)
    encoder, _, baseline = arms
    adapted = tune(*networks(), KNOWN, HELD, CONFIG)
    assert closed(encoder, adapted, baseline) == ["adapters change nothing at step 0"]


def test_statistics_that_moved_while_adapters_learnt(arms):
    """BatchNorm left in training mode: "adapters off" is the baseline no more."""
    encoder, adapted, baseline = arms
    adapted.encoder.train()
    with torch.no_grad():
        adapted.encoder(KNOWN.x_nk * 3)
    adapted.encoder.eval()
    found = closed(encoder, adapted, baseline)
    assert "BatchNorm statistics are kept" in found
    assert "adapters off are the frozen encoder" in found


def test_base_weights_that_learnt_too(arms):
    encoder, adapted, baseline = arms
    with torch.no_grad():
        for name, part in adapted.encoder.named_parameters():
            if "base_layer.bias" in name:
                part += 0.01
    found = closed(encoder, adapted, baseline)
    assert "adapters off are the frozen encoder" in found
    assert "saved and loaded is the same" in found


def test_a_baseline_that_is_the_tuned_encoder(arms):
    encoder, adapted, _ = arms
    found = closed(encoder, adapted, replace(adapted))
    assert "baseline is the frozen encoder" in found


def test_a_baseline_head_of_three_steps(arms):
    encoder, adapted, baseline = arms
    assert "both heads had the same steps" in closed(encoder, adapted, replace(baseline, steps=3))


def test_a_baseline_with_the_head_of_the_tuned_arm(arms):
    encoder, adapted, baseline = arms
    found = closed(encoder, adapted, replace(baseline, head=adapted.head))
    assert found == [
        "the baseline's head is of its own embeddings", "the arm's head is not the baseline's"
    ]  # fmt: skip


def test_a_merge_that_is_something_else(arms, monkeypatch):
    encoder, _ = networks(seed=5)
    monkeypatch.setattr(gates, "merged", lambda model: encoder)
    assert closed(*arms) == ["merged is unmerged"]


def test_a_file_that_loses_an_adapter(arms, monkeypatch):
    encoder, *_ = arms
    monkeypatch.setattr(
        gates, "load_adapter", lambda frozen, folder: add_adapters(frozen, CONFIG.lora, seed=0)
    )
    assert closed(*arms) == ["saved and loaded is the same", "its adapters on all genes too"]
    assert embed(encoder, KNOWN.x_nk).shape == (len(KNOWN), 8)


def test_a_run_whose_weights_are_copied_by_position(arms, monkeypatch):
    """As a checkpoint over another list of genes once was: nothing on the cells' genes shows it."""
    by_gene = Encoder.among_genes
    whole = Whole(encoder=arms[0].among_genes(COLUMNS, 40), columns_k=COLUMNS)
    monkeypatch.setattr(Encoder, "among_genes", lambda self, _, n: by_gene(self, POSITIONS, n))
    found = [gate.name for gate in examine(whole, *arms[1:], KNOWN, HELD).gates if not gate.passed]
    assert found == ["the run on all genes is the same"]


def test_adapters_that_are_written_by_position(arms, monkeypatch):
    by_gene = gates.save_adapter

    def by_position(*args, columns_k, n_genes):
        by_gene(*args, columns_k=POSITIONS[: len(columns_k)], n_genes=n_genes)

    monkeypatch.setattr(gates, "save_adapter", by_position)
    assert closed(*arms) == ["its adapters on all genes too"]
