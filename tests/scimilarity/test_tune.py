"""Arms: what learns and what does not, the same start and budget for every head."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from clip_align.scimilarity import tune as tune_module
from clip_align.scimilarity import tuning as module
from clip_align.scimilarity.gates import statistics_digest
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.probe import (
    best_of,
    logistic,
    logistic_regressions,
    macro_f1,
    start_at,
)
from clip_align.scimilarity.remembered import Remembered
from clip_align.scimilarity.tune import Labelled, TuneConfig, tune
from clip_align.scimilarity.tune_config import check
from clip_align.seeding import seeded
from representations.errors import InputError
from tests.scimilarity.tiny import GENES, TYPES, labelled, networks

ARMS = ("head", "adapters", "encoder", "scratch")
FEW = TuneConfig(epochs=3, batch_size=16, learning_rate=1e-2)


def run(config: TuneConfig, known=None, held=None):
    encoder, decoder = networks()
    known = known or labelled(seed=1)
    return encoder, tune(encoder, decoder, known, held or labelled(60, seed=2), config)


@pytest.mark.parametrize("trains", ARMS)
def test_every_arm_learns_and_repeats(trains):
    config = replace(FEW, trains=trains, epochs=6)
    _, first = run(config)
    _, again = run(config)
    held = labelled(60, seed=2)
    z_ne = first.embed(held.x_nk)
    assert torch.equal(z_ne, again.embed(held.x_nk))
    assert torch.equal(first.logits(z_ne), again.logits(z_ne))
    right = (first.logits(z_ne).argmax(dim=1) == held.type_n).float().mean()
    assert right > 0.8
    best = first.history[first.best_epoch]["held/macro_f1"]
    assert best == max(one["held/macro_f1"] for one in first.history)


@pytest.mark.parametrize("trains", ARMS)
def test_the_given_encoder_stays_as_it_is(trains):
    encoder, _ = networks()
    before = {name: x.clone() for name, x in encoder.state_dict().items()}
    given, tuned = run(replace(FEW, trains=trains))
    for name, x in given.state_dict().items():
        assert torch.equal(x, before[name]), name
    moved = not torch.equal(tuned.embed(labelled().x_nk), embed(given, labelled().x_nk))
    assert moved == (trains != "head")


@pytest.mark.parametrize(
    ("trains", "kept"), [("head", True), ("adapters", True), ("encoder", False)]
)
def test_statistics_move_only_where_the_encoder_learns(trains, kept):
    given, tuned = run(replace(FEW, trains=trains))
    assert (statistics_digest(tuned.encoder) == statistics_digest(given)) == kept


def test_every_head_has_the_same_budget_and_start():
    """One step of rate next to nothing leaves each head where it began."""
    still = replace(FEW, epochs=1, batch_size=120, learning_rate=1e-12, head_learning_rate=1e-12)
    found = [run(replace(still, trains=trains))[1] for trains in ARMS]
    assert {tuned.steps for tuned in found} == {1}
    first = found[0].head.state_dict()
    for tuned in found[1:]:
        for name, x in tuned.head.state_dict().items():
            assert torch.allclose(x, first[name], atol=1e-9)


def test_what_the_first_layer_remembers_changes_nothing(monkeypatch):
    """With and without: the same training, up to the order of sums."""
    _, quick = run(FEW)

    @contextmanager
    def forgetful(encoder, x_nk):
        yield None

    monkeypatch.setattr(module, "remembering", forgetful)
    _, slow = run(FEW)
    x_nk = labelled().x_nk
    assert torch.allclose(quick.embed(x_nk), slow.embed(x_nk), atol=1e-4)
    assert not any(isinstance(part, Remembered) for part in quick.encoder.modules())


@pytest.mark.parametrize(
    "change", [{"dropout": 0.2}, {"lora": LoraSettings(targets=("network.2",))}]
)
def test_nothing_is_remembered_where_the_first_layer_has_no_say(change, monkeypatch):
    """With dropout cells differ from pass to pass; without an adapter there is nothing to add."""

    def refused(*args):
        raise AssertionError("remembered")

    monkeypatch.setattr(Remembered, "__init__", refused)
    run(replace(FEW, **change))
    with pytest.raises(AssertionError, match="remembered"):
        run(FEW)


@pytest.mark.parametrize("extra", ["triplet_weight", "reconstruction_weight"])
def test_each_part_of_the_loss_changes_what_is_learnt(extra):
    _, plain = run(FEW)
    _, more = run(replace(FEW, **{extra: 1.0}))
    x_nk = labelled().x_nk
    assert not torch.equal(plain.embed(x_nk), more.embed(x_nk))


def test_a_frozen_encoder_has_no_use_for_losses_of_embeddings():
    _, plain = run(replace(FEW, trains="head"))
    _, more = run(replace(FEW, trains="head", triplet_weight=1.0, reconstruction_weight=1.0))
    z_ne = plain.embed(labelled().x_nk)
    assert torch.equal(plain.logits(z_ne), more.logits(z_ne))


def test_reconstruction_of_drawn_genes_is_that_of_all_where_all_are_drawn():
    """As many as there are, or more: the same; fewer: another estimate."""
    every, most, few = (
        run(replace(FEW, reconstruction_weight=1.0, reconstruction_genes=n))[1]
        for n in (GENES, 10 * GENES, 5)
    )
    x_nk = labelled().x_nk
    assert torch.equal(every.embed(x_nk), most.embed(x_nk))
    assert not torch.allclose(every.embed(x_nk), few.embed(x_nk), atol=1e-6)


def test_class_weights_raise_the_rare():
    known = labelled(120, seed=1, noise=3.0)
    keep = torch.cat([torch.where(known.type_n != 2)[0], torch.where(known.type_n == 2)[0][:4]])
    rare = Labelled(x_nk=known.x_nk[keep], type_n=known.type_n[keep], types=TYPES)
    held = labelled(240, seed=2, noise=3.0)
    said = {}
    for weights in ("none", "balanced"):
        _, tuned = run(replace(FEW, trains="head", class_weights=weights, epochs=8), rare, held)
        said[weights] = int((tuned.logits(tuned.embed(held.x_nk)).argmax(dim=1) == 2).sum())
    assert said["balanced"] > said["none"]


def test_among_reads_the_whole_order_as_it_was_tuned():
    """Genes that were not measured keep the source's weights; the embedding is the same."""
    encoder, decoder = networks()
    columns_k = torch.arange(0, GENES, 2)
    whole = labelled()
    part = replace(whole, x_nk=whole.x_nk[:, columns_k])
    small = encoder.on_genes(columns_k), decoder.on_genes(columns_k)
    for trains in ARMS:
        tuned = tune(*small, part, part, replace(FEW, trains=trains))
        over = tuned.among(encoder, columns_k)
        x_ng = torch.zeros(len(whole), GENES)
        x_ng[:, columns_k] = part.x_nk
        assert torch.allclose(embed(over, x_ng), tuned.embed(part.x_nk), atol=1e-6)
        others = over.first.weight[:, 1::2]
        expected = (
            torch.zeros_like(others) if trains == "scratch" else encoder.first.weight[:, 1::2]
        )
        assert torch.equal(others, expected)


