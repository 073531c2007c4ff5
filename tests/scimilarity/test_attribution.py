"""What a classifier reads, where that is known: one gene alone, sums, the integral by hand."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from clip_align.scimilarity.attribution import COLUMNS, attribute
from clip_align.scimilarity.cells import GeneMatch
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.heads.linear import LinearHead
from clip_align.scimilarity.network import Encoder, Layers
from representations.errors import InputError
from tests.scimilarity.small import GENES, LAYERS, encoder, expression, trained

TYPES, STEPS = ("B", "NK", "T"), 64


def classifier(part: Encoder | None = None, head: nn.Module | None = None) -> Classifier:
    return Classifier(
        encoder=part or encoder(),
        head=head or trained(LinearHead(LAYERS.latent, len(TYPES)), seed=2),
        genes=GENES, types=TYPES, terms=("", "", ""), temperature=1.0,
        abstention=Conformal(alpha=0.1, n_types=len(TYPES), score_h=np.array([0.5])),
    )  # fmt: skip


def match(columns: tuple[int, ...] = tuple(range(len(GENES)))) -> GeneMatch:
    return GeneMatch(
        model_k=np.array(columns), cells_k=np.arange(len(columns)), n_model=len(GENES),
        n_cells=len(columns),
    )  # fmt: skip


@torch.no_grad()
def logits(model: Classifier, x_nk: Tensor) -> Tensor:
    logit_nt: Tensor = model.head(model.encoder(x_nk))
    return logit_nt


@torch.no_grad()
def likeliest(model: Classifier, x_nk: Tensor, columns: Tensor) -> Tensor:
    return model.head(model.encoder.on_genes(columns)(x_nk)).argmax(dim=1)


def found(
    model: Classifier, x_nk: Tensor, genes: GeneMatch | None = None, **kw: object
) -> pd.DataFrame:  # fmt: skip
    """Attributions to the likeliest types, of every gene."""
    pytest.importorskip("captum")
    genes = genes or match()
    type_n = likeliest(model, x_nk, genes.columns)
    kw = {"n_top": len(GENES), "n_steps": STEPS, **kw}
    return attribute(model, x_nk, genes, type_n, progress=False, **kw)  # type: ignore[arg-type]


def by_gene(table: pd.DataFrame) -> pd.DataFrame:
    return table.pivot(index="gene", columns="type", values="attribution").sort_index()


@torch.no_grad()
def reads_one(gene: int) -> Classifier:
    """The logit of the first type rises with one gene, that of the others falls."""
    part = Encoder(Layers(n_genes=len(GENES), hidden=(2,), latent=2)).eval()
    part.first.weight.zero_()[0, gene] = 1
    part.first.bias.zero_()
    part.network[-1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    part.network[-1].bias.copy_(torch.tensor([0.0, 1.0]))
    head = LinearHead(2, len(TYPES)).eval()
    head.out.weight.copy_(torch.tensor([[9.0, 0.0], [-9.0, 0.0], [-9.0, 0.0]]))
    head.out.bias.copy_(torch.tensor([-1.0, 0.0, -1.0]))
    return classifier(part, head)


def test_a_type_that_is_read_from_one_gene_has_that_gene_first_and_all_of_the_logit() -> None:
    model, x_nk = reads_one(3), expression(40)
    x_nk[:20, 3] = 0
    table = found(model, x_nk)
    first = table[table["type"] == "B"]
    assert first["gene"].iloc[0] == GENES[3]
    assert first["attribution"].iloc[1:].tolist() == [0.0] * (len(GENES) - 1)
    own = logits(model, x_nk).argmax(dim=1) == 0
    rise = logits(model, x_nk)[own, 0] - logits(model, torch.zeros(1, len(GENES)))[:, 0]
    assert first["attribution"].iloc[0] == pytest.approx(float(rise.mean()), rel=1e-3)
    assert first["expressed_share"].iloc[0] == 1.0
    assert set(first["n_cells"]) == {int(own.sum())}


def by_hand(model: Classifier, x_nk: Tensor, start_k: Tensor, t: int) -> np.ndarray:
    """Mean over cells of the sum of gradients in the middle of every step."""
    middle_s = (torch.arange(STEPS) + 0.5) / STEPS
    path_snk = start_k + middle_s[:, None, None] * (x_nk - start_k)
    at = path_snk.flatten(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(model.head(model.encoder(at))[:, t].sum(), at)
    mean_nk = slope.reshape(path_snk.shape).mean(dim=0)
    return ((x_nk - start_k) * mean_nk).mean(dim=0).numpy()


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_attributions_are_the_integral_of_gradients(baseline: str) -> None:
    model, x_nk = classifier(), expression(30)
    table = found(model, x_nk, baseline=baseline)
    start_k = x_nk.mean(dim=0) if baseline == "mean" else torch.zeros(len(GENES))
    own_n, values = logits(model, x_nk).argmax(dim=1), by_gene(table)
    assert len(values.columns) > 1
    for name in values:
        t = TYPES.index(name)
        expected = by_hand(model, x_nk[own_n == t], start_k, t)
        np.testing.assert_allclose(values.loc[list(GENES), name], expected, rtol=1e-3, atol=1e-4)
    assert set(table["baseline"]) == {baseline}


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_attributions_add_up_to_the_difference_of_the_logit(baseline: str) -> None:
    """The path has kinks (PReLU), so the sum comes closer the more steps there are."""
    model, x_nk = classifier(), expression(30)
    coarse, fine = (found(model, x_nk, baseline=baseline, n_steps=n) for n in (5, 500))
    assert 0 < fine["gap"].max() < 0.05 < 0.5 < coarse["gap"].max()
    start_1k = x_nk.mean(dim=0, keepdim=True) if baseline == "mean" else torch.zeros_like(x_nk[:1])
    own_n = logits(model, x_nk).argmax(dim=1)
    for name, total in fine.groupby("type")["attribution"].sum().items():
        t = TYPES.index(str(name))
        rise_n = (logits(model, x_nk[own_n == t]) - logits(model, start_1k))[:, t]
        most = fine.loc[fine["type"] == name, "gap"].iloc[0] * float(rise_n.abs().mean())
        assert total == pytest.approx(float(rise_n.mean()), abs=most + 1e-4)


def test_a_gene_that_no_cell_expresses_has_exactly_nothing() -> None:
    x_nk = expression(30)
    x_nk[:, 5] = 0
    for baseline in ("zero", "mean"):
        table = found(classifier(), x_nk, baseline=baseline)
        silent = table[table["gene"] == GENES[5]]
        assert len(silent) == table["type"].nunique() > 1
        assert (silent[["attribution", "expressed_share"]] == 0).all(axis=None)


def test_a_gene_is_present_where_a_type_has_more_of_it_than_the_baseline() -> None:
    """The first type is told from the others by what it lacks: that gene comes first, absent."""
    model, x_nk = reads_one(3), expression(40)
    model.encoder.first.weight.data.neg_()
    model.encoder.first.bias.data[0] = 2.0
    x_nk[:20, 3], x_nk[20:, 3] = 0.0, 3.0
    x_nk[:, 5] = 0.0
    x_nk[:20, 7], x_nk[20:, 7] = 2.0, 0.0
    right_n = logits(model, x_nk).argmax(dim=1) == 0
    assert right_n.tolist() == [True] * 20 + [False] * 20
    for baseline in ("mean", "zero"):
        table = found(model, x_nk, baseline=baseline)
        own = table[table["type"] == "B"].set_index("gene")
        start_k = x_nk.mean(dim=0) if baseline == "mean" else torch.zeros(len(GENES))
        expected = dict(zip(GENES, (x_nk[:20].mean(dim=0) > start_k).tolist(), strict=True))
        assert own["present"].to_dict() == expected
        assert not own["present"][[GENES[3], GENES[5]]].any()
        assert own["present"][GENES[7]]
    mean = found(model, x_nk, baseline="mean")
    assert mean[mean["type"] == "B"]["gene"].iloc[0] == GENES[3]
    assert mean[mean["type"] == "B"]["attribution"].iloc[0] > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_genes_does_not_matter(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(GENES))
    model, x_nk = classifier(), expression(30)
    mixed = replace(
        model, genes=tuple(GENES[i] for i in order),
        encoder=model.encoder.on_genes(torch.from_numpy(order)),
    )  # fmt: skip
    expected = found(model, x_nk)
    table = found(mixed, x_nk[:, torch.from_numpy(order)])
    pd.testing.assert_frame_equal(table, expected, check_exact=False, rtol=1e-3, atol=1e-5)


def test_genes_that_the_cells_lack_are_left_out() -> None:
    """Attributions of the others are those of cells in which the rest is zero."""
    columns, model, x_nk = (0, 2, 3, 7, 11), classifier(), expression(30)
    whole_nk = torch.zeros_like(x_nk)
    whole_nk[:, list(columns)] = x_nk[:, list(columns)]
    table = found(model, x_nk[:, list(columns)], match(columns))
    assert set(table["gene"]) == {GENES[i] for i in columns}
    expected = by_gene(found(model, whole_nk)).loc[by_gene(table).index]
    pd.testing.assert_frame_equal(by_gene(table), expected, rtol=1e-3, atol=1e-5)


def test_some_cells_of_each_type_are_drawn_by_the_seed_and_the_first_genes_kept() -> None:
    model, x_nk = classifier(), expression(60)
    table = found(model, x_nk, most_cells=4, n_top=3)
    assert tuple(table.columns) == COLUMNS
    assert (table["n_cells"] <= 4).all()
    assert (table.groupby("type")["rank"].agg(list).map(tuple) == (1, 2, 3)).all()
    for _, part in table.groupby("type"):
        assert part["attribution"].is_monotonic_decreasing
    pd.testing.assert_frame_equal(found(model, x_nk, most_cells=4, n_top=3), table)
    assert not found(model, x_nk, most_cells=4, n_top=3, seed=1).equals(table)


def test_cells_of_another_type_than_the_likeliest_are_not_explained() -> None:
    pytest.importorskip("captum")
    model, x_nk = classifier(), expression(30)
    own_n = logits(model, x_nk).argmax(dim=1)
    wrong = own_n.clone()
    wrong[:25] = (own_n[:25] + 1) % len(TYPES)
    table = attribute(model, x_nk, match(), wrong.numpy(), n_top=1, progress=False)
    assert table["n_cells"].sum() == 5
    expected = attribute(model, x_nk[25:], match(), wrong[25:], n_top=1, progress=False)
    pd.testing.assert_frame_equal(table, expected, check_exact=False, rtol=1e-5)
    with pytest.raises(InputError, match="none of 30 cells is given its own type"):
        attribute(model, x_nk, match(), (own_n + 1) % len(TYPES), progress=False)


def test_the_classifier_stays_as_it_is() -> None:
    model = classifier()
    model.head.train()
    found(model, expression(9))
    assert model.head.training
    assert all(p.grad is None for p in (*model.encoder.parameters(), *model.head.parameters()))


@pytest.mark.parametrize("name", ["most_cells", "n_top", "n_steps"])
def test_settings_out_of_range_are_one_line(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}=0: choose 1 or more$"):
        found(classifier(), expression(9), **{name: 0})
    with pytest.raises(InputError, match=r"^baseline='none' is unknown: choose zero or mean$"):
        found(classifier(), expression(9), baseline="none")


def test_other_columns_than_those_of_the_match_are_one_line() -> None:
    with pytest.raises(InputError, match="12 columns for 5 genes: give the cells and the match"):
        attribute(classifier(), expression(9), match((0, 2, 3, 7, 11)), np.zeros(9, int))


def test_missing_captum_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(InputError) as caught:
        attribute(classifier(), expression(9), match(), np.zeros(9, int))
    assert str(caught.value) == (
        'attribution needs captum, which cannot be imported: pip install "clip_align[interpret]"'
    )


def test_captum_is_imported_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.delitem(sys.modules, "clip_align.scimilarity.attribution")
    importlib.import_module("clip_align.scimilarity.attribution")
