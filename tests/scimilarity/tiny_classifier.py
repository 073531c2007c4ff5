"""A classifier of thirty genes and three types, made by hand, and cells to ask it of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from anndata import AnnData

from clip_align.scimilarity.annotate import annotate
from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.network import Encoder, Layers
from clip_align.scimilarity.probabilities import softmax
from clip_align.scimilarity.run import save_classifier
from representations.genes import gene_table
from representations.keys import Obsm
from tests.scimilarity.small import trained

LAYERS = Layers(n_genes=30, hidden=(12,), latent=6)
TYPES = ("B", "CD4 T", "CD8 T")
TERMS = ("CL:0000236", "CL:0000624", "CL:0000625")
LEAST = 20
TEMPERATURE = 2.0
_KNOWN = [gene for gene, ensembl in sorted(gene_table().ensembl.items()) if ensembl]
GENES = tuple(_KNOWN[: LAYERS.n_genes])
OTHERS = tuple(_KNOWN[1000:1006])  # that the model does not have
COLUMNS = [
    "scimilarity_cell_type", "scimilarity_score", "scimilarity_best_cell_type",
    "scimilarity_reason", "scimilarity_types", "scimilarity_ontology_term_id",
    "scimilarity_ontology_label",
]  # fmt: skip
EMPTY = 5  # cells without counts of the model's genes: this one and the next


def cells(n: int = 90, *, seed: int = 0) -> AnnData:
    """Three programmes and their mixtures, a tenth of the cells of another kind, two empty."""
    rng = np.random.default_rng(seed)
    names = (*GENES, *OTHERS)
    rate_pg = np.random.default_rng(1).lognormal(0, 1.5, (4, len(names)))
    share_np = rng.dirichlet([0.2] * 3 + [1e-9], n)
    share_np[::10] = [0, 0, 0, 1]
    x_ng = rng.poisson(5 * share_np @ rate_pg).astype(np.float32)
    x_ng[EMPTY] = 0
    x_ng[EMPTY + 1, : len(GENES)] = 0
    x_ng[EMPTY + 1, -1] = 3
    adata = AnnData(sp.csr_matrix(x_ng))
    adata.obs_names = [f"cell_{i}" for i in range(n)]
    adata.var_names = list(names)
    return adata


@lru_cache
def classifier() -> Classifier:
    """Calibrated on cells whose types it knows four times in five."""
    encoder = trained(Encoder(LAYERS), 2).requires_grad_(False)
    head = trained(heads.get("linear")(LAYERS.latent, len(TYPES)), 5).requires_grad_(False)
    match = match_genes(GENES, GENES, least=1)
    known, held = (cells(300, seed=seed)[:, list(GENES)] for seed in (8, 9))
    here = [i for i in range(300) if i % 10 and i not in (EMPTY, EMPTY + 1)]
    z_ke, z_he = (embed_cells(encoder, adata[here].copy(), match) for adata in (known, held))
    p_ht = softmax(head(z_he).numpy(), TEMPERATURE)
    rng = np.random.default_rng(0)
    guess_h = np.array([rng.choice(3, p=p_t) for p_t in p_ht])
    type_h = np.where(rng.random(len(p_ht)) < 0.8, p_ht.argmax(axis=1), guess_h)
    return Classifier(
        encoder=encoder, head=head, genes=GENES, types=TYPES, terms=TERMS, temperature=TEMPERATURE,
        abstention=Conformal.fit(p_ht, type_h, z_he.numpy(), z_ke.numpy(), alpha=0.2),
        about={"source": "a small one", "source_digest": "0123", "least_genes": LEAST,
               "n_genes": LAYERS.n_genes, "data": "train.h5ad"},
    )  # fmt: skip


def save(folder: Path, found: Classifier | None = None) -> Path:
    """A run folder; without adapters."""
    save_classifier(folder, found or classifier(), head="linear", sanity={}, metrics={})
    return folder


def broken_encoder() -> Classifier:
    """Weights that are no numbers."""
    encoder = trained(Encoder(LAYERS), 2).requires_grad_(False)
    encoder.first.weight[:] = torch.nan
    return replace(classifier(), encoder=encoder)


def annotated(adata: AnnData | None = None, **options: float) -> AnnData:
    adata = cells() if adata is None else adata
    annotate(adata, classifier(), **options)
    return adata


def same(found: AnnData, expected: AnnData) -> None:
    """Bit for bit."""
    pd.testing.assert_frame_equal(
        found.obs[COLUMNS], expected.obs[COLUMNS], check_exact=True, check_names=False
    )
    assert found.obsm[Obsm.SCIMILARITY].dtype == np.float32
    assert found.obsm[Obsm.SCIMILARITY].tobytes() == expected.obsm[Obsm.SCIMILARITY].tobytes()