# --- the probe ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_types", [2, 3])
def test_a_head_started_at_a_probe_says_what_the_probe_says(n_types):
    encoder, _ = networks()
    known = labelled()
    rows = known.type_n < n_types
    z_ne, type_n = embed(encoder, known.x_nk[rows]).numpy(), known.type_n[rows].numpy()
    probe = logistic(1.0).fit(z_ne, type_n)
    with seeded(0):
        head = heads.get("linear")(8, 3)
    start_at(head, probe)
    with torch.no_grad():
        p_nt = torch.softmax(head(torch.from_numpy(z_ne)), dim=1).numpy()
    np.testing.assert_allclose(p_nt[:, :n_types], probe.predict_proba(z_ne), atol=1e-5)
    if n_types == 2:
        assert p_nt[:, 2].max() < 1e-6


def test_the_probe_is_the_best_on_held_cells_and_scikit_learns():
    encoder, _ = networks()
    known, held = labelled(seed=1, noise=2.0), labelled(60, seed=2, noise=2.0)
    parts = [a for p in (known, held) for a in (embed(encoder, p.x_nk).numpy(), p.type_n.numpy())]
    name, best = best_of(logistic_regressions(), *parts)
    assert isinstance(best.steps[-1][1], LogisticRegression)
    scores = {
        n: macro_f1(parts[3], one.fit(*parts[:2]).predict(parts[2]))
        for n, one in logistic_regressions().items()
    }
    assert len(set(scores.values())) > 1
    assert name == max(scores, key=lambda n: scores[n])
    assert macro_f1(parts[3], best.predict(parts[2])) == max(scores.values())


def test_a_probe_is_for_the_linear_head():
    with pytest.raises(InputError, match="head_start='random'"):
        run(replace(FEW, head="mlp", head_start="probe"))


# --- hostile input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs=0"), ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"), ({"head": "lineal"}, "linear"),
        ({"head_learning_rate": -1.0}, "head_learning_rate=-1.0"),
        ({"batch_size": 1}, "batch_size=1: choose 2 or more"),
        ({"seed": -1}, "seed=-1: choose a value from 0"),
        ({"dropout": 1.0}, "dropout=1.0"), ({"dropout": -0.1}, "dropout=-0.1"),
        ({"triplet_weight": -1.0}, "triplet_weight=-1.0"),
        ({"triplet_weight": math.nan}, "triplet_weight=nan"),
        ({"reconstruction_weight": math.nan}, "reconstruction_weight=nan"),
        ({"margin": -0.1}, "margin=-0.1"), ({"margin": math.nan}, "margin=nan"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"reconstruction_genes": 0}, "reconstruction_genes=0"),
        ({"lora": LoraSettings(rank=0)}, "lora.rank=0"),
        ({"lora": LoraSettings(alpha=0)}, "lora.alpha=0"),
        ({"lora": LoraSettings(dropout=1.0)}, "lora.dropout=1.0"),
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_one_line(change, said):
    with pytest.raises(InputError, match=said) as error:
        run(replace(FEW, **change))
    assert "\n" not in str(error.value)


def test_settings_that_are_part_of_others_are_named_so():
    with pytest.raises(InputError, match=r"^tune\.epochs=0: "):
        check(replace(FEW, epochs=0), "tune.")
    check(FEW, "tune.")


def test_a_bar_counts_every_cell_of_every_epoch_and_changes_nothing(monkeypatch):
    seen = []

    class Bar(tqdm):
        def update(self, n=1):
            seen.append(n)

    monkeypatch.setattr(tune_module, "tqdm", Bar)
    encoder, decoder = networks()
    given = encoder, decoder, labelled(40, seed=1), labelled(20, seed=2), FEW
    quiet, shown = tune(*given), tune(*given, progress=True)
    assert quiet.history == shown.history
    assert seen == 2 * FEW.epochs * [16, 16, 8]


def test_one_type_is_no_classifier():
    known = labelled()
    with pytest.raises(InputError, match="1 cell type"):
        Labelled(x_nk=known.x_nk, type_n=known.type_n, types=("B",))


def test_nan_stops_the_training():
    known = labelled()
    x_nk = known.x_nk.clone()
    x_nk[0, 0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        run(FEW, replace(known, x_nk=x_nk))
