"""Each published fault, planted: the gate that stands for it closes, and the others stay open."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from clip_align.scimilarity import gates
from clip_align.scimilarity.gates import GateError, examine
from clip_align.scimilarity.lora import add_adapters
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.tune import TuneConfig, tune
from tests.scimilarity.tiny import labelled, networks

CONFIG = TuneConfig(epochs=3, batch_size=16, learning_rate=1e-2)
KNOWN, HELD = labelled(seed=1), labelled(60, seed=2)


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


def closed(*arms):
    return [gate.name for gate in examine(*arms, KNOWN, HELD).gates if not gate.passed]


def test_an_honest_run_passes_and_says_how_far_it_went(arms):
    sanity = examine(*arms, KNOWN, HELD)
    sanity.require()
    assert sanity.passed
    assert len(sanity.gates) == 10
    assert sanity.distance > 0.01
    assert sanity.cosine < 1
    assert sanity.head_difference > 0
    document = sanity.document()
    assert document["passed"] is True
    assert len(document["gates"]) == 10


def test_an_adapter_that_was_never_loaded(arms):
    """The committed report of the earlier work: L2 0, cosine 1, parity 1."""
    encoder, adapted, baseline = arms
    bare = replace(adapted, encoder=encoder)
    assert "adapters are there" in closed(encoder, bare, baseline)
    fresh = replace(adapted, encoder=add_adapters(encoder, CONFIG.lora, seed=0).eval())
    assert closed(encoder, fresh, baseline) == ["the arm differs from its baseline"]
    sanity = examine(encoder, replace(fresh, head=baseline.head), baseline, KNOWN, HELD)
    assert (sanity.distance, sanity.prediction_parity) == (0, 1)
    with pytest.raises(GateError, match="is closed"):
        sanity.require()


def test_adapters_that_are_not_the_identity_at_step_0(arms, monkeypatch):
    def started_wrong(*args, **kwargs):
        model = add_adapters(*args, **kwargs)
        for name, part in model.named_parameters():
            if "lora_B" in name:
                nn.init.constant_(part, 0.1)
        return model

    monkeypatch.setattr(gates, "add_adapters", started_wrong)
    assert "adapters change nothing at step 0" in closed(*arms)


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
    assert found == ["the baseline's head is of its own embeddings"]


def test_a_merge_that_is_something_else(arms, monkeypatch):
    encoder, _ = networks(seed=5)
    monkeypatch.setattr(gates, "merged", lambda model: encoder)
    assert closed(*arms) == ["merged is unmerged"]


def test_a_file_that_loses_an_adapter(arms, monkeypatch):
    encoder, *_ = arms
    monkeypatch.setattr(
        gates, "load_adapter", lambda frozen, folder: add_adapters(frozen, CONFIG.lora, seed=0)
    )
    assert closed(*arms) == ["saved and loaded is the same"]
    assert embed(encoder, KNOWN.x_nk).shape == (len(KNOWN), 8)
