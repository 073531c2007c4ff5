"""Ours beside the scimilarity package, where it is installed: weights it saved, cells it reads.

Its networks are taken from their file, which asks for torch alone; the package asks for far more.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.folder import GENES, SIZES, load_source
from clip_align.scimilarity.network import Decoder, Encoder, Layers, embed
from clip_align.seeding import seeded
from tests.scimilarity.small import trained

PACKAGE = "scimilarity"
LAYERS = Layers(n_genes=40, hidden=(16, 12), latent=8)
# Sorted, as theirs is: their alignment gives sorted genes whatever the order that was asked for.
ORDER = tuple(f"GENE{i:02}" for i in range(LAYERS.n_genes))

if importlib.util.find_spec(PACKAGE) is None:
    pytest.skip(
        f"the package {PACKAGE} is not installed: make scimilarity", allow_module_level=True
    )


@pytest.fixture(scope="module")
def networks() -> ModuleType:
    """Its module ``nn_models``."""
    package = importlib.util.find_spec(PACKAGE)
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).with_name("nn_models.py")
    spec = importlib.util.spec_from_file_location("peer_networks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def saved(networks: ModuleType, tmp_path: Path) -> Path:
    """A model folder with weights that their ``save_state`` wrote."""
    sizes = {"n_genes": LAYERS.n_genes, "latent_dim": LAYERS.latent}
    encoder = trained(networks.Encoder(**sizes, hidden_dim=list(LAYERS.hidden)), 0)
    decoder = trained(networks.Decoder(**sizes, hidden_dim=list(reversed(LAYERS.hidden))), 1)
    encoder.save_state(str(tmp_path / "encoder.ckpt"))
    decoder.save_state(str(tmp_path / "decoder.ckpt"))
    shapes = {name: list(tensor.size()) for name, tensor in encoder.state_dict().items()}
    (tmp_path / SIZES).write_text(json.dumps(shapes))
    (tmp_path / GENES).write_text("\n".join(ORDER))
    (tmp_path / "label_ints.csv").write_text(",0\n0,B cell\n")
    return tmp_path


def counts(n: int = 30, genes: tuple[str, ...] = ORDER) -> AnnData:
    rng = np.random.default_rng(0)
    adata = AnnData(sp.csr_matrix(rng.poisson(2.0, size=(n, len(genes))).astype(np.float32)))
    adata.var_names = list(genes)
    return adata


def test_their_weights_give_their_embeddings(networks: ModuleType, saved: Path) -> None:
    theirs = networks.Encoder(LAYERS.n_genes, LAYERS.latent, list(LAYERS.hidden))
    theirs.load_state(str(saved / "encoder.ckpt"))
    back = networks.Decoder(LAYERS.n_genes, LAYERS.latent, list(reversed(LAYERS.hidden)))
    back.load_state(str(saved / "decoder.ckpt"))
    model = load_source(saved)
    x_ng = torch.from_numpy(np.log1p(counts().X.toarray()))
    z_ne = embed(model.encoder, x_ng)
    assert model.encoder.layers == LAYERS
    assert torch.equal(z_ne, theirs.eval()(x_ng))
    assert torch.equal(model.decoder(z_ne), back.eval()(z_ne))


def test_dropout_draws_as_theirs_in_training(networks: ModuleType) -> None:
    theirs = networks.Encoder(LAYERS.n_genes, LAYERS.latent, list(LAYERS.hidden)).train()
    back = networks.Decoder(LAYERS.n_genes, LAYERS.latent, list(reversed(LAYERS.hidden))).train()
    encoder, decoder = Encoder(LAYERS).train(), Decoder(LAYERS).train()
    encoder.load_state_dict(theirs.state_dict())
    decoder.load_state_dict(back.state_dict())
    x_ng = torch.from_numpy(np.log1p(counts().X.toarray()))
    with seeded(3):
        expected = back(theirs(x_ng))
    with seeded(3):
        assert torch.equal(decoder(encoder(x_ng)), expected)


def test_counts_become_their_embeddings(saved: Path) -> None:
    """Genes in another order, some missing, some unknown: aligned, log-normalised, embedded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of theirs
        theirs = importlib.import_module(PACKAGE)
        names = (*reversed(ORDER[5:]), "UNKNOWN1", "UNKNOWN2")
        adata, model = counts(genes=names), load_source(saved)
        given = adata.copy()
        given.layers["counts"] = given.X.copy()
        aligned = theirs.align_dataset(given, list(ORDER), gene_overlap_threshold=10)
        read = theirs.lognorm_counts(aligned)
        expected_ne = theirs.CellEmbedding(str(saved)).get_embeddings(read.X)
    z_ne = embed_cells(model.encoder, adata, match_genes(names, ORDER, least=10))
    np.testing.assert_allclose(z_ne.numpy(), expected_ne, atol=1e-6)
