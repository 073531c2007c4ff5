"""How much memory annotating a file takes: not that of its matrix."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from clip_align.scimilarity.network import Encoder, Layers
from representations.genes import gene_table
from tests.scimilarity.small import trained
from tests.scimilarity.tiny_classifier import classifier, save

N, G = 20_000, 2_000
MOST_MB = 80  # the matrix is dense and takes 160


def write(path: Path, n: int) -> Path:
    """Counts of which one in twenty is not zero."""
    rng = np.random.default_rng(0)
    x_ng = np.zeros((n, G), dtype=np.float32)
    rows = np.repeat(np.arange(n), G // 20)
    x_ng[rows, rng.integers(G, size=len(rows))] = rng.integers(1, 9, size=len(rows))
    adata = AnnData(x_ng)
    adata.obs_names, adata.var_names = [f"c{i}" for i in range(n)], list(genes())
    adata.write_h5ad(path)
    return path


def genes() -> tuple[str, ...]:
    return tuple(sorted(gene_table().ensembl)[:G])


@pytest.mark.slow
def test_the_matrix_is_never_whole_in_memory(tmp_path: Path) -> None:
    encoder = trained(Encoder(Layers(n_genes=G, hidden=(12,), latent=6)))
    run = save(tmp_path / "run", replace(classifier(), encoder=encoder, genes=genes()))
    paths = [run, write(tmp_path / "q.h5ad", N), write(tmp_path / "small.h5ad", 200)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.scimilarity.annotate_peak", *map(str, paths)],
        capture_output=True, text=True, check=False, timeout=300,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    added, peft = done.stdout.split()
    assert 1 < float(added) < MOST_MB
    assert peft == "False"  # six seconds before anything is read
